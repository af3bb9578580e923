"""The catalogue: one SQLite file that several runtimes may use at the same time. Blocking; for one thread."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agentbay_local.contexts.faults import StoreUnavailable, store_faults
from agentbay_local.contexts.quota import COUNTING

__all__ = ["Catalogue", "patience"]

_VERSION = 2
_PATIENCE = 10.0


def patience() -> float:
    """Gives the moment, on the monotonic clock, until which what is asked for now may wait for other programs."""
    return time.monotonic() + _PATIENCE


_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE contexts (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    hidden INTEGER NOT NULL,
    phase TEXT NOT NULL DEFAULT '' CHECK (phase IN ('', 'clearing', 'pre-available')),
    keeper TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    used REAL NOT NULL
);
CREATE UNIQUE INDEX names ON contexts (owner, name) WHERE NOT hidden;
CREATE TABLE files (
    context INTEGER NOT NULL REFERENCES contexts ON DELETE CASCADE,
    path BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'link', 'folder')),
    size INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    target BLOB NOT NULL,
    created REAL NOT NULL,
    stored REAL NOT NULL,
    expires REAL,
    PRIMARY KEY (context, path)
) WITHOUT ROWID;
CREATE INDEX contents ON files (digest);
CREATE INDEX expiries ON files (expires) WHERE expires IS NOT NULL;
CREATE TABLE uses (
    context INTEGER NOT NULL REFERENCES contexts ON DELETE CASCADE,
    session TEXT NOT NULL,
    runtime TEXT NOT NULL,
    PRIMARY KEY (context, session)
) WITHOUT ROWID;
"""


class Catalogue:
    """The connection, opened at the first use and anew after every fault. `prepare` is done before it opens."""

    def __init__(self, folder: Path, prepare: Sequence[Callable[[], None]]) -> None:
        self._folder = folder
        self._path = folder / "catalogue.sqlite"
        self._prepare = prepare
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._until = 0.0

    def wait_until(self, moment: float) -> None:
        """Tells until when, on the monotonic clock, another program that has the catalogue is waited for."""
        self._until = moment

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Gives the catalogue as it is at one moment. Raises StoreUnavailable."""
        with self._transaction("BEGIN") as database:
            yield database

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Gives the catalogue to this runtime alone; in the end all is done, or nothing. Raises StoreUnavailable."""
        with self._transaction("BEGIN IMMEDIATE") as database:
            yield database

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with store_faults(self._folder), self._dropped_on_fault():
            database = self._connected()
            database.execute(f"PRAGMA busy_timeout = {1000 * self._patience():.0f}")
            database.execute(begin)
            try:
                yield database
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    @contextmanager
    def _dropped_on_fault(self) -> Iterator[None]:
        """Lets a connection go that may be bad."""
        try:
            yield
        except (sqlite3.Error, OSError):
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _patience(self) -> float:
        return max(0.0, self._until - time.monotonic())

    # --- Opening ------------------------------------------------------------------------------------------------------

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None or self._moved():
            self.close()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for prepare in self._prepare:
                prepare()
            self._connection = self._opened()
        return self._connection

    def _moved(self) -> bool:
        """Whether somebody took the file away: what is written to it then would be lost."""
        try:
            return os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def _opened(self) -> sqlite3.Connection:
        # Made here, so that only its owner can read it; SQLite gives the files beside it the same mode.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._inode = os.stat(self._path).st_ino
        database = sqlite3.connect(self._path, timeout=self._patience(), isolation_level=None, check_same_thread=False)
        try:
            _configure(database, self._until)
            _bring_up(database, self._path)
        except BaseException:
            database.close()
            raise
        return database


def _configure(database: sqlite3.Connection, until: float) -> None:
    _in_wal_mode(database, until)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")


def _in_wal_mode(database: sqlite3.Connection, until: float) -> None:
    """Changing the mode does not wait for other programs by itself."""
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _bring_up(database: sqlite3.Connection, path: Path) -> None:
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version == _VERSION:
        return
    if version > _VERSION:
        text = f"The catalogue of contexts {path} was written by a newer version: upgrade, or choose another folder."
        raise StoreUnavailable(text)
    database.execute("BEGIN IMMEDIATE")
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute("INSERT INTO facts VALUES ('secret', ?)", (secrets.token_bytes(32),))
    if version < _VERSION:  # nobody else has done it meanwhile
        for statement in COUNTING:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")
    database.execute("COMMIT")
