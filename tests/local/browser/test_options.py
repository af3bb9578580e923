"""What a client may say about a browser, and the command line and fingerprint that this makes."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from agentbay_local.browser.faults import PageFault, UnfitOption
from agentbay_local.browser.hand import Hand
from agentbay_local.browser.keeper import told_by
from agentbay_local.browser.keys import strokes
from agentbay_local.browser.options import PROFILE, Upstream, command_line, read_options
from agentbay_local.browser.persona import document, from_document
from agentbay_local.browser.steps import pause
from agentbay_local.settings import read_settings

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36"


def read(**told: Any) -> Any:
    return read_options(PROFILE, told)


def test_the_browser_goes_out_by_the_proxy_and_keeps_its_profile() -> None:
    made = command_line(read(viewport={"width": 800, "height": 600}, cmdArgs=["--lang=fr"]), extensions=("/a", "/b"))
    wanted = {
        "--proxy-server=http://127.0.0.1:3128",
        "--user-data-dir=/tmp/agentbay_browser",
        "--window-size=800,600",
        "--load-extension=/a,/b",
        "--disable-extensions-except=/a,/b",
        "--lang=fr",
    }
    assert wanted - set(made) == set()
    assert made[-1] == "about:blank"


def test_a_proxy_of_the_users_own_may_ask_for_a_name() -> None:
    told = {"type": "custom", "server": "proxy.example:8080", "username": "ada", "password": "pw"}
    assert read(proxies=[told]).upstream == Upstream("proxy.example", 8080, "ada:pw")
    assert "pw" not in repr(read(proxies=[told]))


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"useStealth": "yes"}, "has a useStealth that must be true or false"),
        ({"userAgent": 5}, "has a userAgent that must be a text"),
        ({"viewport": {"width": 0, "height": 5}}, "has a viewport that must have a width and a height from 1 to"),
        ({"screen": "big"}, "has a screen that must have a width"),
        ({"cmdArgs": "x"}, "has cmdArgs that must be an array"),
        ({"cmdArgs": ["x"]}, "each must be a text that begins with --"),
        ({"cmdArgs": ["--remote-debugging-port=1"]}, "which the server sets itself"),
        ({"browserType": "firefox"}, "has a browserType that must be chrome or chromium"),
        ({"defaultNavigateUrl": "--x"}, "has a defaultNavigateUrl that must begin with"),
        ({"proxies": [1, 2]}, "has proxies that must be an array of one object"),
        ({"proxies": [{"type": "odd"}]}, "has a proxy whose type must be custom"),
        ({"proxies": [{"type": "managed"}]}, "belong to an account of the vendor"),
        ({"proxies": [{"type": "custom", "server": "socks5://a:1"}]}, "whose server must be http://HOST:PORT"),
        ({"proxies": [{"type": "custom", "server": "http://a:x"}]}, "whose server is no address"),
        ({"fingerprint": 1}, "has a fingerprint that must be an object"),
        ({"fingerprint": {"devices": ["toaster"]}}, "whose devices must be of desktop, mobile, not toaster"),
        ({"fingerprint": {"devices": ["mobile"], "operatingSystems": ["linux"]}}, "have none of its operatingSystems"),
        ({"fingerprintRawData": "!"}, "has fingerprintRawData that must be a JSON document in base64"),
        ({"fingerprintRawData": base64.b64encode(b"[]").decode()}, "that is no fingerprint document"),
    ],
)
def test_what_does_not_fit_is_named(told: dict[str, Any], text: str) -> None:
    with pytest.raises(UnfitOption) as caught:
        read(**told)
    assert text in str(caught.value)


def test_what_nothing_here_can_do_is_told_with_what_does_instead() -> None:
    options = read(solveCaptchas=True, autoLogin=True, callForUser=True, enableRecord=True, behaviorSimulate=True)
    assert (options.person, options.recorded, options.lifelike) == (True, True, True)
    assert [each.partition(":")[0] for each in options.unmet] == ["solveCaptchas", "autoLogin"]
    assert read(solveCaptchas=False).unmet == ()


def test_a_browser_with_a_window_is_as_large_as_the_screen() -> None:
    made = command_line(read(screen={"width": 1600, "height": 900}), screen=(1280, 800))
    assert {"--window-size=1280,800", "--ozone-platform=x11"} - set(made) == set()
    assert not [each for each in made if each.startswith("--headless")]


def test_a_hand_goes_there_on_a_way_of_its_own() -> None:
    hand = Hand()
    first, second = (list(hand.way({"x": 900, "y": 500})) for _ in range(2))
    assert (len(first) > 3, second) == (True, [({"x": 900.0, "y": 500.0}, second[0][1])])
    far = [math.dist((900, 500), (place["x"], place["y"])) for place, _ in first]
    assert far == sorted(far, reverse=True)
    assert all(0 < seconds < 0.1 for _, seconds in first)
    assert 0.04 <= hand.pause() <= 0.14


def test_the_profile_needs_a_place() -> None:
    with pytest.raises(UnfitOption, match="absolute path"):
        read_options("profile", {})


def test_stealth_hides_that_there_is_no_window() -> None:
    told = told_by(read(useStealth=True), AGENT)
    assert told.agent == AGENT.replace("Headless", "")
    assert told.commands("156")[0][1]["userAgentMetadata"]["brands"][0] == {"brand": "Chromium", "version": "156"}
    assert not told_by(read(), AGENT)


@pytest.mark.parametrize("system", ["windows", "macos", "linux", "android", "ios"])
def test_a_fingerprint_that_is_kept_is_read_as_the_same(system: str) -> None:
    kind = "mobile" if system in {"android", "ios"} else "desktop"
    persona = read(fingerprint={"devices": [kind], "operatingSystems": [system], "locales": ["fr-FR"]}).persona
    told = told_by(read(fingerprintRawData=_coded(document(persona, persona.user_agent))), AGENT)
    again = told.persona
    assert again is not None
    assert (again.platform, again.languages, again.screen, again.cores) == (
        persona.platform,
        ("fr-FR",),
        persona.screen,
        persona.cores,
    )
    assert document(again, "") == document(persona, persona.user_agent)
    assert told.commands("156")[0][0] == "Emulation.setUserAgentOverride"


def _coded(told: Any) -> str:
    return base64.b64encode(json.dumps(told).encode()).decode()


def test_odd_members_of_a_document_are_passed_over() -> None:
    persona = from_document(
        {"fingerprint": {"screen": {"width": "wide"}, "navigator": {"languages": 5, "userAgent": 1}}}
    )
    assert (persona.screen, persona.languages, persona.user_agent) == (None, (), "")


def test_what_no_command_line_can_hold_is_no_language() -> None:
    with pytest.raises(UnfitOption, match="locales must be an array of texts"):
        read(fingerprint={"locales": ["fr\0"]})
    navigator = {"languages": ["fr\0", "x" * 2000, "de"]}
    assert from_document({"fingerprint": {"navigator": navigator}}).languages == ("de",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [(2, 2.0), (0.5, 0.5), (1e300, 30.0), (10**400, 30.0), (-(10**400), 0.0), (math.nan, 0.0), ("5", 1.0), (True, 1.0)],
)
def test_a_wait_is_of_some_seconds_whatever_is_said(said: Any, expected: float) -> None:
    assert pause(said) == expected


def test_keys_have_names() -> None:
    assert [each["type"] for each in strokes("a")] == ["keyDown", "keyUp"]
    held = strokes("Shift+ArrowLeft")[0]
    assert (held["key"], held["windowsVirtualKeyCode"], held["modifiers"]) == ("ArrowLeft", 37, 8)
    assert strokes("Control+c")[0]["commands"] == ["copy"]
    assert strokes("+")[0]["text"] == "+"
    with pytest.raises(PageFault):
        strokes("Hyper+a")


def test_a_model_comes_from_options_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings([]).model is None
    monkeypatch.setenv("AGENTBAY_MODEL_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("AGENTBAY_MODEL_KEY", "secret")
    model = read_settings(["--model", "clever"]).model
    assert model is not None
    assert (model.url, model.name, model.key, "secret" in repr(model)) == (
        "http://127.0.0.1:1/v1",
        "clever",
        "secret",
        False,
    )


def test_a_model_without_an_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings(["--model", "clever"])
    assert "a model needs --model-url" in capsys.readouterr().err
