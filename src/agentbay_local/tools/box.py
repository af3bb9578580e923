"""What tools may use: a session's sandbox, and what they keep about it between two calls."""

from __future__ import annotations

import asyncio
import logging
import posixpath
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from attrs import Factory, define, field

from agentbay_local.browser.model import Model
from agentbay_local.browser.operator import Operator
from agentbay_local.browser.process import Browser
from agentbay_local.code import Kernels
from agentbay_local.code.kernel import DriverGone
from agentbay_local.desktop import Desktop
from agentbay_local.oss import Storage
from agentbay_local.sandbox.contract import Limits, Sandbox, SandboxError, SandboxGone

HOME = "/home/wuying"
WORKSPACE = "/workspace"
log = logging.getLogger("agentbay_local")

TEMPORARY = ".agentbay-write-"
"""How the names of files begin that are being written and will take another's place."""

MOST_TRANSFERS = 4
"""Files that go to or come from object storage at the same time; more of them wait."""

Snapshot = dict[str, tuple[str, int, int]]
"""What was below a directory: path -> type, size in bytes, time of the last change in ns."""

Publish = Callable[[bytes, str], str]
"""Takes a file's bytes and their media type, and gives the address under which they can be had for a while."""


@define(eq=False)
class Box:
    """One session as its tools see it.

    `env` holds the session's variables. `publish` gives a picture an address. `model` is what the page operator thinks
    with. `sample` is what get_metrics saw last: the time, the CPU seconds used until then, and the percentage it
    answered. `storage` says where the session's buckets are, with the key to them. `page` is the address at which a
    person can look at the session.
    """

    sandbox: Sandbox
    image: str = "linux_latest"
    limits: Limits = field(factory=Limits)
    env: dict[str, str] = field(factory=dict)
    publish: Publish | None = None
    model: Model | None = None
    desktop: Desktop = Factory(lambda self: Desktop(self.sandbox), takes_self=True)
    browser: Browser = Factory(lambda self: Browser(self.sandbox, desktop=self.shown_on), takes_self=True)
    operator: Operator = Factory(lambda self: Operator(self.browser, self.model), takes_self=True)
    kernels: Kernels = Factory(lambda self: Kernels(self.sandbox, cwd=self.workdir, env=self.env), takes_self=True)
    snapshots: OrderedDict[str, Snapshot] = field(factory=OrderedDict)
    writing: asyncio.Lock = field(factory=asyncio.Lock)
    started_at: float = field(factory=time.monotonic)
    sample: tuple[float, float, float] = Factory(lambda self: (self.started_at, 0.0, 0.0), takes_self=True)
    shell: str = ""
    page: str = field(default="", repr=False)
    storage: Storage | None = field(default=None, repr=False)
    transfers: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(MOST_TRANSFERS), repr=False)

    @property
    def shown_on(self) -> Desktop | None:
        """Where the browser has its window; it has none in images without a desktop to work."""
        return self.desktop if self.image == "linux_latest" else None

    @property
    def workdir(self) -> str:
        """Where commands start."""
        return WORKSPACE if self.image == "code_latest" else HOME

    def path(self, given: str) -> str:
        """The absolute path, as the sandbox sees it; `~` is the home folder, and what is relative starts there."""
        if given == "~" or given.startswith("~/"):
            given = HOME + given[1:]
        return "/" + "/".join(part for part in posixpath.join(HOME, given).split("/") if part not in ("", "."))

    async def prestart(self) -> None:
        """Have the Python interpreter ready before the first run_code, if the image offers it.

        What goes wrong here goes wrong again in that call, which then says so.
        """
        if self.image == "code_latest":
            try:
                await self.kernels.start("python")
            except (DriverGone, SandboxError, OSError) as error:
                log.debug("no interpreter could be made ready: %s", error)

    def move(self, sandbox: Sandbox) -> None:
        """Go on in another sandbox, in which nothing runs yet; variables and all that is known of files stay."""
        self.sandbox = sandbox
        self.desktop = Desktop(sandbox)
        self.browser = self.browser.elsewhere(sandbox, self.shown_on)
        self.operator = Operator(self.browser, self.model)
        self.kernels = Kernels(sandbox, cwd=self.workdir, env=self.env)
        self.sample = (time.monotonic(), 0.0, 0.0)

    async def close(self) -> None:
        """End the sandbox, with its interpreters, its desktop and its browser. May be called again."""
        await self.operator.close()
        await self.sandbox.close()
        await self.desktop.close()
        await self.browser.close()
        with suppress(SandboxGone):
            await self.kernels.close()


MakeBox = Callable[[Sandbox, str, dict[str, str]], Box]
"""Makes a session's box of its sandbox, its image and its variables."""
