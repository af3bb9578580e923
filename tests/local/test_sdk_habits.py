"""Scripts as people have them for the AgentBay client that they use today; they run unchanged on `agentbay serve`."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests._async.both.doors import require_sandboxes
from tests.local.conftest import environment

ORDERLY = """
    import os
    from agentbay import AgentBay, CreateSessionParams

    agent_bay = AgentBay(api_key=os.environ["AGENTBAY_API_KEY"])
    params = CreateSessionParams(labels={"project": "habits-orderly"}, image_id="code_latest")
    result = agent_bay.create(params)
    if result.success:
        session = result.session
        print("made", session.session_id.startswith("session-"), bool(result.request_id))

        ran = session.command.execute_command("echo from the shell")
        print(ran.success, ran.output.strip(), ran.exit_code, repr(ran.error_message))

        wrote = session.file_system.write_file("/tmp/notes.txt", "first line\\n", mode="overwrite")
        session.file_system.write_file("/tmp/notes.txt", "second line\\n", mode="append")
        read = session.file_system.read_file("/tmp/notes.txt")
        print(wrote.success, read.success, read.content.split())

        code = session.code.run_code("print(sum(range(5)))", "python")
        print(code.success, code.result.strip(), code.logs.stdout)
    else:
        print("failed:", result.error_message)

    print(session.set_labels({"project": "habits-orderly", "step": "two"}).success)
    print(session.get_labels().data)

    found = agent_bay.list(labels={"project": "habits-orderly", "step": "two"}, limit=5)
    if found.success:
        print(found.total_count, [entry["sessionId"] == session.session_id for entry in found.session_ids])

    link = session.get_link(protocol_type="https", port=30150)
    print(link.success, link.data.startswith("http"))

    about = session.info()
    if about.success:
        print(about.data.session_id == session.session_id, bool(about.data.resource_url))

    again = agent_bay.get(session.session_id)
    print(again.success and again.session.session_id == session.session_id)

    gone = agent_bay.delete(session)
    print("deleted" if gone.success else gone.error_message, bool(gone.request_id))
    print(agent_bay.get(session.session_id).success)
"""

ORDERLY_LINES = [
    "made True True",
    "True from the shell 0 ''",
    "True True ['first', 'line', 'second', 'line']",
    "True 10 ['10\\n']",
    "True",
    "{'project': 'habits-orderly', 'step': 'two'}",
    "1 [True]",
    "True True",
    "True True",
    "True",
    "deleted True",
    "False",
]

ASYNC_ORDERLY = """
    import asyncio
    from agentbay import AsyncAgentBay, CreateSessionParams

    async def main():
        agent_bay = AsyncAgentBay()
        result = await agent_bay.create(CreateSessionParams(labels={"project": "habits-async"}, image_id="code_latest"))
        session = result.session
        try:
            ran = await session.command.execute_command("ls /nowhere", timeout_ms=5000)
            print(ran.success, ran.exit_code != 0, "No such file" in ran.stderr)
            await session.file_system.create_directory("/tmp/work")
            await session.file_system.write_file("/tmp/work/a.txt", "one two")
            await session.file_system.edit_file("/tmp/work/a.txt", [{"oldText": "two", "newText": "three"}])
            listed = await session.file_system.list_directory("/tmp/work")
            print([(entry["name"], entry["isDirectory"]) for entry in listed.entries])
            info = await session.file_system.get_file_info("/tmp/work/a.txt")
            print(info.file_info["size"], info.file_info["isDirectory"])
            many = await session.file_system.read_multiple_files(["/tmp/work/a.txt"])
            print(many.contents)
            code = await session.code.run_code("x = 20\\nx + 1", "python", timeout_s=30)
            again = await session.code.run_code("x * 2", "python")
            print(code.result, again.result)
            broken = await session.code.run_code("1 / 0", "python")
            print(broken.success, f"{broken.error.name}: {broken.error.value}")
            print((await session.set_labels({"project": "habits-async", "done": "yes"})).success)
            listed = await agent_bay.list({"done": "yes"}, limit=3)
            print(len(listed.session_ids), listed.max_results, repr(listed.next_token))
            tools = await session.list_mcp_tools()
            print("shell" in [tool.name for tool in tools.tools])
            raw = await session.call_mcp_tool("shell", {"command": "echo raw", "timeout_ms": 5000})
            print(raw.success, "raw" in raw.data)
            link = await session.get_link("wss", 30151)
            print(link.data.startswith("ws"))
            print((await session.beta_pause()).status, (await session.beta_resume()).status)
            status = await session.get_status()
            print(status.status, (await session.info()).data.session_id == session.session_id)
        finally:
            gone = await agent_bay.delete(session)
            print("deleted", gone.success)

    asyncio.run(main())
"""

ASYNC_LINES = [
    "False True True",
    "[('a.txt', False)]",
    "9 False",
    "{'/tmp/work/a.txt': 'one three'}",
    "21 40",
    "False ZeroDivisionError: division by zero",
    "True",
    "1 3 ''",
    "True",
    "True True",
    "True",
    "PAUSED RUNNING",
    "RUNNING True",
    "deleted True",
]

CAREFUL = """
    from agentbay import AgentBay, AgentBayError, Config, CreateSessionParams, SessionStatus

    try:
        AgentBay(api_key="")
    except ValueError as error:
        print("no key:", "API" in str(error))

    agent_bay = AgentBay(api_key="akm-wrong", cfg=Config(endpoint=ENDPOINT, timeout_ms=20000))
    refused = agent_bay.create()
    print(refused.success, refused.session, "NOT_LOGIN" in refused.error_message)

    agent_bay = AgentBay(api_key=KEY, cfg=Config(endpoint=ENDPOINT, timeout_ms=20000))
    missing = agent_bay.get("session-00000000000000000")
    print(missing.success, "not found" in missing.error_message.lower())
    wrong = agent_bay.create(CreateSessionParams(image_id="windows_99"))
    print(wrong.success, bool(wrong.error_message))

    sessions = [agent_bay.create(CreateSessionParams(labels={"habits": "careful"})).session for _ in range(3)]
    page = agent_bay.list(labels={"habits": "careful"}, page=2, limit=2, status=SessionStatus.RUNNING.value)
    print(page.success, len(page.session_ids), page.total_count)
    first = sessions[0]
    first.env.set({"GREETING": "hello"})
    print(first.env.get(["GREETING"]).envs, first.command.execute_command("echo $GREETING").stdout.strip())
    print(first.command.run("pwd", cwd="/tmp", envs={"A": "1"}).output.strip())
    print(first.get_metrics().metrics.cpu_count > 0)
    print(first.file_system.read_file("/tmp/none").success, first.file_system.delete_file("/tmp/none").success)
    for session in sessions:
        session.delete()
    print(agent_bay.list(labels={"habits": "careful"}).session_ids)
"""

CAREFUL_LINES = [
    "no key: True",
    "False None True",
    "False True",
    "False True",
    "True 1 3",
    "{'GREETING': 'hello'} hello",
    "/tmp",
    "True",
    "False False",
    "[]",
]


@pytest.fixture(autouse=True)
def able() -> None:
    require_sandboxes()


@pytest.mark.parametrize(
    ("text", "lines"),
    [(ORDERLY, ORDERLY_LINES), (ASYNC_ORDERLY, ASYNC_LINES)],
    ids=["sync", "async"],
)
def test_a_script_of_today_runs_unchanged(
    request: pytest.FixtureRequest, tmp_path: Path, text: str, lines: list[str]
) -> None:
    served = request.getfixturevalue("runtime")
    variables = {"AGENTBAY_ENDPOINT": served.endpoint, "AGENTBAY_API_KEY": served.key}
    assert (0, lines, "") == play(tmp_path, text, variables)


def test_a_script_that_expects_failures_gets_them_as_it_knows_them(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    served = request.getfixturevalue("runtime")
    text = f"ENDPOINT, KEY = {served.endpoint!r}, {served.key!r}\n{textwrap.dedent(CAREFUL)}"
    assert (0, CAREFUL_LINES, "") == play(tmp_path, text, {})


def play(folder: Path, text: str, variables: dict[str, str]) -> tuple[int, list[str], str]:
    """A script's exit code, the lines that it printed, and what it said on standard error."""
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(
        command, cwd=folder, env=environment() | variables, capture_output=True, text=True, timeout=50, check=False
    )
    return done.returncode, done.stdout.splitlines(), done.stderr
