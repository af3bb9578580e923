"""What is written down of a session that is kept over a restart: one JSON file each. Times are seconds since 1970."""

from __future__ import annotations

import json
from typing import Final

from attrs import field, frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError

from agentbay_local.browser.options import Options
from agentbay_local.contexts import Blob
from agentbay_local.syncing.binding import Bound

__all__ = ["Record", "UnreadableRecord", "read_record", "write_record"]

VERSION: Final = 1


class UnreadableRecord(ValueError):
    """The text is no record that this version can read."""


@frozen
class Record:
    """A hibernated session. `keeper` is the runtime that has it, `owner` the hash of its key, `tree` a file's name."""

    id: str
    keeper: str
    owner: str = field(repr=False)
    tree: str
    blob: Blob
    image: str
    labels: dict[str, str]
    app_instance_id: str
    resource_id: str
    token: str = field(repr=False)
    auth_code: str = field(repr=False)
    created: float
    paused: float
    idle: float | None
    total: float | None
    policy: str
    rules: list[str]
    env: dict[str, str] = field(repr=False)
    links: dict[int, str] = field(repr=False)
    contexts: list[Bound]
    ends: float | None = None
    """When it ends by itself."""
    browser: Options = field(factory=Options, repr=False)
    """How its browser is started again."""
    family: str = ""
    """The offered image that its own one behaves like; empty if it is an offered one itself."""
    version: int = VERSION


_CONVERTER: Final = Converter(forbid_extra_keys=True)


def write_record(record: Record) -> bytes:
    return json.dumps(_CONVERTER.unstructure(record)).encode()


def read_record(text: bytes) -> Record:
    """Raises UnreadableRecord."""
    try:
        told = json.loads(text)
        if not isinstance(told, dict) or told.get("version") != VERSION:
            raise UnreadableRecord("it is of another version, or no record at all")
        return _CONVERTER.structure(told, Record)
    except (BaseValidationError, ValueError, TypeError, RecursionError) as error:
        raise UnreadableRecord(str(error)) from error
