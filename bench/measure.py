"""Interleaved timing, A B C A B C …, so that a slow moment of the machine hits every arm alike; and the lines of the table."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from core import datasets
from core.datasets import Dataset, DatasetMissing


@dataclass(frozen=True)
class Arm:
    """One thing that was timed: seconds a round, in the order of the rounds."""

    name: str
    seconds: tuple[float, ...]

    def spread(self) -> tuple[float, float, float]:
        """Least, median and most, in milliseconds."""
        return spread([1000 * second for second in self.seconds])

    def ratio(self, other: Arm) -> tuple[float, float, float]:
        """How many times as long as `other`, round by round: least, median and most."""
        return spread([a / b for a, b in zip(self.seconds, other.seconds, strict=True)])


def spread(values) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


@dataclass(frozen=True)
class Line:
    """One line of the table: how long `what` took, and how many times as long the alternative `against` took; None where
    there is no alternative, and times are only told. wanted: the target, in words. note: what else has to be known."""

    section: str
    what: Arm
    against: Arm | None = None
    wanted: str = ""
    note: str = ""


@dataclass(frozen=True)
class Said:
    """A sentence in place of a line: what is measured here, or which peer is left out and why."""

    section: str
    text: str


Lines = Iterator[Line | Said]


@dataclass(frozen=True)
class Effort:
    """How much to do. quick: only shows that it runs, on a small part of MNIST mini. rounds: of epochs; what takes much
    longer than an epoch takes fewer."""

    rounds: int = 5
    quick: bool = False

    @property
    def few(self) -> int:
        """Rounds of what takes a minute."""
        return 1 if self.quick else max(2, self.rounds // 3)

    def data(self) -> Dataset:
        """MNIST where it is at hand, else MNIST mini, with a word about it in its name; the first images of it if quick."""
        if not self.quick:
            try:
                return datasets.load("mnist")
            except DatasetMissing:
                return datasets.load("mnist-mini")
        data, parts = datasets.load("mnist-mini"), ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test")
        return replace(data, **{part: getattr(data, part)[:640] for part in parts})


def interleaved(
    arms: dict[str, Callable[..., object]], rounds: int, prepare: dict[str, Callable[[], object]] | None = None
) -> dict[str, Arm]:
    """Runs every arm once to warm up, then `rounds` times in turn. An arm in `prepare` gets what that makes, made anew each
    time and outside of the time."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(rounds + 1):
        if turn == 1:
            gc.collect()
        for name, work in arms.items():
            given = [prepare[name]()] if prepare and name in prepare else []
            began = time.perf_counter()
            work(*given)
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: Arm(name, tuple(values)) for name, values in seconds.items()}
