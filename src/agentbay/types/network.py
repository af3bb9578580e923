"""What the service tells of networks."""

from __future__ import annotations

from attrs import field, frozen

from agentbay.types.response import ApiResponse

__all__ = ["NetworkResult", "NetworkStatusResult"]


@frozen(eq=False, repr=False)
class NetworkResult(ApiResponse):
    """A network. `network_token` is the secret with which another machine joins it."""

    success: bool = False
    network_id: str = ""
    network_token: str = field(default="", repr=False)
    error_message: str = ""


@frozen(eq=False, repr=False)
class NetworkStatusResult(ApiResponse):
    """Whether a machine has joined a network: `online`."""

    success: bool = False
    online: bool = False
    error_message: str = ""
