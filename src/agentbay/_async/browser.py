"""The browser of a session: start, address, pictures, and its calls for a person."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agentbay._browser import Foreign, browser_options, port_of, unmet_of
from agentbay._frames import Subscription
from agentbay._pairs import AsyncLock
from agentbay.actions import GetCdpLink, InitBrowser
from agentbay.errors import AgentBayError, APIError, BrowserError, NotFoundError
from agentbay.types.browser import BrowserNotifyMessage, BrowserOption
from agentbay.types.browser_context import PROFILE_PATH

from .module import AsyncModule
from .page import AsyncPage, async_capture

if TYPE_CHECKING:
    from .browser_operator import AsyncBrowserOperator
    from .session import AsyncSession

__all__ = ["AsyncBrowser"]

SERVER = "wuying_cdp_mcp_server"
STOP = "stopChrome"
STOP_SECONDS = 60.0

OnNotify = Callable[[BrowserNotifyMessage], None]


class AsyncBrowser(AsyncModule):
    """Starts the browser of a browser image, and gives the address by which a CDP client drives it.

    `operator` (an older name: `agent`) acts on pages by words. `error` is why the last `initialize` gave False;
    `unmet` names the options that the service took but does not do, each with the reason.
    """

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session)
        self.error: AgentBayError | None = None
        self.unmet: tuple[str, ...] = ()
        self._option: BrowserOption | None = None
        self._started = False
        self._starting = AsyncLock()
        self._subscriptions: list[Subscription] = []

    @cached_property
    def operator(self) -> AsyncBrowserOperator:
        """Acts on pages by words."""
        from .browser_operator import AsyncBrowserOperator  # noqa: PLC0415  (loaded when it is first used)

        return AsyncBrowserOperator(self.session, self)

    @property
    def agent(self) -> AsyncBrowserOperator:
        """An older name of `operator`."""
        return self.operator

    # --- Start and end ------------------------------------------------------------------------------------------------

    async def initialize(self, option: BrowserOption | None = None) -> bool:
        """Start the browser. Once it runs, further calls do nothing.

        Args:
            option: how to start it; None means the defaults.

        Returns:
            Whether it runs. If not, `error` is the typed exception that says why.

        Raises:
            ValueError: an option is not of its kind; nothing was sent.
            SessionError: no usable answer came.

        Source: action `InitBrowser`.
        """
        wanted = BrowserOption() if option is None else option
        async with self._starting:
            if not self._started:
                await self._start(wanted)
            return self._started

    init = initialize

    async def _start(self, option: BrowserOption) -> None:
        told = browser_options(option, self.session.enable_browser_replay)
        reply = await self.session._send(InitBrowser(self.session.session_id, PROFILE_PATH, told))
        data = reply.envelope.get("Data")
        if port_of(data) is None:
            facts = {"session_id": self.session.session_id, "request_id": reply.request_id, "action": "InitBrowser"}
            self.error = reply.error or APIError("The service told of no port of a browser", reply.status, **facts)
            return
        self._started, self._option, self.error, self.unmet = True, option, None, unmet_of(data)

    async def destroy(self) -> None:
        """Stop the browser. A session that is gone has none any more, which is no error.

        Raises:
            BrowserError: it was not started, or the session could not stop it.
            SessionError: no usable answer came.

        Source: tool `stopChrome`.
        """
        self._check("Browser is not initialized. Cannot stop browser.")
        self._started, self._option = False, None
        answer = await self.session._run_tool(STOP, {}, work=STOP_SECONDS, repeatable=True)
        if answer.error is not None and not isinstance(answer.error, NotFoundError):
            raise BrowserError(f"Failed to stop the browser: {answer.error.message}", **self._facts(answer.error))

    def is_initialized(self) -> bool:
        """Whether `initialize` has started it."""
        return self._started

    def get_option(self) -> BrowserOption | None:
        """How it was started; None when it is not."""
        return self._option

    async def get_endpoint_url(self) -> str:
        """Get the address for a CDP client, such as Playwright's `connect_over_cdp`. It is a new one each time.

        Whoever has it can drive the browser. After a start it may take some seconds until the address answers.

        Raises:
            BrowserError: the browser was not started, or the service gave no address.
            SessionError: no usable answer came.

        Source: action `GetCdpLink`.
        """
        self._check("Browser is not initialized. Cannot access endpoint URL.")
        reply = await self.session._send(GetCdpLink(self.session.session_id))
        if reply.data is not None and reply.data.url:
            return reply.data.url
        error = reply.error or APIError(reply.message or "the service gave no URL", request_id=reply.request_id)
        text = f"Failed to get endpoint URL from session: Failed to get CDP link: {error.message}"
        raise BrowserError(text, **self._facts(error)) from error

    def _check(self, text: str) -> None:
        if not self._started:
            raise BrowserError(text, session_id=self.session.session_id)

    def _facts(self, error: AgentBayError) -> dict[str, Any]:
        return {"session_id": self.session.session_id} | error.extra

    # --- Pictures -----------------------------------------------------------------------------------------------------

    async def screenshot(self, page: AsyncPage, full_page: bool = False, **options: Any) -> bytes:
        """Take a picture of a page of Playwright, with what it loads only when it is looked at.

        The page is scrolled to its end, its late pictures are shown, and the window is as high as the page, at most
        10,000 pixels, while the picture is taken.

        Args:
            page: the page, as your own Playwright has it.
            full_page: take the whole page even where it is higher.
            options: for the page's own `screenshot`, in place of a PNG without animations within 60,000 milliseconds.

        Returns:
            The bytes of the picture.

        Raises:
            ValueError: there is no page.
            BrowserError: the browser was not started.
            BrowserPageError: the page's own library failed.
        """
        self._check("Browser must be initialized before calling screenshot.")
        if page is None:
            raise ValueError("Page cannot be None")
        with Foreign("Failed to capture screenshot", session_id=self.session.session_id):
            return await async_capture(page, full_page, options)

    # --- Calls for a person -------------------------------------------------------------------------------------------

    async def register_callback(self, callback: OnNotify) -> bool:
        """Be told when the browser needs a person, from now on; a callback registered before is replaced.

        It is called where the session's WebSocket is read: it must be quick, and cannot wait for the browser itself. A
        connection that breaks is made again; what was told meanwhile is lost.

        Args:
            callback: gets each message.

        Returns:
            True.

        Raises:
            SessionError: the session has no WebSocket, or it cannot be opened.

        Source: WebSocket pushes.
        """
        channel = self.session._channel
        await channel.open()
        await self.unregister_callback()
        routes = dict.fromkeys((SERVER, self.session.tool_servers.get(STOP) or SERVER))
        tell = lambda data: callback(BrowserNotifyMessage.of(data))  # noqa: E731
        self._subscriptions = [channel.subscribe(route, tell) for route in routes]
        return True

    async def unregister_callback(self) -> None:
        """Be told no more. The WebSocket stays open for all else."""
        for subscription in self._subscriptions:
            self.session._channel.unsubscribe(subscription)
        self._subscriptions = []

    async def send_notify_message(self, notify_message: BrowserNotifyMessage) -> bool:
        """Tell the browser something; there is no answer.

        Args:
            notify_message: what to tell; members that are None are left out.

        Returns:
            True: it was sent.

        Raises:
            SessionError: it could not be sent.

        Source: WebSocket message.
        """
        await self.session._channel.send(SERVER, notify_message.to_map())
        return True

    async def send_takeover_done(self, notify_id: int) -> bool:
        """Tell the browser that the person is done, so that it goes on at once.

        Args:
            notify_id: the `id` of the message that asked for a person.

        Returns:
            True: it was sent.

        Raises:
            SessionError: it could not be sent.

        Source: WebSocket message.
        """
        done = BrowserNotifyMessage("call-for-user", notify_id, 199, "user handle done", "takeoverdone")
        return await self.send_notify_message(done)
