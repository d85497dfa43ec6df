"""A fully connected ReLU classifier as plain arrays: forward pass, accuracy, what is alive, what can be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.blas import product

ROWS_AT_ONCE = 4096  # bounds the memory of a forward pass over a whole data set


def frozen(array: np.ndarray, dtype: type) -> np.ndarray:
    """A read-only contiguous array of `dtype`; copies only what a caller could still write to."""
    source = np.asarray(array)
    result = np.ascontiguousarray(source, dtype=dtype)
    if np.may_share_memory(result, source) and source.flags.writeable:
        result = result.copy()
    result.setflags(write=False)
    return result


def relu(sums: np.ndarray) -> np.ndarray:
    """What neurons put out for these sums: the sum where it is above 0, else 0. Same shape and type."""
    return np.maximum(sums, 0)


def active(outputs: np.ndarray) -> np.ndarray:
    """Where a neuron is active, bool of the same shape: its output is above 0."""
    return outputs > 0


@dataclass(frozen=True, eq=False)
class Network:
    """Weights `(units_out, units_in)` and biases `(units_out,)` per layer, float32, read-only; the last layer is the output.

    A weight that is exactly zero counts as pruned. Layers may be 0 units wide (a layer that died and was shrunk away).
    Raises ValueError when the shapes do not chain.
    """

    weights: Sequence[np.ndarray]
    biases: Sequence[np.ndarray]

    def __post_init__(self):
        weights = tuple(frozen(weight, np.float32) for weight in self.weights)
        biases = tuple(frozen(bias, np.float32) for bias in self.biases)
        if not weights or len(weights) != len(biases):
            raise ValueError(
                f"{len(weights)} weight matrices and {len(biases)} biases came: a network has one bias vector per "
                "weight matrix, and at least one of each"
            )
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
            if weight.ndim != 2 or bias.shape != weight.shape[:1]:
                raise ValueError(
                    f"layer {number} has weights of shape {weight.shape} and biases of shape {bias.shape}: "
                    "give (units_out, units_in) and (units_out,)"
                )
            if number > 1 and weight.shape[1] != weights[number - 2].shape[0]:
                raise ValueError(
                    f"layer {number} takes {weight.shape[1]} inputs but layer {number - 1} has "
                    f"{weights[number - 2].shape[0]} units: the two must be equal"
                )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "biases", biases)

    @property
    def hidden(self) -> tuple[int, ...]:
        """The width of every hidden layer."""
        return tuple(weight.shape[0] for weight in self.weights[:-1])

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """What each hidden layer puts out after ReLU for `x` `(n, features)`: one `(n, units)` float32 array per layer."""
        layers = []
        signal = np.asarray(x, dtype=np.float32)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            signal = relu(product(signal, weight.T) + bias)
            layers.append(signal)
        return layers

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Logits `(n, classes)` float32 for `x` `(n, features)`."""
        signal = np.asarray(x, dtype=np.float32)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            signal = relu(product(signal, weight.T) + bias)
        return product(signal, self.weights[-1].T) + self.biases[-1]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The class of the largest logit for each row of `x`: `(n,)` int64."""
        parts = [self.forward(x[i : i + ROWS_AT_ONCE]).argmax(1) for i in range(0, len(x), ROWS_AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def accuracy(self, x: np.ndarray, y: np.ndarray) -> float:
        """The share of rows of `x` whose predicted class is `y`, 0..1."""
        return float(np.mean(self.predict(x) == y))

    def sparsity(self) -> float:
        """The share of all weights, output layer included, that is zero. Biases do not count."""
        return self._share_zero(self.weights)

    def hidden_sparsity(self) -> float:
        """The share of the hidden layers' weights that is zero: every weight matrix but the output's."""
        return self._share_zero(self.weights[:-1])

    @staticmethod
    def _share_zero(weights: Sequence[np.ndarray]) -> float:
        total = sum(weight.size for weight in weights)
        return 1 - sum(np.count_nonzero(weight) for weight in weights) / total if total else 0.0

    def alive(self) -> list[np.ndarray]:
        """Per hidden layer, `(units,)` bool: the neuron has at least one incoming weight that is not zero."""
        return [weight.any(axis=1) for weight in self.weights[:-1]]

    def with_way_out(self) -> list[np.ndarray]:
        """Per hidden layer, `(units,)` bool: alive, and a chain of non-zero weights leads from the neuron to an output."""
        reaches = np.ones(self.weights[-1].shape[0], dtype=bool)
        layers = []
        for weight, alive in zip(self.weights[:0:-1], self.alive()[::-1], strict=True):
            reaches = alive & weight[reaches].any(axis=0)
            layers.append(reaches)
        return layers[::-1]

    def shrink(self) -> Network:
        """The same function with the idle neurons left out.

        A neuron without incoming weights puts out the constant relu(bias), which moves into the next layer's bias; a
        neuron without outgoing weights does nothing. Removing one can idle another, so it goes on until none is left.
        """
        weights, biases = [w.copy() for w in self.weights], [b.astype(np.float64) for b in self.biases]
        changed = True
        while changed:
            changed = False
            for layer in range(len(weights) - 1):
                fed, used = weights[layer].any(axis=1), weights[layer + 1].any(axis=0)
                keep = fed & used
                if keep.all():
                    continue
                constant = np.where(fed, 0.0, relu(biases[layer]))
                biases[layer + 1] += weights[layer + 1].astype(np.float64) @ constant
                weights[layer], biases[layer] = weights[layer][keep], biases[layer][keep]
                weights[layer + 1] = weights[layer + 1][:, keep]
                changed = True
        return Network(weights, biases)
