"""How much there is in a data folder, for those who watch over a server. Blocking; looks, and changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["Census", "census"]

_PATIENCE: Final = 1.0
_CONTEXTS: Final = "SELECT count(*) FROM contexts"
_FILES: Final = "SELECT count(*), coalesce(sum(size), 0) FROM files WHERE kind = 'file'"
_CATALOGUE: Final = "catalogue.sqlite"


@frozen
class Census:
    """Contexts of all owners, hidden ones included, and their files; sizes are in bytes."""

    contexts: int
    files: int
    file_bytes: int
    """As clients see them; equal contents, which the disk has once, count each time."""
    catalogue_bytes: int


def census(folder: Path) -> Census | None:
    """Counts; None while there are no contexts, and whenever they cannot be counted."""
    path = folder / _CATALOGUE
    try:
        size = path.stat().st_size
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as database:
            [contexts] = database.execute(_CONTEXTS).fetchone()
            files, file_bytes = database.execute(_FILES).fetchone()
    except (OSError, sqlite3.Error):
        return None
    return Census(contexts, files, file_bytes, size)
