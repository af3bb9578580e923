"""What a session is made from: an offered image, or one of the user's own, which is layers over an offered one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

__all__ = ["Image"]


@frozen
class Image:
    """An image, as the engine needs it."""

    name: str
    """`linux_latest`, or one of the user's."""
    family: str
    """The offered image that it behaves like: `linux_latest`, `code_latest` or `browser_latest`."""
    layers: tuple[Path, ...] = ()
    """Folders of the host, the newest first; none for the offered ones. Each may hold usr, etc, opt, var, home/wuying
    and workspace. What is in them belongs to the user that the runtime runs as, and never changes."""
    root: bool = False
    """Whether the oldest layer is a whole root of its own, so that the host's /usr is not shown."""
    env: Mapping[str, str] = field(factory=dict, hash=False)
    """Variables that its sessions begin with."""
