"""One training epoch with the nuclear-norm penalty, a step of it every N training steps, against one without."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Effort, Line, Lines, Said, interleaved
from core.datasets import Dataset
from core.experiment import training
from core.experiment.training import Trainer
from core.spec import PenaltySpec, RunSpec

NAME = "penalty"
WITHOUT = "no penalty"
EVERY = (PenaltySpec().every, 4 * PenaltySpec().every)


def name(every: int) -> str:
    return f"penalty, N = {every}"


def lines(effort: Effort) -> Lines:
    """An epoch of the data set, 784-300-200-100-50-10, batch 32, with the penalty and without."""
    data = effort.data()
    yield Said(NAME, f"One epoch of {data.name} with the nuclear-norm penalty, 784-300-200-100-50-10, batch 32")
    arms = {WITHOUT: _epoch(RunSpec(pruning=None, arithmetic="native"), data)}
    for every in EVERY:
        arms[name(every)] = _epoch(RunSpec(pruning=None, arithmetic="native", penalty=PenaltySpec(every=every)), data)
    timed = interleaved(arms, effort.few)
    for every in EVERY:
        yield Line(NAME, timed[name(every)], timed[WITHOUT], "at least 0.33 on MNIST")


def _epoch(spec: RunSpec, data: Dataset) -> Callable[[], None]:
    trainer = Trainer(data, [spec], [training.start(spec, data)], "cpu")

    def epoch() -> None:
        for _ in trainer.epoch(1):
            pass

    return epoch
