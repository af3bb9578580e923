"""`agentbay image`: images of the user's own, built, taken from sessions, listed and removed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import asdict

from agentbay.errors import AgentBayError
from agentbay_local.contexts.place import data_folder
from agentbay_local.images import trees
from agentbay_local.images.build import BuildFailed, build
from agentbay_local.images.faults import ImageTaken, NoImage
from agentbay_local.images.image import Image
from agentbay_local.images.recipe import read_recipe
from agentbay_local.images.store import FOLDER, Images, Kept, fit_name
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.images import DEFAULT_IMAGE, FAMILIES
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.snapshots import TIMEOUT_S, request_snapshot

__all__ = ["main"]

EPILOG: Final = """\
examples:
  agentbay image build tools --from recipe.toml     packages, files and commands, once
  agentbay image build data --from ./folder         what is in ./folder/home/wuying, ./folder/usr, ...
  agentbay image build old --from root.tar.gz --base code_latest
  agentbay image snapshot session-04bdwfj7u2a6 ready
  agentbay image ls

A session of an image is made with its name: CreateSessionParams(image_id="tools"). Images belong to this machine's
user: every runtime with the same data folder has them, for all of its keys.
"""
HIDDEN: Final = {"version", "env"}
"""Variables may be secrets."""
UNITS: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def parser() -> argparse.ArgumentParser:
    """Makes the parser of `image`."""
    form = argparse.RawDescriptionHelpFormatter
    stored, named = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    told = "data folder of the runtime (default: AGENTBAY_DATA, else among the user's data)"
    stored.add_argument("--data", type=Path, help=told)
    named.add_argument("--replace", action="store_true", help="replace the image of that name, if there is one")
    made = argparse.ArgumentParser(
        prog="agentbay image", description="Images of your own for sessions.", epilog=EPILOG, formatter_class=form
    )
    verbs = made.add_subparsers(dest="verb", required=True, metavar="{build,snapshot,ls,rm}")
    help_build = "make an image from a folder, an archive or a recipe"
    build = verbs.add_parser("build", parents=[stored, named], help=help_build)
    build.add_argument("name", help="name of the new image")
    sources = "a folder or a tar archive with usr, etc, opt, var, home, workspace in it, or a recipe (.toml)"
    build.add_argument("--from", dest="source", type=Path, required=True, metavar="SOURCE", help=sources)
    base = "the image to build on: an offered one, or one of your own (default: linux_latest, or what the recipe says)"
    build.add_argument("--base", metavar="IMAGE", help=base)
    _say_snapshot(verbs.add_parser("snapshot", parents=[named], help="keep the files of a session as an image"))
    ls = verbs.add_parser("ls", parents=[stored], help="list the images, and what they take of the disk")
    ls.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    rm = verbs.add_parser("rm", parents=[stored], help="remove images; sessions that run from them go on")
    rm.add_argument("names", nargs="+", metavar="NAME", help="name of an image")
    return made


def _say_snapshot(snapshot: argparse.ArgumentParser) -> None:
    snapshot.set_defaults(data=None)
    snapshot.add_argument("session", help="id of a session of a local runtime")
    snapshot.add_argument("name", help="name of the new image")
    where = "address of the runtime (default: AGENTBAY_ENDPOINT)"
    snapshot.add_argument("--endpoint", default=os.environ.get("AGENTBAY_ENDPOINT", ""), metavar="URL", help=where)
    key = "the session's API key (default: AGENTBAY_API_KEY, which others cannot see in the list of programs)"
    snapshot.add_argument("--api-key", default=os.environ.get("AGENTBAY_API_KEY", ""), metavar="KEY", help=key)


@contextlib.contextmanager
def _images(told: argparse.Namespace) -> Iterator[Images]:
    images = Images(data_folder(told.data) / FOLDER)
    try:
        yield images
    finally:
        images.leave()


# --- Looking and removing ---------------------------------------------------------------------------------------------


def _ls(told: argparse.Namespace, images: Images) -> None:
    kept = images.all()
    used = trees.used(images.folder) if images.folder.is_dir() else 0
    if told.json:
        free = shutil.disk_usage(next(path for path in (images.folder, *images.folder.parents) if path.exists())).free
        shown = [asdict(each, filter=lambda field, _: field.name not in HIDDEN) for each in kept]
        print(json.dumps({"images": shown, "used": used, "free": free}, indent=2))
    elif kept:
        print("\n".join(_table(kept)))
        print(f"{len(kept)} image{'s' * (len(kept) != 1)}, {_size(used)} on the disk in {images.folder}")
    else:
        print("There are no images of your own. `agentbay image build NAME --from SOURCE` makes one.")


def _table(kept: Sequence[Kept]) -> list[str]:
    head = ("NAME", "LIKE", "SIZE", "CREATED", "FROM")
    rows = [head, *((one.name, one.family, _size(one.size), _day(one.created), one.source) for one in kept)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _size(count: int) -> str:
    return next((f"{count / unit:.1f} {name}" for unit, name in UNITS if count >= unit), f"{count} B")


def _day(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def _rm(told: argparse.Namespace, images: Images) -> None:
    absent = []
    for name in told.names:
        kept = images.find(name)
        if not images.remove(name):
            absent.append(name)
        elif kept is not None and images.there(kept.layers[:1]):
            print(f"{name} is removed. Its files stay until the sessions and images that use them are gone.")
        else:
            print(f"{name} is removed.")
    if absent:
        raise ValueError(f"there is no image {', '.join(absent)}; `agentbay image ls` names those that there are")


# --- Making -----------------------------------------------------------------------------------------------------------


def _snapshot(told: argparse.Namespace, _: Images) -> None:
    for option, value in (("--endpoint", told.endpoint), ("--api-key", told.api_key)):
        if not value:
            raise ValueError(f"{option} is missing, and AGENTBAY_{option[2:].upper().replace('-', '_')} is not set")
    asked = {"session": told.session, "name": told.name, "replace": told.replace}
    headers = {"Authorization": f"Bearer {told.api_key}"}
    taken = request_snapshot(told.endpoint.rstrip("/"), headers, asked, TIMEOUT_S)
    print(f"{taken.name} is made of {told.session}: {_size(taken.size)}, like {taken.family}.")


def _build(told: argparse.Namespace, images: Images) -> None:
    name = fit_name(told.name)
    if images.find(name) and not told.replace:
        raise ImageTaken(name)
    if not told.source.exists():
        raise ValueError(f"{told.source} does not exist: give a folder, a tar archive or a recipe (.toml)")
    base = _base(images, told.base or _base_told(told.source))
    with images.held(base), images.staged() as staged:
        built = asyncio.run(build(told.source, base=base, to=staged.system, tell=_tell))
        below = Image(name, base.family, built.layers[1:], built.root, built.env)
        kept = images.keep_build(staged, name, below, told.source.name, replace=told.replace)
    print(f"{kept.name} is built: {_size(kept.size)}, like {kept.family}.")


def _base_told(source: Path) -> str | None:
    """What a recipe says that it begins with."""
    return read_recipe(source).base if source.suffix == ".toml" else None


def _base(images: Images, name: str | None) -> Image:
    wanted = name or DEFAULT_IMAGE
    if wanted in FAMILIES:
        return Image(wanted, wanted)
    if kept := images.find(wanted):
        return images.image(kept)
    raise NoImage(wanted, sorted(FAMILIES), [each.name for each in images.all()])


def _tell(line: str) -> None:
    print(line, flush=True)


VERBS: Final[dict[str, Callable[[argparse.Namespace, Images], None]]] = {
    "build": _build,
    "ls": _ls,
    "rm": _rm,
    "snapshot": _snapshot,
}


def main(arguments: Sequence[str]) -> int:
    """Runs `agentbay image`, and gives its exit code: 1 when it could not be done, 2 for what makes no sense."""
    told = parser().parse_args(arguments)
    try:
        with _images(told) as images:
            VERBS[told.verb](told, images)
        return 0
    except KeyboardInterrupt:
        print("agentbay image: interrupted; nothing was made", file=sys.stderr)
        return 130
    except (ServiceRefusal, AgentBayError) as refusal:
        why = refusal.message
    except (ValueError, OSError, SandboxError, BuildFailed) as error:
        why = str(error)
    print(f"agentbay image: {why}", file=sys.stderr)
    return 1
