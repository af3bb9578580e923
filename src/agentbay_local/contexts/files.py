"""The files of the catalogue: rows in, values out. Each function works within a transaction of its caller."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from agentbay_local.contexts.faults import InTheWay
from agentbay_local.contexts.paths import FOLDER_MARK, ancestors, as_key, as_path, inside
from agentbay_local.contexts.values import Blob, Child, Entry, Folder, Kind, New

__all__ = ["at", "below", "children", "needed", "remove_all", "remove_expired", "replace"]

_SELECT = """
SELECT path, kind, size, mode, mtime_ns, digest, target, created, stored, expires FROM files
WHERE context = ? AND (expires IS NULL OR expires > ?) AND """
_INSERT = """
INSERT INTO files (context, path, kind, size, mode, mtime_ns, digest, target, created, stored, expires)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (context, path) DO UPDATE SET
kind = excluded.kind, size = excluded.size, mode = excluded.mode, mtime_ns = excluded.mtime_ns,
digest = excluded.digest, target = excluded.target, stored = excluded.stored, expires = excluded.expires"""

Row = tuple[bytes, str, int, int, int, str, bytes, float, float, float | None]


def _entry(row: Row) -> Entry:
    key, kind, size, mode, mtime_ns, digest, target, created, stored, expires = row
    facts = (size, mode, mtime_ns, digest, os.fsdecode(target), created, stored, expires)
    return Entry(as_path(key), Kind(kind), *facts)


# --- Looking ----------------------------------------------------------------------------------------------------------


def at(database: sqlite3.Connection, serial: int, path: str, now: float) -> Entry | None:
    """What stands at a path itself."""
    key = as_key(path)
    row = database.execute(_SELECT + "path IN (?, ?)", (serial, now, key, key + FOLDER_MARK)).fetchone()
    return row and _entry(row)


def below(database: sqlite3.Connection, serial: int, path: str, now: float) -> list[Entry]:
    """What stands at a path and below it, folders before what is in them."""
    command = _SELECT + "(path = ? OR path >= ? AND path < ?) ORDER BY path"
    return [_entry(row) for row in database.execute(command, (serial, now, as_key(path), *inside(path)))]


@frozen
class _Found:
    """A child of a folder. `after` is where the next one begins."""

    name: bytes
    row: Row
    after: bytes

    def child(self, folder: str) -> Child:
        name = os.fsdecode(self.name)
        entry = _entry(self.row)
        path = f"{folder.rstrip('/')}/{name}"
        # A folder that only has entries below it is shown with the times of the first of them.
        if entry.path != path:
            entry = Entry(path, Kind.FOLDER, mode=0o755, created=entry.created, stored=entry.stored)
        return Child(name, entry)


def _all_children(database: sqlite3.Connection, serial: int, folder: str, now: float) -> Iterator[_Found]:
    """Goes from child to child; what is inside of one is passed over without looking at it."""
    start, end = inside(folder)
    cursor = start
    inner = True
    while inner:
        inner = False
        for row in database.execute(_SELECT + "path >= ? AND path < ? ORDER BY path", (serial, now, cursor, end)):
            name, mark, _ = row[0][len(start) :].partition(FOLDER_MARK)
            inner = bool(mark)
            cursor = start + name + b"0" if inner else row[0] + b"\0"
            if name:
                yield _Found(name, row, cursor)
            if inner:
                break


def children(
    database: sqlite3.Connection, serial: int, folder: str, size: int, after: str, skip: int, now: float
) -> Folder:
    """One page of what a folder has, one level deep: after a place, or after so many children."""
    place = as_key(after)
    found = list(_all_children(database, serial, folder, now))
    rest = [one for one in found if one.after > place][skip:]
    page = rest[:size]
    more = os.fsdecode(page[-1].after) if len(rest) > size else ""
    return Folder([one.child(folder) for one in page], len(found), more)


# --- Changing ---------------------------------------------------------------------------------------------------------


def _remove(database: sqlite3.Connection, where: str, *values: Any) -> set[str]:
    """Gives the digests of the bytes that may not be needed any more."""
    digests = database.execute(f"SELECT DISTINCT digest FROM files WHERE {where}", values).fetchall()
    if digests:
        database.execute(f"DELETE FROM files WHERE {where}", values)
    return {digest for [digest] in digests}


def remove_all(database: sqlite3.Connection, serial: int) -> set[str]:
    return _remove(database, "context = ?", serial)


def remove_expired(database: sqlite3.Connection, now: float) -> set[str]:
    return _remove(database, "expires <= ?", now)


def replace(
    database: sqlite3.Connection,
    serial: int,
    put: Iterable[New],
    drop: Iterable[str],
    now: float,
    *,
    careful: bool = False,
) -> set[str]:
    """Takes paths away with all that is below them, then puts what is new. Gives digests as `_remove` does.

    Raises:
        InTheWay: with `careful`, something else than an older file of the same path would have to go.
    """
    freed: set[str] = set()
    for path in drop:
        where = "context = ? AND (path = ? OR path >= ? AND path < ?)"
        freed |= _remove(database, where, serial, as_key(path), *inside(path))
    firm: set[bytes] = set()
    for new in put:
        others = _make_room(database, serial, new, firm)
        if others and careful:
            raise InTheWay(new.path, "cannot be a file here: it is a folder, or a part of its path is a file")
        freed |= others | _replaced(database, serial, new)
        database.execute(_INSERT, _values(serial, new, now))
    return freed


def _make_room(database: sqlite3.Connection, serial: int, new: New, firm: set[bytes]) -> set[str]:
    """Takes away what cannot be there together with what is new. `firm` has the folders that were looked at before."""
    freed: set[str] = set()
    key = as_key(new.path)
    for folder in ancestors(key):
        if folder not in firm:
            freed |= _remove(database, "context = ? AND path = ?", serial, folder)
            firm.add(folder)
    if new.kind is not Kind.FOLDER:
        firm.discard(key)
        freed |= _remove(database, "context = ? AND path >= ? AND path < ?", serial, *inside(new.path))
    return freed


def _replaced(database: sqlite3.Connection, serial: int, new: New) -> set[str]:
    """Gives the digest of an older file, whose row is written anew; but where a folder comes, that row must go."""
    key = as_key(new.path)
    if new.kind is Kind.FOLDER:
        return _remove(database, "context = ? AND path = ?", serial, key)
    row = database.execute("SELECT digest FROM files WHERE context = ? AND path = ?", (serial, key)).fetchone()
    return set(row or ())


def _values(serial: int, new: New, now: float) -> tuple[Any, ...]:
    blob = new.blob or Blob("", 0)
    target = os.fsencode(new.target)
    key = as_key(new.path) + (FOLDER_MARK if new.kind is Kind.FOLDER else b"")
    size = len(target) if new.kind is Kind.LINK else blob.size
    facts = (serial, key, str(new.kind), size, new.mode, new.mtime_ns, blob.digest, target)
    return (*facts, now, now, new.expires)


def needed(database: sqlite3.Connection, digest: str) -> bool:
    """Whether any file of any context has these bytes."""
    return database.execute("SELECT 1 FROM files WHERE digest = ? LIMIT 1", (digest,)).fetchone() is not None
