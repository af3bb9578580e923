"""The images of this machine's user: a small file each that names its layers, and the layers, which images share.

A layer is a folder in two parts: `system` has usr, etc, opt and var; `files` has home and workspace. What a snapshot
takes of a session are all its files, so its own `files` stand for those of all layers below it.

A layer comes into being under a temporary name, which bears the token of its process, and gets its own one together
with the file of its image. It stays until no image names it and nobody holds it: a holder has the folder locked, and
the lock ends with the holder, however that ends. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError

from agentbay_local.alone import alone_in
from agentbay_local.contexts.blobs import flush_all
from agentbay_local.contexts.faults import store_faults
from agentbay_local.contexts.runtimes import Presence
from agentbay_local.images import trees
from agentbay_local.images.faults import ImageGone, ImageTaken, UnfitImageName
from agentbay_local.images.image import Image
from agentbay_local.undo import on_failure

__all__ = ["FILES", "FOLDER", "SYSTEM", "Images", "Kept", "Staged", "fit_name"]

log = logging.getLogger("agentbay_local")

FOLDER: Final = "images"
SYSTEM: Final = "system"
FILES: Final = "files"
OF_FILES: Final = ("home", "workspace")
VERSION: Final = 1
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PART: Final = re.compile(r"part-([0-9a-f]+)-[0-9a-f]+")
RULE: Final = "give 1 to 63 letters, digits, `_`, `-` or `.`, the first one a letter or digit"
TAKEN: Final = re.compile(r"[a-z]+_latest")


@frozen
class Kept:
    """What is written down of an image. `layers` are folders in the store, the newest first; sizes are in bytes."""

    name: str
    family: str
    source: str
    created: float
    size: int
    """Of its own layer."""
    layers: tuple[str, ...]
    root: bool = False
    env: dict[str, str] = field(factory=dict, repr=False)
    version: int = VERSION

    @property
    def ids(self) -> frozenset[str]:
        """The layers that it needs."""
        return frozenset(layer.partition("/")[0] for layer in self.layers)


@frozen
class Staged:
    """A layer while it is made, in a folder that nobody else has."""

    folder: Path

    @property
    def system(self) -> Path:
        return self.folder / SYSTEM

    @property
    def files(self) -> Path:
        return self.folder / FILES


_CONVERTER: Final = Converter(forbid_extra_keys=True)


def fit_name(name: str) -> str:
    """Gives a name that an image may have. Raises UnfitImageName."""
    if NAME.fullmatch(name) is None:
        raise UnfitImageName(name, RULE)
    if TAKEN.fullmatch(name):
        raise UnfitImageName(name, "names that end so are those of the service; choose another one")
    return name


class Images:
    """The store in one folder, as one process uses it; others may do so at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._layers = folder / "layers"
        self._presence = Presence(folder / "runtimes")

    # --- Looking ------------------------------------------------------------------------------------------------------

    def all(self) -> list[Kept]:
        """Every image, by name; those that cannot be read are passed over. Raises StoreUnavailable."""
        with store_faults(self.folder):
            return [kept for _, kept in self._read() if kept is not None]

    def _read(self) -> Iterator[tuple[Path, Kept | None]]:
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(FileNotFoundError):
                yield path, _kept(path)

    def find(self, name: str) -> Kept | None:
        """One image. Raises StoreUnavailable."""
        if NAME.fullmatch(name) is None:
            return None
        with store_faults(self.folder):
            try:
                return _kept(self._file(name))
            except FileNotFoundError:
                return None

    def image(self, kept: Kept) -> Image:
        """The image as the engine needs it."""
        layers = tuple(self._layers / each for each in kept.layers)
        return Image(kept.name, kept.family, layers, kept.root, kept.env)

    def files_size(self, image: Image) -> int:
        """The bytes that an image has in home and workspace. Raises StoreUnavailable."""
        with store_faults(self.folder):
            return sum(trees.used(layer) for layer in image.layers if layer.name == FILES)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    @contextlib.contextmanager
    def held(self, image: Image) -> Iterator[None]:
        """Keeps the layers of an image while the block lasts. Raises ImageGone."""
        with contextlib.ExitStack() as locks:
            self.hold(image, locks)
            yield

    def hold(self, image: Image, locks: contextlib.ExitStack) -> None:
        """Keeps the layers of an image until `locks` are closed. Raises ImageGone."""
        with contextlib.ExitStack() as taken:
            for folder in dict.fromkeys(layer.parent for layer in image.layers):
                taken.callback(os.close, _locked(folder, fcntl.LOCK_SH, image.name))
            locks.push(taken.pop_all())

    # --- Coming -------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Makes the folder, and shows that this process works in it. Raises StoreUnavailable."""
        with store_faults(self.folder):
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._layers.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._presence.claim()

    def leave(self) -> None:
        """This process does not work here any more."""
        self._presence.leave()

    @contextlib.contextmanager
    def staged(self) -> Iterator[Staged]:
        """A place for a new layer. What is not kept by the end of the block is thrown away. Raises StoreUnavailable."""
        self.prepare()
        self.sweep()
        made = Staged(self._part())
        with store_faults(self.folder):
            made.folder.mkdir(mode=0o700)
        try:
            yield made
        finally:
            with store_faults(self.folder):
                trees.remove(made.folder)

    def _part(self) -> Path:
        return self._layers / f"part-{self._presence.token}-{secrets.token_hex(8)}"

    def keep_build(self, staged: Staged, name: str, below: Image, source: str, *, replace: bool = False) -> Kept:
        """Makes what was built in `staged.system` an image. Raises ImageTaken and StoreUnavailable.

        Args:
            staged: Where the new layer is.
            name: The image's name.
            below: What it stands on, with the variables that it has; without layers if it is a root of its own.
            source: What to show of where it comes from.
            replace: Whether an image of that name may be replaced.
        """
        with store_faults(self.folder):
            _split(staged)
        made = Kept(name, below.family, source, time.time(), 0, (), below.root, dict(below.env))
        parts = [part.name for part in (staged.files, staged.system) if part.is_dir()]
        return self._keep(staged, made, parts, self._names(below), replace=replace)

    def keep_snapshot(
        self, staged: Staged, name: str, base: Image, source: str, *, shared: int = 0, replace: bool = False
    ) -> Kept:
        """Makes the files in `staged.files` an image; `shared` are the bytes of them that another layer has anyway.

        Raises ImageTaken and StoreUnavailable.
        """
        made = Kept(name, base.family, source, time.time(), -shared, (), base.root, dict(base.env))
        below = [layer for layer in self._names(base) if not layer.endswith(f"/{FILES}")]
        return self._keep(staged, made, [FILES], below, replace=replace)

    def _names(self, image: Image) -> list[str]:
        return [layer.relative_to(self._layers).as_posix() for layer in image.layers]

    def _keep(self, staged: Staged, made: Kept, parts: Iterable[str], below: list[str], *, replace: bool) -> Kept:
        with store_faults(self.folder):
            size, name = made.size + trees.used(staged.folder), secrets.token_hex(12)
            flush_all(self._layers)
            layers = [*(f"{name}/{part}" for part in parts), *below]
            facts = _CONVERTER.unstructure(made) | {"size": size, "layers": layers}
            with alone_in(self.folder):
                if not replace and self._file(made.name).exists():
                    raise ImageTaken(made.name)
                staged.folder.rename(self._layers / name)
                with on_failure(lambda: (self._layers / name).rename(staged.folder)):
                    self._write(made.name, json.dumps(facts).encode())
                _settle(self._layers)
                _settle(self.folder)
        if replace:
            self.sweep()
        return _CONVERTER.structure(facts, Kept)

    def _write(self, name: str, content: bytes) -> None:
        """Puts the file of an image in its place in one step, on the disk."""
        temporary = self._part()
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file(name))
        finally:
            temporary.unlink(missing_ok=True)

    # --- Going --------------------------------------------------------------------------------------------------------

    def remove(self, name: str) -> bool:
        """Removes an image, if it is there; tells whether it was. Its layers go as soon as nobody needs them.

        Raises StoreUnavailable.
        """
        if NAME.fullmatch(name) is None or not self._file(name).exists():
            return False
        self.prepare()
        with store_faults(self.folder), alone_in(self.folder):
            self._file(name).unlink(missing_ok=True)
            _settle(self.folder)
        self.sweep()
        return True

    def there(self, layers: Iterable[str]) -> bool:
        """Whether any of these layers of an image is still on the disk."""
        return any((self._layers / layer).exists() for layer in layers)

    def sweep(self) -> None:
        """Takes away the layers that nobody needs, and what killed processes left. Raises StoreUnavailable."""
        if not self._layers.is_dir():
            return
        self.prepare()
        with store_faults(self.folder):
            for path in self._rubbish():
                trees.remove(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _rubbish(self) -> list[Path]:
        """What nobody needs, under names that say so."""
        with alone_in(self.folder):
            alive = self._presence.alive()
            parts = ((PART.fullmatch(path.name), path) for path in self._layers.iterdir())
            left = [path.rename(self._part()) for match, path in [*parts] if match and match[1] not in alive]
            found = dict(self._read())
            if None in found.values():  # nobody knows which layers it needs
                return left
            needed = {name for kept in found.values() if kept is not None for name in kept.ids}
            layers = [path for path in self._layers.iterdir() if not PART.fullmatch(path.name)]
            loose = (self._taken(path) for path in layers if path.name not in needed)
            return [*left, *filter(None, loose)]

    def _taken(self, layer: Path) -> Path | None:
        """Takes a layer out of everybody's reach, unless somebody holds it."""
        try:
            lock = _locked(layer, fcntl.LOCK_EX, "")
        except ImageGone:
            return None
        try:
            return layer.rename(self._part())
        finally:
            os.close(lock)


def _kept(path: Path) -> Kept | None:
    """Reads the file of an image; None when this version cannot."""
    try:
        told = json.loads(path.read_bytes())
        if isinstance(told, dict) and told.get("version") == VERSION:
            return _CONVERTER.structure(told, Kept)
        error: Exception = ValueError("it is of another version, or no image at all")
    except (BaseValidationError, ValueError, TypeError, RecursionError) as unreadable:
        error = unreadable
    log.warning("an image is left alone, because its file cannot be read: %s: %.200s", path, error)
    return None


def _locked(folder: Path, how: int, name: str) -> int:
    """A lock on a layer. Raises ImageGone when it is not there, or is being removed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ImageGone(name) from None
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(descriptor), folder.stat())
        except (BlockingIOError, FileNotFoundError):
            same = False
        if not same:
            raise ImageGone(name)
        undo.pop_all()
    return descriptor


def _split(staged: Staged) -> None:
    """Brings home and workspace of what was built to a part of their own."""
    for name in OF_FILES:
        if (staged.system / name).is_dir():
            staged.files.mkdir(mode=0o755, exist_ok=True)
            (staged.system / name).rename(staged.files / name)


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
