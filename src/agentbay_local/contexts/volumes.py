"""Volumes: contexts of another kind, found by a name and an image. Each function works within a transaction.

A volume stands in the same table, so that its files, its use by sessions and its end are those of a context. No action
about contexts sees it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from attrs import frozen

from agentbay_local.contexts import records
from agentbay_local.contexts.faults import NoVolume, VolumeBusy
from agentbay_local.contexts.values import Context, Volume, Volumes

__all__ = ["Filter", "delete", "find", "get_or_make", "listing", "named"]

KIND = 2
MARK = "\n"
"""Between the image and the name; neither has it."""


@frozen
class Filter:
    """Which volumes a list has; what is empty is not looked at."""

    image: str = ""
    name: str = ""
    ids: Sequence[str] = ()

    def where(self) -> tuple[str, list[object]]:
        """The condition and its values."""
        parts, values = [f"hidden = {KIND} AND owner = ?"], list[object]()
        if self.image:
            parts.append("substr(name, 1, instr(name, char(10)) - 1) = ?")
            values.append(self.image)
        if self.name:
            parts.append("substr(name, instr(name, char(10)) + 1) = ?")
            values.append(self.name)
        if self.ids:
            parts.append(f"id IN ({', '.join('?' * len(self.ids))})")
            values += self.ids
        return " AND ".join(parts), values


def _volume(context: Context) -> Volume:
    image, _, name = context.name.partition(MARK)
    return Volume(context.id, context.owner, name, image, context.state, context.created, context.serial)


def find(database: sqlite3.Connection, owner: str, volume_id: str) -> Volume:
    """Raises NoVolume."""
    found = records.one(database, f"id = ? AND owner = ? AND hidden = {KIND}", volume_id, owner)
    if found is None:
        raise NoVolume
    return _volume(found)


def named(database: sqlite3.Connection, owner: str, image: str, name: str) -> Volume:
    """Raises NoVolume."""
    found = _named(database, owner, image, name)
    if found is None:
        raise NoVolume
    return found


def _named(database: sqlite3.Connection, owner: str, image: str, name: str) -> Volume | None:
    found = records.one(database, f"owner = ? AND name = ? AND hidden = {KIND}", owner, f"{image}{MARK}{name}")
    return None if found is None else _volume(found)


def get_or_make(database: sqlite3.Connection, owner: str, image: str, name: str, now: float) -> Volume:
    made = _named(database, owner, image, name)
    return made or _volume(records.insert(database, owner, f"{image}{MARK}{name}", now, kind=KIND, prefix="vol-"))


def listing(database: sqlite3.Connection, owner: str, wanted: Filter, size: int, before: int | None) -> Volumes:
    where, values = wanted.where()
    found, total = records.page(database, where, [owner, *values], size, before)
    rest = found[size - 1].serial if len(found) > size else None
    return Volumes([_volume(context) for context in found[:size]], total, rest)


def delete(database: sqlite3.Connection, owner: str, volume_id: str) -> int:
    """Makes sure that a volume may be deleted, and gives its serial number. Raises NoVolume and VolumeBusy."""
    found = find(database, owner, volume_id)
    if found.state != "available":
        raise VolumeBusy
    return found.serial
