"""What the tools do: one function per tool, with the tool's own argument names.

Importing this package registers every tool. `call` runs one in a session's `Box`; `tool_list` says what an image
offers.
"""

from __future__ import annotations

from agentbay_local.tools import (
    apps,
    browsing,
    capture,
    changes,
    code,
    content,
    desktop,
    files,
    oss,
    page_use,
    playwright,
    search,
    shell,
    system,
    windows,
)
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.registry import Outcome, call, tool_list

__all__ = [
    "Box",
    "Outcome",
    "ToolFailure",
    "apps",
    "browsing",
    "call",
    "capture",
    "changes",
    "code",
    "content",
    "desktop",
    "files",
    "oss",
    "page_use",
    "playwright",
    "search",
    "shell",
    "system",
    "tool_list",
    "windows",
]
