"""The same isolation when an ordinary user's server makes the sandboxes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import agentbay_local

STRANGER = 54321
INTERPRETERS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")
SOURCES = [str(Path(agentbay_local.__file__).parents[1]), *(path for path in sys.path if path.endswith("-packages"))]
PROBE = """
    import asyncio, os
    from agentbay_local.sandbox.engine import Limits, default_engine

    TRIES = '''
        id -u
        cat /etc/shadow /proc/1/environ /proc/1/mem
        echo x > /proc/sys/kernel/core_pattern
        unshare -U true && echo namespace
        touch /x /dev/x /usr/x && echo written
        for n in 1 2 3; do head -c 20M /dev/zero > /workspace/$n; done; cat /workspace/? | wc -c
        i=0; while [ $i -lt 100 ]; do sleep 30 & i=$((i+1)); done
    '''

    async def main():
        engine = default_engine(Limits(processes=40, workspace=32 << 20), warm=0)
        await engine.start()
        box = await engine.create()
        done = await box.run(["sh", "-c", TRIES], timeout=20)
        usage = await box.usage()
        await box.pause()
        await box.resume()
        again = await box.run(["sh", "-c", "echo again"])
        print(os.getuid(), done.stdout.split(), usage.processes <= 41, usage.memory > 0, again.stdout)
        await engine.close()

    asyncio.run(main())
"""


def as_stranger(interpreter: str, source: str) -> subprocess.CompletedProcess[str]:
    """Run Python source as a user who owns nothing."""
    return subprocess.run(
        [interpreter, "-c", textwrap.dedent(source)],
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(SOURCES), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def usable(interpreter: str) -> bool:
    try:
        return as_stranger(interpreter, "import attrs, agentbay_local.sandbox.engine").returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="this is an ordinary user already")
def test_an_ordinary_users_sandboxes_hold_as_well() -> None:
    interpreter = next(filter(usable, INTERPRETERS), None)
    if interpreter is None:
        pytest.skip("no interpreter with our packages can be used by everybody")
    done = as_stranger(interpreter, PROBE)
    expected = f"{STRANGER} [b'1000', b'{32 << 20}'] True True b'again\\n'\n"
    assert (expected, 0) == (done.stdout, done.returncode), done.stderr
