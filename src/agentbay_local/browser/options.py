"""How a browser is asked to start (`BrowserOption`), and the command line that this makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from agentbay_local.browser.faults import UnfitOption
from agentbay_local.browser.persona import Persona, read_persona
from agentbay_local.sandbox.bwrap import DOOR

__all__ = ["CDP_PORT", "PROFILE", "Options", "Upstream", "command_line", "read_options"]

CDP_PORT: Final = 9222
PROFILE: Final = "/tmp/agentbay_browser"
Size = tuple[int, int]
USUAL: Final[Size] = (1920, 1080)
LARGEST: Final = 16_384
"""Pixels of one side; more than that no picture can have."""
FIXED: Final = (
    # The sandbox around it is the wall; its own one needs namespaces, which programs in here do not get.
    "--no-sandbox", "--test-type", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--no-default-browser-check", "--no-service-autorun", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-client-side-phishing-detection", "--disable-domain-reliability", "--disable-breakpad",
    "--disable-crash-reporter", "--metrics-recording-only", "--disable-search-engine-choice-screen",
    "--hide-crash-restore-bubble", "--password-store=basic", "--use-mock-keychain", "--mute-audio",
    "--disable-features=OptimizationHints,MediaRouter,Translate,DisableLoadExtensionCommandLineSwitch",
    # Pages that no person could see now are looked at all the same.
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling", "--disable-hang-monitor", "--disable-ipc-flooding-protection",
    "--renderer-process-limit=16",
)  # fmt: skip
HIDDEN: Final = ("--headless=new",)
WINDOW: Final = ("--ozone-platform=x11", "--window-position=0,0")
OURS: Final = ("--remote-debugging-", "--user-data-dir", "--no-sandbox")
"""Arguments that callers cannot give: they would make the browser unreachable, or its profile another one."""
VENDORS: Final = {"wuying": "are the vendor's own", "managed": "belong to an account of the vendor"}
UNMET: Final = {
    "solveCaptchas": "nothing here solves captchas: a person does, whom callForUser calls",
    "autoLogin": "nothing here logs in by itself: page_use_login does, through the model that is configured",
}
"""What the vendor's own models do, and what does instead. The browser starts without, and says so."""


@frozen
class Upstream:
    """A proxy of the user's, by which the browser is to reach the web."""

    host: str
    port: int
    credentials: str = field(default="", repr=False)
    """`name:password`, if it asks for them."""


@frozen
class Options:
    """How to start. Sizes are width and height in pixels."""

    profile: str = PROFILE
    stealth: bool = False
    user_agent: str = ""
    viewport: Size | None = None
    screen: Size | None = None
    persona: Persona | None = None
    persona_file: str = ""
    upstream: Upstream | None = None
    extensions: str = ""
    arguments: tuple[str, ...] = ()
    url: str = "about:blank"
    kind: str = ""
    person: bool = False
    """Whether a person may be called."""
    recorded: bool = False
    lifelike: bool = False
    """Whether the tools move and type as people do."""
    unmet: tuple[str, ...] = ()
    """Wishes that nothing here can meet, each with what could be done."""


def command_line(
    options: Options, proxy_port: int = DOOR, extensions: tuple[str, ...] = (), *, screen: Size | None = None
) -> list[str]:
    """The arguments of the browser's program. With a screen it has a window there."""
    width, height = options.viewport or screen or options.screen or USUAL
    made = [
        *FIXED,
        *(HIDDEN if screen is None else WINDOW),
        f"--remote-debugging-port={CDP_PORT}",
        f"--user-data-dir={options.profile}",
        f"--proxy-server=http://127.0.0.1:{proxy_port}",
        f"--window-size={width},{height}",
    ]
    if options.user_agent:
        made.append(f"--user-agent={options.user_agent}")
    if options.stealth:
        made.append("--disable-blink-features=AutomationControlled")
    if options.persona and options.persona.languages:
        made.append(f"--lang={options.persona.languages[0]}")
    if extensions:
        made += [f"--{flag}={','.join(extensions)}" for flag in ("disable-extensions-except", "load-extension")]
    return [*made, *options.arguments, options.url]


def read_options(profile: str, told: Any) -> Options:
    """Reads what a client sent. Raises UnfitOption."""
    if not isinstance(told, Mapping):
        raise UnfitOption("must be an object")
    if not profile.startswith("/") or "\0" in profile or profile == "/":
        raise UnfitOption("cannot be met: the profile needs an absolute path, such as /tmp/agentbay_browser")
    return Options(
        profile=profile,
        stealth=_flag(told, "useStealth"),
        user_agent=_text(told, "userAgent"),
        viewport=_size(told, "viewport"),
        screen=_size(told, "screen"),
        persona=read_persona(told),
        persona_file=_text(told, "fingerprintPersistPath"),
        upstream=_upstream(told.get("proxies")),
        extensions=_text(told, "extensionPath").rstrip("/"),
        arguments=tuple(_arguments(told.get("cmdArgs"))),
        url=_url(_text(told, "defaultNavigateUrl")),
        kind=_kind(_text(told, "browserType")),
        person=_flag(told, "callForUser"),
        recorded=_flag(told, "enableRecord"),
        lifelike=_flag(told, "behaviorSimulate"),
        unmet=tuple(f"{name}: {why}" for name, why in UNMET.items() if _flag(told, name)),
    )


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value or len(value) > 8192:
        raise UnfitOption(f"has a {name} that must be a text of at most 8192 characters")
    return value.strip()


def _flag(told: Mapping[str, Any], name: str) -> bool:
    value = told.get(name)
    if value is not None and not isinstance(value, bool):
        raise UnfitOption(f"has a {name} that must be true or false")
    return bool(value)


def _size(told: Mapping[str, Any], name: str) -> Size | None:
    value = told.get(name)
    if value is None:
        return None
    sides = [value.get(side) for side in ("width", "height")] if isinstance(value, Mapping) else []
    fit = [side for side in sides if type(side) is int and 0 < side <= LARGEST]
    if len(fit) != 2:
        raise UnfitOption(f"has a {name} that must have a width and a height from 1 to {LARGEST}")
    return fit[0], fit[1]


def _arguments(value: Any) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, list):
        raise UnfitOption("has cmdArgs that must be an array")
    for each in value:
        if not isinstance(each, str) or not each.startswith("--") or "\0" in each:
            raise UnfitOption("has cmdArgs of which each must be a text that begins with --")
        if each.startswith(OURS):
            raise UnfitOption(f"has cmdArgs with {each.partition('=')[0]}, which the server sets itself")
        yield each


def _url(text: str) -> str:
    if text and text != "about:blank" and urlsplit(text).scheme not in {"http", "https", "data", "file"}:
        raise UnfitOption("has a defaultNavigateUrl that must begin with http:// or https://")
    return text or "about:blank"


def _kind(text: str) -> str:
    if text not in {"", "chrome", "chromium"}:
        raise UnfitOption("has a browserType that must be chrome or chromium")
    return text


def _upstream(value: Any) -> Upstream | None:
    if not value:
        return None
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], Mapping):
        raise UnfitOption("has proxies that must be an array of one object")
    told = value[0]
    kind = told.get("type")
    if kind in VENDORS:
        raise UnfitOption(f"cannot be met: proxies of type {kind} {VENDORS[kind]}. Use one of type custom")
    if kind != "custom":
        raise UnfitOption("has a proxy whose type must be custom")
    return _server(_text(told, "server"), _text(told, "username"), _text(told, "password"))


def _server(server: str, name: str, password: str) -> Upstream:
    try:
        parts = urlsplit(server if "://" in server else f"http://{server}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise UnfitOption("has a proxy whose server is no address") from None
    if not host or parts.scheme != "http":
        raise UnfitOption("has a proxy whose server must be http://HOST:PORT, the only kind that can be reached")
    name, password = name or parts.username or "", password or parts.password or ""
    return Upstream(host, port, f"{name}:{password}" if name or password else "")
