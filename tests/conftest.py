"""What every test run needs: a fresh sync colour before the first test is collected, and a way to try a snippet."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import sync

# What never calls the SDK in the process of the test, and so is not slowed down by measuring which lines of it run.
HERE = Path(__file__).resolve().parent
UNMEASURED = tuple(
    HERE / name for name in ("local/endurance", "local/sandbox", "local/tools", "test_docs.py", "test_house.py")
)

# Runs its standard input as a module would be run; a page may await outside a function, as a notebook does.
RUNNER = """
import ast, asyncio, inspect, sys
code = compile(sys.stdin.read(), sys.argv[1], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
result = eval(code, {"__name__": "__main__"})
if inspect.iscoroutine(result):
    asyncio.run(result)
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "also run what is marked as nightly, and the long form of tests that have one"
    parser.addoption("--nightly", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Brings `tests/_sync`, and in a checkout the sync package, up to date with what people wrote."""
    hear_interrupts()
    if hasattr(config, "workerinput"):  # one of several processes of a run, whose first one has done it
        return
    # No test may touch the contexts of whoever runs it. Where a test clears AGENTBAY_ settings, the other one counts.
    folder = tempfile.mkdtemp(prefix="agentbay-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ |= {"XDG_DATA_HOME": folder, "AGENTBAY_DATA": os.path.join(folder, "agentbay")}
    try:
        sync.generate(strict=False)
    except sync.SyncError as error:
        raise pytest.UsageError(str(error)) from error


def hear_interrupts() -> None:
    """Undoes what a shell does to commands in the background: programs that tests start would ignore Ctrl-C, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leave_for_the_night(config, items)
    spare_coverage(items)


def leave_for_the_night(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes out what is marked as nightly, whatever else was asked for, unless the night was."""
    if config.getoption("--nightly"):
        return
    left = [item for item in items if item.get_closest_marker("nightly")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def spare_coverage(items: list[pytest.Item]) -> None:
    """Spares the tests that say nothing about the coverage of the SDK the cost of measuring it.

    What the SDK imports late is imported now, for a module that such a test is the first to import would look untried.
    """
    for name in ("agentbay", "agentbay.types"):
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__, f"{name}."):
            if not module.ispkg:
                importlib.import_module(module.name)
    for item in items:
        if any(item.path.is_relative_to(place) for place in UNMEASURED):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session")
def nightly(pytestconfig: pytest.Config) -> bool:
    """Whether there is a whole night."""
    return bool(pytestconfig.getoption("--nightly"))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One runtime for all pages that leave the endpoint to the environment, as the variables that lead to it."""
    data = str(tmp_path_factory.mktemp("served"))
    command = [sys.executable, "-m", "agentbay_local", "serve", "--quiet", "--parent", str(os.getpid()), "--data", data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        yield dict(line.split("=", 1) for line in lines)
        process.terminate()


@pytest.fixture
def run_snippet(tmp_path: Path, served: dict[str, str]) -> Callable[[str, str], None]:
    """Runs one snippet of a page as a program of its own, in an empty folder and against a local runtime."""

    def run(text: str, label: str) -> None:
        command = [sys.executable, "-W", "error", "-c", RUNNER, label]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTBAY_")} | served
        done = subprocess.run(
            command, input=text, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr

    return run
