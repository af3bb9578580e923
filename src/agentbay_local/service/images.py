"""The images that sessions can be made from."""

from __future__ import annotations

from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["DEFAULT_IMAGE", "FAMILIES", "PRESTARTED", "offered"]

DEFAULT_IMAGE = "linux_latest"

# Image id to family. All have the same root; the tools on offer differ.
FAMILIES = {"linux_latest": "ComputerUse", "code_latest": "CodeSpace", "browser_latest": "BrowserUse"}

# Images whose sessions have a Python interpreter started before anybody asks.
PRESTARTED = frozenset({"code_latest"})


def offered(image: str | None) -> str:
    """Gives the image to use. Raises ServiceRefusal when it is not offered here."""
    wanted = image or DEFAULT_IMAGE
    if wanted in FAMILIES:
        return wanted
    names = ", ".join(sorted(FAMILIES))
    text = f"no authorized app: the image {wanted[:100]} is not offered by this server. Offered are: {names}."
    raise ServiceRefusal("InvalidImage.NotFound", text)
