"""The page operator: acts on pages of a session's browser, finds and takes what is on them, by words."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from agentbay._browser import Foreign
from agentbay._deadline import Deadline
from agentbay._frames import new_id
from agentbay._input import number, words
from agentbay._schema import loader_of, schema_text
from agentbay._tools import ToolAnswer
from agentbay.errors import AgentBayError, AuthenticationError, BrowserError, BrowserTimeoutError, NotFoundError
from agentbay.types.browser_operator import ActOptions, ActResult, ExtractOptions, ObserveOptions, ObserveResult

from .module import AsyncModule
from .page import AsyncPage, async_place_of
from .polling import AsyncTicks

if TYPE_CHECKING:
    from .browser import AsyncBrowser
    from .session import AsyncSession

__all__ = ["AsyncBrowserOperator"]

TASK_TIMEOUT = 300
INTERVAL = 3.0
CALL_SECONDS = 60.0

T = TypeVar("T")
V = TypeVar("V")


class AsyncBrowserOperator(AsyncModule):
    """Works on the pages of `browser`, which must have been started.

    A `page` may be one of your own Playwright, connected to the browser's endpoint; without one, the active page is
    meant. What the operator cannot do raises a `BrowserError`; a lost answer raises a `SessionError`.
    """

    def __init__(self, session: AsyncSession, browser: AsyncBrowser) -> None:
        super().__init__(session)
        self.browser = browser

    async def navigate(self, url: str) -> str:
        """Open a page.

        Args:
            url: its address.

        Returns:
            What the operator says; after a failure on its side a text that begins with `Navigation failed: `.

        Raises:
            ValueError: the URL is blank.
            BrowserError: the browser was not started, or the service refused.
            SessionError: no usable answer came.

        Source: tool `page_use_navigate`.
        """
        self._check("navigate")
        words("url", url)
        return self._said(await self._run("page_use_navigate", url=url), "Navigation failed", "Failed to navigate")

    async def screenshot(
        self,
        page: AsyncPage | None = None,
        full_page: bool = True,
        quality: int = 80,
        clip: dict[str, float] | None = None,
        timeout: int | None = None,
    ) -> str:
        """Take a picture of a page.

        Args:
            page: the page; None means the active one.
            full_page: the whole page, not only what the window shows.
            quality: from 0 to 100.
            clip: only this part: `x`, `y`, `width` and `height` in pixels.
            timeout: how long it may take on the other side, as the service counts it.

        Returns:
            A data URL; after a failure on the operator's side a text that begins with `Screenshot failed: `.

        Raises:
            ValueError: the quality is out of range, or the part is none.
            BrowserError: the browser was not started, the page cannot be found, or the service refused.
            SessionError: no usable answer came.

        Source: tool `page_use_screenshot`.
        """
        self._check("screenshot")
        _check_picture(quality, clip)
        failed = "Failed to call screenshot"
        given: dict[str, Any] = {"full_page": full_page, "quality": quality, "clip": clip, "timeout": timeout}
        place = await self._place(page, failed)
        return self._said(
            await self._run("page_use_screenshot", repeatable=True, **place, **given), "Screenshot failed", failed
        )

    async def close(self) -> bool:
        """End the operator's work in this session; the browser goes on.

        Returns:
            Whether the session could do that.

        Raises:
            SessionError: no usable answer came.

        Source: tool `page_use_close_session`.
        """
        return (await self._run("page_use_close_session", repeatable=True)).error is None

    async def login(
        self, login_config: str, page: AsyncPage | None = None, use_vision: bool | None = False
    ) -> ActResult:
        """Log in where the page asks for it.

        Args:
            login_config: JSON text with `api_key` and `skill_id`.
            page: the page; None means the active one.
            use_vision: let the operator look at the page's picture.

        Returns:
            Whether it worked, and what the operator says of it.

        Raises:
            ValueError: the configuration is blank.
            BrowserError: the browser was not started, or the page cannot be found.
            SessionError: no usable answer came.

        Source: tool `page_use_login`.
        """
        self._check("login")
        words("login_config", login_config)
        place = await self._place(page, "Failed to call login")
        answer = await self._run("page_use_login", **place, login_config=login_config, use_vision=use_vision)
        return ActResult.of_tool(answer)

    # --- Tasks --------------------------------------------------------------------------------------------------------

    async def act(self, action_input: ObserveResult | ActOptions, page: AsyncPage | None = None) -> ActResult:
        """Do something on a page, and wait for its end.

        Args:
            action_input: what to do: in words, or something that `observe` found.
            page: the page; None means the active one.

        Returns:
            Whether it worked, and the steps taken.

        Raises:
            BrowserTimeoutError: it was not done in time; it may go on in the session.
            BrowserError: the browser was not started, or the task cannot be done.
            SessionError: no usable answer came.

        Source: tools `page_use_act_async` and `page_use_get_act_result`.
        """
        self._check("act")
        given, name, seconds = _action(action_input)
        task = await self._begin("act", page, **given)

        def read(answer: ToolAnswer) -> ActResult | None:
            told = self._json("act", answer)
            if not isinstance(told, dict):
                raise self._failed("act", "the answer is not an object", answer)
            done = told.get("is_done") is True
            return ActResult.of_steps(told.get("steps"), bool(told.get("success")), answer.request_id) if done else None

        return await self._await_task("act", task, seconds, f"Task {task}:{name} timeout", read)

    async def observe(self, options: ObserveOptions, page: AsyncPage | None = None) -> tuple[bool, list[ObserveResult]]:
        """Find something on a page.

        Args:
            options: what to look for.
            page: the page; None means the active one.

        Returns:
            True, and what was found; each can be handed to `act`.

        Raises:
            BrowserTimeoutError: nothing came in time.
            BrowserError: the browser was not started, or the task cannot be done.
            SessionError: no usable answer came.

        Source: tools `page_use_observe_async` and `page_use_get_observe_result`.
        """
        self._check("observe")
        options.check()
        task = await self._begin(
            "observe", page, instruction=options.instruction, use_vision=options.use_vision, selector=options.selector
        )

        def read(answer: ToolAnswer) -> list[ObserveResult]:
            found = self._json("observe", answer)
            if not isinstance(found, list):
                raise self._failed("observe", "the answer is not a list", answer)
            return [ObserveResult.of(item) for item in found if isinstance(item, dict)]

        return True, await self._await_task("observe", task, options.timeout, f"Task {task}: Observe timeout", read)

    async def extract(self, options: ExtractOptions[T], page: AsyncPage | None = None) -> tuple[bool, T]:
        """Take data from a page.

        Args:
            options: what to take, and in which form.
            page: the page; None means the active one.

        Returns:
            True, and the data: an object of the schema's class, or JSON values for a schema that is a dictionary.

        Raises:
            TypeError: the schema is of a kind that cannot be used.
            BrowserTimeoutError: nothing came in time.
            BrowserError: the browser was not started, the task cannot be done, or the data is not of the form.
            SessionError: no usable answer came.

        Source: tools `page_use_extract_async` and `page_use_get_extract_result`.
        """
        self._check("extract")
        options.check()
        load: Callable[[Any], T] = loader_of(options.schema)
        task = await self._begin(
            "extract",
            page,
            instruction=options.instruction,
            field_schema=schema_text(options.schema),
            use_text_extract=options.use_text_extract,
            use_vision=options.use_vision,
            selector=options.selector,
            max_page=options.max_page,
        )

        def read(answer: ToolAnswer) -> tuple[T]:
            try:
                return (load(self._json("extract", answer)),)
            except ValueError as mismatch:
                text = f"the data is not of the schema's form: {mismatch}"
                raise self._failed("extract", text, answer) from mismatch

        found = await self._await_task("extract", task, options.timeout, f"Task {task}: Extract timeout", read)
        return True, found[0]

    # --- Inside -------------------------------------------------------------------------------------------------------

    def _check(self, method: str) -> None:
        self.browser._check(f"Browser must be initialized before calling {method}.")

    async def _place(self, page: AsyncPage | None, failed: str) -> dict[str, Any]:
        with Foreign(failed, session_id=self.session.session_id):
            return await async_place_of(page)

    async def _run(self, tool: str, *, repeatable: bool = False, **args: Any) -> ToolAnswer:
        given = {name: value for name, value in args.items() if value is not None}
        return await self.session._run_tool(tool, given, work=CALL_SECONDS, repeatable=repeatable)

    async def _begin(self, kind: str, page: AsyncPage | None, **args: Any) -> str:
        """Start a task; gives its id."""
        place = await self._place(page, f"Failed to {kind}")
        answer = await self._run(f"page_use_{kind}_async", **place, trace_id=new_id(), **args)
        if answer.error is not None:
            raise self._failed(kind, answer.error.message, answer, answer.error) from answer.error
        begun = self._json(kind, answer)
        task = begun.get("task_id") if isinstance(begun, dict) else None
        if not isinstance(task, str) or not task:
            raise self._failed(kind, "the service told of no task_id", answer)
        return task

    async def _await_task(
        self, kind: str, task: str, timeout: int | None, late: str, read: Callable[[ToolAnswer], V | None]
    ) -> V:
        """Look until `read` makes something of what the task says; a complaint or silence means that it works still."""
        seconds = TASK_TIMEOUT if timeout is None else timeout
        ticks = AsyncTicks(Deadline.after(seconds), INTERVAL)
        complaint = ""
        while await ticks.tick():
            answer = await self._run(f"page_use_get_{kind}_result", repeatable=True, task_id=task)
            if isinstance(answer.error, NotFoundError | AuthenticationError):
                raise self._failed(kind, answer.error.message, answer, answer.error) from answer.error
            complaint = answer.error.message if answer.error is not None else ""
            outcome = read(answer) if answer.text and answer.error is None else None
            if outcome is not None:
                return outcome
        hint = f"The last thing the service said: {complaint[:200]}" if complaint else ""
        text = f"Failed to {kind}: {late} after {seconds:g}s"
        raise BrowserTimeoutError(text, session_id=self.session.session_id, task_id=task, hint=hint)

    def _json(self, kind: str, answer: ToolAnswer) -> Any:
        try:
            return json.loads(answer.text)
        except (ValueError, RecursionError) as broken:
            raise self._failed(kind, f"the answer is not JSON: {answer.text[:500]}", answer) from broken

    def _failed(self, kind: str, text: str, answer: ToolAnswer, error: AgentBayError | None = None) -> BrowserError:
        return BrowserError(f"Failed to {kind}: {text}", **answer.facts | (error.extra if error is not None else {}))

    def _said(self, answer: ToolAnswer, complaint: str, refusal: str) -> str:
        """What the operator says, its complaint as well; what the service itself refuses is an exception."""
        if answer.error is None:
            return answer.text
        if answer.said:
            return f"{complaint}: {answer.error.message}"
        raise BrowserError(f"{refusal}: {answer.error.message}", **answer.error.extra) from answer.error


def _check_picture(quality: int, clip: dict[str, float] | None) -> None:
    number("quality", quality, 0, 100)
    if clip is None:
        return
    if clip.keys() != {"x", "y", "width", "height"}:
        raise ValueError(f"clip must have x, y, width and height, not {', '.join(sorted(clip)) or 'nothing'}")
    if not all(map(isfinite, clip.values())) or min(clip["width"], clip["height"]) <= 0:
        raise ValueError(f"clip must have finite numbers, with a width and height above 0, not {clip}")


def _action(given: ObserveResult | ActOptions) -> tuple[dict[str, Any], str, int | None]:
    """The arguments for an action, its name, and the seconds that it may take."""
    if isinstance(given, ObserveResult):
        return {"action": given.as_action()}, given.method, None
    given.check()
    asked = {"action": given.action, "variables": given.variables, "use_vision": given.use_vision}
    return asked | {"timeout": given.timeout}, given.action, given.timeout
