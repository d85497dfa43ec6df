"""The PCA contest: a pruned network against its standard twin, the same network trained without pruning and then reduced.

Three reductions of every hidden layer (`lowrank`): the paper's mean-centred PCA of the weights, the truncated SVD, and the one
that is best for the layer's outputs on training images. They are matched with the pruned network in three ways, layer by
layer: the same rank, as many stored numbers, as many multiply-adds. Biases and the output layer stay as they are and count on
neither side. Nothing is trained here: that does `retraining`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import datasets, lowrank, spectra
from core.arithmetic import UNRECORDED
from core.artifacts import Arrays, Artifact, Moment, Progress, Put, Sources, codec, on
from core.atlas import grid
from core.claims.budgets import ARMS, MATCHINGS, Layer, costs, curve_ranks, layers, matched_ranks
from core.datasets import Dataset
from core.lowrank import Decomposition
from core.network import Network, relu
from core.spec import RunSpec
from core.store import StoredRun, files

CHUNK = 2000  # images at once
SEARCHING = 0.15  # the share of the work that the decompositions and the ranks are, roughly


@dataclass(frozen=True, eq=False)
class Contest:
    """A pruned network and its twin's reductions, for A arms, L hidden layers, R choices of ranks and n test images.

    layers: of the pruned network. ranks: `(R, L)` the requested ranks. on_curve: `(R,)` whether it is one of the curve over
    all ranks, which keeps the pruned network's proportions. matched: `(3, A)` the row of `ranks` that meets each of MATCHINGS.
    true: `(A, R, L)` the ranks that the reduced matrices have. answers: `(A, R, n)` their classes for the test images; pruned,
    standard: `(n,)` those of the pruned and of the whole standard network. valid_correct: `(A, R)` validation images right;
    pruned_valid, standard_valid: likewise. energy: per arm and layer, arms first, what each term explains (see
    Decomposition).
    """

    run: str
    epoch: int
    twin: str
    twin_epoch: int
    layers: tuple[Layer, ...]
    pruned_valid: int
    standard_valid: int
    ranks: np.ndarray
    on_curve: np.ndarray
    matched: np.ndarray
    true: np.ndarray
    answers: np.ndarray
    pruned: np.ndarray
    standard: np.ndarray
    valid_correct: np.ndarray
    energy: tuple[np.ndarray, ...]

    @property
    def curve(self) -> np.ndarray:
        """The rows of `ranks` that make the curve, lowest ranks first."""
        return np.flatnonzero(self.on_curve)

    def row(self, matching: str, arm: str) -> int:
        """The row that meets a matching."""
        return int(self.matched[MATCHINGS.index(matching), ARMS.index(arm)])

    def costs(self, arm: str) -> np.ndarray:
        """`(R, L)` stored numbers of each reduced layer, which are also its multiply-adds."""
        shapes = [layer.shape for layer in self.layers]
        return np.stack([costs(shape, arm)[self.ranks[:, at]] for at, shape in enumerate(shapes)], axis=1)

    def right(self, labels: np.ndarray, matching: str) -> dict[str, np.ndarray]:
        """Per network of a matching, "pruned" and each arm, which test images it gets right: `(n,)` bool."""
        found = {"pruned": self.pruned == labels}
        return found | {arm: self.answers[a, self.row(matching, arm)] == labels for a, arm in enumerate(ARMS)}

    def first_different(self, arm: str, labels: np.ndarray) -> int | None:
        """From full rank downwards, the first row at which other test images are right than the pruned network's."""
        mine = self.pruned == labels
        rights = self.answers[ARMS.index(arm)] == labels
        return next((int(row) for row in self.curve[::-1] if (rights[row] != mine).any()), None)

    def first_lost(self, arm: str, labels: np.ndarray) -> int | None:
        """From full rank downwards, the first row at which the reduction loses an image that the pruned and the whole
        standard network both get right."""
        both = (self.pruned == labels) & (self.standard == labels)
        rights = self.answers[ARMS.index(arm)] == labels
        return next((int(row) for row in self.curve[::-1] if (both & ~rights[row]).any()), None)

    def first_behind(self, arm: str, labels: np.ndarray) -> int | None:
        """From full rank downwards, the first row at which fewer test images are right than the pruned network's."""
        counts = (self.answers[ARMS.index(arm)] == labels).sum(axis=1)
        mine = int((self.pruned == labels).sum())
        return next((int(row) for row in self.curve[::-1] if counts[row] < mine), None)


def twin(spec: RunSpec) -> RunSpec:
    """The standard network of a pruned run: the same data, widths, seed and training, and no pruning."""
    return dataclasses.replace(spec, pruning=None, hand_cuts=(), parent=None)


# -- the two networks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Twins:
    """A finished pruned run and its finished twin. first_cut: the epoch at whose end the first cut was made."""

    spec: RunSpec
    run: tuple[str, int]
    pruned: Network
    twin: tuple[str, int]
    standard: Network
    data: Dataset
    first_cut: int

    @property
    def trained_on(self) -> range:
        """The epochs that the pruned network was trained for after its first cut."""
        return range(self.first_cut + 1, self.run[1] + 1)


def twins(sources: Sources, key: str) -> Twins:
    """A run and its twin. Raises ValueError where one is missing, unfinished, never cut, or of another arithmetic."""
    run, store = sources.open(key), sources.store(key)
    cuts = [line["epoch"] for line in store.log(key) if line["kind"] == "Pruned"]
    if not cuts:
        raise ValueError("this run was never cut, so there is no pruned network: choose a run that was pruned")
    ends = (key, sources.finished(key, "pruned run").last_epoch), _twin_of(sources, key)
    families = [sources.store(name).provenance(name).get("family", UNRECORDED) for name, _ in ends]
    if families[0] != families[1]:
        raise ValueError(
            f"the pruned run was made in another arithmetic ({families[0]}) than its standard twin ({families[1]}), so what "
            "parts them may be that: train both on one computer, with a seed of which neither is stored"
        )
    networks = [sources.store(name).network(name, epoch) for name, epoch in ends]
    return Twins(run.spec, ends[0], networks[0], ends[1], networks[1], datasets.load(run.spec.dataset), cuts[0])


def _twin_of(sources: Sources, key: str) -> tuple[str, int]:
    """The twin of a run, and its last epoch. Raises StoreError where it is missing or unfinished."""
    name = sources.beside(key, twin(sources.open(key).spec).key())
    return name, sources.finished(name, "standard twin").last_epoch


# -- building ----------------------------------------------------------------------------------------------------------


def decompositions(standard: Network, data: Dataset) -> dict[str, list[Decomposition]]:
    """Per arm, the decomposition of every hidden layer's transposed weights. The activation-aware one looks at what the layers
    of the whole standard network are given for the training images, and at no other image."""
    turned = [weight.T for weight in standard.weights[:-1]]
    return {
        "pca": [lowrank.principal(matrix) for matrix in turned],  # the paper's: inputs are the observations
        "svd": [lowrank.singular(matrix) for matrix in turned],
        "aware": [lowrank.aware(matrix, given) for matrix, given in zip(turned, _inputs(standard, data), strict=True)],
    }


def _inputs(network: Network, data: Dataset) -> Iterator[np.ndarray]:
    """What each hidden layer is given for the training images, one layer at a time."""
    signal = data.x_train
    for layer, (weight, bias) in enumerate(zip(network.weights[:-1], network.biases[:-1], strict=True), start=1):
        yield signal
        if layer < len(network.weights) - 1:
            signal = relu(signal @ weight.T + bias)


def reduced(standard: Network, arm: Sequence[Decomposition], ranks: Sequence[int]) -> Network:
    """The standard network with every hidden layer reduced to these ranks."""
    weights, biases = list(standard.weights), list(standard.biases)
    for layer, (each, k) in enumerate(zip(arm, ranks, strict=True)):
        left, right = each.factors(int(k))
        weights[layer] = (left @ right).T
        biases[layer] = biases[layer] + each.shift(int(k))
    return Network(weights, biases)


def build(of: Twins, progress: Progress = on) -> Contest | None:
    """The contest of two networks. `progress` hears the share done, 0..1, and may answer False: then None comes back. Raises
    ValueError where the two are no twins, or one diverged."""
    pruned, standard, data = of.pruned, of.standard, of.data
    if [weight.shape for weight in pruned.weights] != [weight.shape for weight in standard.weights]:
        raise ValueError("the two networks differ in their widths: a twin has those of the pruned network")
    if not all(np.isfinite(part).all() for one in (pruned, standard) for part in (*one.weights, *one.biases)):
        raise ValueError("one of the two networks diverged, its weights are infinite: choose another run")
    found = layers(pruned)
    curve = curve_ranks(found)
    wanted = {(m, a): matched_ranks(found, m, a) for m in MATCHINGS for a in ARMS}
    rows = sorted({*curve, *wanted.values()}, key=lambda row: (sum(row), row))
    ranks = np.array(rows, np.uint16).reshape(len(rows), len(found))
    place = {row: at for at, row in enumerate(rows)}
    arms = decompositions(standard, data)
    search = _Search(standard, ranks, data, progress)
    if not search.finish(arms):
        return None
    return Contest(
        run=files.bare(of.run[0]),
        epoch=of.run[1],
        twin=files.bare(of.twin[0]),
        twin_epoch=of.twin[1],
        layers=found,
        pruned_valid=int((pruned.predict(data.x_valid) == data.y_valid).sum()),
        standard_valid=int((standard.predict(data.x_valid) == data.y_valid).sum()),
        ranks=ranks,
        on_curve=np.isin(np.arange(len(rows)), [place[row] for row in curve]),
        matched=np.array([[place[wanted[m, a]] for a in ARMS] for m in MATCHINGS], np.uint16),
        true=search.true,
        answers=search.answers,
        pruned=pruned.predict(data.x_test).astype(search.answers.dtype),
        standard=standard.predict(data.x_test).astype(search.answers.dtype),
        valid_correct=search.valid_correct,
        energy=tuple(each.energy for arm in ARMS for each in arms[arm]),
    )


class _Search:
    """Every arm at every row of ranks: the true ranks, the answers to test images, the validation images that are right."""

    def __init__(self, standard: Network, ranks: np.ndarray, data: Dataset, progress: Progress):
        self._standard, self._ranks, self._data, self._progress = standard, ranks, data, progress
        self.true = np.zeros((len(ARMS), *ranks.shape), np.uint16)
        kind = np.uint8 if len(data.class_names) <= 256 else np.uint16
        self.answers = np.zeros((len(ARMS), len(ranks), len(data.y_test)), kind)
        self.valid_correct = np.zeros((len(ARMS), len(ranks)), np.uint32)
        self._order = np.lexsort((*ranks.T[::-1],))  # first layer first: its sums grow from row to row
        images = len(data.y_test) + len(data.y_valid)
        self._whole, self._done = len(ARMS) * max(1, len(ranks) * images), 0

    def finish(self, arms: dict[str, list[Decomposition]]) -> bool:
        """Fills all; False where it was told to stop."""
        return all(self._ranks_of(a, arms[arm]) and self._answers_of(a, arms[arm]) for a, arm in enumerate(ARMS))

    def _ranks_of(self, a: int, arm: list[Decomposition]) -> bool:
        for layer, each in enumerate(arm):
            for k in np.unique(self._ranks[:, layer]):
                shape = (len(each.left), each.right.shape[1])
                values = each.values(int(k)).astype(np.float32)
                self.true[a, self._ranks[:, layer] == k, layer] = spectra.from_values(values, shape).rank
            if not self._tell((a + (layer + 1) / len(arm) * SEARCHING) / len(ARMS)):
                return False
        return True

    def _answers_of(self, a: int, arm: list[Decomposition]) -> bool:
        data = self._data
        for x, y in ((data.x_test, None), (data.x_valid, data.y_valid)):
            for begin in range(0, len(x), CHUNK):
                part = slice(begin, begin + CHUNK)
                ordered = self._ranks[self._order]
                for row, logits in zip(
                    self._order, grid.low_rank_logits(self._standard, arm, ordered, x[part]), strict=True
                ):
                    said = logits.argmax(axis=1)
                    if y is None:
                        self.answers[a, row, part] = said
                    else:
                        self.valid_correct[a, row] += np.count_nonzero(said == y[part])
                    self._done += len(said)
                    if not self._tell(((1 - SEARCHING) * self._done / self._whole) + SEARCHING * (a + 1) / len(ARMS)):
                        return False
        return True

    def _tell(self, share: float) -> bool:
        return self._progress(min(0.99, share))


# -- the artifact ------------------------------------------------------------------------------------------------------


class OfTwins(Artifact):
    """What is made of a finished pruned run and its finished twin."""

    def network(self, sources: Sources) -> Moment:
        return self.run, sources.finished(self.run, "pruned run").last_epoch

    def beside(self, sources: Sources) -> tuple[Moment, ...]:
        return (_twin_of(sources, self.run),)


@dataclass(frozen=True)
class ContestOf(OfTwins):
    """The contest of a pruned run with its twin; its value is a Contest."""

    kind = "contest"
    doing = "The contest is being held"
    trains = False
    run: str

    def label(self, run: StoredRun) -> str:
        return f"PCA contest of {run.label}"

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        made = build(twins(sources, self.run), progress)
        if made is not None:
            put(made)

    def pack(self, value: Contest) -> tuple[dict[str, Any], Arrays]:
        header, arrays = codec.parts(value, but=("layers",))
        return header | {"layers": [vars(layer) for layer in value.layers]}, arrays

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> Contest:
        kept = [
            Layer(tuple(one["shape"]), tuple(one["live"]), one["rank"], one["nonzero"]) for one in header.pop("layers")
        ]
        return Contest(layers=tuple(kept), **header, **codec.joined(arrays))

    @property
    def old_names(self) -> tuple[str, ...]:
        return ("contest-v1.npz",)
