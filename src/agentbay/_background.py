"""Commands that run in the background: the shell scripts that start, look after and end them. No I/O.

A command gets a session of its own (`setsid`), so that it outlives the shell that starts it and can be ended with all
its children, and a folder of its own for what it prints and how it ended. The scripts need a POSIX shell.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import os
from typing import Any, Literal

from attrs import define, field, frozen

from agentbay._shell import quote
from agentbay._value import Value
from agentbay.errors import CommandError
from agentbay.types.command import CommandOutput, CommandResult

__all__ = ["LOOK", "Look", "Output", "Place", "ended"]

LOOK = 18_000
"""Bytes of each stream that one look brings: two of them as base64 must fit into one answer of 63 KiB."""

TERM_SECONDS = 5


@frozen(eq=False, repr=False)
class Place(Value):
    """The folder of one background command, and the scripts that work with it."""

    folder: str = field(factory=lambda: f"/tmp/.agentbay-{os.urandom(12).hex()}")  # noqa: S108  (nobody can guess it)

    def start(self, command: str, stdin: bool) -> str:
        """Start the command; prints its process id. Its exit code appears in the folder when it has ended."""
        # The trap keeps the runner alive when the whole group is told to end, so that it can note the exit code.
        runner = 'trap : TERM INT HUP; sh -c "$1"; echo $? >"$0/code.new"; mv "$0/code.new" "$0/code"'
        # A pipe that something holds open for writing: without it the first line written would also be the last.
        pipe = 'mkfifo "$d/in" || exit; setsid sleep 2147483647 <"/dev/null" >"$d/in" 2>"/dev/null" & ' if stdin else ""
        note = 'echo $! >"$d/holder"; ' if stdin else ""
        source = "$d/in" if stdin else "/dev/null"
        return (
            f'command -v setsid >"/dev/null" || {{ echo "setsid is not available" >&2; exit 127; }}; '
            f'd={quote(self.folder)}; umask 077; mkdir "$d" || exit; {pipe}{note}'
            f'setsid sh -c {quote(runner)} "$d" {quote(command)} <"{source}" >"$d/out" 2>"$d/err" & '
            'echo $! | tee "$d/pid"'
        )

    def look(self, out: int, err: int) -> str:
        """Print the exit code (- while it runs, ? when it is gone without one), and what is new in both streams."""
        new = "; ".join(
            f"tail -c +{begun + 1} {name} | head -c {LOOK} | base64 | tr -d '\\n'; echo"
            for name, begun in (("out", out), ("err", err))
        )
        noted = 'cat code 2>"/dev/null"'
        # Twice, for it may have ended between the first two questions.
        state = f'{noted} || {{ kill -0 "$(cat pid)" 2>"/dev/null" && echo -; }} || {noted} || echo "?"'
        return f"cd {quote(self.folder)} || exit; {state}; {new}"

    def write(self, data: bytes) -> str:
        """Hand bytes to the command's standard input."""
        text = base64.b64encode(data).decode()
        return f"cd {quote(self.folder)} && printf %s {quote(text)} | base64 -d >in"

    def close_stdin(self) -> str:
        """Let the command read the end of its standard input."""
        return f'cd {quote(self.folder)} && kill "$(cat holder)" 2>"/dev/null"; true'

    def kill(self) -> str:
        """Tell the command and its children to end; after 5 seconds, make them."""
        return (
            f'cd {quote(self.folder)} || exit; p=$(cat pid); kill -TERM "-$p" 2>"/dev/null"; n=0; '
            f"while [ ! -e code ] && [ $n -lt {TERM_SECONDS * 10} ]; do sleep 0.1; n=$((n+1)); done; "
            'kill -KILL "-$p" 2>"/dev/null"; [ -e code ] || echo 137 >code'
        )

    def clean(self) -> str:
        """Remove the folder, and what held the standard input open."""
        return f'd={quote(self.folder)}; [ ! -e "$d/holder" ] || kill "$(cat "$d/holder")" 2>"/dev/null"; rm -rf "$d"'


@frozen(eq=False, repr=False)
class Look(Value):
    """What one look at a command showed. `exit_code` is None while it runs."""

    exit_code: int | None
    out: bytes
    err: bytes

    @classmethod
    def of(cls, text: str) -> Look:
        """Read what the script printed.

        Raises:
            CommandError: it is not of this form.
        """
        lines = [*text.split("\n"), "", ""]
        state = lines[0].strip()
        try:
            code = None if state == "-" else -1 if state == "?" else int(state)
            return cls(code, *(base64.b64decode(line.strip(), validate=True) for line in lines[1:3]))
        except (ValueError, binascii.Error) as broken:
            raise CommandError(f"The state of a background command cannot be read: {text[:200]!r}") from broken

    @property
    def full(self) -> bool:
        """Whether there may be more output than one look brings."""
        return LOOK in (len(self.out), len(self.err))


@define
class _Text:
    """Bytes that become text as they come; a character that is cut in two waits for its rest."""

    seen: int = 0
    pieces: list[str] = field(factory=list)
    _decoder: Any = field(factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def add(self, data: bytes, last: bool) -> str:
        """Decode what is new."""
        self.seen += len(data)
        text: str = self._decoder.decode(data, last)
        if text:
            self.pieces.append(text)
        return text


@define
class Output:
    """What a command has printed so far."""

    out: _Text = field(factory=_Text)
    err: _Text = field(factory=_Text)

    def add(self, look: Look) -> list[CommandOutput]:
        """Add what a look showed; gives what is new of it."""
        last = look.exit_code is not None and not look.full
        parts: list[tuple[Literal["stdout", "stderr"], str]] = [
            ("stdout", self.out.add(look.out, last)),
            ("stderr", self.err.add(look.err, last)),
        ]
        return [CommandOutput(kind, text) for kind, text in parts if text]

    @property
    def stdout(self) -> str:
        """All of standard output."""
        return "".join(self.out.pieces)

    @property
    def stderr(self) -> str:
        """All of standard error."""
        return "".join(self.err.pieces)


def ended(request_id: str, code: int, output: Output, session_id: str) -> CommandResult:
    """Make the result of a background command that has ended."""
    stdout, stderr = output.stdout, output.stderr
    error = None
    if code:
        what = f"exited with code {code}" if code != -1 else "is gone without an exit code"
        facts = {"action": "shell", "request_id": request_id, "session_id": session_id}
        error = CommandError(f"The command {what}", exit_code=code, **facts)
    return CommandResult(
        request_id,
        success=not code,
        output=stdout + stderr,
        exit_code=code,
        stdout=stdout,
        stderr=stderr,
        error=error,
    )
