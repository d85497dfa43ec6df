"""One training epoch: ours with counting on, without a mask and with an unstructured one, against the peers and the limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench import peers
from bench.measure import Effort, Line, Lines, Said, interleaved
from core import masks
from core.datasets import Dataset
from core.experiment import training
from core.experiment.training import Trainer
from core.spec import RunSpec

NAME = "epoch"
OURS, MASKED = "ours, counting", "ours, counting, half masked"
LOADER, AUTOGRAD = "a DataLoader loop", "a tight autograd loop"
ALL_CORES = "the same on all cores (ours on one)"
SCIKIT_LEARN, KERAS = "scikit-learn, MLPClassifier, SGD", "Keras"
LIMIT, LIMIT_USUAL = "limit: the products of our step alone", "the same with all 784 inputs, as nn.Linear lies"
WANTED = {
    (OURS, LIMIT): "at least 0.70",
    (MASKED, LIMIT): "at least 0.65",
    (OURS, LOADER): "above 1",
    (OURS, AUTOGRAD): "above 1",
    (OURS, SCIKIT_LEARN): "above 1",
    (OURS, KERAS): "above 1",
}


def lines(effort: Effort) -> Lines:
    """784-300-200-100-50-10, batch 32; every arm once a round."""
    spec, data = RunSpec(arithmetic="native"), effort.data()
    sizes = (data.x_train.shape[1], *spec.hidden, len(data.class_names))
    # Our step leaves out inputs that are dark in every training image, so its own products are fewer than 784 inputs make.
    lit = (int(data.x_train.any(axis=0).sum()), *sizes[1:])
    given = (data.x_train, data.y_train, sizes, spec.batch_size, spec.learning_rate)
    arms = {
        OURS: _ours(spec, data, masked=False),
        MASKED: _ours(spec, data, masked=True),
        LIMIT: peers.products(*given[:2], lit, *given[3:], in_first=True),
        LIMIT_USUAL: peers.products(*given),
        AUTOGRAD: peers.autograd(*given),
        ALL_CORES: peers.autograd_on_all_cores(*given),
        LOADER: peers.dataloader(*given),
        SCIKIT_LEARN: peers.scikit_learn(*given),
    }
    yield Said(
        NAME,
        f"One epoch of {data.name}, {len(data.x_train):,} images, {'-'.join(map(str, sizes))}, batch {spec.batch_size}; "
        f"one thread; {sizes[0] - lit[0]} inputs are dark in all of them and leave our arrays, and those of our limit",
    )
    try:
        import keras
    except ImportError as missing:  # of Keras, or of the backend that it is told to use
        text = f"Keras is left out here ({missing}): pip install keras and a backend, which KERAS_BACKEND names"
        yield Said(NAME, text)
    else:
        arms[KERAS] = peers.keras(*given)
        yield Said(NAME, f"Keras {keras.__version__} on {keras.backend.backend()}")
    timed = interleaved(arms, effort.rounds)
    for ours in (OURS, MASKED):
        for peer in [name for name in arms if name not in (OURS, MASKED)]:
            yield Line(NAME, timed[ours], timed[peer], WANTED.get((ours, peer), ""))


def _ours(spec: RunSpec, data: Dataset, *, masked: bool) -> Callable[[], None]:
    state = training.start(spec, data)
    if masked:
        chosen = masks.choose([np.abs(weight) for weight in state.weights[:-1]], state.network(), 0.5)
        assert all(kept.any(axis=1).all() for kept in chosen.kept), (
            "a mask that empties a neuron makes the arrays smaller"
        )
        state = state.with_kept(chosen.kept)
    return partial(_epoch, Trainer(data, [spec], [state], "cpu"))


def _epoch(trainer: Trainer) -> None:
    for _ in trainer.epoch(1):
        pass
