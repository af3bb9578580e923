"""Writes `docs/runtime-coverage.md`: every action and every tool of the service, and whether the runtime has it.

    python tools/served.py

The page is made from what the runtime registers, and kept by git, for it says what can be expected. A test fails when
it is out of date.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path

import agentbay_local.app  # noqa: F401 - registers every action and tool
from agentbay_local import unserved
from agentbay_local.service.core import ACTIONS, HANDLERS
from agentbay_local.service.images import FAMILIES
from agentbay_local.tools.registry import TOOLS

TARGET = Path(__file__).resolve().parent.parent / "docs" / "runtime-coverage.md"
HEAD = """\
# What the local runtime serves

Made by `python tools/served.py`. The [guide](guides/local-runtime.md) says how. What is not served is refused with
a clear error that names the reason: `InvalidAction.NotFound` for an action, an error result for a tool.
"""


def table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Writes a table."""
    wanted = [tuple(heads), *rows]
    lines = [f"| {' | '.join(row)} |" for row in wanted]
    return "\n".join([lines[0], "|" + "---|" * len(wanted[0]), *lines[1:]])


def action_rows() -> Iterator[tuple[str, ...]]:
    """Yields the actions: name, whether it is served, what it does or why it is not."""
    for name in sorted({*HANDLERS, *unserved.ACTIONS}):
        if name in HANDLERS:
            yield f"`{name}`", "yes", (inspect.getdoc(ACTIONS[name]) or "").partition("\n")[0]
        else:
            yield f"`{name}`", "no", unserved.ACTIONS[name]


def tool_rows() -> Iterator[tuple[str, ...]]:
    """Yields the tools: name, the images here that offer it, what it does or why it is not served."""
    for name in sorted({*TOOLS, *unserved.TOOLS}, key=str.lower):
        if name in TOOLS:
            images = [f"`{image}`" for image in FAMILIES if image in TOOLS[name].images]
            yield f"`{name}`", ", ".join(images), TOOLS[name].summary
        else:
            yield f"`{name}`", "no", unserved.TOOLS[name]


def counted(served: int, missing: int, what: str) -> str:
    """Says how much there is."""
    return f"{served} of {served + missing} {what} are served."


def page() -> str:
    """Gives the whole page."""
    parts = [
        HEAD,
        "## Actions",
        counted(len(HANDLERS), len(unserved.ACTIONS), "actions"),
        table(("action", "served", "what it does, or why not"), action_rows()),
        "## Tools",
        counted(len(TOOLS), len(unserved.TOOLS), "tools"),
        table(("tool", "served by", "what it does, or why not"), tool_rows()),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> int:
    """Writes the page anew."""
    TARGET.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
