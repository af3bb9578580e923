"""Building images: a folder, an archive or a recipe becomes one new layer."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen

from agentbay_local.contexts.threads import in_thread, stoppable
from agentbay_local.egress import Policy, Rule
from agentbay_local.images import source as sources
from agentbay_local.images import trees
from agentbay_local.images.ground import ground, remove_tree
from agentbay_local.images.image import Image
from agentbay_local.images.layers import PARTS, misplaced, python
from agentbay_local.images.recipe import LOCAL, Recipe, UnfitSource, read_recipe
from agentbay_local.sandbox.contract import Limits, Sandbox, SandboxError
from agentbay_local.sandbox.layering import bwrap_with_overlays
from agentbay_local.sandbox.pool import BwrapEngine

__all__ = ["BuildFailed", "Built", "build"]

LIMITS: Final = Limits(processes=4096, memory=4 << 30, file_size=16 << 30, workspace=2 << 30, open_files=65536)
ANYWHERE: Final = Policy("image-build", (Rule(host="*"),))
"""A build may reach what is public; sessions of the image may reach what their own policy lists."""
WORK: Final = ".work"
SEED: Final = "workspace/.agentbay-build"
"""Where files of packages lie meanwhile."""
NODE_PLACE: Final = "/usr/local"
NODE_PATH: Final = f"{NODE_PLACE}/lib/node_modules"
LINES_TOLD: Final = 20
CHUNK: Final = 1 << 16
SETTINGS_OF_TOOLS: Final = ("PIP_", "NPM_CONFIG_", "npm_config_")
APT: Final = ("apt-get", "-y", "-o", "APT::Sandbox::User=root", "-o", "Dpkg::Use-Pty=0")
PIP: Final = (
    "-m",
    "pip",
    "install",
    "--user",
    "--no-warn-script-location",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--ignore-installed",
)
NPM: Final = ("npm", "install", "--global", "--prefix", NODE_PLACE, "--no-audit", "--no-fund", "--no-update-notifier")
OWN: Final = r"""
"$@" --simulate | sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' | xargs -r dpkg-query -L | sort -u | while IFS= read -r file; do
    if [ -f "$file" ] && [ ! -L "$file" ] && [ ! -O "$file" ] && cp -p -- "$file" "$file.own" 2>/dev/null; then
        mv -f -- "$file.own" "$file"
    fi
done
"""
"""An upgrade begins with a second name for each file, and only one's own files can be given one."""
STEP_ENV: Final = {
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_BREAK_SYSTEM_PACKAGES": "1",  # of this image alone: the machine's own Python is not touched
    "PIP_ROOT_USER_ACTION": "ignore",
}

Tell = Callable[[str], None]


class BuildFailed(Exception):
    """A step of a build failed; the message has the step, its end and its last lines."""


@frozen
class Built:
    """A new layer, and what an image is that has it on top."""

    layers: tuple[Path, ...]
    root: bool
    size: int
    """Bytes of the new layer."""
    env: Mapping[str, str] = field(factory=dict)
    """Variables that sessions of the image begin with."""


@frozen
class Step:
    """A program of a build. `title` is what the user is told."""

    title: str
    argv: tuple[str, ...]
    cwd: str = "/workspace"


def silent(_: str) -> None:
    """Tells nobody."""


async def build(source: Path, *, base: Image, to: Path, tell: Tell = silent, time_limit_s: float = 3600.0) -> Built:
    """Build an image's new layer.

    Args:
        source: A folder or a tar archive (a root of its own, or something over the base), or a recipe (`NAME.toml`).
        base: What it is built upon. A root of its own replaces it.
        to: The folder that the layer becomes; there is nothing yet. It appears when all is done, and not before.
        tell: Is given each line of output as it comes.
        time_limit_s: Seconds for all of it.

    Raises:
        UnfitSource: the source cannot be used.
        BuildFailed: a step failed, or time ran out.
        CannotIsolate: this machine cannot build images; the message says what mends it.
        OSError: the disk is full, or a file cannot be read.
    """
    staging = to.with_name(f"{to.name}.part-{secrets.token_hex(4)}")
    staging.mkdir(mode=0o755)
    try:
        async with asyncio.timeout(time_limit_s):
            built = await _built(source, base, staging, tell)
        size = await in_thread(None, finished, staging)
        staging.rename(to)
    except TimeoutError as error:
        raise BuildFailed(f"the build took longer than {time_limit_s:g} s; nothing of it is kept") from error
    except RecursionError as error:
        raise BuildFailed("folders of the build are nested too deeply; nothing of it is kept") from error
    finally:
        await in_thread(None, remove_tree, staging)
    return evolve(built, layers=(to, *built.layers), size=size)


async def _built(source: Path, base: Image, staging: Path, tell: Tell) -> Built:
    """The layer in its staging folder; what comes back has only what is below it."""
    if source.suffix == ".toml":
        recipe = read_recipe(source)
        await Kitchen(recipe, base, staging, tell).cook()
        more = {"NODE_PATH": NODE_PATH} if recipe.node else {}
        return Built(base.layers, base.root, 0, {**base.env, **more, **recipe.env})
    tell(f"copying {source}")
    if not await stoppable(None, sources.layer_of, source, staging):
        return Built(base.layers, base.root, 0, base.env)
    await _require_start(staging)
    return Built((), True, 0)


async def _require_start(root: Path) -> None:
    """A root of its own has what sessions need. Raises UnfitSource."""
    for name in (python([root]), "/bin/bash"):
        if not found_in(root, name):
            raise UnfitSource(f"this root has no {name}, which sessions need: install python3 (3.11 or newer) and bash")
    async with _engine() as engine:
        try:
            await engine.create(Image("new", "linux_latest", (root,), root=True))
        except SandboxError as error:
            raise UnfitSource(str(error)) from error


def found_in(root: Path, name: str) -> bool:
    """Whether a root has a file. Its links may lead anywhere, but only inside it."""
    steps, path, patience = deque(name.strip("/").split("/")), root, 40
    while steps:
        step = steps.popleft()
        path = path.parent if step == ".." and path != root else path if step in {"", ".", ".."} else path / step
        if path.is_symlink() and patience:
            target = os.readlink(path)
            path, patience = root if target.startswith("/") else path.parent, patience - 1
            steps.extendleft(reversed(target.strip("/").split("/")))
    return path.is_file() and not path.is_symlink()


class Kitchen:
    """Where a recipe is followed."""

    def __init__(self, recipe: Recipe, base: Image, new: Path, tell: Tell) -> None:
        self._recipe = recipe
        self._base = base
        self._new = new
        self._tell = tell

    async def cook(self) -> None:
        bring = partial(_bring, self._files(), self._new)
        await stoppable(None, bring)
        recipe = self._recipe
        if recipe.packages or recipe.python or recipe.node or recipe.run:
            await in_thread(None, bwrap_with_overlays)  # which says best what this machine lacks
            with contextlib.ExitStack() as held:
                base = await in_thread(None, held.enter_context, self._prepared())
                await self._follow(base)
                await in_thread(None, held.close)

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[Image]:
        """The new layer with its folders, which are gone in the end if they are empty; what the build begins with."""
        for name in PARTS:
            (self._new / name).mkdir(mode=0o755, parents=True, exist_ok=True)
            (self._new / WORK / name.partition("/")[0]).mkdir(parents=True)
        with ground(self._base, self._new) as base:
            yield base
            remove_tree(self._new / WORK)
        for name in (*PARTS, "home"):
            with contextlib.suppress(OSError):  # something is in it, or it is gone
                (self._new / name).rmdir()

    async def _follow(self, base: Image) -> None:
        async with _engine() as engine:
            sandbox = await engine.builder(base, self._new)
            sandbox.egress.policy = ANYWHERE
            for step in await self._steps(sandbox):
                await self._do(sandbox, step)

    def _files(self) -> list[tuple[Path, str]]:
        """What is copied, and where to."""
        told = [(each.source, each.to[1:]) for each in self._recipe.files]
        for source, to in told:
            self._tell(f"copying {source} to /{to}")
        return [*told, *self._seeds()]

    def _seeds(self) -> Iterator[tuple[Path, str]]:
        """The files of packages that are not of a registry: where they are, and where they go."""
        recipe = self._recipe
        for each in (*recipe.packages, *recipe.python, *recipe.node):
            if each.startswith(LOCAL):
                yield (recipe.folder / each).resolve(), f"{SEED}/{Path(each).name}"

    async def _steps(self, sandbox: Sandbox) -> list[Step]:
        recipe, steps = self._recipe, []
        if recipe.packages:
            await self._need(sandbox, "apt-get", "packages")
            if not all(each.startswith(LOCAL) for each in recipe.packages):
                steps.append(Step("apt-get update", (*APT, "update")))
            install = (*APT, "install", "--no-install-recommends", *placed(recipe.packages))
            steps.append(Step("making what is to be upgraded the build's own", ("/bin/sh", "-c", OWN, "sh", *install)))
            steps.append(Step(f"apt-get install {' '.join(recipe.packages)}", install))
        if recipe.python:
            argv = (*await self._pip(sandbox), *placed(recipe.python))
            steps.append(Step(f"pip install {' '.join(recipe.python)}", argv))
        if recipe.node:
            await self._need(sandbox, "npm", "node")
            steps.append(Step(f"npm install {' '.join(recipe.node)}", (*NPM, "--", *placed(recipe.node))))
        steps += [Step(each, ("/bin/bash", "-e", "-c", each)) for each in recipe.run]
        return steps

    async def _need(self, sandbox: Sandbox, program: str, wanted: str) -> None:
        """Raises BuildFailed where a program is not there, neither on this machine nor in the base."""
        if (await sandbox.run(["/bin/sh", "-c", f"command -v {program}"])).code:
            raise BuildFailed(
                f"`{wanted}` needs {program}, which {self._where()} does not have. "
                "This mends it: install it there, or use `run` instead"
            )

    async def _pip(self, sandbox: Sandbox) -> tuple[str, ...]:
        """How pip is started for the Python that sessions find first."""
        if not (await sandbox.run(["python3", "-m", "pip", "--version"])).code:
            return ("python3", *PIP)
        found = await sandbox.run(["/bin/sh", "-c", "command -v python3 && /usr/bin/python3 -m pip --version"])
        if found.code:
            raise BuildFailed(
                f"`python` needs pip, which {self._where()} does not have. This mends it: sudo apt install python3-pip"
            )
        python = found.stdout.decode().splitlines()[0]
        return ("/usr/bin/python3", "-m", "pip", "--python", python, *PIP[2:])

    def _where(self) -> str:
        return f"the image {self._base.name}" if self._base.root else "this machine"

    async def _do(self, sandbox: Sandbox, step: Step) -> None:
        """One step, told line by line. Raises BuildFailed."""
        self._tell(f"==> {step.title}")
        last: deque[str] = deque(maxlen=LINES_TOLD)
        told = ("/bin/sh", "-c", 'exec "$@" 2>&1 </dev/null', "sh", *step.argv)
        process = await sandbox.spawn(told, cwd=step.cwd, env=self._env())
        try:
            async for line in lines(process.reader):
                last.append(line)
                self._tell(line)
            code = await process.wait()
        finally:
            process.writer.close()
        if code:
            said = "\n".join(last) or "it said nothing"
            raise BuildFailed(f"this step ended with exit code {code}: {step.title}\n{said}")

    def _env(self) -> dict[str, str]:
        """Variables of a step: this machine's settings for the package managers are as good for a build."""
        tools = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS_OF_TOOLS)}
        return {**tools, **STEP_ENV, "USER": "root", "LOGNAME": "root", **self._recipe.env}


def _bring(files: Sequence[tuple[Path, str]], layer: Path, stop: threading.Event) -> None:
    bring = sources.Bringing(layer, stop)
    for source, to in files:
        bring.copy(source, bring.place_for(to))
    if name := misplaced(layer):
        raise UnfitSource(f"/{name} of an image is a folder: `files` cannot put a link or a file there")


def placed(packages: Sequence[str]) -> tuple[str, ...]:
    """Packages as their manager finds them inside."""
    return tuple(f"/{SEED}/{Path(each).name}" if each.startswith(LOCAL) else each for each in packages)


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of output, also such as are never ended, in parts."""
    decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
    while data := await reader.read(CHUNK):
        *whole, rest = (rest + decoder.decode(data)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in whole:
            yield line
        if len(rest) > CHUNK:
            yield rest
            rest = ""
    if rest:
        yield rest


@contextlib.asynccontextmanager
async def _engine() -> AsyncIterator[BwrapEngine]:
    """An engine for a build alone."""
    engine = BwrapEngine(LIMITS, warm=0)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def finished(staging: Path) -> int:
    """The bytes of a layer that is ready. What means something to the host is off, and all of it is on the disk."""
    trees.disarm(staging)
    size = trees.used(staging)
    fd = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return size
