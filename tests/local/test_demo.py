"""The demo: it really runs, its checks really fail when something is wrong, and nothing is left of it."""

from __future__ import annotations

import csv
import io
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from math import acos, cos, degrees, pi, radians, sin
from pathlib import Path

import pytest

from agentbay_local import demo
from agentbay_local.demo import proofs, report, scene, steps
from agentbay_local.demo.scene import CheckFailed

DEMO = [sys.executable, "-c", "import sys; from agentbay_local.demo import main; sys.exit(main(sys.argv[1:]))"]
TITLES = [step.title for step in (*steps.WORK, *proofs.PROOFS, proofs.END)]


def play(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo as a program of its own."""
    environment = os.environ | {"COLUMNS": "110"} | variables
    return subprocess.run(
        [*DEMO, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=55, check=False
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One run for all tests that only look at what came of it; a second one where the first failed, and is shown."""
    folder = tmp_path_factory.mktemp("demo")
    done = play(folder)
    if done.returncode:  # a test that is tried again would only see the same run again
        print(done.stdout, done.stderr)
        folder = tmp_path_factory.mktemp("again")
        done = play(folder)
    return folder, done


def test_every_step_holds_and_is_shown_with_its_time(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = played
    shown = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "FAILED"))]
    assert (0, "") == (done.returncode, done.stderr)
    assert TITLES == [line.partition(" s  ")[2].partition(":")[0] for line in shown]
    assert all(float(line.split()[1]) >= 0 for line in shown)


def test_the_results_are_in_the_current_folder(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = played
    assert ["by_latitude.csv", "day_length.png"] == sorted(path.name for path in (folder / "agentbay-demo").iterdir())
    assert (folder / "agentbay-demo" / "day_length.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_is_printed_as_it_was_written(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = played
    written = list(csv.reader(io.StringIO((folder / "agentbay-demo" / "by_latitude.csv").read_text("utf-8"))))
    printed = [line.split() for line in done.stdout.splitlines()]
    assert [True] * 18 == [row in printed for row in written]


def test_no_canary_is_left(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    del played
    assert [] == canaries()


def canaries() -> list[Path]:
    places = (Path.home(), Path(tempfile.gettempdir()))
    return [path for place in places for path in place.glob(".agentbay-demo-canary-*")]


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "110", "TERM": "xterm", "NO_COLOR": "1", "AGENTBAY_BWRAP": "/nowhere/bwrap"}
    done = subprocess.run([*DEMO], cwd=tmp_path, env=environment, stdout=theirs, timeout=30, check=False)
    os.close(theirs)
    shown = b"".join(read_all(ours)).decode()
    assert 2 == done.returncode
    assert ["┌", "│", "├"] == [line[0] for line in shown.splitlines()[:3]]
    assert "✘ │ Start the local runtime" in shown


def read_all(descriptor: int) -> Iterator[bytes]:
    """Reads a terminal whose other side is closed."""
    try:
        while data := os.read(descriptor, 4096):
            yield data
    except OSError:
        os.close(descriptor)


def test_a_machine_without_sandboxes_is_told_why(tmp_path: Path) -> None:
    done = play(tmp_path, AGENTBAY_BWRAP="/nowhere/bwrap")
    assert (2, "") == (done.returncode, done.stderr)
    assert "Sandboxes cannot run here." in done.stdout
    assert "agentbay doctor" in done.stdout
    assert not (tmp_path / "agentbay-demo").exists()


def test_missing_parts_are_named_with_the_line_that_brings_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "NEEDED", ("aiohttp", "surely_not_there"))
    assert 2 == demo.main([])
    assert "agentbay demo needs surely_not_there: pip install 'agentbay-sdk[local,data]'\n" == capsys.readouterr().out


@pytest.mark.slow
def test_a_failing_step_is_named_and_everything_is_still_deleted(tmp_path: Path) -> None:
    (tmp_path / "agentbay-demo").write_text("a file where the folder should be")
    done = play(tmp_path)
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED")]
    assert 1 == done.returncode
    assert ["Bring back the results"] == [line.partition(" s  ")[2].partition(":")[0] for line in failed]
    assert "Delete everything" in lines[lines.index(failed[0]) + 1]


@pytest.mark.slow
@pytest.mark.parametrize("after", ["Start the local runtime", "Upload a data file", "Serve a page from inside"])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, after: str) -> None:
    with subprocess.Popen(DEMO, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next((line for line in process.stdout if after in line), "")
        process.send_signal(signal.SIGINT)
        last = process.stdout.read()
        process.wait(30)
    assert 130 == process.returncode
    assert "Interrupted" in last
    assert [] == canaries()
    assert gone(process.pid)


def gone(parent: int) -> bool:
    """Waits until no runtime of this parent is left."""
    end = time.monotonic() + 10
    while runtimes(parent) and time.monotonic() < end:
        time.sleep(0.05)
    return not runtimes(parent)


def runtimes(parent: int) -> list[str]:
    wanted = f"--parent\0{parent}\0"
    return [text for path in Path("/proc").glob("[0-9]*/cmdline") if wanted in (text := read_quietly(path))]


def read_quietly(path: Path) -> str:
    """A file of a process that may end meanwhile."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


# The data


def declination(day: int) -> float:
    """The sun's declination in radians, as the data file's header gives it."""
    g = 2 * pi * (day - 1) / 365
    terms = (0.006918, -0.399912 * cos(g), 0.070257 * sin(g), -0.006758 * cos(2 * g), 0.000907 * sin(2 * g))
    return sum(terms) - 0.002697 * cos(3 * g) + 0.00148 * sin(3 * g)


def day_length(latitude: float, day: int) -> float:
    """Hours."""
    p, d = radians(latitude), declination(day)
    cosine = (sin(radians(-0.833)) - sin(p) * sin(d)) / (cos(p) * cos(d))
    return 24 / pi * acos(min(1.0, max(-1.0, cosine)))


def test_the_data_is_what_its_header_says() -> None:
    rows = list(csv.DictReader(line for line in scene.shipped().splitlines() if not line.startswith("#")))
    wanted = [
        {
            "latitude": str(latitude),
            "day": str(day),
            "day_length_h": f"{day_length(latitude, day):.4f}",
            "noon_height_deg": f"{90 - abs(latitude - degrees(declination(day))):.3f}",
        }
        for latitude in range(-80, 81, 10)
        for day in range(1, 366, 5)
    ]
    assert wanted == rows


# The checks


def test_a_wrong_table_is_noticed() -> None:
    text = "latitude,day,day_length_h\n0,1,12.0\n0,2,14.0\n"
    head = ["latitude", "shortest_h", "longest_h", "mean_h"]
    steps._compare([head, ["0", "12.000", "14.000", "13.000"]], text)
    with pytest.raises(CheckFailed, match="latitude 0 is wrong"):
        steps._compare([head, ["0", "12.000", "14.000", "13.100"]], text)
    with pytest.raises(CheckFailed, match="each latitude once"):
        steps._compare([head], text)


@pytest.mark.parametrize("damage", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(17)])
def test_a_damaged_plot_is_noticed(damage: bytes) -> None:
    with pytest.raises(CheckFailed, match="plot"):
        steps._picture(damage)


# The table


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_long_text_goes_on_in_the_next_row() -> None:
    out = Terminal()
    table = report.Table(out, width=60, colour=False)
    table.open(["Short", "A longer title"])
    table.end("Short", "one two three four five six seven eight", 1.5, held=True)
    table.close()
    wide = {len(line) for line in out.getvalue().replace(report.CLEAR_LINE, "").splitlines()}
    assert 1 == len(wide)
    assert "│ ✔ │ Short          │ one two three four" in out.getvalue()


def test_a_terminal_that_does_not_know_the_signs_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    assert [report.Table, report.Lines] == [
        type(report.make_report(out=terminal)) for terminal in (Terminal(), PlainTerminal())
    ]


class PlainTerminal(Terminal):
    encoding = "ascii"
