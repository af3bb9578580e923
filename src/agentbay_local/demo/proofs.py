"""What a session can do, what it cannot, and how it ends."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError

from agentbay import AsyncAgentBay, AsyncSession, CreateSessionParams
from agentbay_local.demo.scene import CheckFailed, Scene, Step, answers, check, fetch, inside, until

__all__ = ["CROWD", "END", "PROOFS"]

PORT = 30100
CROWD = 8
PAUSE = 1.0
WORK = 0.3
LABELS = {"demo": "crowd"}


# --- A page out of a session ------------------------------------------------------------------------------------------


def serve_page(scene: Scene) -> str:
    sign = secrets.token_hex(8)
    scene.session.file_system.write_file("/workspace/site/index.html", f"<p>Made inside: {sign}</p>").unwrap()
    scene.shell(f"nohup python3 -m http.server {PORT} --directory /workspace/site > /tmp/server.log 2>&1 &")
    scene.link = str(scene.session.get_link("https", PORT).unwrap().data)
    page = _first_page(scene.link)
    check(sign in page, f"another page came: {page[:200]!r}")
    return f"port {PORT} inside is {_short(scene.link)} out here; urllib got the page"


def _first_page(link: str) -> str:
    """The page, as soon as the server inside listens."""
    error: HTTPError | None = None
    for _ in until(10):
        try:
            return fetch(link)
        except HTTPError as early:
            early.close()
            error = early
    raise CheckFailed(f"the server inside did not answer within 10 s: {error}")


def _short(link: str) -> str:
    base, _, rest = link.partition("/request_ai/")
    return f"{base}/request_ai/{rest[:4]}…/" if rest else link


# --- Pause and resume -------------------------------------------------------------------------------------------------


def pause_and_resume(scene: Scene) -> str:
    scene.session.file_system.write_file("/tmp/count.py", inside("count.py")).unwrap()
    scene.shell("nohup python3 /tmp/count.py > /dev/null 2>&1 &")
    check(any(len(_ticks(scene)) > 5 for _ in until(10)), "the counter does not run")
    stopped_for = _rest(scene)
    seen = len(_ticks(scene))
    check(any(len(_ticks(scene)) > seen for _ in until(10)), "the counter did not go on after the pause")
    gap, number = max((later - now, count) for (count, now), (_, later) in pairwise(_ticks(scene)))
    check(gap >= stopped_for, f"paused for {stopped_for:.2f} s, but no two counts are more than {gap:.2f} s apart")
    return f"a counter with 50 steps a second stood still at {number} for {gap:.2f} s, then went on"


def _rest(scene: Scene) -> float:
    """Pauses the session for a while; gives the seconds in which it was surely stopped."""
    scene.session.pause().unwrap()
    began = time.monotonic()
    time.sleep(PAUSE)
    stopped_for = time.monotonic() - began
    scene.session.resume().unwrap()
    return stopped_for


def _ticks(scene: Scene) -> list[tuple[int, float]]:
    """The numbers that the counter has reached, and when. Its last line may be half written."""
    lines = scene.shell("cat /tmp/ticks 2> /dev/null || true").splitlines()[:-1]
    return [(int(number), float(moment)) for number, _, moment in (line.partition(" ") for line in lines)]


# --- What is out of reach ---------------------------------------------------------------------------------------------


@contextmanager
def _canary(folder: Path, secret: str) -> Iterator[Path]:
    """A file that everybody on this machine may read."""
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".agentbay-demo-canary-", encoding="ascii") as file:
        Path(file.name).chmod(0o644)
        file.write(secret)
        file.flush()
        yield Path(file.name)


def home_is_hidden(scene: Scene) -> str:
    secret = secrets.token_hex(16)
    places = {Path.home().resolve(), Path(tempfile.gettempdir()).resolve()}
    with ExitStack() as stack:
        canaries = [stack.enter_context(_canary(place, secret)) for place in sorted(places)]
        for canary in canaries:
            check(canary.read_text("ascii") == secret, f"{canary} cannot be read out here either")
            _look_for(scene, canary, secret)
    return f"a readable file in {' and in '.join(str(file.parent) for file in canaries)}: neither seen nor read inside"


def _look_for(scene: Scene, canary: Path, secret: str) -> None:
    """Tries by its name, through other processes' view of the disk, and by looking around."""
    path, folder = shlex.quote(str(canary)), shlex.quote(str(canary.parent))
    roads = [path, f"/proc/1/root{path}", f"/proc/self/root{path}", f"/proc/$PPID/root{path}"]
    tried = scene.session.command.execute_command(f"cat {' '.join(roads)}; ls -A {folder}", 10_000)
    check(tried.stderr.count("cat: ") == len(roads), f"a sandbox could open {canary}")
    check(secret not in tried.output, f"a sandbox could read {canary}")
    check(canary.name not in tried.stdout, f"a sandbox could see {canary}")


def network_is_closed(scene: Scene) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 5).close()
        server.accept()[0].close()
        ran = scene.session.command.execute_command(_program("reach.py"), 30_000, envs={"HOST_PORT": str(port)})
        server.setblocking(False)
        check(not _called(server), "a sandbox connected to a port of the host")
    ended: dict[str, str] = json.loads(ran.unwrap().stdout)
    open_roads = [f"{road}: {end}" for road, end in ended.items() if not end.startswith("refused")]
    check(not open_roads, f"a sandbox got out: {'; '.join(open_roads)}")
    check("403" in ended["the internet by the proxy"], f"the proxy did not say no: {ended}")
    return f"refused: {', '.join(ended)}"


def _program(name: str) -> str:
    return f"python3 -c {shlex.quote(inside(name))}"


def _called(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


# --- Many at once -----------------------------------------------------------------------------------------------------


def many_at_once(_: Scene) -> str:
    return asyncio.run(_crowd())


async def _crowd() -> str:
    async with AsyncAgentBay(endpoint="local") as client:
        params = CreateSessionParams(labels=LABELS)
        began = time.monotonic()
        opened = await asyncio.gather(*(client.create(params) for _ in range(CROWD)))
        sessions = [result.unwrap().session for result in opened]
        made = time.monotonic() - began
        alive = {item["sessionId"] async for item in client.list_all(LABELS, limit=3)}
        check(alive == {session.session_id for session in sessions}, f"not all {CROWD} sessions are there: {alive}")
        began = time.monotonic()
        await asyncio.gather(*map(_own_work, sessions, range(CROWD)))
        worked = time.monotonic() - began
        for result in await asyncio.gather(*(session.delete() for session in sessions)):
            result.unwrap()
    return f"opened in {made:.2f} s; {CROWD} x {WORK} s of work done in {worked:.2f} s; none saw another's file"


async def _own_work(session: AsyncSession, number: int) -> None:
    """A file of the same name in each session: each must find its own, and no other."""
    command = f"echo {number} >> ~/mine; sleep {WORK}; cat ~/mine; ls ~ | wc -l"
    said = (await session.command.execute_command(command)).unwrap().stdout.split()
    check(said == [str(number), "1"], f"session {number} found what is not its own: {said}")


# --- The end ----------------------------------------------------------------------------------------------------------


def delete_everything(scene: Scene) -> str:
    if scene.has_session:
        scene.session.delete().unwrap()
        left = list(scene.client.list_all())
        check(not left, f"sessions are left: {left}")
    scene.client.close()
    check(not (scene.link and answers(scene.link)), "the runtime still answers")
    return "sessions, links and the runtime are gone"


PROOFS = (
    Step("Serve a page from inside", serve_page),
    Step("Pause and resume", pause_and_resume),
    Step("Keep out of your files", home_is_hidden),
    Step("Keep off the network", network_is_closed),
    Step(f"Run {CROWD} sessions at once", many_at_once),
)
END = Step("Delete everything", delete_everything)
