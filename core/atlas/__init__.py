"""The atlas: one stored network and one criterion, and everything that follows on the grid of ratios 0, 1, …, 100 %.

Cut once, not retrained: every accuracy here is of the stored network with its masks on, nothing trained after. `grid`
has the arithmetic.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import joblib
import numpy as np

from core import criteria, lowrank, masks, spectra
from core.artifacts import check_run
from core.atlas import grid
from core.datasets import Dataset
from core.masks import timetable
from core.masks.timetable import PERCENTS, Timetable
from core.network import Network

COARSE = tuple(range(0, 101, 10))  # percents of the confusion matrices and of the times
# The ratios of the curve "cut once, then n epochs", from the middle outwards: it has its shape after a few points.
TRAINED_ON = (80, 50, 90, 20, 95, 70, 60, 40, 99)
DECADES = 4  # below the layer's largest singular value, a coded value is nought
CHUNK = 2000  # images at once: what a core's cache holds of the first layer's sums
TIMED_BATCH = 1024
REPEATS = 5


@dataclass(frozen=True)
class Survey:
    """What an atlas is of: the run's key, the epoch, the criterion, the scope, and which draw of a random criterion (from
    0). Raises ValueError on what there cannot be."""

    run: str
    epoch: int
    criterion: str = "activation-frequency"
    scope: str = "global"
    draw: int = 0

    def __post_init__(self):
        known = criteria.get(self.criterion)
        masks.check(self.scope, "full")
        check_run(self.run)
        for name, value in (("epoch", self.epoch), ("draw", self.draw)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} {value!r} is not allowed: give a whole number from 0")
        if self.draw and "rng" not in known.needs:
            raise ValueError(f"{self.criterion} draws nothing at random: only draw 0 is there, not {self.draw}")

    @property
    def name(self) -> str:
        """What tells it from others of the same run."""
        return f"epoch-{self.epoch:03d}-{self.criterion}-{self.scope}-{self.draw}"


@dataclass(frozen=True)
class Point:
    """percent: of the cut. achieved: the share of zero weights right after it, 0..1. accuracy: on test images after some epochs
    of training."""

    percent: int
    achieved: float
    accuracy: float


@dataclass(frozen=True)
class Curve:
    """A network cut once at each of `percents`, each then trained on alike. points: those that are there so far. None for
    percents: nobody knows which there are."""

    percents: tuple[int, ...] | None
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, eq=False)
class Atlas:
    """Everything on the grid of percents P = 0..100, for C classes and L hidden layers. Counts are of images.

    own: per hidden layer, uint8 of its weights' shape, the percent at which a weight goes by its own place (see Timetable).
    goes, scores: per hidden layer `(units,)`, the percent from which the neuron has no incoming weight, and its score (of a
    weight criterion: the mean score of the weights it has). zeros, zeros_hidden: `(P,)` weights that are zero. alive,
    way_out: `(P, L)` neurons with an incoming weight, and those of them with a way to an output. correct: `(P, C)` test
    images right. valid_correct, test_loss, valid_loss: `(P,)`. confusion: `(11, C, C)` at COARSE, rows true. spectrum: per
    layer `(P, values)` uint16, decoded by `values`. top: `(L,)` its scale. rank, stable, effective, nuclear, spectral,
    frobenius: `(P, L)`. pca_correct, svd_correct: `(P,)` test images right of the uncut network reduced to the cut layers'
    ranks, by the paper's PCA and by truncated SVD. multiply_adds: `(P,)` non-zero weights, what one image costs at best;
    shrunk_*: of the dense network that `shrink()` gives; sparse_bytes: of CSR matrices with 32-bit indices. dense_ms,
    shrunk_ms: `(11,)` median time of one batch of `batch` test images.
    """

    choice: Survey
    redundancy: str
    min_units: int
    machine: str
    batch: int
    own: tuple[np.ndarray, ...]
    goes: tuple[np.ndarray, ...]
    scores: tuple[np.ndarray, ...]
    spectrum: tuple[np.ndarray, ...]
    top: np.ndarray
    zeros: np.ndarray
    zeros_hidden: np.ndarray
    alive: np.ndarray
    way_out: np.ndarray
    correct: np.ndarray
    valid_correct: np.ndarray
    test_loss: np.ndarray
    valid_loss: np.ndarray
    confusion: np.ndarray
    rank: np.ndarray
    stable: np.ndarray
    effective: np.ndarray
    nuclear: np.ndarray
    spectral: np.ndarray
    frobenius: np.ndarray
    pca_correct: np.ndarray
    svd_correct: np.ndarray
    multiply_adds: np.ndarray
    shrunk_multiply_adds: np.ndarray
    shrunk_bytes: np.ndarray
    sparse_bytes: np.ndarray
    dense_ms: np.ndarray
    shrunk_ms: np.ndarray

    def values(self, layer: int, percent: int) -> np.ndarray:
        """The singular values of a hidden layer at a percent, largest first, to 1e-4 of the uncut layer's largest."""
        return decoded(self.spectrum[layer][percent], float(self.top[layer]))


def coded(values: np.ndarray, top: float) -> np.ndarray:
    """Singular values as uint16 on a log scale, DECADES below `top`; 0 is nought."""
    shares = np.asarray(values, np.float64) / top if top > 0 else np.zeros(np.shape(values))
    with np.errstate(divide="ignore"):
        places = 65535 + np.log10(shares) * (65534 / DECADES)
    return np.where(places >= 0.5, np.clip(np.round(places), 1, 65535), 0).astype(np.uint16)


def decoded(codes: np.ndarray, top: float) -> np.ndarray:
    """What `coded` wrote, float64, each value to 1e-4 of itself."""
    codes = np.asarray(codes).astype(np.float64)
    return np.where(codes > 0, top * 10 ** (-DECADES * (65535 - codes) / 65534), 0.0)


# -- building --------------------------------------------------------------------------------------------------------


def build(
    choice: Survey,
    network: Network,
    scores: Sequence[np.ndarray],
    data: Dataset,
    *,
    redundancy: str = "full",
    min_units: int = 0,
    n_jobs: int = 1,
    progress: Callable[[float], bool] = lambda share: True,
) -> Atlas | None:
    """The Atlas of a network under one criterion's scores. `progress` hears the share done, 0..1, and may answer False: then
    None comes back. Two processes (`n_jobs`) give the same atlas but for its times. Raises ValueError on a diverged network."""
    if _diverged(network, data):
        raise ValueError(
            "this network diverged, its weights or its answers are infinite: choose an earlier epoch, or another run"
        )
    table = timetable.make(scores, network, choice.scope, min_units, redundancy=redundancy)
    found = _Found(network, table, data)
    parts = [*found.spectral_parts(), *found.cut_parts()]
    steps = [(parts, found.take), (None, found.take)]
    done = 0.0
    for parts, take in steps:
        parts = found.low_rank_parts() if parts is None else parts  # they need the ranks that the first half finds
        whole = sum(part.cost for part in parts)
        for place, result in _each(parts, n_jobs):
            take(parts[place], result)
            done += parts[place].cost / whole / 2
            if not progress(min(0.99, done)):
                return None
    times = found.times()
    return found.atlas(choice, scores, redundancy, min_units, times)


def _diverged(network: Network, data: Dataset) -> bool:
    if not all(np.isfinite(part).all() for part in (*network.weights, *network.biases)):
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return not all(np.isfinite(network.forward(x)).all() for x in (data.x_valid, data.x_test))


@dataclass(frozen=True, eq=False)
class _Part:
    """One piece of the work, which any process can do: `function(*arguments)`; `cost`: its share of the whole, roughly."""

    kind: str
    place: int
    function: Callable
    arguments: tuple
    cost: float


def _each(parts: list[_Part], n_jobs: int) -> Iterator[tuple[int, object]]:
    """(place, result) of every part, as they come."""
    if n_jobs == 1:
        yield from ((place, part.function(*part.arguments)) for place, part in enumerate(parts))
        return
    largest_first = sorted(range(len(parts)), key=lambda place: -parts[place].cost)
    calls = (joblib.delayed(_numbered)(place, parts[place]) for place in largest_first)
    results = joblib.Parallel(n_jobs, return_as="generator_unordered", pre_dispatch="all")(calls)
    try:
        for result in results:  # noqa: UP028 (`yield from` would close it outside the block below)
            yield result
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # who stops half way wants the rest thrown away
            results.close()


def _numbered(place: int, part: _Part) -> tuple[int, object]:
    return place, part.function(*part.arguments)


class _Found:
    """What has been found so far, while an atlas is built."""

    def __init__(self, network: Network, table: Timetable, data: Dataset):
        self.network, self.table, self.data = network, table, data
        self.layers, self.classes = len(network.weights) - 1, len(data.class_names)
        self.test = _Answers(data.y_test, self.classes)
        self.valid = _Answers(data.y_valid, self.classes)
        self.pca_correct, self.svd_correct = np.zeros(len(PERCENTS), np.int64), np.zeros(len(PERCENTS), np.int64)
        self.values: list[np.ndarray] = [np.zeros(0)] * self.layers

    def spectral_parts(self) -> list[_Part]:
        weights = list(zip(self.network.weights[:-1], self.table.gone, strict=False))
        return [
            _Part("values", layer, grid.singular_values, pair, pair[0].size * 4.0) for layer, pair in enumerate(weights)
        ]

    def cut_parts(self) -> list[_Part]:
        parts = []
        for kind, x in (("test", self.data.x_test), ("valid", self.data.x_valid)):
            for begin in range(0, len(x), CHUNK):
                rows = x[begin : begin + CHUNK]
                cost = 0.4 * len(rows) * sum(weight.size for weight in self.network.weights) / 1e3
                parts.append(
                    _Part(
                        kind,
                        begin,
                        grid.answers,
                        (self.network, self.table.gone, rows, self._y(kind, begin)),
                        cost,
                    )
                )
        return parts

    def _y(self, kind: str, begin: int) -> np.ndarray:
        labels = self.data.y_test if kind == "test" else self.data.y_valid
        return labels[begin : begin + CHUNK]

    def low_rank_parts(self) -> list[_Part]:
        ranks = np.stack([self.spectra[layer].rank for layer in range(self.layers)], axis=1)
        distinct, self._which = np.unique(ranks, axis=0, return_inverse=True)
        parts = []
        # The paper's code gives Keras kernels, (inputs, units), to the PCA: the inputs are its observations.
        for kind, decompose in (("pca", lowrank.principal), ("svd", lowrank.singular)):
            decompositions = [decompose(weight.T) for weight in self.network.weights[:-1]]
            for begin in range(0, len(self.data.x_test), CHUNK):
                rows = self.data.x_test[begin : begin + CHUNK]
                arguments = (self.network, decompositions, distinct, rows, self._y("test", begin))
                parts.append(_Part(kind, begin, grid.low_rank_right, arguments, float(len(rows))))
        return parts

    def take(self, part: _Part, result) -> None:
        if part.kind == "values":
            self.values[part.place] = result
        elif part.kind in ("test", "valid"):
            getattr(self, part.kind).put(part.place, *result)
        else:
            counts = self.pca_correct if part.kind == "pca" else self.svd_correct
            counts += result[self._which.ravel()]

    @property
    def spectra(self) -> list[_Spectra]:
        return [_Spectra(values, w.shape) for values, w in zip(self.values, self.network.weights, strict=False)]

    def times(self) -> tuple[np.ndarray, np.ndarray]:
        """Median ms of one batch, (dense, shrunk), each `(11,)`; the two are timed in turns."""
        batch = self.data.x_test[:TIMED_BATCH]
        dense, shrunk = [], []
        for percent in COARSE:
            cut = self.table.masks(percent).apply(self.network)
            small = cut.shrink()
            taken = [(grid.seconds(cut, batch), grid.seconds(small, batch)) for _ in range(REPEATS)]
            for goal, seconds in zip((dense, shrunk), np.median(taken, axis=0), strict=True):
                goal.append(seconds * 1e3)
        return np.array(dense, np.float32), np.array(shrunk, np.float32)

    def atlas(self, choice: Survey, scores: Sequence[np.ndarray], redundancy: str, min_units: int, times) -> Atlas:
        network, spectral = self.network, self.spectra
        sizes = [grid.sizes(network, self.table, percent) for percent in PERCENTS]
        column = {name: np.array([size[name] for size in sizes]) for name in sizes[0]}
        return Atlas(
            choice=choice,
            redundancy=redundancy,
            min_units=min_units,
            machine=f"{platform.machine()}, {joblib.cpu_count()} cores, one thread",
            batch=min(TIMED_BATCH, len(self.data.x_test)),
            own=self.table.own,
            goes=tuple(self.table.neurons()),
            scores=tuple(_per_neuron(s, w) for s, w in zip(scores, network.weights, strict=False)),
            spectrum=tuple(each.codes for each in spectral),
            top=np.array([each.top for each in spectral]),
            zeros=self.table.zeros(),
            zeros_hidden=self.table.zeros(hidden=True),
            correct=self.test.correct_by_class(),
            valid_correct=self.valid.correct_by_class().sum(axis=1),
            test_loss=self.test.loss,
            valid_loss=self.valid.loss,
            confusion=self.test.confusion(),
            **{name: np.stack([getattr(each, name) for each in spectral], axis=1) for name in _Spectra.NAMES},
            pca_correct=self.pca_correct,
            svd_correct=self.svd_correct,
            dense_ms=times[0],
            shrunk_ms=times[1],
            **column,
        )


class _Answers:
    """What the cut network answers for one set of images at every percent."""

    def __init__(self, labels: np.ndarray, classes: int):
        self.labels, self.classes = labels, classes
        self.answers = np.zeros((len(PERCENTS), len(labels)), np.uint16)
        self._losses: dict[int, np.ndarray] = {}  # by where their images begin

    def put(self, begin: int, answers: np.ndarray, losses: np.ndarray) -> None:
        self.answers[:, begin : begin + answers.shape[1]] = answers
        self._losses[begin] = losses

    @property
    def loss(self) -> np.ndarray:
        # Added in the images' order, not as they came: the last bits then depend on nothing else.
        whole = sum((self._losses[begin] for begin in sorted(self._losses)), np.zeros(len(PERCENTS)))
        return whole / max(1, len(self.labels))

    def correct_by_class(self) -> np.ndarray:
        right = self.answers == self.labels
        return np.stack([np.bincount(self.labels[row], minlength=self.classes) for row in right])

    def confusion(self) -> np.ndarray:
        pairs = self.labels * self.classes + self.answers[list(COARSE)].astype(np.int64)
        counts = [np.bincount(row, minlength=self.classes**2) for row in pairs]
        return np.stack(counts).reshape(len(COARSE), self.classes, self.classes)


class _Spectra:
    """A layer's singular values at every percent, coded, and what is read off them."""

    NAMES = ("rank", "stable", "effective", "nuclear", "spectral", "frobenius")

    def __init__(self, values: np.ndarray, shape: tuple[int, int]):
        each = [spectra.from_values(row, shape) for row in values]
        self.rank = np.array([one.rank for one in each])
        self.stable = np.array([one.stable_rank for one in each])
        self.effective = np.array([one.effective_rank for one in each])
        for name in ("nuclear", "spectral", "frobenius"):
            setattr(self, name, np.array([getattr(one, name) for one in each]))
        self.top = float(values.max(initial=0.0))
        self.codes = coded(values, self.top)


def _per_neuron(score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`(units,)` float64: a neuron criterion's score as it is; of a weight criterion the mean over the weights that are
    there."""
    score = np.asarray(score, np.float64)
    if score.ndim == 1:
        return score
    there = weight != 0
    return np.where(there, score, 0).sum(axis=1) / np.maximum(1, there.sum(axis=1))
