"""For each action that is served: a call that must go well, in a world where it can; `uses` has the tools."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen

from tests.local.programs import need_browser, need_desktop
from tests.local.service.api import Api

SKILL = "tidy"
SKILL_TEXT = f"---\nname: {SKILL}\ndescription: Puts things in order.\n---\nDo it.\n"
AT = "/tmp/data"


SHARED_IMAGES = {"desktop": "linux_latest", "browser": "browser_latest"}
NEEDS = {"desktop": need_desktop, "browser": need_browser}
SHARED: dict[tuple[str, str], dict[str, Any]] = {}


@frozen
class World:
    """What a call needs: sessions, contexts, files; each made when it is asked for."""

    api: Api

    async def session(self, **params: str) -> str:
        return str((await self.api.create(**params))["SessionId"])

    async def context(self) -> str:
        return str((await self.api.call("GetContext", Name=f"p {uuid.uuid4()}", AllowCreate="True")).data["Id"])

    async def stored(self, path: str = "/a.txt") -> str:
        """The id of a context with one file."""
        context = await self.context()
        url = (await self.api.call("GetContextFileUploadUrl", ContextId=context, FilePath=path)).data["Url"]
        async with self.api.http.put(url, data=io.BytesIO(b"content")) as response:
            assert response.status == 200
        return context

    async def volume(self) -> dict[str, str]:
        answer = await self.api.call("GetVolume", VolumeName=f"v{uuid.uuid4().hex[:20]}", AllowCreate="True")
        return dict(answer.data)

    async def bound(self) -> str:
        """A session that has a context, whose files are there."""
        entries = json.dumps([{"ContextId": await self.stored(), "Path": AT}])
        return await self.session(PersistenceDataList=entries)

    async def shared(self, kind: str) -> dict[str, Any]:
        """A session with a desktop or a browser, which goes on for other calls; the server ends it."""
        NEEDS[kind]()
        place = (self.api.endpoint, kind)
        if place not in SHARED:
            made = await self.api.call("CreateMcpSession", ImageId=SHARED_IMAGES[kind], ManualRelease="True")
            assert made.verdict == (200, "ok"), made.body
            SHARED[place] = made.data
        return SHARED[place]

    async def use(self, session: str, name: str, **args: Any) -> str:
        """What a tool says, which must not fail."""
        text, failed = (await self.api.tool(session, name, **args)).said
        assert not failed, text
        return text

    async def paused(self) -> str:
        session = await self.session()
        await self.api.call("PauseSessionAsync", SessionId=session)
        assert await self.api.becomes(session, "PAUSED")
        return session


Params = dict[str, str]
Row = Callable[[World], Awaitable[Params]]


async def nothing(_: World) -> Params:
    return {}


async def of_a_session(world: World) -> Params:
    return {"SessionId": await world.session()}


async def of_a_context(world: World) -> Params:
    return {"Id": await world.context()}


async def of_a_file(world: World) -> Params:
    return {"ContextId": await world.stored(), "FilePath": "/a.txt"}


async def create(_: World) -> Params:
    return {"ImageId": "linux_latest", "Labels": '{"of": "protocol"}', "Timeout": "60", "ManualRelease": "False"}


async def tool(world: World) -> Params:
    return {"SessionId": await world.session(), "Name": "shell", "Args": '{"command": "true"}'}


async def labels(world: World) -> Params:
    return {"SessionId": await world.session(), "Labels": '{"a": "b"}'}


async def link(world: World) -> Params:
    return {"SessionId": await world.session(), "ProtocolType": "https", "Port": "30100"}


async def of_a_browser(world: World) -> Params:
    return {"SessionId": (await world.shared("browser"))["SessionId"]}


async def begun_browser(world: World) -> Params:
    return await of_a_browser(world) | {"PersistentPath": "/tmp/agentbay_browser", "BrowserOption": "{}"}


async def paused(world: World) -> Params:
    return {"SessionId": await world.paused()}


async def listed_sessions(world: World) -> Params:
    await world.session(Labels='{"listed": "yes"}')
    return {"Labels": '{"listed": "yes"}', "MaxResults": "5"}


async def some_context(world: World) -> Params:
    return {"ContextId": await world.context(), "AllowCreate": "False"}


async def listed_contexts(world: World) -> Params:
    await world.context()
    return {"MaxResults": "5"}


async def renamed(world: World) -> Params:
    return {"Id": await world.context(), "Name": f"q {uuid.uuid4()}"}


async def of_a_bound_session(world: World) -> Params:
    return {"SessionId": await world.bound()}


async def folder(world: World) -> Params:
    return {"ContextId": await world.stored(), "ParentFolderPath": "/", "PageNumber": "1", "PageSize": "10"}


async def internal(world: World) -> Params:
    return {"SessionId": await world.session(), "ContextTypes.1": "file_transfer"}


async def binding(world: World) -> Params:
    entries = json.dumps([{"ContextId": await world.context(), "Path": AT}])
    return {"SessionId": await world.session(), "PersistenceDataList": entries}


async def some_volume(world: World) -> Params:
    return {"VolumeName": (await world.volume())["VolumeName"], "AllowCreate": "False"}


async def listed_volumes(world: World) -> Params:
    return {"VolumeIds.1": (await world.volume())["VolumeId"], "MaxResults": "5"}


async def lost_volume(world: World) -> Params:
    return {"VolumeId": (await world.volume())["VolumeId"]}


def skills(parameter: str) -> Row:
    async def row(world: World) -> Params:
        item = {"ContextId": await world.context(), "SkillIds": [f"local:{SKILL}"], "Path": "/skills"}
        return {parameter: json.dumps([item])}

    return row


ACTION_ROWS: dict[str, Row] = {
    **dict.fromkeys(("ListMcpTools", "GetSkillMetaData", "ListSkillMetaData"), nothing),
    **dict.fromkeys(("GetSession", "GetSessionDetail", "GetMcpResource", "GetLabel"), of_a_session),
    **dict.fromkeys(("DeleteSessionAsync", "ReleaseMcpSession", "RefreshSessionIdleTime"), of_a_session),
    **dict.fromkeys(("PauseSessionAsync", "SyncContext"), of_a_session),
    **dict.fromkeys(("DeleteContext", "ClearContext"), of_a_context),
    **dict.fromkeys(("DeleteContextFile", "GetContextFileDownloadUrl", "GetContextFileUploadUrl"), of_a_file),
    **dict.fromkeys(("GetContextInfo", "DescribeSessionContexts"), of_a_bound_session),
    "CreateMcpSession": create,
    "CallMcpTool": tool,
    "SetLabel": labels,
    "GetLink": link,
    "GetCdpLink": of_a_browser,
    "InitBrowser": begun_browser,
    "ResumeSessionAsync": paused,
    "ListSession": listed_sessions,
    "GetContext": some_context,
    "ListContexts": listed_contexts,
    "ModifyContext": renamed,
    "DescribeContextFiles": folder,
    "GetAndLoadInternalContext": internal,
    "BindContexts": binding,
    "GetVolume": some_volume,
    "ListVolumes": listed_volumes,
    "DeleteVolume": lost_volume,
    "BindContextSkillAsync": skills("ContextSkillBindItems"),
    "UnbindContextSkillAsync": skills("ContextSkillUnbindItems"),
}

MORE_IN_DATA: dict[str, set[str]] = {
    "CreateMcpSession": {"Status", "contexts"},
    "GetSession": {"Success", "ErrMsg"},
    "GetSkillMetaData": {"SkillId"},
}
"""What this runtime answers beyond the catalogue's example: one form of a session, and of a skill, wherever it is."""
LEFT_OUT: dict[str, set[str]] = {"GetLabel": {"MaxResults", "NextToken", "TotalCount"}}
"""What it leaves out: a session's labels are one text, of which there are no pages."""
MORE_IN_BODY: dict[str, set[str]] = {"ListVolumes": {"TotalCount"}}
AS_TEXT: dict[str, type] = {"CallMcpTool": dict}
"""Where the catalogue allows an object, or the same as text, and clients of old read only the text."""
