"""Labels of sessions: what they may be, and how they come. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["label_fault", "read_labels"]


def label_fault(labels: Mapping[str, str]) -> str:
    """What is wrong with labels; empty when nothing is."""
    if not isinstance(labels, dict):
        return "Labels must be a dictionary of names and values."
    if not labels:
        return "Labels cannot be empty; give at least one name and value."
    if any(not str(name).strip() for name in labels):
        return "Label names cannot be empty or blank."
    blank = [name for name, value in labels.items() if value is None or not str(value).strip()]
    return f"Label values cannot be empty or blank: {', '.join(map(str, blank))}." if blank else ""


def read_labels(text: str) -> dict[str, str]:
    """Labels come as JSON text; anything else counts as none."""
    try:
        loaded = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in loaded.items()} if isinstance(loaded, dict) else {}
