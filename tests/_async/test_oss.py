"""Object storage: what the tools' texts mean, what is refused before anything is sent, and that keys stay secret."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from agentbay import AsyncSession, NotFoundError, OssError
from tests.gateway import GONE, Gateway, Said

KEY = ("id", "canary-secret", "canary-token")
CALLS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "env_init": ("oss_env_init", KEY, "Failed to initialize OSS environment"),
    "upload": ("oss_upload", ("b", "o", "/p"), "Failed to upload to OSS"),
    "upload_anonymous": ("oss_upload_annon", ("https://x", "/p"), "Failed to upload to OSS"),
    "download": ("oss_download", ("b", "o", "/p"), "Failed to download from OSS"),
    "download_anonymous": ("oss_download_annon", ("https://x", "/p"), "Failed to download from OSS"),
}
EACH = pytest.mark.parametrize(("method", "tool", "args", "text"), [(name, *rest) for name, rest in CALLS.items()])


@EACH
async def test_a_complaint_is_a_failed_result(
    either: AsyncSession, gateway: Gateway, method: str, tool: str, args: tuple[str, ...], text: str
) -> None:
    gateway.on(tool, Said("no such bucket", failed=True), Said("", failed=True))
    for wanted in ("no such bucket", text):
        result = await getattr(either.oss, method)(*args)
        assert (False, wanted, OssError) == (result.success, result.error_message, type(result.error))


@EACH
async def test_a_refusal_of_the_service_is_a_failed_result(
    session: AsyncSession, gateway: Gateway, method: str, tool: str, args: tuple[str, ...], text: str
) -> None:
    gateway.on(tool, GONE)
    result = await getattr(session.oss, method)(*args)
    assert (False, NotFoundError) == (result.success, type(result.error))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("", "Failed to initialize OSS environment"),
        ("Init FAILED: bad key", "OSS environment initialization failed: Init FAILED: bad key"),
    ],
)
async def test_the_storage_tells_failures_as_a_success(
    session: AsyncSession, gateway: Gateway, said: str, text: str
) -> None:
    gateway.on("oss_env_init", Said(said))
    result = await session.oss.env_init(*KEY)
    assert (False, text, None) == (result.success, result.error_message, result.client_config)
    assert isinstance(result.error, OssError)


@EACH
async def test_blank_arguments_are_refused(
    session: AsyncSession, gateway: Gateway, method: str, tool: str, args: tuple[str, ...], text: str
) -> None:
    for place in range(len(args)):
        if (method, place) == ("upload", 1):  # without a name the file's own is taken
            continue
        blank = [" " if number == place else value for number, value in enumerate(args)]
        with pytest.raises(ValueError, match="must not be empty"):
            await getattr(session.oss, method)(*blank)
    assert [] == gateway.requests


async def test_keys_and_tokens_are_in_no_log_and_no_text(
    session: AsyncSession, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.on("oss_env_init", Said('{"token": "canary-config"}'))
    with caplog.at_level(logging.DEBUG, "agentbay"):
        result: Any = await session.oss.env_init(*KEY)
    records = [record.getMessage() for record in caplog.records if record.name.startswith("agentbay")]
    assert "canary" not in f"{records}{result!r}"
    assert '{"token": "canary-config"}' == result.client_config
