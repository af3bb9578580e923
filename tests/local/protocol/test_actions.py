"""Each action that is served, held against its page in the catalogue; one without a row fails."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from agentbay_local import unserved
from agentbay_local.doors import HANDLER_MODULES
from agentbay_local.service.core import ACTIONS as SERVED_BY_CLASS
from agentbay_local.service.core import HANDLERS
from tests.catalogue import ACTIONS
from tests.local.protocol.rows import ACTION_ROWS, AS_TEXT, LEFT_OUT, MORE_IN_BODY, MORE_IN_DATA, Params, World
from tests.local.service.api import FORM, Answer, Api

NAMES = sorted(HANDLERS)
OK = (200, "ok")
ABRIDGED = {"inputSchema"}
UNREADABLE = {"int-decimal": "soon", "bool-text": "perhaps", "json-string": "{"}
FAULTS = {"RequestId", "HostId", "Code", "Message", "Success", "HttpStatusCode"}


def own_parameters(action: str) -> list[dict[str, Any]]:
    """Those of the catalogue's page that the runtime reads; it passes over the others, which no client sends."""
    known = SERVED_BY_CLASS[action].__attrs_attrs__
    read = {"".join(word[:1].upper() + word[1:] for word in each.name.split("_")) for each in known}
    return [param for param in ACTIONS[action]["params"] if param["name"] in read]


def unreadable() -> list[tuple[str, str, str]]:
    return [
        (action, param["name"], UNREADABLE[param["encoding"]])
        for action in NAMES
        for param in own_parameters(action)
        if param["encoding"] in UNREADABLE
    ]


def required() -> list[tuple[str, str]]:
    names = [(action, param) for action in NAMES for param in ACTIONS[action]["params"]]
    return [
        (action, param["name"]) for action, param in names if param["required"] and param["name"] != "Authorization"
    ]


def check_form(answer: Answer) -> None:
    """What every answer has, whatever it says."""
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", answer.body["RequestId"])
    assert answer.body["HttpStatusCode"] == answer.status
    assert answer.body["Success"] is (answer.status == 200)


def unlike(example: Any, actual: Any, more: frozenset[str] = frozenset()) -> list[str]:
    """What of an answer is not as in the example: names, types, and of texts whether they are JSON."""
    if isinstance(example, dict):
        if not isinstance(actual, dict):
            return [f"{actual!r} instead of an object"]
        odd = [f"{name} is not the same" for name in actual.keys() ^ example.keys() - more if name not in more]
        return odd + [
            f"{name}: {fault}"
            for name in actual.keys() & example.keys() - ABRIDGED
            for fault in unlike(example[name], actual[name], more)
        ]
    if isinstance(example, list):
        return (
            [fault for item in actual for fault in unlike(example[0], item, more)]
            if isinstance(actual, list)
            else ["list"]
        )
    if type(example) is not type(actual):
        return [f"{actual!r} instead of {example!r}"]
    return unlike(json.loads(example), json.loads(actual)) if nested(example) else []


def nested(text: Any) -> bool:
    return isinstance(text, str) and text.startswith("[")


def test_every_served_action_has_a_row() -> None:
    assert HANDLER_MODULES
    assert (set(HANDLERS) ^ set(ACTION_ROWS), set(HANDLERS) - set(ACTIONS)) == (set(), set())


def test_every_action_of_the_catalogue_is_served_or_its_absence_explained() -> None:
    assert set(ACTIONS) - set(HANDLERS) - set(unserved.ACTIONS) == set()


@pytest.mark.parametrize("action", NAMES)
async def test_a_good_call_is_answered_with_the_fields_of_the_catalogue(world: World, action: str) -> None:
    answer = await called(world, action)
    example = dict(ACTIONS[action]["response_example"])
    body = dict(answer.body)
    if action in AS_TEXT:
        body["Data"] = json.loads(body["Data"])
    check_form(answer)
    data = (example.pop("Data", None), body.pop("Data", None))
    assert body.keys() ^ example.keys() == LEFT_OUT.get(action, set()) | MORE_IN_BODY.get(action, set())
    both = example.keys() & body.keys()
    assert unlike({name: example[name] for name in both}, {name: body[name] for name in both}) == []
    assert unlike(*data, frozenset(MORE_IN_DATA.get(action, ()))) == []


async def called(world: World, action: str) -> Answer:
    """The row's call, which must go well; a session that it makes is deleted in the end."""
    answer = await world.api.call(action, **await ACTION_ROWS[action](world))
    assert answer.verdict == OK, answer.body
    if action == "CreateMcpSession":
        world.api.adopt(answer.data["SessionId"])
    return answer


@pytest.mark.parametrize(("action", "name"), required())
async def test_a_required_parameter_that_is_missing_is_named(api: Api, action: str, name: str) -> None:
    answer = await api.call(action, **{key: value for key, value in cheap_row(action).items() if key != name})
    check_form(answer)
    assert (answer.verdict, name in answer.body["Message"]) == ((400, "MissingParameter"), True)
    assert answer.body.keys() == FAULTS


@pytest.mark.parametrize(("action", "name", "value"), unreadable())
async def test_a_parameter_of_the_wrong_type_is_named(api: Api, action: str, name: str, value: str) -> None:
    answer = await api.call(action, **(cheap_row(action) | {name: value}))
    check_form(answer)
    assert (answer.verdict, name in answer.body["Message"]) == ((400, "InvalidParameter"), True)


def cheap_row(action: str) -> Params:
    """Parameters are read before a session is looked for, so none is needed."""
    wanted = [param for param in ACTIONS[action]["params"] if param["required"] and param["name"] != "Authorization"]
    return {param["name"]: "{}" if param["encoding"] == "json-string" else "x" for param in wanted}


@pytest.mark.parametrize("action", NAMES)
async def test_it_does_not_matter_where_parameters_stand_and_unknown_ones_are_passed_over(
    world: World, action: str
) -> None:
    key = {"Authorization": f"Bearer {world.api.key}", "Action": action, "Unheard.Of.1": "{", "Timestamp": "never"}
    in_query = await world.api.post("/", params=key | await ACTION_ROWS[action](world))
    in_body = await world.api.post("/", data=urlencode(key | await ACTION_ROWS[action](world)), headers=FORM)
    for answer in (in_query, in_body):
        if action == "CreateMcpSession":
            world.api.adopt(answer.data["SessionId"])
    assert (in_query.verdict, in_body.verdict) == (OK, OK)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_post_is_for_actions(api: Api, method: str) -> None:
    query = {"Action": "ListSession", "Authorization": f"Bearer {api.key}"}
    async with api.http.request(method, f"{api.endpoint}/", params=query) as response:
        body = await response.read()
    assert response.status == 405
    if method != "HEAD":
        said = json.loads(body)
        assert (said["Code"], said["Success"], said.keys()) == ("InvalidMethod", False, FAULTS)


async def test_no_two_answers_have_the_same_request_id(api: Api) -> None:
    answers = await asyncio.gather(*(api.call("ListSession") for _ in range(50)))
    assert len({answer.body["RequestId"] for answer in answers}) == 50


# --- Pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["ListSession", "ListContexts", "ListVolumes"])
@pytest.mark.parametrize("token", ["no token", "YmVmb3JlIHg", "YmVmb3JlIC0x", "A" * 5000, "\x00", "=="])
async def test_a_token_that_was_never_given_is_refused(api: Api, action: str, token: str) -> None:
    answer = await api.call(action, NextToken=token)
    check_form(answer)
    assert (answer.verdict, "NextToken" in answer.body["Message"]) == ((400, "InvalidParameter"), True)


@pytest.mark.parametrize("size", ["0", "-1", "101", "1e3", ""])
@pytest.mark.parametrize("action", ["ListSession", "ListContexts", "ListVolumes"])
async def test_a_page_has_a_size_within_bounds(api: Api, action: str, size: str) -> None:
    answer = await api.call(action, MaxResults=size)
    assert (answer.verdict, "MaxResults" in answer.body["Message"]) == ((400, "InvalidParameter"), True)


async def test_a_token_still_works_when_what_it_was_made_at_is_gone(world: World) -> None:
    made = [await world.context() for _ in range(3)]
    first = await world.api.call("ListContexts", MaxResults="1")
    assert [item["Id"] for item in first.data] == [made[2]]
    for gone in made[1:]:
        await world.api.call("DeleteContext", Id=gone)
    rest = await world.api.call("ListContexts", MaxResults="1", NextToken=first.body["NextToken"])
    assert [item["Id"] for item in rest.data] == [made[0]]


async def test_files_are_paged_by_token_to_the_end(world: World) -> None:
    context = await world.stored("/f/1")
    for name in ("/f/2", "/f/3"):
        url = (await world.api.call("GetContextFileUploadUrl", ContextId=context, FilePath=name)).data["Url"]
        async with world.api.http.put(url, data=b"x") as response:
            assert response.status == 200
    seen, more = [], {"MaxResults": "2"}
    while more:
        page = await world.api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/f", **more)
        seen += [item["FileName"] for item in page.data]
        token = page.body["NextToken"]
        more = {"MaxResults": "2", "NextToken": token} if token else {}
    assert seen == ["1", "2", "3"]


# --- Sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [52_224, 64_512, 150_000])
async def test_messages_of_the_services_limit_and_larger_ones_are_taken(world: World, size: int) -> None:
    session = await world.session()
    text, failed = (await world.api.tool(session, "write_file", path="/tmp/large", content="é" * (size // 2))).said
    assert not failed, text
    found, _ = (await world.api.tool(session, "get_file_info", path="/tmp/large")).said
    assert f"size: {size}" in found.splitlines()
