"""The shell: every call is a fresh one; files and background programs stay."""

from __future__ import annotations

import json
import secrets
from typing import Final

from agentbay_local.sandbox.contract import Completed
from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import TIMED_OUT, ToolFailure, size, system_refused
from agentbay_local.tools.registry import tool
from agentbay_local.tools.variables import checked, merged

OUTPUT_LIMIT: Final = 4 << 20
LONGEST_MS: Final = 24 * 3600 * 1000
ARGUMENT_LIMIT: Final = 120_000
"""Bytes; the kernel takes arguments of up to 128 KiB."""
FROM_STDIN: Final = 'eval "$(cat)"'


@tool(server="wuying_shell", doing="run command")
async def shell(
    box: Box, command: str, timeout_ms: int = 1000, cwd: Path | None = None, envs: dict[str, str] | None = None
) -> str:
    """Runs a command in a fresh shell and answers with its output and exit code.

    `timeout_ms` is in milliseconds. `envs` are variables for this call alone. The text is a JSON object with `stdout`,
    `stderr`, `exit_code`, and a `traceId` when the exit code is not 0.
    """
    _check(command, timeout_ms)
    env = merged(box.env, checked(envs or {}))
    folder = box.path(cwd) if cwd else box.workdir
    try:
        ended = await _run(box, command, timeout_ms / 1000, folder, env)
    except OSError as error:
        doing = "enter working directory" if error.filename == folder else "run command"
        raise system_refused(doing, error, box.limits) from error
    if ended.timed_out:
        raise ToolFailure("[timeout]" + _so_far(ended), TIMED_OUT)
    return _wrapped(ended)


def _check(command: str, timeout_ms: int) -> None:
    if "\0" in command:
        raise ToolFailure("Invalid arguments for tool shell: command must not hold a NUL character")
    if not 0 < timeout_ms <= LONGEST_MS:
        said = f"timeout_ms must be from 1 to {LONGEST_MS}, got {timeout_ms}"
        raise ToolFailure(f"Invalid arguments for tool shell: {said}")


async def _run(box: Box, command: str, timeout: float, cwd: str, env: dict[str, str]) -> Completed:
    """A command too long for an argument goes in on standard input, which is empty otherwise."""
    box.shell = box.shell or await find_shell(box)
    script = command.encode()
    long = len(script) > ARGUMENT_LIMIT
    argv = [box.shell, "-c", FROM_STDIN if long else command]
    stdin = script if long else b""
    return await box.sandbox.run(argv, cwd=cwd, env=env, timeout=timeout, stdin=stdin, max_output=OUTPUT_LIMIT)


async def find_shell(box: Box) -> str:
    try:
        await box.sandbox.fs("stat", path="/bin/bash")
    except FileNotFoundError:
        return "/bin/sh"
    return "/bin/bash"


def _wrapped(ended: Completed) -> str:
    stdout, stderr = _texts(ended)
    answer = {"stdout": stdout, "stderr": stderr, "exit_code": ended.code}
    if ended.code:
        answer["traceId"] = secrets.token_hex(16)
    return json.dumps(answer, ensure_ascii=False)


def _texts(ended: Completed) -> tuple[str, str]:
    """Standard output and error, marked where they were cut."""
    return _marked(ended.stdout, ended.dropped_stdout), _marked(ended.stderr, ended.dropped_stderr)


def _marked(stream: bytes, dropped: int) -> str:
    text = stream.decode(errors="replace")
    if not dropped:
        return text
    return f"{text}\n[output cut: only the first {size(len(stream))} are kept, {size(dropped)} more are lost]\n"


def _so_far(ended: Completed) -> str:
    """What a command printed before its time was up, so that it is not lost."""
    said = "".join(_texts(ended))
    return f"\n{said}" if said else ""
