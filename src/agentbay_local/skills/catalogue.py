"""The skills of this machine: the folders of one folder that have a SKILL.md. Blocking; links are never followed.

A folder is whatever its owner put there, perhaps from elsewhere: so no link leads out of it into a session, and what is
too large, or cannot be read, makes that one skill unusable and no other.
"""

from __future__ import annotations

import codecs
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import field, frozen

from agentbay_local.skills.front_matter import FrontMatter, UnfitSkill, read_front_matter

__all__ = ["PREFIX", "Part", "Skill", "Skills", "opened"]

log = logging.getLogger("agentbay_local")

HEAD: Final = "SKILL.md"
PREFIX: Final = "local:"
"""How the ids of skills of this machine begin; the name follows."""
MOST_PARTS: Final = 2000
LARGEST: Final = 100 << 20
LARGEST_HEAD: Final = 64 << 10
"""Bytes of a SKILL.md in which its head must end."""
DEEPEST: Final = 32
"""Folders one inside the other."""
MOST_SKILLS: Final = 1000
INSIDE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@frozen
class Part:
    """A file, a folder or a link of a skill: its relative path, and what the file system says of it."""

    path: str
    status: os.stat_result
    target: str = ""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)


@frozen
class Skill:
    """A skill of this machine, in a folder of its name."""

    folder: Path = field(repr=False)
    name: str
    description: str

    @property
    def id(self) -> str:
        return PREFIX + self.name

    def parts(self) -> list[Part]:
        """Everything in it, folders before what is in them. Raises UnfitSkill, and OSError."""
        found: list[Part] = []
        size = 0
        with _folder(self.folder) as top:
            for part in _below(top, ""):
                size += part.status.st_size if stat.S_ISREG(part.status.st_mode) else 0
                found.append(part)
                if len(found) > MOST_PARTS or size > LARGEST:
                    raise UnfitSkill(f"it has more than {MOST_PARTS} files or {LARGEST >> 20} MiB")
        return found


@frozen(eq=False)
class Skills:
    """The skills of one folder, which need not be there."""

    folder: Path
    _told: set[str] = field(factory=set, repr=False)
    """What the log has said already."""

    def all(self) -> list[Skill]:
        """Every skill that can be used, by name; the log says which cannot. Raises OSError."""
        found = []
        for name in self._names():
            try:
                found.append(self._read(name))
            except (UnfitSkill, OSError) as why:
                self._tell(f"skill {name[:80]!r} in {self.folder} cannot be used: {why}")
        return found

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)

    def chosen(self, names: Sequence[str]) -> list[Skill]:
        """The skills of some names, each once. Raises UnfitSkill for one that is not there or cannot be used."""
        wanted, there = list(dict.fromkeys(names)), set(self._names())
        missing = next((name for name in wanted if name not in there), None)
        if missing is not None:
            known = ", ".join(skill.name for skill in self.all()) or "none"
            raise UnfitSkill(f"there is no skill {missing[:100]!r}; there are: {known}")
        return [self._chosen(name) for name in wanted]

    def _chosen(self, name: str) -> Skill:
        try:
            return self._read(name)
        except (UnfitSkill, OSError) as why:
            raise UnfitSkill(f"the skill {name} cannot be used: {why}") from why

    def _names(self) -> list[str]:
        """The folders that claim to be skills."""
        try:
            with os.scandir(self.folder) as entries:
                found = sorted(entry.name for entry in entries if _is_claimed(entry))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return found[:MOST_SKILLS]

    def _read(self, name: str) -> Skill:
        with _folder(self.folder / name) as top, open(os.open(HEAD, INSIDE, dir_fd=top), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnfitSkill("its SKILL.md is no file")
            head = _head(file.read(LARGEST_HEAD))
        if head.name != name:
            raise UnfitSkill(f"its folder must have its name, {head.name}")
        return Skill(self.folder / name, head.name, head.description)


def _is_claimed(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and os.path.lexists(os.path.join(entry.path, HEAD))


def _head(data: bytes) -> FrontMatter:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:  # where the rest was not read, half a character may stand at the end
        return read_front_matter(decoder.decode(data, final=len(data) < LARGEST_HEAD))
    except UnicodeDecodeError:
        raise UnfitSkill("its SKILL.md is not UTF-8") from None


@contextmanager
def _folder(path: Path | str, beside: int | None = None) -> Iterator[int]:
    fd = os.open(path, INSIDE | os.O_DIRECTORY, dir_fd=beside)
    try:
        yield fd
    finally:
        os.close(fd)


def _below(folder: int, path: str) -> Iterator[Part]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        part = _part(entry, f"{path}{entry.name}", folder)
        if part is None:
            continue
        yield part
        if part.is_folder:
            if part.path.count("/") >= DEEPEST:
                raise UnfitSkill(f"it has more than {DEEPEST} folders one inside the other")
            with _folder(entry.name, folder) as inner:
                yield from _below(inner, f"{part.path}/")


def _part(entry: os.DirEntry[str], path: str, folder: int) -> Part | None:
    """What a session gets of an entry; neither devices nor pipes."""
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return Part(path, status, os.readlink(entry.name, dir_fd=folder))
    if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
        return Part(path, status)
    return None


@contextmanager
def opened(skill: Skill, part: Part) -> Iterator[int]:
    """A file of a skill. Raises OSError, also when a link stands in its path by now."""
    *folders, name = part.path.split("/")
    fd = os.open(skill.folder, INSIDE | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, INSIDE | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = inner
        inner = os.open(name, INSIDE, dir_fd=fd)
    finally:
        os.close(fd)
    try:
        if not stat.S_ISREG(os.fstat(inner).st_mode):
            raise UnfitSkill(f"{part.path} is no file any more")
        yield inner
    finally:
        os.close(inner)
