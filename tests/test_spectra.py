"""Spectra against numpy.linalg: values, rank, norms; zero rows and columns; what is refused."""

import numpy as np
import pytest
import scipy.integrate

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


# -- many at once, fast, and alive ------------------------------------------------------------------------------------


def test_ranks_of_many_lists_are_those_of_each_spectrum():
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=(6, 9)) * (rng.random((6, 9)) < share) for share in (1, 0.3, 0.1, 0)]
    found = [spectra.spectrum(weight) for weight in weights]
    values = np.array([each.values for each in found]).reshape(2, 2, 6)
    stable, effective = spectra.stable_rank(values), spectra.effective_rank(values)
    assert stable.shape == effective.shape == (2, 2)
    assert stable.ravel() == pytest.approx([each.stable_rank for each in found])
    assert effective.ravel() == pytest.approx([each.effective_rank for each in found])
    assert stable[1, 1] == effective[1, 1] == 0  # the zero matrix
    assert (
        spectra.stable_rank(np.zeros((3, 0))).tolist() == spectra.effective_rank(np.zeros((3, 0))).tolist() == [0] * 3
    )


@pytest.mark.parametrize("shape", [*SHAPES, (40, 60), (0, 4)])
@pytest.mark.parametrize("zeros", ["none", "rows and columns", "all", "rank 1"])
def test_values_by_gram_equal_the_svd(shape, zeros):
    rng = np.random.default_rng(5)
    weight = rng.normal(size=shape).astype("f")
    if zeros == "rows and columns":
        weight[1:3], weight[:, 2:4] = 0, 0
    elif zeros == "all":
        weight[:] = 0
    elif zeros == "rank 1":
        weight[:] = np.outer(np.arange(shape[0]), np.arange(shape[1]))
    found = spectra.by_gram(weight)
    exact = np.linalg.svd(weight.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-7 * exact.max(initial=0))
    assert (np.diff(found) <= 0).all()


def test_the_living_block_and_its_variance():
    weight = np.zeros((5, 7))
    weight[np.ix_([0, 3], [1, 2, 6])] = [[1, 2, 3], [0, 2, 0]]
    assert spectra.live(weight) == (2, 3)
    values = spectra.spectrum(weight).values
    assert spectra.variance(values, 2, 3) == pytest.approx((1 + 4 + 9 + 4) / 6)
    assert spectra.live(np.zeros((5, 7))) == (0, 0) and spectra.variance(np.zeros(5), 0, 0) == 0


# -- a random matrix --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (60, 784), (80, 80), (15, 10), (1, 30)])
@pytest.mark.parametrize("entries", ["normal", "uniform"])
def test_marchenko_pastur_is_the_mean_spectrum_of_random_matrices(shape, entries):
    rng = np.random.default_rng(7)
    draw = rng.normal if entries == "normal" else (lambda size: rng.uniform(-np.sqrt(3), np.sqrt(3), size=size))
    draws = [np.linalg.svd(0.1 * draw(size=shape), compute_uv=False) for _ in range(20 if max(shape) > 99 else 400)]
    mean = np.mean(draws, axis=0)
    found = spectra.marchenko_pastur(*shape, 0.01)
    assert found.shape == mean.shape and (np.diff(found) < 0).all()
    np.testing.assert_allclose(found, mean, rtol=0, atol=(0.015 if max(shape) > 50 else 0.05) * mean[0])
    assert (found**2).sum() == pytest.approx(0.01 * shape[0] * shape[1], rel=0.05)


@pytest.mark.parametrize("shape", [(20, 80), (50, 50), (3, 1000)])
def test_marchenko_pastur_gives_the_quantiles_of_the_law(shape):
    count, other = shape
    ratio = count / other
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2

    def density(value):
        return np.sqrt(max(0, (high - value) * (value - low))) / (2 * np.pi * ratio * value)

    for place, value in enumerate(spectra.marchenko_pastur(*shape, 2.0)):
        above, _ = scipy.integrate.quad(density, value**2 / (2.0 * other), high, limit=200)
        assert above == pytest.approx((place + 0.5) / count, abs=1e-5)


def test_the_bulk_encloses_the_values_and_the_extremes_approach_it():
    low, high = spectra.bulk(300, 200, 0.04)
    assert (low, high) == pytest.approx((0.2 * (300**0.5 - 200**0.5), 0.2 * (300**0.5 + 200**0.5)))
    values = spectra.marchenko_pastur(200, 300, 0.04)
    assert low < values[-1] < low * 1.1 and high * 0.98 < values[0] < high
    assert spectra.bulk(200, 300, 0.04) == spectra.bulk(300, 200, 0.04)
    assert spectra.bulk(50, 50, 1)[0] == 0 and spectra.bulk(0, 9, 1) == (3, 3)


def test_nothing_random_is_zero():
    assert spectra.marchenko_pastur(3, 4, 0).tolist() == [0, 0, 0]
    assert spectra.marchenko_pastur(0, 4, 1).tolist() == spectra.marchenko_pastur(4, 0, 1).tolist() == []


@pytest.mark.parametrize("function", [spectra.marchenko_pastur, spectra.bulk])
def test_a_random_matrix_has_a_size_and_a_variance(function):
    with pytest.raises(ValueError, match="-1 rows and 4 columns came: sizes are 0 or more"):
        function(-1, 4, 1)
    for variance in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"variance {variance} came: it is a number of 0 or more"):
            function(3, 4, variance)
