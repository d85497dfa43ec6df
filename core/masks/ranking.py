"""The order in which weights go: scores -> each weight's place in a queue, and when redundancy takes it along.

The weights stand in one queue, lowest score first, ties in the order layer, row, column. A weight that is already zero has
left the queue. Cutting from the front, a neuron loses its last incoming weight at some moment; its outgoing weights go with
it ("redundancy"), which may empty further neurons. So every weight has one *step* at which it goes, whatever ratio is asked,
and what is gone at a larger ratio always contains what is gone at a smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.network import Network

NEVER = np.iinfo(np.int64).max


def places(scores: Sequence[np.ndarray], network: Network, scope: str) -> list[np.ndarray]:
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
        place = _places_in([np.asarray(scores[i]) for i in group], [alive[i] for i in group])
        for layer, part in zip(group, place, strict=True):
            steps[layer] = part
    return steps


def _places_in(scores: list[np.ndarray], alive: list[np.ndarray]) -> list[np.ndarray]:
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


def protect(
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


def levels(steps: list[np.ndarray], redundancy: str = "full") -> list[np.ndarray]:
    """For one queue per layer, per hidden matrix: how many zeros it holds once each weight has gone by its own place in the
    queue. NEVER: the weight goes with its source, or stays."""
    result = []
    source_ends: np.ndarray | None = None  # the ratio at which each source neuron ends
    for step in steps:
        level, moment = _levels_of(step, source_ends)
        result.append(level)
        ends = np.where(step >= 0, moment, -np.inf).max(axis=1, initial=-np.inf)
        source_ends = np.where(ends == -np.inf, 0.0 if redundancy == "full" else np.inf, ends)
    return result


def _levels_of(step: np.ndarray, source_ends: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
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
