"""What the service tells of skills."""

from __future__ import annotations

from attrs import field, frozen

from agentbay._value import Value
from agentbay.types.response import ApiResponse

__all__ = ["SkillInfo", "SkillsMetadataResult"]


@frozen(eq=False, repr=False)
class SkillInfo(Value):
    """A skill: a directory of instructions and programs for an agent. Its files stand in a directory of its name."""

    name: str
    description: str
    skill_id: str = ""


@frozen(eq=False, repr=False)
class SkillsMetadataResult(ApiResponse):
    """The skills that there are. `skills_root_path` is the directory in a session under which they stand."""

    skills: list[SkillInfo] = field(factory=list)
    skills_root_path: str = ""
    request_id: str = field(default="", kw_only=True)
    success: bool = field(default=True, kw_only=True)
    error_message: str = field(default="", kw_only=True)
