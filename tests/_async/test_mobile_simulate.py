"""Devices to simulate: where their description goes, when it is found, and what a session is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from agentbay import (
    APIConnectionError,
    APIError,
    AsyncAgentBay,
    AsyncMobileSimulateService,
    AuthenticationError,
    BWList,
    ClientClosedError,
    ContextSync,
    CreateSessionParams,
    ExtraConfigs,
    MobileExtraConfig,
    MobileSimulateConfig,
    MobileSimulateMode,
    MobileSimulateUploadResult,
    RetryPolicy,
    SyncPolicy,
    WhiteList,
)
from tests.catalogue import check_action, example
from tests.gateway import REQUEST_ID, Answer, Gateway, Received, Said, ok, refusal
from tests.store import Plan, Store
from tests.surroundings import closed_port

ID = "SdkCtx-04bdvpz4zzyyexmpl"
DEVICE = '{"version":1,"properties":{"ro.product.model":"V2429Ä"},"packages":[]}'
INSIDE = "/data/agentbay_mobile_info"
OWN = "/data/mine/agentbay_mobile_info/"

Make = Callable[..., AsyncAgentBay]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


@pytest.fixture
def served(client: AsyncAgentBay, gateway: Gateway, store: Store) -> AsyncMobileSimulateService:
    serve(gateway, store)
    return AsyncMobileSimulateService(client)


def serve(gateway: Gateway, store: Store) -> None:
    """The service of an account whose contexts are in the store."""

    def url(request: Received) -> Answer:
        return ok({"Url": store.url + quote(request.form["FilePath"]) + "?Signature=secret"})

    gateway.on("GetContext", ok({"Id": ID, "Name": "n"}))
    gateway.on("GetContextFileUploadUrl", url)


def folder(*names: str) -> Answer:
    return ok([{"FileId": name, "FileName": name, "FilePath": OWN + name} for name in names])


# --- Uploads ----------------------------------------------------------------------------------------------------------


async def test_a_device_is_stored_in_a_context_of_its_own(
    served: AsyncMobileSimulateService, gateway: Gateway, store: Store
) -> None:
    result = await served.upload_mobile_info(DEVICE)

    assert result == MobileSimulateUploadResult(True, ID, request_id=REQUEST_ID)
    assert store.files == {f"{INSIDE}/dev_info.json": DEVICE.encode()}
    assert store.asked[0].headers.keys() == {"host", "content-length"}
    made, asked = (check_action(request) for request in gateway.requests)
    assert re.fullmatch(r"mobile_sim_[0-9a-f]{32}_\d{10}", made.pop("Name"))
    assert (made, asked) == (
        {"AllowCreate": "True", "LoginRegionId": "cn-hangzhou"},
        {"ContextId": ID, "FilePath": f"{INSIDE}/dev_info.json"},
    )
    assert served.get_simulate_context_id() == ID
    assert served.get_simulate_config() == MobileSimulateConfig(False, INSIDE, MobileSimulateMode.PROPERTIES_ONLY, ID)


async def test_a_device_may_be_stored_in_a_context_of_the_user(
    served: AsyncMobileSimulateService, gateway: Gateway, store: Store
) -> None:
    sync = ContextSync("mine", "/data/mine", SyncPolicy(bw_list=BWList([WhiteList("/photos")])))

    first = await served.upload_mobile_info(DEVICE, sync)
    second = await served.upload_mobile_info(DEVICE, context_sync=sync)

    assert first == second == MobileSimulateUploadResult(True, "mine", request_id=REQUEST_ID)
    assert store.files == {f"{OWN}/dev_info.json": DEVICE.encode()}
    assert gateway.names == ["GetContextFileUploadUrl"] * 2
    assert sync.policy is not None
    assert sync.policy.bw_list.white_lists == [WhiteList("/photos"), WhiteList("/agentbay_mobile_info/")]
    assert served.get_simulate_config() == MobileSimulateConfig(False, OWN, MobileSimulateMode.PROPERTIES_ONLY)


async def test_a_sync_that_carries_everything_stays_as_it_is(served: AsyncMobileSimulateService) -> None:
    syncs = [ContextSync("mine", "/data/mine"), ContextSync("mine", "/", SyncPolicy(bw_list=BWList()))]

    for sync in syncs:
        (await served.upload_mobile_info(DEVICE, sync)).unwrap()

    assert syncs == [ContextSync("mine", "/data/mine"), ContextSync("mine", "/", SyncPolicy(bw_list=BWList()))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mobile_dev_info_content is required"),
        ("{oops", "mobile_dev_info_content is not a valid JSON string: Expecting"),
        ("[" * 100_000, "mobile_dev_info_content is not a valid JSON string: "),
        ('{"a":"\ud800"}', "half of a character pair"),
        ("[1]", "mobile_dev_info_content is not a valid JSON string: it must hold an object"),
    ],
)
async def test_what_is_no_device_is_refused_before_any_request(
    served: AsyncMobileSimulateService, gateway: Gateway, content: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await served.upload_mobile_info(content)
    assert gateway.names == []


@pytest.mark.parametrize("sync", [ContextSync("", "/p"), ContextSync("c", "")])
async def test_a_sync_without_its_parts_is_refused(
    served: AsyncMobileSimulateService, gateway: Gateway, sync: ContextSync
) -> None:
    with pytest.raises(ValueError, match="context_sync must be a ContextSync with a context_id and a path"):
        await served.upload_mobile_info(DEVICE, sync)
    with pytest.raises(ValueError, match="context_sync must be a ContextSync with a context_id and a path"):
        await served.has_mobile_info(sync)
    assert gateway.names == []


async def test_a_context_that_cannot_be_made_is_a_failed_result(
    served: AsyncMobileSimulateService, gateway: Gateway
) -> None:
    gateway.on("GetContext", refusal("Quota.Exceeded", "too many"))

    result = await served.upload_mobile_info(DEVICE)

    assert result == MobileSimulateUploadResult(
        error_message="[Quota.Exceeded] too many", request_id=REQUEST_ID, code="Quota.Exceeded"
    )
    assert (type(result.error), served.get_simulate_context_id()) == (APIError, "")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal("No.Url", "no"), "[No.Url] no"),
        (ok({"Url": "mailto:me"}), "The service gave no usable URL"),
        (ok(), "The service gave no usable URL"),
    ],
)
async def test_without_a_url_nothing_is_stored(
    served: AsyncMobileSimulateService, gateway: Gateway, store: Store, answer: Answer, message: str
) -> None:
    gateway.on("GetContextFileUploadUrl", answer)

    result = await served.upload_mobile_info(DEVICE)

    assert (result.success, result.error_message, result.mobile_simulate_context_id) == (False, message, ID)
    assert (store.asked, served.get_simulate_config().simulate_path) == ([], None)


async def test_a_sync_stays_as_it_is_when_nothing_was_stored(served: AsyncMobileSimulateService, store: Store) -> None:
    store.plans = [Plan(400)]
    sync = ContextSync("mine", "/data/mine", SyncPolicy(bw_list=BWList([WhiteList("/photos")])))

    result = await served.upload_mobile_info(DEVICE, sync)

    assert (result.success, result.mobile_simulate_context_id) == (False, "mine")
    assert sync.policy is not None
    assert sync.policy.bw_list.white_lists == [WhiteList("/photos")]


async def test_a_url_that_is_no_longer_good_is_replaced_once(
    served: AsyncMobileSimulateService, gateway: Gateway, store: Store
) -> None:
    store.plans = [Plan(403)]
    result = await served.upload_mobile_info(DEVICE)
    assert (result.success, gateway.names.count("GetContextFileUploadUrl")) == (True, 2)

    store.plans = [Plan(403), Plan(401)]
    result = await served.upload_mobile_info(DEVICE)
    assert result.error_message == "Upload failed with HTTP 401 (AccessDenied)"
    assert type(result.error) is AuthenticationError
    assert "secret" not in str(result.error)


async def test_a_store_that_fails_is_tried_again(served: AsyncMobileSimulateService, store: Store) -> None:
    store.plans = [Plan(503), Plan(cut=5)]
    assert (await served.upload_mobile_info(DEVICE)).success

    store.plans = [Plan(400)]
    refused = await served.upload_mobile_info(DEVICE)
    assert (refused.success, refused.error_message) == (False, "Upload failed with HTTP 400 (AccessDenied)")

    store.plans = [Plan(503, headers={"Retry-After": "3600"})]
    late = await served.upload_mobile_info(DEVICE)
    assert (late.success, late.error_message) == (False, "Upload failed with HTTP 503 (AccessDenied)")


async def test_a_store_that_redirects_to_nowhere_is_a_failed_result(
    served: AsyncMobileSimulateService, store: Store
) -> None:
    store.plans = [Plan(304)]

    result = await served.upload_mobile_info(DEVICE)

    assert result.error_message == "Upload failed with HTTP 304"


async def test_a_store_that_is_not_there_is_a_failed_result(make: Make, gateway: Gateway, store: Store) -> None:
    origin = f"http://127.0.0.1:{closed_port()}"
    serve(gateway, store)
    gateway.on("GetContextFileUploadUrl", ok({"Url": f"{origin}/x?Signature=secret"}))
    service = AsyncMobileSimulateService(make(retries=RetryPolicy(attempts=1)))

    result = await service.upload_mobile_info(DEVICE)

    assert result.error_message.startswith(f"Upload exception: cannot reach {origin}")
    assert type(result.error) is APIConnectionError
    assert "secret" not in str(result.error)


async def test_a_client_that_is_closed_meanwhile_is_an_exception(
    client: AsyncAgentBay, served: AsyncMobileSimulateService
) -> None:
    await client._streams.aclose()

    with pytest.raises(ClientClosedError, match="closed during the transfer"):
        await served.upload_mobile_info(DEVICE)


# --- Looking ----------------------------------------------------------------------------------------------------------


async def test_a_device_that_was_stored_before_is_found(served: AsyncMobileSimulateService, gateway: Gateway) -> None:
    gateway.on("DescribeContextFiles", folder("other.json", "dev_info.json"))
    sync = ContextSync("mine", "/data/mine/", SyncPolicy(bw_list=BWList([WhiteList("/photos")])))

    assert await served.has_mobile_info(sync)

    assert check_action(gateway.requests[0]) == {
        "ContextId": "mine",
        "ParentFolderPath": OWN,
        "PageNumber": "1",
        "PageSize": "50",
    }
    assert served.get_simulate_config() == MobileSimulateConfig(False, OWN, MobileSimulateMode.PROPERTIES_ONLY)
    assert sync.policy is not None
    assert sync.policy.bw_list.white_lists[1:] == [WhiteList("/agentbay_mobile_info/")]


@pytest.mark.parametrize("answer", [folder(), folder("dev_info.json.bak"), refusal("Folder.NotFound", "none")])
async def test_a_context_without_a_device_changes_nothing(
    served: AsyncMobileSimulateService, gateway: Gateway, answer: Answer
) -> None:
    gateway.on("DescribeContextFiles", answer)

    assert not await served.has_mobile_info(ContextSync("mine", "/data/mine"))

    assert served.get_simulate_config() == MobileSimulateConfig(False, None, MobileSimulateMode.PROPERTIES_ONLY)


async def test_a_look_that_is_refused_raises(served: AsyncMobileSimulateService, gateway: Gateway) -> None:
    gateway.on("DescribeContextFiles", refusal("No.Way", "no"))

    with pytest.raises(APIError, match="no"):
        await served.has_mobile_info(ContextSync("mine", "/data/mine"))


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_what_is_set_is_told(client: AsyncAgentBay) -> None:
    service = AsyncMobileSimulateService(client)
    assert (service.get_simulate_enable(), service.get_simulate_context_id()) == (False, "")

    service.set_simulate_enable(enable=True)
    service.set_simulate_mode(MobileSimulateMode.ALL)
    service.set_simulate_context_id("c8")

    assert (service.get_simulate_enable(), service.get_simulate_mode()) == (True, MobileSimulateMode.ALL)
    assert service.get_simulate_context_id() == "c8"
    assert service.get_simulate_config() == MobileSimulateConfig(True, INSIDE, MobileSimulateMode.ALL, "c8")


async def test_values_of_a_wrong_kind_are_refused(served: AsyncMobileSimulateService, gateway: Gateway) -> None:
    wrong: Any = {"version": 1}

    with pytest.raises(TypeError, match="mobile_dev_info_content must be a str, not a dict"):
        await served.upload_mobile_info(wrong)
    with pytest.raises(TypeError, match="context_sync must be a ContextSync or None, not a dict"):
        await served.upload_mobile_info(DEVICE, wrong)
    with pytest.raises(TypeError, match="context_sync must be a ContextSync, not a dict"):
        await served.has_mobile_info(wrong)
    with pytest.raises(TypeError, match="mode must be a MobileSimulateMode, not a dict"):
        served.set_simulate_mode(wrong)
    assert gateway.names == []


async def test_a_stored_device_reaches_a_new_session(
    client: AsyncAgentBay, served: AsyncMobileSimulateService, gateway: Gateway
) -> None:
    task = [{"contextId": ID, "status": "Success", "taskType": "download"}]
    gateway.on("CreateMcpSession", example("CreateMcpSession"))
    gateway.on("GetContextInfo", ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(task)}])}))
    gateway.on("shell", Said(""))
    (await served.upload_mobile_info(DEVICE)).unwrap()
    served.set_simulate_enable(enable=True)
    phone = MobileExtraConfig(simulate_config=served.get_simulate_config())

    await client.create(CreateSessionParams(image_id="mobile_latest", extra_configs=ExtraConfigs(phone)))

    form = gateway.last("CreateMcpSession").form
    assert form["PersistenceDataList"] == f'[{{"ContextId":"{ID}","Path":"{INSIDE}"}}]'
    assert gateway.last("shell").args["command"] == f"chmod -R a+rwx {INSIDE}; wya apply {INSIDE}/dev_info.json"
