"""Bash: one shell that reads its calls as if somebody typed them: then an interrupt ends a call and not the shell."""

from __future__ import annotations

import re
import shlex
import signal

from .loop_kernel import Event, LoopKernel
from .process import Unfit
from .programs import find_bash

CHATTER = re.compile(r"^bash: \[\d+: \d+ \(\d+\)\] tcsetattr: .*\n", re.MULTILINE)  # it looks for its terminal
SAID, DONE = 250, 251  # descriptors in the shell: the call's standard error, and where the ends of calls are told
# The shell's own standard error is nobody's: there go its prompts, and a line for each interrupt. To leave, by `exit`
# or because of `set -e`, ends the call and not the shell: it interrupts itself, and the exit status is kept.
BEGINNING = """\
PS1= PS2= PS0=; set -E +o history +H; history -c; unset HISTFILE MAILCHECK PROMPT_COMMAND TMOUT
exit() {{
    local code=${{1:-$?}}
    ((BASH_SUBSHELL)) && builtin exit $code
    __left=$code; builtin kill -INT $$; builtin exit $code
}}
trap '__failed=$?; case $- in *e*) exit $__failed;; esac' ERR
exec {said}>&2 2>/dev/null {done}>&{events} {events}>&- {requests}<&-; echo ready >&{done}
"""
# The second line is of the plainest kind: after an open quote the parser takes no reserved word there.
CALL = """\
eval {code} </dev/null 2>&{said} {said}>&- {done}>&-
builtin echo ${{__left:-$?}} >&{done}; builtin unset __left
"""


class Kernel(LoopKernel):
    """The shell. Each call is two lines: the code, and one that tells its exit status whatever happened before."""

    def command(self, requests: int, events: int) -> list[str]:
        self.beginning = BEGINNING.format(said=SAID, done=DONE, requests=requests, events=events)
        return [find_bash(), "--norc", "--noprofile", "--noediting", "-i"]

    def stdin(self, requests: int) -> int:
        return requests

    def await_ready(self) -> None:
        self.send(self.beginning.encode())
        super().await_ready()

    def request(self, code: str, count: int) -> bytes:  # noqa: ARG002  # no message of Bash names it
        if "\0" in code:
            raise Unfit("the code holds a NUL character, which bash cannot read")
        return CALL.format(code=shlex.quote(code), said=SAID, done=DONE).encode("utf-8", "replace")

    def readable(self, text: str) -> str:
        return CHATTER.sub("", text)

    def event(self, line: bytes) -> Event:
        word = line.decode()
        if word == "0":
            return {"type": "end", "status": "ok"}
        return {"type": "end", "status": "error", "name": "CommandFailed", "message": told(int(word)), "stack": ""}


def told(status: int) -> str:
    """An exit status in words; a shell adds 128 to the number of a signal."""
    number = status - 128
    if number in set(signal.Signals):
        return f"exit status {status}, as of a program that was killed by {signal.Signals(number).name}"
    return f"exit status {status}"
