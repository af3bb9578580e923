"""Every Python snippet of the README and the guides is tried, so that what people copy works."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").rglob("*.md"))]


@frozen
class Snippet:
    """One block of code on a page: where it stands, and its text as a user would copy it."""

    page: Path
    line: int
    text: str

    @property
    def label(self) -> str:
        """Names the snippet in a test's id and in tracebacks."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def snippets(page: Path) -> Iterator[Snippet]:
    """Yields the blocks fenced as ```python, indented ones (as in tabs) too."""
    start, block = 0, list[str]()
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if not start and line.strip() == "```python":
            start, block = number + 1, []
        elif start and line.strip() == "```":
            yield Snippet(page, start, textwrap.dedent("\n".join(block)) + "\n")
            start = 0
        elif start:
            block.append(line)


SNIPPETS = [snippet for page in PAGES if page.is_file() for snippet in snippets(page)]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.label)
def test_a_snippet_compiles(snippet: Snippet) -> None:
    compile(snippet.text, snippet.label, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.label)
def test_a_snippet_runs(snippet: Snippet, run_snippet: Callable[[str, str], None]) -> None:
    run_snippet(snippet.text, snippet.label)


def test_a_block_in_a_tab_is_found_with_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n=== sync\n\n    ```python\n    if x:\n        y()\n    ```\n\n```sh\nls\n```\n", "utf-8"
    )
    assert [Snippet(page, 6, "if x:\n    y()\n")] == list(snippets(page))
