"""What a hostile session, or a hostile daemon in it, cannot do by way of its contexts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agentbay_local.contexts import Contexts
from agentbay_local.syncing.patterns import fitting
from agentbay_local.syncing.selection import Question
from agentbay_local.syncing.tasks import Status
from agentbay_local.syncing.tree import Tree
from tests.local.syncing.conftest import LIMITS, PLACE, Listed, Put, Side

SECRET = b"of the host"
FACT = {"type": "file", "size": 1, "mode": 0o644, "mtime_ns": 1, "ctime_ns": 1, "inode": 1, "target": ""}


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder of the host that nobody inside may see."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "a").write_bytes(SECRET)
    return folder


async def swapping(side: Side, trap: Path) -> None:
    """From now on `d` is a folder, a link to a place of the host, or a link up, in turn."""
    loop = "while :; do mv -T d x; mv -T l d; mv -T d l; mv -T u d; mv -T d u; mv -T x d; done"
    await side.sh(f"mkdir -p d; echo inside > d/a; ln -s {trap} l; ln -s .. u; ({loop}) >/dev/null 2>&1 &")


async def test_a_link_that_comes_and_goes_never_leads_to_the_host(
    side: Side, trap: Path, put: Put, store: Contexts, context_id: str
) -> None:
    await swapping(side, trap)
    for number in range(8):
        await put("d/new", str(number).encode())
        await side.up()
        await side.down()
        for entry in await store.entries(context_id):
            if entry.kind == "file":
                async with store.reading(entry) as reading:
                    assert SECRET not in await reading.read(0)
    assert (["a"], SECRET) == (os.listdir(trap), (trap / "a").read_bytes())


async def test_special_files_are_left_out(side: Side, listed: Listed) -> None:
    await side.python(
        """
        import os, socket
        os.mkfifo('pipe')
        socket.socket(socket.AF_UNIX).bind('door')
        os.symlink('/dev/zero', 'zero')
        os.symlink('/proc/self/mem', 'memory')
        open('file', 'w')
        """
    )
    assert (Status.SUCCESS, "") == ((task := await side.up()).status, task.error)
    found = {path: str(entry.kind) for path, entry in (await listed()).items()}
    assert {"file": "file", "zero": "link", "memory": "link"} == found


@pytest.mark.parametrize(
    "entries",
    [
        [FACT | {"path": "/etc/passwd"}],
        [FACT | {"path": f"{PLACE}/../x"}],
        [FACT | {"path": f"{PLACE}//x"}],
        [FACT | {"path": PLACE}],
        [FACT | {"path": 7}],
        [FACT | {"path": f"{PLACE}/x", "size": "1"}],
        [FACT | {"path": f"{PLACE}/x", "inode": True}],
        [FACT | {"path": f"{PLACE}/x", "type": "door"}],
        [FACT | {"path": f"{PLACE}/x", "target": None}],
        [{"path": f"{PLACE}/x"}],
        ["x"],
        7,
    ],
)
async def test_a_daemon_that_lies_about_files_fails_the_task(side: Side, listed: Listed, entries: Any) -> None:
    class Lying:
        closed = side.sandbox.closed

        async def fs(self, verb: str, **args: Any) -> Any:
            return {"entries": entries, "truncated": False} if verb == "scan" else FACT

    side.desk.bindings[0].tree = Tree(Lying(), LIMITS)  # type: ignore[arg-type]
    task = await side.up()
    assert (Status.FAILED, True) == (task.status, "no usable list of files" in task.error), task.error
    assert {} == await listed()


@pytest.mark.parametrize("said", ["[]", '["1"]', '["10", "1"]', "7", "{}", "nonsense", ""])
async def test_a_program_that_lies_about_patterns_fails_the_task(side: Side, said: str) -> None:
    class Lying:
        interpreter = side.sandbox.interpreter

        async def run(self, *_: Any, **__: Any) -> Any:
            return await side.sandbox.run(["/bin/echo", said])

    with pytest.raises(Exception, match="no usable answer"):
        await fitting(Lying(), [Question("a", frozenset({"a", "b"}))])  # type: ignore[arg-type]
