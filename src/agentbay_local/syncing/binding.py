"""One context bound at one path of a session, and what the session knows of its files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from attrs import define, evolve, field, frozen

from agentbay_local.contexts import Contexts, Entry
from agentbay_local.syncing import policy
from agentbay_local.syncing.patterns import fitting
from agentbay_local.syncing.policy import Policy, clean
from agentbay_local.syncing.selection import Selection, covers
from agentbay_local.syncing.tree import Node, Stamp, Tree

__all__ = ["PACKED", "Binding", "Bound", "Known", "Scope"]

PACKED: Final = ".agentbay.zip"
"""How the names of archives end that an upload has made."""
DAY_S: Final = 86400.0


@frozen
class Known:
    """A file as it was when it was carried last: what is the same still, nobody here has changed since.

    Without a `digest` it came out of an archive. A folder has no `stamp`, a link its `target` instead.
    """

    digest: str = ""
    stamp: Stamp | None = None
    target: str = ""


@frozen
class Bound:
    """A binding as it is written down for a later runtime."""

    entry: policy.Entry
    bound: float
    known: dict[str, Known]


@define(eq=False)
class Binding:
    """A context at a path of a session. `known` is by relative path."""

    context_id: str
    name: str
    entry: policy.Entry
    store: Contexts = field(repr=False)
    tree: Tree = field(repr=False)
    internal: bool = False
    bound: float = field(factory=time.time)
    known: dict[str, Known] = field(factory=dict, repr=False)
    turns: dict[str, asyncio.Lock] = field(factory=dict, repr=False)

    @property
    def policy(self) -> Policy:
        return self.entry.policy

    @property
    def place(self) -> str:
        return self.entry.place

    @property
    def source(self) -> str:
        return self.entry.source

    def inside(self, path: str) -> str | None:
        """An absolute path of the session as one below this binding; None if it is elsewhere."""
        given, top = clean(path), clean(self.place)
        return given[len(top) :].lstrip("/") if covers(top, given) else None

    def here(self, path: str) -> str:
        """Where the session has a relative path."""
        return _joined(self.place, path)

    def there(self, path: str) -> str:
        """Where the context has it."""
        return _joined(self.source, path)

    def move(self, tree: Tree, stamps: Mapping[Stamp, Stamp]) -> None:
        """Goes on with another tree that has the same files, with other stamps."""
        if tree.sandbox is not self.tree.sandbox:
            known = self.known.items()
            self.known = {path: evolve(each, stamp=each.stamp and stamps.get(each.stamp)) for path, each in known}
        self.tree = tree

    def turn(self, path: str) -> asyncio.Lock:
        """Syncs of one binding wait for each other; those of the hidden context only where they are of one path."""
        return self.turns.setdefault(path if self.internal else "", asyncio.Lock())


@frozen
class Scope:
    """A binding, or the part of it that one task carries: `path` is relative, empty for all."""

    binding: Binding
    path: str = ""

    async def stored(self) -> dict[str, Entry]:
        """What the context has here, by relative path."""
        binding = self.binding
        skip = len(binding.source.rstrip("/")) + 1
        found = await binding.store.entries(binding.context_id, binding.there(self.path))
        return {entry.path[skip:]: entry for entry in found if len(entry.path) >= skip}

    async def present(self) -> dict[str, Node] | None:
        """What the sandbox has below the scope's folder, by relative path; None if there is no such folder."""
        found = await self.binding.tree.scan(self.binding.here(self.path))
        return found and {f"{self.path}/{path}".lstrip("/"): node for path, node in found.items()}

    async def wanted(self, paths: list[str]) -> set[str]:
        """Those that the policy carries."""
        selection = Selection(self.binding.policy)
        hits = await fitting(self.binding.tree.sandbox, selection.questions(paths))
        return {path for path in paths if selection.wanted(path, hits)}

    def expires(self, path: str) -> float | None:
        """When what is stored now goes by itself."""
        policy = self.binding.policy
        kept = policy.keep_days is not None and any(covers(each, path) for each in policy.kept_paths)
        return time.time() + DAY_S * (policy.keep_days or 0) if kept else None


def _joined(top: str, path: str) -> str:
    return f"{top.rstrip('/')}/{path}".rstrip("/") or "/"
