"""Networks (beta): a session reaches the network of another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from agentbay._checked import Checked
from agentbay._pairs import async_sleep
from agentbay._params import Action
from agentbay._wire import Reply
from agentbay.actions import CreateNetwork, DescribeNetwork
from agentbay.errors import AgentBayError
from agentbay.types.network import NetworkResult, NetworkStatusResult

if TYPE_CHECKING:
    from .client import AsyncAgentBay

__all__ = ["AsyncBetaNetworkService", "AsyncBetaService"]

PAUSE = 0.2
BUSY = "ServiceUnavailable"

T = TypeVar("T")


class AsyncBetaService(Checked):
    """What the beta services share: the client."""

    def __init__(self, agent_bay: AsyncAgentBay) -> None:
        self.agent_bay = agent_bay

    async def _send(self, action: Action[T]) -> Reply[T]:
        """Send an action; these services say with HTTP status 200 too that they are busy, and are asked again."""
        transport = self.agent_bay._transport
        pauses = (PAUSE * 2**number for number in range(transport._policy.attempts - 1))
        for pause in pauses if action.repeatable else ():
            reply = await transport.send(action)
            if reply.error is None or BUSY not in reply.error.message or reply.error.attempts > 1:
                return reply
            await async_sleep(pause)
        return await transport.send(action)


class AsyncBetaNetworkService(AsyncBetaService):
    """Makes networks for sessions (`CreateSessionParams.beta_network_id`), and tells whether a machine has joined."""

    async def get_network_bind_token(self, network_id: str | None = None) -> NetworkResult:
        """Make a network, and the secret with which another machine joins it.

        Args:
            network_id: a network that is there already; None means a new one.

        Returns:
            The network's id, and the secret in `network_token`.

        Raises:
            SessionError: no usable answer came.

        Source: action `CreateNetwork`.
        """
        reply = await self._send(CreateNetwork(network_id or None, self.agent_bay.region_id))
        if reply.data is None:
            return NetworkResult.of(reply)
        return NetworkResult.of(reply, network_id=reply.data.network_id, network_token=reply.data.network_token)

    async def describe(self, network_id: str) -> NetworkStatusResult:
        """See whether a machine has joined a network.

        Args:
            network_id: the network.

        Returns:
            The answer in `online`.

        Raises:
            SessionError: no usable answer came.

        Source: action `DescribeNetwork`.
        """
        if not network_id or not network_id.strip():
            return NetworkStatusResult.failed(AgentBayError("network_id is required"))
        reply = await self._send(DescribeNetwork(network_id))
        return NetworkStatusResult.of(reply, online=bool(reply.data and reply.data.online))
