"""Counts for ever; writes after each number when that was, in seconds of the clock that never goes back."""

import itertools
import time

with open("/tmp/ticks", "w", encoding="ascii") as ticks:
    for number in itertools.count(1):
        print(number, time.monotonic(), file=ticks, flush=True)
        time.sleep(0.02)
