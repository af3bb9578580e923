"""Git in a session, by its shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentbay._git import (
    BRANCH_FORMAT,
    ENVS,
    LOG_FORMAT,
    Remote,
    add_remote,
    branches_of,
    clone_target,
    commit_hash,
    git_error,
    git_line,
    log_of,
    operand,
    output_of,
    redacted,
    reset_mode,
    scope_flag,
    secrets_of,
    status_of,
)
from agentbay.errors import APIError, GitError, GitNotFoundError
from agentbay.types.command import CommandResult
from agentbay.types.git import (
    GitBranchListResult,
    GitCloneResult,
    GitCommitResult,
    GitInitResult,
    GitLogResult,
    GitStatusResult,
)

from .module import AsyncModule

if TYPE_CHECKING:
    from .session import AsyncSession

__all__ = ["AsyncGit"]

TIMEOUT_MS = 30_000
CLONE_TIMEOUT_MS = 300_000
PULL_TIMEOUT_MS = 120_000

NO_GIT = (
    "Git is not installed or not available on the remote environment. "
    "Please ensure git is installed in the session image."
)


class AsyncGit(AsyncModule):
    """Works with git repositories in the session. Git never asks for a password; credentials come with the URL.

    Every method takes `timeout_ms`, milliseconds after which git is stopped: 30000 by default, 300000 for `clone`,
    120000 for `pull`. Every method raises a GitError when git fails (GitAuthError, GitConflictError,
    GitNotARepoError, GitNotFoundError where git's own words say so), an APIError when the service refuses, and a
    SessionError when no usable answer came. Credentials of URLs are taken out of these errors.
    """

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session)
        self._installed = False

    async def clone(
        self,
        url: str,
        *,
        path: str | None = None,
        branch: str | None = None,
        depth: int | None = None,
        timeout_ms: int | None = None,
        store_credentials: bool = False,
    ) -> GitCloneResult:
        """Copy a remote repository.

        Args:
            url: the remote; `https://user:token@host/...` has credentials in it.
            path: where to; None means the last part of the URL without `.git`, in the shell's own folder.
            branch: the only branch to fetch, which is checked out; None means all, and the remote's default one.
            depth: how many commits to fetch; None means all.
            timeout_ms: milliseconds after which git is stopped (default 300000).
            store_credentials: keep the URL's credentials in the clone's configuration. Without it they serve this
                call alone, and later pulls of a private repository must be given the URL again.

        Source: tool `shell`.
        """
        target = operand("path", path) or clone_target(url)
        only = ("--branch", branch, "--single-branch") if branch else ()
        recent = ("--depth", str(depth)) if depth is not None else ()
        remote = Remote.of(url, store_credentials)
        line = git_line(None, *remote.options, "clone", *only, *recent, operand("url", remote.url), target)
        await self._run("clone", line, timeout_ms or CLONE_TIMEOUT_MS, url)
        return GitCloneResult(target)

    async def init(
        self, path: str, *, initial_branch: str | None = None, bare: bool = False, timeout_ms: int | None = None
    ) -> GitInitResult:
        """Make a repository.

        Args:
            path: the folder, made if missing.
            initial_branch: the name of the first branch; None means git's default.
            bare: without a working tree.
            timeout_ms: milliseconds after which git is stopped.

        Source: tool `shell`.
        """
        named = ("--initial-branch", initial_branch) if initial_branch else ()
        await self._run("init", git_line(None, "init", *named, "--bare" if bare else None, path), timeout_ms)
        return GitInitResult(path)

    async def add(
        self,
        repo_path: str,
        *,
        files: Sequence[str] | None = None,
        stage_all: bool = True,
        timeout_ms: int | None = None,
    ) -> None:
        """Stage changes for the next commit.

        Args:
            repo_path: the repository.
            files: paths in it; None or empty means all.
            stage_all: without `files`: stage the whole repository (True), or what is below its folder (False).
            timeout_ms: milliseconds after which git is stopped.

        Source: tool `shell`.
        """
        what = ("--", *files) if files else ("-A",) if stage_all else (".",)
        await self._run("add", git_line(repo_path, "add", *what), timeout_ms)

    async def commit(
        self,
        repo_path: str,
        message: str,
        *,
        author_name: str | None = None,
        author_email: str | None = None,
        allow_empty: bool = False,
        timeout_ms: int | None = None,
    ) -> GitCommitResult:
        """Commit what is staged.

        Args:
            repo_path: the repository.
            message: the commit message.
            author_name: the name for this commit; None means the configured one.
            author_email: the address for this commit; None means the configured one.
            allow_empty: commit even if nothing is staged.
            timeout_ms: milliseconds after which git is stopped.

        Source: tool `shell`.
        """
        name = ("-c", f"user.name={author_name}") if author_name else ()
        email = ("-c", f"user.email={author_email}") if author_email else ()
        empty = "--allow-empty" if allow_empty else None
        result = await self._run(
            "commit", git_line(repo_path, *name, *email, "commit", "-m", message, empty), timeout_ms
        )
        return GitCommitResult(commit_hash(output_of(result)[0]))

    async def status(self, repo_path: str, *, timeout_ms: int | None = None) -> GitStatusResult:
        """See the branch, and which files are not as in the last commit.

        Source: tool `shell`.
        """
        result = await self._run("status", git_line(repo_path, "status", "--porcelain=1", "-b"), timeout_ms)
        return status_of(output_of(result)[0])

    async def log(self, repo_path: str, *, max_count: int | None = None, timeout_ms: int | None = None) -> GitLogResult:
        """List commits, the newest first; at most `max_count` of them.

        Source: tool `shell`.
        """
        most = ("--max-count", str(max_count)) if max_count is not None else ()
        result = await self._run("log", git_line(repo_path, "log", LOG_FORMAT, *most), timeout_ms)
        return log_of(output_of(result)[0])

    async def list_branches(self, repo_path: str, *, timeout_ms: int | None = None) -> GitBranchListResult:
        """List the local branches.

        Source: tool `shell`.
        """
        result = await self._run("list_branches", git_line(repo_path, "branch", BRANCH_FORMAT), timeout_ms)
        return branches_of(output_of(result)[0])

    async def create_branch(
        self, repo_path: str, branch: str, *, checkout: bool = True, timeout_ms: int | None = None
    ) -> None:
        """Make a branch at the current commit, and check it out unless `checkout` is False.

        Source: tool `shell`.
        """
        words = ("checkout", "-b", branch) if checkout else ("branch", branch)
        await self._run("create_branch", git_line(repo_path, *words), timeout_ms)

    async def checkout_branch(self, repo_path: str, branch: str, *, timeout_ms: int | None = None) -> None:
        """Check a branch out.

        Source: tool `shell`.
        """
        await self._run("checkout_branch", git_line(repo_path, "checkout", operand("branch", branch)), timeout_ms)

    async def delete_branch(
        self, repo_path: str, branch: str, *, force: bool = False, timeout_ms: int | None = None
    ) -> None:
        """Delete a local branch; with `force` even if its commits are in no other one.

        Source: tool `shell`.
        """
        await self._run("delete_branch", git_line(repo_path, "branch", "-D" if force else "-d", branch), timeout_ms)

    async def remote_add(
        self,
        repo_path: str,
        name: str,
        url: str,
        *,
        fetch: bool = False,
        overwrite: bool = False,
        timeout_ms: int | None = None,
        store_credentials: bool = False,
    ) -> None:
        """Add a remote.

        Args:
            repo_path: the repository.
            name: the remote's name.
            url: where it is; it may have credentials in it.
            fetch: fetch from it at once.
            overwrite: let a remote of this name point to the URL, if there is one.
            timeout_ms: milliseconds after which git is stopped.
            store_credentials: keep the URL's credentials in the configuration. Without it they serve this call alone.

        Source: tool `shell`.
        """
        line = add_remote(repo_path, name, Remote.of(url, store_credentials), fetch, overwrite)
        await self._run("remote_add", line, timeout_ms, url)

    async def remote_get(self, repo_path: str, name: str, *, timeout_ms: int | None = None) -> str | None:
        """Read a remote's URL as it is stored; None when there is no such remote.

        Source: tool `shell`.
        """
        line = git_line(repo_path, "remote", "get-url", operand("name", name))
        try:
            result = await self._run("remote_get", line, timeout_ms)
        except GitError as error:
            if "no such remote" in error.stderr.lower() or "没有此远程" in error.stderr:
                return None
            raise
        return output_of(result)[0].strip() or None

    async def pull(
        self,
        repo_path: str,
        *,
        remote: str | None = None,
        branch: str | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        """Fetch from a remote and merge.

        Args:
            repo_path: the repository.
            remote: a remote's name, or a URL, whose credentials serve this call alone; None means the branch's own.
            branch: the remote's branch; None means the one that the current branch follows.
            timeout_ms: milliseconds after which git is stopped (default 120000).

        Source: tool `shell`.
        """
        # git writes the words of a pull into the log of the branch, so no credentials may be among them.
        source = Remote.of(remote or "", store_credentials=False)
        words = (operand("remote", source.url) or None, operand("branch", branch) or None)
        line = git_line(repo_path, *source.options, "pull", *words)
        await self._run("pull", line, timeout_ms or PULL_TIMEOUT_MS, remote)

    async def reset(
        self,
        repo_path: str,
        *,
        mode: str | None = None,
        target: str | None = None,
        paths: Sequence[str] | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        """Move the current branch to another commit, or unstage files.

        Args:
            repo_path: the repository.
            mode: soft, mixed, hard, merge or keep; None means git's default, mixed.
            target: the commit; None means the current one.
            paths: files to unstage; then there must be no mode.
            timeout_ms: milliseconds after which git is stopped.

        Raises:
            ValueError: there is no such mode.

        Source: tool `shell`.
        """
        files = ("--", *paths) if paths else ()
        line = git_line(repo_path, "reset", reset_mode(mode), operand("target", target) or None, *files)
        await self._run("reset", line, timeout_ms)

    async def restore(
        self,
        repo_path: str,
        paths: Sequence[str],
        *,
        staged: bool = False,
        worktree: bool | None = None,
        source: str | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        """Take files back to an earlier state.

        Args:
            repo_path: the repository.
            paths: the files.
            staged: take back what is staged.
            worktree: take back the files themselves; None means unless `staged`.
            source: the commit to take them from; None means the index, or with `staged` the last commit.
            timeout_ms: milliseconds after which git is stopped.

        Source: tool `shell`.
        """
        files = not staged if worktree is None else worktree
        flags = ("--worktree" if files else None, "--staged" if staged else None)
        origin = ("--source", source) if source else ()
        await self._run("restore", git_line(repo_path, "restore", *flags, *origin, "--", *paths), timeout_ms)

    async def configure_user(
        self, repo_path: str, name: str, email: str, *, scope: str = "global", timeout_ms: int | None = None
    ) -> None:
        """Set the name and address of commits; `scope` is global, or local for this repository alone.

        Source: tool `shell`.
        """
        for key, value in (("user.name", name), ("user.email", email)):
            line = git_line(repo_path, "config", scope_flag(scope), key, value)
            await self._run("configure_user", line, timeout_ms)

    async def set_config(
        self, repo_path: str, key: str, value: str, *, scope: str = "global", timeout_ms: int | None = None
    ) -> None:
        """Set a configuration value; `scope` is global, or local for this repository alone.

        Source: tool `shell`.
        """
        await self._run("set_config", git_line(repo_path, "config", scope_flag(scope), key, value), timeout_ms)

    async def get_config(
        self, repo_path: str, key: str, *, scope: str = "global", timeout_ms: int | None = None
    ) -> str | None:
        """Read a configuration value; None when it is not set.

        Source: tool `shell`.
        """
        line = git_line(repo_path, "config", scope_flag(scope), "--get", key)
        try:
            result = await self._run("get_config", line, timeout_ms)
        except GitError as error:
            if error.exit_code == 1 and (not error.stderr or "key does not contain" in error.stderr):
                return None
            raise
        return output_of(result)[0].strip()

    async def _run(self, operation: str, line: str, timeout_ms: int | None, *urls: str | None) -> CommandResult:
        """Run a line; raise the exception that its failure means, without the secrets of the URLs."""
        await self._check_installed()
        result = await self._shell(line, timeout_ms or TIMEOUT_MS)
        if not result.success:
            facts = {"action": operation, "request_id": result.request_id, "session_id": self.session.session_id}
            secrets = secrets_of(*urls)
            stdout, stderr = (redacted(text.strip(), secrets) for text in output_of(result))
            raise git_error(operation, result.exit_code, stdout, stderr, facts)
        return result

    async def _check_installed(self) -> None:
        if self._installed:
            return
        result = await self._shell(git_line(None, "--version"), TIMEOUT_MS)
        if not result.success:
            code = result.exit_code or 127
            raise GitNotFoundError(NO_GIT, code, output_of(result)[1], session_id=self.session.session_id)
        self._installed = True

    async def _shell(self, line: str, timeout_ms: int) -> CommandResult:
        result = await self._call(
            "shell", CommandResult, work=timeout_ms / 1000, command=line, timeout_ms=timeout_ms, envs=ENVS
        )
        if isinstance(result.error, APIError):
            raise result.error
        return result
