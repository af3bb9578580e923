"""How the store of images says no. Each is a refusal of the service, so that handlers can let it pass."""

from __future__ import annotations

from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["ImageGone", "ImageTaken", "NoImage", "UnfitImageName"]

CLOUD = {"mobile_latest": "Phones", "windows_latest": "Windows"}
"""What only the cloud has, by its image."""


class UnfitImageName(ServiceRefusal):
    """The name cannot be that of an image of the user's own."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__("InvalidParameter", f"{name[:100]!r} cannot be the name of an image: {why}.")


class ImageTaken(ServiceRefusal):
    """There is an image of that name."""

    def __init__(self, name: str) -> None:
        todo = "choose another name, replace it (--replace), or remove it (`agentbay image rm`)"
        super().__init__("Image.AlreadyExists", f"There is an image {name} already: {todo}.")


class NoImage(ServiceRefusal):
    """Neither is the image offered here, nor is it one of the user's own."""

    def __init__(self, name: str, offered: list[str], own: list[str]) -> None:
        head = f"no authorized app: the image {name[:100]} is not offered by this server. Offered are: "
        ours = f" Own images: {', '.join(own)}." if own else " There are no own images."
        more = " `agentbay image ls` lists them, `agentbay image build` makes one."
        if what := CLOUD.get(name):
            more = f" {what} are offered by the cloud: change the endpoint."
        super().__init__("InvalidImage.NotFound", f"{head}{', '.join(offered)}.{ours}{more}")


class ImageGone(ServiceRefusal):
    """The image was there, and its files are not any more."""

    def __init__(self, name: str) -> None:
        super().__init__("InvalidImage.NotFound", f"The image {name} is gone: build or take it again under that name.")
