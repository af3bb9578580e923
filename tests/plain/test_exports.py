"""The public names: told to type checkers, listed, and found when they are first used."""

from __future__ import annotations

import ast
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


def test_an_old_name_is_the_same_class() -> None:
    assert agentbay.SyncGit is agentbay.Git
