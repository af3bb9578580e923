"""What the runtime has done, counted: in memory, written out in the text format of Prometheus."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, field, fields

__all__ = ["Counts", "Durations", "Metrics", "page", "samples"]

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds of the histograms' buckets."""
ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Labels = tuple[str, ...]


def labelled(names: Labels, values: Labels) -> str:
    """The labels as they stand behind a metric's name."""
    pairs = zip(names, values, strict=True)
    text = ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in pairs)
    return f"{{{text}}}" if text else ""


def samples(name: str, kind: str, meaning: str, names: Labels, values: Mapping[Labels, float]) -> Iterator[str]:
    """One family: what it means, and a line for each combination of labels."""
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for labels, value in sorted(values.items()):
        yield f"{name}{labelled(names, labels)} {value:.17g}"


@define
class Counts:
    """Something that only grows."""

    name: str
    meaning: str
    labels: Labels = ()
    values: Counter[Labels] = field(factory=Counter)

    def add(self, *labels: str, by: int = 1) -> None:
        self.values[labels] += by

    def lines(self) -> Iterator[str]:
        values: Mapping[Labels, int] = self.values if self.labels else {(): self.values[()]}
        return samples(self.name, "counter", self.meaning, self.labels, values)


@define
class Spread:
    """The durations of one kind: how many fell into which bucket, and their sum."""

    buckets: list[int] = field(factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0


@define
class Durations:
    """A histogram of seconds."""

    name: str
    meaning: str
    labels: Labels = ()
    spreads: dict[Labels, Spread] = field(factory=dict)

    def add(self, seconds: float, *labels: str) -> None:
        spread = self.spreads.setdefault(labels, Spread())
        spread.buckets[bisect_left(SECONDS, seconds)] += 1
        spread.total += seconds

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.meaning}"
        yield f"# TYPE {self.name} histogram"
        for labels, spread in sorted(self.spreads.items()):
            yield from self._spread(labels, spread)

    def _spread(self, labels: Labels, spread: Spread) -> Iterator[str]:
        bounds = [*(f"{bound:g}" for bound in SECONDS), "+Inf"]
        for bound, count in zip(bounds, itertools.accumulate(spread.buckets), strict=True):
            yield f"{self.name}_bucket{labelled((*self.labels, 'le'), (*labels, bound))} {count}"
        yield f"{self.name}_sum{labelled(self.labels, labels)} {spread.total:.17g}"
        yield f"{self.name}_count{labelled(self.labels, labels)} {sum(spread.buckets)}"


def counts(name: str, meaning: str, *labels: str) -> Counts:
    """An attribute that begins as a counter of its own."""
    return field(factory=lambda: Counts(name, meaning, labels))


def durations(name: str, meaning: str, *labels: str) -> Durations:
    """An attribute that begins as a histogram of its own."""
    return field(factory=lambda: Durations(name, meaning, labels))


@define
class Metrics:
    """Everything that is counted. No label may have a value that a caller made up, nor the id of anything."""

    actions: Counts = counts("agentbay_actions_total", "Actions answered.", "action", "code")
    action_seconds: Durations = durations("agentbay_action_seconds", "Time to answer an action.", "action")
    tools: Counts = counts("agentbay_tool_calls_total", "Tool calls answered.", "tool", "outcome")
    tool_seconds: Durations = durations("agentbay_tool_seconds", "Time to answer a tool call.", "tool")
    starts: Counts = counts("agentbay_sandbox_starts_total", "Sandboxes handed to sessions.", "kind")
    start_seconds: Durations = durations("agentbay_sandbox_start_seconds", "Time to hand one over.", "kind")
    link_bytes: Counts = counts("agentbay_link_bytes_total", "Bytes of bodies and messages by links.", "direction")
    egress: Counts = counts("agentbay_egress_connections_total", "Connections that egress has let out.")
    egress_refused: Counts = counts("agentbay_egress_refused_total", "Requests that egress turned down.", "reason")
    egress_bytes: Counts = counts("agentbay_egress_bytes_total", "Bytes through egress.", "direction")

    def families(self) -> Iterator[Counts | Durations]:
        return (getattr(self, each.name) for each in fields(Metrics))


def page(*parts: Iterator[str]) -> str:
    """The whole text."""
    return "\n".join([*itertools.chain(*parts), ""])
