"""What transfers decide without a network: names that may be used, where redirects lead, what a refusal says."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay._engine import EngineError
from agentbay._folders import Patterns, child_name, inside
from agentbay._transfer import next_url, store_code

ROOT = Path("/somewhere/safe")
HOSTILE = st.text(st.sampled_from("./\\\0:ab~ \n\u202e\ud800") | st.characters())


@given(HOSTILE, HOSTILE)
def test_a_name_of_the_store_never_leads_out_of_its_folder(folder: str, path: str) -> None:
    for told in (path, folder + path, f"{folder.rstrip('/')}/{path}"):
        name = child_name(folder, told)
        assert name is None or Path(os.path.normpath(ROOT / name.replace("\0", ""))).parent == ROOT


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_any_real_name_is_found_again(name: str) -> None:
    wanted = None if name in (".", "..") else name

    assert child_name("/a/b", f"/a/b/{name}") == child_name("/a/b/", f"/a/b/{name}/") == wanted
    assert child_name("/", f"/{name}") == wanted
    assert child_name("/a//b", f"/a/b/{name}") == child_name("/a//b", f"/a//b/{name}") == wanted


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3), st.text())
def test_any_patterns_decide_for_any_path(include: list[str], exclude: list[str], path: str) -> None:
    patterns = Patterns.of(include, exclude)

    assert not (patterns.excludes(path) and patterns.wants(path))


def test_a_link_in_a_circle_leads_nowhere_bad(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out").symlink_to("..")

    assert [inside(tmp_path / name, tmp_path.resolve()) for name in ("x", "x/../y", "out", "out/x", "../x")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert isinstance(inside(tmp_path / "loop" / "x", tmp_path.resolve()), bool)


@pytest.mark.parametrize(
    ("status", "location", "target"),
    [
        (200, "/x", None),
        (307, None, None),
        (304, "/x", None),
        (301, "/x", "http://a/x"),
        (302, "x?y=1", "http://a/b/x?y=1"),
        (308, "//c/x", "http://c/x"),
        (303, "https://c/x", "https://c/x"),
    ],
)
def test_a_redirect_leads_where_browsers_would_go(status: int, location: str | None, target: str | None) -> None:
    assert next_url(status, location, "http://a/b/c?secret=1") == target


@given(st.text())
def test_a_redirect_leads_to_the_web_or_is_refused(location: str) -> None:
    target: str | None = None
    with suppress(EngineError):
        target = next_url(302, location, "http://a/b?secret=1")

    assert target is None or target.startswith(("http://", "https://"))


@given(st.binary())
def test_any_body_of_a_refusal_can_be_read(body: bytes) -> None:
    assert isinstance(store_code(body), str)


def test_the_code_of_a_refusal_is_found() -> None:
    assert store_code(b"<Error><Code>Access.Denied-1</Code><Code>Other</Code></Error>") == "Access.Denied-1"
    assert store_code(b"<Code>" + b"x" * 100 + b"</Code>") == store_code(b"<Code><b></Code>") == ""
