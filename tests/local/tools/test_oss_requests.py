"""Object storage without any: what a request is, where it goes, and how it is signed."""

from __future__ import annotations

from datetime import UTC, datetime

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentbay_local.oss import Keys, UnfitPlace, read_place, read_storage
from agentbay_local.oss.signing import signed_v1, signed_v4
from tests.local.egress.world import HERE
from tests.local.tools.bucket_server import KEYS

AT = {"endpoint": "http://oss.example", "region": "cn-test"}


def test_the_signatures_are_those_that_the_storage_publishes() -> None:
    """The examples of its documentation, and of its own clients."""
    first = Keys("44CF9590006BF252F707", "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV")
    headers = {
        "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "content-type": "text/html",
        "x-oss-meta-author": "foo@bar.com",
        "x-oss-magic": "abracadabra",
    }
    then = datetime(2005, 11, 17, 18, 49, 58, tzinfo=UTC)
    made = signed_v1(first, "PUT", "/oss-example/nelson", headers, then)
    assert "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA=" == made["authorization"]
    query = "%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2"
    now = datetime.fromtimestamp(1702784856, UTC)
    headers = {"x-oss-head1": "value", "abc": "value", "content-type": "text/plain"}
    fourth = Keys("ak", "sk", "token")
    made = signed_v4(fourth, "PUT", "/bucket/1234+-/123/1.txt", headers, now, "cn-hangzhou", query)
    signature = "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea"
    said = f"OSS4-HMAC-SHA256 Credential=ak/20231217/cn-hangzhou/oss/aliyun_v4_request,Signature={signature}"
    assert said == made["authorization"]


@pytest.mark.parametrize(
    ("endpoint", "region", "found"),
    [
        ("", "", ("https://oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou")),
        ("", "oss-cn-beijing", ("https://oss-cn-beijing.aliyuncs.com", "cn-beijing")),
        (
            "oss-eu-central-1-internal.aliyuncs.com",
            "",
            ("https://oss-eu-central-1-internal.aliyuncs.com", "eu-central-1"),
        ),
        ("http://minio.example:9000/", "", ("http://minio.example:9000", "")),
        ("minio.example", "us-east-1", ("https://minio.example", "us-east-1")),
    ],
)
def test_the_endpoint_and_the_region_complete_each_other(endpoint: str, region: str, found: tuple[str, str]) -> None:
    storage = read_storage(KEYS, endpoint, region)
    assert found == (storage.endpoint, storage.region)


@pytest.mark.parametrize(
    ("endpoint", "region", "why"),
    [
        ("ftp://a.example", "", "endpoint must be an address"),
        ("https://a.example/path", "", "endpoint must be a host alone"),
        ("https://me:pw@a.example", "", "endpoint must hold no user and password"),
        ("https://a.example:0", "", "endpoint must be an address"),
        ("https://a.example:99999", "", "endpoint is no address"),
        ("a b", "", "endpoint must hold neither spaces"),
        ("", "CN/x", "region must be an id"),
    ],
)
def test_an_endpoint_that_cannot_be_one_is_named(endpoint: str, region: str, why: str) -> None:
    with pytest.raises(UnfitPlace, match=why):
        read_storage(KEYS, endpoint, region)


URLS = st.sampled_from(
    ["http://", "https://", "a.example", ":80", ":x", "@", "/", "?", "#", "%", "[", "]", "\u00fc", " ", "\r\n", ".."]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(URLS | st.text(max_size=4), max_size=8).map("".join))
def test_whatever_is_given_as_an_address_is_one_that_can_be_sent_or_refused(text: str) -> None:
    for url in (text, f"http://a.example/{text}"):
        try:
            found = read_place(url)
        except UnfitPlace:
            continue
        h11.Request(method="GET", target=found.target, headers=[("Host", found.authority)])
        assert found.target.startswith("/")


@pytest.mark.parametrize(
    ("bucket", "name", "why"),
    [
        ("Photos", "x", "bucket must have 3 to 63"),
        ("photos.evil.example/", "x", "bucket must have"),
        ("photos", "/x", "object must begin with neither"),
        ("photos", "a/../b", "no part . or .."),
        ("photos", "x" * 1024, "object must have 1 to 1023 bytes"),
        ("photos", "a\nb", "no control characters"),
    ],
)
def test_buckets_and_objects_have_the_names_that_the_storage_takes(bucket: str, name: str, why: str) -> None:
    with pytest.raises(UnfitPlace, match=why.replace(".", r"\.")):
        read_storage(KEYS, **AT).request("GET", bucket, name, {})


def test_a_storage_at_a_bare_address_has_its_buckets_in_the_path() -> None:
    place, _ = read_storage(KEYS, f"http://{HERE}:9000", "").request("GET", "photos", "a b", {})
    assert (f"{HERE}:9000", "/photos/a%20b") == (place.authority, place.target)
