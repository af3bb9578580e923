"""What those who watch over a server can see: metrics in the format of Prometheus, and whether it is well."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path

import pytest

from agentbay_local import health
from agentbay_local.app import Runtime
from agentbay_local.contexts.census import census
from agentbay_local.metrics import Counts, Durations, Metrics, page
from agentbay_local.settings import Settings
from tests.local.service.api import Api
from tests.local.service.exposition import parsed
from tests.local.service.test_contexts import made, put


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Api]:
    """A caller of a runtime of its own with room for two sessions."""
    settings = Settings(data=tmp_path / "data", warm=1, max_sessions=2)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as caller:
        yield caller


async def text(api: Api, **headers: str) -> str:
    async with api.http.get(f"{api.endpoint}/metrics", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/plain"), await response.text()
        return await response.text()


async def values(api: Api) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in (await text(api)).splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


async def wellness(api: Api) -> dict[str, object]:
    async with api.http.get(f"{api.endpoint}/healthz") as response:
        assert response.status == 200
        return dict(await response.json())


async def test_the_whole_page_is_of_the_format_and_by_its_conventions(watched: Api) -> None:
    made = await watched.create()
    await watched.shell(made["SessionId"], "true")
    await watched.call("GetContext", Name="counted", AllowCreate="True")
    families = parsed(await text(watched))
    assert [family.name for family in families.values() if family.faults] == []
    assert {"agentbay_sessions", "agentbay_actions_total", "agentbay_contexts", "process_open_fds"} <= families.keys()
    labels = {name for family in families.values() for name, _ in chain.from_iterable(s.labels for s in family.samples)}
    assert labels == {"action", "code", "kind", "le", "outcome", "state", "tool", "version"}


async def test_contexts_and_the_room_for_them_are_told_once_there_are_any(watched: Api) -> None:
    before = await values(watched)
    assert ("agentbay_contexts" in before, before["agentbay_data_free_bytes"] > 0) == (False, True)


async def test_contexts_of_all_keys_are_counted_with_their_files(watched: Api) -> None:
    context = await made(watched)
    await put(watched, context, "/a", b"12345")
    await put(watched, context, "/b", b"12345")
    seen = await values(watched)
    names = ("agentbay_contexts", "agentbay_context_files", "agentbay_context_file_bytes")
    assert [seen[name] for name in names] == [1, 2, 10]
    assert seen["agentbay_catalogue_bytes"] > 0


async def test_sandboxes_that_wait_and_sessions_that_sleep_are_told(watched: Api) -> None:
    seen = await values(watched)
    assert (seen["agentbay_sandboxes_ready"], seen["agentbay_sessions_hibernated"]) == (1, 0)


def test_a_catalogue_that_cannot_be_read_is_not_counted(tmp_path: Path) -> None:
    assert census(tmp_path) is None
    (tmp_path / "catalogue.sqlite").write_text("spoilt " * 1000)
    assert census(tmp_path) is None


async def test_actions_are_counted_by_name_and_code_and_timed(watched: Api) -> None:
    await watched.call("GetSession", SessionId="session-none")
    await watched.call("MadeUp")
    seen = await values(watched)
    assert seen['agentbay_actions_total{action="GetSession",code="InvalidMcpSession.NotFound"}'] == 1
    assert seen['agentbay_actions_total{action="?",code="InvalidAction.NotFound"}'] == 1
    assert seen['agentbay_action_seconds_count{action="GetSession"}'] == 1
    assert seen['agentbay_action_seconds_bucket{action="GetSession",le="+Inf"}'] == 1


async def test_tool_calls_sessions_and_starts_are_counted(watched: Api) -> None:
    first = await watched.create()
    await watched.shell(first["SessionId"], "true")
    await watched.tool(first["SessionId"], "no_such_tool")
    await watched.tool(first["SessionId"], "read_file", path="/none")
    seen = await values(watched)
    assert seen['agentbay_tool_calls_total{tool="shell",outcome="ok"}'] == 1
    assert seen['agentbay_tool_calls_total{tool="?",outcome="error"}'] == 1
    assert seen['agentbay_tool_calls_total{tool="read_file",outcome="error"}'] == 1
    assert (seen['agentbay_sessions{state="RUNNING"}'], seen['agentbay_sessions{state="PAUSED"}']) == (1, 0)
    starts = [value for name, value in seen.items() if name.startswith("agentbay_sandbox_starts_total")]
    assert sum(starts) == 1
    assert seen["process_open_fds"] < seen["process_max_fds"]


async def test_a_start_from_the_pool_is_told_from_a_cold_one(watched: Api) -> None:
    await asyncio.gather(watched.create(), watched.create())
    seen = await values(watched)
    kinds = [f'agentbay_sandbox_starts_total{{kind="{kind}"}}' for kind in ("warm", "cold")]
    assert (seen[kinds[0]], seen[kinds[1]]) == (1, 1)
    assert (
        seen['agentbay_sandbox_start_seconds_sum{kind="warm"}']
        < seen['agentbay_sandbox_start_seconds_sum{kind="cold"}']
    )


async def test_bytes_by_links_are_counted(watched: Api) -> None:
    session = (await watched.create())["SessionId"]
    serve = "cd /tmp && printf 12345 > file && (python -m http.server 30123 >/dev/null 2>&1 &)"
    await watched.shell(session, serve)
    await watched.shell(session, "for _ in $(seq 100); do curl -sf localhost:30123 && exit; sleep 0.05; done")
    url = (await watched.call("GetLink", SessionId=session, ProtocolType="https", Port="30123")).data["Url"]
    async with watched.http.get(f"{url}file") as response:
        assert await response.read() == b"12345"
    assert (await values(watched))['agentbay_link_bytes_total{direction="out"}'] == 5


async def test_no_session_is_named(watched: Api) -> None:
    session = (await watched.create())["SessionId"]
    await watched.shell(session, "true")
    assert not re.search(r"session-[a-z0-9]|akm-|ai-[a-z0-9]", await text(watched))


async def test_web_pages_of_other_sites_and_other_names_see_nothing(watched: Api) -> None:
    for headers in ({"Origin": "https://evil.org"}, {"Host": "evil.org"}):
        async with watched.http.get(f"{watched.endpoint}/metrics", headers=headers) as response:
            assert response.status == 403


async def test_from_another_machine_a_key_is_needed(watched: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_near", lambda remote: False)
    async with watched.http.get(f"{watched.endpoint}/metrics") as response:
        assert (response.status, (await response.json())["Code"]) == (400, "NOT_LOGIN")
    assert "agentbay_sessions" in await text(watched, Authorization=f"Bearer {watched.key}")


@pytest.mark.parametrize(
    ("remote", "near"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), (None, False), ("", False)]
)
def test_loopback_alone_is_near(remote: str | None, near: bool) -> None:
    assert health._near(remote) is near


async def test_a_server_with_nothing_left_says_so_and_why(watched: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await wellness(watched) == {"status": "ok"}
    await watched.create()
    await watched.create()
    monkeypatch.setattr(health, "LITTLE_ROOM", 1 << 60)
    monkeypatch.setattr(health, "FULL", 0.0)
    told = await wellness(watched)
    assert told["status"] == "degraded"
    assert [str(reason).partition(":")[2] for reason in told["reasons"]] == [
        " delete sessions, or raise the limit (ulimit -n)",
        " delete some, or raise --max-sessions",
        " free some room there",
    ]


def test_a_histogram_adds_up() -> None:
    spent = Durations("x_seconds", "Time.", ("of",))
    for seconds in (0.0005, 0.001, 0.3, 1000.0):
        spent.add(seconds, "a")
    lines = list(spent.lines())
    wanted = {
        'x_seconds_bucket{of="a",le="0.001"} 2',
        'x_seconds_bucket{of="a",le="0.5"} 3',
        'x_seconds_bucket{of="a",le="300"} 3',
        'x_seconds_bucket{of="a",le="+Inf"} 4',
        'x_seconds_count{of="a"} 4',
    }
    assert wanted - set(lines) == set()
    assert float(lines[-2].split()[-1]) == pytest.approx(1000.3015)


def test_labels_are_escaped_and_counters_without_labels_begin_at_nought() -> None:
    odd, plain = Counts("x_total", "X.", ("a",)), Counts("y_total", "Y.")
    odd.add('q"\\\n', by=3)
    assert page(odd.lines(), plain.lines()).splitlines() == [
        "# HELP x_total X.",
        "# TYPE x_total counter",
        'x_total{a="q\\"\\\\\\n"} 3',
        "# HELP y_total Y.",
        "# TYPE y_total counter",
        "y_total 0",
    ]


def test_two_servers_do_not_share_what_they_count() -> None:
    first, second = Metrics(), Metrics()
    first.egress.add()
    assert (first.egress.values[()], second.egress.values[()]) == (1, 0)
