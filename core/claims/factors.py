"""The reductions of the contest as networks that can be trained with their rank held: each reduced layer as two factors.

A matrix of rank k is trained as left @ right, `(units, k)` and `(k, inputs)`: whatever training does to them, the product has
rank k at most. A layer that is not reduced stays whole. Here is what such a network is and what came of training it;
`retraining` trains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core import spectra
from core.claims import pca
from core.lowrank import Decomposition
from core.network import Network


@dataclass(frozen=True, eq=False)
class Factored:
    """A network whose reduced hidden layers are two factors. weights: in the order of the layers, a reduced one as right
    `(terms, inputs)`, then left `(units, terms)`; a whole one, and the output layer, as it is. biases: fitting; those of right
    factors are zero and stay so. linear: per hidden weight matrix, whether it is a right factor: no ReLU follows."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    linear: tuple[bool, ...]

    def product(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> Network:
        """The plain network that such weights and biases make."""
        return Network(
            self.matrices(weights), [bias for bias, linear in zip(biases, self._linear, strict=True) if not linear]
        )

    def matrices(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per layer its `(units, inputs)` matrix; that of two factors in float64, to show their rank and no rounding."""
        made, right = [], None
        for weight, linear in zip(weights, self._linear, strict=True):
            if linear:
                right = weight.astype(np.float64)
                continue
            made.append(weight if right is None else weight.astype(np.float64) @ right)
            right = None
        return made

    def numbers(self) -> tuple[int, ...]:
        """Per hidden layer how many numbers it takes, biases left out."""
        found, right = [], 0
        for weight, linear in zip(self.weights[:-1], self.linear, strict=True):
            right += weight.size
            if not linear:
                found.append(right)
                right = 0
        return tuple(found)

    @property
    def _linear(self) -> tuple[bool, ...]:
        return (*self.linear, False)


def factored(standard: Network, arm: Sequence[Decomposition], ranks: Sequence[int]) -> Factored:
    """The standard network with its hidden layers reduced to these ranks, as factors of which each has half of every singular
    value: so both learn at the same pace. PCA's mean is one more term. With the largest rank a layer stays whole."""
    weights, biases, linear = [], [], []
    plain = pca.reduced(standard, arm, ranks)
    for weight, bias, each, k in zip(plain.weights, plain.biases, arm, ranks, strict=False):
        if k < each.most:
            right, left = _balanced(each, int(k))
            weights += [right, left]
            biases += [np.zeros(len(right), np.float32), bias]
            linear += [True, False]
        else:
            weights.append(weight)
            biases.append(bias)
            linear.append(False)
    return Factored((*weights, standard.weights[-1]), (*biases, standard.biases[-1]), tuple(linear))


def _balanced(each: Decomposition, k: int) -> tuple[np.ndarray, np.ndarray]:
    """right `(terms, inputs)` and left `(units, terms)` of the stand-in with k."""
    of_inputs, of_units = each.factors(k)
    terms = k + each.extra
    left, values, right = np.linalg.svd((of_inputs @ of_units).T, full_matrices=False)
    # Terms that are nothing but the network's rounding stay nothing: grown by training, they would be rank that was not there.
    found = spectra.from_values(values.astype(np.float32), (len(left), right.shape[1]))
    root = np.sqrt(np.where(values > found.tolerance, values, 0))[:terms]
    return (root[:, None] * right[:terms]).astype(np.float32), (left[:, :terms] * root).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Retrained:
    """An arm of the contest at one matching, trained for some epochs with its rank held.

    ranks: requested, true: of the matrices now, numbers: what each hidden layer takes now, all per hidden layer. test, valid:
    accuracies 0..1 before training and after each epoch so far. epochs: how many it shall have. answers: `(n,)` its classes for
    the test images now. problem: why it ended early, or "".
    """

    run: str
    matching: str
    arm: str
    epochs: int
    ranks: np.ndarray
    true: np.ndarray
    numbers: np.ndarray
    test: np.ndarray
    valid: np.ndarray
    answers: np.ndarray
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether its training is over."""
        return len(self.test) > self.epochs or bool(self.problem)
