"""Puts a page together out of its parts, once; and what its answers say to browsers."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from aiohttp import hdrs, web

__all__ = ["HEADERS", "PARTS", "policy", "response"]

PARTS: Final = {
    "page.html": {
        "styles": ("vendor/xterm.css", "parts/page.css", "parts/panes.css", "parts/view.css"),
        "libraries": ("vendor/xterm.js", "vendor/addon-fit.js"),
        "scripts": ("base", "tabs", "terminal", "files", "viewer", "use", "calls", "view", "session"),
    },
    "front.html": {"styles": ("parts/page.css",), "libraries": (), "scripts": ("base", "front")},
}
"""What each page is made of."""
VIEW: Final = ("view-input", "view")
"""The parts of one script that share their names with nobody, and give one: `openView`."""

HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
"""What a page in a session, which is on the same origin, must not get hold of."""
NONCE: Final = "@@nonce@@"
FACTS: Final = "@@facts@@"
SOURCE_MAP: Final = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
"""It would have browsers look for a file that is not there."""


def policy(nonce: str) -> str:
    """What the page may do: only what it brought itself, and requests to where it came from.

    Attributes of style are let in for the terminal, which gives letters their colours so.
    """
    rules = (
        "default-src 'none'", f"script-src 'nonce-{nonce}'", f"style-src 'nonce-{nonce}'",
        f"style-src-elem 'nonce-{nonce}'", "style-src-attr 'unsafe-inline'", "connect-src 'self'",
        "img-src blob: data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )  # fmt: skip
    return "; ".join(rules)


def response(page: str, facts: Mapping[str, Any]) -> web.Response:
    """The page with what it starts from. Whatever the facts hold, it stays text in a place that nobody runs."""
    nonce = secrets.token_urlsafe(18)
    told = json.dumps(facts).replace("<", "\\u003c")
    text = assembled(page).replace(NONCE, nonce).replace(FACTS, told)
    headers = HEADERS | {"Content-Security-Policy": policy(nonce)}
    return web.Response(text=text, content_type="text/html", headers=headers)


@cache
def assembled(page: str) -> str:
    """The page as text, with marks where the nonce and the facts go."""
    parts = PARTS[page]
    text = read(f"parts/{page}")
    text = text.replace("@@styles@@", "\n".join(map(read, parts["styles"])))
    libraries = "".join(f'<script nonce="{NONCE}">{read(each)}</script>\n' for each in parts["libraries"])
    text = text.replace("@@libraries@@", libraries)
    scripts = "\n".join(map(script, parts["scripts"]))
    return text.replace("@@scripts@@", f'"use strict";\n(() => {{\n{scripts}\n}})();')


def script(name: str) -> str:
    """A part of the page's script. All of them share their names, but for those of the view."""
    if name != "view":
        return read(f"parts/{name}.js")
    inner = "\n".join(read(f"parts/{each}.js") for each in VIEW)
    return f"const openView = (() => {{\n{inner}\nreturn openView;\n}})();"


def read(name: str) -> str:
    """One part."""
    return SOURCE_MAP.sub("", resources.files("agentbay_local.page").joinpath(name).read_text("utf-8"))
