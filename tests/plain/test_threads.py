"""What only the synchronous client promises: many threads on one client, tracebacks a person can read, nothing left."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import agentbay
from agentbay import AgentBay, APIConnectionError
from tests.gateway import KEY
from tests.scripted import Peer, Server
from tests.surroundings import clear_environment, closed_port, resources

GOOD = b'{"Success": true, "RequestId": "r", "Data": {"SessionId": "%s", "Status": "RUNNING"}}'


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


@pytest.fixture(params=["pool", "fast"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "fast":
        pytest.importorskip("pyreqwest")
    return str(request.param)


def named(peer: Peer) -> None:
    """Answer with the session that was asked for."""
    while request := peer.request():
        peer.reply(GOOD % request.body.rpartition(b"SessionId=")[2])


def test_sixty_four_threads_share_one_client(engine: str) -> None:
    together = threading.Barrier(64)

    def work(number: int) -> list[str]:
        together.wait(20)
        return [client.get(f"s-{number}-{turn}").unwrap().session.session_id for turn in range(10)]

    with (
        Server(named) as server,
        AgentBay(KEY, endpoint=server.url, engine=engine) as client,
        ThreadPoolExecutor(64) as pool,
    ):
        met = list(pool.map(work, range(64)))

    assert met == [[f"s-{number}-{turn}" for turn in range(10)] for number in range(64)]
    # The fast engine may dial while another call's connection is on its way back.
    assert server.most <= (64 if engine == "pool" else 128)


def test_a_client_may_be_used_and_closed_by_other_threads(engine: str) -> None:
    with Server(named) as server, ThreadPoolExecutor(1) as other:
        client = AgentBay(KEY, endpoint=server.url, engine=engine)
        assert client.get("a").success
        assert other.submit(client.get, "b").result().success
        other.submit(client.close).result()


def test_the_traceback_of_a_failing_call_is_short() -> None:
    client = AgentBay(KEY, endpoint=f"http://127.0.0.1:{closed_port()}", retries=0, engine="pool")

    with pytest.raises(APIConnectionError) as caught:
        client.get("s-1")

    package = Path(agentbay.__file__).parent
    frames = [frame for frame in traceback.extract_tb(caught.value.__traceback__) if str(package) in frame.filename]
    assert [frame.name for frame in frames] == ["checked_call", "get", "send", "_exchange", "_settle"]
    assert not any("_async" in frame.filename for frame in frames)


def settled(files: int, threads: int) -> tuple[int, int]:
    """The resources in use, after those that are going have gone."""
    for _ in range(50):
        if all(now <= then + 2 for now, then in zip(resources(), (files, threads), strict=True)):
            break
        time.sleep(0.02)
    return resources()


def rounds(number: int, one: Callable[[], object]) -> tuple[int, int]:
    """How many files and threads are more after many rounds than after a few."""
    for _ in range(10):
        one()
    files, threads = resources()
    for _ in range(number):
        one()
    after_files, after_threads = settled(files, threads)
    return after_files - files, after_threads - threads


def test_clients_leave_nothing_behind(engine: str) -> None:
    def one() -> None:
        with AgentBay(KEY, endpoint=server.url, engine=engine) as client:
            assert client.get("s-1").success

    with Server(named) as server:
        more = rounds(150, one)

    assert all(number <= 2 for number in more)


def test_failing_calls_leave_nothing_behind(engine: str) -> None:
    def one() -> None:
        with pytest.raises(APIConnectionError):
            client.get("s-1")

    url = f"http://127.0.0.1:{closed_port()}"
    with AgentBay(KEY, endpoint=url, retries=0, engine=engine) as client:
        more = rounds(200, one)

    assert all(number <= 2 for number in more)


def test_many_clients_keep_no_memory_of_their_keys() -> None:
    """What is prepared for a client must not be kept for ever when the client is gone."""
    from agentbay import _request

    caches = [item for item in vars(_request).values() if hasattr(item, "cache_info")]

    assert [cache.cache_info().maxsize is not None for cache in caches] == [True] * len(caches)
