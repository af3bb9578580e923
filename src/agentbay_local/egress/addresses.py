"""Which addresses a sandbox may ever reach: public ones that are not this machine's own, whatever a policy says."""

from __future__ import annotations

import errno
import ipaddress
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

__all__ = ["Address", "Network", "address_of", "never", "reachable"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CLOSED: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network, and this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of one provider
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds tell their machines' secrets here
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        # Of IPv6 only 2000::/3 is in use for the public, and the two halves around it are everything else.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # Teredo and other ways to hide an IPv4 address
        "2002::/16",  # 6to4, likewise
    )
)
TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""Where networks without IPv4 have all IPv4 addresses; as good as the one that is meant."""


def address_of(host: str) -> Address | None:
    """The address that a host is written as, if it is not a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def meant(address: Address) -> Address:
    """The address that is reached in the end."""
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def never(network: Network) -> bool:
    """Whether nothing of a network can ever be reached."""
    if isinstance(network, IPv6Network) and TRANSLATED.overlaps(network):
        return False
    return any(type(each) is type(network) and network.subnet_of(each) for each in CLOSED)  # type: ignore[arg-type]


def reachable(address: Address) -> bool:
    """Whether an address may be connected to at all."""
    end = meant(address)
    return not any(end in network for network in CLOSED) and not own(address) and not own(end)


def own(address: Address) -> bool:
    """Whether this machine itself has the address: the kernel says so by letting a socket have it, too."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        # Anything but these two is no answer; then it is safer to take it for one's own.
        return error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return True
