"""Writes the sync colour from the async one: `_async/` becomes `_sync/`, in the package and in its tests.

    python tools/sync.py            write what has changed
    python tools/sync.py --check    write nothing, exit 1 when something would change

The work is done by stock `unasync`; this file only finds the table of names it needs. A name loses its `Async`,
`_Async` or `async_`; FOREIGN holds the few names that other people chose.
"""

from __future__ import annotations

import ast
import itertools
import os
import sys
import tempfile
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import tokenize_rt
from unasync import Rule, unasync_files

ROOT = Path(__file__).resolve().parent.parent
TREES = ("src/agentbay", "tests")
PREFIXES = {"Async": "", "_Async": "_", "async_": ""}

# Names that the rule cannot know. A row that nothing uses fails the build. unasync itself brings the dunder names,
# StopAsyncIteration, asynccontextmanager, and the abstract classes of collections.abc.
FOREIGN = {
    "_async": "_sync",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "handle_async_request": "handle_request",
}

Table = Mapping[str, str]


class SyncError(Exception):
    """The async sources cannot be turned into sync ones; the message says where and why."""


class Module(NamedTuple):
    """One coloured module, read once: as tokens for the names, as a tree for what is inside f-strings."""

    path: Path
    tokens: list[tokenize_rt.Token]
    tree: ast.Module


def plain_name(name: str) -> str:
    """Gives the name of the sync twin: `AsyncSession` -> `Session`, `async_sleep` -> `sleep`, others unchanged."""
    for prefix, kept in PREFIXES.items():
        rest = name.removeprefix(prefix)
        if rest != name and rest.isidentifier() and (prefix == "async_" or rest[0].isupper()):
            return kept + rest
    return name


def words(tokens: Iterable[tokenize_rt.Token]) -> Iterator[str]:
    """Yields what unasync may replace: names, and literals for the case that they are exactly one name."""
    for token in tokens:
        if token.name == "NAME":
            yield token.src
        elif token.name == "STRING":
            yield token.src[1:-1]


def make_table(names: set[str], *, strict: bool) -> Table:
    """Derives the table for the names in use; with `strict`, every foreign row must be among them."""
    unused = FOREIGN.keys() - names
    if strict and unused:
        raise SyncError(f"tools/sync.py: FOREIGN has rows that nothing uses: {', '.join(sorted(unused))}")
    derived = {name: plain_name(name) for name in names}
    return {name: plain for name, plain in sorted(derived.items()) if plain != name} | FOREIGN


def lost_tokens(module: Module) -> Iterator[str]:
    """Finds the keywords with no blank after them: unasync would drop what follows instead."""
    for here, following in itertools.pairwise(module.tokens):
        if here.name == "NAME" and here.src in {"async", "await"} and following.name != "UNIMPORTANT_WS":
            yield f"{module.path}:{here.line}: put a blank after async/await"


def hidden_colours(module: Module, table: Table) -> Iterator[str]:
    """Finds the f-strings with a coloured name: only some versions of Python show us their inside."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr) and any(is_coloured(part, table) for part in ast.walk(node)):
            yield f"{module.path}:{node.lineno}: take the coloured name out of the f-string"


def is_coloured(node: ast.AST, table: Table) -> bool:
    """Says whether the sync twin of this expression would be another one."""
    match node:
        case ast.Await() | ast.comprehension(is_async=1):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in table
    return False


def sources(tree: Path) -> list[Path]:
    """Lists the coloured modules of a tree."""
    return sorted((tree / "_async").rglob("*.py"))


def read(path: Path) -> Module:
    """Reads a module; a file that is no Python is named in the error."""
    text = path.read_text("utf-8")
    try:
        return Module(path, tokenize_rt.src_to_tokens(text), ast.parse(text))
    except (SyntaxError, tokenize.TokenError) as error:
        raise SyncError(f"{path}: {error}") from error


def refuse_ambiguous(modules: Iterable[Module], table: Table) -> None:
    """Raises for what would turn out differently from one Python to the next, or lose a token."""
    problems = [line for module in modules for line in (*lost_tokens(module), *hidden_colours(module, table))]
    if problems:
        raise SyncError("\n".join(problems))


def render(tree: Path, table: Table) -> dict[Path, str]:
    """Gives the sync twin of each module of a tree, by the path it belongs to."""
    names = [path.relative_to(tree / "_async") for path in sources(tree)]
    with tempfile.TemporaryDirectory() as scratch:
        rule = Rule(f"{tree}/_async/", f"{scratch}/", additional_replacements=table)
        unasync_files([str(path) for path in sources(tree)], [rule])
        return {tree / "_sync" / name: header(name) + Path(scratch, name).read_text("utf-8") for name in names}


def header(name: Path) -> str:
    """The line that tells readers of a generated module where to make their change."""
    return f"# Generated by tools/sync.py from _async/{name.as_posix()}: make changes there.\n"


def difference(tree: Path, wanted: Mapping[Path, str]) -> dict[Path, str | None]:
    """Gives the files to write, and as None the ones to remove."""
    present = set((tree / "_sync").rglob("*.py"))
    changed = {path: text for path, text in wanted.items() if path not in present or path.read_text("utf-8") != text}
    return changed | dict.fromkeys(sorted(present - wanted.keys()))


def write(path: Path, text: str | None) -> None:
    """Puts one file in place at once, so that a reader sees the old one or the new one."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}.tmp")
    scratch.write_text(text, "utf-8")
    scratch.replace(path)


def generate(root: Path = ROOT, *, check: bool = False, strict: bool = True) -> list[Path]:
    """Brings every `_sync` up to date and returns the files that differed.

    With `check` it only looks. Builds are `strict` about unused rows; a test run is not, so that half-written code can
    be tried, and so that the tests can be generated where only they are.
    """
    trees = [root / tree for tree in TREES if (root / tree / "_async").is_dir()]
    modules = [read(path) for tree in trees for path in sources(tree)]
    table = make_table({word for module in modules for word in words(module.tokens)}, strict=strict)
    refuse_ambiguous(modules, table)
    changes = {path: text for tree in trees for path, text in difference(tree, render(tree, table)).items()}
    if not check:
        for path, text in changes.items():
            write(path, text)
    return list(changes)


def main(arguments: list[str]) -> int:
    """Runs the command line and returns its exit code."""
    check = "--check" in arguments
    try:
        changed = generate(ROOT, check=check)
    except SyncError as error:
        print(error, file=sys.stderr)
        return 2
    for path in changed:
        print(("would change " if check else "wrote ") + path.relative_to(ROOT).as_posix())
    return int(check and bool(changed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
