"""Recipes: small TOML files that say what an image has beside what its base has."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from agentbay_local.images.layers import PARTS

__all__ = ["Copied", "Recipe", "UnfitSource", "inner_path", "read_recipe"]

LARGEST: Final = 1 << 20
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.:~=_-]*")
LOCAL: Final = ("./", "../", "/")
"""How names begin that are files beside the recipe, and none of a registry."""


class UnfitSource(ValueError):
    """What an image was to be built from cannot be used; the message is for users."""


@frozen
class Copied:
    """Files of this machine that an image gets."""

    source: Path
    to: str
    """An absolute path inside."""


@frozen
class Recipe:
    """What to do to a base. All is done in the order of these fields."""

    folder: Path
    """Where the recipe is: paths in it start there."""
    base: str | None = None
    """The image that it begins with, by name."""
    files: tuple[Copied, ...] = ()
    packages: tuple[str, ...] = ()
    """Of the system's package manager; or files of packages, as `./tool.deb`."""
    python: tuple[str, ...] = ()
    """Requirements for pip; or files, as `./tool.whl`."""
    node: tuple[str, ...] = ()
    """Packages for npm; or files."""
    run: tuple[str, ...] = ()
    """Commands for bash, each in /workspace; the first one that fails is the end of the build."""
    env: Mapping[str, str] = field(factory=dict)
    """Variables that sessions, and the commands above, begin with."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        UnfitSource: it is not TOML, or something in it is not what a recipe has; the message names it.
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.loads(file.read(LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnfitSource(f"{path} is no recipe: it is not TOML ({error})") from error
    folder = path.resolve().parent
    unknown = sorted(set(found) - set(FIELDS))
    if unknown:
        raise UnfitSource(f"{path} has {unknown[0]!r}, which recipes do not know: they have {', '.join(FIELDS)}")
    try:
        return Recipe(folder, **{name: FIELDS[name](name, value, folder) for name, value in found.items()})
    except UnfitSource as error:
        raise UnfitSource(f"{path}: {error}") from None


def one_text(name: str, value: Any, _: Path) -> str:
    if not isinstance(value, str) or not value:
        raise UnfitSource(f"{name} has to be a text, and is {value!r}")
    return value


def texts(name: str, value: Any, _: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
        raise UnfitSource(f"{name} has to be a list of texts, and is {value!r}")
    return tuple(value)


def packages(name: str, value: Any, folder: Path) -> tuple[str, ...]:
    """Names of packages, none of which may be taken for an option, and files, which have to be there."""
    found = texts(name, value, folder)
    for each in found:
        if each.startswith("-"):
            raise UnfitSource(f"{name} has {each!r}, which is an option and no package")
        if each.startswith(LOCAL) and not (folder / each).is_file():
            raise UnfitSource(f"{name} has {each!r}, and {folder / each} is no file")
    return found


def system_packages(name: str, value: Any, folder: Path) -> tuple[str, ...]:
    found = packages(name, value, folder)
    for each in found:
        if not each.startswith(LOCAL) and not PACKAGE.fullmatch(each):
            raise UnfitSource(f"{name} has {each!r}, which is no package's name: give jq, jq=1.6-2, or ./jq.deb")
    return found


def copies(name: str, value: Any, folder: Path) -> tuple[Copied, ...]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise UnfitSource(f'{name} has to be a list such as [{{ from = "./seed", to = "/workspace/seed" }}]')
    return tuple(copied(name, each, folder) for each in value)


def copied(name: str, value: dict[str, Any], folder: Path) -> Copied:
    if set(value) != {"from", "to"}:
        raise UnfitSource(f"each of {name} has `from` and `to`, and one has {', '.join(value) or 'nothing'}")
    source = folder / one_text(f"`from` in {name}", value["from"], folder)
    if not source.exists():
        raise UnfitSource(f"{name} has from = {value['from']!r}, and {source} does not exist")
    return Copied(source, inner_path(one_text(f"`to` in {name}", value["to"], folder)))


def inner_path(text: str) -> str:
    """A path inside that an image can have. Raises UnfitSource."""
    steps = text.strip("/").split("/")
    if not text.startswith("/") or {"", ".", ".."} & set(steps):
        raise UnfitSource(f"{text!r} has to be an absolute path without . and ..")
    path = "/".join(steps)
    if not any(f"{path}/".startswith(f"{part}/") for part in PARTS):
        raise UnfitSource(f"{text!r} is in no folder that images have: {', '.join(f'/{part}' for part in PARTS)}")
    return f"/{path}"


def variables(name: str, value: Any, _: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise UnfitSource(f"{name} has to be a table of texts, and is {value!r}")
    for key, text in value.items():
        if not VARIABLE.fullmatch(key) or "\0" in text:
            raise UnfitSource(f"{name} has {key!r}, which is no variable that a program can have")
    return value


FIELDS: Final[dict[str, Callable[[str, Any, Path], Any]]] = {
    "base": one_text,
    "packages": system_packages,
    "python": packages,
    "node": packages,
    "files": copies,
    "run": texts,
    "env": variables,
}
