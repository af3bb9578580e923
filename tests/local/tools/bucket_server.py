"""A storage of buckets that looks at each signature, in a world where names lead to this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote

from aiohttp import web
from attrs import define, field

from agentbay_local.oss.signing import Keys, signed_v1, signed_v4
from tests.local.egress.world import World

KEYS: Final = Keys("STS.id", "the+secret/part", "the-token==")
SIGNED: Final = ("content-type", "content-md5")
REFUSED: Final = """\
<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>The signature is wrong.</Message>
<StringToSign>PUT of the+secret/part</StringToSign></Error>"""


@define
class Buckets:
    """What is stored, by `/bucket/object` or, for what came without a signature, by path; and who signed how."""

    objects: dict[str, bytes] = field(factory=dict)
    signatures: list[str] = field(factory=list)
    broken_after: int | None = None
    chunked: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if query == "presigned":
            return await self._carried(request, unquote(path))
        if path in {"/moved", "/round"}:
            raise web.HTTPFound(unquote(query) or path)
        bucket = str(request.url.host).removesuffix(".oss.example")
        resource = f"/{bucket}{unquote(path)}" if bucket.isalpha() else unquote(path)
        if not self._signed(request, resource):
            return web.Response(status=403, text=REFUSED, content_type="application/xml")
        return await self._carried(request, resource)

    def _signed(self, request: web.Request, resource: str) -> bool:
        """Whether the same signature comes out of what was really sent."""
        given = request.headers.get("Authorization", "")
        token, sent = request.headers.get("x-oss-security-token"), request.headers
        keys = Keys(KEYS.access_key_id, KEYS.access_key_secret, KEYS.security_token if token else "")
        headers = {name: sent[name] for name in SIGNED if name in sent}
        self.signatures.append(given.partition(" ")[0])
        if given.startswith("OSS4"):
            now = datetime.strptime(sent["x-oss-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            made = signed_v4(keys, request.method, resource, headers, now, "cn-test")
        else:
            made = signed_v1(keys, request.method, resource, headers, parsedate_to_datetime(sent["Date"]))
        return token == KEYS.security_token and made["authorization"] == given

    async def _carried(self, request: web.Request, name: str) -> web.StreamResponse:
        if request.method == "PUT":
            self.objects[name] = await request.read()
            return web.Response()
        if name not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        if self.chunked:
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(self.objects[name])
            return response
        if self.broken_after is None:
            return web.Response(body=self.objects[name])
        response = web.StreamResponse(headers={"Content-Length": str(len(self.objects[name]))})
        await response.prepare(request)
        await response.write(self.objects[name][: self.broken_after])
        assert request.transport is not None
        request.transport.abort()
        return response


@asynccontextmanager
async def bucket_server(world: World, tls: ssl.SSLContext | None = None) -> AsyncIterator[Buckets]:
    """Puts such a storage where `oss.example` and its buckets are."""
    buckets = Buckets()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", buckets.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    for name in ("oss.example", "photos.oss.example", "elsewhere.example"):
        world.place(name, 443 if tls else 80, runner.addresses[0][1])
    yield buckets
    await runner.cleanup()
