"""Running code in the session's interpreters."""

from __future__ import annotations

import json
from typing import Final

from agentbay_local.code import UnsupportedLanguage
from agentbay_local.sandbox.contract import SandboxGone
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.registry import CODE, tool

LONGEST_S: Final = 24 * 3600


@tool(server="wuying_codespace", images=CODE, doing="run code")
async def run_code(box: Box, code: str, language: str, timeout_s: int = 60) -> str:
    """Runs code in the session's interpreter for a language; variables stay for the next call.

    `timeout_s` is in seconds. The text is a JSON object with `logs` (`stdout`, `stderr`), `results`, `error` (null, or
    `name`, `value` and `traceback`), `isError`, `execution_count` and `execution_time` (in seconds).
    """
    if not 0 < timeout_s <= LONGEST_S:
        said = f"timeout_s must be from 1 to {LONGEST_S}, got {timeout_s}"
        raise ToolFailure(f"Invalid arguments for tool run_code: {said}")
    try:
        answer = await box.kernels.execute(language, code, timeout_s)
    except UnsupportedLanguage as unknown:
        raise ToolFailure(str(unknown)) from None
    if answer["isError"] and box.sandbox.closed.is_set():  # no fault of the code
        raise SandboxGone("the sandbox has ended")
    return json.dumps(answer, ensure_ascii=False)
