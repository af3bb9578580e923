"""The contexts of the catalogue: rows in, values out. Each function works within a transaction of its caller."""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections.abc import Sequence

from agentbay_local.contexts.faults import ContextBusy, NameTaken, NoContext
from agentbay_local.contexts.values import Context, Listing

__all__ = [
    "abandoned",
    "begin_clear",
    "cleared",
    "delete",
    "find",
    "find_named",
    "hold",
    "insert",
    "left_uncleared",
    "listing",
    "one",
    "page",
    "release",
    "release_dead",
    "rename",
    "serial",
    "set_phase",
    "touch",
    "writable",
]

_ALPHABET = string.ascii_lowercase + string.digits
_SELECT = """
SELECT id, owner, name, CASE
    WHEN phase != '' THEN phase
    WHEN EXISTS (SELECT 1 FROM uses WHERE uses.context = serial) THEN 'in-use'
    ELSE 'available' END, created, used, hidden, serial
FROM contexts WHERE """


def _context(row: tuple[str, str, str, str, float, float, int, int]) -> Context:
    return Context(*row[:6], bool(row[6]), row[7])


def one(database: sqlite3.Connection, where: str, *values: object) -> Context | None:
    row = database.execute(_SELECT + where, values).fetchone()
    return row and _context(row)


def find(database: sqlite3.Connection, owner: str, context_id: str, *, hidden: bool) -> Context:
    """Raises NoContext."""
    found = one(database, "id = ? AND owner = ? AND hidden <= ?", context_id, owner, hidden)
    if found is None:
        raise NoContext
    return found


def find_named(database: sqlite3.Connection, owner: str, name: str) -> Context | None:
    return one(database, "owner = ? AND name = ? AND NOT hidden", owner, name)


def _known(database: sqlite3.Connection, context_id: str) -> Context:
    found = one(database, "id = ?", context_id)
    if found is None:
        raise NoContext
    return found


def serial(database: sqlite3.Connection, context_id: str) -> int:
    """Raises NoContext."""
    return _known(database, context_id).serial


def writable(database: sqlite3.Connection, context_id: str) -> int:
    """Gives the serial number of a context whose files may be changed. Raises NoContext or ContextBusy."""
    found = _known(database, context_id)
    if found.state in {"clearing", "pre-available"}:
        raise ContextBusy("is being cleared")
    return found.serial


def insert(
    database: sqlite3.Connection, owner: str, name: str, now: float, *, kind: int = 0, prefix: str = "SdkCtx-"
) -> Context:
    """Makes a context. Its name must be free. `kind` is 1 for a hidden one, and 2 for a volume."""
    context_id = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(17))
    command = "INSERT INTO contexts (id, owner, name, hidden, created, used) VALUES (?, ?, ?, ?, ?, ?)"
    database.execute(command, (context_id, owner, name, kind, now, now))
    return _known(database, context_id)


def listing(database: sqlite3.Connection, owner: str, size: int, before: int | None, session_id: str | None) -> Listing:
    where = "owner = ? AND NOT hidden"
    values: list[object] = [owner]
    if session_id is not None:
        where += " AND serial IN (SELECT context FROM uses WHERE session = ?)"
        values.append(session_id)
    found, total = page(database, where, values, size, before)
    return Listing(found[:size], total, found[size - 1].serial if len(found) > size else None)


def page(
    database: sqlite3.Connection, where: str, values: Sequence[object], size: int, before: int | None
) -> tuple[list[Context], int]:
    """Up to one more than a page has, newest first, and how many there are in all."""
    [total] = database.execute(f"SELECT count(*) FROM contexts WHERE {where}", values).fetchone()
    start = [] if before is None else [before]
    rest = f"{where} AND serial < ?" if start else where
    command = f"{_SELECT} {rest} ORDER BY serial DESC LIMIT ?"
    rows = database.execute(command, (*values, *start, size + 1)).fetchall()
    return [_context(row) for row in rows], int(total)


def rename(database: sqlite3.Connection, context: Context, name: str) -> None:
    """Raises NameTaken."""
    other = find_named(database, context.owner, name)
    if other is not None and other.id != context.id:
        raise NameTaken(name)
    database.execute("UPDATE contexts SET name = ? WHERE serial = ?", (name, context.serial))


def delete(database: sqlite3.Connection, serial: int) -> None:
    database.execute("DELETE FROM contexts WHERE serial = ?", (serial,))


def touch(database: sqlite3.Connection, serial: int, now: float) -> None:
    database.execute("UPDATE contexts SET used = ? WHERE serial = ?", (now, serial))


# --- Clearing ---------------------------------------------------------------------------------------------------------


def begin_clear(database: sqlite3.Connection, context: Context, runtime: str) -> None:
    """Raises ContextBusy."""
    if context.state == "in-use":
        raise ContextBusy("is used by a session")
    set_phase(database, context.serial, "clearing", runtime)


def set_phase(database: sqlite3.Connection, serial: int, phase: str, runtime: str = "") -> None:
    database.execute("UPDATE contexts SET phase = ?, keeper = ? WHERE serial = ?", (phase, runtime, serial))


def cleared(database: sqlite3.Connection, context_id: str) -> int | None:
    """Gives the serial number of a context that is being cleared; None when it is not, or has been deleted."""
    command = "SELECT serial FROM contexts WHERE id = ? AND phase != ''"
    row = database.execute(command, (context_id,)).fetchone()
    return row and int(row[0])


def left_uncleared(database: sqlite3.Connection, alive: set[str]) -> list[int]:
    """Gives the contexts that a runtime was clearing when it died."""
    command = f"SELECT serial FROM contexts WHERE phase != '' AND keeper NOT IN ({_marks(alive)})"
    return [int(number) for [number] in database.execute(command, tuple(alive))]


def _marks(values: set[str]) -> str:
    return ", ".join("?" * len(values))


# --- Use by sessions --------------------------------------------------------------------------------------------------


def hold(database: sqlite3.Connection, serial: int, session_id: str, runtime: str) -> None:
    database.execute("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", (serial, session_id, runtime))


def release(database: sqlite3.Connection, session_id: str) -> None:
    database.execute("DELETE FROM uses WHERE session = ?", (session_id,))


def release_dead(database: sqlite3.Connection, alive: set[str]) -> None:
    """Ends the use by sessions whose runtime died."""
    database.execute(f"DELETE FROM uses WHERE runtime NOT IN ({_marks(alive)})", tuple(alive))


def abandoned(database: sqlite3.Connection) -> list[int]:
    """Gives the hidden contexts that no session holds."""
    command = "SELECT serial FROM contexts WHERE hidden = 1 AND serial NOT IN (SELECT context FROM uses)"
    return [int(number) for [number] in database.execute(command)]
