"""Where the contexts of this machine are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["data_folder"]


def data_folder(told: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Gives the data folder: the one that was told, else AGENTBAY_DATA, else `agentbay` where the user's data is."""
    if told is not None or (told := _path(environment, "AGENTBAY_DATA")):
        return told.absolute()
    home = _path(environment, "XDG_DATA_HOME")
    # A rule of that convention: a path that is not absolute does not count.
    if home is None or not home.is_absolute():
        home = Path("/", os.path.expanduser("~"), ".local", "share")
    return home / "agentbay"


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    return Path(os.path.expanduser(text)) if text else None
