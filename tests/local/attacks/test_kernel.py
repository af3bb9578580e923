"""What programs inside may ask of the kernel: all of it tried in one sandbox, one row a test."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from agentbay_local.sandbox.bwrap import interpreter
from agentbay_local.sandbox.contract import CannotIsolate, Limits
from agentbay_local.sandbox.pool import BwrapEngine
from tests.local.attacks.inside import kernel

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers are those of x86_64")

SOURCE = Path(kernel.__file__).read_text("utf-8")

NO_FAMILY = {"EAFNOSUPPORT"}
DENIED = {"EPERM"}
UNKNOWN = {"ENOSYS"}
OTHERWISE: dict[str, Any] = {
    **dict.fromkeys(("semget", "msgget", "number beyond the table", "x32 number of execve", "open_tree_attr"), UNKNOWN),
    "shmat": {"EINVAL"},
    **{name: NO_FAMILY for name in kernel.attempts() if name.startswith(("socket AF", "socketpair AF", "netlink"))},
    **{f"{family} {name}": {"EPROTONOSUPPORT"} for name in kernel.PROTOCOLS for family in ("AF_INET", "AF_INET6")},
    **dict.fromkeys(("int 0x80, getpid of 32 bits", "int 0x80, execve of 32 bits"), UNKNOWN),
    # Processors differ; on none of them does it come back with an answer.
    "sysenter": {"signal 4", "signal 11", "ENOSYS"},
    "files of /proc that can be written": [],
    "addresses of the kernel": 0,
    "memory of the daemon": {"EACCES"},
    "devices": ("core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".split()),
    "a hard link to a file of the system": {"EXDEV", "EPERM"},
    "a hard link to a file of the daemon": {"EXDEV", "EPERM"},
    "a program in memory": UNKNOWN,
}
"""What comes of an attempt, where that is not EPERM."""


async def _tried() -> dict[str, Any]:
    engine = BwrapEngine(Limits(), warm=0)
    try:
        await engine.start()
        box = await engine.create()
        done = await box.run([str(interpreter()), "-I", "-S", "-c", SOURCE], timeout=50)
        assert (0, b"") == (done.code, done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    finally:
        await engine.close()


@pytest.fixture(scope="module")
def tried() -> dict[str, Any]:
    try:
        return asyncio.run(_tried())
    except CannotIsolate as error:
        pytest.skip(f"this machine cannot run sandboxes: {error}")


@pytest.mark.parametrize("name", sorted(kernel.attempts()))
def test_nothing_comes_of_asking_the_kernel(tried: dict[str, Any], name: str) -> None:
    expected = OTHERWISE.get(name, DENIED)
    assert tried[name] in expected if isinstance(expected, set) else tried[name] == expected


def test_nothing_is_expected_that_is_not_tried() -> None:
    assert set() == set(OTHERWISE) - set(kernel.attempts())
