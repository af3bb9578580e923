"""Every tool of the modules: the complete request by both routes, the catalogue's answer, and the error tables."""

from __future__ import annotations

import json
import re

import pytest
from attrs import evolve

from agentbay import (
    AsyncSession,
    BinaryFileContentResult,
    BoolResult,
    CodeExecutionResult,
    CommandResult,
    DirectoryListResult,
    EnhancedCodeExecutionResult,
    EnvResult,
    ExecutionLogs,
    FileChangeEvent,
    FileChangeResult,
    FileContentResult,
    FileInfoResult,
    FileSearchResult,
    FileWriteResult,
    MultipleFileContentResult,
    SessionMetrics,
    SessionMetricsResult,
)
from tests._async.agent_rows import AGENT_ROWS
from tests._async.computer_rows import COMPUTER_ROWS
from tests._async.mobile_rows import MOBILE_ROWS
from tests._async.tool_rows import ACTION, LINK, Row
from tests.catalogue import TOOLS, check_action, check_args, example, example_text
from tests.gateway import (
    REQUEST_ID,
    SERVERS,
    SESSION_ID,
    TOKEN,
    Gateway,
    Said,
)

INFO = {
    "size": 1024,
    "created": "2025-09-01 10:00:00",
    "modified": "2025-09-01 10:00:00",
    "accessed": "2025-09-01 10:00:00",
    "isDirectory": False,
    "isFile": True,
    "permissions": 644,
}
METRICS = TOOLS["get_metrics"]["result_example"]
CHANGES = [FileChangeEvent("create", "/w/n.txt", "file"), FileChangeEvent("modify", "/w/n.txt", "file")]
WRITTEN = FileWriteResult(success=True, data=True)


ROWS = {
    "execute_command": Row(
        "shell",
        lambda session: session.command.execute_command("echo é", 9000, "/tmp", {"A": "ß"}),
        {"command": "echo é", "timeout_ms": 9000, "cwd": "/tmp", "envs": {"A": "ß"}},
        CommandResult(success=True, output="hello\n", stdout="hello\n"),
    ),
    "execute_command plain": Row(
        "shell",
        lambda session: session.command.run("ls"),
        {"command": "ls", "timeout_ms": 50000},
        CommandResult(success=True, output="hello\n", stdout="hello\n"),
    ),
    "create_directory": Row(
        "create_directory", lambda session: session.file_system.create_directory("/a/ü"), {"path": "/a/ü"}, WRITTEN
    ),
    "delete_file": Row("delete_file", lambda session: session.fs.delete_file("/a"), {"path": "/a"}, WRITTEN),
    "edit_file": Row(
        "edit_file",
        lambda session: session.files.edit_file("/a", [{"oldText": "x", "newText": "ÿ"}], dry_run=True),
        {"path": "/a", "edits": [{"oldText": "x", "newText": "ÿ"}], "dryRun": True},
        WRITTEN,
    ),
    "edit_file plain": Row(
        "edit_file",
        lambda session: session.files.edit_file("/a", []),
        {"path": "/a", "edits": [], "dryRun": False},
        WRITTEN,
    ),
    "get_file_info": Row(
        "get_file_info",
        lambda session: session.filesystem.get_file_info("/a"),
        {"path": "/a"},
        FileInfoResult(success=True, file_info=INFO),
    ),
    "list_directory": Row(
        "list_directory",
        lambda session: session.file_system.ls("/a"),
        {"path": "/a"},
        DirectoryListResult(
            success=True, entries=[{"name": "sub", "isDirectory": True}, {"name": "a.txt", "isDirectory": False}]
        ),
    ),
    "move_file": Row(
        "move_file",
        lambda session: session.file_system.move_file("/a", "/b"),
        {"source": "/a", "destination": "/b"},
        WRITTEN,
    ),
    "read_file": Row(
        "read_file",
        lambda session: session.file_system.read_file("/a"),
        {"path": "/a", "offset": 0, "length": 1024},
        FileContentResult(success=True, content="file content"),
        {"length": 0},
    ),
    "read_file as bytes": Row(
        "read_file",
        lambda session: session.file_system.read("/a", format="bytes"),
        {"path": "/a", "offset": 0, "length": 1024, "format": "binary"},
        BinaryFileContentResult(success=True, content=b"\x00\xff", size=2),
        {"length": 0},
        "AP8=",
    ),
    "read_multiple_files": Row(
        "read_multiple_files",
        lambda session: session.file_system.read_multiple_files(("/tmp/a.txt", "/tmp/b.txt")),
        {"paths": ["/tmp/a.txt", "/tmp/b.txt"]},
        MultipleFileContentResult(success=True, contents={"/tmp/a.txt": "content a", "/tmp/b.txt": "content b"}),
    ),
    "search_files": Row(
        "search_files",
        lambda session: session.file_system.search_files("/tmp/x", "*.txt", ["*.log", "tmp"]),
        {"path": "/tmp/x", "pattern": "*.txt", "excludePatterns": "*.log,tmp"},
        FileSearchResult(success=True, matches=["/tmp/x/a.txt", "/tmp/x/sub/b.txt"]),
    ),
    "search_files without exclusions": Row(
        "search_files",
        lambda session: session.file_system.search_files("/tmp/x", "a", []),
        {"path": "/tmp/x", "pattern": "a"},
        FileSearchResult(success=True),
        text="No matches found",
    ),
    "write_file": Row(
        "write_file",
        lambda session: session.file_system.write_file("/a", "häy", "append"),
        {"path": "/a", "content": "häy", "mode": "append"},
        WRITTEN,
    ),
    "get_file_change": Row(
        "get_file_change",
        lambda session: session.file_system.get_file_change("/w"),
        {"path": "/w"},
        FileChangeResult(success=True, events=CHANGES, raw_data=example_text("get_file_change")),
    ),
    "run_code": Row(
        "run_code",
        lambda session: session.code.run_code("print('ü')\n42", " Py ", timeout_s=7),
        {"code": "print('ü')\n42", "language": "python", "timeout_s": 7},
        EnhancedCodeExecutionResult(
            success=True,
            execution_count=1,
            execution_time=0.12,
            logs=ExecutionLogs(["hello\n"], []),
            results=[CodeExecutionResult(text="42", is_main_result=True)],
        ),
    ),
    "get_metrics": Row(
        "get_metrics",
        lambda session: session.get_metrics(),
        {},
        SessionMetricsResult(success=True, metrics=SessionMetrics(**METRICS), raw=METRICS),
    ),
    "env.set": Row(
        "set_env",
        lambda session: session.env.set({"A": "1", "B": "ü"}),
        {"envs": [{"key": "A", "value": "1"}, {"key": "B", "value": "ü"}]},
        BoolResult(success=True, data=True),
    ),
    "env.get": Row(
        "get_env",
        lambda session: session.env.get(["FOO"]),
        {"keys": ["FOO"]},
        EnvResult(success=True, envs={"FOO": "bar"}),
    ),
    "env.get all": Row(
        "get_env", lambda session: session.env.get([]), {}, EnvResult(success=True, envs={"FOO": "bar"})
    ),
}
ROWS |= COMPUTER_ROWS | MOBILE_ROWS | AGENT_ROWS


def each_row(route: str) -> pytest.MarkDecorator:
    """Runs a test once for each row that takes this route."""
    taken = {name: row for name, row in ROWS.items() if route in row.routes}
    return pytest.mark.parametrize("row", taken.values(), ids=list(taken))


def prepare(gateway: Gateway, row: Row) -> None:
    gateway.on("get_file_info", Said(example_text("get_file_info")))
    gateway.on("InitBrowser", example("InitBrowser"))
    gateway.on(row.tool, Said(example_text(row.tool) if row.text is None else row.text))


@each_row(ACTION)
async def test_a_tool_goes_by_the_action_as_the_catalogue_says(
    session: AsyncSession, gateway: Gateway, row: Row
) -> None:
    prepare(gateway, row)

    result = await row.call(session)

    request = gateway.last(row.tool)
    server = TOOLS[row.tool]["server"]
    check_args(row.tool, request.args)
    assert check_action(request) == {
        "Name": row.tool,
        "Server": server,
        "SessionId": SESSION_ID,
        "AutoGenSession": "False",
        "Args": json.dumps(row.args, ensure_ascii=False),
    }
    assert result == evolve(row.result, request_id=REQUEST_ID)


@each_row(LINK)
async def test_a_tool_goes_by_the_direct_link_as_the_catalogue_says(
    direct: AsyncSession, gateway: Gateway, row: Row
) -> None:
    prepare(gateway, row)

    result = await row.call(direct)

    [request] = [one for one in gateway.requests if one.name != "InitBrowser"]
    assert (request.path, request.query) == ("/link/callTool", {})
    assert (request.headers["content-type"], request.headers["x-access-token"]) == ("application/json", TOKEN)
    assert re.fullmatch(r"link-\d{13}-\d{9}", request.json["requestId"])
    body = {
        "args": row.args | row.direct_args,
        "server": TOOLS[row.tool]["server"],
        "requestId": request.json["requestId"],
        "tool": row.tool,
        "token": TOKEN,
    }
    check_args(row.tool, request.args)
    assert request.body.decode() == json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    assert result == evolve(row.result, request_id=request.json["requestId"])


def covered() -> set[str]:
    """The tools that have a row."""
    return {row.tool for row in ROWS.values()}


def test_every_tool_of_the_modules_has_a_row() -> None:
    assert covered() == {*SERVERS, "set_env", "get_env"}
