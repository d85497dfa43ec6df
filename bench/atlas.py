"""Building one atlas: ours in two processes, against a direct way with the same outputs, one big batch and two threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import joblib
import numpy as np
import threadpoolctl
from sklearn.decomposition import PCA

from bench.measure import Arm
from core import atlas, criteria, datasets, masks, training
from core.atlas import COARSE, Choice
from core.criteria import Evidence
from core.datasets import Dataset, DatasetMissing
from core.network import Network
from core.spec import RunSpec
from core.timetable import PERCENTS
from core.training import Trainer

CRITERIA = ("activation-frequency", "magnitude")
OURS, DIRECT = "ours, two processes of one thread", "the direct way, two threads"
AT_ONCE = 2
EPOCHS = 3


@dataclass(frozen=True)
class Row:
    """One criterion: both arms, and by how many images their answers differ at most at any percent."""

    criterion: str
    ours: Arm
    direct: Arm
    differ: int


def data_set(images: int | None = None) -> Dataset:
    """MNIST where it is at hand, else `mnist-mini`; with `images` a small part of the latter."""
    if not images:
        try:
            return datasets.load("mnist")
        except DatasetMissing:
            pass
    data = datasets.load("mnist-mini")
    parts = ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test")
    return replace(data, **{part: getattr(data, part)[:images] for part in parts})


def measure(rounds: int, data: Dataset) -> list[Row]:
    """Builds the atlas of 784-300-200-100-50-10 after three epochs, for a neuron and for a weight criterion, in turns."""
    spec = RunSpec(pruning=None)
    trainer = Trainer(data, [spec], [training.start(spec, data)], "cpu")
    for number in range(1, EPOCHS + 1):
        for _ in trainer.epoch(number):
            pass
    state = trainer.states()[0]
    network = state.network()
    rows = []
    for name in CRITERIA:
        scores = criteria.scores(name, Evidence(network, state.fired, state.seen))
        ours, direct, differ = [], [], 0
        for _ in range(rounds):
            made = _timed(ours, lambda name=name, scores=scores: _ours(name, network, scores, data))
            found = _timed(direct, lambda scores=scores: _direct(network, scores, data))
            differ = max(differ, int(np.abs(made.correct.sum(axis=1) - found["correct"].sum(axis=1)).max()))
        rows.append(Row(name, Arm(OURS, tuple(ours)), Arm(DIRECT, tuple(direct)), differ))
    return rows


def _timed(seconds: list[float], work: Callable):
    began = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - began)
    return result


def _ours(name: str, network: Network, scores: criteria.Scores, data: Dataset) -> atlas.Atlas:
    with threadpoolctl.threadpool_limits(1), joblib.parallel_config("loky", inner_max_num_threads=1):
        return atlas.build(Choice("bench", EPOCHS, name), network, scores, data, n_jobs=AT_ONCE)


def _direct(network: Network, scores: criteria.Scores, data: Dataset) -> dict[str, np.ndarray]:
    """Percent by percent, as one would write it down; every product over all images at once."""
    with threadpoolctl.threadpool_limits(AT_ONCE):
        goes = [np.full(weight.shape, 255, np.uint8) for weight in network.weights]
        columns: dict[str, list] = {}
        # Decomposed once, since the uncut network never changes: fitting anew at every percent would be slower still.
        pca = [PCA(svd_solver="full").fit(weight.T) for weight in network.weights[:-1]]
        svd = [np.linalg.svd(weight.T, full_matrices=False) for weight in network.weights[:-1]]
        for percent in PERCENTS:
            chosen = masks.choose(scores, network, percent / 100)
            cut = chosen.apply(network)
            for gone, kept in zip(goes, chosen.kept, strict=True):
                gone[~kept & (gone == 255)] = percent
            values = [np.linalg.svd(weight, compute_uv=False) for weight in cut.weights[:-1]]
            row = _of_weights(cut, values) | _of_images(cut, data, percent in COARSE)
            row["pca_correct"] = _right(_by_pca(network, pca, row["rank"]), data)
            row["svd_correct"] = _right(_by_svd(network, svd, row["rank"]), data)
            if percent in COARSE:
                row |= _times(cut, data)
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
        columns.pop("values")
        return {key: np.array(column) for key, column in columns.items()}


def _of_weights(cut: Network, values: list[np.ndarray]) -> dict:
    """Counts, sizes and what is read off the singular values."""
    small = cut.shrink()
    nonzero = [np.count_nonzero(weight) for weight in cut.weights]
    eps = np.finfo(np.float32).eps
    exact = [each.astype(np.float64) for each in values]
    shares = [each[each > 0] / each.sum() for each in exact if each.any()]
    return {
        "values": values,
        "zeros": sum(weight.size for weight in cut.weights) - sum(nonzero),
        "alive": [alive.sum() for alive in cut.alive()],
        "way_out": [way.sum() for way in cut.with_way_out()],
        "shrunk": sum(weight.size for weight in small.weights),
        "rank": [int((v > v[0] * max(w.shape) * eps).sum()) for v, w in zip(values, cut.weights, strict=False)],
        "nuclear": [each.sum() for each in exact],
        "frobenius": [np.sqrt((each**2).sum()) for each in exact],
        "stable": [(each**2).sum() / each[0] ** 2 if each[0] else 0 for each in exact],
        "effective": [np.exp(-(each * np.log(each)).sum()) for each in shares] + [0.0] * (len(exact) - len(shares)),
    }


def _of_images(cut: Network, data: Dataset, with_confusion: bool) -> dict:
    classes, result = len(data.class_names), {}
    for name, x, y in (("test", data.x_test, data.y_test), ("valid", data.x_valid, data.y_valid)):
        logits = cut.forward(x)
        answers = logits.argmax(axis=1)
        exact = logits.astype(np.float64)
        exact -= exact.max(axis=1, keepdims=True)
        losses = np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(len(y)), y]
        result[f"{name}_loss"] = losses.mean()
        result["correct" if name == "test" else "valid_correct"] = np.bincount(y[answers == y], minlength=classes)
        if name == "test" and with_confusion:
            result["confusion"] = np.bincount(y * classes + answers, minlength=classes**2)
    return result


def _by_pca(network: Network, fitted: list[PCA], ranks: list[int]) -> Network:
    weights = []
    for weight, pca, k in zip(network.weights, fitted, ranks, strict=False):
        codes = (weight.T - pca.mean_) @ pca.components_[:k].T
        weights.append((codes @ pca.components_[:k] + pca.mean_).T)
    return Network([*weights, network.weights[-1]], network.biases)


def _by_svd(network: Network, decomposed: list[tuple], ranks: list[int]) -> Network:
    weights = [((left[:, :k] * s[:k]) @ right[:k]).T for (left, s, right), k in zip(decomposed, ranks, strict=True)]
    return Network([*weights, network.weights[-1]], network.biases)


def _right(network: Network, data: Dataset) -> int:
    return int((network.forward(data.x_test).argmax(axis=1) == data.y_test).sum())


def _times(cut: Network, data: Dataset) -> dict:
    batch, small = data.x_test[: atlas.TIMED_BATCH], cut.shrink()
    taken: dict[str, list[float]] = {"dense_ms": [], "shrunk_ms": []}
    for _ in range(atlas.REPEATS):
        for name, network in (("dense_ms", cut), ("shrunk_ms", small)):
            _timed(taken[name], lambda network=network: network.forward(batch))
    return {name: 1e3 * float(np.median(seconds)) for name, seconds in taken.items()}
