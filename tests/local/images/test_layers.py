"""Sandboxes of images with layers: what they see, what they may change, and that nothing of it reaches the layers."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentbay_local.images.image import Image
from agentbay_local.images.layers import python
from agentbay_local.sandbox import layering
from agentbay_local.sandbox.contract import CannotIsolate
from agentbay_local.sandbox.idmap import STAGE
from agentbay_local.sandbox.pool import BwrapEngine
from tests.local.images.made import (
    HOME,
    LIMITS,
    everything,
    image,
    layer,
    running,
    said,
    small_root,
    tops_of_prefixes,
)

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only a server of root's gives each sandbox a user of its own")


@pytest.fixture
async def engine() -> AsyncIterator[BwrapEngine]:
    async with running() as engine:
        yield engine


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A layer with files that are closed, twins and links."""
    made = layer(tmp_path / "base", {f"{HOME}/d/file": "one\n", f"{HOME}/closed": "secret\n", "workspace/w": "w\n"})
    home = made / HOME
    (home / "closed").chmod(0o600)
    os.link(home / "closed", home / "twin")
    (home / "link").symlink_to("d/file")
    os.utime(home / "d/file", (1_000_000_000, 1_000_000_000))
    return made


# --- What is seen -----------------------------------------------------------------------------------------------------


async def test_the_newest_layer_wins_and_what_it_took_away_is_gone(engine: BwrapEngine, tmp_path: Path) -> None:
    old = layer(tmp_path / "old", {f"{HOME}/a": "old", f"{HOME}/b": "old", "usr/share/mine": "old", "opt/o/x": "x"})
    new = layer(tmp_path / "new", {f"{HOME}/a": "new", "usr/share/mine": "new", "var/lib/mine/v": "v", "etc/m/e": "e"})
    os.mknod(new / HOME / "b", 0o20000, 0)
    box = await engine.create(image(new, old))
    assert await said(box, "cat ~/a /usr/share/mine /opt/o/x /var/lib/mine/v /etc/m/e; ls ~") == "newnewxvea\n"
    assert await said(box, "ls -d /usr/bin/env /etc/alternatives /var/tmp/; id -nu; echo") == (
        "/etc/alternatives\n/usr/bin/env\n/var/tmp/\nwuying\n\n"
    )


async def test_files_of_layers_are_the_sandbox_users_own(engine: BwrapEngine, base: Path) -> None:
    box = await engine.create(image(base))
    shown = "cd ~; stat -c '%U:%G %a %h %Y %n' closed twin d/file; cat closed link"
    assert await said(box, shown) == (
        "wuying:wuying 600 2 " + str(int((base / HOME / "closed").stat().st_mtime)) + " closed\n"
        "wuying:wuying 600 2 " + str(int((base / HOME / "closed").stat().st_mtime)) + " twin\n"
        "wuying:wuying 644 1 1000000000 d/file\nsecret\none\n"
    )


async def test_a_folder_that_hides_older_ones_does(engine: BwrapEngine, tmp_path: Path) -> None:
    old = layer(tmp_path / "old", {f"{HOME}/a": "old", "workspace/w": "old"})
    new = layer(tmp_path / "new", {f"{HOME}/b": "new"})
    os.setxattr(new / HOME, "user.overlay.opaque", b"y")
    assert await said(await engine.create(image(new, old)), "ls ~ /workspace/w") == (
        "/workspace/w\n\n/home/wuying:\nb\n"
    )


async def test_users_of_layers_are_known_and_ours_cannot_be_replaced(engine: BwrapEngine, tmp_path: Path) -> None:
    mine = layer(
        tmp_path / "a", {"etc/passwd": "wuying:x:0:0::/:/bin/sh\npg:x:5:5::/pg:/bin/sh\n", "etc/hosts": "evil"}
    )
    box = await engine.create(image(mine))
    assert await said(box, "id -u wuying; id -u pg; grep -c evil /etc/hosts") == "1000\n5\n0\n"


async def test_variables_of_an_image_are_there_until_a_call_has_others(engine: BwrapEngine, base: Path) -> None:
    box = await engine.create(image(base, env={"A": "image", "B": "image"}))
    done = await box.run(["/bin/sh", "-c", "echo $A $B"], env={"B": "call"})
    assert done.stdout == b"image call\n"


async def test_links_where_folders_belong_lead_nowhere(engine: BwrapEngine, tmp_path: Path) -> None:
    secret = layer(tmp_path / "outside", {"secret": "s", "wuying/secret": "s"})
    odd = layer(tmp_path / "odd", {"usr/share/mine": "mine"})
    (odd / "home").symlink_to(secret)
    (odd / "workspace").symlink_to(secret)
    (odd / "opt").symlink_to("/etc")
    box = await engine.create(image(odd))
    assert await said(box, "ls ~ /workspace /opt; cat /usr/share/mine") == (
        "/home/wuying:\n\n/opt:\n\n/workspace:\nmine"
    )


async def test_a_list_of_users_that_is_a_link_is_not_read(engine: BwrapEngine, tmp_path: Path) -> None:
    odd = layer(tmp_path / "odd", {"etc/x": "x"})
    (odd / "etc/passwd").symlink_to("/etc/passwd")
    (odd / "etc/group").mkdir()
    assert await said(await engine.create(image(odd)), "cut -d: -f1 /etc/passwd") == "root\nwuying\nnobody\n"


# --- What may be changed ----------------------------------------------------------------------------------------------


async def test_files_of_layers_can_be_changed_in_every_way_and_stay_as_they_were(
    engine: BwrapEngine, base: Path
) -> None:
    before = everything(base)
    box = await engine.create(image(base))
    change = (
        "cd ~; echo two >>closed; chmod 644 d/file; touch d/file; mv twin t; ln d/file hard; rm link; mv d e; mkdir d"
    )
    assert await said(box, change + "; rm -r e; echo x >/workspace/w; rm -r d; ls -A; cat closed /workspace/w") == (
        "closed\nhard\nt\nsecret\ntwo\nx\n"
    )
    assert everything(base) == before


async def test_two_sandboxes_of_one_image_do_not_see_each_other(engine: BwrapEngine, base: Path) -> None:
    boxes = await asyncio.gather(*(engine.create(image(base)) for _ in range(4)))
    for number, box in enumerate(boxes):
        assert await said(box, f"echo {number} >>~/d/file; echo {number} >~/new{number}") == ""
    assert [await said(box, "cat ~/d/file; ls ~ | grep new") for box in boxes] == [
        f"one\n{number}\nnew{number}\n" for number in range(4)
    ]


async def test_what_is_written_stops_at_the_limit_and_is_counted(engine: BwrapEngine, base: Path) -> None:
    box = await engine.create(image(base))
    fill = "head -c 99M /dev/zero >{}/big; stat -c %s {}/big"
    for place in ("/home/wuying", "/workspace"):
        shown = await said(box, fill.format(place, place))
        assert "No space left" in shown
        assert 0 <= LIMITS.workspace - int(shown.split()[0]) < 1 << 18
    used = await box.usage()
    assert used.workspace_total == 2 * LIMITS.workspace
    assert used.workspace_used > 2 * LIMITS.workspace - (1 << 18)
    assert await said(box, "rm ~/big /workspace/big; echo again >~/d/file; cat ~/d/file") == "again\n"


async def test_system_folders_cannot_be_changed(engine: BwrapEngine, tmp_path: Path) -> None:
    mine = layer(tmp_path / "a", {f"{name}/mine": "x" for name in ("usr", "etc", "opt", "var")})
    box = await engine.create(image(mine))
    for name in ("usr", "etc", "opt", "var"):
        assert "Read-only" in await said(box, f"echo y >/{name}/mine")
        assert "Read-only" in await said(box, f"rm /{name}/mine")


async def test_the_walls_are_those_of_any_sandbox(engine: BwrapEngine, base: Path, tmp_path: Path) -> None:
    box = await engine.create(image(base))
    status = await said(
        box, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; unshare -U true; cat /proc/1/comm"
    )
    assert {line.split()[-1] for line in status.splitlines()[:5]} == {"0" * 16}
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert "Operation not permitted" in status
    assert str(tmp_path) not in await said(box, "cat /proc/self/mountinfo /proc/1/cmdline /proc/1/environ")
    assert await said(box, "ls /sys /layers 2>&1 | grep -c 'No such'") == "2\n"


# --- Beginning and end ------------------------------------------------------------------------------------------------


async def test_an_image_without_layers_is_a_sandbox_like_any(engine: BwrapEngine) -> None:
    box = await engine.create(Image("code_latest", "code_latest"))
    assert "overlay on /home" not in await said(box, "mount")


async def test_nothing_is_left_of_sandboxes_of_images(engine: BwrapEngine, base: Path) -> None:
    boxes = await asyncio.gather(*(engine.create(image(base)) for _ in range(3)))
    for pause in (0, 0.001, 0.004, 0.01, 0.02):
        begun = asyncio.ensure_future(engine.create(image(base)))
        await asyncio.sleep(pause)
        begun.cancel()
        await asyncio.gather(begun, return_exceptions=True)
    await asyncio.gather(*(box.close() for box in boxes))
    assert await said(await engine.create(image(base)), "cat ~/d/file") == "one\n"
    assert engine._starter is not None
    listed = await asyncio.get_running_loop().run_in_executor(engine._starter, os.listdir, STAGE)
    assert [name for name in listed if name.isdigit()] == []


@ROOT
async def test_each_sandbox_of_roots_server_is_another_host_user(engine: BwrapEngine, base: Path) -> None:
    boxes = [await engine.create(image(base)) for _ in range(2)]
    owners = {os.stat(f"/proc/{box.first}").st_uid for box in boxes}
    assert len(owners) == 2
    assert 0 not in owners
    assert [await said(box, "echo x >~/closed; cat ~/closed") for box in boxes] == ["x\n", "x\n"]


@ROOT
async def test_layers_of_several_users_are_refused_with_what_to_do(
    engine: BwrapEngine, base: Path, tmp_path: Path
) -> None:
    other = layer(tmp_path / "other", {f"{HOME}/x": "x"})
    os.chown(other, 12345, 12345)
    with pytest.raises(CannotIsolate, match=r"belong to several users.*chown"):
        await engine.create(image(other, base))


@ROOT
async def test_a_disk_that_cannot_show_files_as_anothers_is_told_with_what_to_do(engine: BwrapEngine) -> None:
    with pytest.raises(CannotIsolate, match=r"Linux 5\.19 and a file system such as ext4.*--data FOLDER"):
        await engine.create(image(Path("/proc/irq")))
    assert engine._starter is not None
    listed = await asyncio.get_running_loop().run_in_executor(engine._starter, os.listdir, STAGE)
    assert listed == []


async def test_a_layer_that_is_gone_is_named(engine: BwrapEngine, tmp_path: Path) -> None:
    with pytest.raises(CannotIsolate, match=r"missing: .*/gone\. This mends it: build the image again"):
        await engine.create(image(tmp_path / "gone"))


async def test_more_layers_than_there_can_be_are_refused(engine: BwrapEngine, base: Path) -> None:
    with pytest.raises(CannotIsolate, match="101 layers, more than the 100"):
        await engine.create(image(*[base] * 101))


async def test_as_many_layers_as_there_can_be_start(engine: BwrapEngine, tmp_path: Path) -> None:
    layers = [layer(tmp_path / str(number), {f"{HOME}/{number}": "x"}) for number in range(100)]
    assert await said(await engine.create(image(*layers)), "ls ~ | wc -l") == "100\n"


async def test_a_bwrap_without_overlays_is_named_with_what_to_do(
    engine: BwrapEngine, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.8.0\n")
    old.chmod(0o755)
    monkeypatch.setenv("AGENTBAY_BWRAP", str(old))
    layering.bwrap_with_overlays.cache_clear()
    with pytest.raises(CannotIsolate, match=r"bwrap 0.11 or newer.*found: .*0\.8\.0.*unset AGENTBAY_BWRAP"):
        await engine.create(image(base))


async def test_a_kernel_that_is_too_old_is_named(
    engine: BwrapEngine, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-21-amd64")
    layering.bwrap_with_overlays.cache_clear()
    with pytest.raises(CannotIsolate, match=r"Linux 6\.6 or newer, and this is 6\.1\.0-21-amd64"):
        await engine.create(image(base))


# --- Roots of their own -----------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_root_of_its_own_shows_nothing_of_this_machine(engine: BwrapEngine, tmp_path: Path) -> None:
    root = small_root(tmp_path / "root")
    top = layer(tmp_path / "top", {f"{HOME}/h": "home\n", "usr/share/top": "top\n"})
    box = await engine.create(image(top, root, root=True))
    assert box.interpreter == "/usr/bin/python3"
    assert await said(box, "cat ~/h /usr/share/top /app/a /etc/mine; id -un; echo /usr/sbin/* /etc/*") == (
        "home\ntop\napp\nof the image\nwuying\n/usr/sbin/* /etc/group /etc/hosts /etc/mine /etc/nsswitch.conf "
        "/etc/passwd /etc/resolv.conf /etc/ssl\n"
    )
    await box.fs("mkdir", path="/workspace/d", parents=True)
    done = await box.run([box.interpreter, "-c", "import sys, json; print(sys.prefix)"])
    assert done.stdout == b"/usr\n"
    for folder in tops_of_prefixes():
        assert await said(box, f"cat /{folder}/mine") == "mine\n"
    terminal = await box.terminal(["/bin/bash", "-c", "echo tty"])
    assert await terminal.read() == b"tty\r\n"


def test_a_root_of_its_own_may_have_its_python_in_either_place(tmp_path: Path) -> None:
    made = layer(tmp_path / "a", {"usr/local/bin/python3": "x"})
    assert python([layer(tmp_path / "b", {}), made]) == "/usr/local/bin/python3"
    assert python([layer(tmp_path / "c", {"usr/bin/python3": "x"}), made]) == "/usr/bin/python3"
    assert python([]) == "/usr/bin/python3"


async def test_a_root_without_python_does_not_start_and_says_so(engine: BwrapEngine, tmp_path: Path) -> None:
    root = layer(tmp_path / "root", {"usr/bin/x": "x", "etc/y": "y"})
    (root / "bin").symlink_to("usr/bin")
    with pytest.raises(CannotIsolate, match=r"root of its own: its /usr/bin/python3 has to be Python 3\.11"):
        await engine.create(image(root, root=True))
