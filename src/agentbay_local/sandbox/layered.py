"""What bwrap is told to make a sandbox of an image of the user's own: overlays of its layers.

Two bwraps, one inside the other. The outer one makes no sandbox: it sees the host as it is, but over `STAGE` it has a
small file system with the layers at short paths, and there one with a size for all that a session writes. Only so is an
overlay held to the limit of the disk: an upper folder on the host's disk has none. The inner one makes the walls, as
for any sandbox, with overlays where layers have something. Nothing is copied, however large the image is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from agentbay_local.images import layers
from agentbay_local.images.image import Image
from agentbay_local.sandbox.idmap import STAGE

__all__ = ["Plan", "Store"]

BASE: Final = f"{STAGE}/base"
"""Empty folders, below all layers, where something is mounted later."""
TOP: Final = f"{STAGE}/top"
"""Our own files, above all layers."""
NEW: Final = f"{STAGE}/new"
"""Where a build's files go."""
WORK: Final = f"{NEW}/.work"
"""What overlays need beside them, on the same file system."""
READ_ONLY: Final = ("opt", "var")
WRITTEN: Final = ("home/wuying", "workspace")
SHOWN_TO_BUILDS: Final = ("usr", "etc", "opt", "var")
"""What a build sees of this machine, unless its base is a root of its own: no more than the server's user may read, and
of root's server what all users may."""
STAGE_SIZE: Final = 16 << 20
FROM_HOST: Final = ("alternatives", "ssl", "fonts", "R", *(f"java-{version}-openjdk" for version in (11, 17, 21, 25)))
"""The folders of this machine's /etc that sandboxes see; an image's own lie over them."""
FOR_ROOTS: Final = ("ssl",)
"""The same for an image that is a root of its own: the certificates that this machine trusts."""

Store = tuple[str, str, int]
"""A writable place: permissions, path, bytes."""


@frozen
class Plan:
    """A sandbox that is to be made of an image."""

    image: Image
    sources: tuple[Path, ...]
    """Where the layers are found, the newest first."""
    new: Path | None = None
    """Where a build's files go: then everything may be written, and what runs inside takes itself for root."""
    mounted: tuple[Path, ...] = ()
    """What else is mounted inside."""

    def folders_shown(self) -> dict[Path, bool]:
        """What has to be the sandbox's own, and whether it may be written."""
        return dict.fromkeys(self.sources, False) | ({self.new: True} if self.new else {})

    def found_in(self, place: Path | None) -> Plan:
        """The same, if all that is shown is found by its number in another place."""
        if place is None:
            return self
        there = [place / str(number) for number in range(len(self.folders_shown()))]
        return evolve(self, sources=tuple(there[: len(self.sources)]), new=there[-1] if self.new else None)

    def has(self, name: str) -> bool:
        """Whether an overlay is needed somewhere."""
        return bool(self.new and name in layers.PARTS) or bool(layers.holders(self.image.layers, name))

    def below(self, name: str) -> list[str]:
        """The layers' folders of a name, as the inner bwrap finds them, the oldest first."""
        return [f"{STAGE}/{number}/{name}" for number in reversed(layers.holders(self.image.layers, name))]

    def own_etc(self) -> bool:
        """Whether the settings are not simply those of any sandbox."""
        return self.image.root or self.has("etc")

    def staged(self, ours: Mapping[str, int], host: Mapping[str, int]) -> dict[str, int]:
        """Where our settings go, and those of this machine, if the image has some, too: descriptors by path."""
        if not self.own_etc() or self.new:
            return {}
        below = {f"{BASE}{path}": fd for path, fd in host.items()}
        return below | {f"{TOP}{path}": fd for path, fd in ours.items()}

    def outer(self, stores: Iterable[Store], staged: Mapping[str, int]) -> Iterator[str]:
        """The options of the outer bwrap."""
        yield from ("--unshare-user", "--die-with-parent", "--dev-bind", "/", "/")
        yield from ("--perms", "0755", "--size", str(STAGE_SIZE), "--tmpfs", STAGE)
        for number, source in enumerate(self.sources):
            yield from ("--ro-bind", str(source), f"{STAGE}/{number}")
        for folder in self.folders():
            yield from ("--perms", "0755", "--dir", f"{BASE}{folder}")
        if self.new:
            yield from ("--bind", str(self.new), NEW)
            return
        for perms, path, size in stores:
            if self.has(path[1:]):
                yield from ("--size", str(size), "--tmpfs", f"{STAGE}/up{path}")
                yield from ("--perms", perms, "--dir", f"{STAGE}/up{path}/new", "--dir", f"{STAGE}/up{path}/work")
        yield from ("--symlink", "../tmp", f"{BASE}/var/tmp")
        for path, fd in staged.items():
            yield from ("--perms", "0444", "--file", str(fd), path)

    def folders(self) -> list[str]:
        """Where something will be mounted, or expected, in what is read-only by then."""
        below = [str(path) for path in self.mounted if path.parts[1] in {"opt", "var", "etc", *self.extras()}]
        shared = [f"/etc/{name}" for name in self.shared()]
        return ["/opt", "/etc", "/var", "/var/cache", "/var/lib", "/var/log", *below, *shared]

    def shared(self) -> tuple[str, ...]:
        """The folders of this machine's /etc that are shown."""
        wanted = FOR_ROOTS if self.image.root else FROM_HOST
        return tuple(name for name in wanted if (Path("/etc") / name).is_dir())

    def system(self, usual: Iterable[str]) -> Iterator[str]:
        """/usr, and what stands beside it; `usual` is that of this machine."""
        if not self.new:
            yield from read_only([*self.host("usr"), *self.below("usr")], "/usr")
        if not self.image.root:
            yield from usual
            return
        for name, target in layers.links(self.image.layers):
            if target is None:
                yield from read_only(self.below(name), f"/{name}")
            else:
                yield from ("--symlink", target, f"/{name}")

    def host(self, name: str) -> list[str]:
        """This machine's folder below the layers."""
        return [] if self.image.root else [f"/{name}"]

    def over(self) -> Iterator[str]:
        """The overlays, once the rest of a sandbox stands."""
        yield from self.writable_all() if self.new else self.usual()
        for name in self.extras():
            base = [f"{BASE}/{name}"] if any(path.parts[1] == name for path in self.mounted) else []
            yield from read_only([*base, *self.below(name)], f"/{name}")

    def extras(self) -> list[str]:
        """The other folders at the top of a root of its own."""
        return layers.extras(self.image.layers) if self.image.root else []

    def usual(self) -> Iterator[str]:
        """What a session sees: all of the system is read-only."""
        for name in filter(self.has, READ_ONLY):
            yield from read_only([f"{BASE}/{name}", *self.below(name)], f"/{name}")
        if self.own_etc():
            yield from self.settings()
        for name in filter(self.has, WRITTEN):
            up = f"{STAGE}/up/{name}"
            yield from writable(self.below(name), f"{up}/new", f"{up}/work", f"/{name}")

    def settings(self) -> Iterator[str]:
        yield from read_only([f"{BASE}/etc", *self.below("etc"), f"{TOP}/etc"], "/etc")
        for name in self.shared():
            yield from read_only([f"/etc/{name}", *self.below(f"etc/{name}")], f"/etc/{name}")

    def writable_all(self) -> Iterator[str]:
        """What a build sees: all of it may be changed, and what is changed goes to the new layer."""
        for name in layers.PARTS:
            lower = [*(self.host(name) if name in SHOWN_TO_BUILDS else []), *self.below(name)]
            lower = [path for path in lower if path != f"/{name}" or Path(path).is_dir()]
            yield from writable(lower, f"{NEW}/{name}", f"{WORK}/{name.partition('/')[0]}", f"/{name}")


def read_only(sources: Sequence[str], place: str) -> Iterator[str]:
    """Folders as one, the last on top."""
    if len(sources) == 1:
        yield from ("--ro-bind", sources[0], place)
        return
    for source in sources:
        yield from ("--overlay-src", source)
    yield from ("--ro-overlay", place)


def writable(sources: Sequence[str], new: str, work: str, place: str) -> Iterator[str]:
    """The same, with what is changed in a folder of its own."""
    if not sources:
        yield from ("--bind", new, place)
        return
    for source in sources:
        yield from ("--overlay-src", source)
    yield from ("--overlay", new, work, place)
