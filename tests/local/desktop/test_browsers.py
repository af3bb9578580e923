"""Which command lines start the browser of this machine, and how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbay_local.browser import installed
from agentbay_local.desktop.browsers import FLAGS, browser_line, browser_name


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine whose browsers are those that a test puts into a folder."""
    monkeypatch.delenv("AGENTBAY_CHROMIUM", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    tmp_path.chmod(0o755)
    installed._looked.cache_clear()
    yield tmp_path
    installed._looked.cache_clear()


def program(path: Path) -> None:
    path.write_bytes(b"\x7fELF")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("/usr/bin/google-chrome-stable", ""),
        ("google-chrome --app=http://x", " --app=http://x"),
        ('"/usr/bin/chromium" a  b', " a  b"),
        ("chromium-browser; true", "; true"),
        ("chromium\tabout:blank & sleep 1", "\tabout:blank & sleep 1"),
        ("chromium-settings", None),
        ("xterm -e chromium", None),
        ("A=b chromium", None),
        ("$(chromium)", None),
        ('"', None),
        ("", None),
    ],
)
def test_a_line_that_begins_with_a_browser_s_name_starts_the_one_of_this_machine(
    machine: Path, monkeypatch: pytest.MonkeyPatch, line: str, rest: str | None
) -> None:
    program(machine / "chrome")
    monkeypatch.setenv("AGENTBAY_CHROMIUM", str(machine / "chrome"))
    started = " ".join(("/opt/browser/chrome", *FLAGS))
    assert (line if rest is None else started + rest) == browser_line(line)
    assert ("" if rest is None else "chrome") == browser_name(line)


def test_without_a_browser_the_line_is_refused_with_what_to_install(machine: Path) -> None:
    with pytest.raises(installed.BrowserMissing, match="sudo apt install chromium"):
        browser_line("chromium")
    assert "" == browser_name("chromium")
    assert "xterm" == browser_line("xterm")


def test_a_browser_without_windows_is_refused(machine: Path) -> None:
    program(machine / "chromium-headless-shell")
    with pytest.raises(installed.BrowserMissing, match=r"has no windows\. This mends it: sudo apt install chromium"):
        browser_line("chromium")
