"""Low-rank stand-ins for a weight matrix: mean-centred PCA, as in the paper, the truncated singular value decomposition, and
the best one for what the layer puts out on given inputs."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROWS_AT_ONCE = 8192  # of the inputs, where they are looked at in float64


@dataclass(frozen=True, eq=False)
class Decomposition:
    """One decomposition of a `(rows, columns)` matrix, from which every rank follows: matrix ≈ left[:, :k] @ right[:k].

    left: `(rows, m)`, right: `(m, columns)`, float64. extra: how many leading terms belong to every k (1 for PCA: the mean, so
    the stand-in with k components has rank up to k + 1; 0 for the others, whose rank is at most k). energy: `(m - extra,)`
    what each further term explains: squared singular values, of PCA those of the centred matrix, of `aware` the variance of
    the outputs. mean: `(columns,)` the mean of inputs @ matrix, of `aware` only, else None (see `shift`).
    """

    left: np.ndarray
    right: np.ndarray
    extra: int
    energy: np.ndarray
    mean: np.ndarray | None = None

    def factors(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """`(rows, k + extra)` and `(k + extra, columns)`, whose product stands in for the matrix. Raises ValueError on a
        bad k."""
        most = self.most
        if isinstance(k, bool) or not isinstance(k, numbers.Integral) or not 0 <= k <= most:
            raise ValueError(f"{k!r} is not a possible rank of this matrix: give a whole number in 0..{most}")
        return self.left[:, : k + self.extra], self.right[: k + self.extra]

    @property
    def most(self) -> int:
        """The largest k, with which the stand-in is the matrix itself."""
        return self.right.shape[0] - self.extra

    def shift(self, k: int) -> np.ndarray:
        """`(columns,)` float64: what is added to the layer's bias so that the mean of its outputs stays as it is. Zero where
        the inputs are not known."""
        _, right = self.factors(k)
        if self.mean is None:
            return np.zeros(self.right.shape[1])
        return self.mean - (self.mean @ right.T) @ right

    def values(self, k: int) -> np.ndarray:
        """`(k + extra,)` the singular values of the stand-in with k, largest first."""
        self.factors(k)
        left, right = self._triangles
        block = left[:, : k + self.extra] @ right[:, : k + self.extra].T
        found = np.linalg.svd(block, compute_uv=False) if block.size else np.zeros(0)
        return np.pad(found, (0, k + self.extra))[: k + self.extra]

    @cached_property
    def _triangles(self) -> tuple[np.ndarray, np.ndarray]:
        """What is left of `left` and `right` when they are turned upright: whoever asks for many ranks takes small matrices
        apart instead of the whole."""
        return np.linalg.qr(self.left, "r"), np.linalg.qr(self.right.T, "r")


def principal(matrix: np.ndarray) -> Decomposition:
    """PCA of a matrix whose rows are the observations: columns are centred first. Raises ValueError unless 2-D and finite."""
    exact = _checked(matrix)
    mean = exact.mean(axis=0) if exact.shape[0] else np.zeros(exact.shape[1])
    left, right = _singular(exact - mean)
    ones = np.ones((exact.shape[0], 1))
    return Decomposition(np.hstack([ones, left]), np.vstack([mean, right]), 1, (left**2).sum(axis=0))


def singular(matrix: np.ndarray) -> Decomposition:
    """The singular value decomposition, values in `left`. Raises ValueError unless the matrix is 2-D and finite."""
    left, right = _singular(_checked(matrix))
    return Decomposition(left, right, 0, (left**2).sum(axis=0))


def aware(matrix: np.ndarray, inputs: np.ndarray) -> Decomposition:
    """The stand-in that is best for what the layer puts out, inputs @ matrix, with any bias: PCA of those outputs.

    matrix: `(rows, columns)`, a layer's weights turned to (inputs, units). inputs: `(n, rows)`, what the layer is given. With
    V the k first principal directions of the outputs, the stand-in is matrix V Vᵀ and the bias moves by `shift(k)`, which
    keeps the outputs' mean. No other matrix of rank k with any bias comes nearer to the outputs in squared error: they are
    linear in the inputs, so reduced-rank regression (Izenman 1975) ends here. Directions in which the outputs do not vary come
    last, so that the largest k gives the matrix back. Raises ValueError unless both are 2-D, finite and fit.
    """
    exact, given = _checked(matrix), np.asarray(inputs)
    if given.ndim != 2 or given.shape[1] != exact.shape[0] or not len(given):
        raise ValueError(
            f"inputs of shape {given.shape} came for a matrix of {exact.shape[0]} rows: give one row an example, at least "
            "one, with as many columns as the matrix has rows"
        )
    if not np.isfinite(given).all():
        raise ValueError("the inputs hold NaN or infinite values: a diverged network cannot be reduced")
    # Within the matrix's own row space: at the largest k its projection is then the matrix.
    basis = np.linalg.svd(exact, full_matrices=False)[2] if exact.size else np.zeros((0, exact.shape[1]))
    narrow = exact @ basis.T  # (rows, min(shape))
    middle = given.mean(axis=0, dtype=np.float64)
    spread = np.zeros((len(basis), len(basis)))
    for begin in range(0, len(given), ROWS_AT_ONCE):
        part = (given[begin : begin + ROWS_AT_ONCE] - middle) @ narrow
        spread += part.T @ part
    variance, turned = np.linalg.eigh(spread / len(given))
    right = turned[:, ::-1].T @ basis  # (min(shape), columns), orthonormal rows
    return Decomposition(exact @ right.T, right, 0, np.clip(variance[::-1], 0, None), middle @ exact)


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
