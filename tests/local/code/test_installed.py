"""Jupyter kernels that are installed beside ours serve the languages that no program of ours does."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.local.code.conftest import told

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAUNCH = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def installed(fresh: Any) -> Iterator[Any]:
    """Installs a kernel for R, in a folder where only this test looks."""
    fresh.spawner.env["JUPYTER_PATH"] = f"{fresh.folder}/jupyter"
    place = Path(fresh.folder, "jupyter", "kernels")

    def install(kernels: Mapping[str, str] = MappingProxyType({}), **spec: Any) -> Any:
        for name, text in {"other": json.dumps({"language": "R", "argv": LAUNCH} | spec), **kernels}.items():
            (place / name).mkdir(parents=True, exist_ok=True)
            (place / name / "kernel.json").write_text(text)
        return fresh

    yield install
    shutil.rmtree(place)


async def test_its_specification_says_how_it_is_started(installed: Any) -> None:
    fresh = installed(env={"FROM_SPEC": "yes"})
    assert await fresh.value("import os; os.environ['FROM_SPEC']", "r") == "'yes'"


async def test_one_that_wants_interrupts_as_messages_gets_them(installed: Any) -> None:
    fresh = installed(interrupt_mode="message")
    answer = await fresh.run("import time\nmine = 7\ntime.sleep(60)", "r", 0.3)
    assert told(answer).endswith("its variables were kept")
    assert await fresh.value("mine", "r") == "7"


@pytest.mark.parametrize(("argv", "why"), [
    ([sys.executable, "-c", "raise SystemExit('no licence')"], "it exited with code 1: no licence"),
    (["/nowhere/kernel"], "[Errno 2] No such file or directory: '/nowhere/kernel'"),
])  # fmt: skip
async def test_one_that_does_not_start_is_told_with_its_last_words(installed: Any, argv: list[str], why: str) -> None:
    answer = await installed(argv=argv).run("1", "r")
    assert told(answer) == f"KernelFailed: the kernel could not start: {why}"


async def test_what_is_no_specification_is_passed_over(installed: Any) -> None:
    fresh = installed(kernels={"a": "{", "b": "[]"})
    assert await fresh.value("6 * 7", "r") == "42"
