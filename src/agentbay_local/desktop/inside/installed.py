"""Reads the desktop entries that are installed. Standard library only.

On standard input an object: `menu` and `desktop`, whether to list those of the start menu and those on the desktop;
`all`, whether settings and hidden entries are wanted, too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator

LARGEST = 1 << 18
MOST = 2000
SYSTEM = {"Settings", "PackageManager", "Core", "X-GNOME-Settings-Panel"}


def entry(path: str) -> dict[str, str]:
    """The keys of the group [Desktop Entry]."""
    found: dict[str, str] = {}
    inside = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file.read(LARGEST).splitlines():
            if line.startswith("["):
                inside = line.strip() == "[Desktop Entry]"
            elif inside and "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                found.setdefault(key.strip(), value.strip())
    return found


def paths(folder: str) -> Iterator[tuple[str, str]]:
    """Entries below a folder: what identifies them, and where they are."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".desktop"):
                path = os.path.join(place, name)
                yield os.path.relpath(path, folder).replace("/", "-"), path


def wanted(facts: dict[str, str], *, everything: bool) -> bool:
    if facts.get("Type", "Application") != "Application" or not facts.get("Exec") or facts.get("Hidden") == "true":
        return False
    if facts.get("TryExec") and not shutil.which(facts["TryExec"]):
        return False
    categories = set(facts.get("Categories", "").split(";"))
    return everything or (facts.get("NoDisplay") != "true" and not categories & SYSTEM)


def command(facts: dict[str, str]) -> str:
    """The command line; a program for a terminal is given one."""
    if facts.get("Terminal") != "true":
        return facts["Exec"]
    terminal = next(filter(shutil.which, ("x-terminal-emulator", "xterm")), "")
    return terminal and f"{terminal} -e {facts['Exec']}"


def is_script(path: str) -> bool:
    """Whether a program is a script, which mostly makes way for one of another name."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def stopping(start: str) -> str:
    """What ends the program of a command line, if its process's name is known, and this machine has pkill."""
    words = [word for word in start.split() if "=" not in word and word != "env"]
    program = words[0].strip('"') if words else ""
    path = os.path.realpath(shutil.which(program) or program)
    name = "" if is_script(path) else os.path.basename(path)
    return f"pkill -x {name[:15]}" if name.replace("-", "").replace(".", "").isalnum() and shutil.which("pkill") else ""


def app(facts: dict[str, str]) -> dict[str, str]:
    start = command(facts)
    where = facts.get("Path", "")
    return {"name": facts.get("Name", ""), "start_cmd": start, "stop_cmd": stopping(start), "work_directory": where}


def installed(*, menu: bool, desktop: bool, everything: bool) -> Iterator[dict[str, str]]:
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    folders = [f"{each}/applications" for each in (own, *data.split(":"))] if menu else []
    folders += [os.path.expanduser("~/Desktop")] if desktop else []
    seen: set[str] = set()
    for folder in folders:
        for identity, path in paths(folder):
            if identity in seen:
                continue
            seen.add(identity)
            facts = entry(path) if os.path.isfile(path) else {}
            if wanted(facts, everything=everything) and command(facts):
                yield app(facts)
            if len(seen) >= MOST:
                return


asked = json.load(sys.stdin)
found = installed(menu=asked["menu"], desktop=asked["desktop"], everything=asked["all"])
json.dump(sorted(found, key=lambda each: each["name"].lower()), sys.stdout)
