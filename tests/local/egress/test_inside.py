"""The programs that people use, inside a real session, against servers that only a policy leads to."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from attrs import frozen

from agentbay_local.app import Runtime
from agentbay_local.sandbox.contract import Limits
from agentbay_local.sandbox.pool import BwrapEngine
from agentbay_local.settings import Settings
from tests.local.egress.world import World, raw_server
from tests.local.service.api import Api

RULES = ["pypi.example", "*.hosted.example", "git.example", "registry.example", "secure.example:443"]


@frozen
class Place:
    """A runtime in that world, its client, and a folder that all names serve by HTTP."""

    runtime: Runtime
    api: Api
    world: World
    files: Path

    async def session(self, image: str = "linux_latest") -> str:
        made = await self.api.create(McpPolicyId="web", ImageId=image)
        return str(made["SessionId"])


@pytest.fixture
async def place(tmp_path: Path, world: World) -> AsyncIterator[Place]:
    files = tmp_path / "files"
    files.mkdir()
    app = web.Application()
    app.add_routes([web.static("/", files, show_index=True)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    for name in ("pypi.example", "files.hosted.example", "git.example", "registry.example", "other.example"):
        world.place(name, 80, port)
    settings = Settings(data=tmp_path / "data", warm=0)
    engine = BwrapEngine(Limits(), warm=0, reach=world.reach)
    async with Runtime(settings, engine) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        runtime.service.policies.set("web", RULES)
        yield Place(runtime, api, world, files)
    await runner.cleanup()


def write_wheel(folder: Path) -> None:
    """A package of one module, as pip takes it."""
    info = "tiny_thing-1.0.dist-info"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "tiny_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_thing.py", "WORD = 'from the index'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def write_repository(folder: Path, scratch: Path) -> None:
    """A repository of one commit, as any web server can give it out."""
    scratch.mkdir()
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]

    def git(*words: str) -> None:
        subprocess.run(["git", *settings, *words], cwd=scratch, check=True, capture_output=True)

    git("init")
    (scratch / "word").write_text("from the repository\n")
    git("add", "word")
    git("commit", "-m", "one")
    git("clone", "--bare", ".", str(folder))
    subprocess.run(["git", "update-server-info"], cwd=folder, check=True)


async def test_curl_reaches_what_is_listed_and_is_told_about_the_rest(place: Place) -> None:
    (place.files / "word").write_text("from outside")
    session = await place.session()
    listed = await place.api.shell(session, "curl -sS http://files.hosted.example/word")
    other = await place.api.shell(session, "curl -sS http://other.example/word")
    tunnel = await place.api.shell(session, "curl -sSv https://other.example/word")
    assert (listed["stdout"], other["stdout"].startswith("other.example:80 is not among what the policy web")) == (
        "from outside",
        True,
    )
    assert "403 Forbidden: other.example:443 is not in policy web" in tunnel["stderr"]


async def test_pip_installs_for_python_and_for_code(place: Place) -> None:
    write_wheel(place.files / "simple" / "tiny-thing")
    session = await place.session("code_latest")
    ask = "try:\n    import tiny_thing\n    print(tiny_thing.WORD)\nexcept ImportError:\n    print('not there')"
    before = (await place.api.tool(session, "run_code", code=ask, language="python", timeout_s=20)).said[0]
    install = "python -m pip install --disable-pip-version-check --trusted-host files.hosted.example"
    found = "--no-index --find-links http://files.hosted.example/simple/tiny-thing"
    done = await place.api.shell(session, f"{install} {found} tiny-thing", 50_000)
    assert done["exit_code"] == 0, done
    used = await place.api.shell(session, "python -c 'import tiny_thing; print(tiny_thing.WORD)'")
    after = (await place.api.tool(session, "run_code", code=ask, language="python", timeout_s=20)).said[0]
    assert (used["stdout"], "not there" in before, "from the index" in after) == ("from the index\n", True, True)


async def test_git_clones(place: Place, tmp_path: Path) -> None:
    write_repository(place.files / "thing.git", tmp_path / "scratch")
    session = await place.session()
    done = await place.api.shell(session, "git clone -q http://git.example/thing.git && cat thing/word")
    assert (done["exit_code"], done["stdout"]) == (0, "from the repository\n"), done


@pytest.mark.skipif(shutil.which("npm") is None, reason="this machine has no npm")
async def test_npm_installs(place: Place) -> None:
    with tarfile.open(place.files / "thing-1.0.0.tgz", "w:gz") as archive:
        content = b'{"name": "thing", "version": "1.0.0"}'
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    session = await place.session()
    quiet = "--no-audit --no-fund --no-update-notifier"
    done = await place.api.shell(session, f"npm install {quiet} http://registry.example/thing-1.0.0.tgz", 50_000)
    assert done["exit_code"] == 0, done


async def test_without_a_policy_a_session_reaches_nothing(place: Place) -> None:
    session = str((await place.api.create())["SessionId"])
    told = await place.api.shell(session, "curl -sS http://pypi.example/")
    assert (told["stdout"].partition(":")[0], place.world.dialled) == ("Egress is denied by default", [])


async def test_an_unknown_policy_is_refused_with_those_that_there_are(place: Place) -> None:
    place.runtime.service.policies.set("other", ["pypi.example"])
    answer = await place.api.call("CreateMcpSession", McpPolicyId="nope")
    assert (answer.verdict, "there is no policy 'nope'; there are: other, web." in answer.body["Message"]) == (
        (400, "InvalidMcpPolicy.NotFound"),
        True,
    )


async def test_policies_that_cannot_be_read_stop_those_who_need_them_alone(place: Place) -> None:
    (place.runtime.service.policies.folder / "policies.json").write_text("spoilt")
    answer = await place.api.call("CreateMcpSession", McpPolicyId="web")
    assert answer.verdict == (503, "ServiceUnavailable")
    assert "policies.json cannot be read" in answer.body["Message"]
    assert await place.api.create()


async def test_a_session_keeps_the_policy_of_its_beginning_and_tells_its_name(place: Place) -> None:
    (place.files / "word").write_text("still")
    session = await place.session()
    place.runtime.service.policies.remove("web")
    done = await place.api.shell(session, "curl -sS http://pypi.example/word")
    detail = await place.api.call("GetSessionDetail", SessionId=session)
    assert (done["stdout"], detail.data["PolicyId"]) == ("still", "web")


async def test_the_ports_of_the_session_itself_need_no_policy(place: Place) -> None:
    session = await place.session()
    serve = "cd /tmp && echo own > own && (python -m http.server 8765 >/dev/null 2>&1 &) && sleep 0.1"
    await place.api.shell(session, serve)
    ask = "for _ in $(seq 100); do curl -sf http://localhost:8765/own && exit; sleep 0.05; done"
    assert (await place.api.shell(session, ask))["stdout"] == "own\n"


async def test_connections_end_with_their_session(place: Place) -> None:
    ended = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"begun")
        await writer.drain()
        try:
            await reader.read()
        finally:
            ended.set()

    async with raw_server(hold) as port:
        place.world.place("secure.example", 443, port)
        session = await place.session()
        head = "CONNECT secure.example:443 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
        script = f"exec 3<>/dev/tcp/127.0.0.1/3128; printf '{head}' >&3; head -c 44 <&3; sleep 60 &"
        told = await place.api.shell(session, f'bash -c "{script}"')
        assert (told["stdout"].endswith("begun"), ended.is_set()) == (True, False)
        await place.api.call("ReleaseMcpSession", SessionId=session)
        await asyncio.wait_for(ended.wait(), 10)


async def test_what_egress_does_can_be_seen_from_outside(place: Place) -> None:
    (place.files / "word").write_text("x" * 1000)
    session = await place.session()
    await place.api.shell(session, "curl -sS http://pypi.example/word; curl -sS http://other.example/")
    async with aiohttp.ClientSession() as http, http.get(f"{place.api.endpoint}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line[0] != "#")
    assert lines["agentbay_egress_connections_total"] == "1"
    assert lines['agentbay_egress_refused_total{reason="not_listed"}'] == "1"
    assert int(lines['agentbay_egress_bytes_total{direction="in"}']) > 1000
