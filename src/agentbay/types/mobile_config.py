"""Settings that a mobile session starts with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, Self

from attrs import define

from agentbay._checked import checked_fields
from agentbay._value import Choice

__all__ = ["AppManagerRule", "ExtraConfigs", "MobileExtraConfig", "MobileSimulateConfig", "MobileSimulateMode"]

SIMULATE_PATH = "/data/agentbay_mobile_info"


class MobileSimulateMode(Choice):
    """What of another device is simulated."""

    PROPERTIES_ONLY = "PropertiesOnly"
    SENSORS_ONLY = "SensorsOnly"
    PACKAGES_ONLY = "PackagesOnly"
    SERVICES_ONLY = "ServicesOnly"
    ALL = "All"


class Settings:
    """The base: settings with the service's names, in both directions."""

    __slots__ = ()
    names: ClassVar[Mapping[str, str]] = {}
    kinds: ClassVar[Mapping[str, Any]] = {}

    def validate(self) -> None:
        """Check the settings and those within.

        Raises:
            ValueError: a rule is of an unknown type, or a path is missing.
        """
        for name in self.kinds:
            part = getattr(self, name)
            if part is not None and isinstance(part, Settings):
                part.validate()

    def to_map(self) -> dict[str, Any]:
        """What is set, with the service's names."""
        values = ((wire, getattr(self, name)) for name, wire in self.names.items())
        return {wire: _plain(value) for wire, value in values if value is not None}

    @classmethod
    def from_map(cls, m: Mapping[str, Any] | None = None) -> Self:
        """Read settings with the service's names; others are ignored."""
        return cls._from(m or {})

    @classmethod
    def _from(cls, given: Mapping[str, Any]) -> Self:
        found = {name: given[wire] for name, wire in cls.names.items() if given.get(wire) is not None}
        return cls(**{name: _read(cls.kinds.get(name), value) for name, value in found.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_map()
    return value.value if isinstance(value, Enum) else value


def _read(kind: Any, value: Any) -> Any:
    if kind is None:
        return value
    return kind._from(value) if issubclass(kind, Settings) else kind(value)


@checked_fields()
@define
class AppManagerRule(Settings):
    """Which apps may run: `rule_type` is White or Black, the list has package names."""

    rule_type: str | None = None
    app_package_name_list: list[str] | None = None

    names: ClassVar[Mapping[str, str]] = {"rule_type": "RuleType", "app_package_name_list": "AppPackageNameList"}

    def validate(self) -> None:
        """Check the type. Raises ValueError."""
        if self.rule_type not in (None, "White", "Black"):
            raise ValueError(f"rule_type must be 'White' or 'Black', not {self.rule_type!r}")


@checked_fields()
@define
class MobileSimulateConfig(Settings):
    """Another device to simulate, from the device file under `simulate_path`.

    `simulated_context_id` is a context with a device file; it is synced to the session.
    """

    simulate: bool = False
    simulate_path: str | None = None
    simulate_mode: MobileSimulateMode | None = None
    simulated_context_id: str | None = None

    names: ClassVar[Mapping[str, str]] = {
        "simulate": "Simulate",
        "simulate_path": "SimulatePath",
        "simulate_mode": "SimulateMode",
        "simulated_context_id": "SimulatedContextId",
    }
    kinds: ClassVar[Mapping[str, Any]] = {"simulate_mode": MobileSimulateMode}

    @classmethod
    def from_map(  # pyright: ignore[reportIncompatibleMethodOverride]  (programs know it by this name)
        cls, map: Mapping[str, Any] | None = None
    ) -> Self:
        """Read settings with the service's names; others are ignored."""
        return cls._from(map or {})

    def validate(self) -> None:
        """Check that there is a path. Raises ValueError."""
        if not self.simulate_path:
            raise ValueError("simulate_path is required")


@checked_fields()
@define
class MobileExtraConfig(Settings):
    """Settings of a mobile session; None leaves one as the image has it.

    - `lock_resolution`: keep the screen's resolution.
    - `app_manager_rule`: which apps may run.
    - `hide_navigation_bar`: hide (True) or show (False) the bar.
    - `uninstall_blacklist`: package names that cannot be uninstalled.
    - `simulate_config`: another device to simulate.
    """

    lock_resolution: bool | None = None
    app_manager_rule: AppManagerRule | None = None
    hide_navigation_bar: bool | None = None
    uninstall_blacklist: list[str] | None = None
    simulate_config: MobileSimulateConfig | None = None

    names: ClassVar[Mapping[str, str]] = {
        "lock_resolution": "LockResolution",
        "app_manager_rule": "AppManagerRule",
        "hide_navigation_bar": "HideNavigationBar",
        "uninstall_blacklist": "UninstallBlacklist",
        "simulate_config": "SimulateConfig",
    }
    kinds: ClassVar[Mapping[str, Any]] = {"app_manager_rule": AppManagerRule, "simulate_config": MobileSimulateConfig}


@checked_fields()
@define
class ExtraConfigs(Settings):
    """Settings for special images; today those of mobile sessions."""

    mobile: MobileExtraConfig | None = None

    names: ClassVar[Mapping[str, str]] = {"mobile": "Mobile"}
    kinds: ClassVar[Mapping[str, Any]] = {"mobile": MobileExtraConfig}

    def for_create(self) -> dict[str, Any]:
        """What the creation of a session is told; the device to simulate is not part of that."""
        told = self.to_map()
        told.get("Mobile", {}).pop("SimulateConfig", None)
        return told

    @property
    def simulated_context_id(self) -> str:
        """The context whose device is simulated; empty when there is none."""
        config = self.mobile.simulate_config if self.mobile else None
        return (config.simulated_context_id or "") if config else ""
