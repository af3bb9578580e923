"""How egress says no: a status, a reason that tools show in one line, and a text that says what would mend it."""

from __future__ import annotations

from typing import Final

__all__ = ["Refused", "answer", "busy", "closed", "malformed", "not_listed", "unreachable"]

PHRASES: Final = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}
MAKE: Final = (
    "On the machine that runs the runtime, `agentbay policy set NAME --allow HOST` lists what may be reached,\n"
    "and a session created with policy_id=NAME has it.\n"
)


class Refused(Exception):
    """A request goes no further. `reason` is one of a few words, for counting; `phrase` stands in the status line.

    `to` is the host and port that were asked for, as far as that was understood.
    """

    def __init__(self, reason: str, status: int, phrase: str, text: str, to: str = "-") -> None:
        super().__init__(phrase)
        self.reason = reason
        self.to = to
        self.status = status
        self.phrase = phrase
        self.text = text


def place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def not_listed(policy: str, host: str, port: int) -> Refused:
    if not policy:
        phrase = f"Forbidden: no egress to {place(host, port)}"
        text = f"Egress is denied by default: this session has no policy, so it can reach nothing.\n{MAKE}"
        return Refused("no_policy", 403, phrase, text, place(host, port))
    phrase = f"Forbidden: {place(host, port)} is not in policy {policy}"
    text = f"{place(host, port)} is not among what the policy {policy} of this session allows.\n{MAKE}"
    return Refused("not_listed", 403, phrase, text, place(host, port))


def closed(host: str, port: int) -> Refused:
    phrase = f"Forbidden: {place(host, port)} is not public"
    text = (
        f"{place(host, port)} leads to an address that is private, link-local or of the machine itself.\n"
        "Such addresses are always refused, whatever a policy says.\n"
    )
    return Refused("not_public", 403, phrase, text, place(host, port))


def unreachable(host: str, port: int, why: str, reason: str = "unreachable") -> Refused:
    text = f"{place(host, port)} is allowed, but {why}.\n"
    return Refused(reason, 502, f"Bad Gateway: {why}", text, place(host, port))


def malformed(why: str, status: int = 400) -> Refused:
    return Refused("malformed", status, PHRASES.get(status, PHRASES[400]), f"This is an HTTP proxy: {why}.\n")


def busy(most: int) -> Refused:
    text = f"This session has {most} connections out of it already: close some first.\n"
    return Refused("busy", 503, PHRASES[503], text)


def answer(refused: Refused) -> bytes:
    """The whole answer, of printable ASCII."""
    body = refused.text.encode("ascii", "replace")
    phrase = "".join(each if each.isprintable() and each.isascii() else "?" for each in refused.phrase)
    head = (
        f"HTTP/1.1 {refused.status} {phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Proxy-Agent: agentbay-local\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
