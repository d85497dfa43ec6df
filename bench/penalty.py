"""One training epoch with the nuclear-norm penalty, a step of it every N training steps, against one without."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Arm, interleaved
from core import training
from core.datasets import Dataset
from core.spec import PenaltySpec, RunSpec
from core.training import Trainer

WITHOUT = "no penalty"
EVERY = (PenaltySpec().every, 4 * PenaltySpec().every)


def name(every: int) -> str:
    return f"penalty, N = {every}"


def measure(rounds: int, data: Dataset) -> list[Arm]:
    """An epoch of the data set, 784-300-200-100-50-10, batch 32, without and with the penalty."""
    arms = {WITHOUT: _epoch(RunSpec(pruning=None), data)}
    for every in EVERY:
        arms[name(every)] = _epoch(RunSpec(pruning=None, penalty=PenaltySpec(every=every)), data)
    return interleaved(arms, rounds)


def _epoch(spec: RunSpec, data: Dataset) -> Callable[[], None]:
    trainer = Trainer(data, [spec], [training.start(spec, data)], "cpu")

    def epoch() -> None:
        for _ in trainer.epoch(1):
            pass

    return epoch
