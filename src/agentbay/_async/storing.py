"""Content that is brought into a context by a presigned URL, without a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentbay._engine import EngineError, EngineUnusable
from agentbay._pairs import async_sleep
from agentbay._retry import delay_before
from agentbay._tracing import Trace, TransferFault, judge, lost, refused, url_fault
from agentbay._transfer import Source, Stored
from agentbay.actions import GetContextFileUploadUrl
from agentbay.errors import ClientClosedError

from .streams import AsyncUpload

if TYPE_CHECKING:
    from .client import AsyncAgentBay

__all__ = ["async_store"]

HTTP_TIMEOUT = 60.0


async def async_store(agent_bay: AsyncAgentBay, context_id: str, path: str, source: Source) -> str:
    """Store content at a path of a context; a try that fails is repeated with a new URL.

    Returns:
        The id of the request for the URL.

    Raises:
        TransferFault: the service or the store refused, or the store gave no usable answer.
        SessionError: the service gave no usable answer.
    """
    trace = Trace()
    tell = lambda count: trace.told(count, None)  # noqa: E731
    job = AsyncUpload(agent_bay._streams, source, {}, tell, HTTP_TIMEOUT, follow=True)
    attempt = 0
    while True:
        attempt += 1
        result = await _once(job, await _url(agent_bay, context_id, path, trace), trace)
        if isinstance(result, Stored) and result.status in (200, 201, 204):
            return trace.request_id
        delay = _delay(agent_bay, attempt, result)
        if delay is None:
            raise _fault(result, attempt, trace)
        await async_sleep(delay)


async def _url(agent_bay: AsyncAgentBay, context_id: str, path: str, trace: Trace) -> str:
    reply = await agent_bay._transport.send(GetContextFileUploadUrl(context_id, path))
    trace.request_id = reply.request_id
    error = reply.error or url_fault(reply.data, trace)
    if error is not None:
        raise TransferFault(error.message, error)
    return reply.data.url if reply.data else ""


async def _once(job: AsyncUpload, url: str, trace: Trace) -> Stored | EngineError:
    try:
        return await job.once(url)
    except EngineUnusable as closed:
        raise ClientClosedError("This client was closed during the transfer.", **trace.facts) from closed
    except EngineError as error:
        return error


def _delay(agent_bay: AsyncAgentBay, attempt: int, result: Stored | EngineError) -> float | None:
    """Seconds until the next try; None when there is none. A URL that is no longer good is replaced once, at once."""
    if isinstance(result, Stored) and result.status in (401, 403):
        return 0.0 if attempt == 1 else None
    failure = judge(result)
    delay = delay_before(attempt, failure, True, agent_bay._transport._policy) if failure else None
    return delay if delay is not None and delay <= HTTP_TIMEOUT else None


def _fault(result: Stored | EngineError, attempts: int, trace: Trace) -> TransferFault:
    if isinstance(result, EngineError):
        return lost("Upload", result, attempts, trace)
    return refused("Upload", result, trace)
