"""`agentbay doctor`: what this machine can do. Each line is the outcome of something that was really tried."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from attrs import asdict

from agentbay_local.probes.data import DATA
from agentbay_local.probes.images import IMAGES
from agentbay_local.probes.inside import INSIDE, Room, word_server
from agentbay_local.probes.limits import LIMITS, SMALL
from agentbay_local.probes.machine import MACHINE
from agentbay_local.probes.pictures import PICTURES
from agentbay_local.probes.trial import Probe, attempt, attempted
from agentbay_local.sandbox import reasons
from agentbay_local.sandbox.contract import Limits, SandboxError
from agentbay_local.sandbox.pool import BwrapEngine

__all__ = ["Probe", "examine", "main", "report"]

SANDBOXES: Final = "user namespaces"
ABLE: Final = "This machine can run sandboxes."
UNABLE: Final = "This machine cannot run sandboxes."
NARROWEST: Final = 60


def examine(data: Path | None = None) -> list[Probe]:
    """Tries everything; sandboxes only where the machine has what they need."""
    probes = [attempt(trial, None) for trial in MACHINE] + [attempt(trial, data) for trial in DATA]
    return probes + asyncio.run(isolated()) if able(probes) else probes


def able(probes: Sequence[Probe]) -> bool:
    return all(probe.ok for probe in probes if probe.needed)


async def isolated() -> list[Probe]:
    """Starts two sandboxes, and tries what they are for. All of it ends with this, whatever comes of it."""
    async with AsyncExitStack() as open_:
        port, reach = await open_.enter_async_context(word_server())
        engines = [BwrapEngine(limits, warm=0, reach=reach) for limits in (Limits(), SMALL)]
        for engine in engines:
            open_.push_async_callback(engine.close)
        try:
            for engine in engines:
                await engine.start()
            usual, small = [Room(await engine.create(), port) for engine in engines]
        except (SandboxError, OSError) as error:
            reason = next(reasons.reasons(), None)
            return [Probe(SANDBOXES, False, str(error), reason.remedy if reason else "", True)]
        started = Probe(SANDBOXES, True, "sandboxes were started", "", True)
        found, limited = await asyncio.gather(at_once(usual), in_turn(small))
        stacked = [await attempted(each, engines[0]) for each in IMAGES]
        return [started, *found, *limited, *stacked]


async def at_once(room: Room) -> list[Probe]:
    return await asyncio.gather(*(attempted(each, room) for each in (*INSIDE, *PICTURES)))


async def in_turn(room: Room) -> list[Probe]:
    return [await attempted(each, room) for each in LIMITS]


def report(probes: Sequence[Probe], width: int = 0) -> Iterator[str]:
    """The lines that a person reads; folded if there is a width."""
    names = max(len(probe.name) for probe in probes)
    for probe in probes:
        mark = "ok  " if probe.ok else "FAIL" if probe.needed else "miss"
        yield from folded(f"{mark}  {probe.name:<{names}}  ", probe.detail, width)
        if probe.remedy:  # never folded, because it is to be copied
            yield f"      {'':<{names}}  mend it with: {probe.remedy}"
    yield ABLE if able(probes) else UNABLE


def folded(head: str, text: str, width: int) -> list[str]:
    """Lines of at most so many columns, if that is told; no path is torn."""
    lines = text.splitlines() or [""]
    if width:
        fold: Callable[[str], list[str]] = textwrap.TextWrapper(
            max(width, NARROWEST) - len(head), break_long_words=False, break_on_hyphens=False
        ).wrap
        lines = [part for line in lines for part in fold(line)] or [""]
    return [head + lines[0], *(" " * len(head) + line for line in lines[1:])]


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="agentbay doctor",
        description="Tries what this machine can do, and says what would mend it.",
        epilog="The exit code is 1 when something is missing without which no sandbox can run.",
    )
    made.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    made.add_argument("--data", type=Path, help="folder of contexts and policies (default: as for `agentbay serve`)")
    return made


def main(arguments: Sequence[str] = ()) -> int:
    """Prints the report; 1 when sandboxes cannot run."""
    told = _parser().parse_args(arguments)
    probes = examine(told.data)
    if told.json:
        print(json.dumps({"able": able(probes), "probes": [asdict(probe) for probe in probes]}, indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        print("\n".join(report(probes, width)))
    return int(not able(probes))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
