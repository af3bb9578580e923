"""A command that runs in the background of a session."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agentbay._background import Look, Output, Place, ended
from agentbay._checked import Checked
from agentbay._deadline import Deadline
from agentbay.errors import APITimeoutError
from agentbay.types.command import CommandOutput, CommandResult

from .polling import AsyncTicks

if TYPE_CHECKING:
    from .command import AsyncCommand

__all__ = ["AsyncBackgroundCommand"]

INTERVAL = 0.5
STEP_MS = 10_000


class AsyncBackgroundCommand(Checked):
    """A command that runs on its own. Iterate over it for what it prints; `wait` for its end.

    There is no push: each look is a call of the shell tool, at most half a second after the one before. Leaving the
    `with` block ends the command and removes its files; outside of one, `wait` to the end or `close` does that.

    `pid` is the process id in the session, `stdout` and `stderr` what was seen so far; `refresh` looks again.
    """

    def __init__(self, module: AsyncCommand, place: Place, pid: int, has_stdin: bool) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        self._module = module
        self._place = place
        self._has_stdin = has_stdin
        self._output = Output()
        self._fresh: deque[CommandOutput] = deque()
        self._request_id = ""
        self._cleaned = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def stdout(self) -> str:
        """Standard output as far as it was seen."""
        return self._output.stdout

    @property
    def stderr(self) -> str:
        """Standard error as far as it was seen."""
        return self._output.stderr

    @property
    def running(self) -> bool:
        """Whether the command had not ended at the last look."""
        return self.exit_code is None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CommandOutput:
        """The next piece of output; the end of the command ends the iteration."""
        ticks = AsyncTicks(Deadline.after(None), INTERVAL)
        while not self._fresh and self.running:
            await ticks.tick()
            await self._look()
        if not self._fresh:
            raise StopAsyncIteration
        return self._fresh.popleft()

    async def refresh(self) -> int | None:
        """Look at the command once.

        Returns:
            Its exit code; None while it runs, -1 when it is gone without one.

        Raises:
            CommandError: its files are gone.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        await self._look()
        return self.exit_code

    async def wait(self, timeout_s: float | None = None) -> CommandResult:
        """Wait for the end.

        Args:
            timeout_s: seconds to wait at most; None means without end.

        Returns:
            What `execute_command` would have given: the exit code and all that was printed.

        Raises:
            APITimeoutError: it did not end in time; it goes on.
            CommandError: its files are gone.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        ticks = AsyncTicks(Deadline.after(timeout_s), INTERVAL)
        while self.running:
            if not await ticks.tick():
                text = f"The command did not end within {timeout_s:g} s; it goes on"
                raise APITimeoutError(text, session_id=self._module.session.session_id)
            await self._look()
        await self._clean()
        return ended(self._request_id, self.exit_code or 0, self._output, self._module.session.session_id)

    async def kill(self) -> None:
        """End the command and its children: ask, and after 5 seconds force. `wait` then gives the result.

        Raises:
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        if self.running:
            await self._step(self._place.kill())

    async def send_stdin(self, data: str | bytes) -> None:
        """Write to the standard input; text as UTF-8. It waits until the command reads, at most 10 seconds.

        Args:
            data: at most 30000 bytes a call, for it travels in a command line.

        Raises:
            ValueError: the command was started without `stdin=True`, or the data are too long.
            CommandError: the command does not read any more.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        self._check_stdin()
        raw = data.encode() if isinstance(data, str) else bytes(data)
        if len(raw) > 30_000:
            raise ValueError(f"data must be at most 30000 bytes, not {len(raw)}")
        await self._step(self._place.write(raw))

    async def close_stdin(self) -> None:
        """Let the command read the end of its standard input.

        Source: tool `shell`.
        """
        self._check_stdin()
        await self._step(self._place.close_stdin())

    async def aclose(self) -> None:
        """End the command if it runs, and remove its files in the session. Closing twice does nothing."""
        if not self._cleaned:
            await self.kill()
            await self._clean()

    def _check_stdin(self) -> None:
        if not self._has_stdin:
            raise ValueError("This command has no standard input: start it with stdin=True")

    async def _look(self) -> None:
        """Take in all that is new; the exit code counts once everything printed was seen."""
        while self.running:
            script = self._place.look(self._output.out.seen, self._output.err.seen)
            result = await self._step(script)
            look = Look.of(result.stdout)
            self._request_id = result.request_id
            self._fresh.extend(self._output.add(look))
            if not look.full:
                self.exit_code = look.exit_code
                return

    async def _clean(self) -> None:
        if not self._cleaned:
            self._cleaned = True
            await self._step(self._place.clean())

    async def _step(self, script: str) -> CommandResult:
        return (await self._module.execute_command(script, STEP_MS)).unwrap()
