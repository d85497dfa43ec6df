"""The arithmetic of the atlas: one network at every percent of the slider, each step made from the one before where it can be.

Between two percents only the weights that went are subtracted from the first layer's sums, and only for neurons that still
have a way to an answer; deeper layers shrink with what is gone; singular values come from the smaller Gram matrix of what is
left; the low-rank arms share one decomposition and one product with the images.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse

from core import lowrank
from core.masks.timetable import PERCENTS, Timetable
from core.network import Network, relu


def singular_values(weight: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """`(101, min(shape))` float32: the singular values of what is left of the matrix at every percent."""
    result = np.zeros((len(PERCENTS), min(weight.shape)), np.float32)
    changes = np.isin(PERCENTS, gone)
    for percent in PERCENTS:
        if percent and not changes[percent]:
            result[percent] = result[percent - 1]
            continue
        left = weight * (gone > percent)
        block = left[left.any(axis=1)][:, left.any(axis=0)].astype(np.float64)
        if block.size:
            gram = block @ block.T if block.shape[0] <= block.shape[1] else block.T @ block
            # In float64 an eigenvalue is good to 1e-16 of the largest, a singular value so to 1e-8: far below what rank
            # looks at.
            squares = np.linalg.eigvalsh(gram)[::-1]
            result[percent, : squares.size] = np.sqrt(np.clip(squares, 0, None))
    return result


def answers(
    network: Network, gone: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`(101, n)` answers and `(101,)` summed cross-entropy of the network cut at every percent."""
    said, losses = np.zeros((len(PERCENTS), len(x)), np.uint16), np.zeros(len(PERCENTS))
    for percent, logits in enumerate(cut_logits(network, gone, x)):
        said[percent] = logits.argmax(axis=1)
        losses[percent] = _cross_entropy(logits, y)
    return said, losses


def cut_logits(network: Network, gone: Sequence[np.ndarray], x: np.ndarray) -> Iterator[np.ndarray]:
    """`(n, classes)` float32 logits of the network cut at 0, 1, …, 100 %, from what is gone when (see Timetable)."""
    x = np.asarray(x, np.float32)
    columns = np.ascontiguousarray(x.T)
    sums = None  # (units, n) float64: the first layer's sums, exact enough to be changed a hundred times
    before: np.ndarray | None = None
    logits = None
    for percent in PERCENTS:
        left = [when > percent for when in gone]
        if percent and not any((when == percent).any() for when in gone):
            yield logits
            continue
        used = _used(network, left)
        first = network.weights[0]
        if sums is None:
            sums = ((first * left[0]) @ columns).astype(np.float64)
            sums += network.biases[0][:, None]
        else:
            lost = before & ~left[0]
            lost[~used[0]] = False  # whoever has no way to the output any more never comes back
            rows = np.flatnonzero(lost.any(axis=1))
            if rows.size:
                part = scipy.sparse.csr_array(np.where(lost[rows], first[rows], 0))
                sums[rows] -= part @ columns
        before = left[0]
        if len(network.weights) == 1:
            logits = sums.T.astype(np.float32)
            yield logits
            continue
        signal = relu(sums[used[0]]).astype(np.float32)
        for layer in range(1, len(network.weights)):
            rows = used[layer] if layer < len(used) else slice(None)
            weight = (network.weights[layer] * left[layer])[rows][:, used[layer - 1]]
            signal = weight @ signal + network.biases[layer][rows][:, None]
            if layer < len(used):
                signal = relu(signal)
        logits = np.ascontiguousarray(signal.T)
        yield logits


def _used(network: Network, left: list[np.ndarray]) -> list[np.ndarray]:
    """Per hidden layer `(units,)` bool: the neuron's output still reaches an answer."""
    used: list[np.ndarray] = []
    rows: np.ndarray | slice = slice(None)
    for layer in range(len(left) - 1, 0, -1):
        rows = (left[layer] & (network.weights[layer] != 0))[rows].any(axis=0)
        used.append(rows)
    return used[::-1]


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    return float(np.log(np.exp(exact).sum(axis=1)).sum() - exact[np.arange(len(labels)), labels].sum())


def low_rank_right(
    network: Network, decompositions: list[lowrank.Decomposition], ranks: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """`(len(ranks),)` how many of the images are right with every hidden layer reduced to the ranks in each row."""
    logits = low_rank_logits(network, decompositions, ranks, x)
    return np.array([np.count_nonzero(each.argmax(axis=1) == y) for each in logits], np.int64)


def low_rank_logits(
    network: Network, decompositions: Sequence[lowrank.Decomposition], ranks: np.ndarray, x: np.ndarray
) -> Iterator[np.ndarray]:
    """`(n, classes)` float32 for each row of `ranks` `(rows, hidden layers)`: every hidden layer reduced to those ranks.
    `decompositions` are of the transposed weights. Fastest where the first column never falls."""
    lefts = [each.left.astype(np.float32) for each in decompositions]
    rights = [each.right.astype(np.float32) for each in decompositions]
    projected = x @ lefts[0]  # the first layer's left factors serve every rank
    sums = np.zeros((len(x), len(network.biases[0])), np.float32)  # and its sums too: more terms are added to them
    terms = 0
    for row in ranks:
        first, *others = (int(rank) + each.extra for rank, each in zip(row, decompositions, strict=True))
        biases = [
            bias if each.mean is None else (bias + each.shift(int(rank))).astype(np.float32)
            for bias, each, rank in zip(network.biases, decompositions, row, strict=False)
        ]
        if first < terms:
            sums, terms = np.zeros_like(sums), 0
        if first > terms:
            sums += projected[:, terms:first] @ rights[0][terms:first]
            terms = first
        signal = relu(sums + biases[0])
        for layer, k in enumerate(others, start=1):
            left, tail = lefts[layer][:, :k], rights[layer][:k]
            thin = k * (len(left) + tail.shape[1]) < len(left) * tail.shape[1]
            signal = relu(((signal @ left) @ tail if thin else signal @ (left @ tail)) + biases[layer])
        yield signal @ network.weights[-1].T + network.biases[-1]


def seconds(network: Network, batch: np.ndarray) -> float:
    """Wall time of one forward pass."""
    began = time.perf_counter()
    network.forward(batch)
    return time.perf_counter() - began


def sizes(network: Network, table: Timetable, percent: int) -> dict[str, object]:
    """What the cut network weighs at a percent."""
    cut = table.masks(percent).apply(network)
    small = cut.shrink()
    nonzero = [int(np.count_nonzero(weight)) for weight in cut.weights]
    biases = sum(bias.size for bias in cut.biases)
    shrunk = sum(weight.size for weight in small.weights)
    rows = sum(weight.shape[0] + 1 for weight in cut.weights)
    return {
        "alive": [int(alive.sum()) for alive in cut.alive()],
        "way_out": [int(way.sum()) for way in cut.with_way_out()],
        "multiply_adds": sum(nonzero),
        "shrunk_multiply_adds": shrunk,
        "shrunk_bytes": 4 * (shrunk + sum(bias.size for bias in small.biases)),
        "sparse_bytes": 4 * (2 * sum(nonzero) + rows + biases),
    }
