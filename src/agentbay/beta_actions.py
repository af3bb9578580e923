"""The actions about networks, skills and volumes, which the service still calls beta: a class each, as in `actions`."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from agentbay._params import Action, in_query, json_text
from agentbay._value import Value

__all__ = [
    "BindContextSkillAsync",
    "CreateNetwork",
    "DeleteVolume",
    "DescribeNetwork",
    "GetSkillMetaData",
    "GetVolume",
    "ListSkillMetaData",
    "ListVolumes",
    "NetworkData",
    "NetworkStatusData",
    "SkillItem",
    "SkillMetaData",
    "UnbindContextSkillAsync",
    "VolumeData",
]


@frozen(eq=False, repr=False)
class NetworkData(Value):
    """A network, and the secret with which another machine joins it."""

    network_id: str = ""
    network_token: str = field(default="", repr=False)


@frozen(eq=False, repr=False)
class NetworkStatusData(Value):
    """Whether a machine has joined a network."""

    online: bool = False


@frozen(eq=False, repr=False)
class SkillItem(Value):
    """A skill."""

    name: str = ""
    description: str = ""
    skill_id: str = ""


@frozen(eq=False, repr=False)
class SkillMetaData(Value):
    """The skills of an image, and the directory in which they stand."""

    skill_path: str = ""
    meta_data_list: list[SkillItem] = field(factory=list)


@frozen(eq=False, repr=False)
class VolumeData(Value):
    """A volume: files that sessions of one image may have."""

    volume_id: str = ""
    volume_name: str = ""
    belonging_image_id: str = ""
    status: str = ""
    create_time: str = ""


@frozen(eq=False, repr=False)
class CreateNetwork(Action[NetworkData]):
    """Make a network, or a new secret for one that is there."""

    network_id: str | None = None
    login_region_id: str | None = None


@frozen(eq=False, repr=False)
class DescribeNetwork(Action[NetworkStatusData]):
    """See whether a network is joined."""

    repeatable = True
    network_id: str


@frozen(eq=False, repr=False)
class GetSkillMetaData(Action[SkillMetaData]):
    """List the skills of an image; `skill_group_ids` are names of skills."""

    repeatable = True
    image_id: str | None = None
    skill_group_ids: list[str] | None = json_text("compact")


@frozen(eq=False, repr=False)
class ListSkillMetaData(Action[list[SkillItem]]):
    """List skills by their ids."""

    repeatable = True
    skill_id_list: list[str] | None = json_text("compact")


@frozen(eq=False, repr=False)
class BindContextSkillAsync(Action[Any]):
    """Begin to put skills into contexts."""

    repeatable = True
    context_skill_bind_items: list[dict[str, Any]] = json_text("compact", required=True)
    login_region_id: str | None = None


@frozen(eq=False, repr=False)
class UnbindContextSkillAsync(Action[Any]):
    """Begin to take skills out of contexts."""

    repeatable = True
    context_skill_unbind_items: list[dict[str, Any]] = json_text("compact", required=True)
    login_region_id: str | None = None


@frozen(eq=False, repr=False)
class GetVolume(Action[VolumeData]):
    """Find a volume by its name, or make it."""

    repeatable = True
    volume_name: str
    image_id: str | None = None
    allow_create: bool | None = None


@frozen(eq=False, repr=False)
class ListVolumes(Action[list[VolumeData]]):
    """List volumes, a page at a time."""

    repeatable = True
    image_id: str | None = None
    volume_name: str | None = None
    volume_ids: list[str] | None = None
    max_results: int | None = None
    next_token: str | None = in_query(default=None)


@frozen(eq=False, repr=False)
class DeleteVolume(Action[Any]):
    """Delete a volume with its files."""

    repeatable = True
    volume_id: str
