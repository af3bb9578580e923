"""Shell commands in a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentbay.errors import CommandError
from agentbay.types.command import CommandResult

from .module import AsyncModule

if TYPE_CHECKING:
    from .background import AsyncBackgroundCommand

__all__ = ["AsyncCommand"]

START_MS = 10_000


def _check_envs(envs: Mapping[Any, Any]) -> None:
    if not isinstance(envs, Mapping):
        raise TypeError(f"envs must be a dict of str to str or None, not {type(envs).__name__}")
    keys = [f"key '{name}' (type: {type(name).__name__})" for name in envs if not isinstance(name, str)]
    values = [
        f"value for key '{name}' (type: {type(value).__name__})"
        for name, value in envs.items()
        if not isinstance(value, str)
    ]
    if keys or values:
        raise ValueError(
            "Invalid environment variables: all keys and values must be strings. Found invalid entries: "
            + ", ".join(keys + values)
        )


class AsyncCommand(AsyncModule, unchecked=("envs",)):
    """Runs shell commands. Each runs in a fresh shell; files and background processes stay."""

    async def execute_command(
        self, command: str, timeout_ms: int = 50000, cwd: str | None = None, envs: dict[str, str] | None = None
    ) -> CommandResult:
        """Run a command line and wait for its end.

        Args:
            command: the command line, for the session's shell.
            timeout_ms: milliseconds after which the command is stopped.
            cwd: the working directory; None means the image's own.
            envs: environment variables for this command alone.

        Returns:
            The exit code and what was printed. `success` is True when the command exited with 0.

        Raises:
            ValueError: `envs` has names or values that are not strings, or `timeout_ms` is not above 0.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        _check_envs(envs or {})
        return await self._call(
            "shell", CommandResult, work=timeout_ms / 1000, command=command, timeout_ms=timeout_ms, cwd=cwd, envs=envs
        )

    async def run_background(
        self, command: str, cwd: str | None = None, envs: dict[str, str] | None = None, *, stdin: bool = False
    ) -> AsyncBackgroundCommand:
        """Start a command and do not wait for its end. It runs until it ends, is killed, or the session is gone.

        It needs a POSIX shell with `setsid` in the session (the Linux images). Programs see no terminal and so may
        buffer what they print; where that matters, use a terminal (`pty`).

        Args:
            command: the command line, for `sh`.
            cwd: the working directory; None means the image's own.
            envs: environment variables for this command alone.
            stdin: let it read what `send_stdin` writes; without it, its standard input is empty.

        Returns:
            A handle: iterate over it for output, wait, kill.

        Raises:
            ValueError: `envs` has names or values that are not strings.
            CommandError: it could not be started.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        from agentbay._background import Place  # noqa: PLC0415  (loaded when it is first used)

        from .background import AsyncBackgroundCommand  # noqa: PLC0415

        place = Place()
        result = (await self.execute_command(place.start(command, stdin), START_MS, cwd, envs)).unwrap()
        if not result.stdout.strip().isdecimal():
            raise CommandError(f"The command could not be started: {result.output.strip()[:200]}")
        return AsyncBackgroundCommand(self, place, int(result.stdout), stdin)

    run = execute_command
    exec = execute_command
