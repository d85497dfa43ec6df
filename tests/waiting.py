"""Waiting for what another process does: on a condition, with a deadline."""

import threading
import time


def wait_until(condition, seconds: float = 60.0, *, what: str = "", every: float = 0.02):
    """The first true value of `condition()`; fails when `seconds` have passed. `what` says what was waited for; `every` so
    many seconds it is asked."""
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain{f' for {what}' if what else ''}")
        tick.wait(every)
    return value
