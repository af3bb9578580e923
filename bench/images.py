"""Measures images of one's own: how long a session stands still to be kept as one, and how soon its forks work.

    python -m bench.images [--rounds N] [--forks N] [--mebibytes N]

All figures are of one run on one machine; the plain sessions stand beside the forks, so that ratios mean something.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from agentbay import AgentBay, CreateSessionParams, Session
from agentbay_local.snapshots import snapshot
from bench.runtime import runtime, seconds, show

FILES = 1000
FILL = """
import os
os.makedirs("/home/wuying/tree", exist_ok=True)
for number in range({files}):
    folder = f"/home/wuying/tree/{{number % 20}}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{{folder}}/{{number}}", "wb") as file:
        file.write(os.urandom({size}))
"""


def first_command(client: AgentBay, image: str, command: str) -> float:
    """Milliseconds from the wish for a session to the output of its first command."""
    start = time.perf_counter()
    with client.create(CreateSessionParams(image_id=image)).unwrap().session as session:
        session.command.run(command).unwrap()
        return 1000 * (time.perf_counter() - start)


def fill(session: Session, mebibytes: int) -> None:
    script = FILL.format(files=FILES, size=(mebibytes << 20) // FILES)
    session.command.run(f"python3 - <<'END'\n{script}\nEND", timeout_ms=120_000).unwrap()


def longest_pause(session: Session, during: float) -> float:
    """The longest time, in milliseconds, for which a program in a session did not run, within so many seconds."""
    watch = "import time\nlast=time.monotonic()\nend=last+{during}\nmost=0.0\n"
    watch += (
        "while last<end:\n time.sleep(.002)\n now=time.monotonic()\n most=max(most,now-last)\n last=now\nprint(most)"
    )
    done = session.command.run(f"python3 -c '{watch.format(during=during)}'", timeout_ms=60_000).unwrap()
    return 1000 * float(done.output)


def taken(origin: Session) -> None:
    with ThreadPoolExecutor(1) as beside:
        pause = beside.submit(longest_pause, origin, 6.0)
        time.sleep(0.5)
        took = seconds(lambda: snapshot(origin, "image-1"))
        show("a snapshot, until it is on the disk", 1000 * took, "ms")
        show("  meanwhile its programs stood still", pause.result(), "ms")


def forked(client: AgentBay, rounds: int, forks: int) -> None:
    read = "cat ~/tree/7/7 >/dev/null"
    for image, command in (("linux_latest", "true"), ("image-1", read)):
        figures = [first_command(client, image, command) for _ in range(rounds)]
        show(f"create to first command, {image}, median", statistics.median(figures), "ms")
    with ThreadPoolExecutor(forks) as pool:
        start = time.perf_counter()
        figures = list(pool.map(lambda _: first_command(client, "image-1", read), range(forks)))
        show(f"{forks} forks at once, until the last one ended", 1000 * (time.perf_counter() - start), "ms")
        show("  of them the median", statistics.median(figures), "ms")


def measure(client: AgentBay, told: argparse.Namespace) -> None:
    with client:
        with client.create().unwrap().session as origin:
            fill(origin, told.mebibytes)
            taken(origin)
        forked(client, told.rounds, told.forks)


def main() -> int:
    """Measures everything."""
    parser = argparse.ArgumentParser(prog="python -m bench.images", description="Measures images of one's own.")
    parser.add_argument("--rounds", type=int, default=15, help="sessions per median (default 15)")
    parser.add_argument("--forks", type=int, default=20, help="forks at once (default 20)")
    parser.add_argument("--mebibytes", type=int, default=500, help="size of the snapshot (default 500)")
    told = parser.parse_args()
    print(f"a session with {FILES} files, {told.mebibytes} MiB")
    with (
        tempfile.TemporaryDirectory(prefix="agentbay-bench-") as folder,
        runtime("--data", folder, "--warm", "0") as at,
    ):
        measure(AgentBay(at[1], endpoint=at[0]), told)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
