"""Skills: folders of instructions and programs for agents, from one folder of this machine."""

from __future__ import annotations

from agentbay_local.skills.catalogue import Part, Skill, Skills, opened
from agentbay_local.skills.front_matter import UnfitSkill

__all__ = ["Part", "Skill", "Skills", "UnfitSkill", "opened"]
