"""The system-call filter of a sandbox, as classic BPF made with `struct`: no library is needed to build it.

What remains allowed is what ordinary programs use. Refused is what only widens the kernel's surface or reaches around
the other walls: namespaces, mounts, tracing, key rings (they are per user, not per sandbox), io_uring, memory that no
limit counts, sockets of families and protocols that programs on loopback do not need.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

EPERM: Final = (
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise "
    "mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr "
    "unshare setns bpf perf_event_open userfaultfd add_key request_key keyctl io_uring_setup io_uring_enter "
    "io_uring_register quotactl quotactl_fd swapon swapoff reboot kexec_load kexec_file_load init_module "
    "finit_module delete_module acct settimeofday clock_settime sethostname setdomainname iopl ioperm syslog vhangup "
    "nfsservctl lookup_dcookie open_by_handle_at name_to_handle_at fanotify_init modify_ldt uselib ustat "
    "move_pages migrate_pages"
).split()
ENOSYS: Final = "clone3 memfd_create memfd_secret shmget semget msgget open_tree_attr".split()
"""Refused as if the kernel were older, so that libraries take their other road. `clone3` hides its flags from filters;
memory files and what System V shares (segments, sets of semaphores, queues) are memory that neither a resource limit
nor a process's resident set shows, and that no process's end gives back."""

OWNERS: Final = ("chown fchown lchown fchownat setuid setgid setreuid setregid setresuid setresgid setgroups").split()

NEW_NAMESPACES: Final = 0x7E020000
IOCTLS: Final = (0x5412, 0x541C)  # TIOCSTI types into a terminal, TIOCLINUX pastes into a console
UNIX: Final = 1
INTERNET: Final = (2, 10)
PROTOCOLS: Final = (0, 1, 6, 17, 58)  # the usual one, ICMP, TCP, UDP, ICMPv6: others may be modules yet to be loaded
NETLINK: Final = 16
NETLINK_ROUTES: Final = (0,)  # programs list their interfaces with it
SOCKET_LEVEL: Final = 1
BUFFER_SIZES: Final = (7, 8)  # SO_SNDBUF, SO_RCVBUF
PERSONALITIES: Final = (0, 0xFFFFFFFF)  # Linux, and the question which one it is

LOAD: Final = 0x20
EQUAL: Final = 0x15
AT_LEAST: Final = 0x35
ANY_BIT: Final = 0x45
RETURN: Final = 0x06
NUMBER: Final = 0  # offsets into what the filter sees of a call
ARCHITECTURE: Final = 4
ARGUMENTS: Final = 16
ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000


def numbered(table: str) -> dict[str, int]:
    """The system calls of "name=number" pairs."""
    return {name: int(number) for name, number in (pair.split("=") for pair in table.split())}


X86_64: Final = numbered("""
    ptrace=101 process_vm_readv=310 process_vm_writev=311 kcmp=312 mount=165 umount2=166 pivot_root=155 chroot=161
    unshare=272 setns=308 bpf=321 perf_event_open=298 userfaultfd=323 add_key=248 request_key=249 keyctl=250
    quotactl=179 swapon=167 swapoff=168 reboot=169 kexec_load=246 kexec_file_load=320 init_module=175
    finit_module=313 delete_module=176 acct=163 settimeofday=164 clock_settime=227 sethostname=170 setdomainname=171
    iopl=172 ioperm=173 syslog=103 vhangup=153 nfsservctl=180 lookup_dcookie=212 open_by_handle_at=304
    name_to_handle_at=303 fanotify_init=300 personality=135 modify_ldt=154 uselib=134 ustat=136 move_pages=279
    migrate_pages=256 memfd_create=319 shmget=29 semget=64 msgget=68 clone=56 ioctl=16 socket=41 socketpair=53
    setsockopt=54 prlimit64=302 chown=92 fchown=93 lchown=94 fchownat=260
    setuid=105 setgid=106 setreuid=113 setregid=114 setgroups=116 setresuid=117 setresgid=119
""")
AARCH64: Final = numbered("""
    ptrace=117 process_vm_readv=270 process_vm_writev=271 kcmp=272 mount=40 umount2=39 pivot_root=41 chroot=51
    unshare=97 setns=268 bpf=280 perf_event_open=241 userfaultfd=282 add_key=217 request_key=218 keyctl=219
    quotactl=60 swapon=224 swapoff=225 reboot=142 kexec_load=104 kexec_file_load=294 init_module=105
    finit_module=273 delete_module=106 acct=89 settimeofday=170 clock_settime=112 sethostname=161 setdomainname=162
    syslog=116 vhangup=58 nfsservctl=42 lookup_dcookie=18 open_by_handle_at=265 name_to_handle_at=264
    fanotify_init=262 personality=92 move_pages=239 migrate_pages=238 memfd_create=279 shmget=194 semget=190 msgget=186
    clone=220 ioctl=29 socket=198 socketpair=199 setsockopt=208 prlimit64=261 fchown=55 fchownat=54
    setregid=143 setgid=144 setreuid=145 setuid=146 setresuid=147 setresgid=149 setgroups=159
""")
EVERYWHERE: Final = numbered("""
    pidfd_getfd=438 process_madvise=440 open_tree=428 move_mount=429 fsopen=430 fsconfig=431 fsmount=432 fspick=433
    mount_setattr=442 io_uring_setup=425 io_uring_enter=426 io_uring_register=427 quotactl_fd=443 clone3=435
    memfd_secret=447 open_tree_attr=467
""")


@frozen
class Machine:
    """What the kernel calls a processor, and its numbers."""

    token: int
    numbers: Mapping[str, int]


MACHINES: Final = {
    "x86_64": Machine(0xC000003E, X86_64 | EVERYWHERE),
    "aarch64": Machine(0xC00000B7, AARCH64 | EVERYWHERE),
}


def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many instructions a comparison skips."""
    return struct.pack("=HBBI", code, yes, no, value)


def argument(index: int) -> bytes:
    """Load the lower half of an argument (both machines are little-endian): all that the kernel reads of ours."""
    return step(LOAD, ARGUMENTS + 8 * index)


def refuse(code: int) -> bytes:
    return step(RETURN, REFUSE | code)


def allow() -> bytes:
    return step(RETURN, ALLOW)


def only_for(number: int, *body: bytes) -> bytes:
    """`body` for one value of what is loaded. It ends in a verdict, so it may load something else."""
    inside = b"".join(body)
    return step(EQUAL, number, 0, len(inside) // 8) + inside


def by_value(values: tuple[int, ...], among: bytes, otherwise: bytes) -> bytes:
    """One verdict for these values of the loaded argument, another for the rest."""
    tests = b"".join(step(EQUAL, value, len(values) - at) for at, value in enumerate(values))
    return tests + otherwise + among


def special(numbers: Mapping[str, int]) -> Iterator[bytes]:
    """The calls that are refused for some arguments only."""
    yield only_for(numbers["clone"], argument(0), step(ANY_BIT, NEW_NAMESPACES, 0, 1), refuse(errno.EPERM), allow())
    yield only_for(numbers["ioctl"], argument(1), by_value(IOCTLS, refuse(errno.EPERM), allow()))
    yield only_for(numbers["personality"], argument(0), by_value(PERSONALITIES, allow(), refuse(errno.EPERM)))
    # Limits of others: lowering those of the daemon would only be a nuisance, but nobody needs to.
    yield only_for(numbers["prlimit64"], argument(0), by_value((0,), allow(), refuse(errno.EPERM)))
    unix = by_value((UNIX,), allow(), refuse(errno.EAFNOSUPPORT))
    yield only_for(numbers["socket"], argument(0), netlink(), *internet(), unix)
    yield only_for(numbers["socketpair"], argument(0), unix)
    # Pretended: the kernel, too, gives what it likes. A larger buffer is memory that no limit counts.
    sizes = only_for(SOCKET_LEVEL, argument(2), by_value(BUFFER_SIZES, refuse(0), allow()))
    yield only_for(numbers["setsockopt"], argument(1), sizes, allow())


def netlink() -> bytes:
    """With the family loaded: netlink for routes only; any other family is looked at further on."""
    return only_for(NETLINK, argument(2), by_value(NETLINK_ROUTES, allow(), refuse(errno.EAFNOSUPPORT)))


def internet() -> Iterator[bytes]:
    """With the family loaded: the protocols of both versions; any other family is looked at further on."""
    for family in INTERNET:
        yield only_for(family, argument(2), by_value(PROTOCOLS, allow(), refuse(errno.EPROTONOSUPPORT)))


def pretended(numbers: Mapping[str, int]) -> Iterator[bytes]:
    """What succeeds without doing anything in a build, where there is one user, who takes itself for root."""
    for name in OWNERS:
        if name in numbers:
            yield only_for(numbers[name], refuse(0))


def program(machine: str | None = None, *, build: bool = False) -> bytes:
    """The filter for a machine (default: this one), as bwrap's `--seccomp` reads it.

    Args:
        machine: As the kernel names it.
        build: Whether it is for the making of an image. Installers give files to users, or become users, that are
            not there.

    Raises:
        KeyError: no table for this machine is known.
    """
    known = MACHINES[machine or platform.machine()]
    numbers = known.numbers
    # Another architecture's calls (32-bit programs, x32) have other numbers: none of them exists here.
    start = step(LOAD, ARCHITECTURE) + step(EQUAL, known.token, 1) + refuse(errno.ENOSYS) + step(LOAD, NUMBER)
    x32 = step(AT_LEAST, 0x40000000, 0, 1) + refuse(errno.ENOSYS)
    plain = [(name, errno.EPERM) for name in EPERM] + [(name, errno.ENOSYS) for name in ENOSYS]
    refused = (only_for(numbers[name], refuse(code)) for name, code in plain if name in numbers)
    given = pretended(numbers) if build else ()
    return b"".join((start, x32, *special(numbers), *refused, *given, allow()))
