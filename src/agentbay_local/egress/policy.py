"""What a session may reach: a named list of hosts, wildcards and ranges of addresses. No I/O here."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from attrs import define, frozen

from agentbay_local.egress.addresses import Address, Network, address_of, never

__all__ = ["NOTHING", "Permit", "Policy", "Rule", "UnfitRule", "host_name", "policy_name", "read_rule"]

LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
WITH_PORT: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]{1,5})")
FORMS: Final = "give pypi.org, *.example.com, 198.51.100.0/24, or one of these with a port: pypi.org:443"
MOST_RULES: Final = 1000


class UnfitRule(ValueError):
    """A rule or a name that cannot be used; the message is for users."""


@frozen
class Rule:
    """One line of a policy: a host, `*.` and a domain, `*`, or a network; with a port or for all of them."""

    host: str = ""
    network: Network | None = None
    port: int | None = None

    def __str__(self) -> str:
        place = self.host
        if self.network is not None:
            single = self.network.prefixlen == self.network.max_prefixlen
            place = str(self.network.network_address if single else self.network)
        if self.port is None:
            return place
        return f"[{place}]:{self.port}" if ":" in place else f"{place}:{self.port}"

    def at(self, port: int) -> bool:
        """Whether it says anything about a port."""
        return self.port in {None, port}

    def names(self, host: str) -> bool:
        """Whether it lists a host by its name."""
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])
        return bool(self.host) and host == self.host

    def holds(self, address: Address) -> bool:
        """Whether it lists an address."""
        return self.network is not None and address in self.network


@frozen
class Policy:
    """What may be reached: whatever one of its rules lists. The name is empty where no policy was asked for."""

    name: str = ""
    rules: tuple[Rule, ...] = ()

    def allows(self, host: str, address: Address, port: int) -> bool:
        """Whether a host may be reached at an address of its own."""
        return any(rule.at(port) and (rule.names(host) or rule.holds(address)) for rule in self.rules)

    def concerns(self, host: str, port: int) -> bool:
        """Whether it depends on a host's addresses if it may be reached: else nobody need ask for them."""
        return any(rule.at(port) and (rule.names(host) or rule.network is not None) for rule in self.rules)


NOTHING: Final = Policy()


@define
class Permit:
    """What one sandbox may reach now, and whose it is, for the log."""

    policy: Policy = NOTHING
    holder: str = "-"


def policy_name(text: str) -> str:
    """Reads the name of a policy. Raises UnfitRule."""
    if NAME.fullmatch(text) is None:
        raise UnfitRule(f"{text[:100]!r} is no name: up to 64 letters, digits, dots, underscores and hyphens")
    return text


def host_name(text: str) -> str | None:
    """The one form of a host's name, or of an address, that rules are compared with."""
    address = address_of(text.removeprefix("[").removesuffix("]"))
    if address is not None:
        return str(address)
    name = text.lower().removesuffix(".")
    return name if HOST.fullmatch(name) else None


def read_rule(text: str) -> Rule:
    """Reads one rule as people write it. Raises UnfitRule, which names what is wrong with it."""
    given = text.strip()
    if "://" in given:
        raise UnfitRule(f"{given[:300]!r} is an address of a page; only its host can be listed: {FORMS}")
    place, port = split(given)
    network = network_of(place, given)
    if network is not None:
        return Rule(network=open_network(network), port=port)
    return Rule(host=pattern(place, given), port=port)


def split(given: str) -> tuple[str, int | None]:
    """The place and the port."""
    match = WITH_PORT.fullmatch(given)
    if match is None:
        return given, None
    if not 0 < int(match["port"]) < 1 << 16:
        raise UnfitRule(f"{given[:300]!r} has no usable port: give 1 to 65535")
    return match["host"].removeprefix("[").removesuffix("]"), int(match["port"])


def network_of(place: str, given: str) -> Network | None:
    """The network, or the one address, that a place is; None for names."""
    bare = place.removeprefix("[").removesuffix("]")
    try:
        whole = ipaddress.ip_network(bare, strict=False)
    except ValueError:
        return None
    if "/" in bare and bare.partition("/")[0] != str(whole.network_address):
        raise UnfitRule(f"{given[:300]!r} does not begin where a range begins; that would be {whole}")
    return whole


def open_network(network: Network) -> Network:
    """The network, if anything of it can be reached."""
    if never(network):
        why = "private, loopback, link-local and multicast addresses are always refused"
        raise UnfitRule(f"{network} can never be reached: {why}")
    return network


def pattern(place: str, given: str) -> str:
    """A host's name, or `*.` before one, or `*` for all of them."""
    if place == "*":
        return place
    star, name = ("*.", place[2:]) if place.startswith("*.") else ("", place)
    host = HOST.fullmatch(as_ascii(name))
    if host is None or host[0].rpartition(".")[2].isdigit():
        raise UnfitRule(f"{given[:300]!r} is neither a host nor a range of addresses: {FORMS}")
    if host[0] == "localhost" or host[0].endswith(".localhost"):
        raise UnfitRule(f"{given[:300]!r} is this machine, which is always refused")
    return star + host[0]


def as_ascii(name: str) -> str:
    """A host's name as programs send it: in lower case, without the last dot, other letters in their ASCII form."""
    try:
        return name.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return ""
