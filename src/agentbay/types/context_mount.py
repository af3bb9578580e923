"""Contexts that are mounted into a session, and the service's list of all contexts for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from attrs import define, field

from agentbay._checked import checked_fields
from agentbay._value import Choice
from agentbay.types.context_sync import ContextSync

__all__ = ["BetaContextMount", "BetaContextMountAccessMode", "BetaContextMountStrategy", "persistence_entries"]


class BetaContextMountAccessMode(Choice):
    """Whether a mounted context may be written."""

    READ_WRITE = "readWrite"
    READ_ONLY = "readOnly"


class BetaContextMountStrategy(Choice):
    """The kind of storage behind a mount."""

    STANDARD = "standard"
    PERFORMANCE = "performance"


def _access_mode(value: BetaContextMountAccessMode | str) -> BetaContextMountAccessMode:
    return BetaContextMountAccessMode(value)


def _strategy(value: BetaContextMountStrategy | str) -> BetaContextMountStrategy:
    return BetaContextMountStrategy(value)


@checked_fields()
@define
class BetaContextMount:
    """A context that is mounted at `path`: what is written goes to the context at once.

    `source_path` is a folder within the context; empty means all of it.
    """

    context_id: str
    path: str
    access_mode: BetaContextMountAccessMode = field(
        default=BetaContextMountAccessMode.READ_WRITE, converter=_access_mode
    )
    strategy: BetaContextMountStrategy = field(default=BetaContextMountStrategy.STANDARD, converter=_strategy)
    source_path: str = ""

    @classmethod
    def new(
        cls,
        context_id: str,
        path: str,
        access_mode: BetaContextMountAccessMode | None = None,
        strategy: BetaContextMountStrategy | None = None,
        source_path: str | None = None,
    ) -> Self:
        """Make one; what is None has its default."""
        given = {"access_mode": access_mode, "strategy": strategy, "source_path": source_path}
        return cls(context_id, path, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

    def with_access_mode(self, access_mode: BetaContextMountAccessMode) -> Self:
        """Set the access mode, and give this object back."""
        self.access_mode = access_mode
        return self

    def with_strategy(self, strategy: BetaContextMountStrategy) -> Self:
        """Set the kind of storage, and give this object back."""
        self.strategy = strategy
        return self

    def with_source_path(self, source_path: str) -> Self:
        """Set the folder within the context, and give this object back."""
        self.source_path = source_path
        return self

    def to_map(self) -> dict[str, Any]:
        """The entry with the service's names."""
        config = {
            "AccessMode": self.access_mode.value,
            "StorageMode": self.strategy.value,
            "SourcePath": self.source_path,
        }
        return {"ContextId": self.context_id, "Path": self.path, "Type": "mount", "MountConfig": config}


def persistence_entries(contexts: Sequence[ContextSync | BetaContextMount]) -> list[dict[str, Any]]:
    """Write contexts as the service's list: syncs first, mounts after them.

    Raises:
        TypeError: one is neither.
        ValueError: a policy has a wildcard where none may be.
    """
    for context in contexts:
        if not isinstance(context, ContextSync | BetaContextMount):
            raise TypeError(f"a context must be a ContextSync or a BetaContextMount, not {type(context).__name__}")
    return [context.to_map() for context in sorted(contexts, key=lambda one: isinstance(one, BetaContextMount))]
