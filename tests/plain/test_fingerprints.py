"""The fingerprint's document: there and back, what may be missing, and what is refused."""

from __future__ import annotations

import base64
import copy
import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay import (
    FingerprintFormat,
    NavigatorFingerprint,
    ScreenFingerprint,
    VideoCard,
)
from tests.fingerprints import DOCUMENT, NAVIGATOR, SCREEN

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
SMALL = {"fingerprint": {"screen": SCREEN, "navigator": {}}}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one member changed."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    home: Any = document
    for name in parents:
        home = home[name]
    home[last] = value
    return document


def test_a_document_comes_back_as_it_was() -> None:
    assert FingerprintFormat.load(DOCUMENT).to_map() == DOCUMENT
    assert FingerprintFormat.load(json.dumps(DOCUMENT)).to_map() == DOCUMENT
    assert json.loads(FingerprintFormat.load(DOCUMENT).to_json(None)) == DOCUMENT


def test_the_service_gets_it_with_an_indent_of_two_and_utf8() -> None:
    text = base64.b64decode(FingerprintFormat.load(DOCUMENT).to_base64()).decode()

    assert text.startswith('{\n  "fingerprint": {\n    "screen": {\n')
    assert "én" in text


def test_all_but_the_screen_may_be_missing() -> None:
    found = FingerprintFormat.load(SMALL).fingerprint

    assert (found.videoCard, found.navigator.webdriver) == (VideoCard("Unknown", "Unknown"), None)
    assert (found.fonts, found.battery, found.mockWebRTC, found.slim) == ([], None, False, None)
    assert found.navigator == NavigatorFingerprint()


@pytest.mark.parametrize("name", ["videoCard", "fonts", "mockWebRTC", "battery", "videoCodecs", "slim"])
def test_null_counts_as_missing(name: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    del document["fingerprint"][name]

    assert FingerprintFormat.load(changed(f"fingerprint.{name}", None)) == FingerprintFormat.load(document)


def test_what_is_unknown_outside_the_screen_is_left_out() -> None:
    assert FingerprintFormat.load(changed("fingerprint.navigator.more", 1)) == FingerprintFormat.load(DOCUMENT)


@pytest.mark.parametrize("name", SCREEN)
def test_each_member_of_the_screen_is_needed(name: str) -> None:
    screen = {one: value for one, value in SCREEN.items() if one != name}

    with pytest.raises(ValueError, match=f"it is missing @ document.fingerprint.screen.{name}"):
        FingerprintFormat.load(changed("fingerprint.screen", screen))


WRONG: dict[str, tuple[Any, str]] = {
    "fingerprint.screen.depth": (1, "there are unknown members: depth @ document.fingerprint.screen"),
    "fingerprint.screen.width": ("1920", "it must be a number @ document.fingerprint.screen.width"),
    "fingerprint.screen.height": (True, "it must be a number @ document.fingerprint.screen.height"),
    "fingerprint.screen.hasHDR": (0, "it must be true or false @ document.fingerprint.screen.hasHDR"),
    "fingerprint.navigator": ([], "it must be an object @ document.fingerprint.navigator"),
    "fingerprint.navigator.languages": ("de", "it must be a list @ document.fingerprint.navigator.languages"),
    "fingerprint.fonts": ([1], "it must be text @ document.fingerprint.fonts[0]"),
    "fingerprint.navigator.platform": (5, "it must be text @ document.fingerprint.navigator.platform"),
    "headers": ({"a": None}, "it must be text @ document.headers['a']"),
}


@pytest.mark.parametrize("path", WRONG)
def test_what_is_wrong_is_named(path: str) -> None:
    value, told = WRONG[path]

    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        FingerprintFormat.load(changed(path, value))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", "[" * 100_000, "{}"])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"document|is not JSON"):
        FingerprintFormat.load(text)


@given(st.sampled_from(["fingerprint", "headers", *(f"fingerprint.{name}" for name in DOCUMENT["fingerprint"])]), JSON)
def test_hostile_members_are_refused_or_read(path: str, value: Any) -> None:
    try:
        found = FingerprintFormat.load(changed(path, value))
    except ValueError:
        return
    assert FingerprintFormat.load(found.to_map()) == found or value != value  # noqa: PLR0124


@given(st.text(max_size=40) | JSON.map(json.dumps))
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"document|is not JSON"):
        FingerprintFormat.load(text)


@given(st.sampled_from(list(NAVIGATOR)), JSON)
def test_hostile_facts_of_the_navigator_are_refused_or_read(name: str, value: Any) -> None:
    with suppress(ValueError):
        assert FingerprintFormat.load(changed(f"fingerprint.navigator.{name}", value)).headers == DOCUMENT["headers"]


def test_members_can_be_changed_on_a_copy() -> None:
    old = FingerprintFormat.load(DOCUMENT)

    new = old.merge({"fingerprint": {"navigator": {"platform": "Win32"}, "fonts": []}, "headers": {"x": "y"}})

    assert (new.fingerprint.navigator.platform, new.fingerprint.fonts) == ("Win32", [])
    assert new.fingerprint.navigator.language == "de"
    assert new.headers == {**DOCUMENT["headers"], "x": "y"}
    assert old.to_map() == DOCUMENT
    assert new.merge(old).fingerprint == old.fingerprint


def test_a_change_that_breaks_it_is_refused() -> None:
    with pytest.raises(ValueError, match="it must be an object @ document"):
        FingerprintFormat.load(DOCUMENT).merge([])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it must be a number"):
        FingerprintFormat.load(DOCUMENT).merge({"fingerprint": {"screen": {"width": "x"}}})


def test_one_is_made_of_its_parts() -> None:
    screen = ScreenFingerprint(**SCREEN)
    made = FingerprintFormat.create(screen, NavigatorFingerprint(), VideoCard("r", "v"), {"a": "b"})
    full = FingerprintFormat.create(
        screen,
        NavigatorFingerprint(),
        VideoCard(),
        {},
        {"ogg": "x"},
        {"mp3": "y"},
        {"plugins": []},
        {"level": 1},
        [],
        ["Arial"],
        mock_webrtc=True,
        slim=True,
    )

    assert (made.headers, made.fingerprint.videoCard, made.fingerprint.multimediaDevices) == (
        {"a": "b"},
        VideoCard("r", "v"),
        {},
    )
    assert (made.fingerprint.videoCodecs, made.fingerprint.fonts, made.fingerprint.slim) == ({}, [], None)
    assert (full.fingerprint.audioCodecs, full.fingerprint.multimediaDevices) == ({"mp3": "y"}, [])
    assert FingerprintFormat.load(made.to_map()) == made


@pytest.mark.parametrize("value", [object(), float("nan"), {1: {2}}])
def test_what_is_no_json_cannot_be_written(value: Any) -> None:
    found = FingerprintFormat.load(DOCUMENT)
    found.fingerprint.pluginsData = {"x": value}

    with pytest.raises(ValueError, match="JSON"):
        found.to_json()
