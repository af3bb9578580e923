"""Every public method in both colours, as the type checkers see them. Never run: it only has to be accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import httpx

import agentbay as ab


async def asynchronous_client(params: ab.CreateSessionParams) -> None:
    carrier = httpx.AsyncClient()
    client = ab.AsyncAgentBay(
        "key",
        ab.Config(timeout_ms=1, region_id="x", endpoint="y"),
        ".env",
        endpoint="local",
        timeout=1.5,
        retries=ab.RetryPolicy(attempts=2, repeat_tools=True),
        http_client=carrier,
        verify="ca.pem",
        proxy=None,
        max_connections=10,
        engine="pool",
    )
    async with client as entered:
        assert_type(entered, ab.AsyncAgentBay)
    assert_type(await client.create(), ab.SessionResult[ab.AsyncSession])
    assert_type(await client.create(params), ab.SessionResult[ab.AsyncSession])
    assert_type((await client.create()).unwrap().session, ab.AsyncSession)
    assert_type(await client.get("id"), ab.SessionResult[ab.AsyncSession])
    assert_type(await client.list({"a": "b"}, 1, 10, "RUNNING", "image"), ab.SessionListResult)
    assert_type(client.list_all({"a": "b"}, 10, "RUNNING", "image"), AsyncIterator[dict[str, str]])
    async for item in client.list_all():
        assert_type(item, dict[str, str])
    session = (await client.get("id")).session
    assert_type(await client.delete(session, sync_context=True), ab.DeleteResult)
    assert_type(await client.pause(session, 60, 0.5), ab.SessionPauseResult)
    assert_type(await client.resume(session), ab.SessionResumeResult)
    assert_type(await client.beta_pause(session), ab.SessionPauseResult)
    assert_type(await client.beta_resume(session), ab.SessionResumeResult)
    assert_type(await client.aclose(), None)


async def asynchronous_session(session: ab.AsyncSession) -> None:
    async with session as entered:
        assert_type(entered, ab.AsyncSession)
    assert_type(session.session_id, str)
    assert_type(await session.delete(sync_context=True), ab.DeleteResult)
    assert_type(await session.get_status(), ab.SessionStatusResult)
    assert_type(await session.keep_alive(), ab.OperationResult)
    assert_type(await session.pause(timeout=600, poll_interval=2.0), ab.SessionPauseResult)
    assert_type(await session.pause_async(), ab.SessionPauseResult)
    assert_type(await session.resume(timeout=600, poll_interval=2.0), ab.SessionResumeResult)
    assert_type(await session.resume_async(), ab.SessionResumeResult)
    assert_type(await session.beta_pause(), ab.SessionPauseResult)
    assert_type(await session.beta_pause_async(), ab.SessionPauseResult)
    assert_type(await session.beta_resume(), ab.SessionResumeResult)
    assert_type(await session.beta_resume_async(), ab.SessionResumeResult)
    assert_type(await session.set_labels({"a": "b"}), ab.OperationResult)
    assert_type(await session.get_labels(), ab.OperationResult)
    assert_type(await session.info(), ab.OperationResult)
    assert_type(await session.get_link("https", 30100, "options"), ab.OperationResult)
    assert_type((await session.list_mcp_tools("image")).tools, list[ab.McpTool])
    assert_type(await session.call_mcp_tool("shell", {}, 1, 2, auto_gen_session=True), ab.McpToolResult)
    assert_type((await session.get_metrics(1, 2)).metrics, ab.SessionMetrics | None)
    assert_type(session.get_token() + session.get_link_url() + session.getToken() + session.getLinkUrl(), str)
    assert_type(await session.env.set({"A": "b"}), ab.BoolResult)
    assert_type((await session.env.get(["A"])).envs, dict[str, str])
    assert_type(await session.command.execute_command("ls", 1, "/", {"A": "b"}), ab.CommandResult)
    assert_type(await session.command.run("ls"), ab.CommandResult)
    assert_type(await session.command.exec("ls"), ab.CommandResult)
    run = await session.code.run_code("1", "python", 60, stream_beta=True, on_stdout=print, on_stderr=print)
    assert_type(run, ab.EnhancedCodeExecutionResult)
    assert_type(run.results[0].formats(), list[str])
    assert_type((await session.code.run("1", "py")).unwrap(), ab.EnhancedCodeExecutionResult)
    assert_type(await session.code.execute("1", "py"), ab.EnhancedCodeExecutionResult)


async def asynchronous_files(files: ab.AsyncFileSystem, events: list[ab.FileChangeEvent]) -> None:
    assert_type(await files.create_directory("/a"), ab.FileWriteResult)
    assert_type(await files.delete_file("/a"), ab.FileWriteResult)
    assert_type(await files.edit_file("/a", [{"oldText": "x", "newText": "y"}], dry_run=True), ab.FileWriteResult)
    assert_type((await files.get_file_info("/a")).size, int)
    assert_type((await files.list_directory("/a")).entries, list[ab.DirectoryEntry])
    assert_type(await files.move_file("/a", "/b"), ab.FileWriteResult)
    assert_type((await files.read_multiple_files(["/a"])).contents, dict[str, str])
    assert_type((await files.search_files("/", "*", ("x",))).matches, list[str])
    assert_type(await files.read_file("/a"), ab.FileContentResult)
    assert_type(await files.read_file("/a", format="text"), ab.FileContentResult)
    assert_type(await files.read_file("/a", format="bytes"), ab.BinaryFileContentResult)
    assert_type((await files.read("/a", format="bytes")).content, bytes)
    assert_type(await files.write_file("/a", "x", mode="append"), ab.FileWriteResult)
    assert_type(await files.write("/a", "x"), ab.FileWriteResult)
    assert_type(await files.get_file_change("/a"), ab.FileChangeResult)
    assert_type(await files.delete("/a"), ab.FileWriteResult)
    assert_type(await files.remove("/a"), ab.FileWriteResult)
    assert_type(await files.rm("/a"), ab.FileWriteResult)
    assert_type(await files.list("/a"), ab.DirectoryListResult)
    assert_type(await files.ls("/a"), ab.DirectoryListResult)
    async for changes in files.watch_directory("/a", interval=0.5):
        assert_type(changes, list[ab.FileChangeEvent])
    watcher = files.watch_directory("/a", events.extend)
    watcher.start()
    assert_type(watcher.ready_event.wait(), bool)
    watcher.stop_event.set()


def synchronous_client(params: ab.CreateSessionParams) -> None:
    carrier = httpx.Client()
    client = ab.AgentBay(
        "key",
        ab.Config(timeout_ms=1, region_id="x", endpoint="y"),
        ".env",
        endpoint="local",
        timeout=1.5,
        retries=3,
        http_client=carrier,
        verify=False,
        proxy="http://proxy",
        max_connections=10,
        engine="auto",
    )
    with client as entered:
        assert_type(entered, ab.AgentBay)
    assert_type(client.create(), ab.SessionResult[ab.Session])
    assert_type(client.create(params), ab.SessionResult[ab.Session])
    assert_type(client.create().unwrap().session, ab.Session)
    assert_type(client.get("id"), ab.SessionResult[ab.Session])
    assert_type(client.list({"a": "b"}, 1, 10, "RUNNING", "image"), ab.SessionListResult)
    assert_type(client.list_all({"a": "b"}, 10, "RUNNING", "image"), Iterator[dict[str, str]])
    for item in client.list_all():
        assert_type(item, dict[str, str])
    session = client.get("id").session
    assert_type(client.delete(session, sync_context=True), ab.DeleteResult)
    assert_type(client.pause(session, 60, 0.5), ab.SessionPauseResult)
    assert_type(client.resume(session), ab.SessionResumeResult)
    assert_type(client.beta_pause(session), ab.SessionPauseResult)
    assert_type(client.beta_resume(session), ab.SessionResumeResult)
    client.close()


def synchronous_session(session: ab.Session) -> None:
    with session as entered:
        assert_type(entered, ab.Session)
    assert_type(session.session_id, str)
    assert_type(session.delete(sync_context=True), ab.DeleteResult)
    assert_type(session.get_status(), ab.SessionStatusResult)
    assert_type(session.keep_alive(), ab.OperationResult)
    assert_type(session.pause(timeout=600, poll_interval=2.0), ab.SessionPauseResult)
    assert_type(session.pause_async(), ab.SessionPauseResult)
    assert_type(session.resume(timeout=600, poll_interval=2.0), ab.SessionResumeResult)
    assert_type(session.resume_async(), ab.SessionResumeResult)
    assert_type(session.beta_pause(), ab.SessionPauseResult)
    assert_type(session.beta_pause_async(), ab.SessionPauseResult)
    assert_type(session.beta_resume(), ab.SessionResumeResult)
    assert_type(session.beta_resume_async(), ab.SessionResumeResult)
    assert_type(session.set_labels({"a": "b"}), ab.OperationResult)
    assert_type(session.get_labels(), ab.OperationResult)
    assert_type(session.info(), ab.OperationResult)
    assert_type(session.get_link("https", 30100, "options"), ab.OperationResult)
    assert_type(session.list_mcp_tools("image").tools, list[ab.McpTool])
    assert_type(session.call_mcp_tool("shell", {}, 1, 2, auto_gen_session=True), ab.McpToolResult)
    assert_type(session.get_metrics(1, 2).metrics, ab.SessionMetrics | None)
    assert_type(session.get_token() + session.get_link_url() + session.getToken() + session.getLinkUrl(), str)
    assert_type(session.env.set({"A": "b"}), ab.BoolResult)
    assert_type(session.env.get(["A"]).envs, dict[str, str])
    assert_type(session.command.execute_command("ls", 1, "/", {"A": "b"}), ab.CommandResult)
    assert_type(session.command.run("ls"), ab.CommandResult)
    assert_type(session.command.exec("ls"), ab.CommandResult)
    run = session.code.run_code("1", "python", 60, stream_beta=True, on_stdout=print, on_stderr=print)
    assert_type(run, ab.EnhancedCodeExecutionResult)
    assert_type(run.results[0].formats(), list[str])
    assert_type(session.code.run("1", "py").unwrap(), ab.EnhancedCodeExecutionResult)
    assert_type(session.code.execute("1", "py"), ab.EnhancedCodeExecutionResult)


def synchronous_files(files: ab.FileSystem, events: list[ab.FileChangeEvent]) -> None:
    assert_type(files.create_directory("/a"), ab.FileWriteResult)
    assert_type(files.delete_file("/a"), ab.FileWriteResult)
    assert_type(files.edit_file("/a", [{"oldText": "x", "newText": "y"}], dry_run=True), ab.FileWriteResult)
    assert_type(files.get_file_info("/a").size, int)
    assert_type(files.list_directory("/a").entries, list[ab.DirectoryEntry])
    assert_type(files.move_file("/a", "/b"), ab.FileWriteResult)
    assert_type(files.read_multiple_files(["/a"]).contents, dict[str, str])
    assert_type(files.search_files("/", "*", ("x",)).matches, list[str])
    assert_type(files.read_file("/a"), ab.FileContentResult)
    assert_type(files.read_file("/a", format="text"), ab.FileContentResult)
    assert_type(files.read_file("/a", format="bytes"), ab.BinaryFileContentResult)
    assert_type(files.read("/a", format="bytes").content, bytes)
    assert_type(files.write_file("/a", "x", mode="append"), ab.FileWriteResult)
    assert_type(files.write("/a", "x"), ab.FileWriteResult)
    assert_type(files.get_file_change("/a"), ab.FileChangeResult)
    assert_type(files.delete("/a"), ab.FileWriteResult)
    assert_type(files.remove("/a"), ab.FileWriteResult)
    assert_type(files.rm("/a"), ab.FileWriteResult)
    assert_type(files.list("/a"), ab.DirectoryListResult)
    assert_type(files.ls("/a"), ab.DirectoryListResult)
    for changes in files.watch_directory("/a", interval=0.5):
        assert_type(changes, list[ab.FileChangeEvent])
    watcher = files.watch_directory("/a", events.extend)
    watcher.start()
    assert_type(watcher.ready_event.wait(), bool)
    watcher.stop_event.set()


def results(result: ab.OperationResult, failed: ab.ApiResponse) -> None:
    assert_type(result.unwrap(), ab.OperationResult)
    assert_type(result.error, ab.AgentBayError | None)
    assert_type(result.data, Any)
    assert_type((failed.request_id, failed.get_request_id(), failed.code), tuple[str, str, str])
    try:
        result.unwrap()
    except ab.RateLimitError as busy:
        assert_type(busy.retry_after, float | None)
    except ab.APIError as refused:
        assert_type(refused.status_code, int | None)
    except ab.AgentBayError as error:
        assert_type((error.code, error.request_id, error.action, error.hint), tuple[str, str, str, str])
        assert_type(error.attempts, int)


def options() -> ab.CreateSessionParams:
    policy = ab.LifecyclePolicy(idle_release_timeout=5, max_runtime=30)
    made = ab.CreateSessionParams({"a": "b"}, "linux_latest", lifecycle_policy=policy, load_skills=True)
    assert_type(made.labels, dict[str, str])
    return made
