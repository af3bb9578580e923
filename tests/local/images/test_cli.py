"""`agentbay image`: what it makes, shows and says, and with which exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbay.cli import main
from agentbay_local.images.store import Images
from tests.local.conftest import environment
from tests.local.images.conftest import Place

Said = tuple[int, str, str]
Run = Callable[..., Said]


@pytest.fixture
def image(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `agentbay image` on a data folder of its own; gives its exit code, its output and its complaints."""
    monkeypatch.setenv("AGENTBAY_DATA", str(tmp_path / "data"))
    for name in ("AGENTBAY_ENDPOINT", "AGENTBAY_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str | Path) -> Said:
        code = main(["image", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Something to build an image from."""
    made = tmp_path / "seed"
    for place, text in (("usr/local/bin/hello", "#!/bin/sh\necho hello\n"), ("home/wuying/note", "a note\n")):
        (made / place).parent.mkdir(parents=True)
        (made / place).write_text(text)
        (made / place).chmod(0o755)
    return made


def test_help_has_examples_for_each_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["image", "--help"])
    out = capsys.readouterr().out
    assert (ended.value.code, [f"agentbay image {verb}" in out for verb in ("build", "snapshot", "ls")]) == (
        0,
        [True] * 3,
    )


@pytest.mark.parametrize("words", [[], ["make"], ["build", "x"], ["snapshot", "x"], ["rm"]])
def test_what_makes_no_sense_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["image", *words])
    assert (ended.value.code, "usage: agentbay image" in capsys.readouterr().err) == (2, True)


def test_without_images_it_says_how_to_make_one(image: Run) -> None:
    code, out, err = image("ls")
    assert (code, "agentbay image build" in out, err) == (0, True, "")


def test_an_image_is_built_shown_and_removed(image: Run, folder: Path, tmp_path: Path) -> None:
    built = image("build", "first", "--from", folder)
    over = image("build", "second", "--from", folder, "--base", "first")
    assert (built[0], over[0], "first is built: " in built[1]) == (0, 0, True)
    code, out, _ = image("ls")
    assert (code, [line.split()[:2] for line in out.splitlines()[1:3]]) == (
        0,
        [["first", "linux_latest"], ["second", "linux_latest"]],
    )
    assert out.splitlines()[0].split() == ["NAME", "LIKE", "SIZE", "CREATED", "FROM"]
    assert "2 images, " in out.splitlines()[-1]
    told = json.loads(image("ls", "--json")[1])
    names = [(each["name"], each["source"], len(each["layers"])) for each in told["images"]]
    assert names == [("first", "seed", 2), ("second", "seed", 4)]
    assert 0 < told["used"] < told["free"]
    assert image("rm", "first") == (
        0,
        "first is removed. Its files stay until the sessions and images that use them are gone.\n",
        "",
    )
    assert image("rm", "second") == (0, "second is removed.\n", "")
    assert os.listdir(tmp_path / "data" / "images" / "layers") == []
    assert os.listdir(tmp_path / "data" / "images" / "runtimes") == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["build", "x_latest", "--from", "."], "cannot be the name of an image"),
        (["build", "a b", "--from", "."], "cannot be the name of an image"),
        (["build", "x", "--from", "nothing-here"], "nothing-here does not exist"),
        (["build", "x", "--from", ".", "--base", "none"], "the image none is not offered"),
        (["build", "x", "--from", ".", "--base", "mobile_latest"], "Phones are offered by the cloud"),
        (["rm", "none", "nil"], "there is no image none, nil; `agentbay image ls` names"),
        (["snapshot", "session-x", "x"], "--endpoint is missing, and AGENTBAY_ENDPOINT is not set"),
        (
            ["snapshot", "session-x", "x", "--endpoint", "http://127.0.0.1:9"],
            "--api-key is missing, and AGENTBAY_API_KEY",
        ),
        (["snapshot", "session-x", "x", "--endpoint", "127.0.0.1:9", "--api-key", "k"], "begins with http://"),
        (["snapshot", "session-x", "x", "--endpoint", "http://127.0.0.1:9", "--api-key", "k"], "gave no usable answer"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(image: Run, words: list[str], why: str, tmp_path: Path) -> None:
    code, out, err = image(*words)
    assert (code, out, err.count("\n"), why in err, err.startswith("agentbay image: ")) == (1, "", 1, True, True)
    layers = tmp_path / "data" / "images" / "layers"
    assert not layers.exists() or os.listdir(layers) == []


def test_a_name_that_is_taken_needs_the_word_replace(image: Run, folder: Path) -> None:
    image("build", "tools", "--from", folder)
    code, out, err = image("build", "tools", "--from", folder)
    assert (code, out, "There is an image tools already: choose another name, replace it (--replace)" in err) == (
        1,
        "",
        True,
    )
    assert image("build", "tools", "--from", folder, "--replace")[0] == 0


def test_a_folder_that_cannot_be_used_is_told(image: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    code, _, err = image("build", "tools", "--from", folder)
    assert (code, "choose another with --data or AGENTBAY_DATA" in err) == (1, True)


@pytest.mark.slow
def test_a_recipe_that_fails_says_which_step_and_leaves_nothing(image: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('run = ["echo on the way", "echo broken; exit 7"]')
    code, out, err = image("build", "tools", "--from", recipe)
    assert (code, "on the way" in out, "exit 7" in err) == (1, True, True)
    assert os.listdir(tmp_path / "data" / "images" / "layers") == []


@pytest.mark.slow
def test_a_build_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('run = ["echo begun", "sleep 100"]')
    command = [sys.executable, "-m", "agentbay_local", "image", "build", "tools", "--from", str(recipe)]
    variables = environment() | {"AGENTBAY_DATA": str(tmp_path / "data")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables, text=True
    ) as building:
        assert building.stdout is not None
        while building.stdout.readline() != "begun\n":
            assert building.poll() is None
        building.send_signal(signal.SIGINT)
        _, complaints = building.communicate(timeout=30)
    assert (building.returncode, complaints) == (130, "agentbay image: interrupted; nothing was made\n")
    assert os.listdir(tmp_path / "data" / "images" / "layers") == []


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_nothing_for_long(image: Run, folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('run = ["echo begun", "sleep 100"]')
    command = [sys.executable, "-m", "agentbay_local", "image", "build", "tools", "--from", str(recipe)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=environment() | {"AGENTBAY_DATA": str(tmp_path / "data")}, text=True
    ) as building:
        assert building.stdout is not None
        while building.stdout.readline() != "begun\n":
            assert building.poll() is None
        building.kill()
    layers = tmp_path / "data" / "images" / "layers"
    assert len(os.listdir(layers)) == 1
    for _ in range(100):  # its programs end with it, a moment later
        if image("build", "other", "--from", folder, "--replace")[0] == 0 and len(os.listdir(layers)) == 1:
            break
        time.sleep(0.05)
    assert len(os.listdir(layers)) == 1


async def test_sessions_have_what_was_built(place: Place, folder: Path) -> None:
    data = ["--data", str(place.images.parent)]
    assert await asyncio.to_thread(main, ["image", "build", "tools", "--from", str(folder), *data]) == 0
    session = await place.create("tools")
    assert await place.says(session, "hello; cat ~/note") == "hello\na note\n"


async def test_a_session_is_kept_by_its_id(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    session = await place.create()
    await place.says(session, "echo here >~/file")
    where = ["--endpoint", f"{place.runtime.endpoint}/", "--api-key", place.api.key]
    assert await asyncio.to_thread(main, ["image", "snapshot", session, "ready", *where]) == 0
    assert capsys.readouterr().out.startswith(f"ready is made of {session}: ")
    assert await asyncio.to_thread(main, ["image", "snapshot", session, "ready", *where]) == 1
    assert await asyncio.to_thread(main, ["image", "snapshot", "session-x", "other", *where]) == 1
    said = capsys.readouterr().err.splitlines()
    assert ["Image.AlreadyExists" in said[0], "InvalidMcpSession.NotFound" in said[1]] == [True, True]
    assert await place.says(await place.create("ready"), "cat ~/file") == "here\n"
    assert [each.name for each in Images(place.images).all()] == ["ready"]
