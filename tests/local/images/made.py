"""Layers, recipes and roots that tests make by hand."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentbay_local.images.image import Image
from agentbay_local.images.layers import OURS, PARTS
from agentbay_local.sandbox import bwrap
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import CannotIsolate, Limits
from agentbay_local.sandbox.pool import BwrapEngine

MEBI = 1 << 20
LIMITS = Limits(workspace=8 * MEBI)
HOME = "home/wuying"
BASE = Image("linux_latest", "linux_latest")
LEFT_OUT = ("__pycache__", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data", "sitecustomize.py")


def layer(folder: Path, files: Mapping[str, str]) -> Path:
    """A layer with these texts in it. It is nobody's business what the folder above it is open for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def image(*layers: Path, root: bool = False, env: Mapping[str, str] | None = None) -> Image:
    return Image("mine", "linux_latest", layers, root=root, env=env or {})


def recipe(folder: Path, text: str) -> Path:
    """A recipe in a folder of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@asynccontextmanager
async def running(limits: Limits = LIMITS) -> AsyncIterator[BwrapEngine]:
    """An engine."""
    engine = BwrapEngine(limits, warm=0)
    try:
        await engine.start()
    except CannotIsolate as error:
        pytest.skip(f"this machine cannot run sandboxes: {error}")
    try:
        yield engine
    finally:
        await engine.close()


async def said(box: Box, command: str) -> str:
    """What a command prints, and what it complains about."""
    done = await box.run(["/bin/sh", "-c", command], timeout=30)
    return (done.stdout + done.stderr).decode()


def everything(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """All of a folder: permissions, owner, time, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_uid, status.st_mtime_ns, content)
    return found


def small_root(folder: Path) -> Path:
    """A root of its own with this system's Python, a shell and little else."""
    python = Path("/usr/bin/python3").resolve()
    library = Path("/usr/lib", python.name)
    if not library.is_dir() or tuple(int(part) for part in python.name[6:].split(".")) < (3, 11):
        pytest.skip("this system's own Python is no 3.11 or newer")
    (folder / "usr/bin").mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (folder / "usr" / name).mkdir(exist_ok=True)
        (folder / name).symlink_to(f"usr/{name}")
    programs = [python, *(Path(shutil.which(name) or "/bin/sh") for name in ("bash", "cat", "id"))]
    for program in programs:
        shutil.copy(program, folder / "usr/bin" / program.name)
    (folder / "usr/bin/python3").symlink_to(python.name)
    (folder / "usr/bin/sh").symlink_to("bash")
    for needed in libraries([*programs, *(library / "lib-dynload").glob("*.so")]):
        place = folder / needed.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(needed, place)
    shutil.copytree(library, folder / "usr/lib" / library.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    tops = dict.fromkeys((f"{top}/mine" for top in tops_of_prefixes()), "mine\n")
    return layer(
        folder, {"etc/mine": "of the image\n", "etc/passwd": "mine:x:7:7::/:/bin/sh\n", "app/a": "app\n", **tops}
    )


def tops_of_prefixes() -> set[str]:
    """The folders at the top in which this interpreter is, as far as roots may have them for themselves."""
    return {path.parts[1] for path in bwrap.prefixes()} - OURS - {name.partition("/")[0] for name in PARTS}


def libraries(programs: Sequence[Path]) -> set[str]:
    """What programs are linked with."""
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(/\S+) \(0x", told))
