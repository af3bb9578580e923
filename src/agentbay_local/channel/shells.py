"""What a terminal starts with: its shell, its variables, its size."""

from __future__ import annotations

import ctypes
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Final

from agentbay_local.channel.call import Call
from agentbay_local.channel.registry import Refused
from agentbay_local.tools import Box
from agentbay_local.tools.arguments import Unfit, named, path
from agentbay_local.tools.shell import find_shell
from agentbay_local.tools.variables import checked

__all__ = ["command", "dimensions", "in_known_language", "place", "variables"]

LARGEST: Final = 500
"""Columns, and lines."""
PROMPTS: Final = {"/bin/bash": {"PS1": r"\u@\h:\w\$ "}}
"""For shells that understand them; there are no settings of the system inside that would say it."""
CHARACTERS: Final = 1  # LC_CTYPE_MASK
PLAIN: Final = "C.UTF-8"


def dimensions(call: Call, cols: int | None = None, rows: int | None = None) -> tuple[int, int]:
    """Reads columns and lines. Raises Refused."""
    size = [
        call.param(name, int) if default is None else call.param(name, int, default)
        for name, default in (("cols", cols), ("rows", rows))
    ]
    if not all(1 <= number <= LARGEST for number in size):
        raise Refused(f"Invalid terminal size: cols={size[0]}, rows={size[1]} (must be 1-{LARGEST})")
    return size[0], size[1]


async def command(box: Box, call: Call) -> tuple[list[str], dict[str, str]]:
    """Reads the program, by default a login shell, and gives the variables that are its own. Raises Refused."""
    wanted = call.param("shell", str, "").strip()
    if not wanted:
        box.shell = box.shell or await find_shell(box)
        return [box.shell, "-l"], PROMPTS.get(box.shell, {})
    try:
        words = shlex.split(wanted)
    except ValueError as wrong:
        raise Refused(f"pty.create: the shell is no command: {wrong}") from None
    if not words or not words[0] or "\0" in wanted:
        raise Refused("pty.create: the shell is no command")
    return words, PROMPTS.get(words[0], {})


def place(box: Box, call: Call) -> str:
    """Reads where the program starts: by default where the image's commands start. Raises Refused."""
    wanted = call.param("cwd", str, "")
    try:
        return box.path(named("cwd", path, wanted)) if wanted else box.workdir
    except Unfit as wrong:
        raise Refused(f"pty.create: {wrong}") from None


def variables(call: Call) -> dict[str, str]:
    """Reads the caller's variables. Raises Refused, and ToolFailure for what no program can have."""
    given = call.param("envs", dict, {})
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in given.items()):
        raise Refused("pty.create: the values of envs must be text")
    return checked(given)


def in_known_language(env: Mapping[str, str]) -> dict[str, str]:
    """The variables, with a language that this machine has: without one, programs take all but ASCII apart.

    Clients ask for en_US.UTF-8, which many machines do not have.
    """
    language = env.get("LANG", "")
    if language.lower().endswith((".utf-8", ".utf8")) and not is_known(language):
        return {**env, "LANG": PLAIN}
    return dict(env)


@cache
def is_known(language: str) -> bool:
    """Whether the C library has a language; sandboxes have the languages of this machine."""
    library = ctypes.CDLL(None)
    library.newlocale.restype = ctypes.c_void_p
    found = library.newlocale(CHARACTERS, language.encode(errors="replace"), None)
    if found:
        library.freelocale(ctypes.c_void_p(found))
    return bool(found)
