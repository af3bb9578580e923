"""Whose program is at the other end of a connection on this machine: the kernel knows (sock_diag of netlink)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Final

from attrs import frozen

__all__ = ["Owner", "owner_of", "owner_of_peer"]

NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
NLM_F_REQUEST: Final = 1
NLMSG_ERROR: Final = 2
ALL_STATES: Final = 0xFFFFFFFF
NO_COOKIE: Final = b"\xff" * 8
LISTEN: Final = 10

HEADER: Final = struct.Struct("=IHHII")
REQUEST: Final = struct.Struct("=BBBBI")
PORTS: Final = struct.Struct("!HH")
STATE: Final = struct.Struct("=BB")
OWNER: Final = struct.Struct("=II")
OWNER_AT: Final = HEADER.size + 64
"""Where the answer names the user, behind the header, the state, both addresses, and three numbers."""
ANSWER: Final = OWNER_AT + OWNER.size

Address = tuple[str, int]


@frozen
class Owner:
    """Who has a socket: the user id, and the inode. A socket that its program has closed has no inode any more."""

    user: int
    inode: int
    state: int


def owner_of_peer(connection: socket.socket) -> Owner | None:
    """The owner of the other end of a connection; None if that end is gone. Raises OSError."""
    peer, own = connection.getpeername()[:2], connection.getsockname()[:2]
    found = owner_of(connection.family, peer, own)
    # Where the connection is gone, the kernel finds whoever listens at that address instead.
    return found if found is not None and found.inode and found.state != LISTEN else None


def owner_of(family: int, end: Address, other: Address) -> Owner | None:
    """The owner of the socket at `end` of a connection to `other`; None if there is none.

    Raises:
        OSError: this machine's kernel does not tell.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(_question(family, end, other))
        answer = kernel.recv(4096, socket.MSG_DONTWAIT)
    if HEADER.unpack_from(answer)[1] == NLMSG_ERROR:
        _check_told(-struct.unpack_from("=i", answer, HEADER.size)[0])
        return None
    if len(answer) < ANSWER:
        raise OSError(errno.EBADMSG, "the kernel's answer about a socket is too short")
    user, inode = OWNER.unpack_from(answer, OWNER_AT)
    return Owner(user, inode, STATE.unpack_from(answer, HEADER.size)[1])


def _check_told(number: int) -> None:
    """The kernel says ENOENT where no socket is; a kernel that cannot tell has said so when the link was made."""
    if number != errno.ENOENT:
        raise OSError(number, os.strerror(number))


def _question(family: int, end: Address, other: Address) -> bytes:
    addresses = b"".join(socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (end, other))
    place = PORTS.pack(end[1], other[1]) + addresses + bytes(4) + NO_COOKIE
    body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, ALL_STATES) + place
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + body
