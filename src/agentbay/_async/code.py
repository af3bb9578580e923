"""Code that runs in a session's interpreters."""

from __future__ import annotations

from collections.abc import Callable

from agentbay._code_stream import CodeRun, language_of
from agentbay.errors import AgentBayError, CodeError
from agentbay.types.code import CodeEvent, EnhancedCodeExecutionResult

from .module import AsyncModule
from .run_stream import AsyncRunStream
from .socket_stream import AsyncSocketStream

__all__ = ["AsyncCode", "AsyncCodeStream"]

SERVER = "wuying_codespace"
GRACE = 30.0

OnText = Callable[[str], None]
OnError = Callable[[AgentBayError], None]


class AsyncCodeStream(AsyncRunStream[CodeEvent, EnhancedCodeExecutionResult]):
    """Code that is running. Use it in a `with` block and iterate over its events; `result` is what it came to.

    Leaving the block early stops listening; the code itself runs on until its time-out.
    """

    def __init__(self, stream: AsyncSocketStream, session_id: str) -> None:
        super().__init__(stream, CodeRun(stream.id, session_id))


class AsyncCode(AsyncModule):
    """Runs code in the `code_latest` image."""

    async def run_code(
        self,
        code: str,
        language: str,
        timeout_s: int = 60,
        stream_beta: bool = False,
        on_stdout: OnText | None = None,
        on_stderr: OnText | None = None,
        on_error: OnError | None = None,
    ) -> EnhancedCodeExecutionResult:
        """Run code and wait for its end. Variables stay for the next call in the same language.

        Args:
            code: the source text.
            language: `python`, `javascript`, `r` or `java`, or a usual short name (`py`, `js`, `node`); the local
                runtime also runs `bash`.
            timeout_s: seconds after which the code is interrupted.
            stream_beta: call the functions below with what is printed and raised: while the code runs where the session
                has a WebSocket, else after its end.
            on_stdout: gets each piece of standard output.
            on_stderr: gets each piece of standard error.
            on_error: gets the error that the code raised.

        Returns:
            What the code printed, showed and raised. A language that is not offered gives a failed result.

        Raises:
            SessionError: no usable answer came.

        Source: tool `run_code`, or the WebSocket message of this name.
        """
        try:
            known = language_of(language)
        except CodeError as unknown:
            return EnhancedCodeExecutionResult.failed(unknown)
        if stream_beta and self.session._channel.available:
            return await self._run_streaming(code, language, timeout_s, on_stdout, on_stderr, on_error)
        result = await self._call(
            "run_code", EnhancedCodeExecutionResult, work=timeout_s, code=code, language=known, timeout_s=timeout_s
        )
        if stream_beta:
            _deliver(result, on_stdout, on_stderr, on_error)
        return result

    def stream(self, code: str, language: str, timeout_s: int = 60) -> AsyncCodeStream:
        """Run code and see what it does while it runs.

        Args:
            code: the source text.
            language: as for `run_code`.
            timeout_s: seconds after which the code is interrupted.

        Returns:
            A `with` block to iterate in: events with a `type` of `stdout`, `stderr`, `result` or `error`. After the
            last one, its `result` is that of `run_code`. The code starts when the block is entered.

        Raises:
            CodeError: the language is not offered.
            SessionError: the session has no WebSocket; from the block also: no usable answer came.

        Source: WebSocket message `run_code`.
        """
        params = {"language": language_of(language), "timeoutS": timeout_s, "code": code}
        channel = self.session._channel
        channel.check_available()
        target = self.session.tool_servers.get("run_code") or SERVER
        data = {"method": "run_code", "mode": "stream", "params": params}
        return AsyncCodeStream(channel.stream(target, data, timeout_s + GRACE), self.session.session_id)

    async def _run_streaming(
        self,
        code: str,
        language: str,
        timeout_s: int,
        on_stdout: OnText | None,
        on_stderr: OnText | None,
        on_error: OnError | None,
    ) -> EnhancedCodeExecutionResult:
        takers = {"stdout": on_stdout, "stderr": on_stderr}
        told = None
        async with self.stream(code, language, timeout_s) as running:
            async for event in running:
                taker = takers.get(event.type)
                if taker is not None:
                    taker(event.text)
                if event.error is not None and on_error is not None:
                    told = event.error
                    on_error(told)
        result = running.result or EnhancedCodeExecutionResult()
        if on_error is not None and result.error is not None and told is None:
            on_error(result.error)
        return result

    run = run_code
    execute = run_code


def _deliver(
    result: EnhancedCodeExecutionResult, on_stdout: OnText | None, on_stderr: OnText | None, on_error: OnError | None
) -> None:
    for piece in result.logs.stdout if on_stdout else ():
        on_stdout(piece)  # type: ignore[misc]
    for piece in result.logs.stderr if on_stderr else ():
        on_stderr(piece)  # type: ignore[misc]
    if on_error and result.error is not None:
        on_error(result.error)
