"""Git: every shell line, every error, and real repositories."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbay import (
    AsyncSession,
    GitAuthError,
    GitBranchListResult,
    GitCloneResult,
    GitCommitResult,
    GitConflictError,
    GitError,
    GitInitResult,
    GitLogResult,
    GitNotARepoError,
    GitNotFoundError,
    GitStatusResult,
    NotFoundError,
)
from tests.catalogue import check_args
from tests.gateway import GONE, Gateway, Received, Said

VERSION = "git '--version'"
ENVS = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
SECRET = "s3cr3t-canary"
PRIVATE = f"https://user:{SECRET}@h/x.git"
KNOWN = f"'-c' 'url.https://user:{SECRET}@h/.insteadOf=https://h/'"


def shell(stdout: str = "", stderr: str = "", code: int = 0) -> Said:
    return Said(json.dumps({"stdout": stdout, "stderr": stderr, "exit_code": code}))


Row = tuple[Callable[[Any], Any], str, int, Any]

LINES: dict[str, Row] = {
    "clone": (
        lambda g: g.clone("https://h/a/x.git"),
        "git 'clone' 'https://h/a/x.git' 'x'",
        300000,
        GitCloneResult("x"),
    ),
    "clone with all": (
        lambda g: g.clone("https://h/x", path="/w", branch="b", depth=1, timeout_ms=5),
        "git 'clone' '--branch' 'b' '--single-branch' '--depth' '1' 'https://h/x' '/w'",
        5,
        GitCloneResult("/w"),
    ),
    "clone with credentials": (
        lambda g: g.clone(PRIVATE),
        f"git {KNOWN} 'clone' 'https://h/x.git' 'x'",
        300000,
        GitCloneResult("x"),
    ),
    "clone that stores credentials": (
        lambda g: g.clone(PRIVATE, store_credentials=True),
        f"git 'clone' '{PRIVATE}' 'x'",
        300000,
        GitCloneResult("x"),
    ),
    "init": (lambda g: g.init("/r"), "git 'init' '/r'", 30000, GitInitResult("/r")),
    "init with all": (
        lambda g: g.init("/r", initial_branch="main", bare=True),
        "git 'init' '--initial-branch' 'main' '--bare' '/r'",
        30000,
        GitInitResult("/r"),
    ),
    "add all": (lambda g: g.add("/r"), "git -C '/r' 'add' '-A'", 30000, None),
    "add here": (lambda g: g.add("/r", stage_all=False), "git -C '/r' 'add' '.'", 30000, None),
    "add files": (
        lambda g: g.add("/r", files=["a b", "it's"]),
        "git -C '/r' 'add' '--' 'a b' 'it'\\''s'",
        30000,
        None,
    ),
    "commit": (lambda g: g.commit("/r", "m"), "git -C '/r' 'commit' '-m' 'm'", 30000, GitCommitResult()),
    "commit with all": (
        lambda g: g.commit("/r", "m", author_name="N", author_email="E", allow_empty=True),
        "git -C '/r' '-c' 'user.name=N' '-c' 'user.email=E' 'commit' '-m' 'm' '--allow-empty'",
        30000,
        GitCommitResult(),
    ),
    "status": (lambda g: g.status("/r"), "git -C '/r' 'status' '--porcelain=1' '-b'", 30000, GitStatusResult()),
    "log": (
        lambda g: g.log("/r"),
        "git -C '/r' 'log' '--format=%H%x01%h%x01%an%x01%ae%x01%aI%x01%s%x00'",
        30000,
        GitLogResult(),
    ),
    "log of some": (
        lambda g: g.log("/r", max_count=2),
        "git -C '/r' 'log' '--format=%H%x01%h%x01%an%x01%ae%x01%aI%x01%s%x00' '--max-count' '2'",
        30000,
        GitLogResult(),
    ),
    "list_branches": (
        lambda g: g.list_branches("/r"),
        "git -C '/r' 'branch' '--format=%(refname:short)\t%(HEAD)'",
        30000,
        GitBranchListResult(),
    ),
    "create_branch": (lambda g: g.create_branch("/r", "b"), "git -C '/r' 'checkout' '-b' 'b'", 30000, None),
    "create_branch only": (
        lambda g: g.create_branch("/r", "b", checkout=False),
        "git -C '/r' 'branch' 'b'",
        30000,
        None,
    ),
    "checkout_branch": (lambda g: g.checkout_branch("/r", "b"), "git -C '/r' 'checkout' 'b'", 30000, None),
    "delete_branch": (lambda g: g.delete_branch("/r", "b"), "git -C '/r' 'branch' '-d' 'b'", 30000, None),
    "delete_branch by force": (
        lambda g: g.delete_branch("/r", "b", force=True),
        "git -C '/r' 'branch' '-D' 'b'",
        30000,
        None,
    ),
    "remote_add": (
        lambda g: g.remote_add("/r", "o", "https://h/x"),
        "git -C '/r' 'remote' 'add' 'o' 'https://h/x'",
        30000,
        None,
    ),
    "remote_add and fetch": (
        lambda g: g.remote_add("/r", "o", "https://h/x", fetch=True),
        "git -C '/r' 'remote' 'add' '-f' 'o' 'https://h/x'",
        30000,
        None,
    ),
    "remote_add over": (
        lambda g: g.remote_add("/r", "o", "u", overwrite=True),
        "git -C '/r' 'remote' 'add' 'o' 'u' || git -C '/r' 'remote' 'set-url' 'o' 'u'",
        30000,
        None,
    ),
    "remote_add over and fetch": (
        lambda g: g.remote_add("/r", "o", "u", overwrite=True, fetch=True),
        (
            "(git -C '/r' 'remote' 'add' '-f' 'o' 'u' || "
            "git -C '/r' 'remote' 'set-url' 'o' 'u') && git -C '/r' 'fetch' 'o'"
        ),
        30000,
        None,
    ),
    "remote_add with credentials": (
        lambda g: g.remote_add("/r", "o", PRIVATE),
        "git -C '/r' 'remote' 'add' 'o' 'https://h/x.git'",
        30000,
        None,
    ),
    "remote_add with credentials and fetch": (
        lambda g: g.remote_add("/r", "o", PRIVATE, overwrite=True, fetch=True),
        (
            f"(git -C '/r' {KNOWN} 'remote' 'add' '-f' 'o' 'https://h/x.git' || "
            f"git -C '/r' 'remote' 'set-url' 'o' 'https://h/x.git') && git -C '/r' {KNOWN} 'fetch' 'o'"
        ),
        30000,
        None,
    ),
    "remote_get": (lambda g: g.remote_get("/r", "o"), "git -C '/r' 'remote' 'get-url' 'o'", 30000, None),
    "reset": (lambda g: g.reset("/r"), "git -C '/r' 'reset'", 30000, None),
    "reset with all": (
        lambda g: g.reset("/r", mode="hard", target="HEAD~1", paths=["a"]),
        "git -C '/r' 'reset' '--hard' 'HEAD~1' '--' 'a'",
        30000,
        None,
    ),
    "restore": (lambda g: g.restore("/r", ["a"]), "git -C '/r' 'restore' '--worktree' '--' 'a'", 30000, None),
    "restore what is staged": (
        lambda g: g.restore("/r", ["a", "b"], staged=True, source="HEAD"),
        "git -C '/r' 'restore' '--staged' '--source' 'HEAD' '--' 'a' 'b'",
        30000,
        None,
    ),
    "restore both": (
        lambda g: g.restore("/r", ["a"], staged=True, worktree=True),
        "git -C '/r' 'restore' '--worktree' '--staged' '--' 'a'",
        30000,
        None,
    ),
    "pull": (lambda g: g.pull("/r"), "git -C '/r' 'pull'", 120000, None),
    "pull from": (
        lambda g: g.pull("/r", remote="o", branch="b"),
        "git -C '/r' 'pull' 'o' 'b'",
        120000,
        None,
    ),
    "pull with credentials": (
        lambda g: g.pull("/r", remote=PRIVATE, branch="b"),
        f"git -C '/r' {KNOWN} 'pull' 'https://h/x.git' 'b'",
        120000,
        None,
    ),
    "set_config": (lambda g: g.set_config("/r", "k", "v"), "git -C '/r' 'config' '--global' 'k' 'v'", 30000, None),
    "set_config local": (
        lambda g: g.set_config("/r", "k", "v", scope="local"),
        "git -C '/r' 'config' '--local' 'k' 'v'",
        30000,
        None,
    ),
    "get_config": (
        lambda g: g.get_config("/r", "k", scope="odd"),
        "git -C '/r' 'config' '--global' '--get' 'k'",
        30000,
        "",
    ),
}


@pytest.mark.parametrize(("call", "line", "timeout_ms", "expected"), LINES.values(), ids=LINES)
async def test_each_operation_is_one_shell_line(
    either: AsyncSession, gateway: Gateway, call: Any, line: str, timeout_ms: int, expected: Any
) -> None:
    gateway.on("shell", shell("git version 2.40"), shell())
    assert expected == await call(either.git)
    first, second = (request.args for request in gateway.requests)
    assert {"command": VERSION, "timeout_ms": 30000, "envs": ENVS} == first
    assert {"command": line, "timeout_ms": timeout_ms, "envs": ENVS} == second
    check_args("shell", second)


async def test_git_is_looked_for_once(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", shell())
    await session.git.configure_user("/r", "N", "E", scope="local")
    await session.git.add("/r")
    assert [
        VERSION,
        "git -C '/r' 'config' '--local' 'user.name' 'N'",
        "git -C '/r' 'config' '--local' 'user.email' 'E'",
        "git -C '/r' 'add' '-A'",
    ] == [request.args["command"] for request in gateway.requests]


@pytest.mark.parametrize("answer", [shell("", "sh: git: not found", 127), Said("Execution failed. Error code:1", True)])
async def test_a_session_without_git_says_so_each_time(session: AsyncSession, gateway: Gateway, answer: Any) -> None:
    gateway.on("shell", answer)
    for _ in range(2):
        with pytest.raises(GitNotFoundError, match="Git is not installed or not available on the remote environment"):
            await session.git.status("/r")
    assert 2 == len(gateway.requests)


@pytest.mark.parametrize(
    ("operation", "arguments", "name"),
    [
        ("clone", {"url": "--upload-pack=touch /tmp/x"}, "url"),
        ("clone", {"url": "https://host/a.git", "path": "--bare"}, "path"),
        ("checkout_branch", {"repo_path": "/r", "branch": "--orphan"}, "branch"),
        ("remote_add", {"repo_path": "/r", "name": "-m", "url": "https://host/a.git"}, "name"),
        ("remote_add", {"repo_path": "/r", "name": "up", "url": "--mirror=fetch"}, "url"),
        ("remote_get", {"repo_path": "/r", "name": "--all"}, "name"),
        ("pull", {"repo_path": "/r", "remote": "--upload-pack=id"}, "remote"),
        ("pull", {"repo_path": "/r", "branch": "--all"}, "branch"),
        ("reset", {"repo_path": "/r", "target": "--hard"}, "target"),
    ],
)
async def test_a_value_that_git_would_take_for_an_option_is_refused_before_any_request(
    session: AsyncSession, gateway: Gateway, operation: str, arguments: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name} must not begin with a dash, which git takes for an option$"):
        await getattr(session.git, operation)(**arguments)
    assert [] == gateway.requests


async def test_a_mode_that_does_not_exist_is_refused_before_any_request(
    session: AsyncSession, gateway: Gateway
) -> None:
    text = r"Invalid reset mode: 'x'\. Must be one of \['hard', 'keep', 'merge', 'mixed', 'soft'\]"
    with pytest.raises(ValueError, match=text):
        await session.git.reset("/r", mode="x")
    assert [] == gateway.requests


ERRORS: list[tuple[Said, type[GitError], str, int]] = [
    (shell("", "fatal: Authentication failed for 'u'", 128), GitAuthError, "authentication error. fatal: A", 128),
    (shell("", "error: 403", 22), GitAuthError, "authentication error. error: 403", 22),
    (shell("", "fatal: Not a git repository", 128), GitNotARepoError, "not a git repository. fatal", 128),
    (shell("", "'o' does not appear to be a git repository", 1), GitNotARepoError, "not a git repository", 1),
    (shell("", "CONFLICT (content): a", 1), GitConflictError, "merge conflict. CONFLICT", 1),
    (shell("", "Automatic merge failed", 1), GitConflictError, "merge conflict. Automatic", 1),
    (shell("", "bash: git: command not found", 127), GitNotFoundError, "git not found. bash", 127),
    (shell("Automatic merge failed; fix conflicts", "", 1), GitConflictError, "merge conflict. Automatic", 1),
    (shell("Untracked files: 403.html\n", "", 1), GitError, r"\(exit code 1\): Untracked files: 403.html \(", 1),
    (shell("", "", 1), GitError, r"\(exit code 1\): \(", 1),
    (shell("", "odd", 127), GitNotFoundError, "git not found. odd", 127),
    (shell("", "fatal: odd", 3), GitError, r"\(exit code 3\): fatal: odd", 3),
    (Said("Execution failed. Error code:-1 Error message: [timeout]", True), GitError, r"\[timeout\]", 1),
]


@pytest.mark.parametrize(("answer", "kind", "text", "code"), ERRORS)
async def test_a_failure_is_the_class_that_gits_words_mean(
    session: AsyncSession, gateway: Gateway, answer: Said, kind: type[GitError], text: str, code: int
) -> None:
    gateway.on("shell", shell(), answer)
    with pytest.raises(GitError, match=f"Git pull failed.*{text}") as caught:
        await session.git.pull("/r")
    error = caught.value
    assert (kind, code, "pull", session.session_id) == (type(error), error.exit_code, error.action, error.session_id)


async def test_a_refusal_by_the_service_is_raised_as_it_is(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", GONE)
    with pytest.raises(NotFoundError):
        await session.git.status("/r")


@pytest.mark.parametrize("stderr", ["error: No such remote 'o'", "错误: 没有此远程 'o'"])
async def test_a_remote_that_does_not_exist_is_none(session: AsyncSession, gateway: Gateway, stderr: str) -> None:
    gateway.on("shell", shell(), shell("", stderr, 2))
    assert None is await session.git.remote_get("/r", "o")


@pytest.mark.parametrize("stderr", ["", "error: key does not contain a section: x"])
async def test_a_value_that_is_not_set_is_none(session: AsyncSession, gateway: Gateway, stderr: str) -> None:
    gateway.on("shell", shell(), shell("", stderr, 1))
    assert None is await session.git.get_config("/r", "x")


async def test_other_failures_of_these_two_are_raised(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", shell(), shell("", "fatal: odd", 2))
    with pytest.raises(GitError):
        await session.git.get_config("/r", "x")
    with pytest.raises(GitError):
        await session.git.remote_get("/r", "o")


@pytest.mark.parametrize("url", [PRIVATE, f"https://{SECRET}@h/x"])
async def test_credentials_are_in_no_error_and_no_log(
    session: AsyncSession, gateway: Gateway, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level("DEBUG", "agentbay")
    gateway.on("shell", shell(), shell("", f"fatal: cannot read '{url}' with {SECRET}", 128))
    for call in (lambda: session.git.clone(url), lambda: session.git.pull("/r", remote=url)):
        with pytest.raises(GitError) as caught:
            await call()
        error = caught.value
        shown = f"{error} {error!r} {error.stderr} {error.extra} {error.__cause__} {error.__context__}"
        assert SECRET not in shown
    assert SECRET not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("agentbay"))


# Real repositories


@pytest.fixture
def real(session: AsyncSession, gateway: Gateway, tmp_path: Path) -> AsyncSession:
    """A session whose shell is this machine's."""
    home = os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def run(request: Received) -> Said:
        done = subprocess.run(
            ["sh", "-c", request.args["command"]],
            cwd=tmp_path,
            env=home | request.args["envs"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return shell(done.stdout, done.stderr, done.returncode)

    gateway.on("shell", run)
    return session


async def test_a_repository_from_its_beginning_to_a_conflict(real: AsyncSession, tmp_path: Path) -> None:
    git, repo = real.git, str(tmp_path / "it's a repo")
    assert GitInitResult(repo) == await git.init(repo, initial_branch="main")
    await git.configure_user(repo, "Ann O'Nym", "ann@example.com", scope="local")
    assert "Ann O'Nym" == await git.get_config(repo, "user.name", scope="local")
    assert None is await git.get_config(repo, "user.shoe", scope="local")
    (tmp_path / "it's a repo" / "é b.txt").write_text("one\n")
    status = await git.status(repo)
    assert ("main", ["é b.txt"], True) == (
        status.current_branch,
        [one.path for one in status.files],
        status.has_untracked,
    )
    await git.add(repo, files=["é b.txt"])
    commit = await git.commit(repo, 'first: $HOME `x` "y"')
    entry = (await git.log(repo, max_count=1)).entries[0]
    assert (commit.commit_hash, 'first: $HOME `x` "y"', "Ann O'Nym") == (
        entry.short_hash,
        entry.message,
        entry.author_name,
    )
    await git.create_branch(repo, "side")
    (tmp_path / "it's a repo" / "é b.txt").write_text("two\n")
    await git.add(repo)
    await git.commit(repo, "on side")
    await git.checkout_branch(repo, "main")
    (tmp_path / "it's a repo" / "é b.txt").write_text("three\n")
    await git.restore(repo, ["é b.txt"])
    assert (await git.status(repo)).is_clean
    branches = await git.list_branches(repo)
    assert ("main", {"main", "side"}) == (branches.current, {branch.name for branch in branches.branches})
    (tmp_path / "it's a repo" / "é b.txt").write_text("four\n")
    await git.add(repo)
    await git.commit(repo, "on main", author_name="Bob", author_email="b@example.com")
    with pytest.raises(
        GitError, match=r"Git commit failed \(exit code 1\): On branch main\nnothing to commit, working tree clean"
    ):
        await git.commit(repo, "once more")
    with pytest.raises(GitError):
        await git.delete_branch(repo, "side")
    await git.set_config(repo, "pull.rebase", "false", scope="local")
    with pytest.raises(GitConflictError, match=r"CONFLICT \(content\): Merge conflict in"):
        await git.pull(repo, remote=repo, branch="side")
    assert (await git.status(repo)).has_conflicts
    await git.reset(repo, mode="hard")
    await git.delete_branch(repo, "side", force=True)


async def test_clones_and_remotes(real: AsyncSession, tmp_path: Path) -> None:
    git, origin = real.git, str(tmp_path / "origin.git")
    await git.init(origin, bare=True)
    assert GitCloneResult("origin") == await git.clone(origin)
    copy = str(tmp_path / "origin")
    assert origin == await git.remote_get(copy, "origin")
    assert None is await git.remote_get(copy, "other")
    await git.remote_add(copy, "other", origin, fetch=True)
    await git.remote_add(copy, "other", f"https://user:{SECRET}@h/x", overwrite=True)
    assert "https://h/x" == await git.remote_get(copy, "other")
    with pytest.raises(GitError):
        await git.remote_add(copy, "other", origin)
    with pytest.raises(GitNotARepoError):
        await git.status(str(tmp_path))


async def test_credentials_of_a_pull_are_not_stored(real: AsyncSession, tmp_path: Path) -> None:
    git, origin, copy = real.git, str(tmp_path / "origin"), str(tmp_path / "copy")
    await git.init(origin, initial_branch="main")
    await git.configure_user(origin, "Ann", "ann@example.com")
    await git.commit(origin, "first", allow_empty=True)
    await git.clone(origin, path=copy)
    await git.commit(origin, "second", allow_empty=True)
    await git.set_config(copy, f"url.{origin}.insteadOf", "https://h/x.git")
    await git.pull(copy, remote=PRIVATE, branch="main")
    assert "second" == (await git.log(copy, max_count=1)).entries[0].message
    stored = [path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert [] == [content for content in stored if SECRET.encode() in content]
