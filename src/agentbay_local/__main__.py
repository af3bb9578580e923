"""`python -m agentbay_local serve|doctor|policy|image`: the runtime without the command-line extras."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_USAGE = "usage: python -m agentbay_local {serve,doctor,policy,image} [options]"


def main(arguments: Sequence[str]) -> int:
    """Runs one command, and gives its exit code."""
    try:
        return _run(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("agentbay"):
            raise
        print(f"{error.name} is missing. Get the runtime: pip install 'agentbay-sdk[local]'", file=sys.stderr)
        return 1


def _run(arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["serve", *options]:
            from agentbay_local import serve  # noqa: PLC0415 - doctor must run where the server's parts are missing

            return serve.main(options)
        case ["doctor", *options]:
            from agentbay_local import doctor  # noqa: PLC0415 - the server does not need it

            return doctor.main(options)
        case ["policy", *options]:
            from agentbay_local.egress import command  # noqa: PLC0415 - nor this one

            return command.main(options)
        case ["image", *options]:
            from agentbay_local.images import command as images  # noqa: PLC0415 - nor this one

            return images.main(options)
    print(_USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
