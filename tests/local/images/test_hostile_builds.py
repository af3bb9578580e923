"""Builds that leave links, pipes and the like where the server works: it follows none, and is never stopped."""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from pathlib import Path

import pytest

from agentbay_local.images import ground
from agentbay_local.images.build import BuildFailed, Built, build
from agentbay_local.images.ground import PREFIX, in_memory
from agentbay_local.images.recipe import UnfitSource
from agentbay_local.sandbox import layering
from agentbay_local.sandbox.contract import CannotIsolate
from tests.local.images.made import BASE, layer, recipe

DEEP = "import os; [(os.mkdir('d'), os.chdir('d')) for _ in range(1200)]"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of this machine that is no business of builds."""
    return layer(tmp_path / "outside", {"secret": "secret\n", "passwd": "own:x:9:9::/:/bin/sh\n", "lists/kept": "kept"})


async def followed(tmp_path: Path, text: str, lines: list[str] | None = None) -> Built:
    (tmp_path / "images").mkdir()
    told: list[str] = [] if lines is None else lines
    return await build(recipe(tmp_path / "r", text), base=BASE, to=tmp_path / "images/new", tell=told.append)


# --- Files of a recipe ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["/home/wuying", "/etc", "/workspace"])
async def test_a_link_cannot_stand_for_a_folder_of_an_image(tmp_path: Path, outside: Path, to: str) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/link").symlink_to(outside)
    text = f'files = [{{ from = "link", to = "{to}" }}]\nrun = ["cat {to}/secret; echo x >{to}/written"]'
    lines: list[str] = []
    with pytest.raises(UnfitSource, match=f"{to} of an image is a folder: `files` cannot put a link or a file there"):
        await followed(tmp_path, text, lines)
    assert sorted(os.listdir(outside)) == ["lists", "passwd", "secret"]
    assert (outside / "passwd").read_text() == "own:x:9:9::/:/bin/sh\n"
    assert "secret" not in lines
    assert os.listdir(tmp_path / "images") == []


async def test_a_file_cannot_stand_for_a_folder_of_an_image(tmp_path: Path) -> None:
    with pytest.raises(UnfitSource, match="/usr of an image is a folder"):
        await followed(tmp_path, 'files = [{ from = "recipe.toml", to = "/usr" }]')


async def test_lists_of_users_that_are_links_do_not_write_where_they_lead(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "r/etc").mkdir(parents=True)
    for name in ("passwd", "group", "shadow"):
        (tmp_path / "r/etc" / name).symlink_to(outside / name)
    built = await followed(tmp_path, 'files = [{ from = "etc", to = "/etc" }]\nrun = ["groupadd mine; rm /etc/passwd"]')
    assert sorted(os.listdir(outside)) == ["lists", "passwd", "secret"]
    assert (outside / "passwd").read_text() == "own:x:9:9::/:/bin/sh\n"
    assert os.listdir(built.layers[0] / "etc") == ["group"]
    assert (built.layers[0] / "etc/group").read_text().startswith("mine:")


# --- What commands leave ----------------------------------------------------------------------------------------------


async def test_what_a_build_leaves_for_the_server_to_read_or_remove_leads_nowhere(
    tmp_path: Path, outside: Path
) -> None:
    left = f"ln -sf {outside}/secret /etc/passwd; rm /etc/group; mkfifo /etc/group"
    built = await followed(tmp_path, f'run = ["{left}; rm -r /var/lib/apt; ln -s {outside} /var/lib/apt"]')
    assert (built.layers[0] / "var/lib/apt").is_symlink()
    assert (outside / "lists/kept").read_text() == "kept"
    assert not (built.layers[0] / "etc").exists()


async def test_programs_that_would_run_as_their_owner_are_none_of_the_servers(tmp_path: Path) -> None:
    program = "/usr/local/bin/mine"
    built = await followed(tmp_path, f'run = ["cp /bin/true {program}; chmod 6755 {program}; stat -c %a {program}"]')
    assert stat.S_IMODE((built.layers[0] / program[1:]).lstat().st_mode) == 0o755


@pytest.mark.slow
async def test_folders_that_are_nested_too_deeply_end_the_build_and_are_removed(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="nested too deeply; nothing of it is kept"):
        await followed(tmp_path, f'run = ["""cd /opt; python3 -c "{DEEP}" """]')
    assert os.listdir(tmp_path / "images") == []


async def test_a_build_sees_nothing_of_the_people_of_this_machine(tmp_path: Path) -> None:
    lines: list[str] = []
    with tempfile.NamedTemporaryFile(dir="/var/tmp", prefix="agentbay-") as mine:
        text = 'run = ["ls /var/tmp /var/mail /var/spool; echo x >/var/tmp/mine; echo end"]'
        await followed(tmp_path, text, lines)
        assert "end" in lines
        assert Path(mine.name).name not in lines


# --- What is in memory meanwhile --------------------------------------------------------------------------------------


async def test_a_kernel_that_is_too_old_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-21-amd64")
    monkeypatch.setattr(ground, "MEMORY", Path("/proc"))
    layering.bwrap_with_overlays.cache_clear()
    with pytest.raises(CannotIsolate, match=r"Linux 6\.6 or newer, and this is 6\.1\.0-21-amd64"):
        await followed(tmp_path, 'run = ["true"]')


def test_what_killed_builds_left_in_memory_is_taken_away_and_what_is_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground, "MEMORY", tmp_path)
    with in_memory() as mine:
        left = mine.with_name(f"{PREFIX}left")
        (left / "usr/closed").mkdir(parents=True)
        (left / "usr/closed").chmod(0)
        for folder in (mine, left):
            os.utime(folder, (0, 0))
        with in_memory() as other:
            assert mine.is_dir()
            assert other.is_dir()
            assert not left.exists()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
def test_what_other_users_left_in_memory_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "MEMORY", tmp_path)
    theirs = layer(tmp_path / f"{PREFIX}theirs", {"file": "x"})
    os.chown(theirs, 12345, 12345)
    os.utime(theirs, (0, 0))
    with in_memory():
        assert (theirs / "file").is_file()
