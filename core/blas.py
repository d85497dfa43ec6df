"""Products and singular values of NumPy arrays by SciPy's OpenBLAS: the portable arithmetic (see `arithmetic`)."""

from __future__ import annotations

import functools

import numpy as np


@functools.cache
def products():
    """SciPy's products, by number type. It is loaded when first asked, after `choose`, and its OpenBLAS kept to one thread:
    several divide a product otherwise, and small matrices crawl where another process has the second core."""
    import threadpoolctl
    from scipy.linalg import blas as found

    for pool in threadpoolctl.ThreadpoolController().select(internal_api="openblas").lib_controllers:
        if "scipy.libs" in pool.filepath:
            pool.set_num_threads(1)
    return {"f": found.sgemm, "d": found.dgemm}


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left @ right` of two matrices, float32 or float64 both, in the portable arithmetic."""
    if not left.size or not right.size:
        return np.zeros((left.shape[0], right.shape[1]), left.dtype)
    # BLAS reads columns: what it is to multiply are the transposes, in the other order.
    (second, turn_second), (first, turn_first) = _as_columns(right), _as_columns(left)
    return products()[left.dtype.char](1.0, second, first, trans_a=turn_second, trans_b=turn_first).T


def singular_values(matrix: np.ndarray) -> np.ndarray:
    """The `(min(shape),)` singular values of a finite matrix, largest first, in its number type."""
    import scipy.linalg

    products()
    return scipy.linalg.svd(matrix, compute_uv=False, check_finite=False)


def _as_columns(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """The transpose as BLAS takes it without a copy, and whether BLAS has to turn it."""
    if matrix.flags.f_contiguous and not matrix.flags.c_contiguous:
        return matrix, 1
    return np.ascontiguousarray(matrix).T, 0
