"""The one program of ours that runs inside a sandbox: its PID 1.

It starts programs, opens files and sockets as the sandbox sees them, and hands the descriptors out to the host, so
that no byte of a program's output and no path is ever the host's to interpret. It is a single thread around one `poll`:
it never fails to start a thread, it may fork safely, and as PID 1 nothing inside can kill it.

Only the C halves of a few standard modules are imported: `socket`, `signal` and `json` bring `enum` and `re`, which
would double the start-up time of every sandbox.
"""

from __future__ import annotations

import _ctypes
import _json
import _signal  # type: ignore[import-not-found]
import _socket
import errno
import marshal
import os
import resource
import select
import stat
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from boxfs import VERBS, walk  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be the slowest import of all
    from collections.abc import Callable
    from typing import Any, Final, NoReturn

    Answer = dict[str, Any]

HOME: Final = "/home/wuying"
STORES: Final = (HOME, "/workspace", "/tmp", "/dev/shm")
"""The writable file systems; the host is given a descriptor of each, to watch how full they are."""
CHUNK: Final = 1 << 16
FULLEST_PIPE: Final = 1 << 20
RESERVE: Final = 64
"""How many processes more than any program this daemon may start: a fork bomb can still be looked at, and ended."""
PR_SET_DUMPABLE: Final = 4
RT_SIGACTION: Final = {"x86_64": 13, "aarch64": 134}
C_LIBRARY_SIGNALS: Final = (32, 33)  # only the system call resets them, and a parent's `posix_spawn` leaves one ignored
FAMILIES: Final = ((_socket.AF_INET, "127.0.0.1"), (_socket.AF_INET6, "::1"))
STREAM: Final = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC

encoder = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, True)  # type: ignore[arg-type]

poller = select.poll()
watched: dict[int, Callable[[], object]] = {}
running: dict[int, Call] = {}
ceilings: dict[int, int] = {}


def watch(fd: int, action: Callable[[], object]) -> None:
    """Call `action` whenever `fd` can be read or has hung up."""
    watched[fd] = action
    poller.register(fd, select.POLLIN)


def unwatch(fd: int) -> None:
    """Forget `fd`, which may be unknown."""
    if watched.pop(fd, None):
        poller.unregister(fd)


def encode(value: Answer) -> str:
    """JSON (names that are not UTF-8 travel as lone surrogates)."""
    return "".join(encoder(value, 0))


def failure(error: Exception) -> Answer:
    """What the host needs to raise the same error on its side."""
    if isinstance(error, OSError):
        return {"errno": error.errno or errno.EIO, "path": os.fsdecode(error.filename) if error.filename else None}
    return {"errno": errno.EINVAL, "path": None}


def received(controls: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came with one read."""
    cells = [data[at : at + 4] for _, _, data in controls for at in range(0, len(data) - 3, 4)]
    return [int.from_bytes(cell, sys.byteorder) for cell in cells]


class Call:
    """One request on a channel of its own. The host orders the end of the work by ending its side."""

    def __init__(self, fd: int) -> None:
        self.channel = _socket.socket(fileno=fd)
        self.bytes = bytearray()
        self.fds: list[int] = []
        self.report = -1  # where a starting program says that it could not start
        self.failed = False
        self.dropped = 0

    def read(self) -> dict[str, Any] | None:
        """Read on: the request, once it is complete."""
        data, controls, _, _ = self.channel.recvmsg(CHUNK, _socket.CMSG_SPACE(16), _socket.MSG_CMSG_CLOEXEC)
        self.fds += received(controls)
        self.bytes += data
        if not data:
            raise EOFError
        if len(self.bytes) < 4 + int.from_bytes(self.bytes[:4], "big"):
            return None
        return dict(marshal.loads(self.bytes[4:]))

    def answer(self, answer: Answer, *fds: int) -> None:
        self.send(encode(answer).encode(), *fds)

    def send(self, body: bytes, *fds: int) -> None:
        """One frame back, descriptors with it. A host that has gone needs no answer."""
        frame = len(body).to_bytes(4, "big") + body
        rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
        controls = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else []
        try:
            sent = self.channel.sendmsg([frame], controls)
            if sent < len(frame):
                self.channel.sendall(frame[sent:])
        except OSError:
            return

    def release(self) -> None:
        """Close the descriptors that came with the request."""
        while self.fds:
            os.close(self.fds.pop())

    def close(self) -> None:
        """The end of this call."""
        unwatch(self.channel.fileno())
        self.channel.close()
        self.release()


def become(argv: list[str], cwd: str, env: dict[str, str], ends: list[int], report: int) -> NoReturn:
    """In a fresh child: turn into the program, or write down why not."""
    try:
        os.setsid()
        for target, fd in enumerate(ends):
            os.dup2(fd, target)
        for kind, most in ceilings.items():
            resource.setrlimit(kind, (most, most))
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)
    except (OSError, ValueError) as error:
        os.write(report, encode(failure(error)).encode())
    finally:
        os._exit(127)


def run(call: Call, argv: list[str], cwd: str, env: dict[str, str], stdio: list[bool]) -> None:
    """Start a program in a session of its own, with the host's pipes where `stdio` says so and /dev/null elsewhere."""
    given = iter(call.fds)
    null = os.open("/dev/null", os.O_RDWR)
    ends = [next(given) if wanted else null for wanted in stdio]
    call.report, report = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            become(argv, cwd, env, ends, report)
    except OSError:
        os.close(call.report)
        raise
    finally:
        os.close(report)
        os.close(null)
    call.release()
    running[pid] = call
    watch(call.report, lambda: started(call))
    watch(call.channel.fileno(), lambda: end(call, pid))


def started(call: Call) -> None:
    """The program has replaced our child, or could not: tell the host which."""
    if call.report < 0:
        return
    said = os.read(call.report, CHUNK)
    unwatch(call.report)
    os.close(call.report)
    call.report, call.failed = -1, bool(said)
    call.send(said or b"{}")


def end(call: Call, pid: int) -> None:
    """The host has hung up: end the program's group. Its exit is then reported as any other."""
    unwatch(call.channel.fileno())
    os.kill(pid, _signal.SIGKILL)
    try:
        os.killpg(pid, _signal.SIGKILL)
    except ProcessLookupError:
        return  # it had not even made its group


def reap(wake: int) -> None:
    """Take in every process that has ended: our own children, and the orphans that became ours."""
    os.read(wake, CHUNK)
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if call := running.pop(pid, None):
            finish(call, os.waitstatus_to_exitcode(status))


def finish(call: Call, code: int) -> None:
    """Report a program's end."""
    started(call)
    if not call.failed:
        call.answer({"code": code})
    call.close()


def drain(call: Call) -> None:
    """Take over a pipe whose reader has lost interest, so that nobody who still writes is blocked or killed."""
    [fd] = call.fds
    os.set_blocking(fd, False)
    watch(fd, lambda: swallow(call, fd))
    watch(call.channel.fileno(), lambda: tell(call))


def swallow(call: Call, fd: int) -> int:
    """Throw away what a pipe holds, and count it; close the pipe when nobody writes any more."""
    try:
        size = len(os.read(fd, CHUNK))
    except BlockingIOError:
        return 0
    call.dropped += size
    if size == 0:
        unwatch(fd)
        call.release()
    return size


def tell(call: Call) -> None:
    """The host has hung up to hear how much was thrown away; the pipe itself is drained on."""
    for _ in range(FULLEST_PIPE // CHUNK):
        if not call.fds or not swallow(call, call.fds[0]):
            break
    call.answer({"dropped": call.dropped})
    unwatch(call.channel.fileno())
    call.channel.close()


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


def scan(call: Call, path: str, limit: int, budget_s: float) -> None:
    """Walk a tree in a child of ours: a huge one must not hold up the other calls."""
    if os.fork() == 0:
        try:
            call.answer(walk(path, limit, time.monotonic() + budget_s))
        except (OSError, ValueError, MemoryError) as error:
            call.answer(failure(error))
        finally:
            os._exit(0)
    call.close()


LIVE: Final[dict[str, Callable[..., None]]] = {
    "run": run,
    "drain": drain,
    "open": open_file,
    "dial": dial,
    "listen": listen,
    "scan": scan,
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


def harden(processes: int, memory: int, file_size: int, open_files: int) -> None:
    """Limits for the programs to come, and a memory that programs of the same user can neither read nor write."""
    resource.setrlimit(resource.RLIMIT_NPROC, (processes + RESERVE, processes + RESERVE))
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    ceilings[resource.RLIMIT_NPROC] = processes
    ceilings[resource.RLIMIT_DATA] = memory
    ceilings[resource.RLIMIT_FSIZE] = file_size
    ceilings[resource.RLIMIT_NOFILE] = min(open_files, most_files)
    ceilings[resource.RLIMIT_CORE] = 0
    library("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def library(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library."""
    _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), name), arguments)  # type: ignore[arg-type]


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
    watch(wake, lambda: reap(wake))
    while True:
        for fd, _ in poller.poll():
            if action := watched.get(fd):
                action()


if __name__ == "__main__":
    main()
