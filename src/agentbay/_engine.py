"""What every HTTP engine shares, without colour: where a call goes, how long it may take, what comes back.

An engine carries one POST to one origin and brings the answer back, nothing else: no retries, redirects,
cookies or authentication. Those belong to the road above it or are not wanted by an RPC client at all.
"""

from __future__ import annotations

import os
import re
import ssl
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Literal, Protocol, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import certifi
from attrs import field, frozen

DEFAULT_MAX_CONNECTIONS = 1000
DEFAULT_IDLE_EXPIRY = 60.0
DEFAULT_MAX_ANSWER = 256 * 1024 * 1024

T = TypeVar("T")

now = monotonic

PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
HOST = re.compile(r"[A-Za-z0-9._:-]+")

# Clocks and sockets refuse endless time-outs; no wait is ever this long.
A_DAY = 86_400.0

EngineChoice = Literal["auto", "pool", "fast"]
RequestHeaders = Sequence[tuple[bytes, bytes]]


class EngineError(Exception):
    """No usable answer came.

    `sent` is False when surely nothing of the request reached the server, so that it is safe to send it again.
    `timed_out` is True when a limit of the call ended it. The cause is chained.
    """

    def __init__(self, message: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.timed_out = timed_out


class EngineUnusable(EngineError):
    """The engine itself cannot be used: it is closed, or it belongs to another event loop. Trying again is useless."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message, sent=sent)


class AnswerTooLarge(EngineError):
    """The body of the answer is larger than the engine accepts."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the answer is larger than {limit} bytes", sent=True)


class UnreadableBody(ValueError):
    """An answer came whose body cannot be had."""


class Headers(Protocol):
    """Read access to the header fields of an answer."""

    def get(self, key: str, /) -> str | None:
        """The first value of that name in any case, or None."""


@frozen
class RawHeaders:
    """Header fields as they came, names in lower case. Looked at by name only: few callers look at any."""

    fields: Sequence[tuple[bytes, bytes]]

    def get(self, key: str, /) -> str | None:
        wanted = key.lower().encode("latin-1")
        return next((value.decode("latin-1") for name, value in self.fields if name == wanted), None)


@frozen
class Answer:
    """A complete answer: status code, header fields, and the body with any content encoding removed."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@frozen
class Limits:
    """How long a call may take, in seconds: to get a connection, between two bytes, and the moment it must be over.

    `connect` and `read` are meant to come from the configuration unchanged; engines shorten them by `deadline`, a
    moment of `time.monotonic`.
    """

    connect: float
    read: float
    deadline: float

    def remaining(self) -> float:
        """Seconds until the deadline; raises TimeoutError when it has passed."""
        left = self.deadline - now()
        if left <= 0:
            raise TimeoutError("the deadline of the call has passed")
        return min(left, A_DAY)

    def to_connect(self) -> float:
        """Seconds that opening a connection may take from now on."""
        return min(self.connect, self.remaining())

    def patience(self) -> float:
        """Seconds to wait for the next bytes to move."""
        return min(self.read, self.remaining())


@frozen
class Origin:
    """A server, parsed once from its base URL: engines keep their connections by it."""

    secure: bool
    host: str
    port: int
    path: bytes = field(default=b"/", eq=False)

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Reads an http or https URL; its path is kept for the caller to build targets on. Raises ValueError."""
        try:
            parsed = urlsplit(url)
            host = _plain_host(parsed)
            port = parsed.port
        except ValueError as error:
            raise ValueError(f"not a usable URL: {error}") from error
        secure = parsed.scheme == "https"
        if parsed.scheme not in ("http", "https") or not HOST.fullmatch(host):
            raise ValueError("not a usable URL: it must start with http:// or https:// and name a host")
        path = quote(parsed.path or "/", safe="/%:@!$&'()*+,;=~")
        query = f"?{quote(parsed.query, safe='/%:@!$&*+,;=~?')}" if parsed.query else ""
        return cls(secure, host, port or (443 if secure else 80), f"{path}{query}".encode("ascii"))

    @property
    def netloc(self) -> str:
        """Host and port as a Host header has them: without the port when it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def base(self) -> str:
        """Scheme, host and port, without a trailing slash."""
        return f"{'https' if self.secure else 'http'}://{self.netloc}"

    def __str__(self) -> str:
        return self.base


def _plain_host(parsed: SplitResult) -> str:
    """The host as it goes over the wire: an international name in its ASCII form."""
    host = parsed.hostname or ""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def expect(name: str, value: object, wanted: type[T]) -> T:
    """The value of an argument that must be of one class. Raises TypeError."""
    if not isinstance(value, wanted):
        raise TypeError(f"{name} must be a {wanted.__module__}.{wanted.__name__}, not a {type(value).__name__}")
    return value


def shared_ssl_context(verify: bool | str | ssl.SSLContext = True) -> ssl.SSLContext:
    """One context per configuration for the whole process: loading a root store takes about 25 ms and 0.8 MB.

    `verify`: True for certifi's roots, or those that SSL_CERT_FILE or SSL_CERT_DIR name; a path of a file or folder of
    certificates; False to accept anybody; a context of the caller's own, which is used as it is.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    return _ssl_context(verify, os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@lru_cache(maxsize=16)
def _ssl_context(verify: bool | str, *variables: str) -> ssl.SSLContext:
    named = next(filter(None, variables), "")
    roots = Path(verify if isinstance(verify, str) else named or certifi.where())
    file, folder = (None, roots) if roots.is_dir() else (roots, None)
    context = ssl.create_default_context(cafile=file, capath=folder)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def extra_roots(verify: bool | str) -> list[bytes]:
    """PEM bundles that the fast engine trusts beside its own roots, which follow SSL_CERT_FILE and SSL_CERT_DIR."""
    if isinstance(verify, str):
        path = Path(verify)
        return (
            [file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()]
            if path.is_dir()
            else [path.read_bytes()]
        )
    if verify and not os.environ.get("SSL_CERT_FILE") and not os.environ.get("SSL_CERT_DIR"):
        return [Path(certifi.where()).read_bytes()]
    return []


def environment_proxies() -> bool:
    """Whether the environment names any proxy for web traffic."""
    return any(value and name.lower() in PROXY_VARIABLES for name, value in os.environ.items())


def proxied(origin: Origin) -> bool:
    """Whether the environment wants this origin to be reached through a proxy."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  (slow to import, and rarely needed)

    scheme = "https" if origin.secure else "http"
    return not {scheme, "all"}.isdisjoint(getproxies()) and not proxy_bypass(f"{origin.host}:{origin.port}")


def rust_failure(origin: Origin, error: Exception) -> EngineError:
    """What an error of the fast engine means for the call.

    Its classes cannot tell: one that says "connect" also stands for a connection lost after the request was sent. The
    causes can; only the first of them is left out of the message, because it quotes the whole URL.
    """
    causes = [cause["message"] for cause in (getattr(error, "details", None) or {}).get("causes") or ()]
    timed_out = isinstance(error, TimeoutError)
    built = hasattr(error, "details") and not isinstance(error, ValueError)
    unsent = not isinstance(error, UnreadableBody) and (not built or "client error (Connect)" in causes)
    why = (
        "time ran out" if timed_out else causes[-1] if len(causes) > 1 else str(error.args[0] if error.args else error)
    )
    what = "cannot reach" if unsent else "no complete answer from"
    return EngineError(f"{what} {origin}: {why}", sent=not unsent, timed_out=timed_out)


def whole_body(chunks: Iterable[bytes | bytearray], encoding: str | None, limit: int) -> bytes:
    """Joins the chunks of a body and removes gzip or deflate, never making more than `limit` bytes.

    Raises AnswerTooLarge and UnreadableBody.
    """
    body = b"".join(chunks)
    if not body or encoding is None or encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableBody(f"the answer has the content encoding {encoding!r}, which was not asked for")
    return _inflated(body, limit)


def _inflated(body: bytes, limit: int) -> bytes:
    # Servers send both forms of deflate, with and without a zlib header; a zlib header always starts with 0x?8.
    raw = not body.startswith(b"\x1f\x8b") and body[0] & 0x0F != 8
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise UnreadableBody(f"the compressed answer cannot be read: {error}") from error
    if len(plain) > limit:
        raise AnswerTooLarge(limit)
    if not inflater.eof:
        raise UnreadableBody("the compressed answer is cut short")
    return plain
