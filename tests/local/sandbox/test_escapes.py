"""Ways out of a sandbox that have worked elsewhere, each tried for real from inside."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agentbay_local.sandbox import bwrap
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed
from agentbay_local.sandbox.pool import BwrapEngine

Run = Callable[..., Awaitable[Completed]]
Tried = Callable[[str], Awaitable[str]]

CALLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *args)
    print(errno.errorcode[ctypes.get_errno()] if result == -1 else "SUCCEEDED")
"""
X86 = os.uname().machine == "x86_64"
only_x86 = pytest.mark.skipif(not X86, reason="system call numbers are those of x86_64")


@pytest.fixture
def tried(python: Run) -> Tried:
    """What a Python statement says inside: "fine", or the name of its error."""

    async def attempt(statement: str) -> str:
        done = await python(f"""
            import errno, os, socket, mmap, fcntl
            try:
                {statement}
                print("fine")
            except OSError as error:
                print(errno.errorcode.get(error.errno, error.errno))
        """)
        return done.stdout.decode().strip() or done.stderr.decode()

    return attempt


@pytest.fixture
def called(python: Run) -> Tried:
    """What the kernel says to a raw system call inside."""

    async def attempt(call: str) -> str:
        done = await python(CALLS + f"call({call})")
        return done.stdout.decode().strip() or done.stderr.decode()

    return attempt


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow", "/etc/hostname", "/etc/machine-id", "/var/run/docker.sock", "/run/docker.sock", "/dev/kvm",
        "/dev/kmsg", "/dev/mem", "/dev/fuse", "/dev/vda", "/dev/sda", "/sys/kernel", "/boot", "/lost+found",
        "/proc/1/root/boot",
    ],
)  # fmt: skip
async def test_places_of_the_host_do_not_exist_inside(tried: Tried, path: str) -> None:
    assert await tried(f"os.stat({path!r})") in {"ENOENT", "EACCES"}


async def test_homes_of_the_host_are_not_there(shell: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    done = await shell(f"ls -A /home /root 2>/dev/null; ls {tmp_path} {Path.home()}/.ssh 2>/dev/null")
    found = {line for line in done.stdout.decode().split() if not line.endswith(":")}
    # A home in which the interpreter is installed shows the way to it, and nothing else.
    assert {"wuying"} == found - {part for prefix in bwrap.prefixes() for part in prefix.parts}


async def test_only_processes_of_the_sandbox_are_seen(python: Run) -> None:
    done = await python(
        "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()) == [1, os.getpid()])"
    )
    assert b"True\n" == done.stdout


async def test_processes_of_the_host_cannot_be_signalled(tried: Tried) -> None:
    assert "ESRCH" == await tried(f"os.kill({os.getpid() + 100_000}, 9)")


async def test_sandboxes_do_not_see_each_other(engine: BwrapEngine) -> None:
    first, second = await engine.create(), await engine.create()
    await first.run(["sh", "-c", "sleep 300 & echo secret > /tmp/x"])
    done = await second.run(["sh", "-c", "pgrep sleep; ls -A /tmp/x; true"])
    assert b"" == done.stdout


@only_x86
@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("165, b'none', b'/tmp', b'tmpfs', 0, None", "EPERM"),  # mount
        ("165, None, b'/', None, 32 | 4096, None", "EPERM"),  # remount, writable
        ("166, b'/proc', 2", "EPERM"),  # umount2
        ("161, b'/tmp'", "EPERM"),  # chroot
        ("155, b'/', b'/tmp'", "EPERM"),  # pivot_root
        ("428, -100, b'/', 1", "EPERM"),  # open_tree
        ("430, b'tmpfs', 0", "EPERM"),  # fsopen
        ("442, -100, b'/', 0, None, 0", "EPERM"),  # mount_setattr
        ("272, 0x10000000", "EPERM"),  # unshare, user namespace
        ("272, 0x00020000", "EPERM"),  # unshare, mount namespace
        ("308, 3, 0", "EPERM"),  # setns
        ("56, 0x10000011, 0, 0, 0, 0", "EPERM"),  # clone, user namespace
        ("56, 0x40000011, 0, 0, 0, 0", "EPERM"),  # clone, network namespace
        ("435, 0, 0", "ENOSYS"),  # clone3
        ("101, 16, 1, 0, 0", "EPERM"),  # ptrace, attach to the daemon
        ("310, 1, 0, 0, 0, 0, 0", "EPERM"),  # process_vm_readv
        ("311, 1, 0, 0, 0, 0, 0", "EPERM"),  # process_vm_writev
        ("438, 3, 0, 0", "EPERM"),  # pidfd_getfd
        ("250, 0, -3, 0", "EPERM"),  # keyctl
        ("248, b'user', b'x', b'y', 1, -3", "EPERM"),  # add_key
        ("425, 4, 0", "EPERM"),  # io_uring_setup
        ("321, 0, 0, 0", "EPERM"),  # bpf
        ("298, 0, 0, -1, -1, 0", "EPERM"),  # perf_event_open
        ("323, 1", "EPERM"),  # userfaultfd
        ("319, b'x', 0", "ENOSYS"),  # memfd_create
        ("447, 0", "ENOSYS"),  # memfd_secret
        ("29, 0, 4096, 0o1600", "ENOSYS"),  # shmget
        ("135, 0x0040000", "EPERM"),  # personality, ADDR_NO_RANDOMIZE
        ("135, ctypes.c_ulong(0xFFFFFFFF)", "SUCCEEDED"),
        ("302, 1, 7, 0, 0", "EPERM"),  # prlimit64 of the daemon
        ("302, 0, 7, 0, 0", "SUCCEEDED"),
        ("304, -100, 0, 0", "EPERM"),  # open_by_handle_at
        ("169, 0xfee1dead, 672274793, 0, 0", "EPERM"),  # reboot
        ("175, 0, 0, 0", "EPERM"),  # init_module
        ("170, b'x', 1", "EPERM"),  # sethostname
        ("0x40000000 | 39", "ENOSYS"),  # getpid of x32
        ("16, 0, ctypes.c_ulong(0x5412), b'x'", "EPERM"),  # ioctl TIOCSTI
        ("16, 0, ctypes.c_ulong(0x100005412), b'x'", "EPERM"),  # the same, for a kernel that looks at half of it
        ("16, 0, ctypes.c_ulong(0x541C), b'x'", "EPERM"),  # ioctl TIOCLINUX
        ("16, 0, ctypes.c_ulong(0x5401), b'x' * 64", "ENOTTY"),  # ioctl TCGETS is let through
        ("41, 16, 3, 9", "EAFNOSUPPORT"),  # netlink, audit
        ("41, 16, 3, 0", "SUCCEEDED"),  # netlink, routes
    ],
)
async def test_the_kernel_refuses(called: Tried, call: str, answer: str) -> None:
    assert answer == await called(call)


@pytest.mark.parametrize(
    "statement",
    [
        "os.write(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY), b'core')",
        "os.open('/proc/sysrq-trigger', os.O_WRONLY)",
        "os.open('/proc/sys/vm/drop_caches', os.O_WRONLY)",
        "open('/proc/1/environ').read()",
        "open('/proc/1/mem', 'r+b')",
        "open('/proc/1/maps').read()",
        "os.listdir('/proc/1/fd')",
        "os.readlink('/proc/1/root')",
        "os.readlink('/proc/1/exe')",
        "open('/proc/kcore', 'rb').read(1)",
        "open('/proc/kmsg', 'rb').read(1)",
        "os.mknod('/tmp/disk', 0o60666, os.makedev(254, 0))",
        "os.mknod('/tmp/mem', 0o20666, os.makedev(1, 1))",
        "os.setuid(0)",
        "os.setgid(0)",
        "os.setgroups([0])",
        "os.chown('/tmp', 0, 0)",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "open('/usr/x', 'w')",
        "os.chmod('/usr/bin', 0o777)",
        "open('/etc/passwd', 'w')",
        "os.chmod('/etc/passwd', 0o666)",
        "os.unlink('/etc/passwd')",
        "open('/run/agentbay/boxd.pyc', 'w')",
        "open('/x', 'w')",
        "os.mkdir('/dev/x')",
        "open('/dev/x', 'w')",
        "os.unlink('/dev/null')",
        "os.chmod('/dev/null', 0)",
        "open('/var/x', 'w')",
        "open('/mnt/x', 'w')",
        "os.write(os.open('/proc/self/uid_map', os.O_WRONLY), b'0 0 1')",
    ],
)
async def test_nothing_comes_of(tried: Tried, statement: str) -> None:
    assert await tried(statement) in {"EACCES", "EPERM", "EROFS", "EINVAL", "ENOENT"}


async def test_the_first_process_cannot_be_killed_or_stopped_from_inside(python: Run, box: Box) -> None:
    await python("""
        import os, signal
        for number in range(1, 65):
            if number not in (32, 33): os.kill(1, number)
    """)
    assert 0 == (await box.run(["true"])).code


async def test_a_program_that_kills_all_it_can_reach_ends_no_sandbox(box: Box, shell: Run) -> None:
    await shell("kill -9 -1")
    assert 0 == (await box.run(["true"])).code


async def test_privileges_are_gone_for_good(shell: Run) -> None:
    done = await shell("grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status | cut -f2")
    assert ["0" * 16] * 5 + ["1", "2"] == done.stdout.decode().split()


async def test_setuid_programs_give_nothing(shell: Run) -> None:
    done = await shell(
        "cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u; su -c id root </dev/null >/dev/null 2>&1; echo $?"
    )
    assert ["1000", "1"] == done.stdout.decode().split()


async def test_no_terminal_of_the_host_is_inherited(tried: Tried) -> None:
    assert "ENXIO" == await tried("open('/dev/tty')")


async def test_nothing_of_the_servers_environment_is_inside(monkeypatch: pytest.MonkeyPatch, shell: Run) -> None:
    monkeypatch.setenv("AGENTBAY_API_KEY", "very-secret")
    done = await shell("env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert b"very-secret" not in done.stdout


async def test_a_program_has_no_descriptors_but_its_own(shell: Run) -> None:
    assert ["0", "1", "2", "3"] == (await shell("exec ls /proc/self/fd")).stdout.decode().split()


def credentials(pid: int) -> tuple[list[str], list[str]]:
    """The users and groups of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    return facts["Uid"].split(), facts["Groups"].split()


async def test_no_sandbox_runs_as_root_of_the_host(box: Box) -> None:
    users, groups = credentials(box.first)
    assert "0" not in users
    if os.geteuid() == 0:
        assert ([], True) == (groups, all(int(user) >= 1000 for user in users))


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has one host user for all its sandboxes")
async def test_each_sandbox_of_roots_server_is_another_user(engine: BwrapEngine) -> None:
    boxes = [await engine.create() for _ in range(2)]
    assert 2 == len({credentials(box.first)[0][0] for box in boxes})


async def test_no_path_in_the_abstract_leads_to_a_socket_of_the_host(tried: Tried, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        assert "ENOENT" == await tried(f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})")
