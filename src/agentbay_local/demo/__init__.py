"""`agentbay demo`: real sandboxes on this machine do real work, and every claim is checked.

It is a user of the SDK like any other: nothing here reaches into the runtime.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from agentbay import AgentBay, AgentBayError, LocalRuntimeError
from agentbay_local.demo.proofs import END, PROOFS
from agentbay_local.demo.report import Report, columns, make_report
from agentbay_local.demo.scene import CheckFailed, Scene, Step
from agentbay_local.demo.steps import WORK

__all__ = ["main"]

FOLDER = Path("agentbay-demo")
NEEDED = ("aiohttp", "ipykernel", "jupyter_client", "pandas", "matplotlib")
INSTALL = "pip install 'agentbay-sdk[local,data]'"

HELD, FAILED, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130

NEXT = """\
Next, a program of your own:

    from agentbay import AgentBay

    with AgentBay(endpoint="local") as client, client.create().unwrap().session as session:
        print(session.command.execute_command("uname -a").stdout)

  agentbay serve    one runtime for many programs, and for other AgentBay clients
  agentbay doctor   what this machine can do
  docs/guides       guides, one subject each"""


def main(arguments: Sequence[str] = ()) -> int:
    """Run the demo. Gives 0 if every check held, 1 if one failed, 2 if this machine cannot run it."""
    told = _parser().parse_args(arguments)
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        print(f"agentbay demo needs {', '.join(missing)}: {INSTALL}")
        return CANNOT_RUN
    scene, report = Scene(AgentBay(endpoint="local"), FOLDER), make_report(plain=told.plain)
    try:
        return _play(scene, report)
    except LocalRuntimeError as error:
        report.close()
        print(f"\nSandboxes cannot run here.\n{error.message}\n`agentbay doctor` says more.")
        return CANNOT_RUN
    except KeyboardInterrupt:
        print("\nInterrupted. Everything that was started is being ended.")
        return INTERRUPTED
    finally:
        scene.client.close()


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="agentbay demo",
        description=f"Watch real sandboxes do real work on this machine. Results go to ./{FOLDER}/.",
    )
    made.add_argument("--plain", action="store_true", help="plain lines in place of a table")
    return made


def _play(scene: Scene, report: Report) -> int:
    began = time.monotonic()
    steps = (*WORK, *PROOFS)
    report.open([step.title for step in (*steps, END)])
    held = all(_attempt(step, scene, report) for step in steps)
    held = _attempt(END, scene, report) and held
    report.close()
    if not held:
        print("A check failed, see above. `agentbay doctor` shows what this machine can do.")
        return FAILED
    _say(scene, time.monotonic() - began)
    return HELD


def _attempt(step: Step, scene: Scene, report: Report) -> bool:
    """Do one step and show how it went. A machine that cannot run sandboxes ends the demo, not the step alone."""
    report.begin(step.title)
    began = time.monotonic()
    try:
        seen, held = step.run(scene), True
    except LocalRuntimeError:
        report.end(step.title, "this machine cannot run sandboxes", time.monotonic() - began, held=False)
        raise
    except (CheckFailed, AgentBayError, OSError) as error:
        seen, held = str(error), False
    report.end(step.title, seen, time.monotonic() - began, held=held)
    return held


def _say(scene: Scene, seconds: float) -> None:
    print(f"\nThe length of the day, in hours, from {scene.folder}/by_latitude.csv:\n")
    print(columns(scene.table))
    print(f"\nEvery check held. {seconds:.1f} s in all.\n\n{NEXT}")
