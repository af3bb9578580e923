"""Which failures are tried again, and after how long. Pure: no clock, no sleep."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from attrs.validators import ge

from agentbay._value import Value

__all__ = ["Failure", "RetryPolicy", "delay_before", "retry_after"]

REFUSED = frozenset({429, 503})
"""Statuses by which a server says that it has not taken the request up."""

UNCERTAIN = frozenset({502, 504})
"""Statuses of a gateway that lost its server: the request may have had its effect."""


@frozen(eq=False, repr=False)
class RetryPolicy(Value):
    """How often and how patiently a call is tried again.

    `attempts` counts all requests of one call, the first included. Waits grow from `base` seconds by doubling, with
    full jitter, up to `cap` seconds; a server's `Retry-After` replaces them. `repeat_tools` allows repeating a tool
    call whose effect may already have happened; it is off because a command would run twice.
    """

    attempts: int = field(default=3, validator=ge(1))
    base: float = field(default=0.25, validator=ge(0))
    cap: float = field(default=8.0, validator=ge(0))
    repeat_tools: bool = False

    @classmethod
    def of(cls, retries: Any) -> RetryPolicy:
        """Read the `retries` argument of a client: a policy, how many times to try again, or None for the default."""
        if isinstance(retries, RetryPolicy):
            return retries
        if retries is None:
            return cls()
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries must be a RetryPolicy or a whole number from 0, not {retries!r}")
        return cls(attempts=retries + 1)


@frozen(eq=False, repr=False)
class Failure(Value):
    """One failed attempt: an HTTP `status`, or none when no answer came; `sent` is False if surely nothing was sent.

    `final` says that every other attempt would fail in the same way.
    """

    status: int = 0
    sent: bool = True
    retry_after: float | None = None
    final: bool = False


_TLS_HINTS = {
    "WRONG_VERSION_NUMBER RECORD_LAYER_FAILURE HTTP_REQUEST InvalidContentType": (
        "The server does not speak TLS: write the endpoint with http:// if that is what you mean."
    ),
    "CERTIFICATE_VERIFY_FAILED InvalidCertificate": (
        "The server's certificate is not trusted: verify= names its roots, SSL_CERT_FILE does it for all programs."
    ),
}


def tls_hint(fault: str) -> str:
    """What to do about a failed TLS handshake that trying again does not mend, by what the TLS libraries call it."""
    spelt = fault.replace("invalid peer certificate", "InvalidCertificate")
    return next((hint for names, hint in _TLS_HINTS.items() if any(name in spelt for name in names.split())), "")


def _may_repeat(failure: Failure, repeatable: bool) -> bool:
    if failure.final:
        return False
    if failure.status:
        return failure.status in REFUSED or (repeatable and failure.status in UNCERTAIN)
    return repeatable or not failure.sent


def delay_before(attempt: int, failure: Failure, repeatable: bool, policy: RetryPolicy) -> float | None:
    """Seconds to wait before the attempt after number `attempt` (counting from 1); None means give up."""
    if attempt >= policy.attempts or not _may_repeat(failure, repeatable):
        return None
    if failure.retry_after is not None:
        return failure.retry_after
    from random import uniform  # noqa: PLC0415  (needed only after a failure)

    return uniform(0, min(policy.cap, policy.base * 2 ** (attempt - 1)))


def retry_after(milliseconds: str | None, standard: str | None, now: float) -> float | None:
    """Read the service's `x-acs-retry-after` (milliseconds) or the standard `Retry-After` (seconds or a date)."""
    if milliseconds and milliseconds.isdecimal() and int(milliseconds) > 0:
        return int(milliseconds) / 1000
    if not standard:
        return None
    if standard.isdecimal():
        return float(standard)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  (dates are rare, and the module slow to import)

    try:
        return max(0.0, parsedate_to_datetime(standard).timestamp() - now)
    except ValueError:
        return None
