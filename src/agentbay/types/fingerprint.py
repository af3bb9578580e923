"""A browser's fingerprint: all that pages can find out about it, as a document that can be kept and used again.

The fields have the document's own names.
"""
# ruff: noqa: N815

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self

from attrs import asdict, define, field, has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from agentbay._strict import Mismatch, strict, strict_converter

__all__ = [
    "Brand",
    "ExtraProperties",
    "Fingerprint",
    "FingerprintFormat",
    "NavigatorFingerprint",
    "ScreenFingerprint",
    "UserAgentData",
    "VideoCard",
]

Json = dict[str, Any]


@define
class ScreenFingerprint:
    """The screen and the window, in pixels."""

    availHeight: float
    availWidth: float
    availTop: float
    availLeft: float
    colorDepth: float
    height: float
    pixelDepth: float
    width: float
    devicePixelRatio: float
    pageXOffset: float
    pageYOffset: float
    innerHeight: float
    outerHeight: float
    outerWidth: float
    innerWidth: float
    screenX: float
    clientWidth: float
    clientHeight: float
    hasHDR: bool


@define
class Brand:
    """A name under which the browser goes, and its version."""

    brand: str = ""
    version: str = ""


@define
class UserAgentData:
    """What the browser says of itself in client hints."""

    brands: list[Brand] = field(factory=list)
    mobile: bool = False
    platform: str = ""
    architecture: str = ""
    bitness: str = ""
    fullVersionList: list[Brand] = field(factory=list)
    model: str = ""
    platformVersion: str = ""
    uaFullVersion: str = ""


@define
class ExtraProperties:
    """What only some browsers have."""

    vendorFlavors: list[str] = field(factory=list)
    isBluetoothSupported: bool = False
    globalPrivacyControl: Any = None
    pdfViewerEnabled: bool = False
    installedApps: list[Any] = field(factory=list)


@define
class NavigatorFingerprint:
    """The browser and the machine, as `navigator` tells them."""

    userAgent: str = ""
    userAgentData: UserAgentData = field(factory=UserAgentData)
    doNotTrack: str | None = None
    appCodeName: str = ""
    appName: str = ""
    appVersion: str = ""
    oscpu: str | None = None
    webdriver: str | bool | None = None
    language: str = ""
    languages: list[str] = field(factory=list)
    platform: str = ""
    deviceMemory: float | None = None
    hardwareConcurrency: float = 0
    product: str = ""
    productSub: str = ""
    vendor: str = ""
    vendorSub: str = ""
    maxTouchPoints: float | None = None
    extraProperties: ExtraProperties = field(factory=ExtraProperties)


@define
class VideoCard:
    """The graphics card, as WebGL tells it."""

    renderer: str = "Unknown"
    vendor: str = "Unknown"


@define
class Fingerprint:
    """All that pages can find out.

    `videoCodecs` and `audioCodecs` have what `canPlayType` says by format; `pluginsData` has `plugins` and `mimeTypes`,
    `multimediaDevices` has `speakers`, `micros` and `webcams`; `battery` is None where there is none.
    """

    screen: ScreenFingerprint
    navigator: NavigatorFingerprint
    videoCodecs: Json = field(factory=dict)
    audioCodecs: Json = field(factory=dict)
    pluginsData: Json = field(factory=dict)
    battery: Json | None = None
    videoCard: VideoCard = field(factory=VideoCard)
    multimediaDevices: Any = field(factory=dict)
    fonts: list[str] = field(factory=list)
    mockWebRTC: bool = False
    slim: bool | None = None


@define
class FingerprintFormat:
    """A fingerprint, and the request headers that go with it."""

    fingerprint: Fingerprint
    headers: dict[str, str] = field(factory=dict, repr=False)

    @classmethod
    def load(cls, data: Mapping[str, Any] | str) -> Self:
        """Read the document, an object or its JSON text.

        All members of the screen must be there, and no others. Elsewhere, what is missing is empty and what is unknown
        is left out.

        Raises:
            ValueError: it is not such a document; the text names the member.
        """
        return strict(_converter(), _parsed(data), cls, "document")

    @classmethod
    def create(
        cls,
        screen: ScreenFingerprint,
        navigator: NavigatorFingerprint,
        video_card: VideoCard,
        headers: dict[str, str],
        video_codecs: dict[str, str] | None = None,
        audio_codecs: dict[str, str] | None = None,
        plugins_data: dict[str, Any] | None = None,
        battery: dict[str, Any] | None = None,
        multimedia_devices: dict[str, Any] | list[Any] | None = None,
        fonts: list[str] | None = None,
        mock_webrtc: bool = False,
        slim: bool | None = None,
    ) -> Self:
        """Make one of its parts; what is left out is empty."""
        fingerprint = Fingerprint(
            screen,
            navigator,
            video_codecs or {},
            audio_codecs or {},
            plugins_data or {},
            battery,
            video_card,
            {} if multimedia_devices is None else multimedia_devices,
            fonts or [],
            mock_webrtc,
            slim,
        )
        return cls(fingerprint, headers)

    def merge(self, changes: Mapping[str, Any] | FingerprintFormat) -> Self:
        """Make another one with some members changed; this one stays as it is.

        Args:
            changes: the members to change, in the document's form; lists are replaced as a whole.

        Raises:
            ValueError: what comes out is not a fingerprint.
        """
        other = changes.to_map() if isinstance(changes, FingerprintFormat) else changes
        return type(self).load(_merged(self.to_map(), other))

    def to_map(self) -> dict[str, Any]:
        """The document as an object."""
        return asdict(self)

    def to_json(self, indent: int | None = 2) -> str:
        """The document as JSON text.

        Raises:
            ValueError: a member cannot be written as JSON.
        """
        try:
            return json.dumps(self.to_map(), ensure_ascii=False, allow_nan=False, indent=indent)
        except (TypeError, RecursionError) as wrong:
            raise ValueError(f"The fingerprint cannot be written as JSON: {wrong}") from wrong

    def to_base64(self) -> str:
        """The document as the service takes it.

        Raises:
            ValueError: a member cannot be written as JSON.
        """
        return base64.b64encode(self.to_json().encode()).decode()


@cache
def _converter() -> Converter:
    converter = strict_converter()
    converter.register_structure_hook_factory(has, lambda cls: _reader(cls, converter))
    return converter


def _reader(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """The function that reads an object of the document; null counts as absent."""
    load = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=cls is ScreenFingerprint)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError("it must be an object")  # noqa: TRY004  (a bad document, not a bad call)
        return load({name: part for name, part in value.items() if part is not None}, cls)

    return read


def _parsed(data: Any) -> Any:
    if not isinstance(data, str):
        return data
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as broken:
        raise Mismatch(f"The fingerprint is not JSON: {broken}") from broken


def _merged(old: Any, new: Any) -> Any:
    """The old members with the new ones over them."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
