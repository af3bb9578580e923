"""The names of contexts and volumes."""

from __future__ import annotations

import unicodedata

from agentbay_local.service.refusals import bad, missing

__all__ = ["clean_name"]

LONGEST = 255


def clean_name(name: str, parameter: str = "Name") -> None:
    """Makes sure that a name can be one. Raises ServiceRefusal."""
    if not name:
        raise missing(parameter)
    if not name.strip():
        raise bad(parameter, "must not be blank")
    if len(name) > LONGEST:
        raise bad(parameter, f"is too long: at most {LONGEST} characters")
    # Control characters, and halves of pairs, which are no characters.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise bad(parameter, "must not have control characters in it")
