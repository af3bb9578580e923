"""The door to screenshots that were given an address."""

from __future__ import annotations

from aiohttp import hdrs, web

from agentbay_local.pictures import PREFIX
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["PictureDoor"]

_HARMLESS = {
    hdrs.CACHE_CONTROL: "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class PictureDoor:
    """Gives pictures to whoever has their address."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PREFIX + "{token}.png", self.get)]

    async def get(self, request: web.Request) -> web.Response:
        """One picture."""
        kept = self._service.pictures.find(request.match_info["token"])
        if kept is None:
            text = "There is no such picture, or its time is over: take another one."
            raise ServiceRefusal("InvalidScreenshot.NotFound", text, 404)
        return web.Response(body=kept.data, content_type=kept.media_type, headers=_HARMLESS)
