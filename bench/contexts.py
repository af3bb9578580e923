"""Measures contexts of the local runtime: one file by its address, and syncs of sessions, beside bare copies.

    python -m bench.contexts [--size MIB] [--files N]

A file of `--size` MiB (2048) is put and got; then it, and `--files` small files (5000), go from a session to a context
and from there to another session. Beside each: `cp` of the same to the same disk, brought there (sync), or a tar of it.
All share the processors, so that figures of one run compare with each other only.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from agentbay import AgentBay, ContextSync, CreateSessionParams, Session

PIECE = os.urandom(1 << 20)
PLACE = "/workspace/kept"


@frozen
class Server:
    """A runtime of its own, and its data folder."""

    client: AgentBay
    process: int
    data: Path

    def memory(self, name: str = "VmRSS") -> float:
        """MiB of the server itself: now, or by VmHWM at most since the last reset."""
        text = Path(f"/proc/{self.process}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+)", text)[0]) / 1024


@contextmanager
def server(data: Path, size: int) -> Iterator[Server]:
    room, largest = f"{2 * size + 1024}M", f"{size + 1}M"
    command = [
        sys.executable,
        "-m",
        "agentbay_local",
        "serve",
        "--quiet",
        "--parent",
        str(os.getpid()),
        "--data",
        str(data),
    ]
    with subprocess.Popen(
        [*command, "--workspace", room, "--file-size", largest], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        endpoint, key = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
        try:
            with AgentBay(key, endpoint=endpoint) as client:
                yield Server(client, process.pid, data)
        finally:
            process.terminate()


def measured(what: str, mib: float, work: Callable[[], object], told: Server | None = None) -> None:
    """Does it, and prints seconds, MiB per second, and how much more memory the server took."""
    if told:
        Path(f"/proc/{told.process}/clear_refs").write_text("5")
    before, begun = told.memory() if told else 0.0, time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    more = f"{told.memory('VmHWM') - before:>8.1f} MiB more at most" if told else ""
    print(f"{what:<28}{seconds:>8.2f} s{mib / seconds:>10.0f} MiB/s{more}", flush=True)


# ---- One file by its address -----------------------------------------------------------------------------------------


def pieces(size: int) -> Iterator[bytes]:
    """Each is another one, so that nothing can be kept once only."""
    for number in range(size):
        yield number.to_bytes(8) + PIECE[8:]


def put(url: str, size: int) -> None:
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc)
    head = {"Content-Length": str(size << 20)}
    connection.request("PUT", f"{place.path}?{place.query}", body=pieces(size), headers=head)
    assert connection.getresponse().status == 200
    connection.close()


def get(url: str, size: int) -> None:
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc)
    connection.request("GET", f"{place.path}?{place.query}")
    answer, room, count = connection.getresponse(), memoryview(bytearray(1 << 20)), 0
    while part := answer.readinto(room):
        count += part
    assert count == size << 20
    connection.close()


def write_bare(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.writelines(pieces(size))
        file.flush()
        os.fsync(file.fileno())


def by_address(there: Server, size: int) -> None:
    service = there.client.context
    context = service.get("address", create=True).unwrap().context_id
    bare = there.data.with_name("bare")
    measured("write and flush, bare", size, lambda: write_bare(bare, size))
    bare.unlink()
    url = service.get_file_upload_url(context, "/large").unwrap().url
    measured("PUT", size, lambda: put(url, size), there)
    address = service.get_file_download_url(context, "/large").unwrap().url
    measured("GET", size, lambda: get(address, size), there)
    service.delete_file(context, "/large").unwrap()


# ---- Syncs -----------------------------------------------------------------------------------------------------------


def opened(there: Server, context: str) -> Session:
    """A session that has the context's files, once they are there."""
    params = CreateSessionParams(context_syncs=[ContextSync(context, PLACE)])
    return there.client.create(params).unwrap().session


def by_sync(there: Server, what: str, make: str, mib: float) -> None:
    """Files that a session makes go to a context, and to another session."""
    context = there.client.context.get(what, create=True).unwrap().context_id
    with opened(there, context) as session:
        assert session.command.execute_command(f"cd {PLACE}; {make}", timeout_ms=600_000).unwrap().exit_code == 0
        measured(f"{what}, up", mib, lambda: session.context.sync(context, mode="upload").unwrap(), there)
        measured(f"{what}, up again", mib, lambda: session.context.sync(context, mode="upload").unwrap(), there)
    with tempfile.TemporaryDirectory(dir=there.data.parent) as folder:
        subprocess.run(["sh", "-c", f"mkdir {folder}/a; cd {folder}/a; {make}; sync"], check=True)
        measured(f"{what}, cp and sync", mib, lambda: bare(f"cp -a {folder}/a {folder}/b; sync {folder}/b/*"))
        measured(f"{what}, tar and sync", mib, lambda: bare(f"tar -C {folder} -cf {folder}/t a; sync {folder}/t"))
    sessions: list[Session] = []
    measured(f"{what}, down", mib, lambda: sessions.append(opened(there, context)), there)
    sessions[0].delete().unwrap()
    there.client.context.delete(there.client.context.get(what).unwrap().context).unwrap()


def bare(command: str) -> None:
    subprocess.run(["bash", "-c", command], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.contexts", description="Measures contexts.")
    parser.add_argument("--size", type=int, default=2048, metavar="MIB", help="size of the large file (2048)")
    parser.add_argument("--files", type=int, default=5000, metavar="N", help="how many small ones (5000)")
    wanted = parser.parse_args()
    small = f"for n in $(seq {wanted.files}); do mkdir -p $((n % 100)); echo file $n > $((n % 100))/$n; done"
    large = f"head -c {wanted.size}M /dev/urandom > large"
    with tempfile.TemporaryDirectory() as name, server(Path(name, "data"), wanted.size) as there:
        by_address(there, wanted.size)
        by_sync(there, f"{wanted.files} files", small, wanted.files * 10 / (1 << 20))
        by_sync(there, f"{wanted.size} MiB", large, wanted.size)


if __name__ == "__main__":
    main()
