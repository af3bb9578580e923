"""Small pure parts: which failures are tried again, deadlines, key names, log names."""

from __future__ import annotations

import logging
import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay import RetryPolicy, get_logger, log
from agentbay._deadline import Deadline, stopwatch
from agentbay._keys import normalise_keys
from agentbay._retry import Failure, delay_before, retry_after, tls_hint
from tests.catalogue import DATA

POLICY = RetryPolicy(attempts=5, base=1.0, cap=3.0)
NOW = 1_700_000_000.0


# --- Retries ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.sampled_from([429, 503]), st.booleans())
def test_waits_double_up_to_the_cap_with_full_jitter(attempt: int, status: int, repeatable: bool) -> None:
    delay = delay_before(attempt, Failure(status), repeatable, POLICY)

    assert delay is not None
    assert 0 <= delay <= min(3.0, 2.0 ** (attempt - 1))


def test_waits_differ() -> None:
    assert len({delay_before(1, Failure(503), False, POLICY) for _ in range(50)}) > 40


WORTH: list[tuple[Failure, bool, bool]] = [
    (Failure(sent=False, final=True), True, False),
    (Failure(429), False, True),
    (Failure(503), False, True),
    (Failure(502), True, True),
    (Failure(502), False, False),
    (Failure(504), True, True),
    (Failure(504), False, False),
    (Failure(500), True, False),
    (Failure(400), True, False),
    (Failure(sent=False), False, True),
    (Failure(sent=True), False, False),
    (Failure(sent=True), True, True),
]


@pytest.mark.parametrize(("failure", "repeatable", "expected"), WORTH, ids=str)
def test_only_what_is_safe_is_tried_again(failure: Failure, repeatable: bool, expected: bool) -> None:
    assert (delay_before(1, failure, repeatable, POLICY) is not None) is expected
    assert delay_before(5, failure, repeatable, POLICY) is None


def test_advice_replaces_the_wait() -> None:
    assert delay_before(1, Failure(503, retry_after=9.5), False, POLICY) == 9.5


DATE = format_datetime(datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=30), usegmt=True)
ADVICE: list[tuple[str | None, str | None, float | None]] = [
    (None, None, None),
    ("1500", None, 1.5),
    ("1500", "9", 1.5),
    ("0", "9", 9.0),
    ("soon", None, None),
    ("-5", "7", 7.0),
    (None, "0", 0.0),
    (None, DATE, 30.0),
    (None, DATE.replace("2023", "1999"), 0.0),
    (None, "tomorrow", None),
    (None, "-1", None),
    ("", "", None),
]


@pytest.mark.parametrize(("milliseconds", "standard", "expected"), ADVICE)
def test_advice_is_read_in_milliseconds_seconds_or_as_a_date(
    milliseconds: str | None, standard: str | None, expected: float | None
) -> None:
    assert retry_after(milliseconds, standard, NOW) == expected


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_advice_is_too_odd(milliseconds: str, standard: str) -> None:
    advice = retry_after(milliseconds, standard, NOW)

    assert advice is None or advice >= 0


def test_the_number_of_retries_is_one_less_than_that_of_attempts() -> None:
    made = [RetryPolicy.of(value) for value in (None, 0, 4, POLICY)]

    assert made == [RetryPolicy(3), RetryPolicy(1), RetryPolicy(5), POLICY]


@pytest.mark.parametrize("given", [{"attempts": 0}, {"base": -1}, {"cap": -0.5}])
def test_a_policy_that_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**given)


# --- Deadlines --------------------------------------------------------------------------------------------------------


def test_a_deadline_never_has_less_than_nothing_left() -> None:
    passed = Deadline(time.monotonic() - 5)

    assert (passed.left(), passed.passed, passed.limit(9)) == (0.0, True, 0.0)


def test_a_deadline_shortens_only_what_is_longer() -> None:
    deadline = Deadline.after(100)

    assert (deadline.limit(1), deadline.passed) == (1, False)
    assert 90 < deadline.limit(1000) <= 100


def test_there_may_be_no_deadline() -> None:
    endless = Deadline.after(None)

    assert (endless.left(), endless.passed, endless.limit(5)) == (math.inf, False, 5)


def test_a_stopwatch_runs_on() -> None:
    elapsed = stopwatch()

    assert 0 <= elapsed() <= elapsed()


# --- Keys -------------------------------------------------------------------------------------------------------------


def catalogue_keys() -> dict[str, str]:
    import json

    rules = json.loads((DATA / "data-plane.json").read_text("utf-8"))["key_normalisation"]
    tables = ("modifier", "function", "arrow", "f_key", "special")
    return {key: name for table in tables for key, name in rules[table].items()}


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_key_names_are_those_of_the_catalogue_in_any_case(change: Any) -> None:
    known = catalogue_keys()

    assert normalise_keys({"keys": [change(key) for key in known]}) == {"keys": list(known.values())}


def test_other_keys_stay_as_they_are() -> None:
    keys = ["A", "z", "7", "ß", "Fancy", "+", 5, None, "Ä"]

    assert normalise_keys({"keys": keys})["keys"] == ["a", "z", "7", "ß", "Fancy", "+", 5, None, "ä"]


@pytest.mark.parametrize("args", [{}, {"keys": "ctrl"}, {"keys": None}])
def test_arguments_without_a_list_of_keys_stay_as_they_are(args: dict[str, Any]) -> None:
    assert normalise_keys(args) is args


# --- Logging ----------------------------------------------------------------------------------------------------------


def test_loggers_are_the_standard_librarys_below_one_name() -> None:
    names = {name: get_logger(name).name for name in ("agentbay", "agentbay.x", "mine", "agentbays")}

    assert names == {
        "agentbay": "agentbay",
        "agentbay.x": "agentbay.x",
        "mine": "agentbay.mine",
        "agentbays": "agentbay.agentbays",
    }
    assert get_logger() is log is logging.getLogger("agentbay")


def test_the_library_only_brings_a_handler_that_does_nothing() -> None:
    assert [type(handler) for handler in log.handlers] == [logging.NullHandler]
    assert (log.level, log.propagate) == (logging.NOTSET, True)


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "http://"),
        ("received corrupt message of type InvalidContentType", "http://"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "verify="),
        ("invalid peer certificate: UnknownIssuer", "verify="),
        ("Connection refused", ""),
    ],
)
def test_a_failed_handshake_says_what_to_do(fault: str, advice: str) -> None:
    assert (advice in tls_hint(fault), bool(tls_hint(fault))) == (True, bool(advice))
