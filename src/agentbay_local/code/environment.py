"""Code that sets environment variables in a kernel which is running already. No I/O."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping

Values = Mapping[str, str | None]

SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
PYTHON = (
    "(lambda e, s: [e.pop(k, None) if v is None else e.__setitem__(k, v) for k, v in s.items()])"
    "(__import__('os').environ, __import__('json').loads({}))"
)
JAVASCRIPT = "for (const [k, v] of Object.entries({})) v === null ? delete process.env[k] : process.env[k] = v"


def python(values: Values) -> str:
    return PYTHON.format(repr(json.dumps(values)))


def javascript(values: Values) -> str:
    return JAVASCRIPT.replace("{}", json.dumps(values))


def bash(values: Values) -> str:
    """A shell has no variables whose name is not a word: those are for later ones to inherit."""
    named = {name: value for name, value in values.items() if SHELL_NAME.match(name)}
    return "\n".join(
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}" for name, value in named.items()
    )


def r(values: Values) -> str:
    gone = ", ".join(quoted(name) for name, value in values.items() if value is None)
    kept = ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in values.items() if value is not None)
    calls = [f"Sys.unsetenv(c({gone}))" if gone else "", f"Sys.setenv({kept})" if kept else ""]
    return "; ".join(f"invisible({call})" for call in calls if call)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


WRITERS: dict[str, Callable[[Values], str]] = {"python": python, "javascript": javascript, "bash": bash, "r": r}


def setting(language: str, values: Values) -> str:
    """The code; empty where a running program cannot take any, as in Java, and its next kernel does."""
    writer = WRITERS.get(language)
    return writer(values) if writer else ""
