"""Callers that change contexts without end, and know what they were told: what must be there, whatever happens.

Each has a context of its own. `allowed` is what may be found there: what was acknowledged last, and while a change has
been asked for and not been acknowledged, also what that change makes of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from typing import Any

from attrs import define, field

from tests.local.endurance.syncs import bound, synced
from tests.local.service.api import Api
from tests.local.service.test_contexts import made, put
from tests.local.service.test_contexts_files import address

NOTHING = "nothing"
SIZES = (10, 50_000, 2_000_000)


async def listed(api: Api, context: str, folder: str = "/") -> list[dict[str, Any]]:
    answer = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath=folder, PageSize="1000")
    assert answer.verdict == (200, "ok"), answer.body
    return list(answer.data)


async def digest(api: Api, context: str, path: str) -> str:
    """The SHA-256 of a file, read by its address."""
    answer = await api.call("GetContextFileDownloadUrl", ContextId=context, FilePath=path)
    if answer.body["Code"] == "ContextFile.NotFound":
        return NOTHING
    async with api.http.get(answer.data["Url"]) as response:
        assert response.status == 200
        return hashlib.sha256(await response.read()).hexdigest()


async def _available(api: Api, context: str) -> None:
    for _ in range(1000):
        if (await api.call("GetContext", ContextId=context)).data["State"] == "available":
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@define
class Worker:
    """One caller. `rounds` counts the changes that were acknowledged."""

    name: str
    allowed: set[str] = field(factory=lambda: {NOTHING})
    rounds: int = 0

    def _asks(self, outcome: str) -> None:
        self.allowed.add(outcome)

    def _was_told(self, outcome: str) -> None:
        self.allowed = {outcome}
        self.rounds += 1

    async def work(self, api: Api) -> None:
        raise NotImplementedError

    async def found(self, api: Api) -> str:
        raise NotImplementedError

    async def check(self, api: Api) -> None:
        """Makes sure of what is there; from now on, that alone is right."""
        outcome = await self.found(api)
        assert outcome in self.allowed, (self.name, outcome, self.allowed)
        self.allowed = {outcome}


class Uploader(Worker):
    """Uploads one file after the other to one path."""

    async def work(self, api: Api) -> None:
        context = await made(api, self.name)
        while True:
            data = random.randbytes(random.choice(SIZES))
            outcome = hashlib.sha256(data).hexdigest()
            url = await address(api, "Upload", context, "/file")
            self._asks(outcome)
            async with api.http.put(url, data=io.BytesIO(data)) as response:
                assert response.status == 200
            self._was_told(outcome)

    async def found(self, api: Api) -> str:
        return await digest(api, await made(api, self.name), "/file")


class Syncer(Worker):
    """Has a session in which all files get the number of the round, and syncs them."""

    async def work(self, api: Api) -> None:
        context = await made(api, self.name)
        session = await bound(api, context, "/workspace/kept")
        start = self.rounds
        while True:
            number = f"{start + self.rounds + random.randrange(10**9)}"
            fill = "cd /workspace/kept; for n in $(seq 40); do echo " + number + " > $n; done"
            assert (await api.shell(session, fill))["exit_code"] == 0
            self._asks(number)
            assert [task["status"] for task in await synced(api, session, context)] == ["Success"]
            self._was_told(number)

    async def found(self, api: Api) -> str:
        """The one number that all files have, as a new session gets them."""
        session = await bound(api, await made(api, self.name), "/workspace/kept")
        done = await api.shell(session, "cd /workspace/kept; ls | wc -l; cat * | sort -u")
        await api.call("ReleaseMcpSession", SessionId=session)
        count, *numbers = done["stdout"].split()
        assert (count, len(numbers)) in {("0", 0), ("40", 1)}, done
        return numbers[0] if numbers else NOTHING


class Clearer(Worker):
    """Fills a context and clears it."""

    async def work(self, api: Api) -> None:
        context = await made(api, self.name)
        while True:
            for number in range(3):
                self._asks(f"{number + 1} files")
                await put(api, context, f"/{number}", random.randbytes(random.choice(SIZES)))
                self._was_told(f"{number + 1} files")
            self._asks(NOTHING)
            assert (await api.call("ClearContext", Id=context)).verdict == (200, "ok")
            # Once begun, it comes to its end, also in the next server's life.
            self._was_told(NOTHING)
            await _available(api, context)

    async def check(self, api: Api) -> None:
        await Worker.check(self, api)
        answer = await api.call("GetContext", Name=self.name, AllowCreate="True")
        assert answer.data["State"] == "available"
        # The next life begins with an empty one.
        context = answer.data["Id"]
        for item in await listed(api, context):
            await api.call("DeleteContextFile", ContextId=context, FilePath=item["FilePath"])
        self.allowed = {NOTHING}

    async def found(self, api: Api) -> str:
        count = len(await listed(api, await made(api, self.name)))
        return f"{count} files" if count else NOTHING


class Renamer(Worker):
    """Makes a context with a file, renames it, and deletes it."""

    async def work(self, api: Api) -> None:
        while True:
            self._asks("first")
            context = await made(api, f"{self.name}-first")
            await put(api, context, "/file", b"1" * 100_000)
            self._was_told("first")
            self._asks("second")
            answer = await api.call("ModifyContext", Id=context, Name=f"{self.name}-second")
            assert answer.verdict == (200, "ok"), answer.body
            self._was_told("second")
            self._asks(NOTHING)
            assert (await api.call("DeleteContext", Id=context)).verdict == (200, "ok")
            self._was_told(NOTHING)

    async def found(self, api: Api) -> str:
        there = [name for name in ("first", "second") if await self._has(api, name)]
        assert len(there) < 2
        return there[0] if there else NOTHING

    async def _has(self, api: Api, name: str) -> bool:
        return (await api.call("GetContext", Name=f"{self.name}-{name}")).status == 200

    async def check(self, api: Api) -> None:
        await Worker.check(self, api)
        for name in ("first", "second"):
            answer = await api.call("GetContext", Name=f"{self.name}-{name}")
            if answer.status == 200:
                await api.call("DeleteContext", Id=answer.data["Id"])
        self.allowed = {NOTHING}
