"""How a browser is started, and what it asks of the user."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from attrs import define, field

if TYPE_CHECKING:
    from agentbay.types.fingerprint import FingerprintFormat

__all__ = [
    "BrowserFingerprint",
    "BrowserNotifyMessage",
    "BrowserOption",
    "BrowserProxy",
    "BrowserScreen",
    "BrowserViewport",
]

BROWSER_TYPES = ("chrome", "chromium")
DEVICES = ("desktop", "mobile")
OPERATING_SYSTEMS = ("windows", "macos", "linux", "android", "ios")
EXTENSION_PATH = "/tmp/extensions/"  # noqa: S108  (in the session)
FINGERPRINT_FILE = "/tmp/browser_fingerprint/fingerprint.json"  # noqa: S108  (in the session)

_MANAGED = ("polling", "sticky", "rotating", "matched")
_PLACES = ("isp", "country", "province", "city")


def _given(**values: Any) -> dict[str, Any]:
    """The values that are set."""
    return {name: value for name, value in values.items() if value is not None}


def _demand(holds: object, text: str) -> None:
    if not holds:
        raise ValueError(text)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _list_of(values: Any, name: str, allowed: Collection[str] = (), text: str = "") -> None:
    """Check a list of texts that may be left out; with `allowed`, texts of that choice."""
    if values is None:
        return
    _demand(isinstance(values, list), f"{name} must be a list")
    for value in values:
        _demand(isinstance(value, str), text or f"{name} must be a list of texts")
        _demand(not allowed or value in allowed, text)


@define
class BrowserViewport:
    """The size of the page's visible part, in pixels.

    Raises:
        ValueError: a side is not a whole number above 0.
    """

    width: int = 1920
    height: int = 1080

    def __attrs_post_init__(self) -> None:
        self.to_map()

    def to_map(self) -> dict[str, Any]:
        """The size with the service's names. Raises ValueError."""
        for name, side in (("width", self.width), ("height", self.height)):
            _demand(_whole(side), f"{name} must be a whole number of pixels above 0, not {side!r}")
        return {"width": self.width, "height": self.height}


@define
class BrowserScreen(BrowserViewport):
    """The size of the screen that pages are told of, in pixels.

    Raises:
        ValueError: a side is not a whole number above 0.
    """


@define
class BrowserFingerprint:
    """What a made-up fingerprint should look like; what is left out is free.

    - `devices`: `desktop`, `mobile`.
    - `operating_systems`: `windows`, `macos`, `linux`, `android`, `ios`.
    - `locales`: such as `en-US`.

    Raises:
        ValueError: one of them is not a list, or has another member.
    """

    devices: list[Literal["desktop", "mobile"]] | None = None
    operating_systems: list[Literal["windows", "macos", "linux", "android", "ios"]] | None = None
    locales: list[str] | None = None

    def __attrs_post_init__(self) -> None:
        self.to_map()

    def to_map(self) -> dict[str, Any]:
        """What is set, with the service's names. Raises ValueError."""
        _list_of(self.devices, "devices", DEVICES, "device must be desktop or mobile")
        wanted = "operating_system must be windows, macos, linux, android or ios"
        _list_of(self.operating_systems, "operating_systems", OPERATING_SYSTEMS, wanted)
        _list_of(self.locales, "locales")
        return _given(devices=self.devices, operatingSystems=self.operating_systems, locales=self.locales)


@define
class BrowserProxy:
    """The way of a browser to the web.

    - `proxy_type` `custom`: your own `server`, with `username` and `password` where it asks for them.
    - `proxy_type` `wuying`: the service's own, with the `strategy` `restricted` or `polling` (of `pollsize` addresses).
    - `proxy_type` `managed`: addresses of your account, with a `user_id` and the `strategy` `polling`, `sticky`,
      `rotating` or `matched`; the last one needs at least one of `isp`, `country`, `province` and `city`.

    Raises:
        ValueError: something is missing, or is not of the choice.
    """

    proxy_type: Literal["custom", "wuying", "managed"]
    server: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    strategy: Literal["restricted", "polling", "sticky", "rotating", "matched"] | None = None
    pollsize: int = 10
    user_id: str | None = None
    isp: str | None = None
    country: str | None = None
    province: str | None = None
    city: str | None = None

    def __attrs_post_init__(self) -> None:
        self.to_map()

    def to_map(self) -> dict[str, Any]:
        """The proxy with the service's names. Raises ValueError."""
        match self.proxy_type:
            case "custom":
                return self._custom()
            case "wuying":
                return self._wuying()
            case "managed":
                return self._managed()
        raise ValueError("proxy_type must be custom, wuying, or managed")

    def _custom(self) -> dict[str, Any]:
        _demand(self.server, "server is required for custom proxy type")
        return _given(type="custom", server=self.server, username=self.username, password=self.password)

    def _wuying(self) -> dict[str, Any]:
        _demand(self.strategy, "strategy is required for wuying proxy type")
        known = self.strategy in ("restricted", "polling")
        _demand(known, "strategy must be restricted or polling for wuying proxy type")
        if self.strategy == "restricted":
            return {"type": "wuying", "strategy": "restricted"}
        _demand(_whole(self.pollsize), "pollsize must be greater than 0 for polling strategy")
        return {"type": "wuying", "strategy": "polling", "pollsize": self.pollsize}

    def _managed(self) -> dict[str, Any]:
        _demand(self.strategy, "strategy is required for managed proxy type")
        known = self.strategy in _MANAGED
        _demand(known, "strategy must be polling, sticky, rotating, or matched for managed proxy type")
        _demand(self.user_id, "user_id is required for managed proxy type")
        places = {name: value for name in _PLACES if (value := getattr(self, name))}
        enough = self.strategy != "matched" or places
        _demand(enough, "At least one of isp, country, province, or city is required for matched strategy")
        return {"type": "managed", "strategy": self.strategy, "userId": self.user_id} | places


def _check_parts(option: BrowserOption) -> None:
    kinds = {"viewport": BrowserViewport, "screen": BrowserScreen, "fingerprint": BrowserFingerprint}
    for name, kind in kinds.items():
        part = getattr(option, name)
        _demand(part is None or isinstance(part, kind), f"{name} must be a {kind.__name__}")
    exact = option.fingerprint_format
    _demand(exact is None or hasattr(exact, "to_base64"), "fingerprint_format must be a FingerprintFormat")
    for name in ("user_agent", "default_navigate_url"):
        _demand(isinstance(getattr(option, name), str | None), f"{name} must be a string")


def _check_proxies(proxies: Any) -> None:
    if proxies is None:
        return
    _demand(isinstance(proxies, list), "proxies must be a list")
    _demand(len(proxies) <= 1, "proxies list length must be limited to 1")
    _demand(all(isinstance(one, BrowserProxy) for one in proxies), "proxies must be a list of BrowserProxy")


def _check_extension_path(path: Any) -> None:
    if path is not None:
        _demand(isinstance(path, str), "extension_path must be a string")
        _demand(path.strip(), "extension_path cannot be empty")


@define
class BrowserOption:
    """How a browser is started. Everything may be left out.

    - `use_stealth`: hide that a program drives the browser.
    - `user_agent`, `viewport`, `screen`: what pages are told, and how much they show.
    - `fingerprint`: make up a fingerprint of this kind. `fingerprint_format`: have exactly this one.
    - `fingerprint_persistent`: keep the fingerprint in the session's fingerprint context.
    - `solve_captchas`, `auto_login`: let the service do that by itself.
    - `call_for_user`: ask for a person where one is needed, see `register_callback` of the browser.
    - `proxies`: at most one.
    - `extension_path`: where the session's extensions are; None starts without.
    - `cmd_args`: more arguments for the browser's command line.
    - `default_navigate_url`: the first page.
    - `browser_type`: `chrome` or `chromium`, where the image has both.

    Raises:
        ValueError: an option is not of its kind.
    """

    use_stealth: bool = False
    user_agent: str | None = None
    viewport: BrowserViewport | None = None
    screen: BrowserScreen | None = None
    fingerprint: BrowserFingerprint | None = None
    fingerprint_format: FingerprintFormat | None = None
    fingerprint_persistent: bool = False
    solve_captchas: bool = False
    auto_login: bool = False
    call_for_user: bool = False
    proxies: list[BrowserProxy] | None = None
    extension_path: str | None = EXTENSION_PATH
    cmd_args: list[str] | None = None
    default_navigate_url: str | None = None
    browser_type: Literal["chrome", "chromium"] | None = None

    def __attrs_post_init__(self) -> None:
        self._check()

    @property
    def fingerprint_persist_path(self) -> str | None:
        """Where the session keeps the fingerprint; None when it does not."""
        return FINGERPRINT_FILE if self.fingerprint_persistent else None

    def _check(self) -> None:
        _check_parts(self)
        _check_proxies(self.proxies)
        _check_extension_path(self.extension_path)
        _list_of(self.cmd_args, "cmd_args")
        known = self.browser_type is None or self.browser_type in BROWSER_TYPES
        _demand(known, "browser_type must be 'chrome' or 'chromium'")

    def to_map(self) -> dict[str, Any]:
        """What is set, with the service's names. Raises ValueError."""
        self._check()
        exact = self.fingerprint_format
        return _given(
            useStealth=bool(self.use_stealth),
            userAgent=self.user_agent,
            viewport=self.viewport and self.viewport.to_map(),
            screen=self.screen and self.screen.to_map(),
            fingerprint=self.fingerprint and self.fingerprint.to_map(),
            fingerprintRawData=exact and exact.to_base64(),
            fingerprintPersistPath=self.fingerprint_persist_path,
            solveCaptchas=bool(self.solve_captchas),
            autoLogin=bool(self.auto_login),
            callForUser=bool(self.call_for_user),
            proxies=[proxy.to_map() for proxy in self.proxies or ()] or None,
            extensionPath=self.extension_path,
            cmdArgs=self.cmd_args,
            defaultNavigateUrl=self.default_navigate_url,
            browserType=self.browser_type,
        )


def _dict(value: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(value or {})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if plain else None


@define
class BrowserNotifyMessage:
    """What a browser tells the user, or the user answers.

    - `type`: the kind, `call-for-user`. `id`: its number, for the answer.
    - `code`: 101, 102 and 103 ask for a person (captcha, login, payment), 199 says that the person is done; 201 and 202
      stand for a captcha being solved and solved, 301 and 302 for a login; 0 is any other word.
    - `message`: the same in words.
    - `action`: `takeover`, `takeoverdone`, `pause`, `resume` or `none`.
    - `extra_params`: with `max_wait_time`, the seconds after which the browser goes on by itself.
    """

    type: str | None = None
    id: int | None = None
    code: int | None = None
    message: str | None = None
    action: str | None = None
    extra_params: dict[str, Any] = field(default=None, converter=_dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read what came by the channel; members of another kind count as absent."""
        texts = {name: _text(data.get(name)) for name in ("type", "message", "action")}
        extra = data.get("extraParams")
        return cls(
            **texts,
            id=_number(data.get("id")),
            code=_number(data.get("code")),
            extra_params=extra if isinstance(extra, dict) else {},
        )

    def to_map(self) -> dict[str, Any]:
        """What is set, with the service's names."""
        told = _given(type=self.type, id=self.id, code=self.code, message=self.message, action=self.action)
        return told | ({"extraParams": self.extra_params} if self.extra_params else {})
