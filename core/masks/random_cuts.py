"""What a random cut of the same size does to the singular values: the yardstick for every cut that chooses.

As many neurons, or weights, go in each layer as the real cut took, but any of them. Where a ratio ended in the middle of a
neuron, one of those that stay loses as many weights here as well; without that, narrow layers pruned at random by a run came
out below these cuts more often than chance allows. Counts are exact, so nothing further is taken along: where a random cut
of weights happens to empty a neuron, its outgoing weights stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import threadpoolctl

from core import spectra
from core.network import Network

DRAWS = 39  # a real cut that lies below all of 39 random ones does so by chance once in 40
PER = ("neuron", "weight")
# On several threads decompositions of small matrices crawl beside a busy core, and a page waits for these.
_ONE_THREAD = threadpoolctl.ThreadpoolController().wrap(limits=1)


def taken(before: Network, kept: Sequence[np.ndarray], per: str) -> tuple[int, ...]:
    """How many living neurons, or non-zero weights, the cut to `kept` took in each hidden layer. `kept`: one bool array per
    weight matrix of `before`, as the masks are after the cut. Raises ValueError where they do not fit."""
    if per not in PER:
        raise ValueError(f"a cut per {per!r} came: allowed are {', '.join(PER)}")
    shapes, expected = [np.shape(mask) for mask in kept], [weight.shape for weight in before.weights]
    if shapes != expected:
        raise ValueError(
            f"masks of shapes {shapes} came for weights of shapes {expected}: one mask per matrix is needed"
        )
    counts = []
    for weight, mask in zip(before.weights[:-1], kept, strict=False):
        there = weight != 0
        left = there & np.asarray(mask, bool)
        if per == "neuron":
            there, left = there.any(axis=1), left.any(axis=1)
        counts.append(int(np.count_nonzero(there) - np.count_nonzero(left)))
    return tuple(counts)


@_ONE_THREAD
def cuts(
    before: Network, kept: Sequence[np.ndarray], per: str, rng: np.random.Generator, draws: int = DRAWS
) -> tuple[np.ndarray, ...]:
    """Per hidden layer `(draws, min(shape))` float32: its singular values, largest first, after random cuts of `before`.

    per "neuron": as many living neurons go in each layer as `kept` (the masks after the real cut) took, each with its row and
    its column in the next layer; a neuron cut in part is matched by another one cut in part. per "weight": as many non-zero
    weights go in each layer. One draw is one cut of all layers.
    Raises ValueError on masks that do not fit, a network that diverged, or less than one draw.
    """
    counts = taken(before, kept, per)
    if draws < 1:
        raise ValueError(f"{draws} draws came: at least 1 is needed")
    hidden = before.weights[:-1]
    if not all(np.isfinite(weight).all() for weight in hidden):
        raise ValueError("the network holds NaN or infinite weights: a diverged network has no singular values")
    found = tuple(np.zeros((draws, min(weight.shape)), np.float32) for weight in hidden)
    if per == "weight":
        for values, weight, count in zip(found, hidden, counts, strict=True):
            _without_weights(values, weight, count, rng)
        return found
    goes = np.zeros((draws, before.weights[0].shape[1]), bool)  # whose columns go: no input does
    for values, weight, count, parts in zip(found, hidden, counts, _in_part(before, kept), strict=True):
        goes = _without_neurons(values, weight, count, parts, goes, rng)
    return found


def _in_part(before: Network, kept: Sequence[np.ndarray]) -> list[list[int]]:
    """Per hidden layer how many weights each neuron lost that stays, those from neurons that went aside."""
    parts = []
    lives = np.ones(before.weights[0].shape[1], bool)
    for weight, mask in zip(before.weights[:-1], kept, strict=False):
        there = weight != 0
        left = there & mask
        lost = np.count_nonzero((there & ~left)[:, lives], axis=1)
        lives = left.any(axis=1)
        parts.append([int(count) for count in lost[lives] if count])
    return parts


def _without_neurons(
    values: np.ndarray, weight: np.ndarray, count: int, parts: list[int], columns: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Fills in the values for draws that take `count` rows, of further rows as many weights as `parts` says, and `columns`
    `(draws, in)` bool. Returns which rows went, `(draws, out)` bool."""
    goes = np.zeros((len(values), len(weight)), bool)
    if not count and not parts and not columns.any():
        values[:] = spectra.by_gram(weight)
        return goes
    alive = np.flatnonzero(weight.any(axis=1))
    for place, gone in enumerate(columns):
        order = rng.permutation(alive)
        goes[place, order[:count]] = True
        left = np.where(gone, np.float32(0), weight)
        left[goes[place]] = 0
        for row, lost in zip(order[count:], parts, strict=False):
            there = np.flatnonzero(left[row])
            left[row, rng.permutation(there)[: min(lost, max(0, there.size - 1))]] = 0  # it stays alive
        values[place] = spectra.by_gram(left)
    return goes


def _without_weights(values: np.ndarray, weight: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Fills in the values for draws that take `count` of the matrix's non-zero weights each."""
    if not count:
        values[:] = spectra.by_gram(weight)
        return
    there = np.flatnonzero(weight)
    for place in range(len(values)):
        left = weight.flatten()
        order = np.argpartition(rng.random(there.size, np.float32), count - 1)
        left[there[order[:count]]] = 0
        values[place] = spectra.by_gram(left.reshape(weight.shape))
