"""What is tried where contexts and policies are kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agentbay_local.contexts.place import data_folder
from agentbay_local.egress import PolicyBook, PolicyFault
from agentbay_local.probes.trial import Finding, Trial, bad, good

__all__ = ["DATA"]

ENOUGH: Final = 256 << 20
ANOTHER: Final = "choose another folder with --data or AGENTBAY_DATA"


def contexts(told: Path | None) -> Finding:
    """In the folder itself, or where it will be made: a catalogue is written, and a file brought to the disk."""
    folder = data_folder(told)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        begun = time.perf_counter()
        with TemporaryDirectory(prefix=".agentbay-doctor-", dir=there) as scratch:
            _write(Path(scratch))
        took = 1000 * (time.perf_counter() - begun)
        free = shutil.disk_usage(there).free
    except (OSError, sqlite3.Error) as error:
        return bad(f"{folder} cannot be used: {error}", ANOTHER)
    detail = f"{folder}: {free / (1 << 30):.1f} GiB left, a change on the disk in {took:.0f} ms"
    return good(detail) if free >= ENOUGH else bad(detail, f"free some room there, or {ANOTHER}")


def _write(folder: Path) -> None:
    """The steps of every change. Raises OSError or sqlite3.Error."""
    with closing(sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None)) as database:
        [mode] = database.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise OSError(f"its file system lets SQLite write only as {mode!r}, not by a log")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE probe (value)")
    with open(folder / "temporary", "wb") as file:
        file.write(b"probe")
        file.flush()
        os.fsync(file.fileno())
    os.rename(folder / "temporary", folder / "blob")


def policies(told: Path | None) -> Finding:
    book = PolicyBook(data_folder(told))
    try:
        names = [book.find(name).name for name in book.names()]
    except PolicyFault as error:
        return bad(str(error), f"mend or remove {book.path}")
    return good(", ".join(names) or "none: sessions reach nothing outside")


DATA: Final[tuple[Trial[Path | None, Finding], ...]] = (
    Trial("contexts", contexts, remedy=ANOTHER),
    Trial("policies", policies),
)
