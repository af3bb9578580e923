"""What a tool says when it cannot do what was asked."""

from __future__ import annotations

import errno
import os
from typing import Final

from agentbay_local.sandbox.contract import Limits

BAD_ARGUMENT: Final = -32602
INTERNAL: Final = -32603
TIMED_OUT: Final = -1

SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
NOT_REGULAR: Final = (errno.EINVAL, errno.ENXIO)


class ToolFailure(Exception):
    """A tool's answer that it could not do what was asked; `code` is the service's number for the kind of failure."""

    def __init__(self, text: str, code: int = BAD_ARGUMENT) -> None:
        super().__init__(text)
        self.code = code


def reason(error: OSError, limits: Limits) -> str:
    """Why the sandbox's system refused, naming the limit where it was one."""
    if error.errno in SPACE:
        return f"No space left on device (the sandbox's disk holds {size(limits.workspace)})"
    if error.errno == errno.EFBIG:
        return f"File too large (a file may hold {size(limits.file_size)})"
    if error.errno == errno.EAGAIN:
        return f"The process limit is reached ({limits.processes} processes)"
    if error.errno in NOT_REGULAR:
        return "Not a regular file"
    return os.strerror(error.errno) if error.errno else str(error)


def system_refused(doing: str, error: OSError, limits: Limits, path: str = "") -> ToolFailure:
    """The failure in the service's words: what was being done, to what, and why it did not work."""
    code = INTERNAL if error.errno in (*SPACE, errno.EFBIG, errno.EAGAIN, errno.EMFILE, errno.EIO) else BAD_ARGUMENT
    return ToolFailure(f"Failed to {doing}: {path or error.filename}, error: {reason(error, limits)}", code)


def size(count: int) -> str:
    """A number of bytes for people."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"
