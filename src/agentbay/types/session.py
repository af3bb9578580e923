"""Options for sessions, and what calls about sessions give back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from attrs import asdict, define, field, fields, frozen

from agentbay._checked import checked_fields
from agentbay._tools import ToolAnswer
from agentbay._value import Value
from agentbay.actions import ResourceData
from agentbay.errors import ToolError
from agentbay.types.response import ApiResponse, ToolResult

if TYPE_CHECKING:
    from agentbay.types.browser_context import BrowserContext
    from agentbay.types.context_mount import BetaContextMount
    from agentbay.types.context_sync import ContextSync
    from agentbay.types.mobile_config import ExtraConfigs

__all__ = [
    "CreateSessionParams",
    "GetSessionData",
    "GetSessionResult",
    "LifecyclePolicy",
    "ListSessionParams",
    "SessionInfo",
    "SessionListResult",
    "SessionMetrics",
    "SessionMetricsResult",
    "SessionPauseResult",
    "SessionResult",
    "SessionResumeResult",
    "SessionStatus",
    "SessionStatusResult",
]

S = TypeVar("S")


class SessionStatus(Enum):
    """The states by which sessions can be listed."""

    RUNNING = "RUNNING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    DELETING = "DELETING"
    DELETED = "DELETED"


def _positive(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{name} must be a whole number above 0, not {value!r}")


@define
class LifecyclePolicy:
    """When a session is released by itself.

    `idle_release_timeout` (default 5) is in minutes without tool calls, `max_runtime` (default 30) in minutes of life.
    With `manual_release` the session lives until it is deleted, and neither time may be given.

    Raises:
        ValueError: a time is not a whole number above 0, or is given together with `manual_release`.
    """

    idle_release_timeout: int | None = None
    max_runtime: int | None = None
    manual_release: bool = False

    def __attrs_post_init__(self) -> None:
        times = {"idle_release_timeout": self.idle_release_timeout, "max_runtime": self.max_runtime}
        given = {name: value for name, value in times.items() if value is not None}
        if self.manual_release and given:
            raise ValueError(f"{' and '.join(given)} cannot be given together with manual_release")
        for name, value in given.items():
            _positive(value, name)
        if not self.manual_release:
            self.idle_release_timeout = given.get("idle_release_timeout", 5)
            self.max_runtime = given.get("max_runtime", 30)


def _dict(value: Mapping[str, str] | None) -> dict[str, str]:
    return dict(value or {})


def _syncs(value: Iterable[ContextSync] | None) -> list[ContextSync]:
    return list(value or ())


def _mounts(value: Iterable[BetaContextMount] | None) -> list[BetaContextMount]:
    return list(value or ())


@checked_fields("idle_release_timeout")
@define
class CreateSessionParams:
    """What a new session should be like. Everything may be left out.

    - `labels`: names and values to find the session by.
    - `image_id`: the machine image; the service's default is `linux_latest`.
    - `idle_release_timeout`: seconds without tool calls after which the session is released.
    - `lifecycle_policy`: the newer form of the same, in minutes; not together with `idle_release_timeout`.
    - `context_syncs`: contexts whose files are copied into the session and back. Creation waits for the files.
    - `beta_context_mounts`: contexts that are mounted; nothing is copied.
    - `browser_context`: what the browser keeps from one session to the next.
    - `policy_id`: a policy of the account. `beta_network_id`: a network to join.
    - `enable_browser_replay`: record the browser (True) or not (False); None leaves it to the service.
    - `extra_configs`: settings for mobile images.
    - `framework`: the agent framework that makes the call, for the service's statistics.
    - `load_skills`: bring skills into the session; `skill_names` names them, None means all visible ones.

    Raises:
        ValueError: a time is not a whole number above 0, or both kinds of times are given.
    """

    labels: dict[str, str] = field(default=None, converter=_dict)
    image_id: str | None = None
    idle_release_timeout: int | None = None
    lifecycle_policy: LifecyclePolicy | None = None
    context_syncs: list[ContextSync] = field(default=None, converter=_syncs)
    beta_context_mounts: list[BetaContextMount] = field(default=None, converter=_mounts)
    browser_context: BrowserContext | None = None
    policy_id: str | None = None
    beta_network_id: str | None = None
    enable_browser_replay: bool | None = None
    extra_configs: ExtraConfigs | None = None
    framework: str | None = None
    load_skills: bool | None = None
    skill_names: list[str] | None = None

    def __attrs_post_init__(self) -> None:
        if self.idle_release_timeout is None:
            return
        _positive(self.idle_release_timeout, "idle_release_timeout (seconds)")
        if self.lifecycle_policy is not None:
            raise ValueError("idle_release_timeout and lifecycle_policy cannot be given together")


@checked_fields()
@define
class ListSessionParams:
    """One page of a list: how many, from which token on, and the labels that must match."""

    max_results: int = 10
    next_token: str = ""
    labels: dict[str, str] = field(default=None, converter=_dict)


@frozen(eq=False, repr=False)
class SessionInfo(Value):
    """Where a session can be seen, and the tickets that its viewer needs.

    Whoever has `resource_url` sees the session, for the URL holds `auth_code`.
    """

    session_id: str = ""
    resource_url: str = field(default="", repr=False)
    app_id: str = ""
    auth_code: str = field(default="", repr=False)
    connection_properties: str = field(default="", repr=False)
    resource_id: str = ""
    resource_type: str = ""
    ticket: str = field(default="", repr=False)

    @classmethod
    def of(cls, data: ResourceData) -> Self:
        """Read what the service says."""
        return cls(data.session_id, data.resource_url, **asdict(data.desktop_info))


@frozen(eq=False, repr=False)
class SessionResult(ApiResponse, Generic[S]):
    """The result of creating or finding a session; `session` is None when that failed."""

    success: bool = False
    error_message: str = ""
    session: S = None  # type: ignore[assignment]
    code: str = ""


@frozen(eq=False, repr=False)
class GetSessionData(Value):
    """What the service knows of a session, for programs that keep it in this form. `token` and the URLs are secrets."""

    app_instance_id: str = ""
    resource_id: str = ""
    session_id: str = ""
    success: bool = False
    http_port: str = ""
    network_interface_ip: str = ""
    token: str = field(default="", repr=False)
    link_url: str = field(default="", repr=False)
    ws_url: str = field(default="", repr=False)
    vpc_resource: bool = False
    vpc_ip: str = ""
    vpc_id: str = ""
    resource_url: str = field(default="", repr=False)
    status: str = ""
    tool_list: str = field(default="", repr=False)
    contexts: list[dict[str, str]] = field(factory=list)


@frozen(eq=False, repr=False)
class GetSessionResult(ApiResponse):
    """What the service knows of a session, for programs that keep it in this form."""

    http_status_code: int = 0
    code: str = ""
    success: bool = False
    data: GetSessionData | None = None
    error_message: str = ""


@frozen(eq=False, repr=False)
class SessionListResult(ApiResponse):
    """One page of sessions.

    `session_ids` holds a dictionary per session with the keys `sessionId`, `sessionStatus`, `appInstanceId` and
    `imageId`. An empty `next_token` means the last page.
    """

    success: bool = False
    error_message: str = ""
    session_ids: list[dict[str, str]] = field(factory=list)
    next_token: str = ""
    max_results: int = 0
    total_count: int = 0


@frozen(eq=False, repr=False)
class SessionStatusResult(ApiResponse):
    """The state of a session: a name of `SessionStatus`, or FINISH for one that is gone."""

    http_status_code: int = 0
    code: str = ""
    success: bool = False
    status: str = ""
    error_message: str = ""


@frozen(eq=False, repr=False)
class SessionPauseResult(ApiResponse):
    """The result of pausing; `status` is the last state seen."""

    success: bool = False
    error_message: str = ""
    code: str = ""
    message: str = ""
    http_status_code: int = 0
    status: str | None = None


@frozen(eq=False, repr=False)
class SessionResumeResult(SessionPauseResult):
    """The result of resuming; `status` is the last state seen."""


_METRIC_ALIASES = {
    "rx_rate_kbyte_per_s": ("rx_rate_kbps", "rx_rate_KBps"),
    "tx_rate_kbyte_per_s": ("tx_rate_kbps", "tx_rate_KBps"),
    "rx_used_kbyte": ("rx_used_kb", "rx_used_KB"),
    "tx_used_kbyte": ("tx_used_kb", "tx_used_KB"),
}


@frozen(eq=False, repr=False, init=False)
class SessionMetrics(Value):
    """How busy a session is.

    `cpu_used_pct` is in percent; disk and memory are in bytes; network rates are in kilobytes per second, network
    totals in kilobytes; `timestamp` is ISO 8601.
    """

    cpu_count: int = 0
    cpu_used_pct: float = 0.0
    disk_total: int = 0
    disk_used: int = 0
    mem_total: int = 0
    mem_used: int = 0
    rx_rate_kbyte_per_s: float = 0.0
    tx_rate_kbyte_per_s: float = 0.0
    rx_used_kbyte: float = 0.0
    tx_used_kbyte: float = 0.0
    timestamp: str = ""

    def __init__(
        self,
        cpu_count: int = 0,
        cpu_used_pct: float = 0.0,
        disk_total: int = 0,
        disk_used: int = 0,
        mem_total: int = 0,
        mem_used: int = 0,
        rx_rate_kbyte_per_s: float = 0.0,
        tx_rate_kbyte_per_s: float = 0.0,
        rx_used_kbyte: float = 0.0,
        tx_used_kbyte: float = 0.0,
        timestamp: str = "",
        rx_rate_kbps: float | None = None,
        tx_rate_kbps: float | None = None,
        rx_used_kb: float | None = None,
        tx_used_kb: float | None = None,
    ) -> None:
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue]
            cpu_count,
            cpu_used_pct,
            disk_total,
            disk_used,
            mem_total,
            mem_used,
            rx_rate_kbyte_per_s if rx_rate_kbps is None else rx_rate_kbps,
            tx_rate_kbyte_per_s if tx_rate_kbps is None else tx_rate_kbps,
            rx_used_kbyte if rx_used_kb is None else rx_used_kb,
            tx_used_kbyte if tx_used_kb is None else tx_used_kb,
            timestamp,
        )

    @property
    def rx_rate_kbps(self) -> float:
        """The older name of `rx_rate_kbyte_per_s`."""
        return self.rx_rate_kbyte_per_s

    @property
    def tx_rate_kbps(self) -> float:
        """The older name of `tx_rate_kbyte_per_s`."""
        return self.tx_rate_kbyte_per_s

    @property
    def rx_used_kb(self) -> float:
        """The older name of `rx_used_kbyte`."""
        return self.rx_used_kbyte

    @property
    def tx_used_kb(self) -> float:
        """The older name of `tx_used_kbyte`."""
        return self.tx_used_kbyte

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read the tool's object; missing numbers count as 0."""
        numbers: dict[str, Any] = {}
        for attribute in fields(cls):
            default: Any = attribute.default
            names = (attribute.name, *_METRIC_ALIASES.get(attribute.name, ()))
            found = next((raw[name] for name in names if raw.get(name) is not None), default)
            numbers[attribute.name] = type(default)(found)
        return cls(**numbers)


@frozen(eq=False, repr=False)
class SessionMetricsResult(ToolResult):
    """The metrics of a session; `raw` is the tool's own object."""

    metrics: SessionMetrics | None = None
    error_message: str = ""
    raw: dict[str, Any] = field(factory=dict)

    fallback = "Failed to get metrics"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON object."""
        raw = answer.json_or_none()
        try:
            metrics = SessionMetrics.of(raw)
        except (ValueError, TypeError, AttributeError, OverflowError) as broken:
            return cls.failed(ToolError(f"Failed to parse get_metrics response: {broken}", **answer.facts))
        return cls(answer.request_id, success=True, metrics=metrics, raw=raw)
