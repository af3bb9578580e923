"""A program that forks in the middle of its work: both processes go on, each with connections of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests._async.both.doors import require_sandboxes
from tests.local.conftest import Served, environment

FORKING = textwrap.dedent("""
    import os, sys, threading
    from agentbay import AgentBay, CreateSessionParams, WsConnectionClosedError

    WAIT = "while not os.path.exists('/tmp/go'): time.sleep(0.02)"
    CODE = f"import os, time\\nprint('one', flush=True)\\n{WAIT}\\nprint('two')"

    def until(terminal, word):
        seen = b""
        while word not in seen:
            seen += terminal.__next__()

    def child(client, session, stream, terminal):
        for inherited in (stream, terminal):
            try:
                for _ in inherited:
                    pass
            except WsConnectionClosedError as error:
                print("child:", error.message, flush=True)
        own = session.pty.create()
        own.send_input(b"echo $((6 * 7))\\n")
        until(own, b"42")
        own.kill()
        print("child: done", flush=True)
        client.close()

    client = AgentBay()
    session = client.create(CreateSessionParams(image_id="code_latest")).unwrap().session
    session.command.run("mkdir /tmp/watched").unwrap()
    changed, stop = threading.Event(), threading.Event()
    with session.code.stream(CODE, "python") as stream, session.pty.create() as terminal:
        watch = session.file_system.watch_directory("/tmp/watched", lambda events: changed.set(), stop_event=stop)
        watch.start()
        print("parent:", next(stream).text.strip(), flush=True)
        terminal.send_input(b"echo $((1 + 1))$((1 + 1))\\n")
        until(terminal, b"22")
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                child(client, session, stream, terminal)
                status = 0
            finally:
                os._exit(status)
        print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        terminal.send_input(b"echo $((3 + 3))$((3 + 3))\\n")
        until(terminal, b"66")
        session.command.run("touch /tmp/go /tmp/watched/new").unwrap()
        print("parent:", "".join(event.text for event in stream).strip(), stream.result.success, changed.wait(10))
        stop.set()
    session.delete().unwrap()
    client.close()
""")

SAID = "child: It belongs to the process that this one was forked from"


@pytest.mark.no_cover
def test_after_a_fork_parent_and_child_each_have_a_connection_of_their_own(runtime: Served, tmp_path: Path) -> None:
    require_sandboxes()
    keys = {"AGENTBAY_ENDPOINT": runtime.endpoint, "AGENTBAY_API_KEY": runtime.key}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING],  # forks are warned of
        env=environment() | keys,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = ["parent: one", SAID, SAID, "child: done", "status 0", "parent: two True True"]
    assert (lines, "") == (done.stdout.splitlines(), done.stderr)
