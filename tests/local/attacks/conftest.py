"""Two keys on the shared runtime: one whose belongings are the prey, and a stranger."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from attrs import frozen

from tests.local.conftest import Served
from tests.local.service.api import Api

T = TypeVar("T")

PLACE = "/tmp/theirs"
PORT = "30111"


@frozen
class Prey:
    """What somebody has: a session, a context with a file in it, a volume, and what nobody else may ever read."""

    session: dict[str, Any]
    context_id: str
    context_name: str
    volume_id: str
    file_url: str
    link: str
    secrets: frozenset[str]

    @property
    def session_id(self) -> str:
        return str(self.session["SessionId"])


async def _caught(served: Served, known: dict[str, Api]) -> Prey:
    word = uuid.uuid4().hex
    api = known["owner"] = Api(served.endpoint, served.key)
    name, label, content = (f"{kind}-{word}" for kind in ("context", "label", "content"))
    context = (await api.call("GetContext", Name=name, AllowCreate="true")).data
    where = {"ContextId": context["Id"], "FilePath": f"{PLACE}/secret-{word}"}
    put = (await api.call("GetContextFileUploadUrl", **where)).data["Url"]
    async with api.http.put(put, data=content.encode()) as response:
        assert response.status == 200, await response.text()
    volume = (await api.call("GetVolume", VolumeName=f"volume-{word}", AllowCreate="true")).data["VolumeId"]
    bound = json.dumps([{"ContextId": context["Id"], "Path": PLACE}])
    labels = json.dumps({"mark": label})
    session = await api.create(ImageId="code_latest", Labels=labels, PersistenceDataList=bound)
    link = (await api.call("GetLink", SessionId=session["SessionId"], ProtocolType="https", Port=PORT)).data["Url"]
    got = (await api.call("GetContextFileDownloadUrl", **where)).data["Url"]
    secrets = {
        name,
        label,
        content,
        f"secret-{word}",
        f"volume-{word}",
        session["Token"],
        link.rstrip("/").split("/")[-2],
        api.key,
    }
    return Prey(session, context["Id"], name, volume, got, link, frozenset(secrets))


async def _let_go(api: Api, prey: Prey) -> None:
    async with api:
        await api.call("ReleaseMcpSession", SessionId=prey.session_id)
        await api.call("DeleteContext", Id=prey.context_id)
        await api.call("DeleteVolume", VolumeId=prey.volume_id)


@pytest.fixture(scope="module")
def prey(runtime: Served) -> Iterator[Prey]:
    """What the other key has, made once for a module; nothing that a stranger tries may change it."""
    known: dict[str, Api] = {}
    with asyncio.Runner() as runner:
        made = runner.run(_caught(runtime, known))
        yield made
        runner.run(_let_go(known["owner"], made))


Within = Callable[[Awaitable[T]], Awaitable[T]]


@pytest.fixture
def within() -> Within[Any]:
    """Wait for an answer as long as nobody would for a hung one."""

    async def wait(answer: Awaitable[Any]) -> Any:
        async with asyncio.timeout(20):
            return await answer

    return wait
