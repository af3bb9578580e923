"""Runs inside a sandbox, as a single file of the standard library alone: packs a folder into a zip.

JSON in: `folder` and `archive`, the path of a file that is not there yet. Links are packed as links, and what is no
file, folder or link is left out. What goes wrong is told on standard error.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
import zipfile
from collections.abc import Iterator

EARLIEST = 315_532_800
LATEST = 4_354_819_198
"""From 1980 to 2107: no archive of this kind has another time."""
KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def below(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, folders before what is in them, without following links."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            yield entry.path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def pack(archive: zipfile.ZipFile, folder: str, leave_out: str) -> None:
    """Writes the archive, without itself."""
    for path, status in below(folder):
        kind = stat.S_IFMT(status.st_mode)
        if kind not in KINDS or path == leave_out:
            continue
        moment = time.gmtime(max(EARLIEST, min(LATEST, status.st_mtime)))
        name = os.path.relpath(path, folder) + "/" * (kind == stat.S_IFDIR)
        info = zipfile.ZipInfo(name, moment[:6])
        info.external_attr = (kind | stat.S_IMODE(status.st_mode)) << 16
        info.compress_type = zipfile.ZIP_DEFLATED if kind == stat.S_IFREG else zipfile.ZIP_STORED
        if kind == stat.S_IFREG:
            with open(path, "rb") as source, archive.open(info, "w", force_zip64=True) as target:
                while data := source.read(1 << 20):
                    target.write(data)
        else:
            archive.writestr(info, os.fsencode(os.readlink(path)) if kind == stat.S_IFLNK else b"")


def main() -> None:
    """Makes the archive, or leaves nothing."""
    told = json.load(sys.stdin)
    try:
        with zipfile.ZipFile(told["archive"], "x", allowZip64=True) as archive:
            pack(archive, told["folder"], told["archive"])
    except UnicodeEncodeError:
        sys.exit("it has a name that is not UTF-8, which no archive can hold")
    except OSError as error:
        sys.exit(f"{error.filename or told['folder']}: {error.strerror or error}")


if __name__ == "__main__":
    main()
