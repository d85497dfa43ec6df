"""A whole run of the paper's protocol, with five cuts, spectra and every epoch stored, against itself without shrinking.

Both make the same epochs, but sums in another order end in other last bits, and a threshold may be passed an epoch sooner or
later: so every round has a seed of its own, and how many epochs each took stands beside the times.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from unittest import mock

from bench.measure import Arm, Effort, Line, Lines, Said
from core import experiment
from core.events import EpochEnded, Pruned
from core.experiment import training
from core.spec import PruningSpec, RunSpec
from core.store import Store

NAME = "run"
OURS, UNSHRUNK = "shrinking", "not shrinking"
WANTED = "at least 2.5 on MNIST"


@dataclass(frozen=True)
class Took:
    """Seconds of one run: all of it; from its first cut on; the training in that part alone, and its epochs."""

    whole: float
    after: float
    training: float
    epochs: int


def lines(effort: Effort) -> Lines:
    """80 % by activation frequency in five rounds, budget total."""
    if effort.quick:
        specs = [RunSpec(dataset="digits", hidden=(64, 32), max_epochs=12, pruning=PruningSpec(start_accuracy=0.1))]
    else:
        specs = [RunSpec(dataset=effort.data().name, seed=seed, arithmetic="native") for seed in range(effort.few)]
    took: dict[str, list[Took]] = {OURS: [], UNSHRUNK: []}
    for spec in specs:
        took[OURS].append(_timed(spec, shrink=True))
        took[UNSHRUNK].append(_timed(spec, shrink=False))
    epochs = {name: ", ".join(str(one.epochs) for one in ones) for name, ones in took.items()}
    yield Said(
        NAME,
        f"A run of {specs[0].dataset}, {specs[0].pruning.ratio:.0%} by activation-frequency in {specs[0].pruning.rounds} "
        f"rounds, spectra and every epoch stored; seeds 0..{len(specs) - 1}; epochs from the first cut: {epochs[OURS]} "
        f"against {epochs[UNSHRUNK]}",
    )
    for part, words, wanted in (
        ("training", "from the first cut on, training", WANTED),
        ("after", "from the first cut on, everything", WANTED),
        ("whole", "from start to end", ""),
    ):
        ours, other = (
            Arm(f"{name}, {words}", tuple(getattr(one, part) for one in ones)) for name, ones in took.items()
        )
        yield Line(NAME, ours, other, wanted)


def _timed(spec: RunSpec, *, shrink: bool) -> Took:
    trainer = partial(training.Trainer, shrink=shrink)
    began, first, trained, epochs = time.perf_counter(), None, 0.0, 0
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(experiment, "Trainer", trainer):
        for event in experiment.run(spec, Store(folder), device="cpu"):
            if isinstance(event, Pruned) and first is None:
                first = time.perf_counter()
            elif isinstance(event, EpochEnded) and first is not None:
                trained, epochs = trained + event.seconds, epochs + 1
    ended = time.perf_counter()
    if first is None:
        raise ValueError(f"the run {spec.label()} was never cut: nothing to compare")
    return Took(ended - began, ended - first, trained, epochs)
