"""`agentbay policy`: the lists of what sessions may reach, looked at and changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agentbay_local.contexts.place import data_folder
from agentbay_local.egress.book import PolicyBook, PolicyFault
from agentbay_local.egress.policy import UnfitRule

__all__ = ["main"]

EPILOG: Final = """\
A host is a name (pypi.org), all names below one (*.pythonhosted.org), a range of addresses (198.51.100.0/24), any of
them with a port (pypi.org:443), or * for every public host. Private addresses are always refused. A session has the
policy whose name it gives as policy_id, as the policy is when the session is created.
"""


def parser() -> argparse.ArgumentParser:
    """Makes the parser of `policy`."""
    shared = argparse.ArgumentParser(add_help=False)
    told = "data folder of the runtime (default: AGENTBAY_DATA, else among the user's data)"
    shared.add_argument("--data", type=Path, help=told)
    made = argparse.ArgumentParser(
        prog="agentbay policy", description="Lists of what sessions may reach on the network.", epilog=EPILOG
    )
    verbs = made.add_subparsers(dest="verb", required=True, metavar="{ls,show,set,rm}")
    verbs.add_parser("ls", parents=[shared], help="name every policy")
    show = verbs.add_parser("show", parents=[shared], help="print what a policy allows, a host a line")
    usage = "agentbay policy set [-h] [--data DATA] NAME --allow HOST [HOST ...]"
    change = verbs.add_parser("set", parents=[shared], help="make a policy, or replace one", usage=usage, epilog=EPILOG)
    remove = verbs.add_parser("rm", parents=[shared], help="remove a policy; sessions that have it keep it")
    for each in (show, change, remove):
        each.add_argument("name", help="name of the policy")
    hosts = "what may be reached; may be given several times"
    change.add_argument("--allow", action="extend", nargs="+", required=True, metavar="HOST", help=hosts)
    return made


def _ls(book: PolicyBook, _: argparse.Namespace) -> None:
    for name in book.names():
        print(name)


def _show(book: PolicyBook, told: argparse.Namespace) -> None:
    for rule in book.find(told.name).rules:
        print(rule)


def _set(book: PolicyBook, told: argparse.Namespace) -> None:
    made = book.set(told.name, told.allow)
    print(f"{made.name} allows {', '.join(map(str, made.rules))}")


def _rm(book: PolicyBook, told: argparse.Namespace) -> None:
    book.remove(told.name)


VERBS: Final[dict[str, Callable[[PolicyBook, argparse.Namespace], None]]] = {
    "ls": _ls,
    "show": _show,
    "set": _set,
    "rm": _rm,
}


def main(arguments: Sequence[str]) -> int:
    """Runs `agentbay policy`, and gives its exit code."""
    told = parser().parse_args(arguments)
    try:
        VERBS[told.verb](PolicyBook(data_folder(told.data)), told)
    except (PolicyFault, UnfitRule) as error:
        print(f"agentbay policy: {error}", file=sys.stderr)
        return 1
    return 0
