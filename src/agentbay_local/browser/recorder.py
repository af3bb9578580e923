"""Recordings of pages: a film of each, made of pictures that are taken when something on it has changed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
from typing import Final

from agentbay_local.browser import webm
from agentbay_local.browser.cdp import Cdp, Json
from agentbay_local.browser.faults import BrowserFault, PageFault
from agentbay_local.logs import say
from agentbay_local.sandbox.contract import Sandbox, SandboxError

__all__ = ["FOLDER", "Film", "Recorder"]

FOLDER: Final = "/home/wuying/record"
PAUSE_S: Final = 0.5
"""Seconds between two pictures, at least."""
SHORTEST_S, LONGEST_S = 1.0, 30.0
"""How long is waited for one, at first and after others have not come."""
PICTURE: Final[Json] = {"format": "webp", "quality": 50}
MOST: Final = 16
"""Pages that are filmed at the same time."""
LARGEST: Final = 64 << 20
"""Bytes of one film."""


class Film:
    """One file, written as it comes, so that a browser that is killed leaves one that can be watched."""

    def __init__(self, fd: int) -> None:
        self._file = open(fd, "wb", buffering=0)  # noqa: SIM115  (closed by `end`)
        self._began = time.monotonic()
        self._last = b""
        self._size = 0
        self._pictures: list[tuple[int, int]] = []

    def add(self, picture: bytes) -> bool:
        """One more picture (WebP), shown from now on; whether there is room for another. Raises OSError, ValueError."""
        key_frame = webm.vp8(picture)
        start = b"" if self._size else webm.beginning(key_frame)
        self._last = key_frame
        self._write(start)
        return self._size < LARGEST

    def _write(self, start: bytes = b"") -> None:
        now = self._now()
        self._pictures.append((now, self._size + len(start)))
        self._size += self._file.write(start + webm.frame(self._last, now))

    def _now(self) -> int:
        return round(1000 * (time.monotonic() - self._began))

    def end(self) -> None:
        """The last picture stays until now; the file is told how long it is."""
        with self._file, contextlib.suppress(OSError):
            if self._last:
                self._write()
                place = self._size
                self._file.write(webm.ending(self._pictures))
                os.pwrite(self._file.fileno(), webm.seek(place), webm.SEEK_AT)
                os.pwrite(self._file.fileno(), webm.duration(self._now()), webm.DURATION_AT)


class Recorder:
    """Films the pages of one browser, each attached to by a session of the connection."""

    def __init__(self, sandbox: Sandbox, cdp: Cdp) -> None:
        self._sandbox, self._cdp = sandbox, cdp
        self._changed: dict[str, asyncio.Queue[int]] = {}
        self._filming: dict[str, asyncio.Task[None]] = {}
        self._name = time.strftime("%Y%m%d-%H%M%S")
        self._count = 0

    def begin(self, session: str) -> None:
        """A page is there. Of more than can be filmed at once, the later ones are not."""
        if len(self._filming) >= MOST:
            say("page not recorded", why=f"{MOST} others are")
            return
        self._changed[session] = asyncio.Queue()
        self._count += 1
        self._filming[session] = asyncio.create_task(self._film(session, f"{FOLDER}/{self._name}-{self._count}.webm"))

    def changed(self, session: str, number: int) -> None:
        """A page looks different; no more of it is told until that number is given back."""
        if session in self._changed:
            self._changed[session].put_nowait(number)

    def end(self, session: str) -> None:
        """The page is gone."""
        if task := self._filming.get(session):
            task.cancel()

    async def close(self) -> None:
        """Ends all films. May be repeated."""
        filming = list(self._filming.values())
        for task in filming:
            task.cancel()
        await asyncio.gather(*filming, return_exceptions=True)

    async def _film(self, session: str, path: str) -> None:
        film, why = None, "the page is gone"
        try:
            await self._sandbox.fs("mkdir", path=FOLDER, parents=True)
            film = Film(await self._sandbox.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            await self._pictures(film, session)
            why = f"it has {LARGEST >> 20} MiB"
        except (BrowserFault, SandboxError, OSError, ValueError, KeyError) as error:
            why = str(error)
        finally:
            self._changed.pop(session, None)
            self._filming.pop(session, None)
            if film is not None:
                film.end()
            say("recording ended", file=path, why=why)

    async def _pictures(self, film: Film, session: str) -> None:
        changed = self._changed[session]
        while True:
            numbers = [await changed.get()]
            while not changed.empty():
                numbers.append(changed.get_nowait())
            if not film.add(await self._picture(session)):
                return
            await asyncio.sleep(PAUSE_S)
            for number in numbers:
                with contextlib.suppress(PageFault):
                    await self._cdp.call("Page.screencastFrameAck", {"sessionId": number}, session=session)

    async def _picture(self, session: str) -> bytes:
        """What the page looks like, once it tells: a dialog holds that up, and a page that is left does not answer."""
        patience = SHORTEST_S
        while True:
            try:
                told = await self._cdp.call("Page.captureScreenshot", PICTURE, session=session, timeout=patience)
                return base64.b64decode(told["data"])
            except PageFault:
                await asyncio.sleep(PAUSE_S)
                patience = min(2 * patience, LONGEST_S)
