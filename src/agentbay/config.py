"""Where the service is, by which key, and how long calls may take: from arguments, environment and `.env`, once."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from agentbay._checked import checked_fields
from agentbay._value import Value

__all__ = ["Config", "Settings"]

logger = logging.getLogger("agentbay")

DEFAULT_REGION = "cn-hangzhou"
DEFAULT_TIMEOUT_MS = 60_000
LOCAL = "local"

KNOWN_REGIONS = frozenset({"cn-hangzhou", "ap-southeast-1", "us-east-1"})
PRE_RELEASE = "pre-"
PRE_RELEASE_HOSTS = {"ap-southeast-1": "wuyingai-pre.ap-southeast-1.aliyuncs.com"}


@checked_fields("timeout_ms")
@define
class Config:
    """The configuration of a client, in place of the environment.

    `timeout_ms` bounds connecting and each wait for the server (default 60000). `region_id` picks the gateway (default
    `cn-hangzhou`). `endpoint` names a server instead: a host, a URL, or `local` for a runtime on this machine. A region
    takes precedence over an endpoint.
    """

    timeout_ms: int | None = None
    region_id: str | None = None
    endpoint: str | None = None


def _host_of(region: str) -> tuple[str, str]:
    """The gateway of a region, and the region's own name."""
    name = region.removeprefix(PRE_RELEASE)
    if name not in KNOWN_REGIONS:
        logger.warning("region %r is not a known one: %s", region, ", ".join(sorted(KNOWN_REGIONS)))
    if name == region:
        return f"agentbay.{name}.aliyuncs.com", name
    return PRE_RELEASE_HOSTS.get(name, f"agentbay-pre.{name}.aliyuncs.com"), name


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def read_env_file(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; `export`, comments and quotes are understood, other lines are passed over."""
    lines = (line.strip().removeprefix("export ") for line in path.read_text("utf-8-sig", "replace").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): _unquoted(value) for name, value in pairs}


def _find_env_file(given: str | None) -> Path | None:
    """The file the caller names, else the first `.env` from the working directory upwards."""
    if given and Path(given).is_file():
        return Path(given)
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / ".env").is_file()), None)


def _environment(env_file: str | None) -> dict[str, str]:
    path = _find_env_file(env_file)
    return (read_env_file(path) if path else {}) | os.environ


def _timeout_ms(environment: Mapping[str, str]) -> int | None:
    text = environment.get("AGENTBAY_TIMEOUT_MS")
    if not text:
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    logger.warning("AGENTBAY_TIMEOUT_MS=%r is not a whole number above 0; using %d", text, DEFAULT_TIMEOUT_MS)
    return None


def _config_of(environment: Mapping[str, str]) -> Config:
    region, endpoint = (environment.get(f"AGENTBAY_{name}") or None for name in ("REGION_ID", "ENDPOINT"))
    return Config(_timeout_ms(environment), region, endpoint)


def _usable(timeout_ms: Any) -> bool:
    return isinstance(timeout_ms, int) and not isinstance(timeout_ms, bool) and timeout_ms > 0


def _seconds(timeout: Any, timeout_ms: Any) -> float:
    if timeout is None:
        return (timeout_ms if _usable(timeout_ms) else DEFAULT_TIMEOUT_MS) / 1000
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    return float(timeout)


def _base_url(endpoint: str) -> str:
    """The URL of an endpoint; a host alone means https.

    Raises:
        ValueError: it is not the address of a server, or has more in it than that.
    """
    text = endpoint.strip()
    url = text if "://" in text else f"https://{text}"
    if fault := _endpoint_fault(url):
        shown = "what was given" if "@" in text else repr(endpoint)
        raise ValueError(f"endpoint must be a host or an http(s) URL of one, not {shown}: {fault}")
    return url.removesuffix("/")


def _endpoint_fault(url: str) -> str:
    """Why a URL cannot be an endpoint; empty when it can."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as broken:
        return str(broken)
    faults = {
        f"{parts.scheme}:// is not spoken": parts.scheme not in ("http", "https"),
        "it has no host": not host,
        "there is a space in it": any(letter.isspace() for letter in url),
        "a key or password does not belong into it": "@" in parts.netloc,
        "calls go to the root of the host, so that it can have no path": f"{parts.path}{parts.query}" not in ("", "/"),
    }
    return next((fault for fault, there in faults.items() if there), "")


@frozen(eq=False, repr=False)
class Settings(Value):
    """What a client works with. `base_url` is empty for the local runtime, which is found when it is first needed."""

    api_key: str = field(repr=False)
    base_url: str
    region_id: str
    timeout: float

    @property
    def local(self) -> bool:
        """Whether a runtime on this machine serves the client."""
        return not self.base_url

    @classmethod
    def resolve(
        cls,
        api_key: str = "",
        cfg: Config | None = None,
        env_file: str | None = None,
        endpoint: str | None = None,
        timeout: float | None = None,
    ) -> Settings:
        """Decide from the arguments, the config object, the environment and the `.env` file, in this order.

        Raises:
            ValueError: there is no API key, or the time-out is not a number above 0.
        """
        environment = _environment(env_file) if cfg is None else {}
        chosen = _config_of(environment) if cfg is None else cfg
        base_url, region = cls._place(endpoint, chosen)
        key = api_key or environment.get("AGENTBAY_API_KEY") or os.environ.get("AGENTBAY_API_KEY") or ""
        if not key and base_url:
            raise ValueError(
                "An API key is needed: pass api_key=..., or set AGENTBAY_API_KEY in the environment or in a .env file. "
                "To work on this machine without a key, pass endpoint='local'."
            )
        return cls(key, base_url, region, _seconds(timeout, chosen.timeout_ms))

    @staticmethod
    def _place(endpoint: str | None, chosen: Config) -> tuple[str, str]:
        """The base URL and the region."""
        if endpoint is None and chosen.region_id:
            if chosen.endpoint:
                logger.warning("both a region and an endpoint are given; the endpoint %r is ignored", chosen.endpoint)
            host, region = _host_of(chosen.region_id)
            return f"https://{host}", region
        place = endpoint or chosen.endpoint
        if place and place.strip().lower() == LOCAL:
            return "", DEFAULT_REGION
        return _base_url(place or _host_of(DEFAULT_REGION)[0]), DEFAULT_REGION
