"""What file operations give back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from attrs import evolve, field, frozen

from agentbay._tools import ToolAnswer, sane
from agentbay._value import Value
from agentbay.errors import FileError
from agentbay.types.response import BoolResult, ToolResult

__all__ = [
    "BinaryFileContentResult",
    "DirectoryEntry",
    "DirectoryListResult",
    "FileChangeEvent",
    "FileChangeResult",
    "FileContentResult",
    "FileInfoResult",
    "FileSearchResult",
    "FileWriteResult",
    "MultipleFileContentResult",
]


@frozen(eq=False, repr=False)
class FileResult(ToolResult):
    """The base of the results of file operations."""

    fault = FileError
    fallback = "The file operation failed"


@frozen(eq=False, repr=False)
class FileWriteResult(BoolResult):
    """The result of an operation that changes files; `data` is True on success."""

    fault = FileError
    fallback = "Failed to write file"


@frozen(eq=False, repr=False)
class FileContentResult(FileResult):
    """The text of a file."""

    content: str = ""
    error_message: str = ""

    fallback = "Failed to read file"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Take the tool's text as the content."""
        return cls(answer.request_id, success=True, content=answer.text)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join the pieces of one file; if the last one failed, so did the whole."""
        last = parts[-1]
        return evolve(last, content="".join(part.content for part in parts)) if last.success else last


@frozen(eq=False, repr=False)
class BinaryFileContentResult(FileResult):
    """The bytes of a file. `size` is their number; the service gives no `content_type`."""

    content: bytes = b""
    error_message: str = ""
    content_type: str | None = None
    size: int | None = None

    fallback = "Failed to read file"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Decode the base64 text in which the tool sends bytes."""
        try:
            content = base64.b64decode(answer.text, validate=True)
        except (binascii.Error, ValueError) as broken:
            return cls.failed(FileError(f"Failed to decode base64: {broken}", **answer.facts))
        return cls(answer.request_id, success=True, content=content, size=len(content))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join the pieces of one file; if the last one failed, so did the whole."""
        content = b"".join(part.content for part in parts)
        return evolve(parts[-1], content=content, size=len(content)) if parts[-1].success else parts[-1]


def _number_or_text(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


@frozen(eq=False, repr=False)
class FileInfoResult(FileResult):
    """What is known of a file or directory.

    `file_info` holds the tool's own keys: `size` in bytes, `isDirectory`, `isFile`, `permissions`, `created`,
    `modified`.
    """

    file_info: dict[str, Any] = field(factory=dict)
    error_message: str = ""

    fallback = "Failed to get file info"

    @property
    def size(self) -> int:
        """The size in bytes; 0 when it is not known."""
        return int(sane(self.file_info.get("size")))

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return bool(self.file_info.get("isDirectory", False))

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return bool(self.file_info.get("isFile", False))

    @property
    def permissions(self) -> str:
        """The permission bits in octal, such as `644`; empty when they are not known."""
        return str(self.file_info.get("permissions", ""))

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read `key: value` lines."""
        pairs = (line.split(":", 1) for line in answer.text.splitlines() if ":" in line)
        info = {key.strip(): _number_or_text(value.strip()) for key, value in pairs}
        return cls(answer.request_id, success=True, file_info=info)


class DirectoryEntry(dict[str, Any]):
    """A name in a directory. It is also the tool's own dictionary, with the keys `name` and `isDirectory`."""

    def __init__(self, entry_dict: Mapping[str, Any]) -> None:
        super().__init__(entry_dict)

    @property
    def name(self) -> str:
        """The name, without the path."""
        return str(self.get("name", ""))

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return bool(self.get("isDirectory", False))

    @property
    def is_file(self) -> bool:
        """Whether it is not a directory."""
        return bool(self.get("isFile", not self.is_directory))

    @property
    def size(self) -> int:
        """The size in bytes; 0 because the service's listing has none."""
        return int(self.get("size", 0))


def _entries(items: Iterable[Mapping[str, Any]] | None) -> list[DirectoryEntry]:
    return [DirectoryEntry(item) for item in items or ()]


_MARKS = ("[DIR]", "[FILE]")


def _entry(line: str) -> dict[str, Any] | None:
    mark = next((mark for mark in _MARKS if line.startswith(mark)), None)
    return {"name": line.removeprefix(mark).strip(), "isDirectory": mark == "[DIR]"} if mark else None


@frozen(eq=False, repr=False)
class DirectoryListResult(FileResult):
    """The names in a directory. `entries` know their name and whether they are a directory."""

    entries: list[DirectoryEntry] = field(factory=list, converter=_entries)
    error_message: str = ""

    fallback = "Failed to list directory"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read `[DIR] name` and `[FILE] name` lines; others are skipped."""
        found = (_entry(line.strip()) for line in answer.text.splitlines())
        return cls(answer.request_id, success=True, entries=[entry for entry in found if entry])


@frozen(eq=False, repr=False)
class MultipleFileContentResult(FileResult):
    """The texts of several files by path. A file that cannot be read has the reason in place of its text."""

    contents: dict[str, str] = field(factory=dict)
    error_message: str = ""

    fallback = "Failed to read multiple files"

    @classmethod
    def of_paths(cls, answer: ToolAnswer, paths: Sequence[str]) -> Self:
        """Make the result from the tool's answer to a call with these paths.

        Only they begin a block, so that a file may have lines of `---` and lines with a colon in it.
        """
        contents = {} if answer.error else _asked(answer.text, paths)
        return cls(answer.request_id, success=True, contents=contents) if contents else cls.of_tool(answer)

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read blocks that begin with `path:` and are parted by lines of `---`."""
        blocks: list[list[str]] = [[]]
        for line in answer.text.split("\n"):
            if _parts(line):
                blocks.append([])
            else:
                blocks[-1].append(line)
        contents = dict(filter(None, map(_block, blocks)))
        return cls(answer.request_id, success=True, contents=contents)


def _parts(line: str) -> bool:
    return line.strip() == "---"


def _asked(text: str, paths: Sequence[str]) -> dict[str, str]:
    """The blocks of these paths; none unless each has one."""
    found: dict[str, list[str]] = {}
    block: list[str] = []
    may_begin = True
    for line in text.split("\n"):
        path = _begun(line, {*paths} - {*found}) if may_begin else None
        if path is None:
            block.append(line)
        else:
            del block[-1:]  # the line of --- before this block
            block = found[path] = [line.removeprefix(f"{path}:")]
        may_begin = _parts(line)
    return {path: "\n".join(lines).strip() for path, lines in found.items()} if len(found) == len({*paths}) else {}


def _begun(line: str, paths: Iterable[str]) -> str | None:
    """The path whose block a line begins."""
    return max((path for path in paths if line.startswith(f"{path}:")), key=len, default=None)


def _block(lines: list[str]) -> tuple[str, str] | None:
    start = next((number for number, line in enumerate(lines) if ":" in line), None)
    if start is None:
        return None
    path, rest = lines[start].split(":", 1)
    return path.strip(), "\n".join([rest.strip(), *lines[start + 1 :]]).strip()


@frozen(eq=False, repr=False)
class FileSearchResult(FileResult):
    """The full paths that a search found."""

    matches: list[str] = field(factory=list)
    error_message: str = ""

    fallback = "Failed to search files"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read one path a line."""
        text = answer.text.strip()
        matches = [] if text in ("", "No matches found") else [line.strip() for line in text.split("\n")]
        return cls(answer.request_id, success=True, matches=matches)


@frozen(eq=False, repr=False)
class FileChangeEvent(Value):
    """One change: `event_type` is create, modify or delete; `path_type` is file or directory."""

    event_type: str = ""
    path: str = ""
    path_type: str = ""


def read_events(loaded: Any) -> list[FileChangeEvent]:
    """Read a list of changes; what is not of this form is left out."""
    items = [item for item in loaded if isinstance(item, dict)] if isinstance(loaded, list) else []
    keys = ("eventType", "path", "pathType")
    return [FileChangeEvent(*(str(item.get(key, "")) for key in keys)) for item in items]


@frozen(eq=False, repr=False)
class FileChangeResult(FileResult):
    """The changes below a directory since the last look; `raw_data` is the tool's text."""

    events: list[FileChangeEvent] = field(factory=list)
    raw_data: str = ""
    error_message: str = ""

    fallback = "Failed to get file change"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON array; other text counts as no changes."""
        events = read_events(answer.json_or_none())
        return cls(answer.request_id, success=True, events=events, raw_data=answer.text)

    def _paths(self, event_type: str) -> list[str]:
        return [event.path for event in self.events if event.event_type == event_type]

    def has_changes(self) -> bool:
        """Whether there is any change."""
        return bool(self.events)

    def get_created_files(self) -> list[str]:
        """The paths that are new."""
        return self._paths("create")

    def get_modified_files(self) -> list[str]:
        """The paths whose content changed."""
        return self._paths("modify")

    def get_deleted_files(self) -> list[str]:
        """The paths that are gone."""
        return self._paths("delete")
