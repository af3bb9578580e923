"""Which browser is found, and what is said when none can be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentbay_local.browser.installed import PLACE, BrowserMissing, search

HOME = Path("/nobody")


def program(path: Path, text: str = "\x7fELF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_named_one_comes_before_all_others(tmp_path: Path) -> None:
    named = program(tmp_path / "mine" / "chrome")
    program(tmp_path / "bin" / "chromium")
    found = search({"AGENTBAY_CHROMIUM": str(named), "PATH": str(tmp_path / "bin")}, HOME)
    assert (found.program, found.folder, found.inside) == (named, named.parent, f"{PLACE}/chrome")


def test_the_newest_of_playwrights_is_taken(tmp_path: Path) -> None:
    for revision in ("999", "1208", "1100"):
        program(tmp_path / f"chromium-{revision}" / "chrome-linux64" / "chrome")
    found = search({"PLAYWRIGHT_BROWSERS_PATH": str(tmp_path), "PATH": ""}, HOME)
    assert found.program == tmp_path / "chromium-1208" / "chrome-linux64" / "chrome"
    assert (found.kind, found.shell_only) == ("chromium", False)


def test_playwrights_headless_shell_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    shell = program(tmp_path / ".cache/ms-playwright/chromium_headless_shell-9/chrome-linux/headless_shell")
    found = search({"PATH": ""}, tmp_path)
    assert (found.program, found.shell_only) == (shell, True)


def test_a_start_script_leads_to_its_program(tmp_path: Path) -> None:
    script = program(tmp_path / "google" / "chrome" / "google-chrome", "#!/bin/sh\n")
    chrome = program(tmp_path / "google" / "chrome" / "chrome")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "google-chrome").symlink_to(script)
    found = search({"PATH": str(tmp_path / "bin")}, HOME)
    assert (found.program, found.kind) == (chrome, "chrome")


@pytest.mark.skipif(not os.path.isfile("/usr/lib/chromium/chromium"), reason="no Chromium of Debian's")
def test_one_in_usr_needs_no_place_of_its_own() -> None:
    found = search({"PATH": "/usr/bin", "AGENTBAY_CHROMIUM": "/usr/lib/chromium/chromium"}, HOME)
    assert (found.folder, found.inside) == (None, "/usr/lib/chromium/chromium")


def test_without_one_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrowserMissing, match="This mends it: sudo apt install chromium"):
        search({"PATH": str(tmp_path)}, HOME)


def test_a_name_that_leads_nowhere_is_an_error_even_if_there_are_others(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium")
    with pytest.raises(BrowserMissing, match="AGENTBAY_CHROMIUM names /nowhere, which is no program"):
        search({"AGENTBAY_CHROMIUM": "/nowhere", "PATH": str(tmp_path / "bin")}, HOME)


def test_a_home_is_never_shown_to_sandboxes(tmp_path: Path) -> None:
    chrome = program(tmp_path / "chrome")
    with pytest.raises(BrowserMissing, match="give it a folder of its own"):
        search({"AGENTBAY_CHROMIUM": str(chrome)}, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's sandboxes may read what the user may")
def test_a_closed_one_is_told_of_to_root(tmp_path: Path) -> None:
    chrome = program(tmp_path / "mine" / "chrome")
    chrome.chmod(0o700)
    with pytest.raises(BrowserMissing, match=r"This mends it: chmod -R go\+rX"):
        search({"AGENTBAY_CHROMIUM": str(chrome)}, HOME)
