"""What engines share: origins, limits, headers, trust, bodies."""

from __future__ import annotations

import gzip
import math
import select
import socket
import ssl
import time
import zlib
from pathlib import Path

import pytest
import trustme

from agentbay._engine import (
    AnswerTooLarge,
    Limits,
    Origin,
    RawHeaders,
    UnreadableBody,
    extra_roots,
    shared_ssl_context,
    whole_body,
)
from agentbay._pool_pairs import readable


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("https://bay.example", "https://bay.example", b"/"),
        ("https://bay.example:443/a/b?c=1", "https://bay.example", b"/a/b?c=1"),
        ("http://bay.example:443/", "http://bay.example:443", b"/"),
        ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080", b"/"),
        ("http://[::1]:80", "http://[::1]", b"/"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example", b"/"),
    ],
)
def test_an_origin_is_read_from_a_url(url: str, base: str, path: bytes) -> None:
    origin = Origin.parse(url)

    assert (str(origin), origin.path) == (base, path)


def test_origins_are_equal_whatever_their_paths() -> None:
    assert Origin.parse("https://bay.example/a") == Origin.parse("https://bay.example:443/b")


@pytest.mark.parametrize(
    "url", ["", "bay.example", "ftp://bay.example", "https://", "https://a b", "http://x:99999", "https://a\x00"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a usable URL"):
        Origin.parse(url)


def test_limits_end_at_the_deadline() -> None:
    limits = Limits(connect=5, read=100, deadline=time.monotonic() + 50)

    assert limits.to_connect() == 5
    assert 40 < limits.patience() <= 50


def test_endless_limits_are_a_day() -> None:
    limits = Limits(math.inf, math.inf, math.inf)

    assert [limits.to_connect(), limits.patience(), limits.remaining()] == [86400, 86400, 86400]


def test_a_deadline_in_the_past_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        Limits(1, 1, time.monotonic() - 1).patience()


def test_headers_are_found_in_any_case() -> None:
    headers = RawHeaders([(b"x-one", b"1"), (b"x-two", b"\xfc"), (b"x-one", b"2")])

    assert [headers.get(name) for name in ("X-One", "x-TWO", "x-three")] == ["1", "\u00fc", None]


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (None, b"plain"),
        ("identity", b"plain"),
        ("GZIP", gzip.compress(b"plain", mtime=0)),
        ("x-gzip", gzip.compress(b"plain", mtime=0)),
        ("deflate", zlib.compress(b"plain")),
        ("deflate", raw_deflate(b"plain")),
    ],
)
def test_a_body_is_unpacked(encoding: str | None, packed: bytes) -> None:
    assert whole_body([packed[:3], packed[3:]], encoding, 5) == b"plain"


def test_an_empty_body_may_claim_any_encoding() -> None:
    assert whole_body([], "gzip", 5) == b""


@pytest.mark.parametrize(
    ("encoding", "packed"), [("br", b"plain"), ("gzip", b"plain"), ("gzip", gzip.compress(bytes(99), mtime=0)[:-9])]
)
def test_a_body_that_cannot_be_unpacked_is_unreadable(encoding: str, packed: bytes) -> None:
    with pytest.raises(UnreadableBody):
        whole_body([packed], encoding, 1000)


def test_unpacking_stops_at_the_limit() -> None:
    with pytest.raises(AnswerTooLarge, match="larger than 100 bytes"):
        whole_body([gzip.compress(bytes(101), mtime=0)], "gzip", 100)


def test_a_configuration_shares_one_ssl_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    usual, careless, own = shared_ssl_context(), shared_ssl_context(False), shared_ssl_context(str(tmp_path / "ca.pem"))
    again = shared_ssl_context(), shared_ssl_context(False), shared_ssl_context(str(tmp_path / "ca.pem"))
    folder = shared_ssl_context(str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    named = shared_ssl_context()

    assert again == (usual, careless, own)
    assert len({id(context) for context in (usual, careless, own, folder, named)}) == 5
    assert (usual.verify_mode, careless.verify_mode) == (ssl.CERT_REQUIRED, ssl.CERT_NONE)
    assert [len(context.get_ca_certs()) for context in (own, named)] == [1, 1]


def test_a_context_of_the_users_own_is_used_as_it_is() -> None:
    context = ssl.create_default_context()

    assert shared_ssl_context(context) is context


def test_the_fast_engine_adds_the_roots_that_the_pool_would_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "one.pem").write_bytes(b"one")
    (tmp_path / "two.pem").write_bytes(b"two")
    (tmp_path / "more").mkdir()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    certifi = extra_roots(True)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert b"BEGIN CERTIFICATE" in certifi[0]
    assert extra_roots(str(tmp_path)) == [b"one", b"two"]
    assert extra_roots(str(tmp_path / "one.pem")) == [b"one"]
    assert (extra_roots(True), extra_roots(False)) == ([], [])


@pytest.mark.parametrize("way", ["poll", "select"])
def test_a_socket_is_readable_when_the_other_side_has_spoken_or_gone(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "select":
        monkeypatch.delattr(select, "poll", raising=False)
    ours, theirs = socket.socketpair()
    with ours:
        silent = readable(ours)
        theirs.send(b"x")
        spoken = readable(ours)
        ours.recv(1)
        theirs.close()
        gone = readable(ours)

    assert (silent, spoken, gone) == (False, True, True)
