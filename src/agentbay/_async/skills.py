"""Skills (beta): what there is for agents, and in which contexts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agentbay._wire import Reply
from agentbay.actions import (
    BindContextSkillAsync,
    GetSkillMetaData,
    ListSkillMetaData,
    SkillItem,
    UnbindContextSkillAsync,
)
from agentbay.types.response import OperationResult
from agentbay.types.skills import SkillInfo, SkillsMetadataResult

from .network import AsyncBetaNetworkService, AsyncBetaService

if TYPE_CHECKING:
    from .client import AsyncAgentBay

__all__ = ["AsyncBetaNamespace", "AsyncBetaSkillsService"]

ROOT_VARIABLE = "AGENTBAY_OFFICIAL_SKILLS_ROOT"
ROOT = "/home/wuying/skills"

_NAMES = {"context_id": "ContextId", "skill_ids": "SkillIds", "path": "Path"}


class AsyncBetaSkillsService(AsyncBetaService):
    """Lists skills, and puts them into contexts."""

    def __init__(self, agent_bay: AsyncAgentBay, skills_root: str | None = None) -> None:
        super().__init__(agent_bay)
        self.skills_root = skills_root

    async def get_metadata(
        self, image_id: str | None = None, skill_names: list[str] | None = None, skill_ids: list[str] | None = None
    ) -> SkillsMetadataResult:
        """List skills.

        Args:
            image_id: the image whose skills are meant; None means the account's own.
            skill_names: only those of these names.
            skill_ids: only those of these ids, whatever their names and the image are.

        Returns:
            The skills, and the directory under which a session has them. With ids, that is `skills_root` of this
            service, else the variable `AGENTBAY_OFFICIAL_SKILLS_ROOT`, else `/home/wuying/skills`.

        Raises:
            APIError: the service refused.
            SessionError: no usable answer came.

        Source: action `GetSkillMetaData`, with ids `ListSkillMetaData`.
        """
        root = self.skills_root or os.environ.get(ROOT_VARIABLE) or ROOT
        if skill_ids:
            listed = _granted("ListSkillMetaData", await self._send(ListSkillMetaData(list(skill_ids))))
            return _skills(listed, listed.data or [], root)
        found = _granted("GetSkillMetaData", await self._send(_question(image_id, skill_names)))
        items = found.data.meta_data_list if found.data else []
        return _skills(found, items, found.data.skill_path if found.data and found.data.skill_path else root)

    async def bind_context(self, items: list[dict[str, Any]]) -> OperationResult:
        """Begin to put skills into contexts.

        Args:
            items: dictionaries with `ContextId`, `SkillIds` (a list) and, perhaps `Path`, a directory in the context.

        Returns:
            Whether the service does it.

        Raises:
            ValueError: there are no items, or one is without a context or skills.
            SessionError: no usable answer came.

        Source: action `BindContextSkillAsync`.
        """
        return OperationResult.of(await self._send(BindContextSkillAsync(_bindings(items))))

    async def unbind_context(self, items: list[dict[str, Any]]) -> OperationResult:
        """Begin to take skills out of contexts.

        Args:
            items: as for `bind_context`.

        Returns:
            Whether the service does it.

        Raises:
            ValueError: there are no items, or one is without a context or skills.
            SessionError: no usable answer came.

        Source: action `UnbindContextSkillAsync`.
        """
        return OperationResult.of(await self._send(UnbindContextSkillAsync(_bindings(items))))


def _question(image_id: str | None, skill_names: list[str] | None) -> GetSkillMetaData:
    return GetSkillMetaData(image_id or None, list(skill_names) if skill_names else None)


def _granted(action: str, reply: Reply[Any]) -> Reply[Any]:
    """The reply, unless it is a refusal: that is raised, with the name of the action."""
    error = reply.error
    if error is not None:
        raise type(error)(f"{action} failed: {error.message}", error.status_code, **error.extra) from error
    return reply


def _skills(reply: Reply[Any], items: list[SkillItem], root: str) -> SkillsMetadataResult:
    found = [SkillInfo(item.name, item.description, item.skill_id) for item in items if item.name]
    return SkillsMetadataResult(found, root, request_id=reply.request_id)


def _bindings(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items with the service's names; Python's own spelling of them will do."""
    named = [{_NAMES.get(name, name): value for name, value in item.items()} for item in items]
    if not named:
        raise ValueError("items must have at least one dictionary with ContextId and SkillIds")
    for number, item in enumerate(named):
        if fault := _binding_fault(item):
            raise ValueError(f"items[{number}] {fault}")
    return named


def _binding_fault(item: Mapping[str, Any]) -> str:
    if not isinstance(item.get("ContextId"), str) or not item["ContextId"].strip():
        return "must have a ContextId, the id of a context"
    ids = item.get("SkillIds")
    if not isinstance(ids, list | tuple) or not ids or not all(isinstance(one, str) for one in ids):
        return "must have SkillIds, a list of at least one id of a skill"
    return ""


class AsyncBetaNamespace:
    """The services that may still change: `network` and `skills`."""

    def __init__(self, agent_bay: AsyncAgentBay) -> None:
        self._agent_bay = agent_bay

    @cached_property
    def network(self) -> AsyncBetaNetworkService:
        """Networks for sessions."""
        return AsyncBetaNetworkService(self._agent_bay)

    @cached_property
    def skills(self) -> AsyncBetaSkillsService:
        """Skills of agents."""
        return AsyncBetaSkillsService(self._agent_bay)
