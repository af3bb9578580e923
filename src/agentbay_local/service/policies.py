"""Which policy a session asks for."""

from __future__ import annotations

import asyncio

from agentbay_local.egress import NOTHING, NoPolicy, Policy, PolicyFault
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["policy_of"]


async def policy_of(service: Service, policy_id: str | None) -> Policy:
    """Finds a policy by its id, which is its name; none was asked for, nothing is allowed. Raises ServiceRefusal."""
    if not policy_id:
        return NOTHING
    try:
        return await asyncio.to_thread(service.policies.find, policy_id)
    except NoPolicy as error:
        text = f"The parameter McpPolicyId cannot be met: {error}. `agentbay policy set` makes one."
        raise ServiceRefusal("InvalidMcpPolicy.NotFound", text) from error
    except PolicyFault as error:
        raise ServiceRefusal("ServiceUnavailable", f"The policy cannot be used: {error}.", 503) from error
