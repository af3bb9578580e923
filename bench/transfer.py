"""Measures files on their way to and from a store: time, and how much more memory they take than before.

    python -m bench.transfer [--size MIB] [--files N]

One file of `--size` MiB (1024), then a directory of `--files` files (5000), each there and back, in both colours.
Service and store are another process of this machine, so that the memory is the client's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import http.server
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from agentbay import AgentBay, AsyncAgentBay
from agentbay._async.session import AsyncSession
from agentbay._sync.session import Session

PIECE = bytes(256 * 1024)
LARGE = "/large"
TREE = "/tree"

# ---- the other side --------------------------------------------------------------------------------------------------


class Service(http.server.BaseHTTPRequestHandler):
    """The actions that a transfer needs, and the store itself, which keeps small files only."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    sizes: dict[str, int] = {}  # noqa: RUF012  (one server, one store)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_PUT(self) -> None:
        left = size = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read1(min(left, len(PIECE))))
        self.sizes[unquote(self.path)] = size
        self.answer(b"")

    def do_GET(self) -> None:
        left = self.sizes[unquote(self.path)]
        self.head(left)
        while left:
            left -= self.wfile.write(PIECE[:left])

    def do_POST(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(json.dumps({"Code": "ok", "Success": True, "RequestId": "r", **self.told(query, form)}).encode())

    def told(self, query: dict[str, list[str]], form: dict[str, list[str]]) -> dict[str, Any]:
        match query["Action"][0]:
            case "GetAndLoadInternalContext":
                return {"Data": [{"ContextId": "c", "ContextPath": "/"}]}
            case "GetContextFileUploadUrl" | "GetContextFileDownloadUrl":
                return {"Data": {"Url": f"http://{self.headers['Host']}{quote(form['FilePath'][0])}"}}
            case "DescribeContextFiles":
                return self.listing(form["ParentFolderPath"][0] + "/", int(query.get("NextToken", ["0"])[0]))
        return {}

    def listing(self, folder: str, start: int) -> dict[str, Any]:
        paths = [path.removeprefix(folder).partition("/") for path in self.sizes if path.startswith(folder)]
        kinds = sorted({(name, "FOLDER" if cut else "FILE") for name, cut, _ in paths})
        page = [{"FilePath": folder + name, "FileType": kind} for name, kind in kinds[start : start + 100]]
        return {"Data": page, "NextToken": str(start + 100) if start + 100 < len(kinds) else ""}

    def answer(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body)

    def head(self, length: int) -> None:
        self.send_response_only(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def serve() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    print(server.server_port, flush=True)
    server.serve_forever()


# ---- this side -------------------------------------------------------------------------------------------------------


def memory(name: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at most since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def measured(what: str, amount: str, function: Callable[[], Any]) -> None:
    """Runs it and prints seconds and extra memory."""
    Path("/proc/self/clear_refs").write_text("5")
    before, began = memory("VmRSS"), time.perf_counter()
    result = function()
    seconds = time.perf_counter() - began
    result.unwrap()
    print(f"{what:<16}{amount:>12}{seconds:>9.1f} s{memory('VmHWM') - before:>10.1f} MiB more at most", flush=True)


def all_of(colour: str, call: Callable[[Any], Any], session: Any, folder: Path, size: int, files: int) -> None:
    """Every transfer of one colour; `call` gives a call's result."""
    fs, amount, number = session.fs, f"{size} MiB", f"{files} files"
    large, tree = folder / "large", folder / "tree"
    measured(f"{colour} up", amount, lambda: call(fs.upload_file(large, LARGE, wait=False)))
    measured(f"{colour} down", amount, lambda: call(fs.download_file(LARGE, folder / "back", wait=False)))
    measured(f"{colour} up", number, lambda: call(fs.upload_directory(tree, TREE, wait=False)))
    measured(f"{colour} down", number, lambda: call(fs.download_directory(TREE, folder / f"{colour}s", wait=False)))
    assert (folder / "back").stat().st_size == size * 1024**2
    assert sum(path.is_file() for path in (folder / f"{colour}s").rglob("*")) == files


def prepare(folder: Path, size: int, files: int) -> None:
    with (folder / "large").open("wb") as large:
        large.truncate(size * 1024**2)
    for number in range(files):
        path = folder / "tree" / f"{number % 100}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n")


async def asynchronous(url: str, folder: Path, size: int, files: int) -> None:
    loop = asyncio.get_running_loop()

    def call(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async with AsyncAgentBay("k", endpoint=url, engine="pool") as client:
        await asyncio.to_thread(all_of, "async", call, AsyncSession(client, "s"), folder, size, files)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.transfer", description="Measures transfers of files.")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="size of the large file (1024)")
    parser.add_argument("--files", type=int, default=5000, metavar="N", help="files in the directory (5000)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        serve()
        return
    command = [sys.executable, "-m", "bench.transfer", "--serve"]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        url = f"http://127.0.0.1:{other.stdout.readline().strip()}"
        try:
            prepare(Path(name), wanted.size, wanted.files)
            with AgentBay("k", endpoint=url, engine="pool") as client:
                all_of("sync", lambda result: result, Session(client, "s"), Path(name), wanted.size, wanted.files)
            asyncio.run(asynchronous(url, Path(name), wanted.size, wanted.files))
        finally:
            other.terminate()


if __name__ == "__main__":
    main()
