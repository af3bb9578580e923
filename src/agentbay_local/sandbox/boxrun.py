"""The daemon's programs: started on pipes or on a terminal, watched, ended, and their ends reported.

Runs inside the sandbox beside boxd.py, under the same rule: nothing is imported that is slow to import.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be the slowest import of all
    from collections.abc import Callable, Iterator
    from typing import Final, NoReturn

    from agentbay_local.sandbox.boxcall import CHUNK, Call, close_all, encode, failure, unwatch, watch
else:
    from boxcall import CHUNK, Call, close_all, encode, failure, unwatch, watch

FULLEST_PIPE: Final = 1 << 20
MOST_ROUNDS: Final = 20
"""Looks for what is left of a terminal's session; whatever starts programs faster than that survives them."""

running: dict[int, Call] = {}
ceilings: dict[int, int] = {}


def become(argv: list[str], cwd: str, env: dict[str, str], sit: Callable[[], object], report: int) -> NoReturn:
    """In a fresh child: turn into the program, or write down why not."""
    try:
        sit()
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


def take(ends: list[int]) -> None:
    """Make a session of one's own, with these as standard streams."""
    os.setsid()
    for target, fd in enumerate(ends):
        os.dup2(fd, target)


def run(call: Call, argv: list[str], cwd: str, env: dict[str, str], stdio: list[bool]) -> None:
    """Start a program in a session of its own, with the host's pipes where `stdio` says so and /dev/null elsewhere."""
    given = iter(call.fds)
    null = os.open("/dev/null", os.O_RDWR)
    ends = [next(given) if wanted else null for wanted in stdio]
    try:
        start(call, argv, cwd, env, lambda: take(ends), end)
    finally:
        os.close(null)


def terminal(call: Call, argv: list[str], cwd: str, env: dict[str, str], cols: int, rows: int) -> None:
    """Start a program in a new terminal, which it controls. The other side of the terminal is the host's."""
    import termios  # noqa: PLC0415  (only those who open terminals pay for it)

    master, slave = os.openpty()
    call.gifts, call.fds = [master], [slave]
    termios.tcsetwinsize(slave, (rows, cols))
    start(call, argv, cwd, env, lambda: os.login_tty(slave), end_session)


def start(
    call: Call,
    argv: list[str],
    cwd: str,
    env: dict[str, str],
    sit: Callable[[], object],
    stop: Callable[[Call, int], object],
) -> None:
    """Start a program that takes its place by `sit`, and is ended by `stop`."""
    call.report, report = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            become(argv, cwd, env, sit, report)
    except OSError:
        os.close(call.report)
        raise
    finally:
        os.close(report)
    call.release()
    running[pid] = call
    watch(call.report, lambda: started(call))
    watch(call.channel.fileno(), lambda: stop(call, pid))


def started(call: Call) -> None:
    """The program has replaced our child, or could not: tell the host which."""
    if call.report < 0:
        return
    said = os.read(call.report, CHUNK)
    unwatch(call.report)
    os.close(call.report)
    call.report, call.failed = -1, bool(said)
    call.send(said or b"{}", *([] if said else call.gifts))
    close_all(call.gifts)


def end(call: Call, pid: int) -> None:
    """The host has hung up: end the program's group. Its exit is then reported as any other."""
    unwatch(call.channel.fileno())
    os.kill(pid, _signal.SIGKILL)
    kill(-pid)  # there is none if it had not even made its group


def kill(pid: int) -> None:
    """End a process, or a group if the number is negative, that may have ended already."""
    try:
        os.kill(pid, _signal.SIGKILL)
    except ProcessLookupError:
        return


def end_session(call: Call, pid: int) -> None:
    """As `end`, for a program in a terminal: the jobs of a shell have groups of their own, but share its session."""
    end(call, pid)
    for _ in range(MOST_ROUNDS):
        left = list(members(pid))
        if not left:
            return
        for one in left:
            kill(one)


def members(session: int) -> Iterator[int]:
    """The processes of a session that have not ended."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (facts := status(name)) and int(facts[3]) == session and facts[0] not in (b"Z", b"X"):
            yield int(name)


def status(pid: str) -> list[bytes]:
    """State, parent, group, session and more of a process; nothing if it has vanished."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        line = os.read(fd, 1024)
    except ProcessLookupError:
        return []
    finally:
        os.close(fd)
    return line[line.rindex(b")") + 2 :].split()


def reap(wake: int) -> None:
    """Take in every process that has ended: our own children, and the orphans that became ours."""
    os.read(wake, CHUNK)
    while True:
        try:
            pid, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if call := running.pop(pid, None):
            finish(call, os.waitstatus_to_exitcode(code))


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
