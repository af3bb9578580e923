"""Why files could not be carried, in words for the task's errorMessage."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Final

from agentbay_local.sandbox.contract import Limits
from agentbay_local.tools.faults import reason

__all__ = ["SyncFault", "cannot", "several"]

NAMED: Final = 3


class SyncFault(Exception):
    """A task has failed; the message is for users."""


def cannot(path: str, error: OSError, limits: Limits) -> str:
    """Why one path could not be carried."""
    if error.errno == errno.EROFS:
        return f"{path}: it cannot be written in the session; /home/wuying, /workspace and /tmp can"
    if error.errno in (errno.EINVAL, errno.ENXIO):
        return f"{path}: it is not a regular file"
    return f"{path}: {reason(error, limits) if error.errno else os.strerror(errno.EIO)}"


def several(failures: Sequence[str]) -> str:
    """One message for many failures, which come in any order."""
    named = "; ".join(sorted(failures)[:NAMED])
    more = len(failures) - NAMED
    return f"{named}; and {more} more" if more > 0 else named
