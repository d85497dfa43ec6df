"""A network to cut: 784-300-200-100-50-10 unless other widths are given, after some epochs, with what was counted."""

from __future__ import annotations

from core.datasets import Dataset
from core.experiment import training
from core.experiment.training import Trainer
from core.spec import RunSpec
from core.store.snapshot import TrainingState


def after(epochs: int, data: Dataset, hidden: tuple[int, ...] = RunSpec.hidden) -> TrainingState:
    """The state at the end of that many epochs, uncut."""
    spec = RunSpec(hidden=hidden, pruning=None)
    trainer = Trainer(data, [spec], [training.start(spec, data)], "cpu")
    for number in range(1, epochs + 1):
        for _ in trainer.epoch(number):
            pass
    return trainer.states()[0]
