"""For programs that use the SDK against a local runtime: keep a session's files as an image, to fork sessions from it.

The cloud has nothing like it, so this is no method of the SDK's classes.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from attrs import frozen

from agentbay.errors import APIConnectionError, service_error

__all__ = ["OfSession", "Taken", "async_snapshot", "request_snapshot", "snapshot"]

TIMEOUT_S: Final = 900.0


class OfSession(Protocol):
    """What is needed of a session; those of the SDK have it, of either colour."""

    session_id: str
    link_url: str
    token: str


@frozen
class Taken:
    """The image that a session's files were kept as."""

    name: str
    """What `image_id` of new sessions may be from now on."""
    family: str
    """The offered image that it behaves like."""
    size: int
    """Bytes that it takes on the disk."""


def snapshot(session: OfSession, name: str, *, replace: bool = False, timeout: float = TIMEOUT_S) -> Taken:
    """Keep the home folder and /workspace of a session, as they are now, as an image of this machine.

    The session stands still while its files are copied, and then goes on; a paused one stays paused. /tmp, programs
    that run, and variables are not kept.

    Args:
        session: A session of the SDK, at a local runtime.
        name: 1 to 63 letters, digits, `_`, `-` or `.`.
        replace: Whether an image of that name may be replaced. Sessions that were made from it keep what they
            have, unless they are hibernated: those wake on the new one.
        timeout: Seconds.

    Raises:
        ValueError: the session is not one of a local runtime.
        APIError: the runtime says no; `code` is `Image.AlreadyExists`, `InvalidParameter`, `Image.NotTaken`, ...
        APIConnectionError: there was no answer in time.

    Source: `POST /images` of the local runtime.
    """
    end = f"/link/{session.session_id}"
    if not session.link_url.endswith(end):
        raise ValueError(f"session {session.session_id} is not one of a local runtime: only those can become images")
    told = {"session": session.session_id, "name": name, "replace": replace}
    return request_snapshot(session.link_url.removesuffix(end), {"X-Access-Token": session.token}, told, timeout)


async def async_snapshot(session: OfSession, name: str, *, replace: bool = False, timeout: float = TIMEOUT_S) -> Taken:
    """The same as `snapshot`, for programs with an event loop."""
    return await asyncio.to_thread(snapshot, session, name, replace=replace, timeout=timeout)


def request_snapshot(base: str, headers: Mapping[str, str], told: Mapping[str, Any], timeout: float) -> Taken:
    """Asks the runtime at `base`. Raises APIError and APIConnectionError."""
    if urlsplit(base).scheme not in {"http", "https"}:
        raise ValueError(f"{base!r} is no address of a runtime: give one that begins with http:// or https://")
    sent = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"{base}/images", json.dumps(told).encode(), sent, method="POST")
    # A runtime is on this machine, or at a place of the user's own: no proxy leads there.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            data = json.load(answer)["Data"]
            return Taken(data["Name"], data["Family"], data["Size"])
    except urllib.error.HTTPError as refusal:
        with refusal:
            raise _refused(refusal) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "reason", None) or error
        raise APIConnectionError(f"{base} gave no usable answer: {why}", hint="Is `agentbay serve` there?") from error


def _refused(refusal: urllib.error.HTTPError) -> Exception:
    try:
        body = json.load(refusal)
        code, message = str(body["Code"]), str(body["Message"])
    except (OSError, ValueError, KeyError, TypeError):
        code, message = "", f"HTTP status {refusal.code}"
    return service_error(code, message, refusal.code, action="snapshot")
