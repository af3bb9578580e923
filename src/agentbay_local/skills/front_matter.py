"""What a skill says of itself: the name and the description at the head of its SKILL.md. No I/O.

The head is YAML between two lines of `---`. Only what these two fields need of YAML is understood: a plain or quoted
text, over several lines too, and blocks (`>` and `|`). Whatever else stands there is passed over, if it is indented or
begins another field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

__all__ = ["FrontMatter", "UnfitSkill", "read_front_matter"]

FENCE: Final = "---"
FIELD: Final = re.compile(r"(?P<key>[A-Za-z0-9_.-]+):(?:[ \t]+(?P<value>.*))?")
BLOCK: Final = re.compile(r"(?P<style>[|>])[+-]?[ \t]*(?:#.*)?")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_DESCRIPTION: Final = 4096
NO_TEXT: Final = "[{&*!%@`"
"""What begins something else than a text."""


class UnfitSkill(ValueError):
    """A skill that cannot be used; the message is for users."""


@frozen
class FrontMatter:
    """The head of a SKILL.md."""

    name: str
    description: str


def read_front_matter(text: str) -> FrontMatter:
    """Reads the head of a SKILL.md. Raises UnfitSkill."""
    found: dict[str, str] = {}
    for key, value, more in _fields(_head(text.removeprefix("\ufeff").splitlines())):
        if key not in {"name", "description"}:
            continue
        if key in found:
            raise UnfitSkill(f"its SKILL.md has the field {key} twice")
        found[key] = _value(key, value, more)
    return FrontMatter(_name(found.get("name", "")), _description(found.get("description", "")))


def _head(lines: list[str]) -> list[str]:
    whole = [line.rstrip() for line in lines]
    if not whole or whole[0] != FENCE or FENCE not in whole[1:]:
        raise UnfitSkill("its SKILL.md does not begin with a head between two lines of ---")
    return whole[1 : whole.index(FENCE, 1)]


def _fields(head: Iterable[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yields each field, what follows on its line, and the lines that belong to it."""
    current: tuple[str, str, list[str]] | None = None
    for line in head:
        if line[:1] in {"", " ", "\t", "#", "-"}:
            if current is not None:
                current[2].append(line)
            continue
        if current is not None:
            yield current
        match = FIELD.fullmatch(line)
        if match is None:
            raise UnfitSkill(f"the head of its SKILL.md has a line that is no field: {line[:60]!r}")
        current = match["key"], match["value"] or "", []
    if current is not None:
        yield current


def _value(key: str, first: str, more: list[str]) -> str:
    block = BLOCK.fullmatch(first)
    if block is not None:
        return _block(more, folded=block["style"] == ">")
    text = " ".join(part for part in (first.strip(), *(line.strip() for line in more)) if part)
    if text[:1] == '"':
        return _double_quoted(key, text)
    if text[:1] == "'":
        return _single_quoted(key, text)
    plain = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    if plain[:1] and plain[0] in NO_TEXT:
        raise UnfitSkill(f"the field {key} of its SKILL.md is no text: put it in quotes")
    return plain


def _block(lines: list[str], *, folded: bool) -> str:
    """The lines of a block; folded, only an empty line ends a paragraph."""
    texts = [line.strip() for line in lines]
    if not folded:
        return "\n".join(texts).strip()
    return "\n".join(part.strip() for part in " ".join(text or "\n" for text in texts).split("\n")).strip()


def _double_quoted(key: str, text: str) -> str:
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        raise UnfitSkill(f"the field {key} of its SKILL.md has quotes that do not close, or unknown escapes") from None
    _nothing_after(key, text[end:])
    return str(value)


def _single_quoted(key: str, text: str) -> str:
    match = re.match(r"'((?:[^']|'')*)'", text)
    if match is None:
        raise UnfitSkill(f"the field {key} of its SKILL.md has quotes that do not close, or unknown escapes")
    _nothing_after(key, text[match.end() :])
    return match[1].replace("''", "'")


def _nothing_after(key: str, rest: str) -> None:
    if rest.strip() and not rest.strip().startswith("#"):
        raise UnfitSkill(f"the field {key} of its SKILL.md goes on after its quotes")


def _name(text: str) -> str:
    if not text:
        raise UnfitSkill("its SKILL.md has no name")
    if NAME.fullmatch(text) is None:
        raise UnfitSkill(f"its name {text[:80]!r} is not of up to 64 letters, digits, dots, underscores and hyphens")
    return text


def _description(text: str) -> str:
    if not text:
        raise UnfitSkill("its SKILL.md has no description")
    if len(text) > LONGEST_DESCRIPTION:
        raise UnfitSkill(f"its description is longer than {LONGEST_DESCRIPTION} characters")
    return text
