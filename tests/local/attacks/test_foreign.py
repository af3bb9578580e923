"""Two keys see nothing of each other's: every action, every tool over both routes, and every other door."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from agentbay_local.doors import HANDLER_MODULES
from agentbay_local.service.core import HANDLERS
from agentbay_local.tools import registry
from tests.local.attacks.conftest import PLACE, PORT, Prey
from tests.local.channel.wire import refused
from tests.local.conftest import Served
from tests.local.service.api import Answer, Api

assert HANDLER_MODULES  # importing them makes the handlers known

OF_SESSION = {"SessionId": "{session}"}
OF_CONTEXT = {"Id": "{context}"}
OF_FILE = {"ContextId": "{context}", "FilePath": "{file}"}
BOUND = json.dumps([{"ContextId": "{context}", "Path": "/tmp/mine"}]).replace("{context}", "CONTEXT")

GONE_SESSION = "InvalidMcpSession.NotFound"
GONE_CONTEXT = "Context.NotFound"
GONE_VOLUME = "Volume.NotFound"

SKILLS = json.dumps([{"ContextId": "CONTEXT", "SkillIds": ["local:notes"], "Path": "/tmp/mine"}])

FOREIGN: dict[str, tuple[dict[str, str], str]] = {
    "BindContextSkillAsync": ({"ContextSkillBindItems": SKILLS}, GONE_CONTEXT),
    "BindContexts": (OF_SESSION | {"PersistenceDataList": BOUND}, GONE_SESSION),
    "CallMcpTool": (OF_SESSION | {"Name": "shell", "Args": '{"command": "id"}'}, GONE_SESSION),
    "ClearContext": (OF_CONTEXT, GONE_CONTEXT),
    "CreateMcpSession": ({"PersistenceDataList": BOUND}, GONE_CONTEXT),
    "DeleteContext": (OF_CONTEXT, GONE_CONTEXT),
    "DeleteContextFile": (OF_FILE, GONE_CONTEXT),
    "DeleteSessionAsync": (OF_SESSION, GONE_SESSION),
    "DeleteVolume": ({"VolumeId": "{volume}"}, GONE_VOLUME),
    "DescribeContextFiles": ({"ContextId": "{context}", "ParentFolderPath": PLACE}, GONE_CONTEXT),
    "DescribeSessionContexts": (OF_SESSION, GONE_SESSION),
    "GetAndLoadInternalContext": (OF_SESSION | {"ContextTypes.1": "file_transfer"}, GONE_SESSION),
    "GetCdpLink": (OF_SESSION, GONE_SESSION),
    "GetContext": ({"ContextId": "{context}"}, GONE_CONTEXT),
    "GetContextFileDownloadUrl": (OF_FILE, GONE_CONTEXT),
    "GetContextFileUploadUrl": (OF_FILE, GONE_CONTEXT),
    "GetContextInfo": (OF_SESSION | {"ContextId": "{context}"}, GONE_SESSION),
    "GetLabel": (OF_SESSION, GONE_SESSION),
    "GetLink": (OF_SESSION | {"ProtocolType": "https", "Port": PORT}, GONE_SESSION),
    "GetMcpResource": (OF_SESSION, GONE_SESSION),
    "GetSession": (OF_SESSION, GONE_SESSION),
    "GetSessionDetail": (OF_SESSION, GONE_SESSION),
    "GetVolume": ({"VolumeName": "{volume name}"}, GONE_VOLUME),
    "InitBrowser": (OF_SESSION | {"PersistentPath": "/tmp/x", "BrowserOption": "{}"}, GONE_SESSION),
    "ListContexts": (OF_SESSION, GONE_SESSION),
    "ModifyContext": (OF_CONTEXT | {"Name": "mine"}, GONE_CONTEXT),
    "PauseSessionAsync": (OF_SESSION, GONE_SESSION),
    "RefreshSessionIdleTime": (OF_SESSION, GONE_SESSION),
    "ReleaseMcpSession": (OF_SESSION, GONE_SESSION),
    "ResumeSessionAsync": (OF_SESSION, GONE_SESSION),
    "SetLabel": (OF_SESSION | {"Labels": '{"a": "b"}'}, GONE_SESSION),
    "SyncContext": (OF_SESSION | {"ContextId": "{context}"}, GONE_SESSION),
    "UnbindContextSkillAsync": ({"ContextSkillUnbindItems": SKILLS}, GONE_CONTEXT),
}
"""Action to the parameters of a call about what another key has, and the code of its refusal."""
WITHOUT_IDS = {"GetSkillMetaData", "ListMcpTools", "ListSession", "ListSkillMetaData", "ListVolumes"}
"""What takes no id of anything that is somebody's own; see the tests of lists, and those of volumes."""


def about(params: dict[str, str], session: str, context: str, volume: str = "", its_name: str = "") -> dict[str, str]:
    names = {"{session}": session, "{context}": context, "CONTEXT": context, "{file}": f"{PLACE}/x"}
    names |= {"{volume}": volume or "vol-00000000000000000", "{volume name}": its_name or "never"}
    for mark, name in names.items():
        params = {key: value.replace(mark, name) for key, value in params.items()}
    return params


def told(answer: Answer) -> dict[str, Any]:
    """All of an answer that is not made anew for each."""
    return {name: value for name, value in answer.body.items() if name != "RequestId"}


def volume_name(prey: Prey) -> str:
    return next(secret for secret in prey.secrets if secret.startswith("volume-"))


async def unharmed(api: Api, prey: Prey) -> bool:
    """Whether everything is as it was."""
    session = (await api.call("GetSessionDetail", SessionId=prey.session_id)).data["Status"]
    context = (await api.call("GetContext", ContextId=prey.context_id)).data
    async with api.http.get(prey.file_url) as response:
        content = await response.text()
    labels = json.loads((await api.call("GetLabel", SessionId=prey.session_id)).data["Labels"])
    assert prey.volume_id == (await api.call("GetVolume", VolumeName=volume_name(prey))).data["VolumeId"]
    return (session, context["Name"], content in prey.secrets, list(labels)) == (
        "RUNNING",
        prey.context_name,
        True,
        ["mark"],
    )


def test_every_action_has_its_case_here() -> None:
    assert set(HANDLERS) == set(FOREIGN) | WITHOUT_IDS


@pytest.mark.parametrize("action", sorted(FOREIGN))
async def test_what_another_key_has_is_not_there(api: Api, stranger: Api, prey: Prey, action: str) -> None:
    params, code = FOREIGN[action]
    answer = await stranger.call(
        action, **about(params, prey.session_id, prey.context_id, prey.volume_id, volume_name(prey))
    )
    assert (400, code) == answer.verdict
    never = about(params, "session-00000000000000000", "SdkCtx-00000000000000000")
    assert told(await stranger.call(action, **never)) == told(answer)
    assert not any(secret in json.dumps(answer.body) for secret in prey.secrets)
    assert await unharmed(api, prey)


async def test_no_session_gets_the_volume_of_another_key(stranger: Api, prey: Prey) -> None:
    answers = [await stranger.call("CreateMcpSession", VolumeId=each) for each in (prey.volume_id, "vol-never")]
    assert [(400, GONE_VOLUME)] * 2 == [answer.verdict for answer in answers]
    listed = await stranger.call("ListVolumes", **{"VolumeIds.1": prey.volume_id})
    assert [] == listed.data


@pytest.mark.parametrize("action", ["ListSession", "ListContexts", "ListMcpTools", "ListVolumes"])
async def test_lists_have_nothing_of_another_key(stranger: Api, prey: Prey, action: str) -> None:
    answer = await stranger.call(action, MaxResults="100")
    hidden = {*prey.secrets, prey.session_id, prey.context_id, prey.volume_id}
    assert not any(secret in json.dumps(answer.body) for secret in hidden)


async def test_a_name_that_another_key_uses_is_free(stranger: Api, prey: Prey) -> None:
    assert (400, GONE_CONTEXT) == (await stranger.call("GetContext", Name=prey.context_name)).verdict
    made = (await stranger.call("GetContext", Name=prey.context_name, AllowCreate="true")).data
    assert made["Id"] != prey.context_id
    files = await stranger.call("DescribeContextFiles", ContextId=made["Id"], ParentFolderPath=PLACE)
    assert [] == files.data
    assert (200, "ok") == (await stranger.call("DeleteContext", Id=made["Id"])).verdict


async def test_a_page_of_anothers_list_begins_nothing(api: Api, stranger: Api, prey: Prey) -> None:
    """A token says where a page begins, never whose it is."""
    mine = await api.call("ListContexts", MaxResults="1")
    theirs = await stranger.call("ListContexts", MaxResults="100", NextToken=mine.body.get("NextToken", ""))
    assert prey.context_id not in json.dumps(theirs.body)


# --- Tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", sorted(registry.TOOLS))
async def test_no_tool_works_in_another_keys_session(stranger: Api, prey: Prey, tool: str) -> None:
    answer = await stranger.tool(prey.session_id, tool, command="id", path=PLACE)
    assert (400, GONE_SESSION) == answer.verdict


async def test_no_tool_works_by_a_link_without_the_sessions_own_token(stranger: Api, prey: Prey) -> None:
    own, right = await stranger.create(), prey.session["Token"]
    for token in (own["Token"], "", stranger.key, right[:-1], right + "x"):
        headers = {"X-Access-Token": token, "Authorization": f"Bearer {stranger.key}"}
        for tool in registry.TOOLS:
            call = {"tool": tool, "args": {"command": "id", "path": PLACE}, "token": right}
            answer = await stranger.post(f"/link/{prey.session_id}/callTool", json=call, headers=headers)
            assert (401, "NOT_LOGIN") == answer.verdict, tool


async def test_a_token_in_the_body_must_be_the_sessions_own_too(stranger: Api, prey: Prey) -> None:
    own = await stranger.create()
    call = {"tool": "shell", "args": {"command": "id"}, "token": prey.session["Token"]}
    headers = {"X-Access-Token": own["Token"]}
    answer = await stranger.post(f"/link/{own['SessionId']}/callTool", json=call, headers=headers)
    assert (401, "NOT_LOGIN") == answer.verdict


# --- Other doors ------------------------------------------------------------------------------------------------------


async def test_the_websocket_is_for_those_with_the_sessions_token(stranger: Api, prey: Prey) -> None:
    own = await stranger.create()
    for token in (own["Token"], "", stranger.key, prey.session["Token"] + "x"):
        assert (401, "NOT_LOGIN") == await refused(stranger, prey.session, **{"X-Access-Token": token})


async def test_the_page_is_for_those_with_its_code(stranger: Api, prey: Prey) -> None:
    for code in ("", prey.session["Token"], stranger.key, "0" * 32):
        async with stranger.http.get(f"{stranger.endpoint}/session/{prey.session_id}?authcode={code}") as response:
            text = await response.text()
        assert (404, "application/json", False) == (response.status, response.content_type, "Created" in text)


async def test_a_link_must_be_whole(stranger: Api, prey: Prey) -> None:
    token = prey.link.rstrip("/").split("/")[-2]
    assert len(token) >= 32
    for wrong in (token[:-1], token + "a", token.swapcase(), token[::-1], "*", "%2e%2e", token + "%00"):
        async with stranger.http.get(prey.link.replace(token, wrong)) as response:
            assert (404, False) == (response.status, (await response.json())["Success"])


async def test_pictures_are_for_those_who_have_their_address(stranger: Api, prey: Prey) -> None:
    for wrong in (prey.session_id, prey.session["Token"], "0" * 32, "*", "%2e%2e", ""):
        async with stranger.http.get(f"{stranger.endpoint}/screenshot/{wrong}.png") as response:
            assert (404, False) == (response.status, (await response.json())["Success"])


async def test_links_of_two_sessions_have_nothing_in_common(api: Api, prey: Prey) -> None:
    own = await api.create()
    made = await api.call("GetLink", SessionId=own["SessionId"], ProtocolType="https", Port=PORT)
    assert made.data["Url"] != prey.link
    await api.call("ReleaseMcpSession", SessionId=own["SessionId"])
    async with api.http.get(made.data["Url"]) as response:
        assert (404, "InvalidLink.NotFound") == (response.status, (await response.json())["Code"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{context}", "SdkCtx-00000000000000000"),
        ("/secret-", "/Secret-"),
        ("/secret-", "/../secret-"),
        ("/secret-", "/%2e%2e/secret-"),
        ("/secret-", "//secret-"),
        ("/secret-", "%00/secret-"),
        ("{place}", "{place}/.."),
        ("?Expires=", "?Expires=0"),
        ("?Expires=", "?Expires=-"),
        ("?Expires=", "?Expires=9999999999&Expires="),
        ("?Expires=", "?expires="),
        ("&Signature=", "&Signature="),
        ("&Signature=", "&Signature=0"),
        ("&Signature=", "&Signature=&Signature="),
        ("&Signature=", "&signature="),
        ("&Signature=", "0&Signature="),
    ],
)
async def test_a_changed_address_of_a_file_is_refused(stranger: Api, prey: Prey, old: str, new: str) -> None:
    old = old.replace("{context}", prey.context_id).replace("{place}", PLACE)
    url = aiohttp.client.URL(prey.file_url.replace(old, new.replace("{place}", PLACE)), encoded=True)
    async with stranger.http.get(url) as response:
        text = await response.text()
    if str(url) == prey.file_url:
        assert response.status == 200
        return
    assert (403, "application/xml") == (response.status, response.content_type)
    assert not any(secret in text for secret in prey.secrets)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
async def test_an_address_for_reading_is_for_nothing_else(stranger: Api, prey: Prey, method: str) -> None:
    async with stranger.http.request(method, prey.file_url, data=b"mine") as response:
        assert response.status in {403, 405}
    async with stranger.http.get(prey.file_url) as response:
        assert await response.text() in prey.secrets


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
async def test_those_who_watch_are_told_no_ids(stranger: Api, prey: Prey, path: str) -> None:
    async with stranger.http.get(stranger.endpoint + path) as response:
        text = await response.text()
    assert 200 == response.status
    assert not any(secret in text for secret in {*prey.secrets, prey.session_id, prey.context_id})


async def test_a_session_does_not_know_the_keys(api: Api, runtime: Served, session: str) -> None:
    script = (
        "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; grep -rsl akm- /etc /run /tmp /home"
    )
    said = (await api.shell(session, script))["stdout"]
    assert not any(key in said for key in (runtime.key, runtime.other_key))
