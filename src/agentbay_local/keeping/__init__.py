"""Hibernation: the files of a paused session on the disk, its sandbox gone; and sessions that outlive their runtime.

`trees` packs and unpacks, by programs of ours that run `inside` the sandbox: what is packed is only bytes to the host.
`shelf` is the folder with the packed files and, for sessions that are kept over a restart, a record of each
(`records`). `keeper` does it all for the service.
"""

from __future__ import annotations

from agentbay_local.keeping.keeper import Keeper

__all__ = ["Keeper"]
