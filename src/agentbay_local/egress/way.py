"""The way out of one sandbox: what its policy lists can be connected to, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Final

from attrs import define, field

from agentbay_local.egress.addresses import Address, address_of, reachable
from agentbay_local.egress.policy import Permit
from agentbay_local.egress.reach import Reach, Streams
from agentbay_local.egress.refusing import Refused, closed, not_listed, unreachable
from agentbay_local.egress.relay import Heard
from agentbay_local.logs import Seldom, say
from agentbay_local.metrics import Metrics

__all__ = ["QUIET", "WayOut"]

MOST_LOOKUPS: Final = 4
MOST_ADDRESSES: Final = 8
PATIENCE: Final = 10.0
"""Seconds for a name to be looked up, and for a connection to be made."""
ONE_ADDRESS: Final = 4.0
QUIET: Final = 600.0
"""Seconds after which a connection on which nothing moves is closed."""


@define(eq=False)
class WayOut:
    """How one sandbox comes out, be it by its own programs through the door, or by a tool that works for it."""

    permit: Permit
    reach: Reach
    metrics: Metrics
    _telling: Seldom = field(factory=Seldom)
    _lookups: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(MOST_LOOKUPS))

    async def connect(self, host: str, port: int) -> Streams:
        """A connection to a place, named as `host_name` gives it, if that is allowed. Raises Refused."""
        addresses = await self._allowed(host, port)
        said = "it does not answer"
        try:
            async with asyncio.timeout(PATIENCE):
                for address in addresses:
                    try:
                        made = await asyncio.wait_for(self.reach.dial(str(address), port), ONE_ADDRESS)
                    except (OSError, TimeoutError) as error:
                        said = getattr(error, "strerror", None) or said
                        continue
                    self.metrics.egress.add()
                    return made
        except TimeoutError:
            pass
        raise unreachable(host, port, said)

    def turned_down(self, refused: Refused) -> None:
        """Counts what goes no further, and now and then tells it: programs inside may ask without end."""
        self.metrics.egress_refused.add(refused.reason)
        left_out = self._telling.due()
        if left_out is not None:
            facts = {"session": self.permit.holder, "policy": self.permit.policy.name or "-", "to": refused.to}
            say("egress refused", **facts, reason=refused.reason, left_out=left_out)

    def heard(self, patience: asyncio.Timeout, quiet: float) -> Heard:
        """Counts what goes by, and is patient for as long as something does."""
        loop = asyncio.get_running_loop()

        def heard(direction: str, size: int) -> None:
            self.metrics.egress_bytes.add(direction, by=size)
            if not patience.expired():
                patience.reschedule(loop.time() + quiet)

        return heard

    async def _allowed(self, host: str, port: int) -> list[Address]:
        """The addresses of a place that may be connected to. Raises Refused."""
        policy = self.permit.policy
        if not policy.concerns(host, port):
            raise not_listed(policy.name, host, port)
        literal = address_of(host)
        found = [literal] if literal else await self._looked_up(host, port)
        listed = [address for address in found if policy.allows(host, address, port)]
        if not listed:
            raise not_listed(policy.name, host, port)
        allowed = [address for address in listed if reachable(address)]
        if not allowed:
            raise closed(host, port)
        return allowed[:MOST_ADDRESSES]

    async def _looked_up(self, host: str, port: int) -> list[Address]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._lookups.acquire()
                work = asyncio.ensure_future(self.reach.resolve(host))
                # A lookup cannot be stopped, so its place is taken until it has really ended.
                work.add_done_callback(self._lookup_ended)
                found = await asyncio.shield(work)
        except (OSError, TimeoutError) as error:
            raise unreachable(host, port, "its name could not be resolved", "unresolved") from error
        return [address for address in map(address_of, found) if address is not None]

    def _lookup_ended(self, work: asyncio.Future[list[str]]) -> None:
        self._lookups.release()
        if not work.cancelled():
            work.exception()
