"""Singular values of a weight matrix and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core import blas


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The singular values of one matrix and its ranks and norms.

    values: `(min(rows, columns),)`, largest first. tolerance: what a value must exceed to count towards `rank`: NumPy's
    default for `matrix_rank`, largest value × max(rows, columns) × machine epsilon of the matrix's number type.
    stable_rank: Frobenius² / spectral². effective_rank: exp of the entropy of the values as shares of their sum (Roy and
    Vetterli 2007). Both are 0 for a zero matrix. nuclear: the sum of the values.
    """

    values: np.ndarray
    rank: int
    tolerance: float
    stable_rank: float
    effective_rank: float
    spectral: float
    frobenius: float
    nuclear: float


def spectrum(weight: np.ndarray) -> Spectrum:
    """The Spectrum of a `(rows, columns)` matrix. Raises ValueError unless it is 2-D and finite."""
    weight = np.asarray(weight)
    if weight.ndim != 2:
        raise ValueError(f"a spectrum needs a matrix, but an array of shape {weight.shape} came")
    if not np.issubdtype(weight.dtype, np.floating):
        weight = weight.astype(np.float64)
    if not np.isfinite(weight).all():
        raise ValueError("the matrix holds NaN or infinite weights: a diverged network has no spectrum")
    # Rows and columns of zeros add zero singular values and nothing else; without them a pruned layer costs a fraction.
    block = weight[weight.any(axis=1)][:, weight.any(axis=0)]
    values = np.zeros(min(weight.shape), dtype=weight.dtype)
    if block.size:
        found = blas.singular_values(block)
        values[: found.size] = found
    return from_values(values, weight.shape)


def from_values(values: np.ndarray, shape: tuple[int, int]) -> Spectrum:
    """The Spectrum that belongs to singular values (largest first) of a matrix of `shape`."""
    values = np.asarray(values)
    values.setflags(write=False)
    exact = values.astype(np.float64)
    spectral = float(exact[0]) if exact.size else 0.0
    tolerance = spectral * max(shape) * float(np.finfo(values.dtype).eps)
    return Spectrum(
        values=values,
        rank=int((exact > tolerance).sum()),
        tolerance=tolerance,
        stable_rank=float(stable_rank(exact)),
        effective_rank=float(effective_rank(exact)),
        spectral=spectral,
        frobenius=float(np.sqrt((exact**2).sum())),
        nuclear=float(exact.sum()),
    )


def stable_rank(values: np.ndarray) -> np.ndarray:
    """Frobenius² / spectral² of every list of singular values: `(..., m)` to `(...)` float64; 0 for a list of zeros."""
    values = np.asarray(values, np.float64)
    squares, largest = (values**2).sum(axis=-1), values.max(axis=-1, initial=0) ** 2
    return np.divide(squares, largest, out=np.zeros_like(squares), where=largest > 0)


def effective_rank(values: np.ndarray) -> np.ndarray:
    """exp of the entropy of every list of singular values as shares of their sum (Roy and Vetterli 2007): `(..., m)` to
    `(...)` float64; 0 for a list of zeros."""
    values = np.asarray(values, np.float64)
    nuclear = values.sum(axis=-1, keepdims=True)
    shares = np.divide(values, nuclear, out=np.zeros_like(values), where=nuclear > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.where(nuclear[..., 0] > 0, np.exp(-(shares * logs).sum(axis=-1)), 0.0)


def by_gram(weight: np.ndarray) -> np.ndarray:
    """The `(min(shape),)` float64 singular values of a finite matrix, largest first, by the smaller Gram matrix of what is
    not zero: several times faster than `spectrum`. Values under 1e-8 of the largest are lost in rounding."""
    weight = np.asarray(weight)
    block = weight[weight.any(axis=1)][:, weight.any(axis=0)].astype(np.float64)
    values = np.zeros(min(weight.shape))
    if block.size:
        gram = block @ block.T if block.shape[0] <= block.shape[1] else block.T @ block
        values[: len(gram)] = np.sqrt(np.clip(np.linalg.eigvalsh(gram)[::-1], 0, None))
    return values


def live(weight: np.ndarray) -> tuple[int, int]:
    """`(rows, columns)` of the living block: how many rows and how many columns of the matrix are not all zero."""
    weight = np.asarray(weight)
    return int(np.count_nonzero(weight.any(axis=1))), int(np.count_nonzero(weight.any(axis=0)))


def variance(values: np.ndarray, live_out: int, live_in: int) -> float:
    """The mean square of the weights in a living block of `live_out` × `live_in`, from the layer's singular values; 0 where
    nothing lives. Weights scatter round zero, so this is what a random matrix like it has for a variance."""
    size = live_out * live_in
    return float((np.asarray(values, np.float64) ** 2).sum() / size) if size else 0.0


def bulk(rows: int, columns: int, variance: float) -> tuple[float, float]:
    """The lowest and the highest singular value that a large random matrix has, its entries independent, of mean zero and
    of this variance: sqrt(variance) · |sqrt(columns) ∓ sqrt(rows)| (Marchenko and Pastur 1967)."""
    _check_random(rows, columns, variance)
    scale, wide, tall = np.sqrt(variance), np.sqrt(columns), np.sqrt(rows)
    return float(scale * abs(wide - tall)), float(scale * (wide + tall))


def marchenko_pastur(rows: int, columns: int, variance: float) -> np.ndarray:
    """`(min(rows, columns),)` float64, largest first: the singular values to expect of a random matrix, its entries
    independent, of mean zero and of this variance: the quantiles (i − 1/2) / m of Marchenko and Pastur's law (1967).

    Raises ValueError on a negative size or variance. Zeros for an empty matrix or variance 0.
    """
    _check_random(rows, columns, variance)
    count, other = sorted((int(rows), int(columns)))
    if not count or not variance:
        return np.zeros(count)
    # An eigenvalue of the Gram matrix over the longer side is 1 + r² − 2 r cos(angle), r² the ratio of the sides. In the
    # angle the law has a smooth density and a closed form for the share below it, also where the matrix is square.
    ratio = np.sqrt(count / other)
    wanted = (np.arange(count, 0, -1) - 0.5) / count
    low, high = np.zeros(count), np.full(count, np.pi)
    for _ in range(60):
        angle = (low + high) / 2
        turn = np.arctan2(ratio * np.sin(angle), 1 - ratio * np.cos(angle))
        below = (angle + np.sin(angle) / ratio - (1 / ratio**2 - 1) * turn) / np.pi < wanted
        low, high = np.where(below, angle, low), np.where(below, high, angle)
    return np.sqrt(variance * other * (1 + ratio**2 - 2 * ratio * np.cos(angle)))


def _check_random(rows: int, columns: int, variance: float) -> None:
    if rows < 0 or columns < 0:
        raise ValueError(f"a matrix of {rows} rows and {columns} columns came: sizes are 0 or more")
    if not (np.isfinite(variance) and variance >= 0):
        raise ValueError(f"the variance {variance} came: it is a number of 0 or more")
