"""The public names: told to type checkers, listed, and found when they are first used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import agentbay


def told() -> set[str]:
    """The names that a type checker sees."""
    tree = ast.parse(Path(agentbay.__file__).read_text("utf-8"))
    blocks = [node.body for node in tree.body if isinstance(node, ast.If)] + [tree.body]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {
        name.asname or name.name
        for node in imports
        if (node.module or "").startswith("agentbay")
        for name in node.names
    }


def test_what_type_checkers_see_is_what_is_listed() -> None:
    assert told() - {"home_of"} == set(agentbay.__all__)


@pytest.mark.parametrize("name", agentbay.__all__)
def test_every_listed_name_is_there(name: str) -> None:
    assert getattr(agentbay, name) is getattr(agentbay, name)
    assert name in dir(agentbay)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'agentbay' has no attribute 'Nothing'"):
        agentbay.Nothing  # noqa: B018


def test_python_can_suggest_the_right_spelling_of_a_name() -> None:
    code = "import agentbay; agentbay.CreateSesionParams"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)

    assert "Did you mean: 'CreateSessionParams'?" in done.stderr


OLD_PATHS = {
    "agentbay._common.config": "Config",
    "agentbay._common.exceptions": "SessionError",
    "agentbay._common.logger": "get_logger",
    "agentbay._common.models.response": "BoolResult",
    "agentbay._common.params.context_sync": "ContextSync",
    "agentbay._common.params.session_params": "CreateSessionParams",
    "agentbay._async.session": "AsyncSession",
    "agentbay._sync.context": "ContextResult",
    "agentbay.api.models": "ExtraConfigs",
}


@pytest.mark.parametrize(("path", "name"), OLD_PATHS.items())
def test_old_paths_lead_to_the_same_names(path: str, name: str) -> None:
    assert getattr(importlib.import_module(path), name) is getattr(agentbay, name)


def test_an_old_path_has_nothing_but_what_is_public() -> None:
    with pytest.raises(ImportError, match="cannot import name 'import_module'"):
        from agentbay._common.models.response import import_module  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("agentbay._common.nothing")


def test_old_paths_cost_nothing_until_they_are_used() -> None:
    code = "import agentbay, sys; agentbay.AgentBay; print('agentbay._common' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout == "False\n"


def test_an_old_name_is_the_same_class() -> None:
    assert agentbay.SyncGit is agentbay.Git
    assert agentbay.AsyncBetaNetwork is agentbay.AsyncBetaNetworkService
    old = (agentbay.BetaNetwork, agentbay.SyncBetaNetworkService, agentbay.SyncBetaSkillsService)
    assert old == (agentbay.BetaNetworkService, agentbay.BetaNetworkService, agentbay.BetaSkillsService)
    assert agentbay.SyncBetaNamespace is agentbay.BetaNamespace
