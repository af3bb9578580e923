"""A session: a disposable computer, its life, and the modules that work in it."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agentbay._keys import normalise_keys
from agentbay._labels import label_fault, read_labels
from agentbay._tools import ToolAnswer, tool_entries
from agentbay.actions import (
    CallMcpTool,
    GetLabel,
    GetLink,
    GetMcpResource,
    ListMcpTools,
    SessionData,
    SetLabel,
)
from agentbay.errors import AgentBayError, APIError, ConflictError, NotFoundError, SessionError
from agentbay.types.response import (
    McpTool,
    McpToolResult,
    McpToolsResult,
    OperationResult,
)
from agentbay.types.session import (
    SessionInfo,
    SessionMetricsResult,
)

from .code import AsyncCode
from .command import AsyncCommand
from .env import AsyncEnv
from .filesystem import AsyncFileSystem
from .lifecycle import AsyncSessionLifecycle
from .socket import AsyncSocket
from .transport import Patience

if TYPE_CHECKING:
    from .agent import AsyncAgent
    from .browser import AsyncBrowser
    from .client import AsyncAgentBay
    from .computer import AsyncComputer
    from .context_manager import AsyncContextManager
    from .file_transfer import AsyncFileTransfer
    from .git import AsyncGit
    from .mobile import AsyncMobile
    from .oss import AsyncOss
    from .pty import AsyncPty

__all__ = ["AsyncSession"]

DEFAULT_IMAGE = "linux_latest"

_ASLEEP = ("PAUSING", "PAUSED")


class AsyncSession(AsyncSessionLifecycle, unchecked=("labels",)):
    """A session on the service. Leaving its `with` block deletes it.

    `session_id` names it. `resource_url` is a page on which a person can see it. `image_id` is the image it was made
    from, empty for a session found by its id. The modules `command`, `file_system` (also `files`, `fs`, `filesystem`),
    `code`, `env`, `pty` and `git` work in it, `computer` and `mobile` on its screen, `browser` on the web; `agent` does
    what it is told in words. `context` carries files between it and its contexts, `file_transfer` between it and this
    machine, `oss` between it and object storage. `enable_browser_replay` is the choice of recording it was made with;
    None when there was none.
    """

    def __init__(self, agent_bay: AsyncAgentBay, session_id: str) -> None:
        super().__init__(agent_bay, session_id)
        self.image_id = ""
        self.enable_browser_replay: bool | None = None
        self.resource_url = ""
        self.app_instance_id = ""
        self.link_url = ""
        self.ws_url = ""
        self.token = ""
        self.vpc_ip = ""
        self.vpc_id = ""
        self.tool_servers: dict[str, str] = {}
        self._channel = AsyncSocket(self)
        self.command = AsyncCommand(self)
        self.file_system = AsyncFileSystem(self)
        self.code = AsyncCode(self)
        self.env = AsyncEnv(self)

    # These modules are loaded by the first program that touches them, so that no other one waits for them.

    @cached_property
    def browser(self) -> AsyncBrowser:
        """The browser of this session."""
        from .browser import AsyncBrowser  # noqa: PLC0415

        return AsyncBrowser(self)

    @cached_property
    def context(self) -> AsyncContextManager:
        """The contexts of this session."""
        from .context_manager import AsyncContextManager  # noqa: PLC0415

        return AsyncContextManager(self)

    @cached_property
    def file_transfer(self) -> AsyncFileTransfer:
        """Carries files between this session and this machine."""
        from .file_transfer import AsyncFileTransfer  # noqa: PLC0415

        return AsyncFileTransfer(self.agent_bay, self)

    @cached_property
    def pty(self) -> AsyncPty:
        """Terminals in this session."""
        from .pty import AsyncPty  # noqa: PLC0415

        return AsyncPty(self)

    @cached_property
    def git(self) -> AsyncGit:
        """Git in this session."""
        from .git import AsyncGit  # noqa: PLC0415

        return AsyncGit(self)

    @cached_property
    def computer(self) -> AsyncComputer:
        """The desktop of this session."""
        from .computer import AsyncComputer  # noqa: PLC0415

        return AsyncComputer(self)

    @cached_property
    def mobile(self) -> AsyncMobile:
        """The phone of this session."""
        from .mobile import AsyncMobile  # noqa: PLC0415

        return AsyncMobile(self)

    @cached_property
    def agent(self) -> AsyncAgent:
        """The agents of this session."""
        from .agent import AsyncAgent  # noqa: PLC0415

        return AsyncAgent(self)

    @cached_property
    def oss(self) -> AsyncOss:
        """Object storage, as this session reaches it."""
        from .oss import AsyncOss  # noqa: PLC0415

        return AsyncOss(self)

    @classmethod
    def of(cls, agent_bay: AsyncAgentBay, data: SessionData, image_id: str = "") -> Self:
        """Make the session from what the service says of it."""
        session = cls(agent_bay, data.session_id)
        session.image_id = image_id
        for name in ("resource_url", "app_instance_id", "link_url", "ws_url", "token", "vpc_ip", "vpc_id"):
            setattr(session, name, getattr(data, name))
        for entry in map(McpTool.of, tool_entries(data.tool_list)):
            session.tool_servers.setdefault(entry.name, entry.server)
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            fault = await self._fault_of_deletion()
        finally:
            await self._release()
        if fault is None:
            return
        if error is None:
            raise fault
        error.add_note(f"{self!r} was not deleted: {fault}")

    async def _release(self) -> None:
        await super()._release()
        if "context" in vars(self):  # else it was never used
            await self.context._end_waits()

    async def _fault_of_deletion(self) -> AgentBayError | None:
        """Delete this session; what went wrong with that, except that it was gone already."""
        try:
            result = await self.delete()
            if type(result.error) in (APIError, ConflictError) and (await self.get_status()).status in _ASLEEP:
                await self.resume()
                result = await self.delete()
        except SessionError as lost:
            return lost
        return None if isinstance(result.error, NotFoundError) else result.error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.session_id}>"

    @property
    def fs(self) -> AsyncFileSystem:
        """A short name of `file_system`."""
        return self.file_system

    @property
    def files(self) -> AsyncFileSystem:
        """Another name of `file_system`."""
        return self.file_system

    @property
    def filesystem(self) -> AsyncFileSystem:
        """Another name of `file_system`."""
        return self.file_system

    def get_token(self) -> str:
        """The secret of the direct link and the WebSocket; empty when the service offers neither."""
        return self.token

    def get_link_url(self) -> str:
        """The base URL of the direct tool route; empty when the service does not offer it."""
        return self.link_url

    getToken = get_token  # noqa: N815  (an old name)
    getLinkUrl = get_link_url  # noqa: N815  (an old name)

    # --- Labels, information, links -----------------------------------------------------------------------------------

    async def set_labels(self, labels: dict[str, str]) -> OperationResult:
        """Replace this session's labels.

        Args:
            labels: names and values, neither blank.

        Returns:
            Success, or a failure that says what is wrong with the labels.

        Raises:
            SessionError: no usable answer came.

        Source: action `SetLabel`.
        """
        fault = label_fault(labels)
        if fault:
            return OperationResult.failed(AgentBayError(fault, session_id=self.session_id))
        return OperationResult.of(await self._send(SetLabel(self.session_id, labels)))

    async def get_labels(self) -> OperationResult:
        """Read this session's labels.

        Returns:
            The labels as a dictionary in `data`.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetLabel`.
        """
        reply = await self._send(GetLabel(self.session_id))
        return OperationResult.of(reply, data=read_labels(reply.data.labels) if reply.data else None)

    async def info(self) -> OperationResult:
        """Find out where this session can be seen.

        Returns:
            A `SessionInfo` in `data`.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetMcpResource`.
        """
        reply = await self._send(GetMcpResource(self.session_id))
        return OperationResult.of(reply, data=SessionInfo.of(reply.data) if reply.data else None)

    async def get_link(
        self, protocol_type: str | None = None, port: int | None = None, options: str | None = None
    ) -> OperationResult:
        """Get a link to a port of this session.

        Args:
            protocol_type: `https` for a web page or API, `wss` for a WebSocket; the local runtime has `tcp`, too.
            port: the port on which a program in the session listens; the service opens 30100 to 30199.
            options: passed on as it is.

        Returns:
            The URL as text in `data`.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetLink`.
        """
        reply = await self._send(GetLink(self.session_id, protocol_type, port, options))
        return OperationResult.of(reply, data=reply.data.url if reply.data else None)

    # --- Tools --------------------------------------------------------------------------------------------------------

    async def list_mcp_tools(self, image_id: str | None = None) -> McpToolsResult:
        """List the tools of an image.

        Args:
            image_id: the image; None means the session's own, or `linux_latest` where that is not known.

        Returns:
            The tools in `tools`.

        Raises:
            SessionError: no usable answer came.

        Source: action `ListMcpTools`.
        """
        reply = await self._send(ListMcpTools(image_id or self.image_id or DEFAULT_IMAGE))
        return McpToolsResult.of(reply, tools=[McpTool.of(entry) for entry in tool_entries(reply.data)])

    async def call_mcp_tool(
        self,
        tool_name: str,
        args: dict[str, Any],
        read_timeout: int | None = None,
        connect_timeout: int | None = None,
        auto_gen_session: bool = False,
    ) -> McpToolResult:
        """Run a tool by its name.

        Args:
            tool_name: the tool.
            args: its arguments.
            read_timeout: milliseconds to wait for the answer; None means the client's own time-out.
            connect_timeout: milliseconds to wait for a connection; None means the client's own time-out.
            auto_gen_session: let the service make a new session when this one is gone.

        Returns:
            The tool's text in `data`, or its complaint in `error_message`.

        Raises:
            SessionError: no usable answer came.

        Source: action `CallMcpTool`, or the session's direct link.
        """
        patience = self._transport.patience.replaced(read_timeout, connect_timeout)
        answer = await self._call_tool(tool_name, args, patience, auto_gen_session=auto_gen_session)
        return McpToolResult.of_tool(answer)

    async def get_metrics(
        self, read_timeout: int | None = None, connect_timeout: int | None = None
    ) -> SessionMetricsResult:
        """See how busy this session is: processor, memory, disk, network.

        Args:
            read_timeout: milliseconds to wait for the answer; None means the client's own time-out.
            connect_timeout: milliseconds to wait for a connection; None means the client's own time-out.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_metrics`.
        """
        patience = self._transport.patience.replaced(read_timeout, connect_timeout)
        return SessionMetricsResult.of_tool(await self._call_tool("get_metrics", {}, patience, repeatable=True))

    def _goes_direct(self, tool: str) -> bool:
        """Whether the tool is called by the direct link: the session has one and the tool's server is known."""
        return bool(self.link_url and self.token and self.tool_servers.get(tool))

    async def _run_tool(self, tool: str, args: dict[str, Any], *, work: float, repeatable: bool) -> ToolAnswer:
        """Run a tool for a module, with time for `work` seconds of work."""
        patience = self._transport.patience
        return await self._call_tool(tool, args, patience.for_work(work) if work else patience, repeatable=repeatable)

    async def _call_tool(
        self,
        tool: str,
        args: dict[str, Any],
        patience: Patience,
        *,
        repeatable: bool = False,
        auto_gen_session: bool = False,
    ) -> ToolAnswer:
        """Choose the route and send the call."""
        if tool == "press_keys":
            args = normalise_keys(args)
        call = CallMcpTool(self.session_id, tool, args, self.tool_servers.get(tool, ""), auto_gen_session)
        if self._goes_direct(tool):
            return await self._transport.call_link(self.link_url, self.token, call, patience, repeatable)
        return await self._transport.call_tool(call, patience, repeatable)
