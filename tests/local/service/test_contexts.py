"""Contexts by their actions: found, made, listed, renamed, cleared, deleted; and never those of another key."""

from __future__ import annotations

import asyncio
import io
import re
import uuid

import pytest

from tests.local.service.api import Answer, Api

NOT_FOUND = (400, "Context.NotFound")
FILES = ("DescribeContextFiles", "DeleteContextFile", "GetContextFileUploadUrl", "GetContextFileDownloadUrl")
MORE = {
    "ModifyContext": {"Name": "other"},
    "DescribeContextFiles": {"ParentFolderPath": "/"},
    **{name: {"FilePath": "/a"} for name in FILES[1:]},
}
OF_A_CONTEXT = {
    **dict.fromkeys(FILES, "ContextId"),
    **dict.fromkeys(("GetContext",), "ContextId"),
    **dict.fromkeys(("ModifyContext", "DeleteContext", "ClearContext"), "Id"),
}


def fresh() -> str:
    """A name that no other test has."""
    return f"test {uuid.uuid4()}"


async def made(api: Api, name: str = "") -> str:
    answer = await api.call("GetContext", Name=name or fresh(), AllowCreate="True")
    assert answer.verdict == (200, "ok"), answer.body
    return str(answer.data["Id"])


async def state(api: Api, context: str) -> str:
    return str((await api.call("GetContext", ContextId=context, AllowCreate="False")).data["State"])


async def cleared(api: Api, context: str) -> bool:
    for _ in range(400):
        if await state(api, context) == "available":
            return True
        await asyncio.sleep(0.02)
    return False


async def put(api: Api, context: str, path: str, data: bytes) -> None:
    answer = await api.call("GetContextFileUploadUrl", ContextId=context, FilePath=path)
    async with api.http.put(answer.data["Url"], data=io.BytesIO(data)) as response:
        assert response.status == 200, await response.text()


async def test_a_context_is_made_once_and_found_by_name_and_id(api: Api) -> None:
    name = fresh()
    first = await api.call("GetContext", Name=name, AllowCreate="True", LoginRegionId="cn-hangzhou")
    again = await api.call("GetContext", Name=name, AllowCreate="True")
    by_name = await api.call("GetContext", Name=name, AllowCreate="False")
    by_id = await api.call("GetContext", ContextId=first.data["Id"], AllowCreate="False")
    assert first.data == again.data == by_name.data == by_id.data
    assert re.fullmatch(r"SdkCtx-[a-z0-9]{17}", first.data["Id"])
    assert (first.data["Name"], first.data["State"], first.data["OsType"]) == (name, "available", "linux")
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.data[key]) for key in ("CreateTime", "LastUsedTime")
    )


async def test_a_name_asked_for_by_many_at_once_is_one_context(api: Api) -> None:
    name = fresh()
    assert len(set(await asyncio.gather(*(made(api, name) for _ in range(12))))) == 1


async def test_a_context_that_is_not_there_is_not_made_unasked(api: Api) -> None:
    name = fresh()
    answers = [await api.call("GetContext", Name=name, AllowCreate="False") for _ in range(2)]
    assert [answer.verdict for answer in answers] == [NOT_FOUND] * 2


async def test_a_lookup_needs_a_name_or_an_id(api: Api) -> None:
    for params in ({}, {"Name": "", "ContextId": ""}):
        answer = await api.call("GetContext", AllowCreate="True", **params)
        assert (answer.verdict, "Name" in answer.body["Message"]) == ((400, "MissingParameter"), True)


async def test_an_id_cannot_be_made(api: Api) -> None:
    answer = await api.call("GetContext", ContextId="SdkCtx-00000000000000000", AllowCreate="True")
    assert answer.verdict == (400, "InvalidParameter")


@pytest.mark.parametrize("name", [" ", "\t\n", "a\0b", "a\nb", "x" * 256, "\x7f"])
async def test_a_name_that_cannot_be_one_is_refused(api: Api, name: str) -> None:
    context = await made(api)
    answers = [
        await api.call("GetContext", Name=name, AllowCreate="True"),
        await api.call("ModifyContext", Id=context, Name=name),
    ]
    assert {(answer.verdict, "Name" in answer.body["Message"]) for answer in answers} == {
        ((400, "InvalidParameter"), True)
    }


async def test_names_may_be_in_any_script_and_differ_by_case(api: Api) -> None:
    base = fresh()
    names = [f"{base} Ünïcode 文 🎉", f"{base} a", f"{base} A", f"{base}'; DROP TABLE contexts; --", f"{base} %_/.."]
    ids = [await made(api, name) for name in names]
    found = [(await api.call("GetContext", ContextId=one, AllowCreate="False")).data["Name"] for one in ids]
    assert (len(set(ids)), found) == (len(names), names)


async def test_a_renamed_context_keeps_id_and_files(api: Api) -> None:
    context, name = await made(api), fresh()
    await put(api, context, "/a", b"kept")
    answer = await api.call("ModifyContext", Id=context, Name=name)
    assert (answer.verdict, "Data" in answer.body) == ((200, "ok"), False)
    assert await made(api, name) == context
    assert (await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/")).body["Count"] == 1


async def test_a_name_that_is_taken_is_refused_unless_it_is_the_contexts_own(api: Api) -> None:
    name, context = fresh(), await made(api)
    await made(api, name)
    taken = await api.call("ModifyContext", Id=context, Name=name)
    assert (taken.verdict, name in taken.body["Message"]) == ((400, "Context.AlreadyExists"), True)
    own = (await api.call("GetContext", ContextId=context, AllowCreate="False")).data["Name"]
    assert (await api.call("ModifyContext", Id=context, Name=own)).verdict == (200, "ok")


async def test_a_deleted_context_is_gone_and_its_name_is_free(api: Api) -> None:
    name = fresh()
    context = await made(api, name)
    await put(api, context, "/a", b"x")
    assert (await api.call("DeleteContext", Id=context)).verdict == (200, "ok")
    assert (await api.call("DeleteContext", Id=context)).verdict == NOT_FOUND
    again = await made(api, name)
    assert again != context
    assert (await api.call("DescribeContextFiles", ContextId=again, ParentFolderPath="/")).body["Count"] == 0


async def test_clearing_takes_all_files_and_nothing_else(api: Api) -> None:
    name = fresh()
    context, other = await made(api, name), await made(api)
    for owner in (context, other):
        await put(api, owner, "/tmp/data/a.txt", b"the same bytes")
    answer = await api.call("ClearContext", Id=context)
    assert (answer.verdict, "Data" in answer.body) == ((200, "ok"), False)
    assert await cleared(api, context)
    counts = [
        (await api.call("DescribeContextFiles", ContextId=one, ParentFolderPath="/tmp/data")).body["Count"]
        for one in (context, other)
    ]
    assert (await made(api, name), counts) == (context, [0, 1])
    await put(api, context, "/tmp/data/a.txt", b"new")


async def test_lists_go_from_page_to_page_newest_first(runtime_alone: Api) -> None:
    api = runtime_alone
    ids = [await made(api) for _ in range(7)]
    pages, token = [], ""
    while True:
        page = await api.call("ListContexts", MaxResults="3", NextToken=token)
        pages.append([item["Id"] for item in page.data])
        assert (page.body["TotalCount"], page.body["MaxResults"]) == (7, 3)
        token = page.body["NextToken"]
        if not token:
            break
    assert pages == [ids[6:3:-1], ids[3:0:-1], [ids[0]]]


async def test_a_page_holds_ten_unless_told_otherwise(runtime_alone: Api) -> None:
    api = runtime_alone
    assert (await api.call("ListContexts")).data == []
    for _ in range(11):
        await made(api)
    page = await api.call("ListContexts")
    assert (len(page.data), page.body["MaxResults"], page.body["TotalCount"]) == (10, 10, 11)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MaxResults", "0"),
        ("MaxResults", "101"),
        ("MaxResults", "many"),
        ("NextToken", "no token"),
        ("NextToken", "YmVmb3JlIHg"),
        ("NextToken", "\u00e9"),
        ("NextToken", "A" * 5000),
    ],
)
async def test_a_malformed_page_is_named(api: Api, name: str, value: str) -> None:
    answer = await api.call("ListContexts", **{name: value})
    assert (answer.verdict, name in answer.body["Message"]) == ((400, "InvalidParameter"), True)


async def test_the_contexts_of_a_session_are_asked_for_by_its_owner_alone(
    api: Api, stranger: Api, session: str
) -> None:
    await made(api)
    assert (await api.call("ListContexts", SessionId=session)).data == []
    answers = [
        await stranger.call("ListContexts", SessionId=session),
        await api.call("ListContexts", SessionId="session-00000000000000000"),
    ]
    assert {answer.verdict for answer in answers} == {(400, "InvalidMcpSession.NotFound")}


def form(answer: Answer) -> dict[str, object]:
    return {name: value for name, value in answer.body.items() if name != "RequestId"}


@pytest.mark.parametrize("action", sorted(OF_A_CONTEXT))
async def test_another_keys_context_is_as_unknown_as_one_that_never_was(api: Api, stranger: Api, action: str) -> None:
    context = await made(api)
    await put(api, context, "/a", b"mine")
    answers = [
        await stranger.call(action, **{OF_A_CONTEXT[action]: one}, **MORE.get(action, {}))
        for one in (context, "SdkCtx-00000000000000000", "", "x", "\0", "' OR 1=1 --")
        if one or action != "GetContext"
    ]
    assert {answer.verdict for answer in answers} == {NOT_FOUND}
    assert form(answers[0]) == form(answers[1])
    listed = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/")
    assert (await state(api, context), listed.body["Count"]) == ("available", 1)


async def test_two_keys_may_use_the_same_name(api: Api, stranger: Api) -> None:
    name = fresh()
    assert await made(api, name) != await made(stranger, name)


async def test_a_list_has_only_the_callers_own_contexts(api: Api, stranger: Api) -> None:
    context = await made(api)
    listed = (await stranger.call("ListContexts", MaxResults="100")).data
    assert context not in {item["Id"] for item in listed}


@pytest.mark.parametrize("action", sorted(OF_A_CONTEXT))
async def test_a_missing_parameter_is_named(api: Api, action: str) -> None:
    answer = await api.call(action)
    assert answer.verdict == (400, "MissingParameter")
