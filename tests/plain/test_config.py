"""Where a client's settings come from, and which of them wins."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from agentbay import Config
from agentbay.config import Settings, read_env_file
from tests.catalogue import CONTROL
from tests.surroundings import clear_environment

HANGZHOU = "https://agentbay.cn-hangzhou.aliyuncs.com"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, three levels deep, and no variables."""
    clear_environment(monkeypatch)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    return deep


def resolve(*args: Any, **kwargs: Any) -> Settings:
    return Settings.resolve(*(args or ("key",)), **kwargs)


# --- The key ----------------------------------------------------------------------------------------------------------


def test_a_key_that_is_given_beats_the_environment_and_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("AGENTBAY_API_KEY=file")
    assert resolve("").api_key == "file"
    monkeypatch.setenv("AGENTBAY_API_KEY", "environment")
    assert resolve("").api_key == "environment"
    assert resolve("given").api_key == "given"


def test_a_config_object_keeps_the_file_out_but_not_the_key_of_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("AGENTBAY_API_KEY=file")
    with pytest.raises(ValueError, match="An API key is needed"):
        resolve("", Config())
    monkeypatch.setenv("AGENTBAY_API_KEY", "environment")
    assert resolve("", Config()).api_key == "environment"


def test_a_missing_key_is_told_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"pass api_key=\.\.\., or set AGENTBAY_API_KEY .* endpoint='local'"):
        resolve("")


@pytest.mark.parametrize("endpoint", ["local", " LOCAL "])
def test_the_local_runtime_needs_no_key(endpoint: str) -> None:
    settings = resolve("", endpoint=endpoint)

    assert (settings.local, settings.base_url, settings.api_key) == (True, "", "")


def test_the_environment_may_ask_for_the_local_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTBAY_ENDPOINT", "local")

    assert resolve("").local


def test_the_key_is_not_shown() -> None:
    assert "canary" not in repr(resolve("canary"))


# --- The place --------------------------------------------------------------------------------------------------------

REGIONS = {
    "cn-hangzhou": ("agentbay.cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
    "ap-southeast-1": ("agentbay.ap-southeast-1.aliyuncs.com", "ap-southeast-1"),
    "us-east-1": ("agentbay.us-east-1.aliyuncs.com", "us-east-1"),
    "pre-cn-hangzhou": ("agentbay-pre.cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
    "pre-ap-southeast-1": ("wuyingai-pre.ap-southeast-1.aliyuncs.com", "ap-southeast-1"),
    "pre-us-east-1": ("agentbay-pre.us-east-1.aliyuncs.com", "us-east-1"),
    "mars-1": ("agentbay.mars-1.aliyuncs.com", "mars-1"),
    "pre-mars-1": ("agentbay-pre.mars-1.aliyuncs.com", "mars-1"),
}


@pytest.mark.parametrize(("region", "expected"), REGIONS.items())
@pytest.mark.parametrize("source", ["config", "environment"])
def test_a_region_names_its_gateway(
    monkeypatch: pytest.MonkeyPatch, region: str, expected: tuple[str, str], source: str
) -> None:
    monkeypatch.setenv("AGENTBAY_REGION_ID", region)
    settings = resolve("key", Config(region_id=region)) if source == "config" else resolve()

    assert (settings.base_url, settings.region_id) == (f"https://{expected[0]}", expected[1])


def test_the_regions_are_those_of_the_catalogue() -> None:
    endpoints = CONTROL["endpoints"]
    hosts = {name: host for name, (host, _) in REGIONS.items()}

    assert [hosts[name] for name in endpoints["known_regions"]] == [
        endpoints["pattern"].format(region=name) for name in endpoints["known_regions"]
    ]
    pre = {name: hosts[name] for name in endpoints["pre_release"] if name != "pattern"}
    assert pre == {name: host for name, host in endpoints["pre_release"].items() if name != "pattern"}


@pytest.mark.parametrize("region", ["mars-1", "pre-mars-1"])
def test_an_unknown_region_is_warned_of_and_used(region: str, caplog: pytest.LogCaptureFixture) -> None:
    resolve("key", Config(region_id=region))

    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_without_any_setting_the_default_is_hangzhou() -> None:
    assert resolve() == Settings("key", HANGZHOU, "cn-hangzhou", 60.0)


BAD_ENDPOINTS = {
    "ftp://example.com": "ftp:// is not spoken",
    "http://": "it has no host",
    "  ": "it has no host",
    "two words": "there is a space in it",
    "http://example.com/api": "calls go to the root of the host, so that it can have no path",
    "example.com/api": "calls go to the root of the host, so that it can have no path",
    "https://example.com?a=b": "calls go to the root of the host, so that it can have no path",
    "https://example.com:99999": "Port out of range 0-65535",
}


@pytest.mark.parametrize(("endpoint", "fault"), BAD_ENDPOINTS.items())
def test_what_is_no_address_of_a_server_is_refused_with_the_reason(endpoint: str, fault: str) -> None:
    with pytest.raises(ValueError, match="endpoint must be a host or an http") as caught:
        resolve(endpoint=endpoint)
    assert str(caught.value) == f"endpoint must be a host or an http(s) URL of one, not {endpoint!r}: {fault}"


def test_a_password_in_an_endpoint_is_refused_and_not_told() -> None:
    with pytest.raises(ValueError, match="a key or password does not belong into it") as caught:
        resolve(endpoint="https://somebody:hush@example.com")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("region_id", 1), ("endpoint", b"example.com")])
def test_a_config_refuses_what_is_no_text(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a str or None, not "):
        Config(**{name: value})


ENDPOINTS = {
    "example.com": "https://example.com",
    "localhost:8443": "https://localhost:8443",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "https://example.com/": "https://example.com",
    " example.com ": "https://example.com",
}


@pytest.mark.parametrize(("endpoint", "base_url"), ENDPOINTS.items())
def test_an_endpoint_is_a_host_or_a_url(monkeypatch: pytest.MonkeyPatch, endpoint: str, base_url: str) -> None:
    monkeypatch.setenv("AGENTBAY_ENDPOINT", endpoint)
    found = [resolve(), resolve(endpoint=endpoint), resolve("key", Config(endpoint=endpoint))]

    assert [settings.base_url for settings in found] == [base_url] * 3
    assert {settings.region_id for settings in found} == {"cn-hangzhou"}


def test_a_region_beats_an_endpoint_of_the_same_level(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AGENTBAY_REGION_ID", "us-east-1")
    monkeypatch.setenv("AGENTBAY_ENDPOINT", "example.com")
    hosts = [resolve().base_url, resolve("key", Config(region_id="us-east-1", endpoint="example.com")).base_url]

    assert hosts == ["https://agentbay.us-east-1.aliyuncs.com"] * 2
    assert ["is ignored" in record.getMessage() for record in caplog.records] == [True, True]


def test_an_endpoint_that_is_given_beats_a_region_of_a_lower_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTBAY_REGION_ID", "us-east-1")

    assert resolve(endpoint="example.com").base_url == "https://example.com"


def test_a_config_object_keeps_the_environment_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("AGENTBAY_REGION_ID=us-east-1\nAGENTBAY_TIMEOUT_MS=5")
    monkeypatch.setenv("AGENTBAY_ENDPOINT", "example.com")
    monkeypatch.setenv("AGENTBAY_TIMEOUT_MS", "7")

    assert resolve("key", Config()) == Settings("key", HANGZHOU, "cn-hangzhou", 60.0)


# --- Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout_ms", "seconds"),
    [(None, 60.0), (1500, 1.5), (0, 60.0), (-1, 60.0), (True, 60.0), ("9", 60.0), (1.5, 60.0)],
)
def test_only_whole_milliseconds_above_nothing_count(timeout_ms: Any, seconds: float) -> None:
    assert resolve("key", Config(timeout_ms)).timeout == seconds


@pytest.mark.parametrize(
    ("text", "seconds", "warned"), [("1500", 1.5, 0), ("", 60.0, 0), ("0", 60.0, 1), ("fast", 60.0, 1), ("-5", 60.0, 1)]
)
def test_a_time_of_the_environment_that_makes_no_sense_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str, seconds: float, warned: int
) -> None:
    monkeypatch.setenv("AGENTBAY_TIMEOUT_MS", text)

    assert (resolve().timeout, len(caplog.records)) == (seconds, warned)


@pytest.mark.parametrize(("timeout", "seconds"), [(5, 5.0), (0.5, 0.5)])
def test_a_time_that_is_given_beats_all_others(monkeypatch: pytest.MonkeyPatch, timeout: float, seconds: float) -> None:
    monkeypatch.setenv("AGENTBAY_TIMEOUT_MS", "1500")

    found = [resolve(timeout=timeout), resolve("key", Config(9), timeout=timeout)]
    assert [settings.timeout for settings in found] == [seconds, seconds]


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("nan")])
def test_a_wrong_time_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout must be a number of seconds above 0"):
        resolve(timeout=timeout)


# --- The file ---------------------------------------------------------------------------------------------------------


def test_the_nearest_file_upwards_is_read(folder: Path) -> None:
    (folder.parent.parent / ".env").write_text("AGENTBAY_ENDPOINT=far\nAGENTBAY_TIMEOUT_MS=1000")
    assert resolve().base_url == "https://far"
    (folder.parent / ".env").write_text("AGENTBAY_ENDPOINT=near")
    assert (resolve().base_url, resolve().timeout) == ("https://near", 60.0)
    (folder / ".env").mkdir()
    assert resolve().base_url == "https://near"


def test_a_file_that_is_named_is_read_in_place_of_the_nearest(folder: Path, tmp_path: Path) -> None:
    (folder / ".env").write_text("AGENTBAY_ENDPOINT=near")
    named = tmp_path / "my.env"
    named.write_text("AGENTBAY_ENDPOINT=named")

    assert resolve(env_file=str(named)).base_url == "https://named"
    assert resolve(env_file=str(tmp_path / "missing")).base_url == "https://near"


def test_the_file_changes_nothing_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    (folder / ".env").write_text("AGENTBAY_ENDPOINT=file\nAGENTBAY_TIMEOUT_MS=1000")
    monkeypatch.setenv("AGENTBAY_ENDPOINT", "environment")
    before = dict(os.environ)
    settings = resolve()

    assert (settings.base_url, settings.timeout, dict(os.environ)) == ("https://environment", 1.0, before)


def test_every_usual_line_of_a_file_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "any"
    lines = [
        "\ufeffA=1",
        "export B = two words ",
        "# C=no",
        "D='single # quoted'",
        'E="double"',
        "F=plain # a remark",
        "G=a=b",
        "no pair",
        "",
        "H=",
        "I='",
        "J=ünï",
    ]
    path.write_text("\r\n".join(lines), "utf-8")

    assert read_env_file(path) == {
        "A": "1",
        "B": "two words",
        "D": "single # quoted",
        "E": "double",
        "F": "plain",
        "G": "a=b",
        "H": "",
        "I": "'",
        "J": "ünï",
    }


def test_a_file_of_another_encoding_does_not_stop_the_program(tmp_path: Path) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"A=1\nB=\xff\xfe\n")

    assert read_env_file(path)["A"] == "1"
