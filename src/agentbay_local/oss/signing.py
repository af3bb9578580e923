"""Signatures of object storage: the fourth version where the region is known, else the first. No I/O.

Both sign the method, the headers that count and the resource with a key's secret, as the storage's public documentation
says it; a signature serves for one request only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

from attrs import field, frozen

__all__ = ["Headers", "Keys", "signed_v1", "signed_v4"]

OWN: Final = "x-oss-"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
SCOPE_END: Final = "aliyun_v4_request"
Headers = dict[str, str]


@frozen
class Keys:
    """A temporary key. Nothing of it is shown."""

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)

    def token(self) -> Headers:
        """The header that goes with a temporary key."""
        return {"x-oss-security-token": self.security_token} if self.security_token else {}


def signed_v1(keys: Keys, method: str, resource: str, headers: Mapping[str, str], now: datetime) -> Headers:
    """The headers, whose names are in lower case, with the first version's signature."""
    whole = {**headers, **keys.token(), "date": format_datetime(now, usegmt=True)}
    facts = [method, *(whole.get(name, "") for name in ("content-md5", "content-type", "date"))]
    text = "\n".join(facts) + "\n" + _lines(whole, (name for name in whole if name.startswith(OWN))) + resource
    made = hmac.new(keys.access_key_secret.encode(), text.encode(), hashlib.sha1).digest()
    return {**whole, "authorization": f"OSS {keys.access_key_id}:{base64.b64encode(made).decode()}"}


def signed_v4(
    keys: Keys, method: str, resource: str, headers: Mapping[str, str], now: datetime, region: str, query: str = ""
) -> Headers:
    """The same with the fourth version's. `query` is in its canonical form."""
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/oss/{SCOPE_END}"
    whole = {**headers, **keys.token(), "x-oss-date": moment, "x-oss-content-sha256": UNSIGNED}
    counting = (name for name in whole if name.startswith(OWN) or name in {"content-type", "content-md5"})
    request = [method, quote(resource, safe="/"), query, _lines(whole, counting), "", UNSIGNED]
    digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
    key = f"aliyun_v4{keys.access_key_secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    made = _hmac(key, f"OSS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}").hex()
    said = f"OSS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope},Signature={made}"
    return {**whole, "authorization": said}


def _lines(headers: Mapping[str, str], names: Iterable[str]) -> str:
    """The canonical form of some headers."""
    return "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(names))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
