"""Runs inside a sandbox: asks the kernel for what no sandbox should get, each time in a process of its own.

JSON out: for each attempt "done", the name of an error, "signal N", or what it found. The numbers are those of x86_64.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
from collections.abc import Callable, Iterator

Attempt = Callable[[], object]

LIBC = ctypes.CDLL(None, use_errno=True)
PATIENCE = 5

CALLS: dict[str, tuple[object, ...]] = {
    "request_key": (249, b"user", b"x", b"y", -3),
    "keyctl, session of others": (250, 1, b"_uid"),
    "io_uring_enter": (426, 3, 1, 0, 0, 0, 0),
    "io_uring_register": (427, 3, 0, 0, 0),
    "process_madvise": (440, 3, 0, 0, 0, 0),
    "kcmp": (312, 1, 1, 0, 0, 0),
    "name_to_handle_at": (303, -100, b"/", 0, 0, 0),
    "move_mount": (429, -100, b"/tmp", -100, b"/mnt", 0),
    "fsconfig": (431, 3, 0, 0, 0, 0),
    "fsmount": (432, 3, 0, 0),
    "fspick": (433, -100, b"/", 0),
    "open_tree_attr": (467, -100, b"/", 1, 0, 0),
    "acct": (163, b"/tmp/acct"),
    "swapon": (167, b"/tmp/swap", 0),
    "swapoff": (168, b"/tmp/swap"),
    "quotactl": (179, 0, 0, 0, 0),
    "quotactl_fd": (443, 3, 0, 0, 0),
    "settimeofday": (164, bytes(16), 0),
    "clock_settime": (227, 0, bytes(16)),
    "clock_adjtime": (305, 0, (1).to_bytes(4, "little") + bytes(204)),
    "adjtimex": (159, (1).to_bytes(4, "little") + bytes(204)),
    "setdomainname": (171, b"x", 1),
    "kexec_load": (246, 0, 0, 0, 0),
    "kexec_file_load": (320, -1, -1, 0, 0, 0),
    "finit_module": (313, 0, b"", 0),
    "delete_module": (176, b"x", 0),
    "modify_ldt": (154, 0, 0, 0),
    "iopl": (172, 3),
    "ioperm": (173, 0, 1, 1),
    "syslog": (103, 3, bytes(64), 64),
    "vhangup": (153,),
    "fanotify_init": (300, 0, 0),
    "move_pages": (279, 1, 0, 0, 0, 0, 0),
    "migrate_pages": (256, 1, 0, 0, 0),
    "lookup_dcookie": (212, 0, 0, 0),
    "ptrace, traceme": (101, 0, 0, 0, 0),
    "unshare, time namespace": (272, 0x80),
    "unshare, network namespace": (272, 0x40000000),
    "clone, mount namespace": (56, 0x00020011, 0, 0, 0, 0),
    "clone, flags in the upper half too": (56, ctypes.c_ulong(0x1_1000_0011), 0, 0, 0, 0),
    "semget": (64, 0, 1, 0o1600),
    "msgget": (68, 0, 0o1600),
    "shmat": (30, 0, 0, 0),
    "number beyond the table": (100_000,),
    "x32 number of execve": (0x40000000 | 520, b"/bin/true", 0, 0),
}
FAMILIES = {
    "AX25": 3, "IPX": 4, "APPLETALK": 5, "X25": 9, "KEY": 15, "PACKET": 17, "RDS": 21, "CAN": 29, "TIPC": 30,
    "BLUETOOTH": 31, "ALG": 38, "NFC": 39, "VSOCK": 40, "KCM": 41, "QIPCRTR": 42, "SMC": 43, "XDP": 44, "MCTP": 45,
}  # fmt: skip
PROTOCOLS = {"DCCP": 33, "SCTP": 132, "UDPLITE": 136, "L2TP": 115, "MPTCP": 262}
NETLINKS = {"NETFILTER": 12, "GENERIC": 16, "SOCK_DIAG": 4, "XFRM": 6, "KOBJECT_UEVENT": 15, "CRYPTO": 21}
CODE = {
    "int 0x80, getpid of 32 bits": b"\xb8\x14\x00\x00\x00\xcd\x80\xc3",
    "int 0x80, execve of 32 bits": b"\xb8\x0b\x00\x00\x00\x31\xdb\xcd\x80\xc3",
    "sysenter": b"\xb8\x14\x00\x00\x00\x0f\x34\xc3",
}


def raw(number: int, *arguments: object) -> str:
    """A system call by its number."""
    ctypes.set_errno(0)
    if LIBC.syscall(ctypes.c_long(number), *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"


def machine_code(code: bytes) -> str:
    """What runs as it stands; the kernel's answer is in the register that it gives back."""
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(code)
        place = ctypes.c_char.from_buffer(page)
        given = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(place))()
        del place
    if given < 0:
        raise OSError(-given, "refused")
    return "done"


def opened(family: int, kind: int, protocol: int = 0) -> str:
    socket.socket(family, kind, protocol).close()
    return "done"


def paired(family: int) -> str:
    """Two sockets at once, which is another call."""
    return raw(53, family, 2, 0, bytes(8))


def writable_facts() -> list[str]:
    """Which files of /proc, but for those of processes, can be opened for writing."""
    return sorted(path for path in facts() if can_write(path))


def facts() -> Iterator[str]:
    for above, folders, files in os.walk("/proc"):
        if above == "/proc":
            folders[:] = [name for name in folders if not name.isdigit() and name not in ("self", "thread-self")]
        yield from (f"{above}/{name}" for name in files)


def can_write(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def symbols() -> int:
    """How many addresses of the kernel are told."""
    with open("/proc/kallsyms", encoding="ascii") as lines:
        return sum(int(line.split()[0], 16) != 0 for line in lines)


def memory_of_the_daemon() -> str:
    with open("/proc/1/mem", "r+b", buffering=0):
        return "done"


def devices() -> list[str]:
    return sorted(os.listdir("/dev"))


def copied_capability() -> str:
    """A file that would give its program all capabilities."""
    with open("/tmp/capable", "wb"):
        pass
    os.setxattr("/tmp/capable", "security.capability", b"\x01\x00\x00\x02" + b"\xff" * 16)
    return "done"


def linked(path: str) -> str:
    os.link(path, "/tmp/linked")
    return "done"


def typed_in(request: int) -> str:
    """A character pushed into a terminal of its own."""
    _, slave = os.openpty()
    os.setsid()
    fcntl.ioctl(slave, 0x540E, 0)  # TIOCSCTTY
    fcntl.ioctl(slave, request, b"x")
    return "done"


def in_memory() -> str:
    """A program that no file system has."""
    fd = os.memfd_create("x")
    os.write(fd, b"#!/bin/true\n")
    os.execve(fd, ["x"], {})


def attempts() -> dict[str, Attempt]:
    made: dict[str, Attempt] = {name: lambda call=call: raw(*call) for name, call in CALLS.items()}
    for name, family in FAMILIES.items():
        made[f"socket AF_{name}"] = lambda family=family: opened(family, socket.SOCK_DGRAM)
        made[f"socketpair AF_{name}"] = lambda family=family: paired(family)
    for name, protocol in PROTOCOLS.items():
        for family in (socket.AF_INET, socket.AF_INET6):
            made[f"{family.name} {name}"] = lambda f=family, p=protocol: opened(f, socket.SOCK_STREAM, p)
    for name, protocol in NETLINKS.items():
        made[f"netlink {name}"] = lambda protocol=protocol: opened(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    for name, code in CODE.items():
        made[name] = lambda code=code: machine_code(code)
    return made | {
        "raw socket": lambda: opened(socket.AF_INET, socket.SOCK_RAW, 1),
        "raw socket, version 6": lambda: opened(socket.AF_INET6, socket.SOCK_RAW, 58),
        "files of /proc that can be written": writable_facts,
        "addresses of the kernel": symbols,
        "memory of the daemon": memory_of_the_daemon,
        "devices": devices,
        "a file with capabilities": copied_capability,
        "a hard link to a file of the system": lambda: linked("/usr/bin/env"),
        "a hard link to a file of the daemon": lambda: linked("/etc/passwd"),
        "typing into a terminal": lambda: typed_in(0x5412),
        "pasting into a console": lambda: typed_in(0x541C),
        "a program in memory": in_memory,
    }


def outcome(attempt: Attempt) -> object:
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def apart(attempt: Attempt) -> object:
    """In a process of its own, which may crash or hang."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        os.write(writer, json.dumps(outcome(attempt)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:
        text = said.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return json.loads(text) if text else f"signal {-code}"


if __name__ == "__main__":
    print(json.dumps({name: apart(attempt) for name, attempt in attempts().items()}))
