"""Networks: failures, what is tried again, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentbay import AsyncAgentBay, AuthenticationError, ServerError, SessionError
from agentbay._async import network as module
from tests.gateway import REQUEST_ID, Gateway, no, ok, raw, refusal

BUSY = no("ServiceUnavailable", "come back later")
ONLINE = ok({"Online": True})


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.001)


async def test_a_refusal_is_a_failed_result(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateNetwork", no("NOT_LOGIN", "log in"))
    gateway.on("DescribeNetwork", no("NOT_LOGIN", "log in"))
    for result in (
        await client.beta_network.get_network_bind_token(),
        await client.beta_network.describe("net-1"),
    ):
        assert (False, "[NOT_LOGIN] log in", REQUEST_ID) == (result.success, result.error_message, result.request_id)
        assert isinstance(result.error, AuthenticationError)


async def test_a_network_nobody_has_joined_is_not_online(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("DescribeNetwork", ok({}), ok())
    for _ in range(2):
        result = await client.beta_network.describe("net-1")
        assert (True, False) == (result.success, result.online)


@pytest.mark.parametrize("network_id", ["", "  "])
async def test_a_network_without_an_id_is_refused(client: AsyncAgentBay, gateway: Gateway, network_id: str) -> None:
    result = await client.beta_network.describe(network_id)
    assert (False, "network_id is required") == (result.success, result.error_message)
    assert [] == gateway.requests


async def test_a_busy_service_is_asked_again(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("DescribeNetwork", BUSY, BUSY, ONLINE)
    assert (await client.beta_network.describe("net-1")).online
    assert 3 == len(gateway.requests)


async def test_a_service_that_stays_busy_is_asked_three_times(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("DescribeNetwork", BUSY)
    result = await client.beta_network.describe("net-1")
    assert ("[ServiceUnavailable] come back later", 3) == (result.error_message, len(gateway.requests))


async def test_a_gateway_that_stays_busy_is_asked_three_times(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("DescribeNetwork", refusal("ServiceUnavailable", "busy", 503))
    result = await client.beta_network.describe("net-1")
    assert (ServerError, 3) == (type(result.error), len(gateway.requests))


async def test_no_retries_means_one_request(make: Callable[..., AsyncAgentBay], gateway: Gateway) -> None:
    gateway.on("DescribeNetwork", BUSY)
    assert not (await make(retries=0).beta_network.describe("net-1")).success
    assert 1 == len(gateway.requests)


async def test_a_network_is_never_made_twice(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateNetwork", BUSY, ok({"NetworkId": "net-2"}))
    assert not (await client.beta_network.get_network_bind_token()).success
    assert 1 == len(gateway.requests)


async def test_no_usable_answer_is_raised(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateNetwork", raw("half"))
    with pytest.raises(SessionError):
        await client.beta_network.get_network_bind_token()


async def test_the_secret_is_not_shown(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateNetwork", ok({"NetworkId": "net-2", "NetworkToken": "canary-network"}))
    result = await client.beta_network.get_network_bind_token()
    assert ("canary-network", False) == (result.network_token, "canary" in repr(result))


def test_the_services_have_one_home(client: AsyncAgentBay) -> None:
    assert (client.beta.network, client.beta.skills) == (client.beta_network, client.beta_skills)
