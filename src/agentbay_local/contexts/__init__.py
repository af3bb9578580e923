"""The context store: named stores of files that outlive sessions, on this machine. No HTTP and no sandbox here.

`Contexts` is all that others need. One folder holds everything: `catalogue.sqlite` (what there is), `blobs` (the bytes,
each content once, named by its SHA-256), `runtimes` (who works here now). Several runtimes may share it.

What is acknowledged is on the disk: bytes are written under a temporary name, brought to the disk, given their own
name, and only then does a transaction of the catalogue make them part of a context. So nothing half done is ever seen,
and a killed runtime leaves nothing but temporary files, which the next one takes away.
"""

from __future__ import annotations

from agentbay_local.contexts.faults import ContextBusy, InTheWay, NoContext, NoFile, NoVolume, StoreUnavailable
from agentbay_local.contexts.quota import OverQuota, Quota
from agentbay_local.contexts.reading import Reading
from agentbay_local.contexts.staging import Staging
from agentbay_local.contexts.store import Contexts
from agentbay_local.contexts.values import Blob, Child, Context, Entry, Folder, Kind, Listing, New, Volume
from agentbay_local.contexts.volumes import Filter

__all__ = [
    "Blob",
    "Child",
    "Context",
    "ContextBusy",
    "Contexts",
    "Entry",
    "Filter",
    "Folder",
    "InTheWay",
    "Kind",
    "Listing",
    "New",
    "NoContext",
    "NoFile",
    "NoVolume",
    "OverQuota",
    "Quota",
    "Reading",
    "Staging",
    "StoreUnavailable",
    "Volume",
]
