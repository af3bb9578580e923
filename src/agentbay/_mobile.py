"""The settings of a phone as shell commands. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agentbay._deadline import now
from agentbay._shell import quote
from agentbay.types.mobile_config import MobileExtraConfig, MobileSimulateConfig

__all__ = [
    "DEVICE_FILE",
    "app_blacklist",
    "app_whitelist",
    "navigation_bar",
    "resolution_lock",
    "settings_commands",
    "simulation_commands",
    "uninstall_blacklist",
]

DEVICE_FILE = "dev_info.json"

_MODES = {"SensorsOnly": " -sensors", "PackagesOnly": " -packages", "ServicesOnly": " -services", "All": " -all"}


# --- Settings ---------------------------------------------------------------------------------------------------------


def resolution_lock(enable: bool) -> str:
    """Lock the screen's resolution, or let it change."""
    return f"setprop sys.wuying.lockres {int(enable)}"


def navigation_bar(hide: bool) -> str:
    """Hide the navigation bar or show it; what draws it has to start again."""
    return f"setprop persist.wy.hasnavibar {'false' if hide else 'true'}; killall com.android.systemui"


def app_whitelist(package_names: Sequence[str]) -> str:
    """Let only these apps run. Raises ValueError."""
    return _listed(package_names, "/data/system/pm_whitelist.txt", _refresh("whitelist", 2))


def app_blacklist(package_names: Sequence[str]) -> str:
    """Let all but these apps run. Raises ValueError."""
    return _listed(package_names, "/data/system/pm_blacklist.txt", _refresh("blacklist", 1))


def uninstall_blacklist(package_names: Sequence[str]) -> str:
    """Keep these apps from being uninstalled. Raises ValueError."""
    return _listed(package_names, "/data/system/pm_lock.conf", f"setprop persist.wy.pm_lock.trigger {int(now())}")


def _refresh(name: str, switch: int) -> str:
    return f"setprop rw.wy.pm_{name}.refresh 1; setprop persist.wy.pm_blacklist.switch {switch}"


def _listed(package_names: Sequence[str], path: str, notice: str) -> str:
    """Write names into a file, one a line, and tell the system; no names are no command.

    Raises:
        ValueError: a name would be more than one line, or the end of the list.
    """
    for name in package_names:
        if not re.fullmatch(r"[^\s\x00-\x1f\x7f]+", name) or name == "EOF":
            raise ValueError(f"A package name must be one word, such as 'com.example.app', not {name!r}")
    if not package_names:
        return ""
    lines = "\n".join(package_names)
    return f"cat > {path} << 'EOF'\n{lines}\nEOF\nchmod 644 {path}; {notice}"


def settings_commands(config: MobileExtraConfig) -> list[str]:
    """The commands that make a phone as it is wanted, in the service's order. Raises ValueError."""
    config.validate()
    rule = config.app_manager_rule
    listed = {"White": app_whitelist, "Black": app_blacklist}.get(rule.rule_type or "") if rule else None
    steps = [
        "" if config.lock_resolution is None else resolution_lock(config.lock_resolution),
        listed(rule.app_package_name_list or ()) if rule and listed else "",
        "" if config.hide_navigation_bar is None else navigation_bar(config.hide_navigation_bar),
        uninstall_blacklist(config.uninstall_blacklist or ()),
    ]
    return [step for step in steps if step]


# --- Simulation -------------------------------------------------------------------------------------------------------


def simulation_commands(config: MobileSimulateConfig | None) -> list[str]:
    """The command that makes a phone look like another one; none when that is not wanted."""
    if config is None or not config.simulate or not config.simulate_path:
        return []
    mode = str(getattr(config.simulate_mode, "value", config.simulate_mode))
    path = config.simulate_path
    return [f"chmod -R a+rwx {_word(path)}; wya apply{_MODES.get(mode, '')} {_word(f'{path}/{DEVICE_FILE}')}"]


def _word(path: str) -> str:
    return path if re.fullmatch(r"[\w/.-]+", path, re.ASCII) else quote(path)
