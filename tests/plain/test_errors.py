"""The tree of exceptions, the facts they carry, and which class a refusal becomes."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from agentbay import errors
from agentbay.errors import (
    AgentBayError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    ClientClosedError,
    EventLoopError,
    ExecutionError,
    GitAuthError,
    GitError,
    GitNotARepoError,
    GitNotFoundError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SessionError,
    service_error,
)

KINDS: list[type[AgentBayError]] = [getattr(errors, name) for name in errors.__all__ if name != "service_error"]

BRANCHES: list[tuple[type[AgentBayError], type[BaseException]]] = [
    (AuthenticationError, APIError),
    (NotFoundError, APIError),
    (errors.ConflictError, APIError),
    (RateLimitError, APIError),
    (ServerError, APIError),
    (APIConnectionError, SessionError),
    (APITimeoutError, APIConnectionError),
    (APITimeoutError, TimeoutError),
    (ClientClosedError, SessionError),
    (ClientClosedError, RuntimeError),
    (EventLoopError, RuntimeError),
    (errors.APIResponseError, SessionError),
    (errors.LocalRuntimeError, APIConnectionError),
    (errors.CommandError, errors.ToolError),
    (errors.FileError, errors.ToolError),
    (ExecutionError, errors.CodeError),
    (errors.CodeError, errors.ToolError),
    (errors.PtyNotConnectedError, errors.PtyError),
    (errors.PtySessionNotFoundError, errors.PtyError),
    (errors.GitConflictError, GitError),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_the_root_of_all_is_one(kind: type[AgentBayError]) -> None:
    assert issubclass(kind, AgentBayError)


@pytest.mark.parametrize(("kind", "base"), BRANCHES)
def test_the_branches_are_as_promised(kind: type[AgentBayError], base: type[BaseException]) -> None:
    assert issubclass(kind, base)


def test_a_refusal_is_never_taken_for_a_lost_answer() -> None:
    assert [kind for kind in KINDS if issubclass(kind, APIError) and issubclass(kind, SessionError)] == []


def test_an_error_without_words_has_some_of_its_class() -> None:
    made = [kind() for kind in KINDS if kind is not ExecutionError]

    assert [str(error) for error in made] == [error.summary for error in made]
    assert all(error.args == (error.message,) for error in made)


def test_facts_are_attributes_and_unknown_ones_are_empty() -> None:
    facts: dict[str, Any] = {
        "code": "C",
        "request_id": "r",
        "session_id": "s",
        "action": "a",
        "attempts": 2,
        "hint": "Do this.",
        "other": 7,
    }
    error = AgentBayError("why", **facts)
    bare = AgentBayError("why")

    assert {name: getattr(error, name, error.extra[name]) for name in facts} == facts
    assert str(error) == "why (action=a, session_id=s, request_id=r, attempts=2) Do this."
    assert (bare.code, bare.request_id, bare.session_id, bare.action, bare.attempts, bare.hint) == ("",) * 4 + (0, "")
    assert str(bare) == "why"


def test_an_error_may_have_more_arguments() -> None:
    assert AgentBayError("why", 1, 2).args == ("why", 1, 2)


CASES: list[tuple[str, int, type[APIError]]] = [
    ("NOT_LOGIN", 400, AuthenticationError),
    ("", 401, AuthenticationError),
    ("X", 403, AuthenticationError),
    ("InvalidMcpSession.NotFound", 400, NotFoundError),
    ("ContextNotFound", 200, NotFoundError),
    ("", 404, NotFoundError),
    ("Throttling", 400, RateLimitError),
    ("Throttling.User", 400, RateLimitError),
    ("", 429, RateLimitError),
    ("InternalError", 500, ServerError),
    ("ServiceUnavailable", 503, ServerError),
    ("InvalidMcpSession.Paused", 400, errors.ConflictError),
    ("InvalidMcpSession.InvalidStatus", 400, errors.ConflictError),
    ("PathAlreadyBound", 200, errors.ConflictError),
    ("", 409, errors.ConflictError),
    ("ImageTypeNotMatched", 400, APIError),
    ("", 200, APIError),
]


@pytest.mark.parametrize(("code", "status", "kind"), CASES)
def test_a_refusal_becomes_the_narrowest_class(code: str, status: int, kind: type[APIError]) -> None:
    error = service_error(code, " what ", status, action="a")

    assert (type(error), error.code, error.status_code, error.action) == (kind, code, status, "a")
    assert error.message == (f"[{code}] what" if code else "what")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("InvalidMcpSession.NotFound", "create a new one"),
        ("InvalidMcpSession.Paused", "call its resume() first"),
        ("PathAlreadyBound", "list_bindings()"),
        ("NOT_LOGIN", "api_key="),
        ("InternalError", ""),
    ],
)
def test_a_refusal_says_what_to_do_where_that_is_known(code: str, advice: str) -> None:
    hint = service_error(code, "what", 400).hint

    assert (advice in hint, bool(hint)) == (True, bool(advice))


def test_a_refusal_without_words_names_its_status() -> None:
    assert service_error("", "", 418).message == "HTTP status 418"


def test_advice_to_wait_makes_a_refusal_a_throttling() -> None:
    error = service_error("X", "", 503, retry_after=2)

    assert isinstance(error, RateLimitError)
    assert (error.retry_after, RateLimitError().retry_after) == (2.0, None)


def test_git_errors_know_gits_exit_code() -> None:
    made = [GitError(), GitError("x", 3, "fatal"), GitAuthError(), GitNotARepoError(), GitNotFoundError()]

    assert [(error.exit_code, error.stderr) for error in made] == [(1, ""), (3, "fatal"), (1, ""), (128, ""), (127, "")]


def test_a_failed_command_knows_its_exit_code() -> None:
    made = [errors.CommandError(), errors.CommandError("x", exit_code=127)]

    assert [error.exit_code for error in made] == [1, 127]


def test_an_error_of_code_is_shown_as_python_would() -> None:
    assert str(ExecutionError("KeyError", "'a'", "tb")) == "KeyError: 'a'"
    assert str(ExecutionError("", "bare", "")) == "bare"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not ExecutionError], ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[AgentBayError]) -> None:
    """Process pools and test runners carry exceptions this way."""
    error = pickle.loads(pickle.dumps(kind("why", request_id="r")))

    assert (type(error), error.message, error.request_id) == (kind, "why", "r")


def test_the_error_of_code_survives_pickling() -> None:
    error = ExecutionError("ValueError", "no good", "Traceback ...", request_id="r")
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), again.name, again.value, again.traceback) == (
        ExecutionError,
        "ValueError",
        "no good",
        "Traceback ...",
    )
    assert (str(again), again.request_id) == (str(error), "r")
