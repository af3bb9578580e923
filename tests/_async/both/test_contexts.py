"""Contexts on the runtime: files that outlive sessions."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from agentbay import (
    AsyncAgentBay,
    AsyncSession,
    BetaContextMount,
    BWList,
    Context,
    ContextSync,
    CreateSessionParams,
    DeletePolicy,
    DownloadPolicy,
    ExtractPolicy,
    MappingPolicy,
    NotFoundError,
    RecyclePolicy,
    SyncPolicy,
    UploadMode,
    UploadPolicy,
    WhiteList,
)
from tests._async.both.conftest import Fresh

# What is said about contexts is compared in test_contexts.py; the mocked server carries no files.
pytestmark = pytest.mark.parametrize("door", ["link"], indirect=True)

PLACE = "/tmp/project"
UNKNOWN = "SdkCtx-0000000000nowhere"


@pytest.fixture
async def context(client: AsyncAgentBay) -> AsyncIterator[Context]:
    """A new context."""
    made = (await client.context.create(f"both {uuid.uuid4()}")).unwrap().context
    assert made is not None
    yield made
    await client.context.delete(made)


async def opened(client: AsyncAgentBay, *contexts: ContextSync | BetaContextMount) -> AsyncSession:
    """A new session with contexts."""
    syncs = [each for each in contexts if isinstance(each, ContextSync)]
    mounts = [each for each in contexts if isinstance(each, BetaContextMount)]
    params = CreateSessionParams(context_syncs=syncs, beta_context_mounts=mounts)
    return (await client.create(params)).unwrap().session


async def sh(session: AsyncSession, command: str) -> str:
    """What a command that must succeed prints."""
    return (await session.command.run(command)).unwrap().stdout


async def paths(client: AsyncAgentBay, context: Context, folder: str = PLACE) -> list[str]:
    """The files of a folder of a context, by name."""
    return [entry.file_name async for entry in client.context.list_all_files(context.id, folder)]


# --- One session after the other --------------------------------------------------------------------------------------


async def test_what_a_session_writes_the_next_one_has(client: AsyncAgentBay, context: Context) -> None:
    first = await opened(client, ContextSync(context.id, PLACE))
    await sh(first, f"mkdir {PLACE}/d; printf 1 > {PLACE}/d/x; ln -s d/x {PLACE}/l; chmod +x {PLACE}/d/x")
    assert (await first.delete(sync_context=True)).success
    async with await opened(client, ContextSync(context.id, PLACE)) as second:
        assert "1 755 d/x\n" == await sh(second, f"cd {PLACE}; echo $(cat l) $(stat -c %a d/x) $(readlink l)")


async def test_a_session_uploads_before_it_ends(client: AsyncAgentBay, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        await session.file_system.write_file(f"{PLACE}/a", "kept")
    assert ["a"] == await paths(client, context)


async def test_a_deletion_is_carried(client: AsyncAgentBay, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        await sh(session, f"touch {PLACE}/a {PLACE}/b")
        (await session.context.sync(context.id, PLACE)).unwrap()
        await sh(session, f"rm {PLACE}/a")
    assert ["b"] == await paths(client, context)


# --- Policies ---------------------------------------------------------------------------------------------------------


async def test_a_policy_chooses_what_is_carried(client: AsyncAgentBay, context: Context) -> None:
    policy = SyncPolicy(
        delete_policy=DeletePolicy(sync_local_file=False),
        recycle_policy=RecyclePolicy("Lifecycle_1Day"),
        bw_list=BWList([WhiteList("/src", ["/tmp"]), WhiteList(r".*\.md", is_path_regex=True)]),
    )
    async with await opened(client, ContextSync(context.id, PLACE, policy)) as session:
        await sh(session, f"cd {PLACE}; mkdir -p src/tmp; touch src/a src/tmp/b README.md other")
        [binding] = (await session.context.list_bindings()).unwrap().bindings
        assert (context.id, PLACE) == (binding.context_id, binding.path)
        assert policy.to_map()["bwList"] == BWList.to_map(policy.bw_list)
    assert ["README.md", "src"] == await paths(client, context)
    assert ["a"] == await paths(client, context, f"{PLACE}/src")


async def test_an_archive_is_unpacked_where_its_files_were(client: AsyncAgentBay, context: Context) -> None:
    policy = SyncPolicy(UploadPolicy(upload_mode=UploadMode.ARCHIVE))
    async with await opened(client, ContextSync(context.id, PLACE, policy)) as session:
        await sh(session, f"mkdir {PLACE}/d; echo 1 > {PLACE}/d/x")
    [name] = await paths(client, context)
    assert "zip" in name
    async with await opened(client, ContextSync(context.id, PLACE, policy)) as session:
        assert "1\n" == await sh(session, f"cat {PLACE}/d/x; ls {PLACE} | grep zip || true")
    kept = SyncPolicy(extract_policy=ExtractPolicy(extract=False), upload_policy=UploadPolicy(auto_upload=False))
    async with await opened(client, ContextSync(context.id, PLACE, kept)) as session:
        assert f"{name}\n" == await sh(session, f"ls {PLACE}")


async def test_a_mapping_names_where_the_files_were(client: AsyncAgentBay, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        await sh(session, f"echo 1 > {PLACE}/a")
    moved = ContextSync(context.id, "/home/wuying/moved", SyncPolicy(mapping_policy=MappingPolicy(PLACE)))
    async with await opened(client, moved) as session:
        assert "1\n" == await sh(session, "cat moved/a")


async def test_a_context_may_stay_out_of_the_session(client: AsyncAgentBay, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        await sh(session, f"touch {PLACE}/a")
    policy = SyncPolicy(download_policy=DownloadPolicy(auto_download=False))
    async with await opened(client, ContextSync(context.id, PLACE, policy)) as session:
        assert "" == await sh(session, f"mkdir -p {PLACE}; ls {PLACE}")
        assert (await session.context.sync(context.id, PLACE, "download")).success
        assert "a\n" == await sh(session, f"ls {PLACE}")


# --- A session that runs ----------------------------------------------------------------------------------------------


async def test_a_context_is_bound_while_the_session_runs(client: AsyncAgentBay, fresh: Fresh, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        await sh(session, f"echo 1 > {PLACE}/a")
    session = await fresh()
    assert (await session.context.bind(ContextSync(context.id, PLACE))).success
    assert "1\n" == await sh(session, f"cat {PLACE}/a")
    [task] = (await session.context.info(context.id)).context_status_data
    assert (PLACE, "download", "Success") == (task.path, task.task_type, task.status)
    again = await session.context.bind(ContextSync(context.id, PLACE))
    assert (False, True) == (again.success, "PathAlreadyBound" in again.error_message)
    found = (await client.context.get(context.name)).unwrap().context
    assert found is not None
    assert "in-use" == found.state


async def test_a_mount_brings_changes_back(client: AsyncAgentBay, context: Context) -> None:
    async with await opened(client, BetaContextMount(context.id, "/home/wuying/shared")) as session:
        await sh(session, "mkdir shared/d; echo 1 > shared/d/a")
    async with await opened(client, BetaContextMount(context.id, "/home/wuying/m", source_path="/d")) as session:
        assert "1\n" == await sh(session, "cat m/a")


async def test_a_sync_that_fails_says_why(client: AsyncAgentBay, fresh: Fresh, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        failed = await session.context.sync(context.id, f"{PLACE}/missing")
        assert (False, True) == (failed.success, "No such file or directory" in failed.error_message)
    other = await fresh()
    refused = await other.context.sync(context.id, PLACE)
    assert (False, True) == (refused.success, isinstance(refused.error, NotFoundError))


async def test_an_unknown_context_is_refused(client: AsyncAgentBay, fresh: Fresh) -> None:
    created = await client.create(CreateSessionParams(context_syncs=[ContextSync(UNKNOWN, PLACE)]))
    session = await fresh()
    bound = await session.context.bind(ContextSync(UNKNOWN, PLACE))
    for result in (created, bound):
        assert (False, True) == (result.success, isinstance(result.error, NotFoundError))


# --- Clearing ---------------------------------------------------------------------------------------------------------


async def test_a_context_is_cleared(client: AsyncAgentBay, context: Context) -> None:
    async with await opened(client, ContextSync(context.id, PLACE)) as session:
        await sh(session, f"touch {PLACE}/a")
    cleared = (await client.context.clear(context.id, poll_interval=0.05)).unwrap()
    assert ("available", []) == (cleared.status, await paths(client, context))
