"""The build hook: whatever is built, wheel, editable install or sdist, has a fresh sync package in it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SyncHook(BuildHookInterface[Any]):
    """Generates `_sync` before hatchling collects the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs `tools/sync.py`, which is not on the path of an isolated build."""
        del version, build_data
        root = Path(self.root)
        runpy.run_path(str(root / "tools" / "sync.py"))["generate"](root)
