"""Low-rank stand-ins against scikit-learn's PCA and numpy.linalg.svd; ranks, shapes, number types; what is refused."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from core import lowrank

KINDS = ["random", "deficient", "constant rows", "zero"]
SHAPES = [(9, 9), (30, 7), (7, 30), (1, 8), (8, 1), (1, 1)]


def matrix(kind, shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = shape
    made = {
        "random": lambda: rng.normal(size=shape),
        "deficient": lambda: rng.normal(size=(rows, 2)) @ rng.normal(size=(2, columns)),
        "constant rows": lambda: np.tile(rng.normal(size=columns), (rows, 1)),
        "zero": lambda: np.zeros(shape),
    }
    return made[kind]().astype(dtype)


def off_by(ours, theirs, weight) -> float:
    """The largest difference, as a share of the matrix's largest singular value."""
    top = np.linalg.norm(weight.astype(np.float64), 2)
    return float(np.abs(ours.astype(np.float64) - theirs).max(initial=0)) / (top or 1)


def of_sklearn(weight, k):
    """Rebuilt by scikit-learn; without variance it divides nought by nought when it tells shares, which nobody asked."""
    exact = weight.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        fitted = PCA(n_components=k, svd_solver="full").fit(exact)
    return fitted.inverse_transform(fitted.transform(exact)) if k else np.tile(fitted.mean_, (len(exact), 1))


def of_numpy(weight, k):
    left, values, right = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    return (left[:, :k] * values[:k]) @ right[:k]


def every_matrix():
    return [(kind, shape, dtype) for kind in KINDS for shape in SHAPES for dtype in (np.float32, np.float64)]


@pytest.mark.parametrize("kind, shape, dtype", every_matrix())
def test_truncated_svd_is_numpys(kind, shape, dtype):
    weight = matrix(kind, shape, dtype)
    for k in range(min(shape) + 1):
        found = lowrank.truncated_svd(weight, k)
        assert found.shape == shape and found.dtype == dtype
        assert off_by(found, of_numpy(weight, k), weight) < 1e-5
        assert np.linalg.matrix_rank(found) <= k


@pytest.mark.parametrize("kind, shape, dtype", every_matrix())
def test_pca_is_scikit_learns(kind, shape, dtype):
    weight = matrix(kind, shape, dtype)
    for k in range(min(shape) + 1):
        found = lowrank.pca(weight, k)
        assert found.shape == shape and found.dtype == dtype
        if shape[0] > 1:  # scikit-learn wants two observations at least
            assert off_by(found, of_sklearn(weight, k), weight) < 1e-5
        else:  # one observation is its own mean
            assert off_by(found, weight, weight) < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_components_give_the_matrix_back(dtype):
    for shape in SHAPES:
        weight = matrix("random", shape, dtype)
        for rebuild in (lowrank.pca, lowrank.truncated_svd):
            assert off_by(rebuild(weight, min(shape)), weight.astype(np.float64), weight) < 1e-5


def test_k_components_make_rank_k_plus_one_and_the_text_says_so():
    weight = matrix("random", (30, 12), np.float64) + 3
    for k in range(12):
        assert np.linalg.matrix_rank(lowrank.pca(weight, k)) == k + 1
        assert np.linalg.matrix_rank(lowrank.truncated_svd(weight, k)) == k
    assert "rank up to components + 1" in lowrank.pca.__doc__ and "rank up to k + 1" in lowrank.Decomposition.__doc__


def test_the_papers_reduction_takes_inputs_as_observations():
    weight = matrix("random", (6, 20), np.float32)  # (units, inputs)
    ours = lowrank.pca(weight.T, 3).T
    np.testing.assert_allclose(ours, of_sklearn(weight.T, 3).T, atol=1e-5)
    assert np.abs(ours - lowrank.pca(weight, 3)).max() > 0.1  # which way round matters


def test_no_approximation_of_that_rank_is_nearer():
    weight = matrix("random", (12, 9), np.float64)
    values = np.linalg.svd(weight, compute_uv=False)
    for k in range(10):
        left_out = np.linalg.norm(weight - lowrank.truncated_svd(weight, k))
        assert left_out == pytest.approx(np.sqrt((values[k:] ** 2).sum()), abs=1e-12)


@pytest.mark.parametrize(
    "decompose, rebuild", [(lowrank.principal, lowrank.pca), (lowrank.singular, lowrank.truncated_svd)]
)
def test_one_decomposition_serves_every_rank(decompose, rebuild):
    weight = matrix("random", (8, 5), np.float32)
    whole = decompose(weight)
    for k in range(6):
        left, right = whole.factors(k)
        assert left.shape == (8, k + whole.extra) and right.shape == (k + whole.extra, 5)
        np.testing.assert_array_equal((left @ right).astype(np.float32), rebuild(weight, k))


@pytest.mark.parametrize("rebuild", [lowrank.pca, lowrank.truncated_svd])
def test_whole_numbers_lists_empty_and_turned_matrices_are_taken(rebuild):
    assert rebuild([[3, 0], [0, 4]], 2) == pytest.approx(np.array([[3, 0], [0, 4]]))
    assert rebuild([[3, 0], [0, 4]], 2).dtype == np.float64
    for shape in [(0, 3), (3, 0), (0, 0)]:
        found = rebuild(np.zeros(shape, np.float32), 0)
        assert found.shape == shape and found.dtype == np.float32
    weight = matrix("random", (5, 8), np.float32)
    before = weight.copy()
    np.testing.assert_allclose(rebuild(weight.T, np.int64(5)), weight.T, atol=1e-5)
    np.testing.assert_array_equal(weight, before)


@pytest.mark.parametrize("rebuild", [lowrank.pca, lowrank.truncated_svd])
@pytest.mark.parametrize("bad", [-1, 6, 2.0, "3", None, True, np.nan])
def test_an_impossible_rank_is_refused_in_words(rebuild, bad):
    with pytest.raises(ValueError, match=r"is not a possible rank of this matrix: give a whole number in 0\.\.5"):
        rebuild(np.ones((5, 8)), bad)


@pytest.mark.parametrize("rebuild", [lowrank.pca, lowrank.truncated_svd])
def test_only_finite_matrices_are_taken(rebuild):
    with pytest.raises(ValueError, match=r"needs a matrix, but an array of shape \(3,\)"):
        rebuild(np.ones(3), 1)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinite weights: a diverged network"):
            rebuild([[1.0, bad]], 1)


# -- best for the outputs ----------------------------------------------------------------------------------------------


def inputs(rows, kind, n=400, seed=1):
    """What a layer might be given: correlated, not centred, and of the kind "dark", with inputs that never light up."""
    rng = np.random.default_rng(seed)
    given = rng.random((n, rows)) @ rng.normal(size=(rows, rows)) + 3 * rng.normal(size=rows)
    if kind == "dark":
        given[:, ::2] = 0
    return given


def output_error(matrix, given, stand_in, bias):
    """Squared error of the outputs that `stand_in` and a shift of the bias make."""
    return float(((given @ matrix - given @ stand_in - bias) ** 2).sum())


def regressed(matrix, given, k):
    """Reduced-rank regression of the outputs on the inputs and a constant, as textbooks have it, on examples: least squares,
    then the fit projected on its own first k right singular vectors. Its error."""
    outputs = given @ matrix
    centred, target = given - given.mean(0), outputs - outputs.mean(0)
    slopes = np.linalg.lstsq(centred, target, rcond=None)[0]
    directions = np.linalg.svd(centred @ slopes, full_matrices=False)[2][:k]
    return float(((target - centred @ slopes @ directions.T @ directions) ** 2).sum())


@pytest.mark.parametrize("shape", [(9, 9), (30, 7), (7, 30), (8, 1), (1, 8)])
@pytest.mark.parametrize("kind", ["correlated", "dark"])
def test_aware_is_reduced_rank_regression_and_no_other_stand_in_is_nearer(shape, kind):
    exact, given = matrix("random", shape, np.float64), inputs(shape[0], kind)
    whole = float(((given @ exact) ** 2).sum())
    found = lowrank.aware(exact, given)
    errors = []
    for k in range(min(shape) + 1):
        left, right = found.factors(k)
        assert np.linalg.matrix_rank(left @ right) <= k
        error = output_error(exact, given, left @ right, found.shift(k))
        assert error == pytest.approx(regressed(exact, given, k), rel=1e-6, abs=1e-9 * whole)
        assert error == pytest.approx(len(given) * found.energy[k:].sum(), rel=1e-6, abs=1e-9 * whole)
        for decompose in (lowrank.singular, lowrank.principal):
            other = decompose(exact)
            if k <= other.most and k - other.extra >= 0:  # PCA with its mean has rank k as well
                rebuilt = np.matmul(*other.factors(k - other.extra))
                best_bias = (given @ (exact - rebuilt)).mean(0)  # the rival may move its bias too
                assert error <= output_error(exact, given, rebuilt, best_bias) + 1e-9 * whole
        errors.append(error)
    assert (np.diff(errors) <= 1e-12 * whole).all() and errors[-1] <= 1e-12 * whole


def test_no_search_finds_a_better_stand_in():
    """An independent search for the best rank 2: alternating least squares from several starts."""
    exact, given = matrix("random", (6, 5), np.float64), inputs(6, "correlated")
    target = given @ exact - (given @ exact).mean(0)
    centred = given - given.mean(0)
    best = np.inf
    for seed in range(5):
        right = np.random.default_rng(seed).normal(size=(2, 5))
        for _ in range(200):
            left = np.linalg.lstsq(centred, target @ np.linalg.pinv(right), rcond=None)[0]
            right = np.linalg.lstsq(centred @ left, target, rcond=None)[0]
        best = min(best, float(((target - centred @ left @ right) ** 2).sum()))
    found = lowrank.aware(exact, given)
    left, right = found.factors(2)
    assert output_error(exact, given, left @ right, found.shift(2)) == pytest.approx(best, rel=1e-6)


def test_aware_keeps_the_mean_of_the_outputs_and_gives_the_matrix_back():
    for shape, kind in [((30, 7), "dark"), ((7, 30), "dark"), ((9, 9), "correlated")]:
        exact, given = matrix("random", shape, np.float64), inputs(shape[0], kind)
        found = lowrank.aware(exact, given)
        for k in range(min(shape) + 1):
            left, right = found.factors(k)
            np.testing.assert_allclose(
                (given @ left @ right + found.shift(k)).mean(0), (given @ exact).mean(0), atol=1e-9
            )
        assert off_by(found.left @ found.right, exact, exact) < 1e-12
        assert np.abs(found.shift(found.most)).max() < 1e-10 * np.abs(given @ exact).max()


def test_aware_looks_at_the_inputs_in_pieces(monkeypatch):
    exact, given = matrix("random", (9, 6), np.float64), inputs(9, "correlated").astype(np.float32)
    whole = lowrank.aware(exact, given)
    monkeypatch.setattr(lowrank, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(lowrank.aware(exact, given).energy, whole.energy, rtol=1e-9)


def test_inputs_that_do_not_fit_are_refused_in_words():
    with pytest.raises(ValueError, match=r"inputs of shape \(4, 2\) came for a matrix of 3 rows"):
        lowrank.aware(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="at least one"):
        lowrank.aware(np.ones((3, 2)), np.ones((0, 3)))
    with pytest.raises(ValueError, match="inputs hold NaN or infinite"):
        lowrank.aware(np.ones((3, 2)), np.full((4, 3), np.nan))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_of_every_stand_in(kind, shape):
    exact = matrix(kind, shape, np.float64)
    top = np.linalg.norm(exact, 2) or 1
    for found in (lowrank.principal(exact), lowrank.singular(exact), lowrank.aware(exact, inputs(shape[0], "dark"))):
        for k in range(found.most + 1):
            wanted = np.linalg.svd(np.matmul(*found.factors(k)), compute_uv=False)
            values = found.values(k)
            assert len(values) == k + found.extra
            short = min(len(values), len(wanted))
            np.testing.assert_allclose(values[:short], wanted[:short], atol=1e-10 * top)
            assert np.abs(wanted[short:]).max(initial=0) < 1e-10 * top


def test_energy_is_what_scikit_learn_explains():
    weight = matrix("random", (30, 7), np.float64)
    fitted = PCA(svd_solver="full").fit(weight)
    found = lowrank.principal(weight).energy
    np.testing.assert_allclose(found / found.sum(), fitted.explained_variance_ratio_, atol=1e-12)
    np.testing.assert_allclose(lowrank.singular(weight).energy, np.linalg.svd(weight, compute_uv=False) ** 2)
