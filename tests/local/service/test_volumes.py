"""Volumes: found, made, listed, used by one session after the other, deleted; and never those of another key."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.service.api import Api

NOT_FOUND = (400, "Volume.NotFound")


def fresh() -> str:
    """A name that no other test has."""
    return f"volume {uuid.uuid4()}"


async def made(api: Api, name: str = "", image: str = "linux_latest") -> str:
    answer = await api.call("GetVolume", VolumeName=name or fresh(), ImageId=image, AllowCreate="true")
    assert answer.verdict == (200, "ok"), answer.body
    return str(answer.data["VolumeId"])


async def status(api: Api, volume: str) -> list[str]:
    answer = await api.call("ListVolumes", **{"VolumeIds.1": volume})
    return [item["Status"] for item in answer.data]


async def test_a_volume_is_made_once_for_each_image_and_found_by_its_name(api: Api) -> None:
    name = fresh()
    missing = await api.call("GetVolume", VolumeName=name, AllowCreate="false")
    assert missing.verdict == NOT_FOUND
    first = await api.call("GetVolume", VolumeName=name, AllowCreate="True")
    again = await api.call("GetVolume", VolumeName=name, ImageId="linux_latest")
    other = await made(api, name, "code_latest")
    assert first.data == again.data
    assert other != first.data["VolumeId"]
    assert re.fullmatch(r"vol-[a-z0-9]{17}", first.data["VolumeId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.data["CreateTime"])
    assert (first.data["VolumeName"], first.data["BelongingImageId"], first.data["Status"]) == (
        name,
        "linux_latest",
        "available",
    )


async def test_a_name_asked_for_by_many_at_once_is_one_volume(api: Api) -> None:
    name = fresh()
    assert len(set(await asyncio.gather(*(made(api, name) for _ in range(8))))) == 1


@pytest.mark.parametrize(
    ("params", "code", "named"),
    [
        ({}, "MissingParameter", "VolumeName"),
        ({"VolumeName": ""}, "MissingParameter", "VolumeName"),
        ({"VolumeName": " "}, "InvalidParameter", "VolumeName"),
        ({"VolumeName": "a\nb"}, "InvalidParameter", "VolumeName"),
        ({"VolumeName": "x" * 256}, "InvalidParameter", "VolumeName"),
        ({"VolumeName": "a", "AllowCreate": "perhaps"}, "InvalidParameter", "AllowCreate"),
        ({"VolumeName": "a", "ImageId": "windows_latest"}, "InvalidImage.NotFound", "windows_latest"),
    ],
)
async def test_a_volume_that_cannot_be_meant_is_refused_and_named(
    api: Api, params: dict[str, str], code: str, named: str
) -> None:
    answer = await api.call("GetVolume", **params)
    assert (answer.verdict, named in answer.body["Message"]) == ((400, code), True)


async def test_lists_are_narrowed_and_come_in_pages_newest_first(runtime_alone: Api) -> None:
    api = runtime_alone
    ids = [await made(api, f"v{number}") for number in range(5)]
    code = await made(api, "v1", "code_latest")
    first = await api.call("ListVolumes", ImageId="linux_latest", MaxResults="2")
    second = await api.call("ListVolumes", ImageId="linux_latest", MaxResults="3", NextToken=first.body["NextToken"])
    seen = [item["VolumeId"] for page in (first, second) for item in page.data]
    assert (seen, second.body["NextToken"], first.body["TotalCount"]) == (ids[::-1], "", 5)
    by_name = await api.call("ListVolumes", VolumeName="v1")
    assert [item["VolumeId"] for item in by_name.data] == [code, ids[1]]
    by_id = await api.call("ListVolumes", **{"VolumeIds.1": ids[2], "VolumeIds.2": "vol-nothing"})
    assert [item["VolumeId"] for item in by_id.data] == [ids[2]]
    assert (await api.call("ListVolumes", ImageId="none")).data == []
    for params in ({"MaxResults": "0"}, {"NextToken": "x"}, {f"VolumeIds.{n}": "v" for n in range(1, 102)}):
        assert (await api.call("ListVolumes", **params)).verdict == (400, "InvalidParameter")


async def test_no_action_about_contexts_sees_a_volume(api: Api) -> None:
    name = fresh()
    volume = await made(api, name)
    by_id = await api.call("GetContext", ContextId=volume)
    by_name = await api.call("GetContext", Name=name)
    files = await api.call("DescribeContextFiles", ContextId=volume, ParentFolderPath="/")
    gone = await api.call("DeleteContext", Id=volume)
    assert {answer.verdict for answer in (by_id, by_name, files, gone)} == {(400, "Context.NotFound")}
    listed = (await api.call("ListContexts", MaxResults="100")).data
    assert volume not in {item["Id"] for item in listed}


async def test_the_files_of_a_volume_go_from_one_session_to_the_next(api: Api) -> None:
    volume = await made(api)
    first = await api.create(VolumeId=volume)
    assert await status(api, volume) == ["in-use"]
    told = await api.shell(first["SessionId"], "echo kept > ~/volume/note; ls -d /home/wuying/volume")
    busy = await api.call("DeleteVolume", VolumeId=volume)
    assert (told["exit_code"], busy.verdict) == (0, (400, "Volume.InvalidStatus"))
    assert (await api.call("DescribeSessionContexts", SessionId=first["SessionId"])).data == []
    await api.call("ReleaseMcpSession", SessionId=first["SessionId"])
    second = await api.create(VolumeId=volume)
    assert (await api.shell(second["SessionId"], "cat ~/volume/note"))["stdout"] == "kept\n"
    await api.call("ReleaseMcpSession", SessionId=second["SessionId"])
    assert await status(api, volume) == ["available"]
    assert (await api.call("DeleteVolume", VolumeId=volume)).verdict == (200, "ok")
    assert (await api.call("DeleteVolume", VolumeId=volume)).verdict == NOT_FOUND
    assert (await api.call("CreateMcpSession", VolumeId=volume)).verdict == NOT_FOUND
    assert (await api.call("DeleteVolume", VolumeId="")).verdict == (400, "MissingParameter")


async def test_a_volume_belongs_to_its_image(api: Api) -> None:
    volume = await made(api, image="code_latest")
    answer = await api.call("CreateMcpSession", VolumeId=volume)
    assert (answer.verdict, "belongs to the image code_latest" in answer.body["Message"]) == (
        (400, "InvalidParameter"),
        True,
    )


async def test_another_key_has_no_part_in_a_volume(api: Api, stranger: Api) -> None:
    name = fresh()
    volume = await made(api, name)
    assert (await stranger.call("GetVolume", VolumeName=name)).verdict == NOT_FOUND
    assert (await stranger.call("DeleteVolume", VolumeId=volume)).verdict == NOT_FOUND
    assert (await stranger.call("CreateMcpSession", VolumeId=volume)).verdict == NOT_FOUND
    assert await status(stranger, volume) == []
    assert await status(api, volume) == ["available"]


async def test_volumes_outlive_the_runtime(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", warm=0)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        volume = await made(api, "kept")
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        assert await made(api, "kept") == volume
