"""Spectra against numpy.linalg: values, rank, norms; zero rows and columns; what is refused."""

import numpy as np
import pytest

from core import spectra

SHAPES = [(7, 7), (30, 5), (5, 30), (1, 9), (9, 1)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zeros", ["none", "some", "rows", "rows and columns"])
def test_values_rank_and_norms_equal_numpy(shape, dtype, zeros):
    rng = np.random.default_rng(1)
    weight = rng.normal(size=shape).astype(dtype)
    if zeros == "some":
        weight[rng.random(shape) < 0.5] = 0
    if "rows" in zeros:
        weight[1:3] = 0
    if "columns" in zeros:
        weight[:, 2:4] = 0
    found = spectra.spectrum(weight)
    values = np.linalg.svd(weight, compute_uv=False)
    atol = 50 * np.finfo(dtype).eps * max(1, values.max())
    np.testing.assert_allclose(found.values, values, rtol=0, atol=atol)
    assert (np.diff(found.values) <= 0).all() and found.values.dtype == dtype
    assert found.rank == np.linalg.matrix_rank(weight)
    assert found.tolerance == pytest.approx(values.max() * max(shape) * np.finfo(dtype).eps, rel=1e-4)
    for ours, kind in ((found.spectral, 2), (found.frobenius, "fro"), (found.nuclear, "nuc")):
        assert ours == pytest.approx(np.linalg.norm(weight, kind), rel=1e-4, abs=1e-6)


def test_stable_and_effective_rank_by_hand():
    flat, steep = spectra.spectrum(np.eye(4)), spectra.spectrum(np.diag([3.0, 4.0]))
    assert flat.stable_rank == pytest.approx(4) and flat.effective_rank == pytest.approx(4)
    assert steep.stable_rank == pytest.approx(25 / 16)
    assert steep.effective_rank == pytest.approx(np.exp(-(3 / 7 * np.log(3 / 7) + 4 / 7 * np.log(4 / 7))))


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_product_of_thin_matrices_has_their_rank(rank):
    rng = np.random.default_rng(rank)
    weight = (rng.normal(size=(20, rank)) @ rng.normal(size=(rank, 12))).astype(np.float32)
    assert spectra.spectrum(weight).rank == np.linalg.matrix_rank(weight) == rank


def test_a_zero_matrix_has_no_rank_of_any_kind():
    for shape in [(3, 4), (0, 4), (3, 0)]:
        found = spectra.spectrum(np.zeros(shape, np.float32))
        assert found.values.shape == (min(shape),)
        assert (found.rank, found.stable_rank, found.effective_rank, found.nuclear, found.tolerance) == (0, 0, 0, 0, 0)


def test_whole_numbers_are_taken_and_the_values_are_read_only():
    found = spectra.spectrum([[3, 0], [0, 4]])
    assert found.values.tolist() == [4, 3]
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_values_and_shape_are_enough_to_get_the_spectrum_back():
    weight = np.random.default_rng(0).normal(size=(6, 9)).astype("f")
    one = spectra.spectrum(weight)
    two = spectra.from_values(one.values, weight.shape)
    assert (one.rank, one.tolerance, one.nuclear, one.stable_rank) == (
        two.rank,
        two.tolerance,
        two.nuclear,
        two.stable_rank,
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_matrix_is_refused(bad):
    with pytest.raises(ValueError, match="NaN or infinite weights: a diverged network"):
        spectra.spectrum([[1.0, bad]])


def test_only_matrices_have_a_spectrum():
    with pytest.raises(ValueError, match=r"needs a matrix, but an array of shape \(3,\)"):
        spectra.spectrum(np.ones(3))
