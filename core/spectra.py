"""Singular values of a weight matrix and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        found = np.linalg.svd(block, compute_uv=False)
        values[: found.size] = found
    return from_values(values, weight.shape)


def from_values(values: np.ndarray, shape: tuple[int, int]) -> Spectrum:
    """The Spectrum that belongs to singular values (largest first) of a matrix of `shape`."""
    values = np.asarray(values)
    values.setflags(write=False)
    exact = values.astype(np.float64)
    spectral = float(exact[0]) if exact.size else 0.0
    tolerance = spectral * max(shape) * float(np.finfo(values.dtype).eps)
    frobenius, nuclear = float(np.sqrt((exact**2).sum())), float(exact.sum())
    shares = exact[exact > 0] / nuclear if nuclear > 0 else np.zeros(0)
    return Spectrum(
        values=values,
        rank=int((exact > tolerance).sum()),
        tolerance=tolerance,
        stable_rank=(frobenius / spectral) ** 2 if spectral > 0 else 0.0,
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())) if shares.size else 0.0,
        spectral=spectral,
        frobenius=frobenius,
        nuclear=nuclear,
    )
