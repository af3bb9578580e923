"""What a client asks for when it binds a context: one entry of PersistenceDataList, and the policy in it. No I/O."""

from __future__ import annotations

import json
import posixpath
import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

__all__ = ["Entry", "Policy", "UnreadablePolicy", "WhiteList", "clean", "read_entries"]

MOST_ENTRIES: Final = 100
MOST_PATHS: Final = 1000
LONGEST_PATH: Final = 4096
LONGEST_PATTERN: Final = 1000
LIFECYCLES: Final = {
    "Lifecycle_1Day": 1,
    **{f"Lifecycle_{days}Days": days for days in (3, 5, 10, 15, 30, 90, 180, 360)},
    "Lifecycle_Forever": None,
}
WILD: Final = frozenset("*?[]")


class UnreadablePolicy(ValueError):
    """What a client asks for cannot be done; the message begins with the name of the field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")


@frozen
class WhiteList:
    """Files to carry: those at or below `path`, without the `excluded` below it. Paths have no slash at their ends."""

    path: str = ""
    excluded: tuple[str, ...] = ()
    path_is_pattern: bool = False
    excluded_are_patterns: bool = False


@frozen
class Policy:
    """How a context is carried; the defaults are the service's."""

    auto_upload: bool = True
    archive: bool = False
    unpacked: tuple[str, ...] = ()
    """What stays single files in an upload as an archive."""
    auto_download: bool = True
    carry_deletions: bool = True
    extract: bool = True
    drop_archive: bool = True
    extract_here: bool = False
    keep_days: int | None = None
    kept_paths: tuple[str, ...] = ("",)
    """To which paths `keep_days` applies; an empty one means all."""
    white_lists: tuple[WhiteList, ...] = (WhiteList(),)
    mapping: str = ""
    """Where the files are in the context, if not where the session has them."""


@frozen
class Entry:
    """A context to bind. `path` is as the client wrote it; `place` is the same without doubled or final slashes."""

    context_id: str
    path: str
    place: str
    policy: Policy
    policy_text: str = ""
    mount: bool = False
    read_only: bool = False
    volume: bool = False
    """Whether it is a volume that is meant; `context_id` has its id then."""

    @property
    def source(self) -> str:
        """Where the context has the files."""
        return self.policy.mapping or self.place


class Part:
    """One JSON object of a policy, read field by field; what is missing or null has its default."""

    def __init__(self, where: str, data: Any) -> None:
        if not isinstance(data, Mapping):
            raise UnreadablePolicy(where, "must be an object")
        self._where = where
        self._data = data

    def name(self, field: str) -> str:
        return f"{self._where}.{field}" if self._where else field

    def refuse(self, field: str, reason: str) -> UnreadablePolicy:
        return UnreadablePolicy(self.name(field), reason)

    def part(self, field: str) -> Part:
        given = self._data.get(field)
        return Part(self.name(field), {} if given is None else given)

    def flag(self, field: str, default: bool) -> bool:
        given = self._data.get(field)
        if given is None:
            return default
        if not isinstance(given, bool):
            raise self.refuse(field, "must be true or false")
        return given

    def text(self, field: str, default: str = "") -> str:
        given = self._data.get(field)
        if given is None:
            return default
        if not isinstance(given, str) or len(given) > LONGEST_PATH or "\0" in given:
            raise self.refuse(field, f"must be text of at most {LONGEST_PATH} characters, without NUL")
        return given

    def choice(self, field: str, *allowed: str) -> str:
        """One of some words; the first is the default."""
        given = self._data.get(field)
        if given is None:
            return allowed[0]
        if given not in allowed:
            raise self.refuse(field, f"must be one of {', '.join(allowed)}")
        return str(given)

    def items(self, field: str, default: list[Any]) -> list[Any]:
        given = self._data.get(field)
        if given is None:
            return default
        if not isinstance(given, list) or len(given) > MOST_PATHS:
            raise self.refuse(field, f"must be a list of at most {MOST_PATHS} items")
        return given

    def paths(self, field: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Exact paths."""
        return tuple(self._exact(field, each) for each in self.items(field, list(default)))

    def _exact(self, field: str, given: Any) -> str:
        if not isinstance(given, str) or len(given) > LONGEST_PATH or "\0" in given:
            raise self.refuse(field, "must be paths")
        if WILD & set(given):
            raise self.refuse(field, f"must be exact, without * ? [ ]: {given[:100]}")
        return self._inside(field, given)

    def _inside(self, field: str, given: str) -> str:
        if ".." in given.split("/"):
            raise self.refuse(field, f"must not lead up with ..: {given[:100]}")
        return clean(given)

    def patterns(self, field: str, given: list[Any]) -> tuple[str, ...]:
        """Regular expressions."""
        return tuple(self._pattern(field, each) for each in given)

    def _pattern(self, field: str, given: Any) -> str:
        if not isinstance(given, str) or len(given) > LONGEST_PATTERN:
            raise self.refuse(field, f"must be a regular expression of at most {LONGEST_PATTERN} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(given)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.refuse(field, f"is no regular expression ({error}): {given[:100]}") from None
        return given

    def path_or_pattern(self, field: str, *, is_pattern: bool) -> str:
        given = self.text(field)
        return self._pattern(field, given) if is_pattern else self._exact(field, given)

    def paths_or_patterns(self, field: str, *, are_patterns: bool) -> tuple[str, ...]:
        return self.patterns(field, self.items(field, [])) if are_patterns else self.paths(field)


def clean(path: str) -> str:
    """A path without slashes at its ends, doubled ones, and parts that mean nothing."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def place_of(path: str) -> str:
    return "/" + clean(path)


# --- The policy -------------------------------------------------------------------------------------------------------


def read_policy(given: Any) -> Policy:
    """Reads a policy: JSON text, or the object itself; empty means the default."""
    if given is None or given == "":
        return Policy()
    whole = Part("Policy", _loaded("Policy", given))
    up, down, extract = (whole.part(name) for name in ("uploadPolicy", "downloadPolicy", "extractPolicy"))
    up.choice("uploadStrategy", "UploadBeforeResourceRelease")
    down.choice("downloadStrategy", "DownloadAsync")
    recycle = whole.part("recyclePolicy")
    return Policy(
        auto_upload=up.flag("autoUpload", True),
        archive=up.choice("uploadMode", "File", "Archive") == "Archive",
        unpacked=tuple(filter(None, up.paths("archiveExcludePaths"))),
        auto_download=down.flag("autoDownload", True),
        carry_deletions=whole.part("deletePolicy").flag("syncLocalFile", True),
        extract=extract.flag("extract", True),
        drop_archive=extract.flag("deleteSrcFile", True),
        extract_here=extract.flag("extractToCurrentFolder", False),
        keep_days=LIFECYCLES[recycle.choice("lifecycle", "Lifecycle_Forever", *LIFECYCLES)],
        kept_paths=recycle.paths("paths", ("",)),
        white_lists=_white_lists(whole.part("bwList")),
        mapping=_mapping(whole.part("mappingPolicy")),
    )


def _loaded(field: str, given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        raise UnreadablePolicy(field, "must be JSON") from None


def _white_lists(part: Part) -> tuple[WhiteList, ...]:
    given = part.items("whiteLists", [{}])
    return tuple(_white_list(Part(f"{part.name('whiteLists')}[{at}]", each)) for at, each in enumerate(given))


def _white_list(part: Part) -> WhiteList:
    by_path, by_exclude = part.flag("isPathRegex", False), part.flag("isExcludeRegex", False)
    return WhiteList(
        path=part.path_or_pattern("path", is_pattern=by_path),
        excluded=tuple(filter(None, part.paths_or_patterns("excludePaths", are_patterns=by_exclude))),
        path_is_pattern=by_path,
        excluded_are_patterns=by_exclude,
    )


def _mapping(part: Part) -> str:
    """A path of another system, with backslashes, is kept under the same names with slashes."""
    given = part.text("path").replace("\\", "/")
    if ".." in given.split("/"):
        raise part.refuse("path", "must not lead up with ..")
    return place_of(given) if given else ""


# --- The entries ------------------------------------------------------------------------------------------------------


def read_entries(given: Any) -> list[Entry]:
    """Reads a whole PersistenceDataList, given as JSON text or as the list itself. Raises UnreadablePolicy."""
    loaded = _loaded("PersistenceDataList", given)
    if not isinstance(loaded, list) or len(loaded) > MOST_ENTRIES:
        raise UnreadablePolicy("PersistenceDataList", f"must be a list of at most {MOST_ENTRIES} entries")
    return [_entry(at, each) for at, each in enumerate(loaded)]


def _entry(at: int, given: Any) -> Entry:
    part = Part(f"PersistenceDataList[{at}]", given)
    context_id, path = part.text("ContextId"), part.text("Path")
    if not context_id:
        raise part.refuse("ContextId", "is missing")
    if not path.startswith("/") or ".." in path.split("/"):
        raise part.refuse("Path", f"must be an absolute path without ..: {path[:100]}")
    if part.choice("Type", "sync", "mount") == "mount":
        return _mount(part.part("MountConfig"), context_id, path)
    text = given.get("Policy")
    try:
        policy = read_policy(text)
    except UnreadablePolicy as error:
        raise UnreadablePolicy(part.name(str(error).partition(": ")[0]), str(error).partition(": ")[2]) from None
    kept = text if isinstance(text, str) else json.dumps(text) if text else ""
    return Entry(context_id, path, place_of(path), policy, kept)


def _mount(config: Part, context_id: str, path: str) -> Entry:
    """A mount shows the context from its top, or from its source path, and nothing in it is unpacked."""
    config.choice("StorageMode", "standard", "performance")
    read_only = config.choice("AccessMode", "readWrite", "readOnly") == "readOnly"
    source = config.text("SourcePath")
    if ".." in source.split("/"):
        raise config.refuse("SourcePath", "must not lead up with ..")
    policy = Policy(extract=False, auto_upload=not read_only, mapping=posixpath.normpath(place_of(source)))
    return Entry(context_id, path, place_of(path), policy, mount=True, read_only=read_only)
