"""Files and directories to and from a session of the runtime."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from agentbay import AsyncSession
from tests._async.both.doors import FOLDER

# What is sent is compared in test_file_transfer.py; the mocked server has no store.
pytestmark = pytest.mark.parametrize("door", ["link"], indirect=True)


async def place(session: AsyncSession) -> str:
    """A folder that nobody has used yet: what was sent once is in the store until the session ends."""
    base = await session.file_system.get_file_transfer_context_path()
    assert base is not None
    return f"{base}{uuid.uuid4()}"


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
async def test_a_file_goes_there_and_back(session: AsyncSession, tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(data[:size])
    remote, told = await place(session) + "/file.bin", list[int]()
    sent = await session.file_system.upload_file(str(tmp_path / "file"), remote, progress_cb=told.append)
    assert (True, size, None) == (sent.success, sent.bytes_sent, sent.error_message)
    assert size == (told[-1] if told else 0)
    read = await session.file_system.read_file(remote, format="bytes")
    assert data[:size] == read.content
    got = await session.file_system.download_file(remote, str(tmp_path / "copy"))
    assert (True, size) == (got.success, got.bytes_received)
    assert data[:size] == (tmp_path / "copy").read_bytes()


async def test_a_download_has_what_the_session_wrote_last(session: AsyncSession, tmp_path: Path) -> None:
    remote = await place(session) + "/log"
    for text in ("first", "second"):
        await session.command.run(f"mkdir -p $(dirname {remote}); printf {text} > {remote}")
        assert (await session.file_system.download_file(remote, str(tmp_path / "log"))).success
        assert text == (tmp_path / "log").read_text()


async def test_a_path_elsewhere_in_the_session_will_do(session: AsyncSession, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert (await session.file_system.upload_file(str(tmp_path / "a"), f"{FOLDER}/new/a")).success
    assert "x" == (await session.file_system.read_file(f"{FOLDER}/new/a")).content
    assert (await session.file_system.download_file("/etc/hostname", str(tmp_path / "b"))).success is False
    assert (await session.file_system.download_file("/etc/hosts", str(tmp_path / "b"))).success


async def test_a_missing_file_is_a_failure(session: AsyncSession, tmp_path: Path) -> None:
    remote = await place(session) + "/missing"
    got = await session.file_system.download_file(remote, str(tmp_path / "a"))
    assert (False, True) == (got.success, "No such file or directory" in (got.error_message or ""))
    assert [] == os.listdir(tmp_path)


async def test_a_file_that_cannot_be_there_is_a_failure(session: AsyncSession, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    sent = await session.file_system.upload_file(str(tmp_path / "a"), "/usr/a")
    assert (False, True) == (sent.success, "cannot be written" in (sent.error_message or ""))


async def test_a_directory_goes_there_and_back(session: AsyncSession, tmp_path: Path) -> None:
    files = {"src/main.py": "1", "src/deep/er/x y.py": "2", "README.md": "3", "notes.log": "4", "ü/ä.py": "5"}
    for name, text in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text)
    remote = await place(session)
    up = await session.file_system.upload_directory(str(tmp_path / "in"), remote, exclude=["*.log"])
    assert (True, sorted(set(files) - {"notes.log"}), {}) == (up.success, up.files, up.failures)
    seen = await session.command.run(
        f"cd {remote}; find . -type f | sort; cat 'src/deep/er/x y.py'; echo new > src/new.py"
    )
    assert "./README.md\n./src/deep/er/x y.py\n./src/main.py\n./ü/ä.py\n2" == seen.stdout
    down = await session.file_system.download_directory(remote, str(tmp_path / "out"), include=["*.py"])
    assert (True, ["src/deep/er/x y.py", "src/main.py", "src/new.py", "ü/ä.py"]) == (down.success, down.files)
    assert "5" == (tmp_path / "out" / "ü" / "ä.py").read_text()


async def test_many_small_files_go_there_and_back(session: AsyncSession, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / "in" / f"d{number % 7}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / f"d{number % 7}" / f"{number}").write_text(str(number))
    remote = await place(session)
    up = await session.file_system.upload_directory(str(tmp_path / "in"), remote, concurrency=8)
    down = await session.file_system.download_directory(remote, str(tmp_path / "out"), concurrency=8)
    assert (True, True, 200) == (up.success, down.success, len(down.files))
    assert "123" == (tmp_path / "out" / "d4" / "123").read_text()
