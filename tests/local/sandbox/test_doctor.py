"""What `doctor` says about this machine is what it has tried."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentbay_local import doctor
from agentbay_local.sandbox import reasons, seccomp


def test_a_machine_that_runs_sandboxes_is_called_able(capsys: pytest.CaptureFixture[str]) -> None:
    able = doctor.main() == 0
    said = capsys.readouterr().out
    assert able == said.endswith("This machine can run sandboxes.\n")
    assert {"python", "bwrap", "loopback", "memory", "node"} <= {line.split()[1] for line in said.splitlines()}


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


def test_examining_leaves_no_task_behind() -> None:
    doctor.examine()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
