"""The one program of ours that runs inside a sandbox: its PID 1.

It starts programs, opens files and sockets as the sandbox sees them, and hands the descriptors out to the host, so
that no byte of a program's output and no path is ever the host's to interpret. It is a single thread around one `poll`:
it never fails to start a thread, it may fork safely, and as PID 1 nothing inside can kill it.

Only the C halves of a few standard modules are imported: `socket`, `signal` and `json` bring `enum` and `re`, which
would double the start-up time of every sandbox.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import errno
import os
import resource
import stat
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be the slowest import of all
    from collections.abc import Callable
    from typing import Final

    from agentbay_local.sandbox import boxcall, boxrun
    from agentbay_local.sandbox.boxcall import Call, failure, library, received, unwatch, watch
    from agentbay_local.sandbox.boxfs import VERBS, walk
else:
    import boxcall
    import boxrun
    from boxcall import Call, failure, library, received, unwatch, watch
    from boxfs import VERBS, walk

HOME: Final = "/home/wuying"
STORES: Final = (HOME, "/workspace", "/tmp", "/dev/shm", "/dev/pts")
"""The file systems that may grow; the host is given a descriptor of each, to watch how full they are."""
RESERVE: Final = 64
"""How many processes more than any program this daemon may start: a fork bomb can still be looked at, and ended."""
PR_SET_DUMPABLE: Final = 4
RT_SIGACTION: Final = {"x86_64": 13, "aarch64": 134}
C_LIBRARY_SIGNALS: Final = (32, 33)  # only the system call resets them, and a parent's `posix_spawn` leaves one ignored
FAMILIES: Final = ((_socket.AF_INET, "127.0.0.1"), (_socket.AF_INET6, "::1"))
STREAM: Final = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC


def open_file(call: Call, path: str, flags: int, mode: int) -> None:
    """Open a regular file for the host. O_NONBLOCK keeps a FIFO or a device from holding up everybody."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, mode)
    try:
        kind = stat.S_IFMT(os.fstat(fd).st_mode)
        if kind != stat.S_IFREG:
            raise OSError(errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL, "not a file", path)
        os.set_blocking(fd, True)
        call.answer({}, fd)
    finally:
        os.close(fd)
    call.close()


def dial(call: Call, port: int) -> None:
    """A connection to a port inside, still being made perhaps. On loopback a refusal is known at once."""
    for family, address in FAMILIES:
        link = _socket.socket(family, STREAM | _socket.SOCK_NONBLOCK)
        state = link.connect_ex((address, port))
        if state in (0, errno.EINPROGRESS) and link.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) == 0:
            call.answer({}, link.fileno())
            link.close()
            return call.close()
        link.close()
    raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")


def dial_path(call: Call, path: str) -> None:
    """A connection to a Unix socket inside. Where too many wait already, it fails rather than hold up everybody."""
    link = _socket.socket(_socket.AF_UNIX, STREAM | _socket.SOCK_NONBLOCK)
    try:
        link.connect(path)
        call.answer({}, link.fileno())
    finally:
        link.close()
    call.close()


def listen(call: Call, port: int) -> None:
    """A socket that listens inside, for the host to accept on."""
    door = _socket.socket(_socket.AF_INET, STREAM)
    try:
        door.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))
        door.listen(128)
        call.answer({}, door.fileno())
    finally:
        door.close()
    call.close()


def scan(call: Call, path: str, limit: int, budget_s: float, detail: bool = False) -> None:
    """Walk a tree in a child of ours: a huge one must not hold up the other calls."""
    if os.fork() == 0:
        try:
            call.answer(walk(path, limit, time.monotonic() + budget_s, detail))
        except (OSError, ValueError, MemoryError) as error:
            call.answer(failure(error))
        finally:
            os._exit(0)
    call.close()


def follow(call: Call, path: str, skip: str) -> None:
    """Tell the host what changes below a folder, from a child of ours as long as the host listens."""
    from boxwatch import tell_changes  # type: ignore[import-not-found]  # noqa: PLC0415  (whoever watches pays for it)

    if os.fork() == 0:
        try:
            tell_changes(call, path, skip)
        except (OSError, ValueError, MemoryError) as error:
            call.answer(failure(error))
        finally:
            os._exit(0)
    call.close()


LIVE: Final[dict[str, Callable[..., None]]] = {
    "run": boxrun.run,
    "terminal": boxrun.terminal,
    "drain": boxrun.drain,
    "open": open_file,
    "dial": dial,
    "dial_path": dial_path,
    "listen": listen,
    "scan": scan,
    "follow": follow,
}


def serve(call: Call) -> None:
    """Read on; do what is asked once the request is complete."""
    try:
        request = call.read()
        if request is None:
            return
        unwatch(call.channel.fileno())
        verb = request.pop("verb")
        if live := LIVE.get(verb):
            live(call, **request)
            return
        call.answer(VERBS[verb](**request))
    except EOFError:
        pass
    except Exception as error:  # noqa: BLE001  # whatever a verb stumbles over: the end of PID 1 is everybody's
        call.answer(failure(error))
    call.close()


def meet(call: Call) -> None:
    """Wait for a call's request."""
    watch(call.channel.fileno(), lambda: serve(call))


def take(control: _socket.socket) -> None:
    """A new call from the host, or its end, which is ours too."""
    data, controls, _, _ = control.recvmsg(1, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    if not data:
        os._exit(0)
    for fd in received(controls):
        meet(Call(fd))


def allowed(kind: int, wanted: int) -> int:
    """As much as the server itself may have, if that is less."""
    most = resource.getrlimit(kind)[1]
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def harden(processes: int, memory: int, file_size: int, open_files: int) -> None:
    """Limits for the programs to come, and a memory that programs of the same user can neither read nor write."""
    most_processes = allowed(resource.RLIMIT_NPROC, processes + RESERVE)
    resource.setrlimit(resource.RLIMIT_NPROC, (most_processes, most_processes))
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    boxrun.ceilings[resource.RLIMIT_NPROC] = allowed(resource.RLIMIT_NPROC, processes)
    boxrun.ceilings[resource.RLIMIT_DATA] = allowed(resource.RLIMIT_DATA, memory)
    boxrun.ceilings[resource.RLIMIT_FSIZE] = allowed(resource.RLIMIT_FSIZE, file_size)
    boxrun.ceilings[resource.RLIMIT_NOFILE] = min(open_files, most_files)
    boxrun.ceilings[resource.RLIMIT_CORE] = 0
    library("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def default_signals() -> int:
    """Default dispositions, which a PID 1 does not even feel; the end that becomes readable when a child has ended."""
    for number in range(1, _signal.NSIG):
        if number not in (_signal.SIGKILL, _signal.SIGSTOP, *C_LIBRARY_SIGNALS):
            _signal.signal(number, _signal.SIG_DFL)
    for number in C_LIBRARY_SIGNALS:
        library("syscall", RT_SIGACTION[os.uname().machine], number, bytes(32), None, 8)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    return wake


def main() -> None:
    harden(*map(int, sys.argv[1:]))
    os.umask(0o022)
    os.chdir(HOME)
    wake = default_signals()
    control = _socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDWR)
    stores = [os.open(path, os.O_PATH) for path in STORES]
    for target in (0, 1, 2):
        os.dup2(null, target)
    rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in stores)
    control.sendmsg([b"R"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    for fd in (null, *stores):
        os.close(fd)
    watch(control.fileno(), lambda: take(control))
    watch(wake, lambda: boxrun.reap(wake))
    boxcall.serve_for_ever()


if __name__ == "__main__":
    main()
