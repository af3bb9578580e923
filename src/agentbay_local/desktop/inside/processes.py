"""Tells of the sandbox's processes but this one: id, parent, session, name and command line. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator

LONGEST = 4096


def read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(LONGEST).decode("utf-8", "replace")


def processes() -> Iterator[dict[str, object]]:
    others = {name for name in os.listdir("/proc") if name.isdigit()} - {str(os.getpid())}
    for name in sorted(others, key=int):
        with contextlib.suppress(OSError, ValueError, IndexError):
            comm, _, rest = read(f"/proc/{name}/stat").partition("(")[2].rpartition(")")
            facts = rest.split()
            words = read(f"/proc/{name}/cmdline").split("\0")
            program = os.path.basename(words[0])
            about = {"pid": int(name), "parent": int(facts[1]), "session": int(facts[3]), "dead": facts[0] in "ZX"}
            yield {**about, "pname": comm, "program": program, "cmdline": " ".join(words).strip()}


json.dump(list(processes()), sys.stdout)
