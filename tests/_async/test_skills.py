"""Skills: where they stand, refusals, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from agentbay import APIError, AsyncAgentBay, AsyncBetaSkillsService, AuthenticationError, SessionError, SkillInfo
from tests.gateway import Gateway, no, ok, raw

ITEMS = [{"SkillId": "s1", "Name": "a", "Description": "d"}, {"SkillId": "s2"}, {"Name": "b"}]
SKILLS = [SkillInfo("a", "d", "s1"), SkillInfo("b", "")]


async def test_skills_without_a_name_are_left_out(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetSkillMetaData", ok({"SkillPath": "/s", "MetaDataList": ITEMS}))
    gateway.on("ListSkillMetaData", ok(ITEMS))
    named = await client.beta_skills.get_metadata()
    by_id = await client.beta_skills.get_metadata(skill_ids=["s1"])
    assert (SKILLS, "/s") == (named.skills, named.skills_root_path)
    assert (SKILLS, named) == (by_id.skills, named.unwrap())


async def test_no_skills_are_no_skills(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetSkillMetaData", ok(), ok({}))
    gateway.on("ListSkillMetaData", ok())
    for ids in (None, [], ["s1"]):
        result = await client.beta_skills.get_metadata(skill_ids=ids)
        assert ([], "/home/wuying/skills") == (result.skills, result.skills_root_path)


async def test_skills_by_id_stand_where_the_environment_or_the_caller_says(
    client: AsyncAgentBay, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.on("ListSkillMetaData", ok(ITEMS))
    monkeypatch.setenv("AGENTBAY_OFFICIAL_SKILLS_ROOT", "/of/the/environment")
    for root, wanted in ((None, "/of/the/environment"), ("/mine", "/mine")):
        service = AsyncBetaSkillsService(client, root)
        assert wanted == (await service.get_metadata(skill_ids=["s1"])).skills_root_path


@pytest.mark.parametrize(("action", "ids"), [("GetSkillMetaData", None), ("ListSkillMetaData", ["s1"])])
@pytest.mark.parametrize(("code", "kind"), [("NOT_LOGIN", AuthenticationError), ("Skill.Bad", APIError)])
async def test_a_refusal_to_list_is_raised(
    client: AsyncAgentBay, gateway: Gateway, action: str, ids: Any, code: str, kind: type[APIError]
) -> None:
    gateway.on(action, no(code, "so it is"))
    with pytest.raises(kind) as caught:
        await client.beta_skills.get_metadata(skill_ids=ids)
    assert (f"{action} failed: [{code}] so it is", code, 200) == (
        caught.value.message,
        caught.value.code,
        caught.value.status_code,
    )


async def test_an_answer_of_another_form_is_raised(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetSkillMetaData", ok([]), ok({"MetaDataList": 7}), raw("half"))
    for _ in range(3):
        with pytest.raises(SessionError):
            await client.beta_skills.get_metadata()


async def test_a_refusal_to_bind_is_a_failed_result(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("BindContextSkillAsync", no("Context.Bad", "no"))
    gateway.on("UnbindContextSkillAsync", no("Context.Bad", "no"))
    items = [{"ContextId": "c", "SkillIds": ["s"]}]
    for result in (await client.beta_skills.bind_context(items), await client.beta_skills.unbind_context(items)):
        assert (False, "[Context.Bad] no") == (result.success, result.error_message)


BAD: list[tuple[list[Any], str]] = [
    ([], "items must have at least one"),
    ([{}], r"items\[0\] must have a ContextId"),
    ([{"ContextId": " ", "SkillIds": ["s"]}], r"items\[0\] must have a ContextId"),
    ([{"ContextId": "c"}], r"items\[0\] must have SkillIds"),
    ([{"ContextId": "c", "SkillIds": []}], r"items\[0\] must have SkillIds"),
    ([{"ContextId": "c", "SkillIds": "s"}], r"items\[0\] must have SkillIds"),
    ([{"ContextId": "c", "SkillIds": ["s"]}, {"ContextId": "c", "SkillIds": [7]}], r"items\[1\] must have SkillIds"),
]


@pytest.mark.parametrize(("items", "text"), BAD)
async def test_items_that_say_nothing_are_refused(
    client: AsyncAgentBay, gateway: Gateway, items: list[Any], text: str
) -> None:
    for call in (client.beta_skills.bind_context, client.beta_skills.unbind_context):
        with pytest.raises(ValueError, match=text):
            await call(items)
    assert [] == gateway.requests
