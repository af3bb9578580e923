"""The page operator: by words, through a model."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from attrs import frozen

from agentbay import ActOptions, AsyncSession, BrowserError, ExtractOptions, ObserveOptions
from agentbay_local.browser.operator import Operator, Task
from agentbay_local.tools import Box, call
from tests.local.browser.conftest import ADDRESS, Mind
from tests.waiting import async_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def page(shop: AsyncSession) -> AsyncSession:
    assert await shop.browser.initialize(), shop.browser.error
    assert "Shop" in await shop.browser.operator.navigate(ADDRESS)
    return shop


def at(name: str, **step: Any) -> Any:
    """A step about something by its name: where it is, the question says."""

    def answer(words: str) -> Any:
        found = re.search(re.escape(name) + r".*?\[ref=(e\d+)\]", words)
        assert found, words
        return step | {"ref": found[1]}

    return answer


WATCHED = """<input aria-label=Field oninput="n++; tell()" style="position:absolute;left:900px;top:600px"><p id=out></p>
<script>let m = 0, n = 0; const tell = () => { out.textContent = `moves ${m} inputs ${n}`; };
onmousemove = () => { m++; tell(); };</script>"""
DONE = {"method": "done", "success": True, "result": "bought"}


async def test_an_action_takes_the_steps_that_the_model_says(page: AsyncSession, mind: Mind) -> None:
    mind.answers += [
        at('"What"', method="fill", text="%fruit%"),
        "```json\n" + json.dumps({"method": "press", "key": "Enter"}) + "\n```",
        DONE,
    ]
    told = await page.browser.operator.act(ActOptions("buy a %fruit%", variables={"fruit": "secret plum"}))
    assert told.success, told.message
    assert "Bought 1 secret plum in red" in mind.words
    first = mind.asked[0]["messages"][-1]["content"]
    assert ("secret plum" in first, "Variables: fruit" in first) == (False, True)
    assert (mind.asked[0]["model"], mind.keys[-1]) == ("clever", "Bearer secret-key")


async def test_a_step_that_fails_is_told_to_the_model_and_others_follow(page: AsyncSession, mind: Mind) -> None:
    mind.answers += [{"method": "click", "ref": "e9999"}, {"method": "fly"}, DONE]
    told = await page.browser.operator.act(ActOptions("click on nothing"))
    assert told.success
    assert "there is no e9999 on the page" in mind.words
    assert "there is no method 'fly'" in mind.words


async def test_an_action_is_given_up_when_every_step_fails(page: AsyncSession, mind: Mind) -> None:
    mind.answers += [{"method": "click", "ref": "e9999"}] * 4
    told = await page.browser.operator.act(ActOptions("click on nothing"))
    assert (told.success, "given up after 4 steps" in told.message) == (False, True)


async def test_an_observation_can_be_acted_on_without_the_model(page: AsyncSession, mind: Mind) -> None:
    mind.answers.append(
        lambda words: {
            "items": [at('"What"', description="what to buy", method="fill", arguments={"text": "figs"})(words)]
        }
    )
    _, [found] = await page.browser.operator.observe(ObserveOptions("the field for what to buy"))
    assert (found.selector, found.method, found.description) == ("#what", "fill", "what to buy")
    told = await page.browser.operator.act(found)
    assert (told.success, len(mind.asked)) == (True, 1)
    assert "figs" in (await page.call_mcp_tool("browser_snapshot", {})).data


async def test_data_is_taken_in_the_form_of_a_class(page: AsyncSession, mind: Mind) -> None:
    @frozen
    class Shop:
        title: str
        fields: int

    mind.answers.append({"data": {"title": "Shop", "fields": 4}})
    _, shop = await page.browser.operator.extract(ExtractOptions("the shop", Shop, use_vision=True))
    assert shop == Shop("Shop", 4)
    content = mind.asked[0]["messages"][-1]["content"]
    assert '"fields"' in content[0]["text"]
    assert content[1]["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")


async def test_lists_are_followed_over_pages(page: AsyncSession, mind: Mind) -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    mind.answers += [
        lambda words: {"data": ["Shop"], "next": at('"Second page"')(words)["ref"]},
        {"data": ["Shop", "Zwei"]},
    ]
    _, data = await page.browser.operator.extract(ExtractOptions("titles", schema, max_page=2))
    assert data == ["Shop", "Zwei"]
    assert 'Found on the pages before this one (give all of it together):\n["Shop"]' in mind.words


async def test_a_login_never_shows_the_password_to_the_model(page: AsyncSession, mind: Mind) -> None:
    mind.answers += [at('"What"', method="fill", text="%password%"), DONE]
    config = json.dumps({"username": "ada", "password": "hunter2", "url": ADDRESS})
    told = await page.browser.operator.login(config)
    assert told.success, told.message
    assert "hunter2" not in json.dumps(mind.asked[0])
    refused = await page.call_mcp_tool("page_use_login", {"login_config": '{"api_key": "k", "skill_id": "s"}'})
    assert "login_config must be JSON with username and password" in refused.error_message


@pytest.mark.parametrize("answers", [["no JSON", "again none"], [{"nothing": "to see"}]])
async def test_a_model_without_a_usable_answer_fails_the_task_and_says_why(
    page: AsyncSession, mind: Mind, answers: list[Any]
) -> None:
    mind.answers += answers
    answer = await page.call_mcp_tool("page_use_observe", {"instruction": "anything"})
    assert (answer.success, "the model" in answer.error_message) == (False, True)


async def test_a_task_that_failed_ends_the_waiting(page: AsyncSession, mind: Mind) -> None:
    mind.answers.append(web.json_response({"error": {"message": "no such model"}}, status=404))
    with pytest.raises(BrowserError, match="status 404: no such model"):
        await page.browser.operator.observe(ObserveOptions("anything"))


async def test_a_task_that_was_ended_says_so(page: AsyncSession, mind: Mind) -> None:
    mind.answers.append({"method": "wait", "seconds": 30})
    begun = json.loads((await page.call_mcp_tool("page_use_act_async", {"action": "wait and see"})).data)
    await async_until(lambda: mind.asked)
    assert await page.browser.operator.close()
    told = json.loads((await page.call_mcp_tool("page_use_get_act_result", {"task_id": begun["task_id"]})).data)
    assert told == {"steps": ["Failed to act: the operator was closed"], "is_done": True, "success": False}


@pytest.mark.parametrize("started", [True, False])
async def test_a_task_has_a_result_however_it_ends(started: bool) -> None:
    async def refused(_: Task) -> str:
        raise PermissionError(13, "Permission denied", "/workspace")

    operator = Operator(None)
    task = operator.tasks[operator.begin("extract", refused)]
    assert task.work is not None
    if started:
        await task.work
    await operator.close()
    await async_until(lambda: task.result)
    assert task.result == f"Failed to extract: {'Permission denied' if started else 'the operator was closed'}"


async def test_unknown_tasks_are_not_found(page: AsyncSession) -> None:
    answer = await page.call_mcp_tool("page_use_get_act_result", {"task_id": "none"})
    assert "Task none not found" in answer.error_message


async def test_the_picture_is_of_the_page(page: AsyncSession) -> None:
    told = await page.browser.operator.screenshot(clip={"x": 0, "y": 0, "width": 20.5, "height": 10})
    assert told.startswith("data:image/png;base64,iVBOR")
    assert await page.browser.operator.close()


@pytest.mark.slow
async def test_actions_move_and_type_as_people_do_where_that_is_asked_for(
    alone: AsyncSession, mind: Mind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTBAY_BROWSER_BEHAVIOR_SIMULATE", "1")
    assert await alone.browser.initialize()
    await alone.browser.operator.navigate(f"data:text/html,{WATCHED}")
    mind.answers += [
        at('"Field"', method="click"),
        at('"Field"', method="fill", text="plum 李子"),
        DONE,
    ]
    told = await alone.browser.operator.act(ActOptions("type"))
    assert told.success, told.message
    seen = (await alone.call_mcp_tool("browser_snapshot", {})).data
    moved, typed = (int(number) for number in re.findall(r"moves (\d+) inputs (\d+)", seen)[0])
    assert (moved > 3, typed, "plum 李子" in seen) == (True, 7, True)


async def test_without_a_model_it_says_how_to_configure_one(page: AsyncSession) -> None:
    for tool, args in {
        "page_use_act": {"action": "buy"},
        "page_use_observe_async": {"instruction": "x"},
        "page_use_extract": {"instruction": "x"},
    }.items():
        box = Box(None, "browser_latest")  # type: ignore[arg-type]  # nothing is started without a model
        outcome = await call(box, tool, args)
        assert (outcome.is_error, "--model-url" in outcome.text, "AGENTBAY_MODEL_URL" in outcome.text) == (True,) * 3
