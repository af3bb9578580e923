"""Kernels as plain child processes: what they do is the same inside a sandbox and outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
from attrs import frozen

from agentbay_local.code import Kernels


@frozen
class ChildProcess:
    """A program outside any sandbox, in a group of its own."""

    child: asyncio.subprocess.Process

    @property
    def reader(self) -> asyncio.StreamReader:
        assert self.child.stdout
        return self.child.stdout

    @property
    def writer(self) -> asyncio.StreamWriter:
        assert self.child.stdin
        return self.child.stdin

    async def wait(self) -> int:
        return await self.child.wait()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child._transport.close()  # it is not over for asyncio while there is something left to read
        await self.child.wait()


class ChildSpawner:
    """Starts programs as children of the test, with a folder of their own for sockets."""

    def __init__(self, folder: str, **env: str) -> None:
        self.env = {"HOME": folder, "TMPDIR": folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **env}
        self.children: list[asyncio.subprocess.Process] = []

    async def spawn(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> ChildProcess:
        pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=self.env | dict(env or {}),
            stdin=pipe,
            stdout=pipe,
            stderr=quiet,
            start_new_session=True,
        )
        self.children.append(child)
        return ChildProcess(child)


@frozen
class Interpreter:
    """One session's kernels, and short ways to use them."""

    kernels: Kernels
    spawner: ChildSpawner
    folder: str

    async def run(self, code: str, language: str = "python", timeout_s: float = 30) -> dict[str, Any]:
        return await self.kernels.execute(language, code, timeout_s)

    async def value(self, code: str, language: str = "python") -> str:
        """The plain text of the main result, once it is clear that nothing failed."""
        answer = await self.run(code, language)
        assert told(answer) == ""
        return str(answer["results"][-1]["text"])

    def driver(self) -> int:
        return self.spawner.children[-1].pid


def printed(answer: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What came on standard output and on standard error."""
    return answer["logs"]["stdout"], answer["logs"]["stderr"]


def told(answer: Mapping[str, Any]) -> str:
    """The whole error as one text, its name and value first and then its traceback; empty if nothing failed."""
    error = answer["error"]
    assert answer["isError"] == (error is not None)
    if error is None:
        return ""
    head = ": ".join(filter(None, (error["name"], error["value"])))
    return "\n\n".join(filter(None, (head, error["traceback"])))


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    """A short path, because a socket's path may not be long."""
    path = tempfile.mkdtemp(prefix="code-")
    yield os.path.realpath(path)
    shutil.rmtree(path)


async def _interpreter(folder: str) -> AsyncIterator[Interpreter]:
    spawner = ChildSpawner(folder)
    kernels = Kernels(spawner, cwd=folder)
    yield Interpreter(kernels, spawner, folder)
    await kernels.close()
    for child in spawner.children:  # also of kernels that a test made beside these
        if child.returncode is None:
            await ChildProcess(child).kill()
        child._transport.close()  # its own children may still hold the other end


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(folder: str) -> AsyncIterator[Interpreter]:
    """For tests that leave a kernel as they found it: one per test file."""
    async for interpreter in _interpreter(folder):
        yield interpreter


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(folder: str) -> AsyncIterator[Interpreter]:
    """For tests that break things."""
    async for interpreter in _interpreter(folder):
        yield interpreter


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Any]:
    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
                await asyncio.sleep(0.01)

    return wait
