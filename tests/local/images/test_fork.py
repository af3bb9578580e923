"""Sessions from images of the user's own: independent of each other, found again, and told when the image is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentbay import AgentBay, AsyncAgentBay, CreateSessionParams, NotFoundError
from agentbay.errors import APIConnectionError, APIError
from agentbay_local.app import Runtime
from agentbay_local.images.image import Image
from agentbay_local.images.store import Images
from agentbay_local.settings import Settings
from agentbay_local.snapshots import async_snapshot, request_snapshot, snapshot
from tests.local.images.conftest import Place
from tests.local.service.api import Api


@pytest.fixture
async def ready(place: Place) -> Place:
    """A runtime with an image `ready`, made of a session that is still there."""
    origin = await place.create()
    made = "mkdir -p ~/d/e /workspace/w; echo one >~/d/e/file; echo two >~/other; ln -s other ~/link; chmod 640 ~/other"
    await place.says(origin, made)
    await place.take(origin, "ready")
    return place


# --- Forks ------------------------------------------------------------------------------------------------------------


async def test_forks_are_independent_of_each_other_and_of_the_origin(place: Place) -> None:
    origin = await place.create()
    await place.says(origin, "mkdir ~/d; echo same >~/d/file; echo old >/workspace/old")
    await place.take(origin, "ready")
    forks = await asyncio.gather(*(place.create("ready") for _ in range(4)))
    everybody = [origin, *forks]
    for number, session in enumerate(everybody):
        change = f"echo {number} >>~/d/file; mv ~/d ~/d{number}; rm /workspace/old; echo {number} >/workspace/new"
        assert await place.says(session, change) == ""
    found = [
        await place.says(session, "cd ~; echo *; cat d*/file; ls /workspace; cat /workspace/new")
        for session in everybody
    ]
    assert found == [f"d{number}\nsame\n{number}\nnew\n{number}\n" for number in range(5)]
    last = await place.create("ready")
    assert await place.says(last, "cat ~/d/file /workspace/old") == "same\nold\n"


async def test_files_from_an_image_can_be_changed_in_every_way(ready: Place) -> None:
    fork = await ready.create("ready")
    change = "cd ~; echo more >>d/e/file; chmod 600 other; rm link; mv d/e e; ln e/file twin; rmdir d; mkdir d; ls -A d"
    assert await ready.says(fork, change) == ""
    shown = "cd ~; cat e/file twin; stat -c '%a %U %n' other; ls; df --output=size . | tail -n 1 | tr -d ' '"
    assert await ready.says(fork, shown) == "one\nmore\none\nmore\n600 wuying other\nd\ne\nother\ntwin\n1048576\n"


async def test_a_fork_of_a_fork_has_what_was_changed_and_not_what_was_removed(ready: Place) -> None:
    fork = await ready.create("ready")
    await ready.says(fork, "cd ~; rm -r d; echo three >third; echo changed >other")
    await ready.take(fork, "second")
    again = await ready.create("second")
    assert (
        await ready.says(again, "cd ~; ls -A; cat other third; ls /workspace")
        == "link\nother\nthird\nchanged\nthree\nw\n"
    )
    first = await ready.create("ready")
    assert await ready.says(first, "cat ~/other ~/d/e/file") == "two\none\n"


async def test_a_fork_is_of_the_same_family_and_keeps_its_name(place: Place) -> None:
    origin = await place.create("code_latest")
    await place.says(origin, "echo 'value = 42' >/workspace/kept.py")
    await place.take(origin, "coder")
    fork = await place.create("coder")
    run = await place.api.tool(fork, "run_code", code="import kept; print(kept.value)", language="python")
    detail = (await place.api.call("GetSessionDetail", SessionId=fork)).data
    listed = (await place.api.call("ListSession", ImageId="coder")).data
    offered = (await place.api.call("ListMcpTools", ImageId="coder")).data
    assert "42" in run.said[0]
    assert (detail["ImageId"], detail["ImageType"]) == ("coder", "CodeSpace")
    assert [(one["SessionId"], one["ImageId"]) for one in listed] == [(fork, "coder")]
    assert offered == (await place.api.call("ListMcpTools", ImageId="code_latest")).data
    assert await place.says(fork, "pwd") == "/workspace\n"


async def test_variables_of_an_image_are_there_for_commands_and_code_and_in_snapshots(place: Place) -> None:
    store = Images(place.images)
    with store.staged() as staged:
        (staged.system / "workspace").mkdir(parents=True)
        store.keep_build(staged, "marked", Image("marked", "code_latest", env={"MARK": "of the image"}), "test")
    store.leave()
    session = await place.create("marked")
    await place.take(session, "again")
    fork = await place.create("again")
    code = await place.api.tool(fork, "run_code", code="import os; print(os.environ['MARK'])", language="python")
    assert (await place.says(fork, "echo $MARK"), "of the image" in code.said[0]) == ("of the image\n", True)
    detail = (await place.api.call("GetSessionDetail", SessionId=fork)).data
    assert "of the image" not in str(detail)


async def test_volumes_and_skills_take_own_images_too(ready: Place) -> None:
    volume = await ready.api.call("GetVolume", ImageId="ready", VolumeName="v", AllowCreate="true")
    assert volume.data["BelongingImageId"] == "ready"
    assert (await ready.api.call("GetSkillMetaData", ImageId="ready")).verdict == (200, "ok")
    made = await ready.api.create(ImageId="ready", VolumeId=volume.data["VolumeId"])
    assert await ready.says(made["SessionId"], "ls -d ~/volume; cat ~/other") == "/home/wuying/volume\ntwo\n"


async def test_what_is_offered_nowhere_is_refused_with_what_is(ready: Place) -> None:
    for image, words in (
        ("none", "Own images: ready. `agentbay image ls` lists them"),
        ("mobile_latest", "Phones are offered by the cloud: change the endpoint."),
        ("windows_latest", "Windows are offered by the cloud: change the endpoint."),
        ("../ready", "Own images: ready."),
    ):
        for action in ("CreateMcpSession", "ListMcpTools", "GetVolume"):
            answer = await ready.api.call(action, ImageId=image, VolumeName="v")
            assert answer.verdict == (400, "InvalidImage.NotFound")
            said = answer.body["Message"]
            assert [
                word in said for word in ("no authorized app", "browser_latest, code_latest, linux_latest", words)
            ] == [True] * 3


async def test_a_fork_that_is_kept_shares_on_the_disk_what_it_has_not_changed(place: Place) -> None:
    origin = await place.create()
    names = "same changed tampered open deleted a/b/deep"
    fill = f"cd ~; mkdir -p a/b; for name in {names}; do head -c 1M /dev/urandom >$name; done"
    await place.says(origin, f"{fill}; touch -d 2001-02-03 *; : >empty")
    first = await place.take(origin, "first")
    fork = await place.create("first")
    tamper = "printf x | dd of=tampered bs=1 seek=1048575 conv=notrunc 2>/dev/null; touch -d 2001-02-03 tampered"
    await place.says(
        fork, f"cd ~; echo x >>changed; {tamper}; chmod 600 open; rm deleted; mkdir c; echo new >c/new; mv a/b b"
    )
    second = await place.take(fork, "second")
    again = await place.create("second")
    show = "cd ~; find . -mindepth 1 -printf '%p %m %T@\n' | sort; sha256sum same changed tampered open b/deep"
    assert await place.says(again, show) == await place.says(fork, show)
    sizes = round(first["Size"] / (1 << 20), 1), round(second["Size"] / (1 << 20), 1)
    assert sizes == (6.0, 4.0)


# --- Images that go ---------------------------------------------------------------------------------------------------


async def test_sessions_go_on_when_their_image_is_removed_and_its_files_go_with_the_last_one(ready: Place) -> None:
    other = Images(ready.images)
    fork = await ready.create("ready")
    assert other.remove("ready")
    other.leave()
    assert await ready.says(fork, "cat ~/other ~/d/e/file") == "two\none\n"
    assert (await ready.api.call("CreateMcpSession", ImageId="ready")).body["Code"] == "InvalidImage.NotFound"
    await ready.take(fork, "saved")
    await ready.api.call("ReleaseMcpSession", SessionId=fork)
    for _ in range(200):
        if len(ready.layers()) == 1:
            break
        await asyncio.sleep(0.01)
    assert len(ready.layers()) == 1
    assert await ready.says(await ready.create("saved"), "cat ~/other") == "two\n"


async def test_layers_that_are_missing_are_told(ready: Place) -> None:
    [layer] = ready.layers()
    (ready.images / "layers" / layer).rename(ready.images / "layers" / f"part-0-{layer}")
    answer = await ready.api.call("CreateMcpSession", ImageId="ready")
    assert (answer.verdict, "ready is gone" in answer.body["Message"]) == ((400, "InvalidImage.NotFound"), True)


# --- Hibernation ------------------------------------------------------------------------------------------------------


async def hibernating(place: Place) -> str:
    """The id of a session that was made of an image, has changed its files, and is hibernated."""
    origin = await place.create()
    fill = "cd ~; mkdir d gone; echo one >d/file; echo x >gone/file; head -c 2M /dev/urandom >large"
    fill += "; cp large changed; ln large twin"
    await place.says(
        origin, f"{fill}; touch -d 2001-02-03 large changed; echo old >/workspace/old; mkdir -p swap/in; echo f >flip"
    )
    await place.take(origin, "ready")
    fork = await place.create("ready")
    tamper = "printf y | dd of=changed bs=1 seek=1500000 conv=notrunc 2>/dev/null; touch -d 2001-02-03 changed"
    await place.says(
        fork, f"cd ~; rm -r gone /workspace/old; echo new >new; {tamper}; rm -r swap flip; echo s >swap; mkdir flip"
    )
    return fork


SHOW = (
    "cd ~; find . /workspace -mindepth 1 -printf '%p %y %m %T@\n' | sort; sha256sum d/file large twin changed; cat swap"
)


async def test_a_session_of_an_image_wakes_with_all_it_had_and_no_more(resting: Place) -> None:
    fork = await hibernating(resting)
    before = await resting.says(fork, SHOW)
    await resting.hibernated(fork)
    await resting.resumed(fork)
    assert await resting.says(fork, SHOW) == before
    assert int((await resting.says(fork, "df --output=used -k ~ | tail -n 1")).strip()) < 5000


async def test_what_forks_of_forks_share_takes_no_room_when_they_wake_or_are_kept(resting: Place) -> None:
    origin = await resting.create()
    await resting.says(origin, "cd ~; head -c 4M /dev/urandom >large; head -c 1M /dev/urandom >twin; ln twin again")
    await resting.take(origin, "first")
    fork = await resting.create("first")
    await resting.says(fork, "echo new >~/new; rm ~/again")
    await resting.take(fork, "second")
    last = await resting.create("second")
    assert await resting.says(last, "stat -c %h ~/large ~/twin") == "2\n3\n"
    await resting.says(last, "cd ~; printf x >x; ln x y")
    before = await resting.says(last, SUMS)
    await resting.hibernated(last)
    await resting.resumed(last)
    assert await resting.says(last, SUMS) == before
    assert int(await resting.says(last, "cd ~; [ x -ef y ] && df --output=used -k . | tail -n 1")) < 100
    assert (await resting.take(last, "third"))["Size"] < 1 << 20


SUMS = "cd ~; sha256sum *; stat -c '%n %a %Y' *"
ATTACH = """
import os
for name in ("sealed", "dropped", "folder", "shut", "same"):
    os.setxattr(name, "user.mark", b"of the image")
os.chmod("sealed", 0o444)
os.chmod("shut", 0)
"""
REATTACH = """
import os
os.removexattr("dropped", "user.mark")
os.removexattr("folder", "user.mark")
os.setxattr("folder", "user.other", b"of the fork")
"""
ATTACHED = """
import os
os.chmod("shut", 0o400)
for name in ("sealed", "dropped", "folder", "shut", "same"):
    print(name, {each: os.getxattr(name, each) for each in os.listxattr(name)})
"""


async def test_what_users_attach_to_files_of_an_image_is_as_it_was_after_a_hibernation(resting: Place) -> None:
    origin = await resting.create()
    fill = "cd ~; mkdir folder; for name in sealed dropped shut same; do head -c 1M /dev/urandom >$name; done"
    assert await resting.says(origin, f"{fill}; python3 -c '{ATTACH}'") == ""
    await resting.take(origin, "ready")
    fork = await resting.create("ready")
    assert await resting.says(fork, f"cd ~; python3 -c '{REATTACH}'") == ""
    await resting.hibernated(fork)
    await resting.resumed(fork)
    assert await resting.says(fork, f"cd ~; stat -c %a sealed shut; python3 -c '{ATTACHED}'") == (
        "444\n0\nsealed {'user.mark': b'of the image'}\ndropped {}\nfolder {'user.other': b'of the fork'}\n"
        "shut {'user.mark': b'of the image'}\nsame {'user.mark': b'of the image'}\n"
    )


async def test_a_session_whose_image_is_gone_says_so_until_it_is_back(resting: Place) -> None:
    fork = await hibernating(resting)
    before = await resting.says(fork, SHOW)
    await resting.hibernated(fork)
    (resting.images / "ready.json").rename(resting.images / "aside")
    answer = await resting.api.call("ResumeSessionAsync", SessionId=fork)
    assert (answer.verdict, "The image ready is gone" in answer.body["Message"]) == ((503, "ServiceUnavailable"), True)
    assert await resting.api.status(fork) == "PAUSED"
    (resting.images / "aside").rename(resting.images / "ready.json")
    await resting.resumed(fork)
    assert await resting.says(fork, SHOW) == before


async def test_a_hibernated_session_is_found_again_with_its_image(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", warm=0, keys=("akm-one",))
    async with Runtime(settings) as runtime, Api(runtime.endpoint, "akm-one") as api:
        origin = str((await api.create(ImageId="code_latest"))["SessionId"])
        await api.shell(origin, "echo kept >/workspace/file")
        await api.post(
            "/images", json={"session": origin, "name": "coder"}, headers={"Authorization": "Bearer akm-one"}
        )
        fork = str((await api.call("CreateMcpSession", ImageId="coder")).data["SessionId"])
        await api.shell(fork, "echo more >>/workspace/file")
        await api.call("PauseSessionAsync", SessionId=fork)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, "akm-one") as api:
        detail = (await api.call("GetSessionDetail", SessionId=fork)).data
        assert (detail["ImageId"], detail["ImageType"]) == ("coder", "CodeSpace")
        await api.call("ResumeSessionAsync", SessionId=fork)
        api.adopt(fork)
        assert (await api.shell(fork, "cat file"))["stdout"] == "kept\nmore\n"
        code = await api.tool(fork, "run_code", code="print(6 * 7)", language="python")
        assert "42" in code.said[0]


# --- Through the SDK --------------------------------------------------------------------------------------------------


async def test_a_program_takes_a_snapshot_of_an_sdk_session_and_forks_it(place: Place) -> None:
    async with AsyncAgentBay(place.api.key, endpoint=place.runtime.endpoint) as client:
        async with (await client.create()).unwrap().session as origin:
            (await origin.file_system.write_file("/home/wuying/note", "hello")).unwrap()
            taken = await async_snapshot(origin, "ready")
            assert (taken.name, taken.family, taken.size > 0) == ("ready", "linux_latest", True)
            with pytest.raises(APIError) as refused:
                await async_snapshot(origin, "ready")
            assert refused.value.code == "Image.AlreadyExists"
        async with (await client.create(CreateSessionParams(image_id="ready"))).unwrap().session as fork:
            assert (await fork.file_system.read_file("/home/wuying/note")).unwrap().content == "hello"
        with pytest.raises(NotFoundError):
            await async_snapshot(origin, "late")


async def test_a_private_runtime_has_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTBAY_DATA", str(tmp_path))

    def whole() -> str:
        with AgentBay(endpoint="local") as client, client.create().unwrap().session as origin:
            origin.command.run("echo hello >~/note").unwrap()
            snapshot(origin, "ready")
        params = CreateSessionParams(image_id="ready")
        with AgentBay(endpoint="local") as client, client.create(params).unwrap().session as fork:
            return fork.command.run("cat ~/note").unwrap().output

    assert await asyncio.to_thread(whole) == "hello\n"


class Elsewhere:
    """A session that is not at a local runtime."""

    session_id = "session-1"
    link_url = "https://gateway.example.com/mcp"
    token = "token"


def test_a_session_in_the_cloud_cannot_become_an_image() -> None:
    with pytest.raises(ValueError, match="not one of a local runtime"):
        snapshot(Elsewhere(), "ready")


def test_a_runtime_that_does_not_answer_is_told() -> None:
    with pytest.raises(APIConnectionError, match="gave no usable answer"):
        request_snapshot("http://127.0.0.1:9", {}, {}, 5.0)
    with pytest.raises(ValueError, match="no address of a runtime"):
        request_snapshot("127.0.0.1:9", {}, {}, 5.0)
