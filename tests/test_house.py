"""The walls of the house: no colour leaks, both colours have one shape, imports point one way, files stay small."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from importlib.metadata import distributions, requires
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

import agentbay
import agentbay_local
from tools import sync

HERE = Path(__file__).resolve().parent
SDK = Path(agentbay.__file__).parent
RUNTIME = Path(agentbay_local.__file__).parent
SYNC_TESTS = HERE / "_sync"

WRITTEN = sorted(path for root in (SDK, RUNTIME) for path in root.rglob("*.py") if "_sync" not in path.parts)
ASYNC = sorted((SDK / "_async").rglob("*.py"))
GENERATED = sorted([*(SDK / "_sync").rglob("*.py"), *SYNC_TESTS.rglob("*.py")])

LEAK = re.compile(
    r"_?Async[A-Z]\w*|_?async_\w+|async|await|asyncio|anyio|Awaitable|Coroutine"
    r"|__a(enter|exit|iter|next)__|aclose|aread|aiter|aiter_\w+|anext|asend|athrow"
)
COLOURED_MODULES = {"asyncio", "anyio", "concurrent", "threading", "time", "trio"}
HEAVY = {"aiohttp", "agentbay_local", "matplotlib", "pandas", "pydantic", "requests", "rich", "pyreqwest", "yaml"}
WITHOUT_COLOUR = [
    "_deadline.py",
    "_params.py",
    "_request.py",
    "_retry.py",
    "_tools.py",
    "_value.py",
    "_wire.py",
    "actions.py",
    "config.py",
    "errors.py",
    "types",
]
DEMO = sorted((RUNTIME / "demo").rglob("*.py"))
RUNTIME_MAY_USE = ("actions", "beta_actions", "context_actions", "errors", "types", "_params", "_wire")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path: Path) -> ast.Module:
    """Reads a module as a syntax tree."""
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path: Path) -> str:
    """Names a file in a test's id and in a failure."""
    for root in (SDK.parent, RUNTIME.parent, HERE.parent):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()


def imports(path: Path) -> Iterator[str]:
    """Yields each imported module by its full name, and each imported name under its module."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """Runs a test once for each file."""
    return pytest.mark.parametrize("path", paths, ids=name_of)


def test_there_is_something_to_look_at() -> None:
    assert [True, True, True] == [bool(ASYNC), bool(GENERATED), len(WRITTEN) > len(ASYNC)]


# Colour


@each(GENERATED)
def test_no_colour_is_left_in_a_generated_file(path: Path) -> None:
    source = path.read_text("utf-8")
    compile(source, str(path), "exec")
    assert [] == [f"{token.start[0]}: {token.string}" for token in tokens(path) if is_leak(token)]


def tokens(path: Path) -> Iterator[tokenize.TokenInfo]:
    """Splits a module into tokens."""
    return tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)


def is_leak(token: tokenize.TokenInfo) -> bool:
    """Says whether a name has a colour."""
    return token.type == tokenize.NAME and LEAK.fullmatch(token.string) is not None


@each(GENERATED)
def test_no_name_was_made_up(path: Path) -> None:
    source = Path(*("_async" if part == "_sync" else part for part in path.parts))
    assert sync_names(path) <= sync_names(source)


def sync_names(path: Path) -> set[str]:
    """Gives what starts as unasync starts a class name it has no row for, in names and in literals."""
    return {token.string for token in tokens(path) if re.match(r"\w?[\"']*Sync[A-Z]", token.string)}


@each(GENERATED)
def test_no_coroutine_is_left_in_a_generated_file(path: Path) -> None:
    coloured = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    assert [] == [node.lineno for node in ast.walk(parse(path)) if isinstance(node, coloured)]


@each(ASYNC)
def test_the_client_imports_nothing_that_differs_by_colour(path: Path) -> None:
    assert set() == {name for name in imports(path) if name.partition(".")[0] in COLOURED_MODULES}


def pairs() -> list[tuple[str, ModuleType, ModuleType]]:
    """Imports each module in both colours."""
    names = [path.relative_to(SDK / "_async").with_suffix("").as_posix().replace("/", ".") for path in ASYNC]
    return [
        (name, importlib.import_module(f"agentbay._async.{name}"), importlib.import_module(f"agentbay._sync.{name}"))
        for name in names
        if not name.endswith("__init__")
    ]


def without_colour(name: str) -> str:
    """Takes the colour out of a signature; deliberately a simpler rule than the generator's."""
    return name.replace("AsyncIterator", "Iterator").replace("Async", "").replace("async_", "")


def shape(module: ModuleType) -> dict[str, str]:
    """Gives every public function and method that a module defines, with its signature as text."""
    found = {}
    for name, item in vars(module).items():
        if name.startswith("_") or getattr(item, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(item):
            found |= {f"{name}.{sync.FOREIGN.get(member, member)}": text for member, text in members(item)}
        elif inspect.isfunction(item):
            found[name] = str(inspect.signature(item))
    return {without_colour(name): without_colour(text) for name, text in found.items()}


def members(owner: type) -> Iterator[tuple[str, str]]:
    """Yields the public methods and properties of a class, inherited ones too, each with its signature."""
    for name in dir(owner):
        member = inspect.getattr_static(owner, name)
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if (not name.startswith("_") or name == "__init__") and inspect.isfunction(function):
            yield name, f"{type(member).__name__}{inspect.signature(function)}"


@pytest.mark.parametrize(("name", "coloured", "plain"), [pytest.param(*pair, id=pair[0]) for pair in pairs()])
def test_both_colours_have_the_same_shape(name: str, coloured: ModuleType, plain: ModuleType) -> None:
    del name
    assert shape(coloured) == shape(plain)


def test_each_async_name_of_the_package_has_its_sync_twin() -> None:
    public = set(agentbay.__all__)
    assert set() == {name for name in public if name.startswith("Async") and name.removeprefix("Async") not in public}


def test_every_public_name_exists() -> None:
    assert [] == [name for name in agentbay.__all__ if not hasattr(agentbay, name)]


# Arrows


@each([path for path in WRITTEN if path.is_relative_to(SDK) and path.relative_to(SDK).parts[0] in WITHOUT_COLOUR])
def test_what_has_no_colour_never_imports_the_client(path: Path) -> None:
    assert set() == {name for name in imports(path) if name.startswith(("agentbay._async", "agentbay._sync"))}


@each([path for path in WRITTEN if path.is_relative_to(SDK)])
def test_the_sdk_never_imports_the_runtime(path: Path) -> None:
    assert set() == {name for name in imports(path) if name.partition(".")[0] == "agentbay_local"}


@each([path for path in WRITTEN if path.is_relative_to(RUNTIME) and path not in DEMO])
def test_the_runtime_uses_only_the_shapes_of_the_sdk(path: Path) -> None:
    used = {name for name in imports(path) if name.partition(".")[0] == "agentbay"}
    assert set() == {
        name for name in used if not name.startswith(tuple(f"agentbay.{part}" for part in RUNTIME_MAY_USE))
    }


@each(DEMO)
def test_the_demo_is_a_user_like_any_other(path: Path) -> None:
    assert set() == {name for name in imports(path) if name.startswith("agentbay._")}


# Sizes and habits


@each(WRITTEN)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert path.read_text("utf-8").count("\n") <= 400


@each(WRITTEN)
def test_a_function_has_at_most_50_lines(path: Path) -> None:
    functions = [node for node in ast.walk(parse(path)) if isinstance(node, FunctionNode)]
    assert {} == {node.name: length(node) for node in functions if length(node) > 50}


def length(node: FunctionNode) -> int:
    """Counts the lines of a function without its docstring."""
    docstring = ast.get_docstring(node, clean=False)
    return (node.end_lineno or node.lineno) - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


# The daemon of a sandbox is its PID 1: whatever one call stumbles over, its end would be the end of all.
LAST_RESORTS = [RUNTIME / "sandbox" / "boxd.py"]


@each([path for path in WRITTEN if path not in LAST_RESORTS])
def test_no_handler_catches_everything(path: Path) -> None:
    handlers = [node for node in ast.walk(parse(path)) if isinstance(node, ast.ExceptHandler)]
    assert [] == [node.lineno for node in handlers if catches_everything(node)]


def catches_everything(node: ast.ExceptHandler) -> bool:
    """Says whether a handler swallows what it cannot know; one that cleans up and raises again does not."""
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = {item.id if isinstance(item, ast.Name) else None for item in caught if item is not None}
    raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
    return "Exception" in names or ((node.type is None or "BaseException" in names) and not raises_again)


@each(WRITTEN)
def test_annotations_are_never_evaluated_at_import(path: Path) -> None:
    annotated = (ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef)
    has_some = any(isinstance(node, annotated) for node in ast.walk(parse(path)))
    assert not has_some or "__future__.annotations" in set(imports(path))


@pytest.mark.skipif(not (HERE.parent / ".git").exists(), reason="not a checkout")
def test_nothing_generated_is_in_git() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=HERE.parent, capture_output=True, text=True, check=True).stdout
    assert [] == [line for line in tracked.splitlines() if "/_sync/" in line or line.startswith("docs/api/")]


# What an import does

PROBE = """
import json, logging, sys
written = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        written.append(str(arguments[0]))
    elif event in {"socket.connect", "subprocess.Popen", "os.fork", "_thread.start_new_thread", "os.mkdir"}:
        written.append(event)
sys.addaudithook(watch)
before = list(logging.getLogger().handlers)
import agentbay
handlers = [type(handler).__name__ for handler in logging.getLogger("agentbay").handlers]
import threading
print(json.dumps({
    "effects": written, "threads": threading.active_count(), "handlers": handlers,
    "root": len(logging.getLogger().handlers) - len(before),
    "level": logging.getLogger("agentbay").level, "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


@pytest.fixture(scope="module")
def after_import() -> dict[str, object]:
    """What a fresh interpreter looks like after `import agentbay`."""
    command = [sys.executable, "-B", "-c", PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    facts: dict[str, object] = json.loads(done.stdout)
    return facts | {"stderr": done.stderr}


def test_an_import_writes_starts_and_connects_nothing(after_import: dict[str, object]) -> None:
    assert ([], 1, "") == (after_import["effects"], after_import["threads"], after_import["stderr"])


def test_an_import_leaves_logging_to_the_program(after_import: dict[str, object]) -> None:
    assert (["NullHandler"], 0, 0) == tuple(after_import[key] for key in ("handlers", "root", "level"))


def test_an_import_brings_nothing_heavy(after_import: dict[str, object]) -> None:
    modules = after_import["modules"]
    assert isinstance(modules, list)
    assert set() == HEAVY & set(modules)


@pytest.mark.skipif(not list(distributions(name="agentbay-sdk")), reason="the SDK is not installed, only on the path")
def test_the_bare_sdk_is_at_most_13_distributions() -> None:
    assert len(closure("agentbay-sdk")) <= 13


def closure(distribution: str) -> set[str]:
    """Names what an installer brings for a distribution without extras, itself included."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        wanted = [Requirement(text) for text in requires(name) or []]
        waiting += [item.name.lower() for item in wanted if not item.marker or item.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize("package", [agentbay, agentbay_local], ids=lambda package: package.__name__)
def test_a_package_says_that_it_is_typed(package: ModuleType) -> None:
    assert (Path(package.__file__ or "").parent / "py.typed").is_file()
