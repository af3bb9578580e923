"""Why this machine refuses sandboxes, and the line that mends it. Nothing is said that was not looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from agentbay_local.sandbox import bwrap

ASK: Final = f"import ctypes; raise SystemExit(ctypes.CDLL(None).unshare({0x10000000}) != 0)"
PATIENCE: Final = 20
ITS_NAME: Final = "bubblewrap"
"""How a bwrap begins to tell its version."""
CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))


@frozen
class Reason:
    """A cause, and its remedy in one line."""

    cause: str
    remedy: str


def setting(path: str) -> str:
    """A kernel setting; empty if this kernel has none of that name."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def apparmor() -> Reason | None:
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") != "1":
        return None
    return Reason(
        "AppArmor keeps ordinary programs from making user namespaces (Ubuntu 23.10 and newer)",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    )


def switched_off() -> Reason | None:
    if setting("/proc/sys/kernel/unprivileged_userns_clone") != "0":
        return None
    return Reason("user namespaces are switched off", "sudo sysctl -w kernel.unprivileged_userns_clone=1")


def none_allowed() -> Reason | None:
    if setting("/proc/sys/user/max_user_namespaces") != "0":
        return None
    return Reason("no user namespace is allowed on this machine", "sudo sysctl -w user.max_user_namespaces=15000")


def container() -> Reason | None:
    if not any(mark.exists() for mark in CONTAINER_MARKS) or not namespaces_refused():
        return None
    return Reason(
        "this is a container whose own filter forbids namespaces",
        "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined ...",
    )


def namespaces_refused() -> bool:
    """Whether a program of ours that asks for a user namespace is told no."""
    ask = [sys.executable, "-I", "-S", "-c", ASK]
    return subprocess.run(ask, check=False, timeout=PATIENCE, stderr=subprocess.DEVNULL).returncode != 0


def no_bwrap() -> Reason | None:
    """Unlike what is left of a sandbox that could not start, this is the same each time."""
    found = [unusable(program) for program in bwrap.bwraps()]
    if not found or not all(found):
        return None
    remedy = "unset AGENTBAY_BWRAP" if os.environ.get("AGENTBAY_BWRAP") else NO_BWRAP.remedy
    return Reason(f"bwrap, which makes the sandboxes, does not work: {'; '.join(found)}", remedy)


def unusable(program: Path) -> str:
    """What keeps a program from being a bwrap at all: how it answers when asked for its version. Empty if it is one."""
    ask = [str(program), "--version"]
    try:
        done = subprocess.run(
            ask, capture_output=True, text=True, errors="replace", timeout=PATIENCE, env={}, check=False
        )
    except OSError as error:
        return f"{program} cannot be started ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"{program} --version did not end within {PATIENCE} s"
    said = (done.stdout + done.stderr).strip()
    if done.returncode == 0 and said.startswith(ITS_NAME):
        return ""
    return f"{program} --version {ending(done.returncode)} and said {said.splitlines()[0] if said else 'nothing'}"


def ending(code: int) -> str:
    """How a program ended, by its exit code."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"


PROBES: Final[tuple[Callable[[], Reason | None], ...]] = (no_bwrap, none_allowed, switched_off, apparmor, container)
NO_BWRAP: Final = Reason(
    "bwrap, which makes the sandboxes, is not here (or older than 0.8)", 'pip install "agentbay-sdk[local]"'
)
HIDDEN_PROC: Final = Reason(
    "parts of /proc are hidden, as containers do", "docker run --security-opt systempaths=unconfined ..."
)


def reasons() -> Iterator[Reason]:
    """What was found that can keep sandboxes from starting."""
    return (reason for probe in PROBES if (reason := probe()))


def explain(said: str) -> str:
    """A message for a start that failed, out of what the programs said and what is found here."""
    if broken := no_bwrap():
        return f"{broken.cause}. This mends it: {broken.remedy}"
    told = f"\nbwrap said: {said}" if said else ""
    found = HIDDEN_PROC if "mount proc" in said else next(reasons(), None)
    if found:
        return f"this machine refuses sandboxes: {found.cause}. This mends it: {found.remedy}{told}"
    return f"this machine refuses sandboxes, for no reason that is known here{told or '; nothing was said'}"
