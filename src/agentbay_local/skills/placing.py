"""Copies of skills: into a session, read-only, and into a context."""

from __future__ import annotations

import errno
import stat
from collections.abc import Sequence
from typing import Final

from agentbay_local.contexts import Context, Contexts, InTheWay, Kind, New, Reading, Staging
from agentbay_local.contexts.threads import in_thread
from agentbay_local.sandbox.contract import Limits, Sandbox
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.skills.catalogue import HEAD, Part, Skill, opened
from agentbay_local.syncing.faults import cannot
from agentbay_local.syncing.tree import Tree, each

__all__ = ["ROOT", "bring", "put", "take_out"]

ROOT: Final = "/home/wuying/skills"
"""Where sessions have skills, each in a folder of its name."""
READABLE: Final = 0o555


class NotBrought(ServiceRefusal):
    """A session has no room for a skill, or the skill changed meanwhile."""

    def __init__(self, skill: Skill, why: str) -> None:
        super().__init__("Skill.NotBrought", f"The skill {skill.name} could not be brought into the session: {why}.")


async def bring(sandbox: Sandbox, limits: Limits, skills: Sequence[Skill]) -> None:
    """Copies skills into a session. Raises UnfitSkill, NotBrought, SandboxError, and OSError for their folder."""
    tree = Tree(sandbox, limits)
    for skill in skills:
        parts = await in_thread(None, skill.parts)
        try:
            await _copy(tree, skill, parts)
        except OSError as error:
            raise NotBrought(skill, cannot(error.filename or ROOT, error, limits)) from error


async def _copy(tree: Tree, skill: Skill, parts: Sequence[Part]) -> None:
    top = f"{ROOT}/{skill.name}"
    for folder in ("", *(part.path for part in parts if part.is_folder)):
        await tree.folder(f"{top}/{folder}".rstrip("/"))

    async def place(part: Part) -> None:
        await _place(tree, skill, part, f"{top}/{part.path}")

    await each(place, [part for part in parts if not part.is_folder])


async def _place(tree: Tree, skill: Skill, part: Part, path: str) -> None:
    if part.is_link:
        await tree.link(path, part.target)
        return
    if part.status.st_size > tree.limits.file_size:
        raise OSError(errno.EFBIG, "", path)
    with opened(skill, part) as fd:
        mode = part.status.st_mode & READABLE
        await tree.write(path, Reading(fd, part.status.st_size), mode, part.status.st_mtime_ns)


async def put(store: Contexts, context: Context, skills: Sequence[Skill], path: str) -> None:
    """Puts skills into a folder of a context, all of them or none, in the place of older copies.

    Raises:
        InTheWay: something else than a skill has the place of one.
        UnfitSkill: a skill is too large, or changes meanwhile.
        OSError: a skill cannot be read.
    """
    tops = [f"{path.rstrip('/')}/{skill.name}" for skill in skills]
    for top in tops:
        if await store.entries(context.id, top) and not await _is_skill(store, context, top):
            raise InTheWay(top, "has something else than a skill")
    async with store.staging() as staging:
        new = [each for skill, top in zip(skills, tops, strict=True) for each in await _new(staging, skill, top)]
        await store.apply(context.id, new, tops)


async def _new(staging: Staging, skill: Skill, top: str) -> list[New]:
    return [await _one(staging, skill, part, f"{top}/{part.path}") for part in await in_thread(None, skill.parts)]


async def _one(staging: Staging, skill: Skill, part: Part, path: str) -> New:
    mode, time = stat.S_IMODE(part.status.st_mode) & 0o777, part.status.st_mtime_ns
    if part.is_folder:
        return New(path, Kind.FOLDER, mode=mode, mtime_ns=time)
    if part.is_link:
        return New(path, Kind.LINK, target=part.target)
    with opened(skill, part) as fd:
        return New(path, Kind.FILE, await staging.take_from(fd), mode, time)


async def take_out(store: Contexts, context: Context, names: Sequence[str], path: str) -> None:
    """Takes skills out of a folder of a context; what is not there, or is no skill, stays as it is."""
    tops = [f"{path.rstrip('/')}/{name}" for name in names]
    there = [top for top in tops if await _is_skill(store, context, top)]
    await store.apply(context.id, (), there)


async def _is_skill(store: Contexts, context: Context, top: str) -> bool:
    return bool(await store.entries(context.id, f"{top}/{HEAD}"))
