"""A phone in a session: touch, keys, screen, apps and settings."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from agentbay import _mobile
from agentbay._input import MAX_PIXELS, milliseconds, number, pixels, words
from agentbay.actions import GetAdbLink
from agentbay.errors import AgentBayError, SessionError
from agentbay.types.computer import InstalledAppListResult
from agentbay.types.mobile import AdbUrlResult, UIElementListResult
from agentbay.types.mobile_config import MobileExtraConfig
from agentbay.types.response import BoolResult
from agentbay.types.screenshot import ScreenshotResult, image_format, read_screenshot

from .device import AsyncDevice

__all__ = ["AsyncMobile"]

logger = logging.getLogger("agentbay")

FORMATS = ("json", "xml")

# Seconds that scrolling through a long page may take, each screen of it.
SCREEN_TIME = 10.0


class AsyncMobile(AsyncDevice):
    """Works a phone as a person would. Places are in pixels from the upper left corner of the screen, from 0.

    It needs a phone's image, such as `mobile_latest`.
    """

    # --- Touch and keys -----------------------------------------------------------------------------------------------

    async def tap(self, x: int, y: int) -> BoolResult:
        """Touch a place.

        Args:
            x: pixels from the left.
            y: pixels from the top.

        Raises:
            ValueError: a place is not from 0 to 65535.
            SessionError: no usable answer came.

        Source: tool `tap`; `click` in images that have only that.
        """
        servers = self.session.tool_servers
        tool = "click" if "click" in servers and "tap" not in servers else "tap"
        return await self._call(tool, BoolResult, **pixels(x=x, y=y))

    async def swipe(self, start_x: int, start_y: int, end_x: int, end_y: int, duration_ms: int = 300) -> BoolResult:
        """Draw a finger from one place to another.

        Args:
            start_x: where to begin, pixels from the left.
            start_y: where to begin, pixels from the top.
            end_x: where to end, pixels from the left.
            end_y: where to end, pixels from the top.
            duration_ms: milliseconds that it takes.

        Raises:
            ValueError: a place is not from 0 to 65535, or the duration not from 1 to 600000.
            SessionError: no usable answer came.

        Source: tool `swipe`.
        """
        places = pixels(start_x=start_x, start_y=start_y, end_x=end_x, end_y=end_y)
        duration = milliseconds("duration_ms", duration_ms)
        return await self._call("swipe", BoolResult, work=duration / 1000, **places, duration_ms=duration)

    async def send_key(self, key: int) -> BoolResult:
        """Press a key.

        Args:
            key: its Android code, such as `KeyCode.KEYCODE_HOME`.

        Raises:
            ValueError: it is not from 0 to 65535.
            SessionError: no usable answer came.

        Source: tool `send_key`.
        """
        return await self._call("send_key", BoolResult, key=number("key", key, 0, MAX_PIXELS, "a key code"))

    # --- Screen -------------------------------------------------------------------------------------------------------

    async def get_clickable_ui_elements(self, timeout_ms: int = 2000) -> UIElementListResult:
        """Find what can be tapped.

        Args:
            timeout_ms: milliseconds that the search may take.

        Returns:
            The elements, each with its place in `bounds_rect`.

        Raises:
            ValueError: the time-out is not from 1 to 600000.
            SessionError: no usable answer came.

        Source: tool `get_clickable_ui_elements`.
        """
        limit = milliseconds("timeout_ms", timeout_ms)
        answer = await self._read("get_clickable_ui_elements", limit / 1000, timeout_ms=limit)
        return UIElementListResult.clickable(answer)

    async def get_all_ui_elements(self, timeout_ms: int = 2000, format: str = "json") -> UIElementListResult:
        """Find all that is on the screen.

        Args:
            timeout_ms: milliseconds that the search may take.
            format: `json` gives the elements, `xml` the system's own dump in `raw`.

        Returns:
            The elements, each with its place in `bounds_rect`; a failure when the format is another one.

        Raises:
            ValueError: the time-out is not from 1 to 600000.
            SessionError: no usable answer came.

        Source: tool `get_all_ui_elements`.
        """
        limit = milliseconds("timeout_ms", timeout_ms)
        if format not in FORMATS:
            fault = f"Unsupported UI elements format: '{format}'. Supported values: 'json', 'xml'."
            return UIElementListResult.failed(AgentBayError(fault, session_id=self.session.session_id))
        answer = await self._read("get_all_ui_elements", limit / 1000, timeout_ms=limit, format=format)
        return UIElementListResult.whole_screen(answer, format)

    async def beta_take_long_screenshot(
        self, max_screens: int = 4, format: str = "png", quality: int | None = None
    ) -> ScreenshotResult:
        """Take one picture of a page that is longer than the screen, by scrolling through it.

        Args:
            max_screens: how many screens long it may be, 2 to 10.
            format: `png`, or `jpeg` (also `jpg`).
            quality: of a jpeg, 1 to 100; None means the tool's own.

        Returns:
            The file's bytes in `data`.

        Raises:
            ValueError: an argument is out of its range.
            AgentBayError: the service refused, or the tool failed.
            SessionError: no usable answer came, or none that is a picture.

        Source: tool `long_screenshot`.
        """
        kind = image_format(format)
        screens = _in_range("max_screens", max_screens, 2, 10)
        own = {} if quality is None else {"quality": _in_range("quality", quality, 1, 100)}
        answer = await self._read("long_screenshot", screens * SCREEN_TIME, max_screens=screens, format=kind, **own)
        return read_screenshot(answer, kind, "Failed to take long screenshot")

    # --- Apps ---------------------------------------------------------------------------------------------------------

    async def get_installed_apps(
        self, start_menu: bool, desktop: bool, ignore_system_apps: bool
    ) -> InstalledAppListResult:
        """List the installed apps.

        Args:
            start_menu: those of the start menu.
            desktop: those with an icon on the home screen.
            ignore_system_apps: leave out those that belong to the system.

        Returns:
            The apps in `data`, each with its name and the commands that start and stop it.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_installed_apps`.
        """
        return await self._installed_apps(start_menu, desktop, ignore_system_apps)

    async def get_adb_url(self, adbkey_pub: str) -> AdbUrlResult:
        """Let `adb` on your machine reach the phone.

        Args:
            adbkey_pub: your public key, the content of `~/.android/adbkey.pub`.

        Returns:
            In `data` the command `adb connect host:port`.

        Raises:
            ValueError: the key is empty.
            SessionError: no usable answer came.

        Source: action `GetAdbLink`.
        """
        key = {"adbkey_pub": words("adbkey_pub", adbkey_pub)}
        return AdbUrlResult.of_link(await self.session._send(GetAdbLink(self.session.session_id, key)))

    # --- Settings -----------------------------------------------------------------------------------------------------

    async def configure(self, mobile_config: MobileExtraConfig) -> BoolResult:
        """Apply the settings that are not None, as the creation of a session does.

        Args:
            mobile_config: the settings; a device to simulate is only for the creation.

        Returns:
            Success, or the first failure; the other settings are applied all the same.

        Raises:
            ValueError: a setting is refused.
            SessionError: no usable answer came.

        Source: tool `shell`, once for each setting.
        """
        return await self._apply(_mobile.settings_commands(mobile_config))

    async def set_resolution_lock(self, enable: bool) -> BoolResult:
        """Lock the screen's resolution, or let it change.

        Args:
            enable: True locks it.

        Raises:
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        return await self._apply([_mobile.resolution_lock(enable)])

    async def set_app_whitelist(self, package_names: list[str]) -> BoolResult:
        """Let only these apps run.

        Args:
            package_names: their packages; an empty list changes nothing.

        Raises:
            ValueError: a name is not one word.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        return await self._apply([_mobile.app_whitelist(package_names)])

    async def set_app_blacklist(self, package_names: list[str]) -> BoolResult:
        """Let all apps but these run.

        Args:
            package_names: their packages; an empty list changes nothing.

        Raises:
            ValueError: a name is not one word.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        return await self._apply([_mobile.app_blacklist(package_names)])

    async def set_navigation_bar_visibility(self, hide: bool) -> BoolResult:
        """Hide the navigation bar, or show it.

        Args:
            hide: True hides it.

        Raises:
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        return await self._apply([_mobile.navigation_bar(hide)])

    async def set_uninstall_blacklist(self, package_names: list[str]) -> BoolResult:
        """Keep apps from being uninstalled.

        Args:
            package_names: their packages; an empty list changes nothing.

        Raises:
            ValueError: a name is not one word.
            SessionError: no usable answer came.

        Source: tool `shell`.
        """
        return await self._apply([_mobile.uninstall_blacklist(package_names)])

    async def _apply(self, steps: Sequence[str]) -> BoolResult:
        """Run the steps one after the other, whatever becomes of them; the first failure, if there is one."""
        results = [await self._shell(step) for step in steps if step]
        failed = (result for result in results if not result.success)
        return next(failed, results[-1] if results else BoolResult(success=True, data=True))

    async def _shell(self, step: str) -> BoolResult:
        done = await self.session.command.execute_command(step)
        if done.error is not None:
            return BoolResult.failed(done.error)
        return BoolResult(done.request_id, success=True, data=True)

    async def _prepare(self, steps: Sequence[str]) -> None:
        """Run the steps of a new session; no outcome of this makes the creation fail."""
        try:
            error = (await self._apply(steps)).error
        except SessionError as lost:
            error = lost
        if error is not None:
            logger.warning("session %s: a mobile setting failed: %s", self.session.session_id, type(error).__name__)


def _in_range(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"Invalid {name}: must be an integer in [{least}, {most}], not {value!r}")
    return value
