"""Interleaved timing: A B C A B C …, so that a slow moment of the machine hits every arm alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """One thing that was timed: seconds a round, in the order of the rounds."""

    name: str
    seconds: tuple[float, ...]

    def milliseconds(self) -> str:
        """Median and spread."""
        low, middle, high = (f"{1000 * value:.1f}" for value in _spread(self.seconds))
        return f"{middle:>8} ms ({low}..{high})"

    def times(self, other: Arm) -> str:
        """How many times as long as `other`, round by round: median and spread."""
        low, middle, high = _spread([a / b for a, b in zip(self.seconds, other.seconds, strict=True)])
        return f"{middle:5.2f} × ({low:.2f}..{high:.2f})"

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def _spread(values) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def interleaved(arms: dict[str, Callable[[], object]], rounds: int) -> list[Arm]:
    """Runs every arm once to warm up, then `rounds` times in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for work in arms.values():
        work()
    gc.collect()
    for _ in range(rounds):
        for name, work in arms.items():
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
    return [Arm(name, tuple(values)) for name, values in seconds.items()]
