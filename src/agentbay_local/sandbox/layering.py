"""Whether this machine can lay images over each other, and how one is laid out; what to say if it cannot."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from agentbay_local.images.image import Image
from agentbay_local.sandbox import bwrap
from agentbay_local.sandbox.contract import CannotIsolate
from agentbay_local.sandbox.layered import Plan

__all__ = ["bwrap_with_overlays", "plan", "refused"]

OPTION: Final = "--ro-overlay"
LINUX: Final = (6, 6)
"""Since when the file systems in memory, on which sessions write, can keep what overlays note beside files."""
PATIENCE_S: Final = 10
MOST_LAYERS: Final = 100
BELOW_USR: Final = re.compile(r" (/usr/\S+) ")


@cache
def bwrap_with_overlays() -> Path:
    """The best bwrap that knows overlays.

    Raises:
        CannotIsolate: there is none, or the kernel is too old for them.
    """
    if kernel() < LINUX:
        raise CannotIsolate(
            f"images of your own need Linux {'.'.join(map(str, LINUX))} or newer, and this is {platform.release()}. "
            "This mends it: use an offered image (linux_latest), or a newer kernel"
        )
    candidates = list(bwrap.bwraps())
    found = next((program for program in candidates if OPTION in helped(program)), None)
    if found is None:
        remedy = "unset AGENTBAY_BWRAP" if os.environ.get("AGENTBAY_BWRAP") else 'pip install "agentbay-sdk[local]"'
        seen = ", ".join(f"{program} {'.'.join(map(str, bwrap.version(program)))}" for program in candidates)
        raise CannotIsolate(
            f"images of your own need bwrap 0.11 or newer, which knows overlays; found: {seen or 'none'}. "
            f"This mends it: {remedy}"
        )
    return found


def kernel() -> tuple[int, ...]:
    """(6, 18) for 6.18.44."""
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


def helped(program: Path) -> str:
    """What a bwrap says about its options; nothing if it does not run."""
    ask = [str(program), "--help"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=PATIENCE_S, env={}, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def plan(image: Image, new: Path | None = None) -> Plan:
    """How a sandbox of an image is laid out.

    Raises:
        CannotIsolate: the image has too many layers, or one is not there.
    """
    if len(image.layers) > MOST_LAYERS:
        raise CannotIsolate(
            f"the image {image.name} has {len(image.layers)} layers, more than the {MOST_LAYERS} that can be laid over "
            "each other. This mends it: build it anew in fewer steps"
        )
    for layer in image.layers:
        if not layer.is_dir():
            raise CannotIsolate(
                f"a layer of the image {image.name} is missing: {layer}. This mends it: build the image again"
            )
    return Plan(image, image.layers, new, bwrap.mounted())


def refused(image: Image, said: str) -> CannotIsolate:
    """What to say when a sandbox of an image did not start, out of what the programs said."""
    if image.root:
        return CannotIsolate(
            f"the image {image.name} did not start: {said or 'nothing was said'}. It is a root of its own: "
            f"its {bwrap.inside(image)} has to be Python 3.11 or newer"
        )
    below = BELOW_USR.search(Path("/proc/self/mountinfo").read_text())
    cause = f" (something is mounted at {below[1]}, and overlays of /usr cannot show that)" if below else ""
    return CannotIsolate(f"the image {image.name} did not start{cause}: {said or 'nothing was said'}")
