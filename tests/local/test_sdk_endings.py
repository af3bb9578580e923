"""Whole scripts of users that end badly: whatever ends them, nothing that they started is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests._async.both.doors import require_sandboxes
from tests.local.sdk_scripts import ENGINES, PATIENCE, Script, Write, by, writer

pytestmark = pytest.mark.slow


@pytest.fixture
def script(tmp_path: Path) -> Write:
    require_sandboxes()
    return writer(tmp_path)


def test_an_exception_in_the_block_is_all_that_is_seen(script: Write) -> None:
    code, lines, err = script("""
        from agentbay import AgentBay

        with AgentBay(endpoint="local") as agent_bay:
            with agent_bay.create().session as session:
                session.command.run("sleep 1000 >/dev/null 2>&1 &")
                raise RuntimeError("my own mistake")
    """).run()
    assert (1, []) == (code, lines)
    assert ["RuntimeError: my own mistake"] == [line for line in err.splitlines() if "Error" in line][-1:]
    assert err.count("Traceback") == 1


WORKING = {
    "sync": """
        from agentbay import AgentBay

        with AgentBay(endpoint="local") as agent_bay, agent_bay.create().session as session:
            session.command.run("sleep 1000 >/dev/null 2>&1 &")
            print("ready", flush=True)
            session.command.run("sleep 1000", timeout_ms=1_000_000)
    """,
    "async": """
        import asyncio
        from agentbay import AsyncAgentBay

        async def main():
            async with AsyncAgentBay(endpoint="local") as agent_bay:
                async with (await agent_bay.create()).session as session:
                    await session.command.run("sleep 1000 >/dev/null 2>&1 &")
                    print("ready", flush=True)
                    await session.command.run("sleep 1000", timeout_ms=1_000_000)

        asyncio.run(main())
    """,
}


def interrupt(started: Script) -> None:
    """Press Ctrl-C while a command runs."""
    with started.ready() as process:
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=8)
    assert (-signal.SIGINT, "KeyboardInterrupt") == (process.returncode, err.strip().splitlines()[-1])


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_ends_a_sync_script_and_all_that_it_started(script: Write, engine: str) -> None:
    interrupt(script(by(engine, WORKING["sync"])))


@pytest.mark.parametrize("engine", ["pool", "auto"])
def test_ctrl_c_ends_an_async_script_and_all_that_it_started(script: Write, engine: str) -> None:
    interrupt(script(by(engine, WORKING["async"])))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_script_leaves_nothing_behind(script: Write, number: signal.Signals) -> None:
    with script(WORKING["sync"]).ready() as process:
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    assert -number == process.returncode


def test_a_runtime_that_was_killed_is_told_in_the_error(script: Write) -> None:
    started = script("""
        import os, signal, time
        from pathlib import Path
        from agentbay import AgentBay, APIConnectionError

        with AgentBay(endpoint="local") as agent_bay:
            session = agent_bay.create().session
            print("ready", flush=True)
            time.sleep(1)  # the test takes stock of the processes first
            [runtime] = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            os.kill(int(runtime), signal.SIGKILL)
            os.waitid(os.P_PID, int(runtime), os.WEXITED | os.WNOWAIT)
            try:
                session.command.run("true")
            except APIConnectionError as error:
                print("The local runtime has ended" in str(error))
        with AgentBay(endpoint="local") as another:
            print(another.create().success)
    """)
    with started.ready() as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (0, "True\nTrue\n", "") == (process.returncode, out, err)


def test_whoever_waits_for_pushes_learns_that_the_runtime_was_killed(script: Write) -> None:
    started = script("""
        import os, signal, threading, time
        from pathlib import Path
        from agentbay import AgentBay, LocalRuntimeError

        def tell(wait):
            try:
                wait()
            except LocalRuntimeError as error:
                print(f"{'The local runtime has ended' in str(error)}\\n", end="", flush=True)

        with AgentBay(endpoint="local") as agent_bay:
            session = agent_bay.create().session
            terminal = session.pty.create()
            changes = session.file_system.watch_directory("/tmp")
            waits = [terminal.wait, lambda: [*terminal], lambda: next(changes)]
            threads = [threading.Thread(target=tell, args=[wait]) for wait in waits]
            for thread in threads:
                thread.start()
            print("ready", flush=True)
            time.sleep(1)  # the test takes stock of the processes first
            [runtime] = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            os.kill(int(runtime), signal.SIGKILL)
            for thread in threads:
                thread.join()
    """)
    with started.ready() as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (0, "True\n" * 3, "") == (process.returncode, out, err)
