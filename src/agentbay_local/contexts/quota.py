"""How much one owner may have in the store, and how that is counted: by the catalogue itself, with each row."""

from __future__ import annotations

import sqlite3
from typing import Final

from attrs import frozen

from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["COUNTING", "MOST_CONTEXTS", "MOST_FILES", "OverQuota", "Quota", "Use"]

MOST_CONTEXTS: Final = 10_000
"""Of one owner, with volumes."""
MOST_FILES: Final = 1_000_000
"""Of one context, with links and folders."""

_MORE = "UPDATE contexts SET entries = entries + 1, bytes = bytes + new.size WHERE serial = new.context;"
_LESS = "UPDATE contexts SET entries = entries - 1, bytes = bytes - old.size WHERE serial = old.context;"
COUNTING: Final = (
    "ALTER TABLE contexts ADD COLUMN entries INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE contexts ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0",
    f"CREATE TRIGGER file_comes AFTER INSERT ON files BEGIN {_MORE} END",
    f"CREATE TRIGGER file_goes AFTER DELETE ON files BEGIN {_LESS} END",
    f"CREATE TRIGGER file_changes AFTER UPDATE ON files BEGIN {_LESS} {_MORE} END",
    """UPDATE contexts SET entries = (SELECT count(*) FROM files WHERE context = serial),
    bytes = (SELECT coalesce(sum(size), 0) FROM files WHERE context = serial)""",
)
"""What makes a catalogue of version 1 one of version 2."""


class OverQuota(ServiceRefusal):
    """There is no room for the change; nothing of it was made."""

    def __init__(self, message: str, code: str = "QuotaExceeded.Context") -> None:
        super().__init__(code, message)


@frozen
class Use:
    """What an owner has in all, in bytes, and one of the contexts, in entries."""

    bytes: int
    entries: int


@frozen
class Quota:
    """The limits; `bytes` are those of all files of one owner, each counted with its size."""

    bytes: int | None = None
    contexts: int = MOST_CONTEXTS
    files: int = MOST_FILES

    def use(self, database: sqlite3.Connection, serial: int) -> Use:
        """What is there now."""
        command = "SELECT owner, entries FROM contexts WHERE serial = ?"
        owner, entries = database.execute(command, (serial,)).fetchone()
        if self.bytes is None:
            return Use(0, entries)
        [total] = database.execute("SELECT sum(bytes) FROM contexts WHERE owner = ?", (owner,)).fetchone()
        return Use(total, entries)

    def check(self, before: Use, after: Use) -> None:
        """Refuses a change, which may always make it less. Raises OverQuota."""
        if self.bytes is not None and after.bytes > max(self.bytes, before.bytes):
            raise self.too_large(before.bytes, after.bytes - before.bytes)
        if after.entries > max(self.files, before.entries):
            text = f"The context would have {after.entries} files, and may have {self.files}: delete some."
            raise OverQuota(text, "QuotaExceeded.ContextFile")

    def too_large(self, used: int, more: int) -> OverQuota:
        """The refusal of so many bytes more."""
        text = (
            f"The contexts of this key use {used} of {self.bytes} bytes (--store-quota), and {more} more have no room"
        )
        return OverQuota(f"{text}: delete files or contexts.", "QuotaExceeded.ContextStorage")

    def check_contexts(self, database: sqlite3.Connection, owner: str) -> None:
        """Refuses one context too many, which has just been made. Raises OverQuota."""
        command = "SELECT count(*) FROM contexts WHERE owner = ? AND hidden != 1"
        [count] = database.execute(command, (owner,)).fetchone()
        if count > self.contexts:
            text = f"This key has {self.contexts} contexts and volumes, the most that one may have: delete some."
            raise OverQuota(text)
