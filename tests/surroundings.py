"""What the machine's environment must not bring into a test."""

from __future__ import annotations

import gc
import os
import socket
import threading

import pytest

PREFIXES = ("AGENTBAY_", "ALIBABA_CLOUD_", "SSL_CERT_")
PROGRAMS = frozenset({"AGENTBAY_BWRAP", "AGENTBAY_CHROMIUM"})
"""Where programs are: facts of the machine, not settings of a client."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every setting that a client reads."""
    for name in list(os.environ):
        if (name.startswith(PREFIXES) and name not in PROGRAMS) or name.upper() in PROXIES:
            monkeypatch.delenv(name)


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def resources() -> tuple[int, int]:
    """How many files and threads this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()
