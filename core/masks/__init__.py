"""Which weights go: from scores and a ratio to masks, exact to the weight, stable on ties, nested as the ratio grows.

The order in which weights go is `queues`' business; here a ratio or a count says how far to walk along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.masks import ranking
from core.network import Network

SCOPES = {
    "global": "one queue over all hidden layers",
    "layer": "one queue per hidden layer, the same share inside each",
}
REDUNDANCIES = {
    "full": "a neuron without incoming weights loses its outgoing ones, through all layers, into the output too",
    "released": "only neurons emptied by this very cut, and never into the output layer, as in the released code",
}


@dataclass(frozen=True, eq=False)
class Masks:
    """What stays. `kept`: one bool array per weight matrix, output included. Ratios are shares of weights that are zero:
    `requested` and `achieved` over all weights, `achieved_hidden` over all but the output's. `requested` is None where no
    ratio was asked (the threshold variant)."""

    kept: tuple[np.ndarray, ...]
    requested: float | None
    achieved: float
    achieved_hidden: float

    def apply(self, network: Network) -> Network:
        """The network with every weight that is not kept set to zero. Biases stay."""
        weights = [weight * kept for weight, kept in zip(network.weights, self.kept, strict=True)]
        return Network(weights, network.biases)


@dataclass(frozen=True)
class ByHand:
    """Neurons that a person chose on top of a ratio, as (hidden layer from 0, unit): the killed lose all incoming weights, the
    spared keep theirs though their turn came. Redundancy follows from what is left. Killed wins over spared."""

    killed: tuple[tuple[int, int], ...] = ()
    spared: tuple[tuple[int, int], ...] = ()

    def change(self, kept: list[np.ndarray], network: Network) -> list[np.ndarray]:
        """`kept` (changed and returned) with the neurons' rows so. Raises ValueError where there is no such neuron."""
        for chosen, keep in ((self.spared, True), (self.killed, False)):
            for layer, unit in chosen:
                if not (0 <= layer < len(network.hidden) and 0 <= unit < network.hidden[layer]):
                    raise ValueError(f"there is no neuron {unit} in hidden layer {layer + 1}: choose one on the board")
                kept[layer][unit] = keep & (network.weights[layer][unit] != 0)
        return kept


NOBODY = ByHand()


def choose(
    scores: Sequence[np.ndarray],
    network: Network,
    ratio: float | None = None,
    scope: str = "global",
    min_units: int = 0,
    *,
    count: int | None = None,
    redundancy: str = "full",
    by_hand: ByHand = NOBODY,
) -> Masks:
    """The masks that leave the share `ratio` (0..1) of all original weights zero, or that cut `count` more.

    Weights go in order of score, zeros made by redundancy counted, until k = min(round(ratio × all), cuttable) are zero:
    exactly k where nothing propagates, else at most what one neuron's end takes along. Only hidden layers' weights are in
    the queue. In "layer" scope the share holds for each hidden matrix. With `count` that many weights leave the queue (in
    "layer" scope split in proportion to the layers' sizes), and what redundancy takes comes on top. `min_units` neurons of
    each hidden layer are kept alive, those that would go last. `by_hand`: neurons that a person killed or spared on top.
    Raises ValueError on bad arguments or scores.
    """
    if (ratio is None) == (count is None):
        raise ValueError("give either a ratio or a count, not both and not neither")
    if ratio is not None and not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio} is outside 0..1")
    if count is not None and count < 0:
        raise ValueError(f"count {count} is negative: it is how many more weights go")
    check(scope, redundancy)
    steps = ranking.protect(ranking.places(scores, network, scope), scores, network, min_units)
    if scope == "global":
        kept = _cut_globally(steps, network, ratio, count, redundancy)
    else:
        kept = _cut_by_layer(steps, network, ratio, count, redundancy)
    zero = sum(weight.size - np.count_nonzero(weight) for weight in network.weights)
    total = sum(weight.size for weight in network.weights)
    requested = ratio if count is None else min(1.0, (zero + count) / total)
    return of_kept(propagate(by_hand.change(kept, network), network, redundancy), requested)


def below_deviation(
    scores: Sequence[np.ndarray], network: Network, k: float, min_units: int = 0, *, redundancy: str = "full"
) -> Masks:
    """The masks that cut every neuron whose score is below mean − k · standard deviation of its layer's living neurons.

    The paper's threshold variant: needs a neuron criterion. Raises ValueError for a weight criterion.
    """
    if any(np.ndim(score) != 1 for score in scores):
        raise ValueError("the threshold variant cuts neurons: choose a neuron criterion, such as activation-frequency")
    steps = ranking.protect(ranking.places(scores, network, "global"), scores, network, min_units)
    kept = [weight != 0 for weight in network.weights]
    for layer, (score, alive) in enumerate(zip(scores, network.alive(), strict=True)):
        if alive.any():
            low = alive & (score < score[alive].mean() - k * score[alive].std())
            kept[layer][low] &= steps[layer][low] == ranking.NEVER
    return of_kept(propagate(kept, network, redundancy), None)


def check(scope: str, redundancy: str) -> None:
    """Raises ValueError where one of the two is unknown."""
    if scope not in SCOPES:
        raise ValueError(f"scope {scope!r} is unknown: allowed are {', '.join(SCOPES)}")
    if redundancy not in REDUNDANCIES:
        raise ValueError(f"redundancy {redundancy!r} is unknown: allowed are {', '.join(REDUNDANCIES)}")


def of_kept(kept: list[np.ndarray], requested: float | None) -> Masks:
    """The Masks that keep `kept`, one bool array per weight matrix; the arrays become read-only."""
    for mask in kept:
        mask.setflags(write=False)
    total, hidden = sum(mask.size for mask in kept), sum(mask.size for mask in kept[:-1])
    stays = [int(np.count_nonzero(mask)) for mask in kept]
    achieved_hidden = 1 - sum(stays[:-1]) / hidden if hidden else 0.0
    return Masks(tuple(kept), requested, 1 - sum(stays) / total, achieved_hidden)


def propagate(kept: list[np.ndarray], network: Network, redundancy: str) -> list[np.ndarray]:
    """Takes the outgoing weights of emptied neurons away, layer by layer; changes and returns `kept`."""
    if all(np.array_equal(mask, weight != 0) for mask, weight in zip(kept[:-1], network.weights[:-1], strict=True)):
        return kept  # nothing was cut, so nothing changes
    last = len(kept) - 1
    for layer, was_alive in enumerate(network.alive()):
        empty = ~kept[layer].any(axis=1)
        if redundancy == "released":
            empty &= was_alive
        if redundancy == "full" or layer + 1 < last:
            kept[layer + 1][:, empty] = False
    return kept


# -- one queue over all hidden layers -------------------------------------------------------------------------------


def _cut_globally(
    steps: list[np.ndarray], network: Network, ratio: float | None, count: int | None, redundancy: str
) -> list[np.ndarray]:
    if count is not None:
        queue = np.concatenate([step[(step >= 0) & (step != ranking.NEVER)] for step in steps])
        stop = _first_places(queue, count)
    else:
        [stop] = stops(steps, network, [ratio], redundancy)
    kept = [step >= stop if stop else step >= 0 for step in steps]
    return [*kept, network.weights[-1] != 0]


def _first_places(queue: np.ndarray, count: int) -> int:
    """How far to walk so that `count` weights leave the queue (places may have gaps where weights are protected)."""
    if count == 0 or queue.size == 0:
        return 0
    return int(np.sort(queue)[min(count, queue.size) - 1]) + 1


def stops(steps: list[np.ndarray], network: Network, ratios: Sequence[float], redundancy: str) -> list[int]:
    """For each ratio how far to walk so that this share of all weights is zero, redundancy counted (one queue over all)."""
    total = sum(weight.size for weight in network.weights)
    zero = total - sum(int(np.count_nonzero(weight)) for weight in network.weights)
    cuttable = sum(int(np.count_nonzero(step != ranking.NEVER)) for step in steps)
    wanted = [min(round(ratio * total), cuttable) - zero for ratio in ratios]
    if max(wanted) <= 0:
        return [0] * len(wanted)
    gone = np.concatenate([moment.ravel() for moment in ranking.removal_steps(steps, network, redundancy)])
    zeros_after = np.cumsum(np.bincount(gone[(gone >= 0) & (gone != ranking.NEVER)]))
    # With neurons that were idle before the walk, the walk may reach its end below `wanted`: then everything goes.
    return [int(np.searchsorted(zeros_after, more)) + 1 if more > 0 else 0 for more in wanted]


# -- one queue per hidden layer -------------------------------------------------------------------------------------


def _cut_by_layer(
    steps: list[np.ndarray], network: Network, ratio: float | None, count: int | None, redundancy: str
) -> list[np.ndarray]:
    if count is None:
        levels = ranking.levels(steps, redundancy)
        kept = [(level > wanted_of(step, ratio)) & (step >= 0) for step, level in zip(steps, levels, strict=True)]
        return [*kept, network.weights[-1] != 0]
    hidden_size = sum(step.size for step in steps)
    kept = []
    for step in steps:
        stop = _first_places(step[(step >= 0) & (step != ranking.NEVER)], round(count * step.size / hidden_size))
        kept.append(step >= stop if stop else step >= 0)
    return [*kept, network.weights[-1] != 0]


def wanted_of(step: np.ndarray, ratio: float) -> int:
    """How many zeros the matrix with these places is to hold at `ratio` (one queue per layer)."""
    return min(round(ratio * step.size), int(np.count_nonzero(step != ranking.NEVER)))
