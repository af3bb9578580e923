"""How the store says no. Each is a refusal of the service, so that handlers can let it pass."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.shortage import shortage

__all__ = [
    "ContextBusy",
    "InTheWay",
    "NameTaken",
    "NoContext",
    "NoFile",
    "NoVolume",
    "StoreUnavailable",
    "VolumeBusy",
    "store_faults",
]


class NoContext(ServiceRefusal):
    """The one answer for contexts that never were, are no more, or belong to another key."""

    def __init__(self) -> None:
        super().__init__("Context.NotFound", "Resource [Context] is not found.")


class NoVolume(ServiceRefusal):
    """The same for volumes."""

    def __init__(self) -> None:
        super().__init__("Volume.NotFound", "Resource [Volume] is not found.")


class VolumeBusy(ServiceRefusal):
    """The volume is used by a session."""

    def __init__(self) -> None:
        super().__init__("Volume.InvalidStatus", "The volume is used by a session: delete that session first.")


class NoFile(ServiceRefusal):
    """The context has no such file."""

    def __init__(self, path: str, more: str = "") -> None:
        super().__init__("ContextFile.NotFound", f"file not exist: {path}{more}")


class InTheWay(ServiceRefusal):
    """Something else stands where the change needs room, and must not be lost."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__("ContextFile.Conflict", f"{path} {what}.")


class NameTaken(ServiceRefusal):
    """Another context of the owner has the name."""

    def __init__(self, name: str) -> None:
        super().__init__("Context.AlreadyExists", f"There is a context named {name!r} already: choose another Name.")


class ContextBusy(ServiceRefusal):
    """The context cannot be changed at this moment."""

    def __init__(self, doing: str) -> None:
        super().__init__("Context.InvalidStatus", f"The context {doing}: try again when its state is available.")


class StoreUnavailable(ServiceRefusal):
    """The data folder cannot be used now. Nothing was changed; once it is mended, the store works again."""

    def __init__(self, message: str) -> None:
        super().__init__("ServiceUnavailable", message, 503)


_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HINTS = {
    sqlite3.SQLITE_BUSY: "is locked by another program: try again, or end that program",
    sqlite3.SQLITE_LOCKED: "is locked by another program: try again, or end that program",
    sqlite3.SQLITE_FULL: "cannot grow because the disk is full: make room",
    sqlite3.SQLITE_CORRUPT: "is damaged: stop the runtime, then mend it with sqlite3's .recover or put a copy back",
    sqlite3.SQLITE_NOTADB: "is not a database: stop the runtime, then put a copy back or move it away",
    sqlite3.SQLITE_READONLY: "is read-only: make it writable, or choose another folder with --data or AGENTBAY_DATA",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: make the folder writable, or choose another one with --data or"
    " AGENTBAY_DATA",
    sqlite3.SQLITE_IOERR: "cannot be read or written: look at the disk and at the system's log",
}


def _of_catalogue(error: sqlite3.Error, folder: Path) -> StoreUnavailable:
    # An extended code has the primary one in its low byte.
    hint = _HINTS.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, f"cannot be used ({error})")
    return StoreUnavailable(f"The catalogue of contexts {folder / 'catalogue.sqlite'} {hint}.")


def _of_system(error: OSError, folder: Path) -> StoreUnavailable:
    if used_up := shortage(error):
        return StoreUnavailable(f"The data folder {folder} cannot be used now: {used_up}.")
    why = os.strerror(error.errno) if error.errno else str(error)
    todo = (
        "make room on its disk" if error.errno in _SPACE else "mend it, or choose another with --data or AGENTBAY_DATA"
    )
    return StoreUnavailable(f"The data folder {folder} cannot be used ({why}): {todo}.")


@contextmanager
def store_faults(folder: Path) -> Iterator[None]:
    """Turns what the system and SQLite say into StoreUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_catalogue(error, folder) from error
    except OSError as error:
        raise _of_system(error, folder) from error
