"""Low-rank stand-ins for a weight matrix: mean-centred PCA, as in the paper, and the truncated singular value decomposition."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Decomposition:
    """One decomposition of a `(rows, columns)` matrix, from which every rank follows: matrix ≈ left[:, :k] @ right[:k].

    left: `(rows, m)`, right: `(m, columns)`, float64. extra: how many leading terms belong to every k (1 for PCA: the mean, so
    the stand-in with k components has rank up to k + 1; 0 for the truncated SVD, whose rank is at most k).
    """

    left: np.ndarray
    right: np.ndarray
    extra: int

    def factors(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """`(rows, k + extra)` and `(k + extra, columns)`, whose product stands in for the matrix. Raises ValueError on a
        bad k."""
        most = self.right.shape[0] - self.extra
        if isinstance(k, bool) or not isinstance(k, numbers.Integral) or not 0 <= k <= most:
            raise ValueError(f"{k!r} is not a possible rank of this matrix: give a whole number in 0..{most}")
        return self.left[:, : k + self.extra], self.right[: k + self.extra]


def principal(matrix: np.ndarray) -> Decomposition:
    """PCA of a matrix whose rows are the observations: columns are centred first. Raises ValueError unless 2-D and finite."""
    exact = _checked(matrix)
    mean = exact.mean(axis=0) if exact.shape[0] else np.zeros(exact.shape[1])
    left, right = _singular(exact - mean)
    return Decomposition(np.hstack([np.ones((exact.shape[0], 1)), left]), np.vstack([mean, right]), 1)


def singular(matrix: np.ndarray) -> Decomposition:
    """The singular value decomposition, values in `left`. Raises ValueError unless the matrix is 2-D and finite."""
    return Decomposition(*_singular(_checked(matrix)), 0)


def pca(weight: np.ndarray, components: int) -> np.ndarray:
    """`weight` `(rows, columns)` rebuilt from its mean row and `components` principal components, rows being the observations,
    as scikit-learn's PCA has it: rank up to components + 1. Shape and number type as given.

    The paper's code hands its Keras kernels, `(units_in, units_out)`, to that PCA: for weights `(units_out, units_in)` the
    paper's reduction is `pca(weight.T, components).T`. Raises ValueError unless 0 <= components <= min(rows, columns).
    """
    return _rebuilt(principal(weight), weight, components)


def truncated_svd(weight: np.ndarray, rank: int) -> np.ndarray:
    """The best approximation of `weight` of at most `rank` (Eckart and Young 1936). Shape and number type as given.

    Raises ValueError unless 0 <= rank <= min(rows, columns).
    """
    return _rebuilt(singular(weight), weight, rank)


def _rebuilt(decomposition: Decomposition, weight: np.ndarray, k: int) -> np.ndarray:
    left, right = decomposition.factors(k)
    weight = np.asarray(weight)
    kind = weight.dtype if np.issubdtype(weight.dtype, np.floating) else np.float64
    return (left @ right).astype(kind)


def _checked(matrix: np.ndarray) -> np.ndarray:
    exact = np.asarray(matrix, dtype=np.float64)
    if exact.ndim != 2:
        raise ValueError(f"a reduction needs a matrix, but an array of shape {exact.shape} came")
    if not np.isfinite(exact).all():
        raise ValueError("the matrix holds NaN or infinite weights: a diverged network cannot be reduced")
    return exact


def _singular(exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not exact.size:
        return np.zeros((exact.shape[0], 0)), np.zeros((0, exact.shape[1]))
    left, values, right = np.linalg.svd(exact, full_matrices=False)
    return left * values, right
