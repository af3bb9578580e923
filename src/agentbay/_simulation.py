"""The description of a device to simulate, and where it is kept. No I/O."""

from __future__ import annotations

import json
from uuid import uuid4

from agentbay._deadline import now
from agentbay._params import utf8
from agentbay.types.context_sync import ContextSync, WhiteList

__all__ = ["check_device", "check_sync", "device_folder", "internal_context_name", "let_device_through"]

DEVICE_FOLDER = "/agentbay_mobile_info/"


def check_device(content: str) -> bytes:
    """The description of a device, as it is stored.

    Raises:
        ValueError: it is empty, or not a JSON object.
    """
    if not content:
        raise ValueError("mobile_dev_info_content is required: the JSON text of a device")
    try:
        loaded = json.loads(content)
    except (ValueError, RecursionError) as broken:
        raise ValueError(f"mobile_dev_info_content is not a valid JSON string: {broken}") from broken
    if not isinstance(loaded, dict):
        raise ValueError("mobile_dev_info_content is not a valid JSON string: it must hold an object")  # noqa: TRY004
    return utf8(content)


def check_sync(context_sync: ContextSync) -> ContextSync:
    """A sync of which the context and the path are known. Raises ValueError."""
    if not context_sync.context_id or not context_sync.path:
        raise ValueError("context_sync must be a ContextSync with a context_id and a path")
    return context_sync


def device_folder(context_sync: ContextSync) -> str:
    """Where the device is in a context of the user's own."""
    return context_sync.path.rstrip("/") + DEVICE_FOLDER


def let_device_through(context_sync: ContextSync) -> None:
    """Add the device to what a sync carries, where that is limited."""
    lists = context_sync.policy.bw_list.white_lists if context_sync.policy else []
    if lists and all(entry.path != DEVICE_FOLDER for entry in lists):
        lists.append(WhiteList(DEVICE_FOLDER))


def internal_context_name() -> str:
    """A name for a context that holds nothing but a device."""
    return f"mobile_sim_{uuid4().hex}_{int(now())}"
