"""Whether sessions can be made from images of the user's own: one is made, and looked at from inside."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agentbay_local.images.image import Image
from agentbay_local.probes.machine import LOCAL
from agentbay_local.probes.trial import Finding, Trial, bad, good
from agentbay_local.sandbox.contract import CannotIsolate, Engine

__all__ = ["IMAGES"]

WORD: Final = "agentbay-doctor"
LOOK: Final = f"cat /usr/share/{WORD} {WORD} && echo more >>{WORD} && rm {WORD} && ls"


async def images(engine: Engine) -> Finding:
    """A layer is laid over /usr, and one under the home folder, where its file is changed and removed."""
    with TemporaryDirectory(prefix="agentbay-doctor-") as place:
        layer = Path(place) / "layer"
        for folder in ("usr/share", "home/wuying"):
            (layer / folder).mkdir(parents=True)
            (layer / folder / WORD).write_text("seen\n")
        try:
            box = await engine.create(Image(WORD, "linux_latest", (layer,)))
        except CannotIsolate as error:
            cause, _, remedy = str(error).partition(". This mends it: ")
            return bad(cause, remedy or LOCAL)
        try:
            done = await box.run(["/bin/sh", "-c", LOOK])
        finally:
            await box.close()
    said = (done.stdout + done.stderr).decode(errors="replace")
    if (done.code, said) != (0, "seen\nseen\n"):
        return bad(f"a layer does not show as it must: {said.strip()[:200]!r}, exit code {done.code}")
    return good("layers can be laid over /usr and under the home folder")


IMAGES: Final[tuple[Trial[Engine, Awaitable[Finding]], ...]] = (Trial("own images", images, remedy=LOCAL),)
