"""The daemon's watch of a folder: a process of its own that tells the host what changes below it.

The kernel's notices (inotify) only say where to look. What is told is the difference between two looks, so that nothing
depends on the order of notices, on none being lost, or on the kernel giving any: then everything is looked at again and
again.

Runs inside the sandbox beside boxd.py, in a child, which may import what it likes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from agentbay_local.sandbox.boxcall import Call, encode
    from agentbay_local.sandbox.boxfs import kind_of

    Fact = tuple[str, int, int, int]  # type, size, time of the last change in ns, inode
else:
    from boxcall import encode
    from boxfs import kind_of

MOST_ENTRIES: Final = 100_000
WINDOW_S: Final = 0.05
"""From the first notice to the look: what happens within is told at once."""
AGAIN_S: Final = 1.0
"""Between two looks at everything, where the kernel gives no notices or the folder is not there."""
MOST_AT_ONCE: Final = 1000
MOST_READS: Final = 64
CHUNK: Final = 1 << 16

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, OVERFLOW = 0x400, 0x800, 0x4000
ONLY_FOLDERS, NOT_THROUGH_LINKS = 0x01000000, 0x02000000
CONTENT: Final = MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE
SELF: Final = DELETE_SELF | MOVE_SELF
HEAD: Final = struct.Struct("iIII")
SHORT_OF: Final = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ENOMEM)

library = ctypes.CDLL(None, use_errno=True)


class TooMany(Exception):
    """There is more below the folder than can be watched."""


def fact_of(path: str) -> Fact | None:
    """What there is, links not followed; nothing if nothing is there."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return kind_of(status.st_mode), status.st_size, status.st_mtime_ns, status.st_ino


def is_folder(fact: Fact | None) -> bool:
    return fact is not None and fact[0] == "directory"


class Notices:
    """The kernel's notices. `fd` is -1 once it gives none, or not all: then one has to look by oneself."""

    def __init__(self) -> None:
        self.fd = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def add(self, path: str, flags: int) -> int:
        """Be told of a folder; its number. An OSError says that it is none."""
        if self.fd < 0:
            return -1
        number = int(library.inotify_add_watch(self.fd, os.fsencode(path), flags | ONLY_FOLDERS))
        if number < 0 and ctypes.get_errno() not in SHORT_OF:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
        if number < 0:
            self.close()
        return number

    def remove(self, number: int) -> None:
        if self.fd >= 0 and number >= 0:
            library.inotify_rm_watch(self.fd, number)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """What there is to be told: the folder's number, what happened, the name in the folder."""
        for _ in range(MOST_READS):
            try:
                data = os.read(self.fd, CHUNK)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                number, mask, _, length = HEAD.unpack_from(data, at)
                at += HEAD.size + length
                yield number, mask, os.fsdecode(data[at - length : at].rstrip(b"\0"))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Tree:
    """What is known of everything below a folder, and what has changed since that was last told."""

    def __init__(self, root: str, skip: str) -> None:
        self.root = root
        self.skip = skip or "/"  # how no name begins
        self.changes: dict[str, tuple[Fact | None, Fact | None]] = {}
        self.clear()
        self.adopt(root)
        self.changes.clear()

    def clear(self) -> None:
        """Know nothing."""
        self.notices = Notices()
        self.known: dict[str, dict[str, Fact]] = {}
        self.numbers: dict[str, int] = {}
        self.paths: dict[int, str] = {}
        self.size = 0

    # --- Looking ------------------------------------------------------------------------------------------------------

    def adopt(self, root: str) -> None:
        """Take in a folder with all below it. Notices are asked for first, so that nothing falls between."""
        folders = [root]
        while folders:
            path = folders.pop()
            try:
                self.enter(path)
                entries = os.listdir(path)
            except OSError:
                if path == self.root:
                    raise
                continue
            folders += [f"{path}/{name}" for name in entries if self.take(path, name)]

    def enter(self, path: str) -> None:
        flags = CONTENT | SELF if path == self.root else CONTENT | NOT_THROUGH_LINKS
        number = self.notices.add(path, flags)
        self.known[path] = {}
        self.numbers[path] = number
        self.paths[number] = path

    def take(self, folder: str, name: str) -> bool:
        """Note what is new in a folder; whether that is a folder itself."""
        path = f"{folder}/{name}"
        if name.startswith(self.skip) or (fact := fact_of(path)) is None:
            return False
        self.size += 1
        if self.size > MOST_ENTRIES:
            raise TooMany
        self.known[folder][name] = fact
        self.changes[path] = (self.before(path), fact)
        return is_folder(fact)

    def before(self, path: str) -> Fact | None:
        """What was last told, if a change has been seen since."""
        return self.changes[path][0] if path in self.changes else None

    def forget(self, root: str) -> None:
        """Everything below a folder is gone, or is somewhere else."""
        folders = [root]
        while folders:
            path = folders.pop()
            known = self.known.pop(path, {})
            number = self.numbers.pop(path, -1)
            self.paths.pop(number, None)
            self.notices.remove(number)
            self.size -= len(known)
            for name, fact in known.items():
                self.gone(f"{path}/{name}", fact)
                if is_folder(fact):
                    folders.append(f"{path}/{name}")

    def gone(self, path: str, fact: Fact) -> None:
        self.changes[path] = (self.changes[path][0] if path in self.changes else fact, None)

    # --- Looking where something happened -----------------------------------------------------------------------------

    def look(self, seen: dict[tuple[str, str], int]) -> None:
        """See what has become of some names. First what is gone: it may have moved to where something is new."""
        for folder, name in seen:
            self.look_for_loss(folder, name)
        for (folder, name), mask in seen.items():
            self.look_for_gain(folder, name, written=bool(mask & MODIFY))

    def look_for_loss(self, folder: str, name: str) -> None:
        old = self.known.get(folder, {}).get(name)
        if old is None:
            return
        path = f"{folder}/{name}"
        new = fact_of(path)
        if new is None or new[0] != old[0] or (is_folder(old) and new[3] != old[3]):
            self.gone(path, self.known[folder].pop(name))
            self.size -= 1
            self.forget(path)

    def look_for_gain(self, folder: str, name: str, *, written: bool) -> None:
        known, path = self.known.get(folder), f"{folder}/{name}"
        if known is None:
            return
        old = known.get(name)
        if old is None:
            if self.take(folder, name):
                self.adopt(path)
            return
        new = fact_of(path) or old
        known[name] = new
        if not is_folder(new) and (new != old or written):
            # The clock of files is coarse: only the notice shows that one was written twice within a tick.
            self.changes[path] = (self.changes[path][0] if path in self.changes else (*old[:2], 0, 0), new)

    def read(self) -> None:
        """Take in all notices."""
        seen: dict[tuple[str, str], int] = {}
        for number, mask, name in self.notices.read():
            if mask & (SELF | OVERFLOW):
                return self.look_at_everything()
            folder = self.paths.get(number)
            if folder and name and not name.startswith(self.skip):
                seen[folder, name] = seen.get((folder, name), 0) | mask
        self.look(seen)
        return None

    # --- Looking at everything ----------------------------------------------------------------------------------------

    def look_at_everything(self) -> None:
        """Start over, and tell what is not as it was."""
        old = dict(self.entries())
        self.notices.close()
        self.clear()
        try:
            self.adopt(self.root)
        except OSError:
            self.notices.close()
        new = dict(self.entries())
        self.changes = {
            path: (old.get(path), new.get(path))
            for path in {**old, **new}
            if old.get(path) != new.get(path) and not (is_folder(old.get(path)) and is_folder(new.get(path)))
        }

    def entries(self) -> Iterator[tuple[str, Fact]]:
        for folder, known in self.known.items():
            for name, fact in known.items():
                yield f"{folder}/{name}", fact


def tell_changes(call: Call, path: str, skip: str) -> None:
    """Tell the host what changes below a folder, until it hangs up."""
    leave_others_alone(call.channel.fileno())
    if not stat.S_ISDIR(os.stat(path).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", path)
    try:
        tree = Tree(path, skip)
        call.answer({})
        while wait(call.channel.fileno(), tree):
            tell(call, tree)
    except TooMany:
        call.answer({"limit": MOST_ENTRIES})


def leave_others_alone(channel: int) -> None:
    """Close what other calls have open: nobody would see their end."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != channel:
            try:
                os.close(int(name))
            except OSError:
                continue  # what listed them


def wait(channel: int, tree: Tree) -> bool:
    """Wait until it is time to look, and look; False when the host has hung up."""
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    notices = tree.notices.fd
    if notices >= 0:
        poller.register(notices, select.POLLIN)
    ready = poller.poll(None if notices >= 0 else AGAIN_S * 1000)
    if any(fd == channel for fd, _ in ready):
        return False
    if notices < 0:
        tree.look_at_everything()
        return True
    time.sleep(WINDOW_S)
    tree.read()
    return True


def tell(call: Call, tree: Tree) -> None:
    """Send what has changed. While the host does not read, this waits, and so does all looking."""
    changes = [(path, old and old[:3], new and new[:3]) for path, (old, new) in tree.changes.items() if old != new]
    tree.changes.clear()
    for at in range(0, len(changes), MOST_AT_ONCE):
        call.send(encode({"changes": changes[at : at + MOST_AT_ONCE]}).encode())
