"""The session itself: its environment variables, and what it uses."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from typing import Final

from attrs import frozen

from agentbay_local.sandbox.bwrap import environment
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.registry import ALL, LINUX, tool
from agentbay_local.tools.variables import checked, merged

SERVER: Final = "wuying_system"
SEEN: Final = ("linux_latest", "windows_latest", "browser_latest", "mobile_latest")
SHORTEST_S: Final = 0.1
"""Over less time than this a share of CPU time says nothing."""


@frozen
class Variable:
    """One of the variables that `set_env` takes."""

    key: str
    value: str


@tool(server=SERVER, images=ALL, doing="set environment variables")
async def set_env(box: Box, envs: list[Variable]) -> str:
    """Sets variables for every later command and piece of code of the session."""
    values = checked({each.key: each.value for each in envs})
    box.env = merged(box.env, values)
    await box.kernels.set_env(values)
    return "True"


@tool(server=SERVER, images=ALL, doing="get environment variables")
async def get_env(box: Box, keys: list[str] | None = None) -> str:
    """Answers with a JSON object of the session's variables, or of those asked for that exist."""
    every = {**environment(), **box.env}
    return json.dumps({key: every[key] for key in keys or sorted(every) if key in every}, ensure_ascii=False)


@tool(server="mcp-server", images=SEEN, doing="get resource")
async def get_resource(box: Box) -> str:
    """Answers with the address at which a person can look at the session; whoever has it may look."""
    if not box.page:
        raise ToolFailure("This session has no page.")
    return box.page


@tool(server=SERVER, images=LINUX, doing="get metrics")
async def get_metrics(box: Box) -> str:
    """Answers with a JSON object of what the session uses: CPU (per cent), memory and disk (bytes), network.

    CPU time is that since the previous call. The session has no network of its own, so there is nothing to count there.
    """
    used = await box.sandbox.usage()
    metrics = {
        "cpu_count": len(os.sched_getaffinity(0)),
        "cpu_used_pct": _cpu_share(box, used.cpu_seconds),
        "mem_total": 2 * box.limits.memory,
        "mem_used": used.memory,
        "disk_total": used.workspace_total,
        "disk_used": used.workspace_used,
        **dict.fromkeys(("rx_rate_kbyte_per_s", "tx_rate_kbyte_per_s", "rx_used_kbyte", "tx_used_kbyte"), 0.0),
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    return json.dumps(metrics)


def _cpu_share(box: Box, seconds: float) -> float:
    """Per cent of all processors since the last sample; the last answer again when that was just now."""
    now = time.monotonic()
    then, before, share = box.sample
    if now - then >= SHORTEST_S:
        share = round(100 * max(seconds - before, 0.0) / (now - then) / len(os.sched_getaffinity(0)), 2)
        box.sample = (now, seconds, share)
    return min(share, 100.0)
