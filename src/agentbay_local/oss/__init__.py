"""Object storage for sessions: how its requests are signed, and one file up or down by HTTP. No tool is here."""

from __future__ import annotations

from agentbay_local.oss.bucket import Keys, Storage, UnfitPlace, read_storage
from agentbay_local.oss.carrying import TransferFault, download, upload
from agentbay_local.oss.places import Place, read_place

__all__ = [
    "Keys",
    "Place",
    "Storage",
    "TransferFault",
    "UnfitPlace",
    "download",
    "read_place",
    "read_storage",
    "upload",
]
