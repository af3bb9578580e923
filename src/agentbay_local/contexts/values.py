"""What the store gives and takes. Times are seconds since 1970 unless they say nanoseconds; sizes are bytes."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

__all__ = ["LARGEST", "Blob", "Child", "Context", "Entry", "Folder", "Kind", "Listing", "New", "Volume", "Volumes"]

LARGEST = 10 << 30
"""The largest file of a context."""


class Kind(StrEnum):
    """What stands at a path of a context."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"


@frozen
class Context:
    """A context as it is now. `state` is `available`, `in-use`, `clearing` or `pre-available`."""

    id: str
    owner: str
    name: str
    state: str
    created: float
    used: float
    hidden: bool = False
    serial: int = field(default=0, repr=False)


@frozen
class Listing:
    """One page of contexts, newest first. `before` begins the next page; None on the last one."""

    contexts: list[Context]
    total: int
    before: int | None = None


@frozen
class Volume:
    """A volume as it is now: files that sessions of one image may have. `state` is as that of a context."""

    id: str
    owner: str
    name: str
    image: str
    state: str
    created: float
    serial: int = field(default=0, repr=False)


@frozen
class Volumes:
    """One page of volumes, newest first. `before` begins the next page; None on the last one."""

    volumes: list[Volume]
    total: int
    before: int | None = None


@frozen
class Blob:
    """The bytes of a file: their SHA-256 in hex digits, and how many they are.

    `temporary` names the file they are in as long as no context has them; empty for bytes that are in the store.
    """

    digest: str
    size: int
    temporary: str = ""


@frozen
class Entry:
    """What a context has at a path, an absolute path as sessions see it.

    FILE has `digest`, `size`, `mode` and `mtime_ns`; LINK has `target`, exactly as the link has it; FOLDER has `mode`
    and `mtime_ns`. `mode` is the permission bits. `created` and `stored` tell when the store first had the path, and
    when it last got it; `expires` when it goes by itself.
    """

    path: str
    kind: Kind
    size: int = 0
    mode: int = 0o644
    mtime_ns: int = 0
    digest: str = ""
    target: str = ""
    created: float = 0.0
    stored: float = 0.0
    expires: float | None = None

    @property
    def blob(self) -> Blob:
        """The bytes of a FILE."""
        return Blob(self.digest, self.size)


@frozen
class New:
    """What a change puts at a path. `blob` (FILE only) comes from `Staging`, or is that of an Entry that is there."""

    path: str
    kind: Kind = Kind.FILE
    blob: Blob | None = None
    mode: int = 0o644
    mtime_ns: int = 0
    target: str = ""
    expires: float | None = None


@frozen
class Child:
    """What a listed folder has under one name. A FOLDER need not be an entry itself: it may only have some below it."""

    name: str
    entry: Entry


@frozen
class Folder:
    """One page of a folder's children. `after` begins the next page, empty on the last one; `total` counts them all."""

    children: list[Child]
    total: int
    after: str = ""
