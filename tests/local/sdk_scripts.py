"""Scripts of users as processes of their own, and a look at what is left of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from tests.local.conftest import environment

PATIENCE = 40.0

ENGINES = ["pool", "auto"]


def by(engine: str, text: str) -> str:
    """The script with another engine than the usual one."""
    return text.replace('endpoint="local"', f'endpoint="local", engine="{engine}"')


@frozen
class Process:
    """A process that cannot be taken for a later one of the same number."""

    pid: int
    started: str

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    @staticmethod
    def of(pid: int) -> Process | None:
        """The process as it is now; None when it has ended."""
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state == "Z" else Process(pid, rest[18])


def children(pid: int) -> set[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return {int(word) for task in tasks for word in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def descendants(pid: int) -> set[Process]:
    """All that a process has started, directly or not."""
    found: set[Process] = set()
    for child in children(pid):
        process = Process.of(child)
        found |= descendants(child) | ({process} if process else set())
    return found


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that nobody announces."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} never happened")
        time.sleep(0.02)


@frozen
class Script:
    """A script in a folder of its own, with a folder for temporary files of its own."""

    path: Path
    variables: dict[str, str]

    @property
    def temporary(self) -> Path:
        return self.path.parent / "temporary"

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", str(self.path)]
        pipe = subprocess.PIPE
        env = environment() | {"TMPDIR": str(self.temporary)} | self.variables
        old = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a run under nohup would hand on that it is ignored
        try:
            return subprocess.Popen(
                command, stdout=pipe, stderr=pipe, text=True, env=env, cwd=self.path.parent, start_new_session=True
            )
        finally:
            signal.signal(signal.SIGHUP, old)

    def run(self) -> tuple[int, list[str], str]:
        """Its exit code, the lines that it printed, and what it said on standard error."""
        with self.start() as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
        assert [] == list(self.temporary.iterdir())
        return process.returncode, out.splitlines(), err

    def prints(self, *lines: str) -> None:
        """It ends well, having printed just this."""
        assert (0, list(lines), "") == self.run()

    @contextmanager
    def ready(self) -> Iterator[subprocess.Popen[str]]:
        """The running script, once it has printed a line; in the end nothing of it must be left."""
        with self.start() as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            family = descendants(process.pid)
            assert ("ready\n", True) == (line, len(family) > 2)
            try:
                yield process
            finally:
                process.kill()
                process.communicate()
        until(lambda: not any(each.alive() for each in family), "the end of all processes")
        assert [] == list(self.temporary.iterdir())


Write = Callable[..., Script]


def writer(folder: Path) -> Write:
    """Writes a script in a folder; keyword arguments are variables of its environment."""

    def write(text: str, **variables: str) -> Script:
        path = folder / "script.py"
        path.write_text(textwrap.dedent(text), "utf-8")
        (folder / "temporary").mkdir()
        return Script(path, variables)

    return write
