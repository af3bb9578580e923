"""Skills: what there is, in a session that asks for them, and in contexts."""

from __future__ import annotations

import uuid

import pytest

from agentbay import APIError, AsyncAgentBay, ContextSync, CreateSessionParams, SkillInfo
from tests._async.both.doors import mocked
from tests.gateway import ok, refusal

PDF = SkillInfo("pdf-forms", "Fills in the forms of PDF files, and reads them.", "local:pdf-forms")
NOTES = SkillInfo("notes", "Keeps notes: one file a day", "local:notes")
ON_RUNTIME = pytest.mark.parametrize("door", ["link"], indirect=True)


def told(*skills: SkillInfo) -> list[dict[str, str]]:
    """Skills as the service lists them."""
    return [{"Name": each.name, "Description": each.description, "SkillId": each.skill_id} for each in skills]


def all_of(*skills: SkillInfo) -> dict[str, object]:
    return {"SkillPath": "/home/wuying/skills", "MetaDataList": told(*skills)}


@mocked(
    GetSkillMetaData=[ok(all_of(NOTES, PDF), TotalCount=2), ok(all_of(PDF), TotalCount=1), ok(all_of(), TotalCount=0)],
    ListSkillMetaData=ok(told(NOTES), TotalCount=1),
)
async def test_skills_are_listed_by_image_by_name_and_by_id(client: AsyncAgentBay) -> None:
    every = await client.beta_skills.get_metadata("linux_latest")
    named = await client.beta_skills.get_metadata(skill_names=["pdf-forms"])
    none = await client.beta_skills.get_metadata(skill_names=["nobody has it"])
    by_id = await client.beta_skills.get_metadata(skill_ids=["local:notes"])
    assert ([NOTES, PDF], [PDF], [], [NOTES]) == (every.skills, named.skills, none.skills, by_id.skills)
    assert {"/home/wuying/skills"} == {found.skills_root_path for found in (every, named, none, by_id)}


@mocked(GetSkillMetaData=refusal("InvalidImage.NotFound", "no authorized app"))
async def test_skills_of_an_unknown_image_are_refused(client: AsyncAgentBay) -> None:
    with pytest.raises(APIError, match="GetSkillMetaData failed: "):
        await client.beta_skills.get_metadata("no_image_of_anybody")


@ON_RUNTIME
async def test_a_session_has_the_skills_that_it_asks_for(client: AsyncAgentBay) -> None:
    params = CreateSessionParams(load_skills=True, skill_names=["pdf-forms"])
    root = (await client.beta_skills.get_metadata()).skills_root_path
    async with (await client.create(params)).unwrap().session as session:
        ran = await session.command.run(f"cd {root} && ls && python3 pdf-forms/scripts/fill.py")
        assert "pdf-forms\nfilled\n" == ran.unwrap().stdout
    refused = await client.create(CreateSessionParams(load_skills=True, skill_names=["nobody-has-it"]))
    assert (False, "InvalidSkill.NotFound") == (refused.success, refused.code)


@ON_RUNTIME
async def test_skills_go_into_a_context_and_out_of_it(client: AsyncAgentBay) -> None:
    context = (await client.context.create(f"both {uuid.uuid4()}")).unwrap().context
    assert context is not None
    items = [{"context_id": context.id, "skill_ids": [NOTES.skill_id], "path": "/tmp/skills"}]
    assert (await client.beta_skills.bind_context(items)).success
    params = CreateSessionParams(context_syncs=[ContextSync(context.id, "/tmp/skills")])
    async with (await client.create(params)).unwrap().session as session:
        assert "SKILL.md\n" == (await session.command.run("ls /tmp/skills/notes")).unwrap().stdout
    assert (await client.beta_skills.unbind_context(items)).success
    assert [] == [entry async for entry in client.context.list_all_files(context.id, "/tmp/skills")]
    await client.context.delete(context)
