"""Terminals in a session, by its WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agentbay._checked import Checked
from agentbay._frames import Subscription
from agentbay._pool_pairs import AsyncTurn
from agentbay._socket_pairs import AsyncInbox
from agentbay._terminals import PTY_SERVER, Terminals, check_size, created, creation, input_of, pty_error
from agentbay.errors import AgentBayError, PtyNotConnectedError, PtyTimeoutError, WsRemoteError
from agentbay.types.pty import PtySession

if TYPE_CHECKING:
    from .session import AsyncSession

__all__ = ["AsyncPty", "AsyncPtyHandle"]

CREATE_TIMEOUT = 30.0
MOST_KEPT = 8 * 1024 * 1024
TEN_YEARS = 3e8

OnData = Callable[[bytes], None]


class AsyncPtyHandle(Checked):
    """One terminal. Iterate over it for what it prints, in pieces of bytes; leaving its `with` block disconnects.

    With `on_data`, that function gets the output instead. It is called where the channel is read: it must be quick, and
    cannot wait for the terminal. Output that nobody reads is kept up to 8 MiB; then the oldest is dropped.

    After a cut of the network the handle is connected again by itself; what was printed meanwhile may be lost.
    """

    def __init__(self, pty_session_id: str, pty_module: AsyncPty, on_data: OnData | None = None) -> None:
        self._id = pty_session_id
        self._module = pty_module
        self._on_data = on_data
        self._output: AsyncInbox[bytes] = AsyncInbox()
        self._kept = 0
        self._over: AsyncTurn[bool] = AsyncTurn()
        self._connected = True
        self._exit_code: int | None = None
        self._error: AgentBayError | None = None

    @property
    def pty_session_id(self) -> str:
        """The terminal's id, by which another client can connect."""
        return self._id

    @property
    def is_connected(self) -> bool:
        """Whether input can be sent and output comes."""
        return self._connected

    @property
    def exit_code(self) -> int | None:
        """The exit code of the terminal's program; None before its end, -1 when the service gave none."""
        return self._exit_code

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disconnect()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece of output; the end of the terminal ends the iteration, an error of it is raised."""
        self._module.session._channel.disown()
        piece = self._output.take()
        if piece is None and self._connected:
            piece = await self._output.get()
        if piece:
            self._kept -= len(piece)
            return piece
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def send_input(self, data: bytes) -> None:
        """Type something. It is not known when, or whether, a program reads it.

        Args:
            data: bytes as a keyboard would send them; the Enter key is one carriage return or newline.

        Raises:
            PtyNotConnectedError: the terminal has ended, or the handle was disconnected.
            SessionError: it could not be sent.

        Source: WebSocket message `pty.input`.
        """
        self._check()
        await self._module._tell("pty.input", ptySessionId=self._id, **input_of(bytes(data)))

    async def resize(self, cols: int, rows: int) -> None:
        """Change the size.

        Args:
            cols: characters in a line, 1 to 500.
            rows: lines, 1 to 500.

        Raises:
            PtySizeError: a number is out of range.
            PtyNotConnectedError: the terminal has ended, or the handle was disconnected.
            SessionError: it could not be sent.

        Source: WebSocket message `pty.resize`.
        """
        check_size(cols, rows)
        self._check()
        await self._module._tell("pty.resize", ptySessionId=self._id, cols=cols, rows=rows)

    async def kill(self) -> None:
        """End the terminal and what runs in it; `wait` then tells the exit code.

        Raises:
            PtyNotConnectedError: the terminal has ended, or the handle was disconnected.
            PtyError: the service refused.
            SessionError: no usable answer came.

        Source: WebSocket message `pty.kill`.
        """
        self._check()
        await self._module.kill(self._id)

    async def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end of the terminal's program.

        Args:
            timeout_s: seconds to wait at most; None means without end.

        Returns:
            The exit code; -1 when the service gave none.

        Raises:
            PtyTimeoutError: it did not end in time; it goes on.
            PtyNotConnectedError: the handle was disconnected.
            PtyError: the terminal failed.
            SessionError: the channel ended for good.
        """
        try:
            await self._over.wait(TEN_YEARS if timeout_s is None else timeout_s)
        except TimeoutError:
            raise PtyTimeoutError(f"PTY wait timed out after {timeout_s}s") from None
        if self._error is not None:
            raise self._error
        if self._exit_code is None:
            raise PtyNotConnectedError
        return self._exit_code

    def disconnect(self) -> None:
        """Let go of the terminal, which goes on; connect again by its id."""
        self.finish(None, None)

    def print(self, data: bytes) -> None:
        """Take output. The channel calls this."""
        if self._on_data is not None:
            self._on_data(data)
        elif data:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._output.put(data)
        self._kept += len(data)
        while self._kept > MOST_KEPT:
            self._kept -= len(self._output.take() or b"")

    def finish(self, exit_code: int | None, error: AgentBayError | None) -> None:
        """Take the end. The channel calls this."""
        if not self._connected:
            return
        self._connected, self._exit_code, self._error = False, exit_code, error
        self._module._terminals.remove(self)
        self._output.put(b"")
        self._over.give(True)

    def _check(self) -> None:
        if not self._connected:
            raise PtyNotConnectedError


class AsyncPty(Checked):
    """Opens terminals. They need the session's WebSocket; images on Linux offer them."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self._terminals = Terminals()
        self._subscription: Subscription | None = None

    async def create(
        self,
        cols: int = 80,
        rows: int = 24,
        cwd: str | None = None,
        envs: dict[str, str] | None = None,
        shell: str | None = None,
        on_data: OnData | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPtyHandle:
        """Start a shell in a new terminal.

        Args:
            cols: characters in a line, 1 to 500.
            rows: lines, 1 to 500.
            cwd: the working directory; None means the image's own.
            envs: environment variables, beside TERM=xterm-256color and LANG=en_US.UTF-8.
            shell: the program to run; None means the image's own shell.
            on_data: gets each piece of output; without it, iterate over the handle.
            timeout_s: seconds to wait for the terminal (default 30).

        Raises:
            PtySizeError: a number is out of range.
            PtyError: the service could not make it.
            SessionError: the session has no WebSocket, or no usable answer came.

        Source: WebSocket message `pty.create`.
        """
        check_size(cols, rows)
        timeout = CREATE_TIMEOUT if timeout_s is None else timeout_s
        with self._terminals.opening():
            reply = await self._ask("pty.create", timeout, **creation(cols, rows, cwd, envs, shell))
            return self._handle(created(reply), on_data)

    async def connect(self, pty_session_id: str, on_data: OnData | None = None) -> AsyncPtyHandle:
        """Connect to a terminal that runs already. What it printed before does not come again.

        Args:
            pty_session_id: its id.
            on_data: gets each piece of output; without it, iterate over the handle.

        Raises:
            PtySessionNotFoundError: there is no terminal with this id.
            PtyError: the service refused.
            SessionError: the session has no WebSocket, or no usable answer came.

        Source: WebSocket message `pty.connect`.
        """
        with self._terminals.opening():
            reply = await self._ask("pty.connect", ptySessionId=pty_session_id)
            result = reply.get("result")
            told = result.get("ptySessionId") if isinstance(result, dict) else None
            return self._handle(told if isinstance(told, str) and told else pty_session_id, on_data)

    async def list(self) -> list[PtySession]:
        """List the session's terminals.

        Raises:
            PtyError: the service refused.
            SessionError: the session has no WebSocket, or no usable answer came.

        Source: WebSocket message `pty.list`.
        """
        result = (await self._ask("pty.list")).get("result")
        found = result.get("ptySessionIds") if isinstance(result, dict) else None
        names = [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
        return [self._listed(name, self._terminals.exit_code(name)) for name in names]

    async def kill(self, pty_session_id: str) -> None:
        """End a terminal and what runs in it.

        Raises:
            PtySessionNotFoundError: there is no terminal with this id.
            PtyError: the service refused.
            SessionError: the session has no WebSocket, or no usable answer came.

        Source: WebSocket message `pty.kill`.
        """
        await self._ask("pty.kill", ptySessionId=pty_session_id)

    def _listed(self, name: str, code: int | None) -> PtySession:
        return PtySession(name, 0, 0, "running" if code is None else "exited", code)

    def _handle(self, pty_session_id: str, on_data: OnData | None) -> AsyncPtyHandle:
        handle = AsyncPtyHandle(pty_session_id, self, on_data)
        self._terminals.add(handle)
        return handle

    def _listen(self) -> None:
        self.session._channel.disown()
        if self._subscription is None:
            terminals = self._terminals
            self._subscription = self.session._channel.subscribe(
                PTY_SERVER, terminals.on_push, terminals.restore, self._ended
            )

    def _ended(self, error: AgentBayError) -> None:
        self._subscription = None
        self._terminals.ended(error)

    async def _ask(self, method: str, timeout: float = CREATE_TIMEOUT, **params: Any) -> dict[str, Any]:
        self._listen()
        try:
            return await self.session._channel.call(PTY_SERVER, {"method": method, "params": params}, timeout)
        except WsRemoteError as refused:
            raise pty_error(refused, "ptySessionId" in params) from refused

    async def _tell(self, method: str, **params: Any) -> None:
        await self.session._channel.send(PTY_SERVER, {"method": method, "params": params})
