"""What git operations give back."""

from __future__ import annotations

from attrs import field, frozen

from agentbay._value import Value

__all__ = [
    "GitBranchInfo",
    "GitBranchListResult",
    "GitCloneResult",
    "GitCommitResult",
    "GitFileStatus",
    "GitInitResult",
    "GitLogEntry",
    "GitLogResult",
    "GitStatusResult",
]


@frozen(eq=False, repr=False)
class GitCloneResult(Value):
    """Where the clone is."""

    path: str


@frozen(eq=False, repr=False)
class GitInitResult(Value):
    """Where the new repository is."""

    path: str


@frozen(eq=False, repr=False)
class GitCommitResult(Value):
    """The short hash of a new commit; None when git did not tell."""

    commit_hash: str | None = None


@frozen(eq=False, repr=False)
class GitFileStatus(Value):
    """One file that is not as in the last commit.

    `status` is conflict, renamed, copied, deleted, added, modified, typechange, untracked or unknown. `index_status`
    and `work_tree_status` are git's letters. `renamed_from` is the old path of a renamed file.
    """

    path: str
    status: str
    index_status: str
    work_tree_status: str
    staged: bool
    renamed_from: str | None = None


@frozen(eq=False, repr=False)
class GitStatusResult(Value):
    """The state of a repository. `ahead` and `behind` count commits relative to `upstream`."""

    current_branch: str | None = None
    upstream: str | None = None
    ahead: int = 0
    behind: int = 0
    detached: bool = False
    files: list[GitFileStatus] = field(factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every file is as in the last commit."""
        return not self.files

    @property
    def has_changes(self) -> bool:
        """Whether any file is not as in the last commit."""
        return bool(self.files)

    @property
    def has_staged(self) -> bool:
        """Whether anything would go into the next commit."""
        return self.staged_count > 0

    @property
    def has_untracked(self) -> bool:
        """Whether there are files that git does not know."""
        return self.untracked_count > 0

    @property
    def has_conflicts(self) -> bool:
        """Whether a merge left conflicts."""
        return self.conflict_count > 0

    @property
    def total_count(self) -> int:
        """How many files are not as in the last commit."""
        return len(self.files)

    @property
    def staged_count(self) -> int:
        """How many files would go into the next commit."""
        return sum(file.staged for file in self.files)

    @property
    def unstaged_count(self) -> int:
        """How many known files have changes that would not go into the next commit."""
        return sum(not file.staged and file.status != "untracked" for file in self.files)

    @property
    def untracked_count(self) -> int:
        """How many files git does not know."""
        return sum(file.status == "untracked" for file in self.files)

    @property
    def conflict_count(self) -> int:
        """How many files have conflicts."""
        return sum(file.status == "conflict" for file in self.files)


@frozen(eq=False, repr=False)
class GitLogEntry(Value):
    """One commit; `date` is ISO 8601, `message` the first line."""

    hash: str
    short_hash: str
    author_name: str
    author_email: str
    date: str
    message: str


@frozen(eq=False, repr=False)
class GitLogResult(Value):
    """Commits, the newest first."""

    entries: list[GitLogEntry] = field(factory=list)


@frozen(eq=False, repr=False)
class GitBranchInfo(Value):
    """One local branch."""

    name: str
    is_current: bool


@frozen(eq=False, repr=False)
class GitBranchListResult(Value):
    """The local branches; `current` is empty when none is checked out."""

    branches: list[GitBranchInfo] = field(factory=list)
    current: str = ""
