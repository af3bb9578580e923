"""Writes one page per module to `docs/api/` from the docstrings, both colours side by side.

    python tools/docs.py

The pages are made from the installed package, so they say what a user gets. They are ignored by git.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import shutil
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from types import ModuleType

import attrs

import agentbay

TARGET = Path(__file__).resolve().parent.parent / "docs" / "api"
PLAIN = ("actions", "context_actions", "beta_actions", "config", "errors", "types")
LISTS = ("Args:", "Raises:", "Attributes:")
TEXTS = ("Returns:", "Yields:")


def modules(parent: str) -> Iterator[str]:
    """Yields the public modules below a package, or the module itself, by their full names."""
    found = importlib.import_module(parent)
    if not hasattr(found, "__path__"):
        yield parent
        return
    for entry in pkgutil.walk_packages(found.__path__, f"{parent}."):
        if not entry.name.rpartition(".")[2].startswith("_"):
            yield entry.name


def own_classes(module: ModuleType, names: Container[str] | None = None) -> list[type]:
    """Lists the public classes that a module defines, in the order of its text; with `names`, only those."""
    found = [item for name, item in vars(module).items() if inspect.isclass(item) and not name.startswith("_")]
    return [item for item in found if item.__module__ == module.__name__ and (names is None or item.__name__ in names)]


def text_of(item: object) -> str:
    """Gives a docstring as Markdown: what stands below a heading loses its indentation, names become a list."""
    lines, heading = list[str](), ""
    for line in (inspect.getdoc(item) or "").splitlines():
        if line in LISTS + TEXTS:
            heading = line
            lines += [f"**{line.removesuffix(':')}**", ""]
        elif line and not line.startswith(" "):
            heading = ""
            lines.append(line)
        else:
            lines.append(entry(line) if heading in LISTS else line.strip())
    return "\n".join(lines)


def entry(line: str) -> str:
    """Writes one line of a list: a name begins an item, what is indented further goes on with it."""
    text = line.removeprefix("    ")
    name, colon, rest = text.partition(":")
    return f"- `{name}`:{rest}" if colon and not text.startswith(" ") else text


def fenced(lines: list[str]) -> str:
    """Puts code into a block."""
    return "\n".join(["```python", *lines, "```"])


def signature(name: str, item: Callable[..., object]) -> str:
    """Writes one function or class as its definition would read, a parameter a line once it gets long."""
    found = inspect.signature(item)
    short = f"{keyword(item)} {name}{found}".replace("'", "")
    if len(short) <= 110:
        return short
    parameters = "".join(f"    {line},\n" for line in parameter_lines(found))
    return f"{keyword(item)} {name}(\n{parameters}) -> {found.return_annotation}".replace("'", "")


def keyword(item: object) -> str:
    """Gives the word that a definition starts with."""
    if inspect.isclass(item):
        return "class"
    return "async def" if inspect.iscoroutinefunction(item) or inspect.isasyncgenfunction(item) else "def"


def parameter_lines(found: inspect.Signature) -> Iterator[str]:
    """Yields the parameters with the bare star where the keyword-only ones begin."""
    starred = False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        yield str(parameter)


def methods(owner: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yields the public methods and properties of a class, in the order of its text, inherited ones last."""
    names = {name: None for base in owner.__mro__ if base.__module__.startswith("agentbay") for name in vars(base)}
    for name in names:
        member = inspect.getattr_static(owner, name)
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


def coloured_page(name: str) -> str:
    """Writes the page of one module of the client."""
    both = [importlib.import_module(f"agentbay.{colour}.{name}") for colour in ("_sync", "_async")]
    pairs = zip(*(own_classes(module, agentbay.__all__) for module in both), strict=True)
    return "\n\n".join([f"# {name}", text_of(both[0]), *(part for pair in pairs for part in pair_parts(*pair))])


def pair_parts(plain: type, coloured: type) -> Iterator[str]:
    """Yields the section of one class in both colours."""
    yield f"## {plain.__name__}, {coloured.__name__}"
    yield text_of(plain)
    yield fenced([signature(item.__name__, item).removesuffix(" -> None") for item in (plain, coloured)])
    for (name, function), (twin, other) in zip(methods(plain), methods(coloured), strict=True):
        yield f"### {name}"
        yield fenced([signature(name, function), signature(twin, other)])
        yield text_of(function)


def plain_page(name: str) -> str:
    """Writes the page of one module that has no colour."""
    module = importlib.import_module(name)
    title = name.removeprefix("agentbay.")
    return "\n\n".join([f"# {title}", text_of(module), *(part for item in own_classes(module) for part in value(item))])


def value(item: type) -> Iterator[str]:
    """Yields the section of a value, an error or another class without colour."""
    bases = ", ".join(base.__name__ for base in item.__bases__ if base is not object)
    yield f"## {item.__name__}" + (f" ({bases})" if bases else "")
    yield text_of(item)
    if attrs.has(item) and attrs.fields(item):
        yield fenced([f"{field.name}: {field.type}" for field in attrs.fields(item)])
    for name, function in methods(item):
        yield f"### {name}"
        yield fenced([signature(name, function)])
        yield text_of(function)


def pages() -> dict[str, str]:
    """Gives every page by its file's name, without the index; a module of the client has one if it is public."""
    client = [
        name for name in modules("agentbay._sync") if own_classes(importlib.import_module(name), agentbay.__all__)
    ]
    coloured = {name: coloured_page(name) for name in (full.removeprefix("agentbay._sync.") for full in client)}
    plain = {name: plain_page(name) for parent in PLAIN for name in modules(f"agentbay.{parent}")}
    return coloured | {name.removeprefix("agentbay."): page for name, page in plain.items()}


def main() -> int:
    """Writes all pages anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    made = pages()
    for name, page in made.items():
        (TARGET / f"{name}.md").write_text(page.strip() + "\n", "utf-8")
    index = [f"- [{name}]({name}.md)" for name in made]
    (TARGET / "index.md").write_text("\n".join([f"# API of agentbay {agentbay.__version__}", "", *index, ""]), "utf-8")
    print(f"{len(made)} pages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
