"""Building one atlas: ours in two processes, against a direct way with the same outputs, one big batch and two threads, and
against `torch.nn.utils.prune` in a loop, which gives less: accuracy and spectra only."""

from __future__ import annotations

import time
from collections.abc import Callable

import joblib
import numpy as np
import threadpoolctl
import torch
from sklearn.decomposition import PCA

from bench import torch_prune, trained
from bench.measure import Arm, Effort, Line, Lines, Said
from core import atlas, criteria, masks
from core.atlas import COARSE, Survey
from core.criteria import Evidence
from core.datasets import Dataset
from core.masks.timetable import PERCENTS
from core.network import Network
from core.spec import RunSpec

NAME = "atlas"
CRITERIA = ("activation-frequency", "magnitude")
OURS, DIRECT = "ours, two processes", "the direct way, two threads"
PRUNE = "torch.nn.utils.prune in a loop, two threads"
WANTED = {CRITERIA[0]: "at least 3", CRITERIA[1]: "at least 1.5"}
AT_ONCE = 2
EPOCHS = 3
MANY = 9  # rounds from which the weight criterion comes too: a minute more


def arm(criterion: str, way: str) -> str:
    return f"{criterion}: {way}"


def lines(effort: Effort) -> Lines:
    """The atlas of the default network after three epochs, for a neuron criterion, and with time for a weight criterion."""
    data = effort.data()
    state = trained.after(EPOCHS, data, (64, 32) if effort.quick else RunSpec.hidden)
    network = state.network()
    widths = "-".join(str(weight.shape[1]) for weight in network.weights)
    yield Said(NAME, f"One atlas of {widths}-{len(data.class_names)}, {data.name}, {len(data.x_test):,} test images")
    model = torch_prune.model_of(network.weights, network.biases)
    sets = ((data.x_test, data.y_test), (data.x_valid, data.y_valid))
    joblib.Parallel(n_jobs=AT_ONCE)(joblib.delayed(_awake)() for _ in range(AT_ONCE))
    threads = 1 if effort.quick else AT_ONCE  # two stall for minutes where others use the machine
    names = CRITERIA if effort.rounds >= MANY else CRITERIA[:1]
    if len(names) < len(CRITERIA):
        yield Said(NAME, f"{CRITERIA[1]} is left out: --rounds {MANY} measures it too")
    for name in names:
        scores = criteria.scores(name, Evidence(network, state.fired, state.seen))
        counts = state.fired if name == CRITERIA[0] else None
        ours, direct, loop, differ = [], [], [], 0
        for _ in range(effort.few):
            made = _timed(ours, lambda name=name, scores=scores: _ours(name, network, scores, data))
            found = _timed(direct, lambda scores=scores: _direct(network, scores, data, threads))
            _timed(loop, lambda counts=counts: _loop(model, counts, sets, threads))
            differ = max(differ, int(np.abs(made.correct.sum(axis=1) - found["correct"].sum(axis=1)).max()))
        yield Said(NAME, f"{name}: ours and the direct way differ on at most {differ} test images at any percent")
        mine = Arm(arm(name, OURS), tuple(ours))
        yield Line(NAME, mine, Arm(DIRECT, tuple(direct)), WANTED[name])
        yield Line(NAME, mine, Arm(PRUNE, tuple(loop)), "above 1", "does less: no PCA, no truncated SVD, no classes")


def _awake() -> None:
    """So that starting processes, which a server does once, is not in the time of the first atlas."""
    import core.atlas  # noqa: F401


def _loop(model, counts, sets, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        torch_prune.every_percent(model, counts, sets)
    finally:
        torch.set_num_threads(1)


def _timed(seconds: list[float], work: Callable):
    began = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - began)
    return result


def _ours(name: str, network: Network, scores: criteria.Scores, data: Dataset) -> atlas.Atlas:
    with threadpoolctl.threadpool_limits(1), joblib.parallel_config("loky", inner_max_num_threads=1):
        return atlas.build(Survey("bench", EPOCHS, name), network, scores, data, n_jobs=AT_ONCE)


def _direct(network: Network, scores: criteria.Scores, data: Dataset, threads: int) -> dict[str, np.ndarray]:
    """Percent by percent, as one would write it down; every product over all images at once."""
    with threadpoolctl.threadpool_limits(threads):
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
