"""Whole scripts of users with `endpoint="local"` that end well: they do their work and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._async.both.doors import require_sandboxes
from tests.local.conftest import serve
from tests.local.sdk_scripts import ENGINES, PATIENCE, Write, by, writer


@pytest.fixture
def script(tmp_path: Path) -> Write:
    require_sandboxes()
    return writer(tmp_path)


def test_a_sync_script_does_its_work(script: Write) -> None:
    script("""
        from agentbay import AgentBay, CreateSessionParams

        with AgentBay(endpoint="local") as agent_bay:
            with agent_bay.create(CreateSessionParams(image_id="code_latest")).unwrap().session as session:
                session.file_system.write_file("/tmp/numbers", "6 7")
                print(session.command.run("cat /tmp/numbers").stdout)
                print(session.code.run("a, b = open('/tmp/numbers').read().split(); int(a) * int(b)", "python").result)
            print(agent_bay.list().total_count)
    """).prints("6 7", "42", "0")


def test_an_async_script_does_its_work(script: Write) -> None:
    script("""
        import asyncio
        from agentbay import AsyncAgentBay, CreateSessionParams

        async def main():
            async with AsyncAgentBay(endpoint="local") as agent_bay:
                created = await agent_bay.create(CreateSessionParams(image_id="code_latest"))
                async with created.unwrap().session as session:
                    await session.file_system.write_file("/tmp/numbers", "6 7")
                    print((await session.command.run("cat /tmp/numbers")).stdout)
                    code = "a, b = open('/tmp/numbers').read().split(); int(a) * int(b)"
                    print((await session.code.run(code, "python")).result)
                print((await agent_bay.list()).total_count)

        asyncio.run(main())
    """).prints("6 7", "42", "0")


def test_the_environment_alone_leads_to_this_machine_and_needs_no_key(script: Write) -> None:
    text = """
        from agentbay import AgentBay

        with AgentBay() as agent_bay, agent_bay.create().session as session:
            print(session.command.run("whoami").stdout.strip())
    """
    script(text, AGENTBAY_ENDPOINT="local").prints("wuying")


def test_a_script_that_closes_nothing_leaves_nothing(script: Write) -> None:
    started = script("""
        import time
        from agentbay import AgentBay

        session = AgentBay(endpoint="local").create().session
        session.command.run("sleep 1000 >/dev/null 2>&1 &")
        print("ready", flush=True)
        time.sleep(0.5)
    """)
    with started.ready() as process:
        assert 0 == process.wait(PATIENCE)


def test_two_clients_share_one_runtime_and_its_end(script: Write) -> None:
    script("""
        from agentbay import AgentBay

        first, second = AgentBay(endpoint="local"), AgentBay(endpoint="local")
        session = first.create().session
        same = second.get(session.session_id).session
        session.file_system.write_file("/tmp/word", "shared")
        print(same.file_system.read_file("/tmp/word").content)
        first.close()
        print(same.file_system.read_file("/tmp/word").content)
        second.close()
        third = AgentBay(endpoint="local")
        print(third.get(session.session_id).success)
        third.close()
    """).prints("shared", "shared", "False")


def test_threads_share_one_client(script: Write) -> None:
    script("""
        from concurrent.futures import ThreadPoolExecutor
        from agentbay import AgentBay

        with AgentBay(endpoint="local") as agent_bay, agent_bay.create().session as session:
            with ThreadPoolExecutor(10) as pool:
                ended = list(pool.map(lambda number: session.command.run(f"echo {number}"), range(40)))
        print([int(one.stdout) for one in ended] == list(range(40)))
    """).prints("True")


def test_threads_may_open_sessions_of_their_own(script: Write) -> None:
    script("""
        from concurrent.futures import ThreadPoolExecutor
        from agentbay import AgentBay

        def work(number):
            with agent_bay.create().session as session:
                session.file_system.write_file("/tmp/mine", str(number))
                return session.command.run("ls /tmp/mine; cat /tmp/mine").stdout == f"/tmp/mine\\n{number}"

        with AgentBay(endpoint="local") as agent_bay, ThreadPoolExecutor(8) as pool:
            print(all(pool.map(work, range(8))))
    """).prints("True")


def test_twenty_commands_run_at_once(script: Write) -> None:
    script("""
        import asyncio
        from agentbay import AsyncAgentBay

        # Each waits until all have begun: one after the other they would never end.
        MEET = "touch /tmp/at-{}; until [ $(ls /tmp/at-* | wc -l) = 20 ]; do sleep 0.05; done; echo {}"

        async def main():
            async with AsyncAgentBay(endpoint="local") as agent_bay:
                session = (await agent_bay.create()).session
                runs = (session.command.run(MEET.format(number, number)) for number in range(20))
                print([int(one.stdout) for one in await asyncio.gather(*runs)] == list(range(20)))

        asyncio.run(main())
    """).prints("True")


def test_a_notebook_makes_one_client_after_the_other(script: Write) -> None:
    script("""
        import asyncio
        from agentbay import AsyncAgentBay

        async def cell(number):
            async with AsyncAgentBay(endpoint="local") as agent_bay:
                async with (await agent_bay.create()).session as session:
                    return (await session.command.run(f"echo cell {number}")).stdout.strip()

        for number in range(3):
            print(asyncio.run(cell(number)))
    """).prints("cell 0", "cell 1", "cell 2")


def test_a_client_of_another_loop_says_so(script: Write) -> None:
    script("""
        import asyncio
        from agentbay import AsyncAgentBay, EventLoopError

        agent_bay = AsyncAgentBay(endpoint="local")
        with asyncio.Runner() as first:
            session = first.run(agent_bay.create()).session
            try:
                with asyncio.Runner() as second:
                    second.run(session.command.run("true"))
            except EventLoopError as error:
                print(error)
            first.run(agent_bay.aclose())
    """).prints("This client belongs to another event loop; make one client for each loop.")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_child_starts_a_runtime_of_its_own(script: Write, engine: str) -> None:
    text = """
        import multiprocessing
        from agentbay import AgentBay

        def work(queue):
            with AgentBay(endpoint="local") as agent_bay, agent_bay.create().session as session:
                queue.put((session.command.run("echo child").stdout.strip(), agent_bay.list().total_count))

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            with AgentBay(endpoint="local") as agent_bay, agent_bay.create().session as session:
                session.command.run("true")
                queue = context.SimpleQueue()
                child = context.Process(target=work, args=(queue,))
                child.start()
                child.join()
                print(*([child.exitcode] if child.exitcode else queue.get()))
                print(session.command.run("echo parent").stdout.strip(), agent_bay.list().total_count)
    """
    script(by(engine, text)).prints("child 1", "parent 1")


def test_a_forked_child_and_its_parent_may_use_one_client(script: Write) -> None:
    text = """
        import os
        from agentbay import AgentBay

        def mixed_up(word):
            lines = [f"{word} {number}" for number in range(20)]
            return [line for line in lines if session.command.run(f"echo {line}").stdout.strip() != line]

        with AgentBay(endpoint="local") as agent_bay, agent_bay.create().session as session:
            session.command.run("true")
            child = os.fork()
            if not child:
                os._exit(len(mixed_up("child")))
            print(mixed_up("parent"), os.waitpid(child, 0)[1])
    """
    script(by("pool", text)).prints("[] 0")


# --- A runtime that a person started ----------------------------------------------------------------------------------


def test_the_two_lines_of_serve_are_a_dot_env_file_for_scripts_elsewhere(script: Write, tmp_path: Path) -> None:
    served = serve()
    try:
        started = script("""
            from agentbay import AgentBay

            with AgentBay() as agent_bay, agent_bay.create().session as session:
                print(session.command.run("echo by .env").stdout.strip())
        """)
        (tmp_path / ".env").write_text(f"AGENTBAY_ENDPOINT={served.endpoint}\nAGENTBAY_API_KEY={served.key}\n", "utf-8")
        started.prints("by .env")
    finally:
        assert 0 == served.stop()
