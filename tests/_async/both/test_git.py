"""Git on the runtime: the session's own git, as far as no network is needed."""

from __future__ import annotations

import pytest

from agentbay import AsyncSession, GitError, GitNotARepoError
from tests._async.both.doors import FOLDER

# What is asked of a session for it is compared in test_git.py one folder up.
pytestmark = pytest.mark.parametrize("door", ["link", "rpc"], indirect=True)

REPO = f"{FOLDER}/a repo"


@pytest.fixture(autouse=True)
async def repository(session: AsyncSession) -> None:
    """An empty one, where the machine's own git is there inside."""
    if not (await session.command.run("command -v git")).success:
        pytest.skip("this machine has no git")
    await session.git.init(REPO, initial_branch="main")
    await session.git.configure_user(REPO, "Ann Ö", "ann@example.com", scope="local")


async def written(session: AsyncSession, name: str, text: str) -> None:
    (await session.file_system.write_file(f"{REPO}/{name}", text)).unwrap()


async def committed(session: AsyncSession, name: str, text: str, message: str) -> str | None:
    await written(session, name, text)
    await session.git.add(REPO)
    return (await session.git.commit(REPO, message)).commit_hash


async def test_changes_are_seen_staged_and_committed(session: AsyncSession) -> None:
    await written(session, "todo list.txt", "milk\n")
    status = await session.git.status(REPO)
    assert ("main", [("todo list.txt", "untracked", False)]) == (
        status.current_branch,
        [(file.path, file.status, file.staged) for file in status.files],
    )
    await session.git.add(REPO, files=["todo list.txt"])
    assert [True] == [file.staged for file in (await session.git.status(REPO)).files]
    made = await session.git.commit(REPO, "Add 'the' \"list\"\n\n$HOME stays as it is")
    assert (await session.git.status(REPO)).is_clean
    [entry] = (await session.git.log(REPO)).entries
    assert (True, "Ann Ö", "ann@example.com") == (
        entry.hash.startswith(made.commit_hash or "none"),
        entry.author_name,
        entry.author_email,
    )
    assert entry.message.startswith("Add 'the' \"list\"")


async def test_the_log_has_the_latest_first(session: AsyncSession) -> None:
    for number in range(3):
        await committed(session, "file", f"{number}\n", f"step {number}")
    entries = (await session.git.log(REPO, max_count=2)).entries
    assert ["step 2", "step 1"] == [entry.message.strip() for entry in entries]


async def test_branches_are_made_left_and_removed(session: AsyncSession) -> None:
    await committed(session, "file", "x\n", "first")
    await session.git.create_branch(REPO, "feature/one")
    await session.git.checkout_branch(REPO, "main")
    found = await session.git.list_branches(REPO)
    assert ("main", {"main", "feature/one"}) == (found.current, {branch.name for branch in found.branches})
    await session.git.delete_branch(REPO, "feature/one")
    assert ["main"] == [branch.name for branch in (await session.git.list_branches(REPO)).branches]


async def test_a_clone_of_a_local_repository_pulls_what_is_new(session: AsyncSession) -> None:
    await committed(session, "file", "one\n", "first")
    copy = f"{FOLDER}/copy"
    assert copy == (await session.git.clone(f"file://{REPO}", path=copy)).path
    await committed(session, "file", "two\n", "second")
    await session.git.pull(copy)
    assert "two\n" == (await session.file_system.read_file(f"{copy}/file")).content


async def test_changes_are_taken_back(session: AsyncSession) -> None:
    await committed(session, "file", "kept\n", "first")
    await written(session, "file", "lost\n")
    await session.git.add(REPO)
    await session.git.restore(REPO, ["file"], staged=True, worktree=True)
    assert "kept\n" == (await session.file_system.read_file(f"{REPO}/file")).content
    await written(session, "file", "lost\n")
    await session.git.reset(REPO, mode="hard")
    assert (await session.git.status(REPO)).is_clean


async def test_settings_and_remotes_are_kept_and_what_is_not_there_is_none(session: AsyncSession) -> None:
    await session.git.set_config(REPO, "core.editor", "vi -n", scope="local")
    await session.git.remote_add(REPO, "origin", "https://example.com/a b.git")
    assert ("vi -n", "https://example.com/a b.git") == (
        await session.git.get_config(REPO, "core.editor", scope="local"),
        await session.git.remote_get(REPO, "origin"),
    )
    assert (None, None) == (
        await session.git.get_config(REPO, "no.such", scope="local"),
        await session.git.remote_get(REPO, "elsewhere"),
    )


async def test_what_git_refuses_is_an_error_with_its_words(session: AsyncSession) -> None:
    with pytest.raises(GitNotARepoError) as caught:
        await session.git.status("/tmp")
    assert (128, True) == (caught.value.exit_code, "not a git repository" in caught.value.stderr)
    with pytest.raises(GitError, match="exit code 1"):
        await session.git.commit(REPO, "empty")
