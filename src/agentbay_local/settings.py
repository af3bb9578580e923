"""What `agentbay serve` can be told, and the values it gets when it is told nothing."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from agentbay_local.browser.model import KEY, NAME, URL, Model
from agentbay_local.sandbox.contract import Limits

_LIMITS = ("processes", "memory", "file_size", "workspace", "open_files")

__all__ = ["Settings", "read_settings"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(\d{1,12})([KMG]?)(?:i?B)?", re.IGNORECASE)


@frozen
class Settings:
    """How one runtime serves. Times are in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 0
    url: str = ""
    data: Path | None = None
    skills: Path | None = None
    keys: tuple[str, ...] = field(default=(), repr=False)
    warm: int = 2
    warm_code: int = 1
    parent: int | None = None
    quiet: bool = False
    log_format: str = "text"
    idle: float = 300.0
    hibernate: float = 600.0
    max_sessions: int = 100
    body_limit: int = 64 << 20
    store_quota: int | None = None
    limits: Limits = field(factory=Limits)
    model: Model | None = None


def size(text: str) -> int:
    """Reads a size such as `512M`: bytes, or with K, M or G their powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: give bytes, or a number with K, M or G")
    return int(match[1]) * _UNITS[match[2].upper()]


def count(text: str) -> int:
    """Reads a number of things, at least one."""
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:12]) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def port(text: str) -> int:
    """Reads a port number; 0 stands for any free one."""
    if not text.isascii() or not text.isdecimal() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to 65535")
    return int(text)


def number(text: str) -> int:
    """Reads a whole number, 0 included."""
    return 0 if text == "0" else count(text)


def key(text: str) -> str:
    """Reads an API key."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("a key must be printable ASCII without spaces")
    return text


def parser() -> argparse.ArgumentParser:
    """Makes the parser of `serve`."""
    new = Limits()
    made = argparse.ArgumentParser(
        prog="agentbay serve",
        description="Runs AgentBay on this machine. Once ready, prints its endpoint and key on standard output.",
        epilog="Sizes are bytes, or numbers with K, M or G. Stop it with Ctrl-C or SIGTERM.",
    )
    say = made.add_argument
    say("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    say("--port", type=port, default=0, help="port to listen on; 0, the default, takes any free one")
    say("--url", default="", help="address under which clients reach this server, when it is another one")
    help_data = "folder that keeps contexts, and the API key from one start to the next (without it, contexts are in"
    say("--data", type=Path, help=f"{help_data} AGENTBAY_DATA, or among the user's data, and the key is a new one)")
    help_skills = "folder of skills, each a folder with a SKILL.md (default: skills in the data folder)"
    say("--skills", type=Path, metavar="DIR", help=help_skills)
    help_key = "accept this API key (may be given several times); alone, the one in AGENTBAY_API_KEY"
    say("--key", type=key, nargs="?", action="append", default=[], dest="keys", help=help_key)
    say("--warm", type=number, default=2, help="sandboxes kept ready in advance (default: %(default)s)")
    help_code = "the same for code_latest with its interpreter, once that was asked for (default: 1; 0 if --warm is 0)"
    say("--warm-code", type=number, help=help_code)
    say("--parent", type=count, metavar="PID", help="end when this process, which started the server, has ended")
    say("--log-format", choices=["text", "json"], default="text", help="form of the log (default: %(default)s)")
    say("--quiet", action="store_true", help="log only warnings and errors")
    say("--idle", type=count, default=300, help="seconds until an unused session ends (default: %(default)s)")
    help_rest = "seconds in pause until files go to the disk and programs end; 0 is never (default: 600)"
    say("--hibernate", type=number, default=600, metavar="SECONDS", help=help_rest)
    say("--max-sessions", type=count, default=100, help="sessions that may be open at once (default: %(default)s)")
    help_quota = "most bytes in the contexts of one key, in all (default: as many as the disk has)"
    say("--store-quota", type=size, metavar="SIZE", help=help_quota)
    say("--body-limit", type=size, default=64 << 20, help="largest request (default: 64M)")
    say("--processes", type=count, default=new.processes, help="processes of a session (default: %(default)s)")
    say("--memory", type=size, default=new.memory, help="memory of one process in a session (default: %(default)s)")
    say("--file-size", type=size, default=new.file_size, help="largest file in a session (default: %(default)s)")
    say("--workspace", type=size, default=new.workspace, help="files of a session in all (default: %(default)s)")
    say("--open-files", type=count, default=new.open_files, help="open files of a process (default: %(default)s)")
    _say_model(say)
    return made


def _say_model(say: Callable[..., object]) -> None:
    """What the page operator thinks with. Its key is better given by the environment: others can see options."""
    help_url = (
        f"address of an OpenAI-compatible endpoint, up to /v1; for page_use_* (default: {URL} of the environment)"
    )
    say("--model-url", default=os.environ.get(URL, ""), metavar="URL", help=help_url)
    say("--model", default=os.environ.get(NAME, ""), help=f"the model to ask for there (default: {NAME})")
    help_key = f"the key for it, if it wants one (default: {KEY}, which others cannot see in the list of programs)"
    say("--model-key", type=key, default=os.environ.get(KEY), help=help_key)


def _model(told: dict[str, Any], made: argparse.ArgumentParser) -> Model | None:
    url, name, secret = (told.pop(option) for option in ("model_url", "model", "model_key"))
    if not url and not name:
        return None
    if not name or not url.startswith(("http://", "https://")):
        made.error(f"a model needs --model-url http(s)://... and --model (or {URL} and {NAME})")
    return Model(url, name, secret or "")


def _keys(given: Sequence[str | None], made: argparse.ArgumentParser) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text or os.environ.get("AGENTBAY_API_KEY", "") for text in given))
    if not all(found):
        made.error("argument --key: no key was given and AGENTBAY_API_KEY is not set")
    return found


def read_settings(arguments: Sequence[str]) -> Settings:
    """Reads the command line of `serve`; ends the program with status 2 when it cannot be understood."""
    made = parser()
    told = vars(made.parse_args(arguments))
    limits = Limits(**{name: told.pop(name) for name in _LIMITS})
    told["warm_code"] = min(1, told["warm"]) if told["warm_code"] is None else told["warm_code"]
    told["model"] = _model(told, made)
    told["keys"] = _keys(told["keys"], made)
    return Settings(limits=limits, **told)
