"""A strict reader of the text format of Prometheus, and of the conventions for names in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from attrs import define, field, frozen

NAME = re.compile(r"[a-z][a-z0-9_]*")
LINE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
PARTS = ("_bucket", "_sum", "_count")
NO_UNITS = ("_ms", "_milliseconds", "_kb", "_mb", "_percent", "_minutes")

Labels = tuple[tuple[str, str], ...]


@frozen
class Sample:
    name: str
    labels: Labels
    value: float


@define
class Family:
    """One metric: what it is said to be, its samples, and what is wrong with it."""

    name: str
    help: str
    kind: str = ""
    samples: list[Sample] = field(factory=list)

    @property
    def faults(self) -> list[str]:
        return list(_faults(self))


def parsed(text: str) -> dict[str, Family]:
    """Families by name. Fails where the text is not of the format: every line counts, and so does their order."""
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    families: dict[str, Family] = {}
    for line in text.splitlines():
        current = next(reversed(families.values()), None)
        if line.startswith("# HELP "):
            _, _, name, meaning = line.split(" ", 3)
            assert name not in families, f"{name} is told twice"
            families[name] = Family(name, meaning)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert current is not None
            assert (current.name, current.kind, current.samples) == (name, "", [])
            current.kind = kind
        else:
            assert current is not None
            sample = _sample(line)
            assert _family(sample.name, current.kind) == current.name, f"{line} does not stand with its family"
            current.samples.append(sample)
    return families


def _family(name: str, kind: str) -> str:
    part = next((part for part in PARTS if name.endswith(part)), "")
    return name.removesuffix(part) if kind == "histogram" else name


def _sample(line: str) -> Sample:
    match = LINE.fullmatch(line)
    assert match is not None, line
    labels = match["labels"] or ""
    found = [(each["name"], each["value"]) for each in LABEL.finditer(labels)]
    assert "".join(each[0] for each in LABEL.finditer(labels)) == labels, line
    return Sample(match["name"], tuple(found), float(match["value"].replace("Inf", "inf")))


def _faults(family: Family) -> Iterator[str]:
    counter = family.kind == "counter"
    if not NAME.fullmatch(family.name) or family.name.endswith(NO_UNITS):
        yield "its name"
    if counter is not family.name.endswith("_total"):
        yield "only counters end in _total, and all of them do"
    if not family.help.endswith(".") or family.kind not in {"counter", "gauge", "histogram"}:
        yield "its meaning or kind"
    places = [(sample.name, sample.labels) for sample in family.samples]
    if len(set(places)) != len(places):
        yield "a sample stands there twice"
    if any(len(dict(labels)) != len(labels) for _, labels in places):
        yield "a label stands there twice"
    if any(math.isnan(sample.value) or (family.kind != "gauge" and sample.value < 0) for sample in family.samples):
        yield "a value"
    if family.kind == "histogram":
        yield from _histogram_faults(family)


def _histogram_faults(family: Family) -> Iterator[str]:
    def of(part: str) -> dict[Labels, list[Sample]]:
        found: dict[Labels, list[Sample]] = {}
        for sample in family.samples:
            if sample.name == family.name + part:
                found.setdefault(tuple(pair for pair in sample.labels if pair[0] != "le"), []).append(sample)
        return found

    buckets, sums, counts = (of(part) for part in PARTS)
    if not buckets.keys() == sums.keys() == counts.keys():
        yield "not every combination of labels has buckets, a sum and a count"
    for labels, found in buckets.items():
        bounds = [float(dict(sample.labels)["le"].replace("Inf", "inf")) for sample in found]
        values = [sample.value for sample in found]
        if bounds != sorted(set(bounds)) or bounds[-1] != math.inf or values != sorted(values):
            yield "buckets that do not grow, or without an end"
        if [values[-1]] != [sample.value for sample in counts[labels]]:
            yield "its last bucket is not its count"
