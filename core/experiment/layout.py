"""Which units are in the arrays that train, and the way between those and the network's original size.

A hidden neuron without incoming and outgoing weights does nothing and learns nothing: it is left out. So is an input that is
dark in every training image: its weights get no gradient and keep their values. What is shown and stored never notices.
Inside, a weight matrix lies as `(units_in, units_out)`: the forward product is a quarter faster that way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.store.snapshot import TrainingState


@dataclass(frozen=True, eq=False)
class Layout:
    """Per level (inputs, hidden layers, outputs) the indices of the units that train, ascending."""

    live: tuple[np.ndarray, ...]

    def inner(self, layer: int, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The training part of one layer's arrays, stacked: `(K, units_in, units_out)` of matrices, `(K, units)` of vectors."""
        rows = self.live[layer + 1]
        if arrays[0].ndim == 1:
            return np.stack([array[rows] for array in arrays])
        return np.stack([np.ascontiguousarray(array[np.ix_(rows, self.live[layer])].T) for array in arrays])

    def outer(self, layer: int, original: np.ndarray, part: np.ndarray) -> np.ndarray:
        """A copy of `original`, at its own size, with the training part put in its place."""
        result = original.copy()
        rows = self.live[layer + 1]
        if original.ndim == 1:
            result[rows] = part
        else:
            result[np.ix_(rows, self.live[layer])] = part.T
        return result

    def widened(self, layer: int, part: np.ndarray, units: int) -> np.ndarray:
        """`(n, units)` of a hidden layer's training units as `(n, units)` of them all, zero where one is left out."""
        result = np.zeros((part.shape[0], units), part.dtype)
        result[:, self.live[layer + 1]] = part
        return result


def everything(state: TrainingState) -> Layout:
    """All units train."""
    sizes = [state.weights[0].shape[1], *(weight.shape[0] for weight in state.weights)]
    return Layout(tuple(np.arange(size) for size in sizes))


def shrunk(state: TrainingState, lit: np.ndarray) -> Layout:
    """Idle neurons and dark inputs are left out; `lit` `(features,)` bool: inputs that some training image lights."""
    live = [np.flatnonzero(lit)]
    for layer, kept in enumerate(state.kept[:-1]):
        idle = ~kept.any(axis=1) & ~state.kept[layer + 1].any(axis=0)
        live.append(np.flatnonzero(~idle))
    return Layout((*live, np.arange(state.weights[-1].shape[0])))
