"""Skills of this machine: what a folder may say of itself, in lists, in sessions and in contexts."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from agentbay_local.app import Runtime
from agentbay_local.sandbox.contract import Limits
from agentbay_local.settings import Settings
from agentbay_local.skills import UnfitSkill, catalogue
from agentbay_local.skills.front_matter import FrontMatter, read_front_matter
from tests.local.service.api import Answer, Api

SKILLS = Path(__file__).parents[2] / "data" / "skills"
NOT_FOUND = (400, "InvalidSkill.NotFound")
PDF = {
    "Name": "pdf-forms",
    "Description": "Fills in the forms of PDF files, and reads them.",
    "SkillId": "local:pdf-forms",
}
NOTES = {"Name": "notes", "Description": "Keeps notes: one file a day", "SkillId": "local:notes"}


@frozen
class Place:
    """A runtime with a folder of skills, and its client."""

    api: Api
    folder: Path

    async def context(self) -> str:
        answer = await self.api.call("GetContext", Name=f"skills {uuid.uuid4()}", AllowCreate="True")
        return str(answer.data["Id"])

    async def bind(self, *items: Any, verb: str = "Bind") -> Answer:
        return await self.api.call(f"{verb}ContextSkillAsync", **{f"ContextSkill{verb}Items": json.dumps(items)})

    async def files(self, context: str, path: str) -> list[str]:
        answer = await self.api.call("DescribeContextFiles", ContextId=context, ParentFolderPath=path)
        return [item["FileName"] for item in answer.data]

    def skill(self, name: str) -> Path:
        return new_skill(self.folder, name)


def new_skill(place: Path, name: str) -> Path:
    """Makes a skill, with a head that says its name."""
    folder = place / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: x\n---\n", "utf-8")
    return folder


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    folder = tmp_path / "data" / "skills"
    shutil.copytree(SKILLS, folder)
    told = Settings(data=tmp_path / "data", warm=0)
    async with Runtime(told) as runtime, Api(runtime.endpoint, runtime.keys[0]) as caller:
        yield Place(caller, folder)


# --- The head of a SKILL.md -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("plain text: with, signs # and a comment", "plain text: with, signs"),
        ("plain\n  over two lines", "plain over two lines"),
        ("'it''s quoted' # really", "it's quoted"),
        ('"a \\"word\\" \\u00e9"', 'a "word" \u00e9'),
        (">\n  one\n  two\n\n  three", "one two\nthree"),
        ("|-\n  one\n  two", "one\ntwo"),
        ("C#", "C#"),
    ],
)
def test_a_description_is_read_as_yaml_has_it(given: str, found: str) -> None:
    text = (
        f"\ufeff---\r\n# a comment\nname:  a.B-1\ntags:\n  - x\n- y\ndescription: {given}\nother: {{a: b}}\n---\nrest"
    )
    assert read_front_matter(text) == FrontMatter("a.B-1", found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with a head"),
        ("# pdf", "does not begin with a head"),
        ("---\nname: a", "does not begin with a head"),
        ("---\nname: a\n---", "has no description"),
        ("---\ndescription: a\n---", "has no name"),
        ("---\nname: a\nname: b\n---", "has the field name twice"),
        ("---\nname: ../up\n---", "is not of up to 64 letters"),
        ("---\nname: [a]\n---", "the field name of its SKILL.md is no text"),
        ('---\nname: "a\n---', "quotes that do not close"),
        ("---\nname: 'a\n---", "quotes that do not close"),
        ("---\nname: 'a' b\n---", "goes on after its quotes"),
        ("---\nsome words\n---", "a line that is no field"),
        (f"---\nname: a\ndescription: {'x' * 5000}\n---", "longer than 4096"),
    ],
)
def test_a_head_that_cannot_be_one_is_told_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(UnfitSkill, match=why.replace(".", r"\.")):
        read_front_matter(text)


PIECES = st.sampled_from(
    ["---\n", "name: ", "description: ", "a\n", "'", '"', ">\n", "|-\n", "  ", "#", "\\", "{", ":"]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_whatever_stands_in_a_head_is_read_or_refused(text: str) -> None:
    try:
        found = read_front_matter("---\n" + text)
    except UnfitSkill:
        return
    assert (bool(found.name.strip()), bool(found.description)) == (True, True)


# --- Lists ------------------------------------------------------------------------------------------------------------


async def test_the_folder_in_the_data_folder_is_listed_by_name_and_by_id(place: Place) -> None:
    every = (await place.api.call("GetSkillMetaData", ImageId="code_latest")).body
    assert (every["TotalCount"], every["Data"]) == (
        2,
        {"SkillPath": "/home/wuying/skills", "MetaDataList": [NOTES, PDF]},
    )
    some = (await place.api.call("GetSkillMetaData", SkillGroupIds='["pdf-forms", "none"]')).body
    assert (some["TotalCount"], some["Data"]["MetaDataList"]) == (1, [PDF])
    by_id = (await place.api.call("ListSkillMetaData", SkillIdList='["local:notes"]')).body
    assert (by_id["TotalCount"], by_id["Data"]) == (1, [NOTES])
    assert (await place.api.call("ListSkillMetaData")).data == [NOTES, PDF]


async def test_without_the_folder_there_are_no_skills(place: Place) -> None:
    shutil.rmtree(place.folder)
    assert (await place.api.call("ListSkillMetaData")).data == []
    created = await place.api.create(LoadSkill="True")
    assert (await place.api.shell(created["SessionId"], "ls ~/skills"))["exit_code"] != 0


async def test_what_is_no_skill_is_left_out_and_named_when_it_is_asked_for(place: Place) -> None:
    (place.folder / "a file").write_text("x", "utf-8")
    (place.folder / "empty").mkdir()
    (place.folder / "away").symlink_to(SKILLS / "notes")
    place.skill("headless").joinpath("SKILL.md").write_text("x", "utf-8")
    place.skill("latin").joinpath("SKILL.md").write_bytes(b"---\nname: \xe9\n---")
    place.skill("other").rename(place.folder / "renamed")
    folder = place.skill("linked")
    (folder / "SKILL.md").unlink()
    (folder / "SKILL.md").symlink_to("/etc/passwd")
    os.mkfifo(place.skill("pipe") / "x")
    os.unlink(place.folder / "pipe" / "SKILL.md")
    os.mkfifo(place.folder / "pipe" / "SKILL.md")
    assert (await place.api.call("ListSkillMetaData")).data == [NOTES, PDF]
    reasons = {
        "headless": "its SKILL.md does not begin with a head",
        "latin": "its SKILL.md is not UTF-8",
        "renamed": "its folder must have its name, other",
        "linked": "Too many levels of symbolic links",
        "pipe": "its SKILL.md is no file",
        "away": "there is no skill 'away'; there are: notes, pdf-forms",
        "../skills/notes": "there is no skill '../skills/notes'",
    }
    for name, why in reasons.items():
        answer = await place.api.call("CreateMcpSession", LoadSkill="True", Skills=json.dumps([name]))
        assert (answer.verdict, why in answer.body["Message"]) == (NOT_FOUND, True), answer.body


# --- Sessions ---------------------------------------------------------------------------------------------------------


async def test_a_session_has_the_skills_that_it_names_to_read_and_to_run(place: Place) -> None:
    (place.folder / "pdf-forms" / "secret").symlink_to("/etc/shadow")
    os.mkfifo(place.folder / "pdf-forms" / "pipe")
    created = await place.api.create(LoadSkill="True", Skills='["pdf-forms"]')
    look = "cd ~/skills; ls; find pdf-forms | sort; python3 pdf-forms/scripts/fill.py; stat -c %a pdf-forms/SKILL.md"
    told = await place.api.shell(created["SessionId"], look)
    parts = ["", "/SKILL.md", "/scripts", "/scripts/fill.py", "/secret"]
    assert told["stdout"].split() == ["pdf-forms", *[f"pdf-forms{part}" for part in parts], "filled", "444"]
    assert (await place.api.shell(created["SessionId"], "cat ~/skills/pdf-forms/secret"))["exit_code"] == 1


async def test_a_session_that_names_none_has_all_and_one_that_wants_none_has_none(place: Place) -> None:
    every = await place.api.create(LoadSkill="True")
    other = await place.api.create(LoadSkill="True", SkillGroupIds='["notes"]')
    none = await place.api.create(Skills='["notes"]')
    found = [(await place.api.shell(made["SessionId"], "ls ~/skills"))["stdout"] for made in (every, other, none)]
    assert found == ["notes\npdf-forms\n", "notes\n", ""]


async def test_a_skill_that_cannot_be_brought_leaves_no_session(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MOST_PARTS", 2)
    deep = place.skill("deep") / "/".join("d" for _ in range(40))
    deep.mkdir(parents=True)
    for names, why in ((["pdf-forms"], "more than 2 files or 100 MiB"), (["deep"], "more than 2 files")):
        answer = await place.api.call("CreateMcpSession", LoadSkill="True", Skills=json.dumps(names))
        assert (answer.verdict, why in answer.body["Message"]) == (NOT_FOUND, True)
    monkeypatch.setattr(catalogue, "MOST_PARTS", 1000)
    answer = await place.api.call("CreateMcpSession", LoadSkill="True", Skills='["deep"]')
    assert "more than 32 folders one inside the other" in answer.body["Message"]
    assert (await place.api.call("ListSession")).data == []


async def test_a_skill_for_which_a_session_has_no_room_says_so(tmp_path: Path) -> None:
    (new_skill(tmp_path / "data" / "skills", "large") / "x").write_bytes(bytes(3 << 20))
    for limits, why in (
        (Limits(file_size=1 << 20), "File too large (a file may hold 1 MiB)"),
        (Limits(workspace=2 << 20), "No space left on device (the sandbox's disk holds 2 MiB)"),
    ):
        told = Settings(data=tmp_path / "data", warm=0, limits=limits)
        async with Runtime(told) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
            answer = await api.call("CreateMcpSession", LoadSkill="True")
            assert (answer.verdict, why in answer.body["Message"]) == ((400, "Skill.NotBrought"), True), answer.body
            assert (await api.call("ListSession")).data == []


@pytest.mark.parametrize("given", ["{", '"x"', "[1]"])
async def test_names_under_their_other_parameter_must_be_a_list_too(api: Api, given: str) -> None:
    answer = await api.call("CreateMcpSession", LoadSkill="True", SkillGroupIds=given)
    assert (answer.verdict, "SkillGroupIds" in answer.body["Message"]) == ((400, "InvalidParameter"), True)


# --- Contexts ---------------------------------------------------------------------------------------------------------


async def test_skills_come_into_a_context_and_with_it_into_sessions(place: Place) -> None:
    context = await place.context()
    ids = ["local:notes", "local:pdf-forms"]
    bound = await place.bind({"ContextId": context, "SkillIds": ids})
    assert bound.verdict == (200, "ok")
    assert await place.files(context, "/home/wuying/skills") == ["notes", "pdf-forms"]
    entry = [{"ContextId": context, "Path": "/home/wuying/skills", "Type": "mount"}]
    policy = {"MountConfig": {"SourcePath": "/home/wuying/skills"}}
    created = await place.api.create(PersistenceDataList=json.dumps([entry[0] | policy]))
    told = await place.api.shell(created["SessionId"], "python3 ~/skills/pdf-forms/scripts/fill.py")
    assert told["stdout"] == "filled\n"


async def test_binding_anew_replaces_a_skill_and_unbinding_takes_only_skills(place: Place) -> None:
    context = await place.context()
    item = {"ContextId": context, "SkillIds": ["local:notes"], "Path": "/tmp//mine/"}
    (place.folder / "notes" / "old.txt").write_text("old", "utf-8")
    await place.bind(item)
    (place.folder / "notes" / "old.txt").unlink()
    await place.bind(item)
    assert await place.files(context, "/tmp/mine/notes") == ["SKILL.md"]
    shutil.rmtree(place.folder / "notes")
    for _ in range(2):
        assert (await place.bind(item, verb="Unbind")).verdict == (200, "ok")
    assert await place.files(context, "/tmp/mine") == []


async def test_something_else_in_the_place_of_a_skill_stays(place: Place) -> None:
    context = await place.context()
    url = (await place.api.call("GetContextFileUploadUrl", ContextId=context, FilePath="/s/notes")).data["Url"]
    async with place.api.http.put(url, data=b"mine") as response:
        assert response.status == 200
    item = {"ContextId": context, "SkillIds": ["local:notes"], "Path": "/s"}
    refused = await place.bind(item)
    assert refused.verdict == (400, "ContextFile.Conflict")
    await place.bind(item, verb="Unbind")
    assert await place.files(context, "/s") == ["notes"]


@pytest.mark.parametrize(
    ("item", "code", "named"),
    [
        ([], "InvalidParameter", "Items cannot be read"),
        ({"SkillIds": ["local:a"]}, "InvalidParameter", "[0].ContextId"),
        ({"ContextId": "SdkCtx-1", "SkillIds": []}, "InvalidParameter", "[0].SkillIds"),
        ({"ContextId": "SdkCtx-1", "SkillIds": "local:a"}, "InvalidParameter", "[0].SkillIds"),
        ({"ContextId": "SdkCtx-1", "SkillIds": ["local:../a"]}, "InvalidSkill.NotFound", "ids begin with local:"),
        ({"ContextId": "SdkCtx-1", "SkillIds": ["builtin:a"]}, "InvalidSkill.NotFound", "builtin:a"),
        ({"ContextId": "SdkCtx-1", "SkillIds": ["local:a"], "Path": 1}, "InvalidParameter", "[0].Path"),
        ({"ContextId": "SdkCtx-1", "SkillIds": ["local:a"]}, "Context.NotFound", "Context"),
    ],
)
@pytest.mark.parametrize("verb", ["Bind", "Unbind"])
async def test_a_binding_that_cannot_be_meant_is_refused_and_named(
    api: Api, item: Any, code: str, named: str, verb: str
) -> None:
    name = f"ContextSkill{verb}Items"
    answer = await api.call(f"{verb}ContextSkillAsync", **{name: json.dumps([item])})
    assert (answer.verdict, named in answer.body["Message"]) == ((400, code), True), answer.body
    empty = await api.call(f"{verb}ContextSkillAsync", **{name: "[]"})
    assert empty.verdict == (400, "MissingParameter")


async def test_a_context_of_another_key_gets_no_skills(api: Api, stranger: Api) -> None:
    context = (await api.call("GetContext", Name=f"skills {uuid.uuid4()}", AllowCreate="True")).data["Id"]
    item = json.dumps([{"ContextId": context, "SkillIds": ["local:notes"], "Path": "/tmp/a"}])
    for verb in ("Bind", "Unbind"):
        answer = await stranger.call(f"{verb}ContextSkillAsync", **{f"ContextSkill{verb}Items": item})
        assert answer.verdict == (400, "Context.NotFound")
