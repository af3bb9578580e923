"""Module paths by which programs of today's client know public names, such as `agentbay._common.params.session_params`.

They lead to the names of `agentbay` itself. Nothing here is loaded before a program imports such a path.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["open_paths"]

_PATHS = {
    "agentbay._common": (
        "config exceptions logger models models.agent models.browser models.browser_operator models.code "
        "models.command models.computer models.context models.extension models.filesystem models.fingerprint "
        "models.git models.mobile models.mobile_simulate models.network models.response models.screenshot "
        "models.skill_info params params.beta_context_mount params.context_sync params.lifecycle_policy "
        "params.session_params"
    ),
    "agentbay.api": "models models._create_mcp_session_request",
}


class _OldPath(ModuleType):
    """A module that has whatever is public in `agentbay`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []  # what has it may have modules below

    def __getattr__(self, name: str) -> Any:
        package = import_module("agentbay")
        if name not in package.__all__:
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {name!r}; see the names of agentbay itself"
            )
        return getattr(package, name)


def open_paths(package: str) -> None:
    """Make the old paths below a package importable."""
    for path in _PATHS[package].split():
        name = f"{package}.{path}"
        module = sys.modules.setdefault(name, _OldPath(name))
        parent, _, leaf = name.rpartition(".")
        setattr(sys.modules[parent], leaf, module)
