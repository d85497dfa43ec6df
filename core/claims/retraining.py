"""Trains the contest's reductions as long as the pruned network was trained on after its first cut, with their rank held.

The same epochs by number, so the same shuffles of the same images, the same rate and batch size, no stopping in between. What
the pruned run had besides, cuts and a penalty, they have not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from core import spectra
from core.artifacts import Progress, on
from core.claims import budgets, factors, pca
from core.claims.budgets import ARMS
from core.claims.factors import Factored, Retrained
from core.claims.pca import Twins
from core.experiment.training import Trainer
from core.lowrank import Decomposition
from core.store import files
from core.store.snapshot import TrainingState


def arms(of: Twins, matching: str, wanted: tuple[str, ...] = ARMS, progress: Progress = on) -> Iterator[Retrained]:
    """Trains the wanted reductions at a matching, one after the other; each is told before its training and after every epoch.

    `progress` hears the share done, 0..1, and may answer False: then it ends early. Raises ValueError on an unknown
    matching."""
    layers = budgets.layers(of.pruned)
    ranks = {arm: budgets.matched_ranks(layers, matching, arm) for arm in wanted}
    found = pca.decompositions(of.standard, of.data)
    for place, arm in enumerate(wanted):

        def still(share: float, place: int = place) -> bool:
            return progress((place + share) / len(wanted))

        for one in retrain(of, matching, arm, found[arm], ranks[arm], still):
            yield one
        if not one.complete:
            return


def retrain(
    of: Twins,
    matching: str,
    arm: str,
    decompositions: list[Decomposition],
    ranks: tuple[int, ...],
    progress: Progress = on,
) -> Iterator[Retrained]:
    """Trains one reduction; see `arms`."""
    network = factors.factored(of.standard, decompositions, ranks)
    epochs = of.trained_on
    told = _Told(of, matching, arm, ranks, network)
    state = start(network, of.spec.optimizer == "adam")
    yield told.now(state)
    if not epochs:
        return
    spec = dataclasses.replace(pca.twin(of.spec), penalty=None)
    trainer = Trainer(of.data, [spec], [state], linear=network.linear)
    for done, number in enumerate(epochs):
        for share in trainer.epoch(number):
            if not progress((done + share) / len(epochs)):
                return
        state = trainer.states()[0]
        yield told.now(state)
        if told.problem:
            return


def start(network: Factored, adam: bool) -> TrainingState:
    """The network as what a Trainer takes: nothing counted, every weight kept, Adam's moments at zero."""
    parameters = [*network.weights, *network.biases]
    return TrainingState(
        weights=network.weights,
        biases=network.biases,
        kept=tuple(np.ones(weight.shape, bool) for weight in network.weights),
        fired=tuple(np.zeros(len(weight), np.int64) for weight in network.weights[:-1]),
        moments=tuple(np.zeros_like(one) for one in parameters for _ in range(2)) if adam else (),
    )


class _Told:
    """What is told of one arm, epoch by epoch."""

    def __init__(self, of: Twins, matching: str, arm: str, ranks: tuple[int, ...], network: Factored):
        self._of, self._matching, self._arm, self._ranks, self._network = of, matching, arm, ranks, network
        self._test: list[float] = []
        self._valid: list[float] = []
        self._answers, self._true = np.zeros(len(of.data.y_test), np.uint8), np.zeros(len(ranks), np.uint16)
        self.problem = ""

    def now(self, state: TrainingState) -> Retrained:
        data = self._of.data
        if all(np.isfinite(part).all() for part in (*state.weights, *state.biases)):
            network = self._network.product(state.weights, state.biases)
            self._answers = network.predict(data.x_test).astype(np.uint8 if len(data.class_names) <= 256 else np.uint16)
            self._test.append(float(np.mean(self._answers == data.y_test)))
            self._valid.append(network.accuracy(data.x_valid, data.y_valid))
            matrices = self._network.matrices(state.weights)[:-1]
            self._true = np.array([spectra.spectrum(matrix).rank for matrix in matrices], np.uint16)
        else:
            self.problem = "its weights became infinite, so its training ended"
        return Retrained(
            run=files.bare(self._of.run[0]),
            matching=self._matching,
            arm=self._arm,
            epochs=len(self._of.trained_on),
            ranks=np.array(self._ranks, np.uint16),
            true=self._true,
            numbers=np.array(self._network.numbers(), np.uint32),
            test=np.array(self._test),
            valid=np.array(self._valid),
            answers=self._answers,
            problem=self.problem,
        )
