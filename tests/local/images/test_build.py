"""Builds: a folder, an archive or a recipe becomes a layer, or nothing is left of it and the reason is told."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import pytest

from agentbay_local.images.build import BuildFailed, Built, build
from agentbay_local.images.recipe import UnfitSource, read_recipe
from tests.local.images.made import BASE, HOME, image, layer, recipe, running, said, small_root

Mode = Literal["w", "w:gz", "w:xz"]


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: Mode = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode, made.mtime = kind, link, mode, 1_000_000_000
    return made


def at(time: str) -> tarfile.TarInfo:
    """A file that was last changed at a time which is no number that tar has."""
    made = member("workspace/x")
    made.pax_headers = {"mtime": time}
    return made


async def refused(source: Path, tmp_path: Path) -> str:
    """Why something cannot be built; nothing of it is left."""
    (tmp_path / "images").mkdir()
    with pytest.raises(UnfitSource) as error:
        await build(source, base=BASE, to=tmp_path / "images/new")
    assert os.listdir(tmp_path / "images") == []
    return str(error.value)


# --- Folders and archives ---------------------------------------------------------------------------------------------


async def test_a_folder_becomes_a_layer_with_permissions_times_and_links(tmp_path: Path) -> None:
    source = layer(
        tmp_path / "source", {f"{HOME}/d/a": "a", "usr/local/bin/tool": "#!/bin/sh\necho tool\n", "workspace/w": "w"}
    )
    (source / "usr/local/bin/tool").chmod(0o4755)
    (source / HOME / "d").chmod(0o500)
    (source / HOME / "link").symlink_to("/workspace/w")
    os.utime(source / HOME / "d/a", (1, 1_000_000_000))
    lines: list[str] = []
    built = await build(source, base=BASE, to=tmp_path / "new", tell=lines.append)
    (source / HOME / "d").chmod(0o700)
    assert built == Built((tmp_path / "new",), False, built.size)
    assert built.size > 0
    assert lines == [f"copying {source}"]
    assert stat.S_IMODE((tmp_path / "new/usr/local/bin/tool").stat().st_mode) == 0o755
    async with running() as engine:
        box = await engine.create(image(*built.layers))
        assert await said(box, "tool; stat -c '%a %Y' ~/d ~/d/a | head -c 3; stat -c %Y ~/d/a; readlink ~/link") == (
            "tool\n7001000000000\n/workspace/w\n"
        )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
async def test_an_archive_becomes_a_layer_over_its_base(tmp_path: Path, mode: Mode) -> None:
    source = archive(
        tmp_path / "source.tar",
        (member("./home/wuying/d", tarfile.DIRTYPE, mode=0o555), b""),
        (member("./home/wuying/d/a", mode=0o4755), b"a"),
        (member("./home/wuying/d/twin", tarfile.LNKTYPE, "./home/wuying/d/a"), b""),
        (member("workspace/link", tarfile.SYMTYPE, "../home/wuying/d/a"), b""),
        (member("dev/null", tarfile.CHRTYPE), b""),
        mode=mode,
    )
    below = layer(tmp_path / "below", {f"{HOME}/b": "b"})
    built = await build(source, base=image(below, env={"A": "a"}), to=tmp_path / "new")
    assert built == Built((tmp_path / "new", below), False, built.size, {"A": "a"})
    made = tmp_path / "new/home/wuying/d/a"
    assert (stat.S_IMODE(made.stat().st_mode), made.stat().st_nlink, made.stat().st_mtime) == (0o755, 2, 1e9)
    assert sorted(os.listdir(tmp_path / "new")) == ["home", "workspace"]


HOSTILE = {
    "absolute": ([member("/etc/x")], "leads out of it"),
    "up": ([member("workspace/../../x")], "leads out of it"),
    "through a link": ([member("workspace/l", tarfile.SYMTYPE, "/tmp"), member("workspace/l/x")], "is no folder"),
    "a folder on a link": (
        [member("workspace/l", tarfile.SYMTYPE, "/tmp"), member("workspace/l", tarfile.DIRTYPE)],
        "is no folder",
    ),
    "a device": ([member("workspace/sda", tarfile.BLKTYPE)], "neither a file nor a folder nor a link"),
    "a pipe": ([member("workspace/pipe", tarfile.FIFOTYPE)], "neither a file nor a folder nor a link"),
    "a twin of what is outside": ([member("workspace/t", tarfile.LNKTYPE, "../../etc/passwd")], "leads out of it"),
    "a twin of a link": (
        [member("workspace/l", tarfile.SYMTYPE, "/etc/passwd"), member("workspace/t", tarfile.LNKTYPE, "workspace/l")],
        "which is no file in the archive",
    ),
    "a file over a folder": (
        [member("workspace/d", tarfile.DIRTYPE), member("workspace/d")],
        "a folder and something else",
    ),
    "other names": ([member("manifest.json")], "has 'manifest.json', and images do not"),
    "another home": ([member("home/me/x")], "has 'home/me', and images do not"),
    "nothing": ([], "is empty"),
    "a file that is changed never": ([at("inf")], "is no tar archive that can be read"),
    "a file that is changed at no time": ([at("nan")], "is no tar archive that can be read"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_an_archive_with_what_no_image_has_is_refused(tmp_path: Path, kind: str) -> None:
    members, why = HOSTILE[kind]
    source = archive(tmp_path / "bad.tar", *((each, b"") for each in members))
    assert why in await refused(source, tmp_path)


async def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "x.tar.gz"
    source.write_bytes(b"no archive" * 100)
    assert f"{source} is no tar archive that can be read" in await refused(source, tmp_path)


async def test_an_archive_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.tar.gz", (member("workspace/x"), os.urandom(100_000)), mode="w:gz")
    source = tmp_path / "cut.tar.gz"
    source.write_bytes(whole.read_bytes()[:50_000])
    assert "is no tar archive that can be read" in await refused(source, tmp_path)


async def test_a_folder_with_a_pipe_is_refused(tmp_path: Path) -> None:
    source = layer(tmp_path / "source", {"workspace/x": "x"})
    os.mkfifo(source / "workspace/pipe")
    assert "neither a file nor a folder nor a link" in await refused(source, tmp_path)


async def test_a_project_folder_is_told_where_to_go(tmp_path: Path) -> None:
    source = layer(tmp_path / "source", {"main.py": "x"})
    assert "has 'main.py', and images do not" in await refused(source, tmp_path)


async def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/no does not exist" in await refused(tmp_path / "no", tmp_path)


async def test_a_root_without_a_python_is_refused(tmp_path: Path) -> None:
    source = layer(tmp_path / "source", {"usr/bin/x": "x"})
    (source / "bin").symlink_to("usr/bin")
    assert "has no /usr/bin/python3" in await refused(source, tmp_path)


async def test_a_root_whose_python_cannot_run_is_refused(tmp_path: Path) -> None:
    source = layer(tmp_path / "source", {"usr/bin/python3": "#!/bin/false\n", "usr/bin/bash": "x"})
    (source / "bin").symlink_to("usr/bin")
    assert "has to be Python 3.11 or newer" in await refused(source, tmp_path)


@pytest.mark.slow
async def test_a_root_is_built_and_built_upon(tmp_path: Path) -> None:
    source = small_root(tmp_path / "root")
    layer(source, {"home/other/x": "x", "proc/x": "x"})
    packed = tmp_path / "root.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(source, ".")
    built = await build(packed, base=image(layer(tmp_path / "old", {"usr/x": "x"})), to=tmp_path / "new")
    assert built == Built((tmp_path / "new",), True, built.size)
    assert not (tmp_path / "new/proc").exists()
    text = 'run = ["echo more >/usr/share-more; echo over >/etc/mine; cat /app/a >/workspace/w"]\nenv = {A = "a"}'
    more = await build(recipe(tmp_path / "r", text), base=image(*built.layers, root=True), to=tmp_path / "more")
    assert more == Built((tmp_path / "more", tmp_path / "new"), True, more.size, {"A": "a"})
    async with running() as engine:
        box = await engine.create(image(*more.layers, root=True))
        assert await said(box, "cat /usr/share-more /etc/mine /workspace/w") == "more\nover\napp\n"


# --- Recipes ----------------------------------------------------------------------------------------------------------


async def test_a_recipe_is_followed_and_only_what_is_new_is_kept(tmp_path: Path) -> None:
    layer(tmp_path / "r", {"seed/s": "seed"})
    source = recipe(
        tmp_path / "r",
        """
        files = [{ from = "seed", to = "/home/wuying/seed" }, { from = "seed/s", to = "/usr/local/share/s" }]
        run = [
            "cat ~/seed/s /usr/local/share/s",
            "printf '#!/bin/sh\\necho tool $WHO\\n' >/usr/local/bin/tool; chmod 755 /usr/local/bin/tool",
            "chown nobody /usr/local/bin/tool && id -u && echo kept >kept && rm /usr/bin/env && touch ~/.cache",
            "groupadd mine",
        ]
        env = { WHO = "me" }
        """,
    )
    lines: list[str] = []
    built = await build(source, base=BASE, to=tmp_path / "new", tell=lines.append)
    assert built == Built((tmp_path / "new",), False, built.size, {"WHO": "me"})
    assert "seedseed" in lines
    assert "0" in lines
    found = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if not path.is_dir()}
    assert found == {
        "home/wuying/seed/s", "usr/local/share/s", "usr/local/bin/tool", "usr/bin/env", "workspace/kept", "etc/group"
    }  # fmt: skip
    async with running() as engine:
        box = await engine.create(image(*built.layers, env=built.env))
        assert await said(
            box, "tool; cat ~/seed/s kept /workspace/kept 2>/dev/null; test -e /usr/bin/env || echo no"
        ) == ("tool me\nseedkept\nno\n")
        assert await said(box, "grep -c mine /etc/group; stat -c %U /usr/local/bin/tool") == "1\nwuying\n"


async def test_a_recipe_continues_where_its_base_ended(tmp_path: Path) -> None:
    first = await build(
        recipe(tmp_path / "a", 'run = ["echo 1 >/usr/local/one; echo 1 >~/one; groupadd first"]'),
        base=BASE, to=tmp_path / "first",
    )  # fmt: skip
    text = 'run = ["cat /usr/local/one ~/one; echo 2 >>/usr/local/one; rm ~/one; getent group first; groupadd second"]'
    lines: list[str] = []
    second = await build(
        recipe(tmp_path / "b", text), base=image(*first.layers), to=tmp_path / "second", tell=lines.append
    )
    assert lines[1:3] == ["1", "1"]
    async with running() as engine:
        box = await engine.create(image(*second.layers))
        assert await said(box, "cat /usr/local/one; ls ~; grep -c -e first -e second /etc/group") == "1\n2\n2\n"


async def test_a_recipe_of_files_alone_starts_nothing(tmp_path: Path) -> None:
    source = recipe(tmp_path / "r", 'files = [{ from = "recipe.toml", to = "/workspace/here" }]')
    built = await build(source, base=BASE, to=tmp_path / "new")
    assert [str(path.relative_to(tmp_path / "new")) for path in built.layers[0].rglob("*")] == [
        "workspace", "workspace/here"
    ]  # fmt: skip


async def test_a_failing_step_is_told_with_its_code_and_last_lines_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    source = recipe(tmp_path / "r", 'run = ["echo before", "seq 1 30; echo wrong >&2; exit 7", "echo never"]')
    lines: list[str] = []
    with pytest.raises(BuildFailed) as error:
        await build(source, base=BASE, to=tmp_path / "images/new", tell=lines.append)
    told = str(error.value)
    assert told.startswith("this step ended with exit code 7: seq 1 30; echo wrong >&2; exit 7\n12\n")
    assert told.endswith("\n30\nwrong")
    assert "never" not in lines
    assert os.listdir(tmp_path / "images") == []


async def test_a_build_that_takes_too_long_ends_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    source = recipe(tmp_path / "r", 'run = ["sleep 1000"]')
    with pytest.raises(BuildFailed, match="longer than 3 s"):
        await build(source, base=BASE, to=tmp_path / "images/new", time_limit_s=3)
    assert os.listdir(tmp_path / "images") == []


async def test_a_build_that_is_cancelled_while_it_copies_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    source = layer(tmp_path / "source", {"workspace/x": "x"})
    with (source / "workspace/large").open("wb") as file:
        file.truncate(8 << 30)
    begun = asyncio.ensure_future(build(source, base=BASE, to=tmp_path / "images/new"))
    await asyncio.sleep(0.1)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert os.listdir(tmp_path / "images") == []


async def test_a_build_reaches_neither_this_machine_nor_its_network(tmp_path: Path) -> None:
    text = 'run = ["curl -sSp -x $http_proxy http://192.168.1.1/ || true", "curl -sS http://127.0.0.1:1/ || true"]'
    lines: list[str] = []
    await build(recipe(tmp_path / "r", text), base=BASE, to=tmp_path / "new", tell=lines.append)
    assert [line[:9] for line in lines if line.startswith("curl: ")] == ["curl: (56", "curl: (7)"]
    assert "403" in "".join(lines)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("dpkg-deb") or not shutil.which("apt-get"), reason="this is no Debian")
async def test_packages_of_the_system_and_of_python_are_installed_from_files(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    await debian_package(
        layer(folder / "deb", {"usr/bin/agentbay-mine": "#!/bin/sh\necho mine\n"}), folder / "mine.deb"
    )
    wheel(folder / "mine-1.0-py3-none-any.whl")
    source = recipe(folder, 'packages = ["./mine.deb"]\npython = ["./mine-1.0-py3-none-any.whl"]')
    try:
        built = await build(source, base=BASE, to=tmp_path / "new")
    except BuildFailed as error:
        if "needs pip" in str(error):
            pytest.skip(str(error))
        raise
    async with running() as engine:
        box = await engine.create(image(*built.layers))
        shown = (
            "agentbay-mine; cat /var/lib/mine/made; python3 -c 'import mine; print(mine.NAME)'; dpkg -s agentbay-mine"
        )
        assert (await said(box, shown)).startswith("mine\nmade by root\nwheel\nPackage: agentbay-mine\n")
    names = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*")}
    assert not names & {"workspace", "var/log", "var/cache", "etc/shadow", "etc/passwd", "usr/sbin/policy-rc.d"}


async def debian_package(folder: Path, to: Path) -> None:
    (folder / "usr/bin/agentbay-mine").chmod(0o755)
    control = "Package: agentbay-mine\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: a\n"
    layer(folder / "DEBIAN", {"control": control, "postinst": POSTINST})
    (folder / "DEBIAN/postinst").chmod(0o755)
    (folder / "DEBIAN").chmod(0o755)
    packing = await asyncio.create_subprocess_exec(
        "dpkg-deb", "--build", str(folder), str(to), stdout=asyncio.subprocess.DEVNULL
    )
    assert await packing.wait() == 0


POSTINST = """#!/bin/sh
set -e
mkdir -p /var/lib/mine
echo "made by $(id -un)" >/var/lib/mine/made
chown nobody /var/lib/mine/made
"""


def wheel(path: Path) -> None:
    facts = "mine-1.0.dist-info"
    files = {
        "mine.py": "NAME = 'wheel'\n",
        f"{facts}/METADATA": "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{facts}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)


UNFIT = {
    "base = ": "it is not TOML",
    'bas = "x"': "has 'bas', which recipes do not know: they have base,",
    "base = 1": "base has to be a text, and is 1",
    'packages = "jq"': "packages has to be a list of texts",
    'packages = ["--allow"]': "'--allow', which is an option and no package",
    'packages = ["jq; rm"]': "which is no package's name",
    'python = ["./no.whl"]': "no.whl is no file",
    'node = ["-g"]': "'-g', which is an option",
    'run = [""]': "run has to be a list of texts",
    'files = "x"': "files has to be a list such as",
    'files = [{ from = "x" }]': "each of files has `from` and `to`, and one has from",
    'files = [{ from = "no", to = "/workspace/x" }]': "/no does not exist",
    'files = [{ from = ".", to = "workspace/x" }]': "'workspace/x' has to be an absolute path",
    'files = [{ from = ".", to = "/workspace/../etc" }]': "has to be an absolute path without . and ..",
    'files = [{ from = ".", to = "/root/x" }]': "is in no folder that images have: /usr, /etc",
    "env = { A = 1 }": "env has to be a table of texts",
    'env = { "A B" = "1" }': "'A B', which is no variable",
}


@pytest.mark.parametrize("text", UNFIT)
def test_a_recipe_with_a_mistake_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnfitSource) as error:
        read_recipe(recipe(tmp_path / "r", text))
    assert str(error.value).startswith(f"{tmp_path}/r/recipe.toml")
    assert UNFIT[text] in str(error.value)
