"""What a pruned layer and its reductions cost, and which reduction meets its budget: the same rank, as many stored numbers, as
many multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core import spectra
from core.network import Network

ARMS = ("pca", "svd", "aware")
MATCHINGS = ("rank", "numbers", "multiply-adds")
EVERY_RANK_UP_TO = 40  # of the layer with the highest rank; beyond that the curve goes on in steps of GROWTH
GROWTH = 1.08


@dataclass(frozen=True, eq=False)
class Layer:
    """One hidden layer of the pruned network. shape: (units, inputs). live: the same of its block without empty rows and
    columns. nonzero: weights that are not zero, which is what it costs in multiply-adds. numbers: stored numbers, the cheaper
    of that block as it is and CSR (values, columns and row pointers), which `sparse` says."""

    shape: tuple[int, int]
    live: tuple[int, int]
    rank: int
    nonzero: int

    @property
    def sparse(self) -> bool:
        """Whether CSR takes fewer numbers than the dense block."""
        return 2 * self.nonzero + self.live[0] + 1 < math.prod(self.live)

    @property
    def numbers(self) -> int:
        """How many numbers its weights take."""
        return 2 * self.nonzero + self.live[0] + 1 if self.sparse else math.prod(self.live)

    def budget(self, matching: str) -> int:
        """What a reduction of the same layer has to meet under a matching: a rank, numbers or multiply-adds."""
        return {"rank": self.rank, "numbers": self.numbers, "multiply-adds": self.nonzero}[matching]


def layers(network: Network) -> tuple[Layer, ...]:
    """The hidden layers of a pruned network."""
    found = []
    for weight in network.weights[:-1]:
        block = weight[weight.any(axis=1)][:, weight.any(axis=0)]
        rank = spectra.spectrum(weight).rank
        found.append(Layer(weight.shape, block.shape, rank, int(np.count_nonzero(weight))))
    return tuple(found)


def costs(shape: tuple[int, int], arm: str) -> np.ndarray:
    """`(min(shape) + 1,)` what a layer of `shape` (units, inputs) takes with rank 0, 1, …: stored numbers, and as many
    multiply-adds. Two factors, k(units + inputs), and for PCA the mean, one number a unit; never more than the whole matrix."""
    units, inputs = shape
    factors = np.arange(min(shape) + 1) * (units + inputs) + (units if arm == "pca" else 0)
    return np.minimum(factors, units * inputs)


def nearest(budget: int, shape: tuple[int, int], arm: str) -> int:
    """The rank whose cost comes nearest to the budget; of ranks that come equally near the highest, since it is the best."""
    away = np.abs(costs(shape, arm) - budget)
    return int(np.flatnonzero(away == away.min())[-1])


def matched_ranks(pruned: Sequence[Layer], matching: str, arm: str) -> tuple[int, ...]:
    """Per hidden layer the rank that meets a matching. Raises ValueError on an unknown matching or arm."""
    if matching not in MATCHINGS:
        raise ValueError(f"the matching {matching!r} is unknown: allowed are {', '.join(MATCHINGS)}")
    if arm not in ARMS:
        raise ValueError(f"the reduction {arm!r} is unknown: allowed are {', '.join(ARMS)}")
    if matching == "rank":
        return tuple(layer.rank for layer in pruned)
    return tuple(nearest(layer.budget(matching), layer.shape, arm) for layer in pruned)


def curve_ranks(pruned: Sequence[Layer]) -> list[tuple[int, ...]]:
    """The ranks of the curve, in the pruned network's proportions: all of them up to EVERY_RANK_UP_TO of the layer whose rank
    is highest, then coarser, up to full rank everywhere. The pruned network's own ranks are among them."""
    full = [min(layer.shape) for layer in pruned]
    widest = max(layer.rank for layer in pruned)
    living = [(layer.rank, most) for layer, most in zip(pruned, full, strict=True) if layer.rank]
    steps = list(range(1, EVERY_RANK_UP_TO + 1))
    last = max((most * widest / rank for rank, most in living), default=0.0)
    while steps[-1] < last:
        steps.append(math.ceil(steps[-1] * GROWTH))
    found = {
        tuple(
            min(most, max(1, round(step * layer.rank / widest))) if layer.rank else 0
            for layer, most in zip(pruned, full, strict=True)
        )
        for step in (*steps, widest)
        if widest
    }
    return sorted(found | {tuple(full)}, key=lambda row: (sum(row), row))
