"""Browser extensions that are kept for sessions."""

from __future__ import annotations

from attrs import frozen

from agentbay._value import Value

__all__ = ["Extension"]


@frozen(eq=False, repr=False)
class Extension(Value):
    """An extension in the store. `id` is for `ExtensionOption`; `created_at` is None when the store does not tell."""

    id: str
    name: str
    created_at: str | None = None
