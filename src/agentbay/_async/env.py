"""Environment variables of a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentbay.types.response import BoolResult, EnvResult

from .module import AsyncModule

__all__ = ["AsyncEnv"]


def _check(envs: Mapping[Any, Any]) -> None:
    if not isinstance(envs, Mapping):
        raise TypeError(f"envs must be a dict of str to str, not {type(envs).__name__}")
    if not envs:
        raise ValueError("envs must not be empty")
    parts = [("keys", name, name) for name in envs] + [("values", name, value) for name, value in envs.items()]
    for kind, name, part in parts:
        if not isinstance(part, str):
            given = type(part).__name__
            raise ValueError(  # noqa: TRY004  (the type that callers expect)
                f"All environment variable {kind} must be strings, got {given} for key '{name}'"
            )


class AsyncEnv(AsyncModule, unchecked=("envs",)):
    """Sets and reads environment variables that later commands and code of the session see."""

    async def set(self, envs: dict[str, str]) -> BoolResult:
        """Set variables; others stay as they are.

        Args:
            envs: the new values by name.

        Returns:
            A result whose `data` is True on success.

        Raises:
            ValueError: `envs` is empty, or a name or value is not a string.
            SessionError: no usable answer came.

        Source: tool `set_env`.
        """
        _check(envs)
        self._add_server("set_env")
        pairs = [{"key": name, "value": value} for name, value in envs.items()]
        return await self._call("set_env", BoolResult, repeatable=True, envs=pairs)

    async def get(self, keys: list[str] | None = None) -> EnvResult:
        """Read variables.

        Args:
            keys: their names; None or an empty list means all.

        Returns:
            The values by name in `envs`.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_env`.
        """
        self._add_server("get_env")
        return await self._call("get_env", EnvResult, repeatable=True, keys=keys or None)

    def _add_server(self, tool: str) -> None:
        """The service does not list these tools in every image, but their server is always the same."""
        self.session.tool_servers.setdefault(tool, "wuying_system")
