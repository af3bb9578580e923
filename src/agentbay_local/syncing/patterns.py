"""Regular expressions of clients, tried inside the sandbox: one that never ends holds up nobody but its own session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agentbay_local.sandbox.contract import Sandbox
from agentbay_local.syncing.faults import SyncFault
from agentbay_local.syncing.selection import Question

__all__ = ["fitting", "run_inside"]

PATIENCE_S: Final = 10.0
MOST_OUTPUT: Final = 64 << 20
SCRIPTS: Final = Path(__file__).with_name("inside")


async def fitting(sandbox: Sandbox, questions: Sequence[Question]) -> dict[str, frozenset[str]]:
    """Which paths each pattern fits, as a whole or by one of the folders above them. Raises SyncFault."""
    if not questions:
        return {}
    lists = [sorted(each.paths) for each in questions]
    asked = [[each.pattern, paths] for each, paths in zip(questions, lists, strict=True)]
    found = await run_inside(sandbox, "fit.py", asked, PATIENCE_S, "the regular expressions of the policy")
    return {
        each.pattern: frozenset(path for path, fits in zip(paths, marks, strict=True) if fits == "1")
        for each, paths, marks in zip(questions, lists, _marks(found, lists), strict=True)
    }


def _marks(found: Any, lists: Sequence[Sequence[str]]) -> list[str]:
    """One mark for each path; what runs inside is not to be trusted."""
    sizes = [len(each) for each in found if isinstance(each, str)] if isinstance(found, list) else []
    if sizes != list(map(len, lists)) or len(found) != len(lists):
        raise SyncFault("the sandbox gave no usable answer about the regular expressions of the policy")
    return [str(each) for each in found]


async def run_inside(sandbox: Sandbox, script: str, asked: Any, patience: float, what: str) -> Any:
    """Run one of our scripts inside: JSON in, JSON out. What it complains about is a SyncFault, as is its silence."""
    argv = [sandbox.interpreter, "-I", "-S", "-c", (SCRIPTS / script).read_text("utf-8")]
    told = json.dumps(asked).encode()
    ended = await sandbox.run(argv, stdin=told, timeout=patience, max_output=MOST_OUTPUT, cwd="/")
    if ended.timed_out:
        raise SyncFault(f"{what} took longer than {patience:g} s")
    if ended.code:
        said = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SyncFault(f"{what}: {said[0] if said else f'the work ended with exit code {ended.code}'}")
    try:
        return json.loads(ended.stdout)
    except (ValueError, RecursionError):
        raise SyncFault(f"{what}: the sandbox gave no usable answer") from None
