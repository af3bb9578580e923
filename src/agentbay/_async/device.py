"""What desktops and phones have in common: a screen, a keyboard, apps."""

from __future__ import annotations

from typing import Any

from agentbay._input import words
from agentbay._tools import ToolAnswer
from agentbay.errors import AgentBayError
from agentbay.types.computer import AppOperationResult, InstalledAppListResult, ProcessListResult, operation
from agentbay.types.response import BoolResult, OperationResult
from agentbay.types.screenshot import ScreenshotResult, image_format, read_screenshot

from .module import AsyncModule

__all__ = ["AsyncDevice"]


class AsyncDevice(AsyncModule):
    """The base of the modules of a desktop and a phone."""

    _capture_failure = "Failed to take screenshot"

    async def input_text(self, text: str) -> BoolResult:
        """Type text where the focus is.

        Args:
            text: what to type.

        Raises:
            SessionError: no usable answer came.

        Source: tool `input_text`.
        """
        return await self._call("input_text", BoolResult, text=text)

    async def screenshot(self) -> OperationResult:
        """Take a picture of the screen and leave it in the service's store.

        Returns:
            In `data` the URL of a PNG file, which anybody may fetch for 64 minutes. A failure in sessions that have a
            direct link: those have `beta_take_screenshot`.

        Raises:
            SessionError: no usable answer came.

        Source: tool `system_screenshot`.
        """
        if self.session.link_url:
            return OperationResult.failed(self._unsupported("screenshot", "beta_take_screenshot"))
        return operation(await self._read("system_screenshot"), "screenshot")

    async def beta_take_screenshot(self, format: str = "png") -> ScreenshotResult:
        """Take a picture of the screen and get its bytes; only in sessions that have a direct link.

        Args:
            format: `png`, or `jpeg` (also `jpg`).

        Returns:
            The file's bytes in `data`.

        Raises:
            ValueError: the format is another one.
            AgentBayError: the session has no direct link, the service refused, or the tool failed.
            SessionError: no usable answer came, or none that is a picture.

        Source: tool `screenshot`.
        """
        kind = image_format(format)
        if not self.session.link_url:
            raise self._unsupported("beta_take_screenshot", "screenshot")
        return read_screenshot(await self._read("screenshot", format=kind), kind, self._capture_failure)

    async def start_app(self, start_cmd: str, work_directory: str = "", activity: str = "") -> ProcessListResult:
        """Start an app.

        Args:
            start_cmd: the command line, such as an installed app's `start_cmd`; on a phone
                `monkey -p com.example.app 1`.
            work_directory: where it runs; empty means the system's choice.
            activity: the activity of a phone's app, such as `.SettingsActivity`; empty means its main one.

        Returns:
            The processes that were started in `data`.

        Raises:
            ValueError: `start_cmd` is empty.
            SessionError: no usable answer came.

        Source: tool `start_app`.
        """
        own: dict[str, Any] = {
            "start_cmd": words("start_cmd", start_cmd),
            "work_directory": work_directory or None,
            "activity": activity or None,
        }
        return await self._call("start_app", ProcessListResult, **own)

    async def stop_app_by_cmd(self, stop_cmd: str) -> AppOperationResult:
        """Stop an app by a command.

        Args:
            stop_cmd: the command line, such as an installed app's `stop_cmd`; on a phone the package's name.

        Raises:
            ValueError: it is empty.
            SessionError: no usable answer came.

        Source: tool `stop_app_by_cmd`.
        """
        return await self._call("stop_app_by_cmd", AppOperationResult, stop_cmd=words("stop_cmd", stop_cmd))

    async def _installed_apps(
        self, start_menu: bool, desktop: bool, ignore_system_apps: bool
    ) -> InstalledAppListResult:
        wanted = {"start_menu": start_menu, "desktop": desktop, "ignore_system_app": ignore_system_apps}
        return await self._call("get_installed_apps", InstalledAppListResult, repeatable=True, **wanted)

    async def _read(self, tool: str, work: float = 0.0, **args: Any) -> ToolAnswer:
        """Run a tool that changes nothing, and give what it said."""
        return await self.session._run_tool(tool, args, work=work, repeatable=True)

    def _unsupported(self, method: str, other: str) -> AgentBayError:
        text = f"This cloud environment does not support `{method}()`. Please use `{other}()` instead."
        return AgentBayError(text, session_id=self.session.session_id)
