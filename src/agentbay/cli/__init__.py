"""The `agentbay` command. Only `serve`, `doctor` and `demo` need more than the bare SDK."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

__all__ = ["main"]

_INSTALL = "pip install 'agentbay-sdk[local]'"


def _serve(arguments: Sequence[str]) -> int:
    return int(importlib.import_module("agentbay_local.serve").main(arguments))


def _doctor(arguments: Sequence[str]) -> int:
    return int(importlib.import_module("agentbay_local.doctor").main(arguments))


def _demo(arguments: Sequence[str]) -> int:
    return int(importlib.import_module("agentbay_local.demo").main(arguments))


def _policy(arguments: Sequence[str]) -> int:
    return int(importlib.import_module("agentbay_local.egress.command").main(arguments))


def _image(arguments: Sequence[str]) -> int:
    return int(importlib.import_module("agentbay_local.images.command").main(arguments))


def _known_version() -> str:
    try:
        number = version("agentbay-sdk")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"agentbay {number}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _version(_: Sequence[str]) -> int:
    print(_known_version())
    return 0


_COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "serve": ("run AgentBay on this machine", _serve),
    "doctor": ("say what this machine can do, and what would mend it", _doctor),
    "demo": ("watch real sandboxes do real work", _demo),
    "policy": ("say what sessions of this machine may reach on the network", _policy),
    "image": ("make images of your own for sessions of this machine", _image),
    "version": ("say which version this is", _version),
}


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<10}{text}" for name, (text, _) in _COMMANDS.items())
    made = argparse.ArgumentParser(
        prog="agentbay",
        description="AgentBay sessions: disposable computers for AI agents.",
        epilog=f"commands:\n{lines}\n\n`agentbay serve --help` shows the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=_known_version())
    made.add_argument("command", nargs="?", choices=_COMMANDS, metavar="command", help="one of those below")
    made.add_argument("arguments", nargs=argparse.REMAINDER, help="what the command is told")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the `agentbay` command, and gives its exit code."""
    parser = _parser()
    told = parser.parse_args(arguments)
    if told.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        return _COMMANDS[told.command][1](told.arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"agentbay", "agentbay_local"}:
            raise
        print(f"agentbay {told.command}: {error.name} is missing. Get the runtime: {_INSTALL}", file=sys.stderr)
        return 1
