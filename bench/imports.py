"""What `import agentbay` costs beside `import httpx`: processor time of fresh interpreters, best of many, in turns.

python -m bench.imports [ROUNDS]
"""

from __future__ import annotations

import os
import subprocess
import sys

CASES = {
    "python": "pass",
    "httpx": "import httpx",
    "httpx, first client": "import httpx; httpx.Client()",
    "agentbay": "import agentbay",
    "agentbay, first client": "import agentbay; agentbay.AgentBay('key', endpoint='https://localhost')",
}


def cost(code: str) -> float:
    """Milliseconds of processor time that one run takes."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {code}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(rounds):
        for name, code in CASES.items():
            best[name] = min(best[name], cost(code))
    for name, spent in best.items():
        print(f"{name:<24} {spent:7.1f} ms   {spent / best['httpx']:.2f} of httpx")


if __name__ == "__main__":
    main()
