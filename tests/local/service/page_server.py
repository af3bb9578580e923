"""A server for the inside of a session: what links have to carry, it can tell apart."""

from __future__ import annotations

import sys

from aiohttp import WSMsgType, web


async def seen(request: web.Request) -> web.Response:
    """What arrived of the request."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = (await request.read()).decode("latin-1")
    return web.json_response({"method": request.method, "path": request.raw_path, "headers": headers, "body": body})


async def echo(request: web.Request) -> web.StreamResponse:
    """Sends back each piece as it comes."""
    response = web.StreamResponse()
    await response.prepare(request)
    async for piece in request.content.iter_any():
        await response.write(piece)
    return response


async def broken(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def away(request: web.Request) -> web.Response:
    """Redirects to where the query says."""
    return web.Response(status=302, headers={"Location": request.query["to"], "Set-Cookie": "a=b"})


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Echoes messages; closes with 4000 when told so."""
    made = web.WebSocketResponse(protocols=("second",))
    await made.prepare(request)
    async for message in made:
        if message.type is WSMsgType.BINARY:
            await made.send_bytes(message.data)
        elif message.data == "close":
            await made.close(code=4000)
        else:
            await made.send_str(f"{request.raw_path} {message.data}")
    return made


app = web.Application()
app.router.add_route("POST", "/echo", echo)
app.router.add_get("/broken", broken)
app.router.add_get("/away", away)
app.router.add_get("/socket", socket)
app.router.add_route("*", "/{tail:.*}", seen)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
