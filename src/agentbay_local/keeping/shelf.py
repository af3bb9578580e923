"""The folder of hibernated sessions: the files of each as one stream, and a record of those that are kept. Blocking.

A stream first has a temporary name, which bears the token of its runtime. Where the session is to be kept, it gets its
own name together with the record; otherwise that is all the name it ever gets. So what a killed runtime leaves is
either a session that is found again, or something that the next runtime takes away.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import attrs

from agentbay_local.alone import alone_in
from agentbay_local.contexts import Blob
from agentbay_local.contexts.blobs import Blobs
from agentbay_local.contexts.faults import store_faults
from agentbay_local.contexts.runtimes import Presence
from agentbay_local.keeping.records import Record, UnreadableRecord, read_record, write_record

__all__ = ["Shelf"]

log = logging.getLogger("agentbay_local")

SALT: Final = 32
TREE: Final = re.compile(r"(session-[a-z0-9]{1,40})\.[0-9a-f]+\.tree")
RECORD: Final = ".json"


class Shelf:
    """The folder as one runtime uses it; others may do so at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._presence = Presence(folder / "runtimes")
        self.blobs = Blobs(folder, self._presence.token)

    @property
    def token(self) -> str:
        return self._presence.token

    def there(self) -> bool:
        """Whether anything was ever kept here."""
        return self.folder.is_dir()

    def prepare(self) -> None:
        """Makes the folder, and shows that this runtime is here. Raises StoreUnavailable."""
        with store_faults(self.folder):
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._presence.claim()

    def leave(self) -> None:
        self._presence.leave()

    def salt(self) -> bytes:
        """What the hashes of keys are made with here; made once. Raises StoreUnavailable."""
        self.prepare()
        path = self.folder / "salt"
        with store_faults(self.folder), alone_in(self.folder):
            if not path.exists() or path.stat().st_size != SALT:
                self._write(path, secrets.token_bytes(SALT))
            return path.read_bytes()

    # --- One session --------------------------------------------------------------------------------------------------

    def flush(self, blob: Blob) -> None:
        with store_faults(self.folder):
            self.blobs.flush([blob])

    def commit(self, record: Record) -> Record:
        """Has a session found again from now on; gives the record as it is on the disk. Raises StoreUnavailable."""
        kept = attrs.evolve(record, keeper=self.token, tree=f"{record.id}.{secrets.token_hex(4)}.tree")
        with store_faults(self.folder), alone_in(self.folder):
            os.rename(self.folder / record.tree, self.folder / kept.tree)
            self._write(self._record(record.id), write_record(kept))
        return kept

    def remove(self, session_id: str, tree: str) -> None:
        """Forgets a session that is awake again, or has ended. Raises StoreUnavailable."""
        with store_faults(self.folder), alone_in(self.folder):
            self._record(session_id).unlink(missing_ok=True)
            self.blobs.discard([tree])

    # --- All of them --------------------------------------------------------------------------------------------------

    def adopt(self, owners: Collection[str], now: float) -> list[Record]:
        """Takes over the sessions of these owners that no runtime has, and takes away what nobody needs any more.

        Raises StoreUnavailable.
        """
        self.prepare()
        with store_faults(self.folder), alone_in(self.folder):
            temporaries = self.blobs.temporaries()
            alive = self._presence.alive()
            taken = [record for record in self._records() if record.keeper not in alive]
            over = {record.id for record in taken if record.ends is not None and record.ends <= now}
            for record in taken:
                if record.id in over:
                    self._record(record.id).unlink()
            mine = [self._mine(record) for record in taken if record.id not in over and record.owner in owners]
            self.blobs.discard(name for name, token in temporaries.items() if token not in alive)
            self.blobs.discard(self._orphans())
        return mine

    def _mine(self, record: Record) -> Record:
        kept = attrs.evolve(record, keeper=self.token)
        self._write(self._record(record.id), write_record(kept))
        return kept

    def _records(self) -> Iterator[Record]:
        for path in sorted(self.folder.glob(f"*{RECORD}")):
            try:
                yield read_record(path.read_bytes())
            except UnreadableRecord as error:
                log.warning("the record of a hibernated session is left alone: %s: %.200s", path, error)

    def _orphans(self) -> list[str]:
        """Streams of sessions without a record."""
        found = (TREE.fullmatch(name) for name in os.listdir(self.folder))
        return [match[0] for match in found if match and not self._record(match[1]).exists()]

    def _record(self, session_id: str) -> Path:
        return self.folder / f"{session_id}{RECORD}"

    def _write(self, path: Path, content: bytes) -> None:
        """Puts a file in its place in one step, on the disk."""
        temporary = self.blobs.temporary()
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            self.blobs.discard([temporary.name])
        self._settle()

    def _settle(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
