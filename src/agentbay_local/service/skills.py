"""Actions: the skills of this machine, in lists, in contexts, and in new sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from agentbay.actions import (
    BindContextSkillAsync,
    CreateMcpSession,
    GetSkillMetaData,
    ListSkillMetaData,
    SkillItem,
    SkillMetaData,
    UnbindContextSkillAsync,
)
from agentbay_local.contexts import Context
from agentbay_local.contexts.paths import clean_path
from agentbay_local.contexts.threads import in_thread
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.core import Caller, Counted, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, bad, missing
from agentbay_local.service.session import Session
from agentbay_local.skills import Skill, UnfitSkill
from agentbay_local.skills.catalogue import PREFIX
from agentbay_local.skills.front_matter import NAME
from agentbay_local.skills.placing import ROOT, bring, put, take_out

__all__ = ["bring_skills", "skills_for"]

_MOST_ITEMS = 100


@contextmanager
def _faults(parameter: str) -> Iterator[None]:
    """Turns what can be wrong with skills into refusals."""
    try:
        yield
    except UnfitSkill as why:
        raise ServiceRefusal("InvalidSkill.NotFound", f"The parameter {parameter} cannot be met: {why}.") from why
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        text = f"The folder of skills cannot be used: {error.strerror or error}{where}."
        raise ServiceRefusal("ServiceUnavailable", text, 503) from error


def _item(skill: Skill) -> SkillItem:
    return SkillItem(skill.name, skill.description, skill.id)


async def _all(service: Service) -> list[Skill]:
    return await in_thread(None, service.skills.all)


# --- Lists ------------------------------------------------------------------------------------------------------------


@serves(GetSkillMetaData)
async def get_skill_meta_data(service: Service, _: Caller, action: GetSkillMetaData) -> Counted:
    await service.gallery.find(action.image_id)
    with _faults("SkillGroupIds"):
        found = await _all(service)
    wanted = set(action.skill_group_ids or [skill.name for skill in found])
    items = [_item(skill) for skill in found if skill.name in wanted]
    return Counted(SkillMetaData(ROOT, items), len(items))


@serves(ListSkillMetaData)
async def list_skill_meta_data(service: Service, _: Caller, action: ListSkillMetaData) -> Counted:
    with _faults("SkillIdList"):
        found = await _all(service)
    wanted = set(action.skill_id_list or [skill.id for skill in found])
    items = [_item(skill) for skill in found if skill.id in wanted]
    return Counted(items, len(items))


# --- New sessions -----------------------------------------------------------------------------------------------------


async def skills_for(service: Service, caller: Caller, action: CreateMcpSession) -> list[Skill]:
    """Finds the skills that a new session is to have: those it names, or all. Raises ServiceRefusal."""
    if not action.load_skill:
        return []
    names = action.skills or _other_name(caller)
    with _faults("Skills"):
        return await in_thread(None, service.skills.chosen, names) if names else await _all(service)


def _other_name(caller: Caller) -> list[str]:
    """What some clients send instead of Skills."""
    given = caller.params.get("SkillGroupIds", "")
    try:
        names = json.loads(given) if given else []
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad("SkillGroupIds", "must be a JSON array of names of skills")
    return names


async def bring_skills(session: Session, skills: Sequence[Skill]) -> None:
    """Copies skills into a new session. Raises ServiceRefusal."""
    with _faults("Skills"):
        try:
            await bring(session.box.sandbox, session.box.limits, skills)
        except SandboxError as error:
            raise ServiceRefusal("ServiceUnavailable", f"The skills could not be brought: {error}", 503) from error


# --- Contexts ---------------------------------------------------------------------------------------------------------


@frozen
class _Items:
    """One part of a binding: skills by their names, and the folder of a context that is meant."""

    context: Context
    names: list[str]
    path: str


@serves(BindContextSkillAsync)
async def bind_context_skill_async(service: Service, caller: Caller, action: BindContextSkillAsync) -> None:
    parameter = "ContextSkillBindItems"
    items = await _read(service, caller, parameter, action.context_skill_bind_items)
    with _faults(parameter):
        found = [await in_thread(None, service.skills.chosen, item.names) for item in items]
        for item, skills in zip(items, found, strict=True):
            await put(service.contexts, item.context, skills, item.path)


@serves(UnbindContextSkillAsync)
async def unbind_context_skill_async(service: Service, caller: Caller, action: UnbindContextSkillAsync) -> None:
    items = await _read(service, caller, "ContextSkillUnbindItems", action.context_skill_unbind_items)
    for item in items:
        await take_out(service.contexts, item.context, item.names, item.path)


async def _read(service: Service, caller: Caller, parameter: str, given: Sequence[Mapping[str, Any]]) -> list[_Items]:
    if not given:
        raise missing(parameter)
    if len(given) > _MOST_ITEMS:
        raise bad(parameter, f"must have at most {_MOST_ITEMS} items")
    return [await _read_item(service, caller, f"{parameter}[{number}]", item) for number, item in enumerate(given)]


async def _read_item(service: Service, caller: Caller, where: str, item: Mapping[str, Any]) -> _Items:
    context_id, ids, path = item.get("ContextId"), item.get("SkillIds"), item.get("Path") or ROOT
    if not isinstance(context_id, str) or not context_id:
        raise bad(f"{where}.ContextId", "must be the id of a context")
    if not isinstance(path, str):
        raise bad(f"{where}.Path", "must be a path")
    if not isinstance(ids, list) or not 0 < len(ids) <= _MOST_ITEMS:
        raise bad(f"{where}.SkillIds", f"must be a list of 1 to {_MOST_ITEMS} ids of skills")
    names = [_name(f"{where}.SkillIds", each) for each in dict.fromkeys(map(str, ids))]
    context = await service.contexts.find(caller.owner, context_id)
    return _Items(context, names, clean_path(path, f"{where}.Path"))


def _name(where: str, skill_id: str) -> str:
    name = skill_id.removeprefix(PREFIX)
    if name == skill_id or NAME.fullmatch(name) is None:
        text = f"The parameter {where} cannot be met: there is no skill {skill_id[:100]!r}; ids begin with {PREFIX}."
        raise ServiceRefusal("InvalidSkill.NotFound", text)
    return name
