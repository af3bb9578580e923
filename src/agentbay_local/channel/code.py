"""Code that streams what it does: the target of the code interpreter."""

from __future__ import annotations

import time
from typing import Final

from attrs import define

from agentbay_local.channel.call import Call
from agentbay_local.channel.registry import Json, Refused, message
from agentbay_local.code import DriverGone, Ended, Piece, Raised, Shown, Text, UnsupportedLanguage
from agentbay_local.sandbox.contract import SandboxGone
from agentbay_local.tools.code import LONGEST_S
from agentbay_local.tools.faults import ToolFailure, system_refused
from agentbay_local.tools.registry import offered

__all__ = ["run_code"]

SERVER: Final = "wuying_codespace"
METHOD: Final = "run_code"
DEFAULT_S: Final = 60
HEAD: Final[Json] = {"method": METHOD, "mode": "stream"}


@message(SERVER, METHOD)
async def run_code(call: Call) -> Json:
    """Runs code, and tells what it prints, shows and raises as it happens. It is interrupted when the client goes."""
    box = call.connection.session.box
    language, code, timeout_s = _wanted(call)
    running, begun = _Running(call), time.perf_counter()
    try:
        await box.kernels.watch(language, code, timeout_s, running.take)
    except UnsupportedLanguage as unknown:
        raise Refused(str(unknown)) from None
    except OSError as error:  # of the sandbox's system: a client that goes is told otherwise
        raise Refused(str(system_refused("run code", error, box.limits))) from error
    except DriverGone as gone:
        if box.sandbox.closed.is_set():  # no fault of the code
            raise SandboxGone("The session has ended.") from gone
        await running.take(Raised("KernelDied", str(gone)))
    finally:
        outcome = "error" if running.failed or not running.ended else "ok"
        took = time.perf_counter() - begun
        call.connection.streamed(METHOD, outcome, took)
        call.connection.session.journal.add(METHOD, {"language": language, "code": code}, outcome, took)
    return running.last()


def _wanted(call: Call) -> tuple[str, str, int]:
    """The language, the code and its seconds."""
    try:
        offered(call.connection.session.box, METHOD)
    except ToolFailure as failure:
        raise Refused(str(failure)) from None
    if call.data.get("mode", "stream") != "stream":
        raise Refused("run_code: the mode must be stream; for one answer at the end, call the tool of this name")
    timeout_s = call.param("timeoutS", int, DEFAULT_S)
    if not 0 < timeout_s <= LONGEST_S:
        raise Refused(f"run_code: timeoutS must be from 1 to {LONGEST_S}, got {timeout_s}")
    return call.param("language", str), call.param("code", str), timeout_s


@define
class _Running:
    """What came of the code so far, as far as its last frame needs to know it."""

    call: Call
    failed: bool = False
    ended: bool = False
    end: Ended = Ended()

    async def take(self, piece: Piece) -> None:
        """Sends a piece as an event."""
        match piece:
            case Text(stream, text):
                await self._send(eventType=stream, chunk=text)
            case Shown(forms, main):
                await self._send(eventType="result", result={"isMainResult": main, "mime": forms})
            case Raised(name, value, traceback):
                self.failed = True
                await self._send(eventType="error", error={"code": name, "message": value, "traceback": traceback})
            case Ended():
                self.ended, self.end = True, piece

    async def _send(self, **members: object) -> None:
        await self.call.event(HEAD | members)

    def last(self) -> Json:
        """Makes the last frame."""
        status = "failed" if self.failed else "finished"
        times = {"executionCount": self.end.count, "executionTime": self.end.seconds}
        return self.call.end(HEAD | {"status": status, "executionError": None} | times)
