"""When each weight goes as the ratio grows from 0 to 100 %: one byte a weight, from which any percent's masks follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core import masks
from core.masks import NOBODY, ByHand, Masks, ranking
from core.network import Network

PERCENTS = range(101)
STAYS = 255


@dataclass(frozen=True, eq=False)
class Timetable:
    """Per weight matrix of `network` the whole percent from which a weight is zero, uint8; 0: zero already, STAYS: never.

    own: per hidden layer, by the weight's own place in the queue alone. gone: per matrix, output included, redundancy counted:
    what `masks.choose` cuts at ratio p / 100 is exactly what is gone <= p.
    """

    network: Network
    own: tuple[np.ndarray, ...]
    gone: tuple[np.ndarray, ...]
    redundancy: str

    def masks(self, percent: int, by_hand: ByHand = NOBODY) -> Masks:
        """The Masks at `percent`, with what a person chose on top. Raises ValueError outside 0..100."""
        if percent not in PERCENTS:
            raise ValueError(f"the slider's percent {percent!r} is not allowed: give a whole number in 0..100")
        if by_hand == NOBODY:
            return masks.of_kept([gone > percent for gone in self.gone], percent / 100)
        kept = [own > percent for own in self.own] + [self.network.weights[-1] != 0]
        kept = masks.propagate(by_hand.change(kept, self.network), self.network, self.redundancy)
        return masks.of_kept(kept, percent / 100)

    def neurons(self) -> list[np.ndarray]:
        """Per hidden layer `(units,)` uint8: the percent from which the neuron has no incoming weight left."""
        return [gone.max(axis=1, initial=0) for gone in self.gone[:-1]]

    def zeros(self, *, hidden: bool = False) -> np.ndarray:
        """`(101,)` int64: how many weights are zero at each percent, of all, or of all but the output's."""
        matrices = self.gone[:-1] if hidden else self.gone
        return np.cumsum(sum(np.bincount(gone.ravel(), minlength=256) for gone in matrices))[: len(PERCENTS)]


def make(
    scores: Sequence[np.ndarray],
    network: Network,
    scope: str = "global",
    min_units: int = 0,
    *,
    redundancy: str = "full",
) -> Timetable:
    """The Timetable of one criterion's scores. Arguments and errors as in `masks.choose`; the queue is sorted once."""
    masks.check(scope, redundancy)
    steps = ranking.protect(ranking.places(scores, network, scope), scores, network, min_units)
    ratios = [percent / 100 for percent in PERCENTS]
    if scope == "global":
        stops = masks.stops(steps, network, ratios, redundancy)
        own = [_percents(step, stops, side="right") for step in steps]
    else:
        own = []
        for step, level in zip(steps, ranking.levels(steps, redundancy), strict=True):
            wanted = [masks.wanted_of(step, ratio) for ratio in ratios]
            own.append(np.where(step < 0, np.uint8(0), _percents(level, wanted, side="left")))
    return with_own(own, network, redundancy)


def with_own(own: Sequence[np.ndarray], network: Network, redundancy: str = "full") -> Timetable:
    """The Timetable that follows from when each weight goes by its own place; for one that was stored."""
    for array in own:
        array.setflags(write=False)
    return Timetable(network, tuple(own), tuple(_with_redundancy(own, network, redundancy)), redundancy)


def _percents(places: np.ndarray, bounds: list[int], side: str) -> np.ndarray:
    """For each place the first percent whose bound takes it along; -1 gives 0, NEVER gives STAYS."""
    queued = places != ranking.NEVER
    last = int(places[queued].max(initial=-1))
    found = np.searchsorted(bounds, np.arange(last + 1), side=side)
    table = np.where(found < len(bounds), found, STAYS).astype(np.uint8)
    result = np.full(places.shape, STAYS, np.uint8)
    result[queued] = np.append(table, np.uint8(0))[places[queued]]  # place -1 reads the last entry
    return result


def _with_redundancy(own: list[np.ndarray], network: Network, redundancy: str) -> list[np.ndarray]:
    first = min(
        (int(part.min()) for part in (array[(array > 0) & (array < STAYS)] for array in own) if part.size),
        default=STAYS,
    )
    gone, ends = [], None
    for layer, weight in enumerate(network.weights):
        output = layer == len(own)
        mine = np.where(weight == 0, 0, STAYS).astype(np.uint8) if output else own[layer]
        if ends is not None and not (output and redundancy == "released"):
            mine = np.where(weight == 0, np.uint8(0), np.minimum(mine, ends))
        mine.setflags(write=False)
        gone.append(mine)
        ends = mine.max(axis=1, initial=0)
        # A neuron that was idle before any cut: its leftovers go with the first one (released: they stay).
        ends = np.where(ends == 0, np.uint8(first if redundancy == "full" else STAYS), ends)
    return gone
