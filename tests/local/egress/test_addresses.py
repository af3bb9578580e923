"""What is never reached, whatever a policy says."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from agentbay_local.egress import addresses
from agentbay_local.egress.addresses import never, own, reachable

CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:93.184.216.34", "fe80::1", "fe80::1%lo", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "fec0::1",
]  # fmt: skip
OPEN = ["93.184.216.34", "1.1.1.1", "172.32.0.1", "2606:2800:220:1::1", "64:ff9b::93.184.216.34"]


@pytest.mark.parametrize("text", CLOSED)
def test_an_address_that_is_not_public_is_out_of_reach(text: str) -> None:
    assert not reachable(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_a_public_address_is_within_reach(text: str) -> None:
    assert reachable(ipaddress.ip_address(text))


def test_this_machine_knows_its_own_addresses() -> None:
    assert (own(ipaddress.ip_address("127.0.0.1")), own(ipaddress.ip_address("93.184.216.34"))) == (True, False)


def test_a_public_address_of_this_machine_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "own", lambda address: str(address) == "93.184.216.34")
    assert not reachable(ipaddress.ip_address("93.184.216.34"))
    assert not reachable(ipaddress.ip_address("64:ff9b::93.184.216.34"))


def test_when_the_kernel_does_not_say_whose_an_address_is_it_is_taken_for_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_descriptors(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", no_descriptors)
    assert own(ipaddress.ip_address("93.184.216.34"))


@pytest.mark.parametrize(
    ("text", "whole"),
    [("10.1.0.0/16", True), ("fd00::/8", True), ("::1/128", True), ("0.0.0.0/0", False), ("64:ff9b::/96", False)],
)
def test_a_range_is_hopeless_only_if_all_of_it_is(text: str, whole: bool) -> None:
    assert never(ipaddress.ip_network(text)) is whole
