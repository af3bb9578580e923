"""Actions: volumes, and how a new session gets one."""

from __future__ import annotations

from typing import Final

from agentbay.actions import DeleteVolume, GetVolume, ListVolumes, VolumeData
from agentbay_local.contexts import Filter, Volume
from agentbay_local.service.contexts import wire_time
from agentbay_local.service.core import Caller, Page, Service, serves
from agentbay_local.service.paging import page_size, serial_of, token_for
from agentbay_local.service.refusals import bad, missing
from agentbay_local.syncing.policy import Entry, Policy

__all__ = ["PLACE", "volume_entries"]

PLACE: Final = "/home/wuying/volume"
"""Where a session has its volume."""
_MOST_IDS = 100


def _data(volume: Volume) -> VolumeData:
    return VolumeData(volume.id, volume.name, volume.image, volume.state, wire_time(volume.created))


@serves(GetVolume)
async def get_volume(service: Service, caller: Caller, action: GetVolume) -> VolumeData:
    image, make = (await service.gallery.find(action.image_id)).name, bool(action.allow_create)
    return _data(await service.contexts.volume_named(caller.owner, image, action.volume_name, make=make))


@serves(ListVolumes)
async def list_volumes(service: Service, caller: Caller, action: ListVolumes) -> Page:
    size = page_size(action.max_results)
    before = serial_of(action.next_token)
    ids = action.volume_ids or []
    if len(ids) > _MOST_IDS:
        raise bad("VolumeIds", f"must be at most {_MOST_IDS}")
    wanted = Filter(action.image_id or "", action.volume_name or "", ids)
    found = await service.contexts.volumes(caller.owner, wanted, size, before)
    return Page([_data(volume) for volume in found.volumes], token_for(found.before), size, found.total)


@serves(DeleteVolume)
async def delete_volume(service: Service, caller: Caller, action: DeleteVolume) -> None:
    if not action.volume_id:
        raise missing("VolumeId")
    await service.contexts.delete_volume(caller.owner, action.volume_id)


async def volume_entries(service: Service, caller: Caller, image: str) -> list[Entry]:
    """What a new session mounts for the volume that it names. Raises ServiceRefusal."""
    volume_id = caller.params.get("VolumeId", "")
    if not volume_id:
        return []
    volume = await service.contexts.volume(caller.owner, volume_id)
    if volume.image != image:
        raise bad("VolumeId", f"cannot be met: the volume belongs to the image {volume.image}, not to {image}")
    policy = Policy(extract=False, mapping="/")
    return [Entry(volume.id, PLACE, PLACE, policy, mount=True, volume=True)]
