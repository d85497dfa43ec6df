"""How much two cuts have in common, layer by layer, and how much random cuts of the same sizes would.

A cut is what its masks zero in the hidden layers. Its agreement with another is Jaccard's index (1901): of all weights that
either cuts, the share that both cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from core.masks import Masks
from core.network import Network

Cut = list[np.ndarray]  # one bool array per hidden layer, of its weights' shape: what goes


@dataclass(frozen=True)
class Overlap:
    """Two cuts of networks of one shape, counted. All tuples: one number per hidden layer. sizes: weights there are; first,
    second: weights that each cut zeroes; shared: weights that both do. Raises ValueError on counts that cannot be."""

    sizes: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    shared: tuple[int, ...]

    def __post_init__(self):
        counts = list(zip(self.sizes, self.first, self.second, self.shared, strict=True))
        for size, first, second, shared in counts:
            if not max(0, first + second - size) <= shared <= min(first, second) <= max(first, second) <= size:
                raise ValueError(
                    f"cuts of {first} and {second} out of {size} weights cannot share {shared}: count them again"
                )

    def jaccard(self, layer: int | None = None) -> float | None:
        """|A ∩ B| / |A ∪ B|, 0..1, in one hidden layer (from 0), or in all of them taken together; None where neither cuts."""
        return _index(*(sum(self._of(counts, layer)) for counts in (self.first, self.second, self.shared)))

    def expected(self, layer: int | None = None) -> float | None:
        """What random cuts of the same sizes and kind share: E / (a + b − E) with E = a·b / n; None where neither cuts.

        The random cut: the second one with the neurons of the layer in another order, and those of the layer before (its
        columns) too, each order as likely as any other. So whole rows stay whole rows, columns stay columns and single
        weights single weights. Every weight is then hit with the probability b/n, whichever cut stays where it is, and the
        expected intersection is exactly a·b/n for every kind. Over all layers E is the sum of the layers': the random cut
        takes as many from each layer as the real one does.
        Assumed beyond that: the index of the expected intersection stands for the expected index. The index is convex in the
        intersection, so this is a little low: by less than 0.01 for the networks here, most where whole neurons of a narrow
        layer go (a test counts it by simulation).
        """
        sizes, first, second = (self._of(counts, layer) for counts in (self.sizes, self.first, self.second))
        shared = sum(a * b / n for n, a, b in zip(sizes, first, second, strict=True) if n)
        return _index(sum(first), sum(second), shared)

    def most(self, layer: int | None = None) -> float | None:
        """The largest index that cuts of these sizes can have: below 1 where one cuts more of a layer than the other."""
        first, second = (self._of(counts, layer) for counts in (self.first, self.second))
        return _index(sum(first), sum(second), sum(min(a, b) for a, b in zip(first, second, strict=True)))

    @staticmethod
    def _of(counts: tuple[int, ...], layer: int | None) -> tuple[int, ...]:
        return counts if layer is None else counts[layer : layer + 1]


def _index(first: float, second: float, shared: float) -> float | None:
    either = first + second - shared
    return shared / either if either else None


def lift(index: float | None, chance: float | None) -> float | None:
    """(index − chance) / (1 − chance): 0 at chance, 1 for equal cuts, below 0 where they avoid each other; None without either
    number, and where chance is 1 because both cut the whole layer."""
    if index is None or chance is None or chance == 1:
        return None
    return (index - chance) / (1 - chance)


def removed(masks: Masks, network: Network) -> Cut:
    """What `masks` zero in the hidden layers of `network`, redundancy counted, and was not zero before."""
    hidden = zip(masks.kept[:-1], network.weights[:-1], strict=True)
    return [~kept & (weight != 0) for kept, weight in hidden]


def compare(first: Cut, second: Cut) -> Overlap:
    """The two cuts, counted. Raises ValueError where they are not of one shape."""
    shapes = [[part.shape for part in cut] for cut in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"cuts of layers {shapes[0]} and {shapes[1]} came: only networks of the same widths are compared"
        )
    parts = list(zip(first, second, strict=True))
    return Overlap(
        tuple(a.size for a, _ in parts),
        tuple(int(np.count_nonzero(a)) for a, _ in parts),
        tuple(int(np.count_nonzero(b)) for _, b in parts),
        tuple(int(np.count_nonzero(a & b)) for a, b in parts),
    )


# -- networks of different start weights ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Match:
    """Neurons of two networks paired one to one. partners: per hidden layer `(units,)` int64, the neuron of the second network
    for each of the first. alike: per hidden layer the mean correlation of the pairs, −1..1."""

    partners: tuple[np.ndarray, ...]
    alike: tuple[float, ...]

    def renumbered(self, cut: Cut) -> Cut:
        """A cut of the second network in the neuron numbers of the first. Pixels are pixels in both."""
        columns: Sequence[int] | slice = slice(None)
        result = []
        for part, rows in zip(cut, self.partners, strict=True):
            result.append(part[rows][:, columns])
            columns = rows
        return result


def match(first: Network, second: Network, images: np.ndarray) -> Match:
    """Pairs the neurons of each hidden layer so that the sum of their activations' correlations over `images` `(n, features)`
    is the largest there is (bipartite matching of Li et al. 2015, arXiv 1511.07543).

    Two networks of different start weights number their neurons differently, so cuts can only be compared after their neurons
    are paired by what they do. The matching sees activations on training images, never a score or a cut. Correlation ignores
    scale, so it does not hand over how large a neuron's weights are; but neurons that fire on the same images fire about
    equally often, so for criteria that count firing part of the agreement is the matching's own. A neuron that puts out the
    same for every image correlates with nothing (0). Raises ValueError where the widths differ.
    """
    if first.hidden != second.hidden:
        raise ValueError(f"networks of widths {first.hidden} and {second.hidden} came: neurons pair only where equal")
    partners, alike = [], []
    for one, other in zip(first.activations(images), second.activations(images), strict=True):
        likeness = _standard(one).T @ _standard(other)  # (units, units)
        rows, columns = scipy.optimize.linear_sum_assignment(likeness, maximize=True)
        partners.append(columns)
        alike.append(float(likeness[rows, columns].mean()))
    return Match(tuple(partners), tuple(alike))


def _standard(activations: np.ndarray) -> np.ndarray:
    """Each neuron's activations with mean 0 and length 1, float64; zeros where they are all one value."""
    centred = activations - activations.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(centred, axis=0)
    constant = np.ptp(activations, axis=0) == 0
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))
