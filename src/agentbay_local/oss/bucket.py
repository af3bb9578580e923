"""A storage as a session was told of it, and the signed requests for one object of a bucket. No I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from attrs import field, frozen

from agentbay_local.egress.addresses import address_of
from agentbay_local.oss.places import Place, UnfitPlace, read_parts
from agentbay_local.oss.signing import Headers, Keys, signed_v1, signed_v4

__all__ = ["Keys", "Storage", "UnfitPlace", "read_storage"]

BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
REGION: Final = re.compile(r"[a-z0-9-]{1,63}")
OF_ALIYUN: Final = re.compile(r"oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
LONGEST_OBJECT: Final = 1023
USUAL_REGION: Final = "cn-hangzhou"
"""That of clients that name none."""


@frozen
class Storage:
    """Where a session's buckets are, and the key to them. `region` is empty where nobody named one."""

    keys: Keys = field(repr=False)
    scheme: str
    host: str
    port: int
    region: str

    @property
    def endpoint(self) -> str:
        return str(Place(self.scheme, self.host, self.port, "/"))

    def request(self, method: str, bucket: str, name: str, headers: Headers) -> tuple[Place, Headers]:
        """Where an object is, and the signed headers of a request for it. Raises UnfitPlace."""
        resource = f"/{bucket_name(bucket)}/{object_name(name)}"
        now = datetime.now(UTC)
        if self.region:
            signed = signed_v4(self.keys, method, resource, headers, now, self.region)
        else:
            signed = signed_v1(self.keys, method, resource, headers, now)
        # A bucket is a name below the storage's own, which a bare address does not have.
        bare = address_of(self.host) is not None
        target = quote(resource if bare else f"/{name}", safe="/")
        return Place(self.scheme, self.host if bare else f"{bucket}.{self.host}", self.port, target), signed


def read_storage(keys: Keys, endpoint: str, region: str) -> Storage:
    """Reads where a storage is. Raises UnfitPlace, whose message begins with the argument."""
    named = region.removeprefix("oss-")
    if named and REGION.fullmatch(named) is None:
        raise UnfitPlace("region must be an id such as cn-hangzhou")
    if not endpoint:
        named = named or USUAL_REGION
        return Storage(keys, "https", f"oss-{named}.aliyuncs.com", 443, named)
    try:
        parts, host, port = read_parts(endpoint if "://" in endpoint else f"https://{endpoint}")
    except UnfitPlace as unfit:
        raise UnfitPlace(f"endpoint {unfit}") from None
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UnfitPlace("endpoint must be a host alone, such as oss-cn-hangzhou.aliyuncs.com")
    known = OF_ALIYUN.fullmatch(host)
    return Storage(keys, parts.scheme, host, port, named or (known[1] if known else ""))


def bucket_name(text: str) -> str:
    if BUCKET.fullmatch(text) is None:
        raise UnfitPlace("bucket must have 3 to 63 lower-case letters, digits and inner hyphens")
    return text


def object_name(text: str) -> str:
    if not 0 < len(text.encode()) <= LONGEST_OBJECT:
        raise UnfitPlace(f"object must have 1 to {LONGEST_OBJECT} bytes")
    if text[0] in "/\\" or any(part in {".", ".."} for part in text.split("/")):
        raise UnfitPlace("object must begin with neither a slash nor a backslash, and have no part . or ..")
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise UnfitPlace("object must hold no control characters")
    return text
