"""How the files of contexts are copied into a session and back: syncs and their policies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

from attrs import Factory, define, field, validate
from attrs.validators import instance_of, optional

from agentbay._checked import checked_fields
from agentbay._value import Choice

__all__ = [
    "BWList",
    "ContextSync",
    "DeletePolicy",
    "DownloadPolicy",
    "DownloadStrategy",
    "ExtractPolicy",
    "Lifecycle",
    "MappingPolicy",
    "RecyclePolicy",
    "SyncPolicy",
    "UploadMode",
    "UploadPolicy",
    "UploadStrategy",
    "WhiteList",
]


class UploadStrategy(Choice):
    """When changes in the session are uploaded to the context."""

    UPLOAD_BEFORE_RESOURCE_RELEASE = "UploadBeforeResourceRelease"


class DownloadStrategy(Choice):
    """How the context's files come into the session."""

    DOWNLOAD_ASYNC = "DownloadAsync"


class UploadMode(Choice):
    """Whether files are stored one by one or packed into an archive."""

    FILE = "File"
    ARCHIVE = "Archive"


class Lifecycle(Choice):
    """How long stored files are kept, counted from their upload."""

    LIFECYCLE_1DAY = "Lifecycle_1Day"
    LIFECYCLE_3DAYS = "Lifecycle_3Days"
    LIFECYCLE_5DAYS = "Lifecycle_5Days"
    LIFECYCLE_10DAYS = "Lifecycle_10Days"
    LIFECYCLE_15DAYS = "Lifecycle_15Days"
    LIFECYCLE_30DAYS = "Lifecycle_30Days"
    LIFECYCLE_90DAYS = "Lifecycle_90Days"
    LIFECYCLE_180DAYS = "Lifecycle_180Days"
    LIFECYCLE_360DAYS = "Lifecycle_360Days"
    LIFECYCLE_FOREVER = "Lifecycle_Forever"


def _upload_strategy(value: UploadStrategy | str) -> UploadStrategy:
    return UploadStrategy(value)


def _upload_mode(value: UploadMode | str) -> UploadMode:
    return UploadMode(value)


def _download_strategy(value: DownloadStrategy | str) -> DownloadStrategy:
    return DownloadStrategy(value)


def _lifecycle(value: Lifecycle | str) -> Lifecycle:
    return Lifecycle(value)


def _exact(paths: Iterable[str], what: str) -> None:
    for path in paths:
        if not isinstance(path, str):
            raise TypeError(f"{what} must be text, not {type(path).__name__}")
        if any(sign in path for sign in "*?[]"):
            raise ValueError(f"{what} must be exact, without * ? [ ]: {path!r}")


class Policy:
    """The base of policies."""

    __slots__ = ()

    @classmethod
    def default(cls) -> Self:
        """The policy that the service uses when none is given."""
        return cls()


@checked_fields()
@define
class UploadPolicy(Policy):
    """What is uploaded from the session, and how. `archive_exclude_paths` stay single files in an archive upload."""

    auto_upload: bool = True
    upload_strategy: UploadStrategy = field(
        default=UploadStrategy.UPLOAD_BEFORE_RESOURCE_RELEASE, converter=_upload_strategy
    )
    upload_mode: UploadMode = field(default=UploadMode.FILE, converter=_upload_mode)
    archive_exclude_paths: list[str] = field(factory=list)

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names."""
        packed = self.upload_mode is UploadMode.ARCHIVE and self.archive_exclude_paths
        return {
            "autoUpload": self.auto_upload,
            "uploadStrategy": self.upload_strategy.value,
            "uploadMode": self.upload_mode.value,
        } | ({"archiveExcludePaths": self.archive_exclude_paths} if packed else {})


@checked_fields()
@define
class DownloadPolicy(Policy):
    """Whether the context's files come into the session when it starts."""

    auto_download: bool = True
    download_strategy: DownloadStrategy = field(default=DownloadStrategy.DOWNLOAD_ASYNC, converter=_download_strategy)

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names."""
        return {"autoDownload": self.auto_download, "downloadStrategy": self.download_strategy.value}


@checked_fields()
@define
class DeletePolicy(Policy):
    """Whether files deleted in the session are deleted in the context too."""

    sync_local_file: bool = True

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names."""
        return {"syncLocalFile": self.sync_local_file}


@checked_fields()
@define
class ExtractPolicy(Policy):
    """What happens to archives that come into the session."""

    extract: bool = True
    delete_src_file: bool = True
    extract_current_folder: bool = False

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names."""
        return {
            "extract": self.extract,
            "deleteSrcFile": self.delete_src_file,
            "extractToCurrentFolder": self.extract_current_folder,
        }


@checked_fields()
@define
class RecyclePolicy(Policy):
    """How long stored files are kept.

    `paths` are exact; an empty one means everything.

    Raises:
        ValueError: an unknown lifecycle, or a path with a wildcard.
    """

    lifecycle: Lifecycle = field(default=Lifecycle.LIFECYCLE_FOREVER, converter=_lifecycle)
    paths: list[str] = Factory(lambda: [""])

    def __attrs_post_init__(self) -> None:
        _exact(self.paths, "A path of a recycle policy")

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names. Raises ValueError for a path with a wildcard."""
        _exact(self.paths, "A path of a recycle policy")
        return {"lifecycle": self.lifecycle.value, "paths": self.paths}


@checked_fields()
@define
class WhiteList:
    """A path, relative to the synced one, whose files are carried; an empty path means everything.

    `exclude_paths` are relative to `path`. Wildcards are only for regular expressions.

    Raises:
        ValueError: a path with a wildcard that is not marked as a regular expression.
    """

    path: str = ""
    exclude_paths: list[str] = field(factory=list)
    is_path_regex: bool = False
    is_exclude_regex: bool = False

    def __attrs_post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        _exact(() if self.is_path_regex else (self.path,), "The path of a white list")
        _exact(() if self.is_exclude_regex else self.exclude_paths, "An excluded path of a white list")

    def to_map(self) -> dict[str, Any]:
        """The list with the service's names. Raises ValueError for a path with a wildcard."""
        self._check()
        return {
            "path": self.path,
            "excludePaths": self.exclude_paths,
            "isPathRegex": self.is_path_regex,
            "isExcludeRegex": self.is_exclude_regex,
        }


@checked_fields()
@define
class BWList:
    """The white lists of a sync; without any, nothing is carried."""

    white_lists: list[WhiteList] = field(factory=list)

    def to_map(self) -> dict[str, Any]:
        """The lists with the service's names."""
        return {"whiteLists": [entry.to_map() for entry in self.white_lists or ()]}


@checked_fields()
@define
class MappingPolicy(Policy):
    """The path under which the files were stored, where it differs from the one in this session."""

    path: str = ""

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names."""
        return {"path": self.path}


@checked_fields()
@define(init=False)
class SyncPolicy(Policy):
    """How a context is synced. Parts that are left out have the service's defaults.

    Raises:
        TypeError: a part is not of its class.
    """

    upload_policy: UploadPolicy = field(validator=instance_of(UploadPolicy))
    download_policy: DownloadPolicy = field(validator=instance_of(DownloadPolicy))
    delete_policy: DeletePolicy = field(validator=instance_of(DeletePolicy))
    extract_policy: ExtractPolicy = field(validator=instance_of(ExtractPolicy))
    recycle_policy: RecyclePolicy = field(validator=instance_of(RecyclePolicy))
    bw_list: BWList = field(validator=instance_of(BWList))
    mapping_policy: MappingPolicy | None = field(validator=optional(instance_of(MappingPolicy)))

    def __init__(
        self,
        upload_policy: UploadPolicy | None = None,
        download_policy: DownloadPolicy | None = None,
        delete_policy: DeletePolicy | None = None,
        extract_policy: ExtractPolicy | None = None,
        recycle_policy: RecyclePolicy | None = None,
        bw_list: BWList | None = None,
        mapping_policy: MappingPolicy | None = None,
    ) -> None:
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue]
            UploadPolicy() if upload_policy is None else upload_policy,
            DownloadPolicy() if download_policy is None else download_policy,
            DeletePolicy() if delete_policy is None else delete_policy,
            ExtractPolicy() if extract_policy is None else extract_policy,
            RecyclePolicy() if recycle_policy is None else recycle_policy,
            BWList([WhiteList()]) if bw_list is None else bw_list,
            mapping_policy,
        )

    def to_map(self) -> dict[str, Any]:
        """The policy with the service's names, all parts included.

        Raises:
            ValueError: a path has a wildcard where none may be.
            TypeError: a part is not of its class.
        """
        validate(self)
        parts: dict[str, Any] = {
            "uploadPolicy": self.upload_policy,
            "downloadPolicy": self.download_policy,
            "deletePolicy": self.delete_policy,
            "extractPolicy": self.extract_policy,
            "recyclePolicy": self.recycle_policy,
            "bwList": self.bw_list,
        }
        mapping = {} if self.mapping_policy is None else {"mappingPolicy": self.mapping_policy.to_map()}
        return {name: part.to_map() for name, part in parts.items()} | mapping


@checked_fields()
@define
class ContextSync:
    """A context whose files are copied to `path` when a session starts, and back before it ends.

    Without a `policy` the service uses its default. `beta_wait_for_completion` False means that creating the session
    does not wait for the files.
    """

    context_id: str
    path: str
    policy: SyncPolicy | None = None
    beta_wait_for_completion: bool | None = None

    @classmethod
    def new(
        cls,
        context_id: str,
        path: str,
        policy: SyncPolicy | None = None,
        beta_wait_for_completion: bool | None = None,
    ) -> Self:
        """Make one; the same as calling the class."""
        return cls(context_id, path, policy, beta_wait_for_completion)

    def with_policy(self, policy: SyncPolicy) -> Self:
        """Set the policy, and give this object back."""
        self.policy = policy
        return self

    def to_map(self) -> dict[str, Any]:
        """The entry with the service's names."""
        entry = {"ContextId": self.context_id, "Path": self.path}
        return entry if self.policy is None else entry | {"Policy": _policy_text(self.policy)}


def _policy_text(policy: SyncPolicy) -> str:
    return json.dumps(policy.to_map(), ensure_ascii=False)
