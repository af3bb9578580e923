"""What a machine has no more of is told as that; what is something else is not."""

from __future__ import annotations

import errno
import os

import pytest

from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.shortage import descriptors_left, shortage


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(errno.EMFILE, "x"), "ulimit -n"),
        (OSError(errno.ENFILE, "x"), "fs.file-max"),
        (BlockingIOError(errno.EAGAIN, "x"), "ulimit -u"),
        (OSError(errno.ENOMEM, "x"), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (SandboxError(f"bwrap: Creating new namespace failed: {os.strerror(errno.EAGAIN)}"), "ulimit -u"),
    ],
)
def test_what_is_used_up_is_named_with_what_to_do(error: BaseException, word: str) -> None:
    assert word in shortage(error)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "x"), OSError("x"), RuntimeError("x"), SandboxError("x"), ValueError("x")]
)
def test_everything_else_is_no_shortage(error: BaseException) -> None:
    assert shortage(error) == ""


def test_descriptors_that_are_left_are_fewer_once_some_are_open() -> None:
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
    assert descriptors_left(held[0]) > descriptors_left()
    for descriptor in held:
        os.close(descriptor)
