"""The work: a runtime, a session, data in, analysis, results out."""

from __future__ import annotations

import csv
import hashlib
import io
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping

from agentbay import CreateSessionParams
from agentbay_local.demo.scene import DATA, Scene, Step, check, inside, shipped

__all__ = ["WORK"]

TABLE = "by_latitude.csv"
PLOT = "day_length.png"
PNG = b"\x89PNG\r\n\x1a\n"


def start(scene: Scene) -> str:
    page = scene.client.list(limit=1).unwrap()
    check(page.session_ids == [], f"a new runtime already has sessions: {page.session_ids}")
    return "a child process serves on loopback; no key, no cloud, no container"


def open_session(scene: Scene) -> str:
    scene.session = scene.client.create(CreateSessionParams(image_id="code_latest")).unwrap().session
    status = scene.session.get_status().unwrap().status
    check(status == "RUNNING", f"the session is {status}")
    host, user, python = scene.shell("hostname; id -un; python3 --version").splitlines()
    return f"{scene.session.session_id}: {user}@{host}, {python}"


def upload(scene: Scene) -> str:
    text = shipped()
    path = f"/workspace/{DATA}"
    scene.session.file_system.write_file(path, text).unwrap()
    theirs = scene.shell(f"sha256sum {path}").partition(" ")[0]
    ours = hashlib.sha256(text.encode()).hexdigest()
    check(theirs == ours, f"{path} is not what was sent: sha256 {theirs} instead of {ours}")
    return f"{path}: {len(text.encode()):,} bytes, {len(list(_rows(text))):,} rows, same sha256 on both sides"


def analyse(scene: Scene) -> str:
    began = time.monotonic()
    result = scene.session.code.run_code(inside("analyse.py"), "python", timeout_s=60).unwrap()
    took = time.monotonic() - began
    forms = [form for item in result.results if item.is_main_result for form in item.formats()]
    check("html" in forms, "the table did not come back as the value of the last line")
    return f"pandas and matplotlib ran for {took:.1f} s; the last line's value came as {' and '.join(forms)}"


def bring_back(scene: Scene) -> str:
    table = scene.session.file_system.read_file(f"/workspace/{TABLE}").unwrap().content
    plot = scene.session.file_system.read_file(f"/workspace/{PLOT}", format="bytes").unwrap().content
    width, height = _picture(plot)
    scene.table = list(csv.reader(io.StringIO(table)))
    _compare(scene.table, shipped())
    scene.folder.mkdir(exist_ok=True)
    (scene.folder / TABLE).write_text(table, "utf-8")
    (scene.folder / PLOT).write_bytes(plot)
    return f"{TABLE} ({len(scene.table) - 1} rows, each checked) and {PLOT} ({width} x {height}) are in {scene.folder}/"


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


def _compare(table: list[list[str]], text: str) -> None:
    """Computes shortest, longest and mean day again, out here and without pandas."""
    hours: dict[str, list[float]] = defaultdict(list)
    for row in _rows(text):
        hours[row["latitude"]].append(float(row["day_length_h"]))
    check({row[0] for row in table[1:]} == set(hours), "the table does not have each latitude once")
    for latitude, *cells in table[1:]:
        own = hours[latitude]
        wanted = (min(own), max(own), sum(own) / len(own))
        close = all(abs(float(cell) - value) < 0.001 for cell, value in zip(cells, wanted, strict=False))
        check(close, f"the table's row for latitude {latitude} is wrong: {cells}, not {wanted}")


def _picture(data: bytes) -> tuple[int, int]:
    """Width and height of a complete PNG; every part of it has to match its checksum."""
    check(data.startswith(PNG), "the plot is not a PNG file")
    name, place = b"", len(PNG)
    while name != b"IEND":
        check(place + 12 <= len(data), "the plot is cut short")
        length, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        body, place = data[place + 4 : place + 8 + length], place + 12 + length
        check(zlib.crc32(body).to_bytes(4) == data[place - 4 : place], f"part {name!r} of the plot is damaged")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


WORK = (
    Step("Start the local runtime", start),
    Step("Open a session", open_session),
    Step("Upload a data file", upload),
    Step("Analyse it inside", analyse),
    Step("Bring back the results", bring_back),
)
