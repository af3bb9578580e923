"""Browser extensions: the store behind them, the requests, the uploads, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agentbay import (
    APIConnectionError,
    APIError,
    AsyncAgentBay,
    AsyncExtensionsService,
    AuthenticationError,
    BrowserContext,
    Extension,
    ExtensionOption,
    FileError,
    NotFoundError,
)
from agentbay._async import extension as module
from agentbay._transfer import LocalFault
from tests.catalogue import check_action, example
from tests.gateway import Gateway, Received, no, ok, refusal
from tests.scripted import async_all
from tests.store import Plan, Store

CONTEXT = "SdkCtx-04bdvpz4zzyyexmpl"
FOUND = ok({"Id": CONTEXT, "Name": "mine", "State": "available"})
MISSING = refusal("Context.NotFound", "Resource [Context] is not found.")


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


@pytest.fixture
def service(client: AsyncAgentBay, gateway: Gateway, store: Store) -> AsyncExtensionsService:
    gateway.on("GetContext", FOUND)
    gateway.on("DescribeContextFiles", ok([]))
    gateway.on("DeleteContextFile", example("DeleteContextFile"))
    gateway.on("DeleteContext", ok())
    gateway.on("GetContextFileUploadUrl", lambda request: address(store, request))
    return AsyncExtensionsService(client, "mine")


def address(store: Store, request: Received) -> Any:
    return ok({"Url": store.url + quote(request.form["FilePath"]) + "?Signature=secret", "ExpireTime": 3600})


CONTENT = b"PK\x05\x06" + bytes(18)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "adder é.ZIP"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def other(archive: Path) -> Path:
    """The same as a file of another kind."""
    return archive.replace(archive.with_suffix(".crx"))


def listed(*names: str) -> Any:
    return ok([{"FileName": name, "FilePath": f"/tmp/extensions/{name}", "GmtCreate": "2025-05-29"} for name in names])


# --- The store --------------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_before_it_is_needed(service: AsyncExtensionsService, gateway: Gateway) -> None:
    assert gateway.requests == []


async def test_a_named_store_is_found_or_made_once(service: AsyncExtensionsService, gateway: Gateway) -> None:
    await async_all(lambda _: service.list(), range(3))

    assert gateway.names.count("GetContext") == 1
    assert check_action(gateway.of("GetContext")[0]) == {
        "Name": "mine",
        "AllowCreate": "True",
        "LoginRegionId": "cn-hangzhou",
    }


async def test_a_store_may_be_given_by_its_id(
    service: AsyncExtensionsService, client: AsyncAgentBay, gateway: Gateway
) -> None:
    await AsyncExtensionsService(client, CONTEXT).list()

    assert check_action(gateway.of("GetContext")[0]) == {"ContextId": CONTEXT, "AllowCreate": "False"}
    assert gateway.names == ["GetContext", "DescribeContextFiles"]


async def test_a_name_that_looks_like_an_id_is_made_when_there_is_no_such_id(
    service: AsyncExtensionsService, client: AsyncAgentBay, gateway: Gateway
) -> None:
    gateway.on("GetContext", MISSING, FOUND)

    await AsyncExtensionsService(client, "SdkCtx-new").list()

    assert [request.form.get("Name") for request in gateway.of("GetContext")] == [None, "SdkCtx-new"]


async def test_a_store_that_cannot_be_looked_up_is_an_error(
    service: AsyncExtensionsService, client: AsyncAgentBay, gateway: Gateway
) -> None:
    gateway.on("GetContext", no("NOT_LOGIN", "Who?"))

    for wanted in (CONTEXT, "mine"):
        with pytest.raises(AuthenticationError):
            await AsyncExtensionsService(client, wanted).list()


async def test_a_store_without_a_name_is_made_and_cleaned_up(
    service: AsyncExtensionsService, client: AsyncAgentBay, gateway: Gateway
) -> None:
    own = AsyncExtensionsService(client)
    assert await own.cleanup() is True
    await own.list()

    assert await own.cleanup() is True
    assert await own.cleanup() is True

    assert re.fullmatch(r"extensions-\d{10}", gateway.of("GetContext")[0].form["Name"])
    assert check_action(gateway.of("DeleteContext")[0]) == {"Id": CONTEXT}
    assert gateway.names == ["GetContext", "DescribeContextFiles", "DeleteContext"]


async def test_a_store_of_the_users_is_never_deleted(service: AsyncExtensionsService, gateway: Gateway) -> None:
    await service.list()

    assert await service.cleanup() is True
    assert "DeleteContext" not in gateway.names


async def test_a_store_that_cannot_be_deleted_can_be_tried_again(
    service: AsyncExtensionsService, client: AsyncAgentBay, gateway: Gateway
) -> None:
    own = AsyncExtensionsService(client)
    await own.list()
    gateway.on("DeleteContext", no("Context.InUse", "Not now."), MISSING)

    assert [await own.cleanup(), await own.cleanup(), await own.cleanup()] == [False, True, True]


# --- Extensions -------------------------------------------------------------------------------------------------------


async def test_the_list_has_every_page(service: AsyncExtensionsService, gateway: Gateway) -> None:
    names = [f"ext_{number}.zip" for number in range(100)]
    gateway.on("DescribeContextFiles", listed(*names), listed("last.zip"))

    found = await service.list()

    assert found[0] == Extension("ext_0.zip", "ext_0.zip", "2025-05-29")
    assert [one.id for one in found] == [*names, "last.zip"]
    asked = {"ContextId": CONTEXT, "ParentFolderPath": "/tmp/extensions", "PageSize": "100"}
    sent = [check_action(request) for request in gateway.of("DescribeContextFiles")]
    assert sent == [asked | {"PageNumber": "1"}, asked | {"PageNumber": "2"}]


async def test_the_catalogues_list_is_read(service: AsyncExtensionsService, gateway: Gateway) -> None:
    gateway.on("DescribeContextFiles", example("DescribeContextFiles"))

    assert await service.list() == [Extension("a.txt", "a.txt", "2025-05-29T12:00:00Z")]


async def test_a_list_that_is_refused_is_an_error(service: AsyncExtensionsService, gateway: Gateway) -> None:
    gateway.on("DescribeContextFiles", no("Odd", "No."))

    with pytest.raises(APIError, match=r"\[Odd\] No\."):
        await service.list()


async def test_an_archive_is_stored_under_a_new_id(
    service: AsyncExtensionsService, gateway: Gateway, store: Store, archive: Path
) -> None:
    made = [await service.create(str(archive)), await service.create(archive)]

    assert [one.id for one in made if not re.fullmatch(r"ext_[0-9a-f]{32}\.zip", one.id)] == []
    assert made[0].id != made[1].id
    assert (made[0].name, made[0].created_at) == ("adder é.ZIP", None)
    assert store.files == {f"/tmp/extensions/{one.id}": CONTENT for one in made}
    path = f"/tmp/extensions/{made[0].id}"
    request = gateway.of("GetContextFileUploadUrl")[0]
    assert check_action(request) == {"ContextId": CONTEXT, "FilePath": path}
    assert store.asked[0].headers.keys() == {"host", "content-length"}


async def test_an_update_keeps_the_id(
    service: AsyncExtensionsService, gateway: Gateway, store: Store, archive: Path
) -> None:
    gateway.on("DescribeContextFiles", listed("ext_1.zip"))

    assert await service.update("ext_1.zip", archive) == Extension("ext_1.zip", "adder é.ZIP")

    assert store.files == {"/tmp/extensions/ext_1.zip": CONTENT}


async def test_what_is_not_there_cannot_be_updated(
    service: AsyncExtensionsService, store: Store, archive: Path
) -> None:
    text = "Browser extension with ID 'ext_9.zip' not found in the context. Cannot update."
    with pytest.raises(ValueError, match=re.escape(text)):
        await service.update("ext_9.zip", archive)
    assert store.asked == []


async def test_an_extension_is_deleted(service: AsyncExtensionsService, gateway: Gateway) -> None:
    assert await service.delete("ext_1.zip") is True

    sent = check_action(gateway.last("DeleteContextFile"))
    assert sent == {"ContextId": CONTEXT, "FilePath": "/tmp/extensions/ext_1.zip"}


async def test_an_extension_that_is_not_there_is_not_deleted(service: AsyncExtensionsService, gateway: Gateway) -> None:
    gateway.on("DeleteContextFile", refusal("NotFound", "No such file."))

    assert await service.delete("ext_1.zip") is False


async def test_extensions_get_into_a_session_by_an_option(service: AsyncExtensionsService) -> None:
    option = await service.create_extension_option(["ext_1.zip"])

    assert option == ExtensionOption(CONTEXT, ["ext_1.zip"])
    [sync] = BrowserContext("c1", extension_option=option).get_extension_context_syncs()
    assert (sync.context_id, sync.path) == (CONTEXT, "/tmp/extensions/")


# --- What is refused --------------------------------------------------------------------------------------------------


async def test_bad_files_are_refused_before_anything_is_sent(
    service: AsyncExtensionsService, gateway: Gateway, other: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.zip"
    kind = re.escape("Unsupported plugin format '.crx'. Only ZIP format (.zip) is supported.")

    with pytest.raises(FileNotFoundError, match=f"The specified local file was not found: {gone}"):
        await service.create(gone)
    with pytest.raises(FileNotFoundError, match=f"The specified new local file was not found: {gone}"):
        await service.update("x", gone)
    for call in (lambda: service.create(other), lambda: service.update("x", other)):
        with pytest.raises(ValueError, match=kind):
            await call()
    with pytest.raises(ValueError, match="extension_ids cannot be empty"):
        await service.create_extension_option([])
    assert gateway.requests == []


@pytest.mark.parametrize("identity", ["", " ", "../x", "a/b"])
async def test_what_is_no_id_is_never_sent(service: AsyncExtensionsService, gateway: Gateway, identity: str) -> None:
    with pytest.raises(ValueError, match="extension_id must be the id of an extension"):
        await service.delete(identity)
    assert "DeleteContextFile" not in gateway.names


# --- Faults -----------------------------------------------------------------------------------------------------------


async def test_a_cut_upload_is_sent_again(service: AsyncExtensionsService, store: Store, archive: Path) -> None:
    store.plans = [Plan(cut=0), Plan(status=503)]

    made = await service.create(archive)

    assert store.files == {f"/tmp/extensions/{made.id}": CONTENT}
    assert len(store.of("PUT")) == 3


async def test_an_expired_url_is_asked_for_anew(
    service: AsyncExtensionsService, gateway: Gateway, store: Store, archive: Path
) -> None:
    store.plans = [Plan(status=403)]

    await service.create(archive)

    assert len(gateway.of("GetContextFileUploadUrl")) == 2


async def test_a_store_that_refuses_is_an_error(service: AsyncExtensionsService, store: Store, archive: Path) -> None:
    store.plans = [Plan(status=403)] * 2

    with pytest.raises(AuthenticationError, match=r"Upload failed with HTTP 403 \(AccessDenied\)") as caught:
        await service.create(archive)
    assert "secret" not in str(caught.value)


async def test_a_store_that_always_cuts_is_an_error(
    service: AsyncExtensionsService, store: Store, archive: Path
) -> None:
    store.plans = [Plan(cut=0)] * 9

    with pytest.raises(APIConnectionError, match="Upload exception: "):
        await service.create(archive)


async def test_no_url_is_an_error(service: AsyncExtensionsService, gateway: Gateway, archive: Path) -> None:
    gateway.on("GetContextFileUploadUrl", MISSING, ok({"Url": "nowhere"}))

    with pytest.raises(NotFoundError):
        await service.create(archive)
    with pytest.raises(APIError, match="The service gave no usable URL"):
        await service.create(archive)


async def test_a_file_that_cannot_be_read_is_an_error(
    service: AsyncExtensionsService, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LocalFault("Permission denied")

    monkeypatch.setattr(module.Source, "read", fail)
    with pytest.raises(FileError, match="The file cannot be read: Permission denied"):
        await service.create(archive)

    monkeypatch.setattr(module, "Source", fail)
    with pytest.raises(FileError, match=r"adder é\.ZIP cannot be read: Permission denied"):
        await service.create(archive)
