"""What a browser keeps from one session to the next: profile, extensions, fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from agentbay._checked import checked_fields
from agentbay._value import Choice
from agentbay.types.context_sync import (
    BWList,
    ContextSync,
    DeletePolicy,
    SyncPolicy,
    UploadPolicy,
    WhiteList,
)

__all__ = ["BrowserContext", "BrowserFingerprintContext", "BrowserSyncMode", "ExtensionOption"]

PROFILE_PATH = "/tmp/agentbay_browser"  # noqa: S108  (in the session)
EXTENSIONS_PATH = "/tmp/extensions/"  # noqa: S108  (in the session)
FINGERPRINT_PATH = "/tmp/browser_fingerprint"  # noqa: S108  (in the session)

_MINIMAL = ("/Local State", "/Default/Cookies", "/Default/Cookies-journal")
_STANDARD = (
    *_MINIMAL,
    "/Default/Local Storage",
    "/Default/IndexedDB",
    "/Default/Session Storage",
    "/Default/Login Data",
    "/Default/Login Data-journal",
    "/Default/Login Data For Account",
    "/Default/Login Data For Account-journal",
    "/Default/Web Data",
    "/Default/Web Data-journal",
    "/Default/Preferences",
    "/Default/Secure Preferences",
    "/Default/TransportSecurity",
    "/Default/Network Persistent State",
    "/Default/GPUCache",
    "/Default/Affiliation Database",
    "/Default/Affiliation Database-journal",
)


class BrowserSyncMode(Choice):
    """How much of a browser's profile is kept: logins alone, or settings and site data as well."""

    MINIMAL = "minimal"
    STANDARD = "standard"


_PROFILES = {BrowserSyncMode.MINIMAL: _MINIMAL, BrowserSyncMode.STANDARD: _STANDARD}


def _demand(value: str, name: str) -> None:
    if not value.strip():
        raise ValueError(f"{name} cannot be empty")


@checked_fields()
@define
class ExtensionOption:
    """Browser extensions for a session: the context that stores them, and their ids.

    Raises:
        ValueError: the context id is blank, or there are no extension ids.
    """

    context_id: str
    extension_ids: list[str]

    def __attrs_post_init__(self) -> None:
        _demand(self.context_id, "context_id")
        if not self.extension_ids:
            raise ValueError("extension_ids cannot be empty")

    def validate(self) -> bool:
        """Whether the option can be used: no blank id, and at least one extension."""
        ids: tuple[Any, ...] = (self.context_id, *self.extension_ids)
        return len(ids) > 1 and all(isinstance(one, str) and one.strip() for one in ids)


@checked_fields()
@define
class BrowserFingerprintContext:
    """The context that stores a browser's fingerprint.

    Raises:
        ValueError: the context id is blank.
    """

    fingerprint_context_id: str

    def __attrs_post_init__(self) -> None:
        _demand(self.fingerprint_context_id, "fingerprint_context_id")


def _mode(value: BrowserSyncMode | str | None) -> BrowserSyncMode:
    return BrowserSyncMode.STANDARD if value is None else BrowserSyncMode(value)


@checked_fields()
@define
class BrowserContext:
    """A context that keeps a browser's profile.

    - `auto_upload`: store the profile before the session ends.
    - `sync_mode`: how much of it (default `STANDARD`).
    - `extension_option`, `fingerprint_context`: what else the browser brings along.
    """

    context_id: str
    auto_upload: bool = True
    sync_mode: BrowserSyncMode = field(default=None, converter=_mode)
    extension_option: ExtensionOption | None = None
    fingerprint_context: BrowserFingerprintContext | None = None

    def get_extension_context_syncs(self) -> list[ContextSync]:
        """The sync that brings the extensions; none when there are no extensions."""
        option = self.extension_option
        if option is None:
            return []
        policy = _one_way(option.extension_ids, DeletePolicy(sync_local_file=False))
        return [ContextSync(option.context_id, EXTENSIONS_PATH, policy)]

    def get_fingerprint_context_sync(self) -> ContextSync | None:
        """The sync that brings the fingerprint; None when there is no fingerprint."""
        if self.fingerprint_context is None:
            return None
        return ContextSync(self.fingerprint_context.fingerprint_context_id, FINGERPRINT_PATH, _one_way(()))

    def get_profile_context_sync(self) -> ContextSync:
        """The sync that brings the profile and stores it again."""
        upload = UploadPolicy(auto_upload=self.auto_upload)
        return ContextSync(self.context_id, PROFILE_PATH, SyncPolicy(upload, bw_list=_paths(_PROFILES[self.sync_mode])))


def _paths(paths: Sequence[str]) -> BWList:
    return BWList([WhiteList(path) for path in paths])


def _one_way(paths: Sequence[str], delete: DeletePolicy | None = None) -> SyncPolicy:
    """A policy that stores nothing."""
    return SyncPolicy(UploadPolicy(auto_upload=False), delete_policy=delete, bw_list=_paths(paths))
