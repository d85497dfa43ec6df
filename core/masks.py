"""Which weights go: from scores and a ratio to masks, exact to the weight, stable on ties, nested as the ratio grows.

The weights stand in one queue, lowest score first, ties in the order layer, row, column. A weight that is already zero has
left the queue. Cutting from the front, a neuron loses its last incoming weight at some moment; its outgoing weights go with
it ("redundancy"), which may empty further neurons. So every weight has one *step* at which it goes, whatever ratio is asked,
and masks at a larger ratio always contain those at a smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.network import Network

NEVER = np.iinfo(np.int64).max
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


def choose(
    scores: Sequence[np.ndarray],
    network: Network,
    ratio: float | None = None,
    scope: str = "global",
    min_units: int = 0,
    *,
    count: int | None = None,
    redundancy: str = "full",
) -> Masks:
    """The masks that leave the share `ratio` (0..1) of all original weights zero, or that cut `count` more.

    Weights go in order of score, zeros made by redundancy counted, until k = min(round(ratio × all), cuttable) are zero:
    exactly k where nothing propagates, else at most what one neuron's end takes along. Only hidden layers' weights are in
    the queue. In "layer" scope the share holds for each hidden matrix. With `count` that many weights leave the queue (in
    "layer" scope split in proportion to the layers' sizes), and what redundancy takes comes on top. `min_units` neurons of
    each hidden layer are kept alive, those that would go last. Raises ValueError on bad arguments or scores.
    """
    if (ratio is None) == (count is None):
        raise ValueError("give either a ratio or a count, not both and not neither")
    if ratio is not None and not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio} is outside 0..1")
    if count is not None and count < 0:
        raise ValueError(f"count {count} is negative: it is how many more weights go")
    if scope not in SCOPES:
        raise ValueError(f"scope {scope!r} is unknown: allowed are {', '.join(SCOPES)}")
    if redundancy not in REDUNDANCIES:
        raise ValueError(f"redundancy {redundancy!r} is unknown: allowed are {', '.join(REDUNDANCIES)}")
    steps = _protect(_queue(scores, network, scope), scores, network, min_units)
    if scope == "global":
        kept = _cut_globally(steps, network, ratio, count, redundancy)
    else:
        kept = _cut_by_layer(steps, network, ratio, count, redundancy)
    zero = sum(weight.size - np.count_nonzero(weight) for weight in network.weights)
    total = sum(weight.size for weight in network.weights)
    return _masks(_propagate(kept, network, redundancy), ratio if count is None else min(1.0, (zero + count) / total))


def below_deviation(
    scores: Sequence[np.ndarray], network: Network, k: float, min_units: int = 0, *, redundancy: str = "full"
) -> Masks:
    """The masks that cut every neuron whose score is below mean − k · standard deviation of its layer's living neurons.

    The paper's threshold variant: needs a neuron criterion. Raises ValueError for a weight criterion.
    """
    if any(np.ndim(score) != 1 for score in scores):
        raise ValueError("the threshold variant cuts neurons: choose a neuron criterion, such as activation-frequency")
    steps = _protect(_queue(scores, network, "global"), scores, network, min_units)
    kept = [weight != 0 for weight in network.weights]
    for layer, (score, alive) in enumerate(zip(scores, network.alive(), strict=True)):
        if alive.any():
            low = alive & (score < score[alive].mean() - k * score[alive].std())
            kept[layer][low] &= steps[layer][low] == NEVER
    return _masks(_propagate(kept, network, redundancy), None)


def _masks(kept: list[np.ndarray], requested: float | None) -> Masks:
    for mask in kept:
        mask.setflags(write=False)
    total, hidden = sum(mask.size for mask in kept), sum(mask.size for mask in kept[:-1])
    stays = [int(np.count_nonzero(mask)) for mask in kept]
    achieved_hidden = 1 - sum(stays[:-1]) / hidden if hidden else 0.0
    return Masks(tuple(kept), requested, 1 - sum(stays) / total, achieved_hidden)


def _propagate(kept: list[np.ndarray], network: Network, redundancy: str) -> list[np.ndarray]:
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


# -- the queue ------------------------------------------------------------------------------------------------------


def _queue(scores: Sequence[np.ndarray], network: Network, scope: str) -> list[np.ndarray]:
    """Per hidden layer each weight's place in the queue, int64 from 0; -1 where the weight is already zero."""
    hidden = network.weights[:-1]
    if len(scores) != len(hidden):
        raise ValueError(
            f"{len(scores)} score arrays came for {len(hidden)} hidden layers: one per hidden layer is needed"
        )
    for layer, (score, weight) in enumerate(zip(scores, hidden, strict=True), start=1):
        if np.shape(score) not in (weight.shape, weight.shape[:1]):
            raise ValueError(
                f"the scores of hidden layer {layer} have shape {np.shape(score)}: "
                f"allowed are {weight.shape[:1]} (a neuron criterion) and {weight.shape} (a weight criterion)"
            )
        if np.isnan(score).any():
            raise ValueError(f"the scores of hidden layer {layer} hold NaN: they cannot be ranked")
    alive = [weight != 0 for weight in hidden]
    groups = [list(range(len(hidden)))] if scope == "global" else [[layer] for layer in range(len(hidden))]
    steps: list[np.ndarray] = [np.zeros(0)] * len(hidden)
    for group in groups:
        place = _places([np.asarray(scores[i]) for i in group], [alive[i] for i in group])
        for layer, part in zip(group, place, strict=True):
            steps[layer] = part
    return steps


def _places(scores: list[np.ndarray], alive: list[np.ndarray]) -> list[np.ndarray]:
    if all(score.ndim == 1 for score in scores):
        # Neurons queue as blocks, so only neurons need sorting: the weights inside follow one another.
        sizes = np.concatenate([mask.sum(axis=1) for mask in alive])
        order = stable_order(np.concatenate(scores))
        first = np.empty(order.size, np.int64)
        first[order] = np.cumsum(sizes[order]) - sizes[order]
        firsts = np.split(first, np.cumsum([score.size for score in scores])[:-1])
        inside = [np.cumsum(mask, axis=1) - 1 for mask in alive]
        return [np.where(m, i + f[:, None], -1) for m, i, f in zip(alive, inside, firsts, strict=True)]
    wide = [np.broadcast_to(s[:, None] if s.ndim == 1 else s, m.shape)[m] for s, m in zip(scores, alive, strict=True)]
    order = stable_order(np.concatenate(wide))
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    result = []
    for mask, part in zip(alive, np.split(place, np.cumsum([w.size for w in wide])[:-1]), strict=True):
        steps = np.full(mask.shape, -1, np.int64)
        steps[mask] = part
        result.append(steps)
    return result


def stable_order(values: np.ndarray) -> np.ndarray:
    """What `np.argsort(values, kind="stable")` gives, for 1-D values without NaN; several times faster on float32."""
    if values.dtype != np.float32 or values.size >= 2**32:
        return np.argsort(values, kind="stable")
    # Value bits above, position below, in one unsigned integer: no two are equal, so any fast sort is a stable one.
    bits = (values + np.float32(0)).view(np.uint32)  # + 0 makes -0.0 and 0.0 one value
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    packed = (ordered.astype(np.uint64) << np.uint64(32)) | np.arange(values.size, dtype=np.uint64)
    packed.sort()
    return (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _protect(
    steps: list[np.ndarray], scores: Sequence[np.ndarray], network: Network, min_units: int
) -> list[np.ndarray]:
    """Takes what must stay out of the queue (NEVER), so that `min_units` neurons a layer keep a chain back to the input."""
    if min_units <= 0:
        return steps
    fed = np.ones(network.weights[0].shape[1], dtype=bool)  # sources that are sure to stay
    protected = []
    for place, score in zip(steps, scores, strict=True):
        place = place.copy()
        reachable = np.where(fed, place, -1).max(axis=1)  # the last of its weights from a sure source, -1 if none
        last = np.where(reachable >= 0, place.max(axis=1), -1)
        chosen = stable_order(-last)[:min_units]
        chosen = chosen[last[chosen] >= 0]
        if np.ndim(score) == 1:
            rows = place[chosen]
            place[chosen] = np.where(rows >= 0, NEVER, rows)
        else:
            place[chosen, np.where(fed, place, -1)[chosen].argmax(axis=1)] = NEVER
        fed = np.zeros(place.shape[0], dtype=bool)
        fed[chosen] = True
        protected.append(place)
    return protected


# -- one queue over all hidden layers -------------------------------------------------------------------------------


def _cut_globally(
    steps: list[np.ndarray], network: Network, ratio: float | None, count: int | None, redundancy: str
) -> list[np.ndarray]:
    if count is not None:
        queue = np.concatenate([step[(step >= 0) & (step != NEVER)] for step in steps])
        stop = _first_places(queue, count)
    else:
        stop = _steps_for_ratio(steps, network, ratio, redundancy)
    kept = [step >= stop if stop else step >= 0 for step in steps]
    return [*kept, network.weights[-1] != 0]


def _first_places(queue: np.ndarray, count: int) -> int:
    """How far to walk so that `count` weights leave the queue (places may have gaps where weights are protected)."""
    if count == 0 or queue.size == 0:
        return 0
    return int(np.sort(queue)[min(count, queue.size) - 1]) + 1


def _steps_for_ratio(steps: list[np.ndarray], network: Network, ratio: float, redundancy: str) -> int:
    """How far to walk so that the share `ratio` of all weights is zero, redundancy counted."""
    total = sum(weight.size for weight in network.weights)
    zero = total - sum(int(np.count_nonzero(weight)) for weight in network.weights)
    cuttable = sum(int(np.count_nonzero(step != NEVER)) for step in steps)
    wanted = min(round(ratio * total), cuttable) - zero
    if wanted <= 0:
        return 0
    gone = np.concatenate([moment.ravel() for moment in removal_steps(steps, network, redundancy)])
    zeros_after = np.cumsum(np.bincount(gone[(gone >= 0) & (gone != NEVER)]))
    # With neurons that were idle before the walk, the walk may reach its end below `wanted`: then everything goes.
    return int(np.searchsorted(zeros_after, wanted)) + 1


def removal_steps(steps: list[np.ndarray], network: Network, redundancy: str = "full") -> list[np.ndarray]:
    """Per weight matrix (output included) the step at which each weight goes: by its own place in the queue, or with its
    source neuron, whichever comes first. -1: already zero. NEVER: stays."""
    moments = []
    source_ends = None
    for layer in range(len(network.weights)):
        output = layer == len(steps)
        own = np.where(network.weights[layer] != 0, NEVER, -1) if output else steps[layer]
        if source_ends is not None and not (output and redundancy == "released"):
            own = np.minimum(own, source_ends)
        moments.append(own)
        if not output and own.shape[1]:
            ends = own.max(axis=1)
            # A neuron idle before the walk: its leftovers go with the first step (released: they stay).
            source_ends = np.where(ends < 0, 0 if redundancy == "full" else NEVER, ends)
            next_zero = network.weights[layer + 1] == 0
            source_ends = np.where(next_zero, -1, source_ends)
    return moments


# -- one queue per hidden layer -------------------------------------------------------------------------------------


def _cut_by_layer(
    steps: list[np.ndarray], network: Network, ratio: float | None, count: int | None, redundancy: str
) -> list[np.ndarray]:
    hidden_size = sum(step.size for step in steps)
    kept = []
    source_ends: np.ndarray | None = None  # the ratio at which each source neuron ends
    for step in steps:
        if count is not None:
            stop = _first_places(step[(step >= 0) & (step != NEVER)], round(count * step.size / hidden_size))
            kept.append(step >= stop if stop else step >= 0)
            continue
        level, moment = _levels(step, source_ends)
        cuttable = int(np.count_nonzero(step != NEVER))
        wanted = min(round(ratio * step.size), cuttable)
        alive = step >= 0
        kept.append(alive & (level > wanted))
        ends = np.where(alive, moment, -np.inf).max(axis=1, initial=-np.inf)
        source_ends = np.where(ends == -np.inf, 0.0 if redundancy == "full" else np.inf, ends)
    return [*kept, network.weights[-1] != 0]


def _levels(step: np.ndarray, source_ends: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """For one matrix: how many zeros it holds once each weight has gone by its own place in the queue (NEVER: it goes with
    its source, or stays), and the ratio at which it goes (inf: stays).

    Own cuts pause while redundancy is ahead of the ratio. That order of events, kept once and for all, is what makes the
    masks of one layer nested as the ratio grows.
    """
    flat = step.ravel()
    level = np.full(flat.size, NEVER, np.int64)
    moment = np.full(flat.size, np.inf)
    queued = np.flatnonzero((flat >= 0) & (flat != NEVER))
    queue = queued[stable_order(flat[queued])]
    zeros = int(np.count_nonzero(flat < 0))
    gone = flat < 0
    columns = np.arange(flat.size).reshape(step.shape)

    def walk(until: int, queue: np.ndarray) -> np.ndarray:
        nonlocal zeros
        queue = queue[~gone[queue]]
        taken = queue[: max(0, until - zeros)]
        level[taken] = zeros + 1 + np.arange(taken.size)
        moment[taken] = (level[taken] - 0.5) / flat.size
        gone[taken] = True
        zeros += taken.size
        return queue[taken.size :]

    if source_ends is not None:
        for source in stable_order(source_ends):
            if math.isinf(source_ends[source]):
                break
            queue = walk(round(float(source_ends[source]) * flat.size), queue)
            column = columns[:, source]
            column = column[~gone[column]]
            moment[column] = source_ends[source]
            gone[column] = True
            zeros += column.size
    walk(flat.size, queue)
    return level.reshape(step.shape), moment.reshape(step.shape)
