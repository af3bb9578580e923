"""The `agentbay` command."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from agentbay import cli
from agentbay.cli import main
from agentbay_local import __main__ as runtime_main


def test_version_names_the_package_and_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "version", {"agentbay-sdk": "9.8.7"}.__getitem__)
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"agentbay 9.8.7, Python {platform.python_version()}, ")


def test_version_works_in_a_tree_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(cli, "version", absent)
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("agentbay (not installed), Python ")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(command in out for command in ("serve", "doctor", "demo", "policy", "image", "version"))


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "doctor" in capsys.readouterr().err


def test_the_usual_option_for_the_version_works(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out.startswith("agentbay ")) == (0, True)


def test_the_runtime_itself_names_a_missing_part_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_aiohttp(_: object) -> int:
        raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")

    monkeypatch.setattr(runtime_main, "_run", without_aiohttp)
    assert runtime_main.main(["serve"]) == 1
    assert "aiohttp is missing. Get the runtime: pip install 'agentbay-sdk[local]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option"), [("serve", "--max-sessions"), ("policy", "show"), ("image", "snapshot")]
)
def test_a_command_gets_its_own_options(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert (ended.value.code, option in capsys.readouterr().out) == (0, True)


def test_the_doctor_gives_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["able"] is (code == 0)


def test_a_missing_part_is_named_with_the_line_that_gets_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"aiohttp", "agentbay_local"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert main(["serve"]) == 1
    assert "aiohttp is missing. Get the runtime: pip install 'agentbay-sdk[local]'" in capsys.readouterr().err


def test_a_hole_in_the_package_itself_is_not_called_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "agentbay_local.demo", None)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])
