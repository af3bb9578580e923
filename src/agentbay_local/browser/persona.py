"""What pages are told about the machine in front of them: a fingerprint, made up or given."""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from agentbay_local.browser.faults import UnfitOption

__all__ = ["Persona", "document", "from_document", "read_persona"]

Json = dict[str, Any]
LARGEST: Final = 1 << 20
LONGEST_WORD: Final = 1000
DEVICES: Final = ("desktop", "mobile")
MOBILES: Final = ("android", "ios")


@frozen
class System:
    """An operating system as browsers tell of it."""

    agent: str
    """The user agent's text, with `{major}` where the browser's version stands."""
    platform: str
    brand: str
    version: str
    screens: tuple[tuple[int, int], ...]


KHTML: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0"
SYSTEMS: Final = {
    "windows": System(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Safari/537.36",
        "Win32", "Windows", "15.0.0", ((1920, 1080), (1536, 864), (2560, 1440)),
    ),
    "macos": System(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {KHTML} Safari/537.36",
        "MacIntel", "macOS", "15.3.0", ((1440, 900), (1728, 1117), (2560, 1440)),
    ),
    "linux": System(
        f"Mozilla/5.0 (X11; Linux x86_64) {KHTML} Safari/537.36",
        "Linux x86_64", "Linux", "6.8.0", ((1920, 1080), (2560, 1440)),
    ),
    "android": System(
        f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} Mobile Safari/537.36",
        "Linux armv81", "Android", "14.0.0", ((412, 915), (360, 800)),
    ),
    "ios": System(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "CriOS/{major}.0.0.0 Mobile/15E148 Safari/604.1",
        "iPhone", "", "", ((390, 844), (430, 932)),
    ),
}  # fmt: skip
VIDEO_CARDS: Final = {
    "windows": ("Google Inc. (Intel)", "ANGLE (Intel, Intel(R) UHD Graphics 630 Direct3D11 vs_5_0 ps_5_0, D3D11)"),
    "macos": ("Google Inc. (Apple)", "ANGLE (Apple, ANGLE Metal Renderer: Apple M1, Unspecified Version)"),
    "linux": ("Google Inc. (Intel)", "ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2), OpenGL 4.6)"),
    "android": ("Qualcomm", "Adreno (TM) 640"),
    "ios": ("Apple Inc.", "Apple GPU"),
}


@frozen
class Persona:
    """What to tell; what is empty stays the browser's own."""

    user_agent: str = ""
    platform: str = ""
    languages: tuple[str, ...] = ()
    screen: tuple[int, int] | None = None
    mobile: bool = False
    cores: int = 0
    memory: float = 0
    vendor: str = ""
    renderer: str = ""
    system: str = ""
    system_version: str = ""
    raw: Json | None = None
    """The document that it was read from."""


def read_persona(told: Mapping[str, Any]) -> Persona | None:
    """The fingerprint that a start asks for: exactly this one, or one of a kind. Raises UnfitOption."""
    if raw := told.get("fingerprintRawData"):
        return from_document(_decoded(raw))
    wanted = told.get("fingerprint")
    if wanted is None:
        return None
    if not isinstance(wanted, Mapping):
        raise UnfitOption("has a fingerprint that must be an object")
    return _made_up(wanted)


def _decoded(raw: Any) -> Any:
    try:
        data = base64.b64decode(raw, validate=True)
        return json.loads(data) if len(data) <= LARGEST else None
    except (TypeError, ValueError, RecursionError, binascii.Error):
        raise UnfitOption("has fingerprintRawData that must be a JSON document in base64") from None


def _choices(wanted: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> list[str]:
    values = wanted.get(name) or []
    if not isinstance(values, list) or not all(isinstance(each, str) and "\0" not in each for each in values):
        raise UnfitOption(f"has a fingerprint whose {name} must be an array of texts")
    if unknown := [each for each in values if allowed and each not in allowed]:
        raise UnfitOption(f"has a fingerprint whose {name} must be of {', '.join(allowed)}, not {unknown[0]:.40}")
    return values


def _made_up(wanted: Mapping[str, Any]) -> Persona:
    devices = _choices(wanted, "devices", DEVICES) or ["desktop"]
    systems = _choices(wanted, "operatingSystems", tuple(SYSTEMS)) or list(SYSTEMS)
    fit = [each for each in systems if ("mobile" if each in MOBILES else "desktop") in devices]
    if not fit:
        raise UnfitOption("has a fingerprint whose devices have none of its operatingSystems")
    name = random.choice(fit)
    system = SYSTEMS[name]
    return Persona(
        user_agent=system.agent,
        platform=system.platform,
        languages=tuple(_choices(wanted, "locales", ())) or ("en-US", "en"),
        screen=random.choice(system.screens),
        mobile=name in MOBILES,
        cores=random.choice((4, 8, 12)),
        memory=8,
        vendor=VIDEO_CARDS[name][0],
        renderer=VIDEO_CARDS[name][1],
        system=system.brand,
        system_version=system.version,
    )


def _part(told: Any, name: str) -> Mapping[str, Any]:
    value = told.get(name) if isinstance(told, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _word(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value[:LONGEST_WORD] if isinstance(value, str) else ""


def _words(values: Any) -> tuple[str, ...]:
    """Those that can be part of a command line."""
    given = values if isinstance(values, list) else []
    return tuple(each for each in given if isinstance(each, str) and "\0" not in each and len(each) <= LONGEST_WORD)


def _number(told: Mapping[str, Any], name: str) -> float:
    value = told.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1 << 20 else 0


def from_document(told: Any) -> Persona:
    """A fingerprint from its document. Raises UnfitOption."""
    if not isinstance(told, dict) or not _part(told, "fingerprint"):
        raise UnfitOption("has fingerprintRawData that is no fingerprint document")
    print_ = _part(told, "fingerprint")
    screen, navigator, card = (_part(print_, name) for name in ("screen", "navigator", "videoCard"))
    details = _part(navigator, "userAgentData")
    width, height = int(_number(screen, "width")), int(_number(screen, "height"))
    return Persona(
        user_agent=_word(navigator, "userAgent"),
        platform=_word(navigator, "platform"),
        languages=_words(navigator.get("languages")),
        screen=(width, height) if width and height else None,
        mobile=details.get("mobile") is True,
        cores=int(_number(navigator, "hardwareConcurrency")),
        memory=_number(navigator, "deviceMemory"),
        vendor=_word(card, "vendor"),
        renderer=_word(card, "renderer"),
        system=_word(details, "platform"),
        system_version=_word(details, "platformVersion"),
        raw=told,
    )


def document(persona: Persona, user_agent: str) -> Json:
    """What is kept of a fingerprint, to be the same in a later session."""
    if persona.raw is not None:
        return persona.raw
    width, height = persona.screen or (0, 0)
    details = {"platform": persona.system, "platformVersion": persona.system_version, "mobile": persona.mobile}
    navigator = {
        "userAgent": user_agent,
        "platform": persona.platform,
        "languages": list(persona.languages),
        "hardwareConcurrency": persona.cores,
        "deviceMemory": persona.memory,
        "userAgentData": details,
    }
    card = {"vendor": persona.vendor, "renderer": persona.renderer}
    screen = {"width": width, "height": height}
    return {"fingerprint": {"screen": screen, "navigator": navigator, "videoCard": card}, "headers": {}}
