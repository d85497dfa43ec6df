"""Four models of a cut against brute force: bisection, counting by hand, and cuts that are exactly one of the four."""

import numpy as np
import pytest

from core.claims import spectral_models

LISTS = {
    "random": np.sort(np.random.default_rng(0).gamma(2, size=30))[::-1],
    "float32": np.sort(np.random.default_rng(1).gamma(2, size=30).astype("f"))[::-1],
    "ties": np.array([3.0, 3, 3, 1, 1, 0.5]),
    "flat": np.full(5, 2.0),
    "zeros behind": np.array([4.0, 2, 1, 0, 0]),
    "steep": 10.0 ** -np.arange(8),
    "one": np.array([2.5]),
}
SHARES = [0, 1e-6, 0.1, 0.5, 0.9, 1 - 1e-9, 1]


def bisected(values, nuclear):
    """The soft threshold by halving, without a thought."""
    low, high = 0.0, float(values.max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > nuclear else (low, middle)
    return high


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", LISTS)
def test_the_soft_threshold_is_the_one_that_halving_finds(name, share):
    values = LISTS[name].astype(np.float64)
    nuclear = share * values.sum()
    threshold, new = spectral_models.soft(LISTS[name], nuclear)
    assert threshold == pytest.approx(bisected(values, nuclear), abs=1e-8)
    assert new.sum() == pytest.approx(nuclear, rel=1e-12, abs=1e-12)
    np.testing.assert_array_equal(new, np.maximum(values - threshold, 0))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", LISTS)
def test_the_hard_cut_keeps_the_largest_whole(name, share):
    values = LISTS[name].astype(np.float64)
    nuclear = share * values.sum()
    rank, new = spectral_models.hard(LISTS[name], nuclear)
    left = nuclear  # one after the other, as long as there is something left
    for value, got in zip(values, new, strict=True):
        assert got == pytest.approx(min(value, left), abs=1e-9)
        left = max(0.0, left - value)
    assert new.sum() == pytest.approx(nuclear, rel=1e-12, abs=1e-12) and rank == np.count_nonzero(new)


def test_the_hard_cut_by_hand():
    assert spectral_models.hard(np.array([4.0, 2, 1]), 5)[0] == 2
    assert spectral_models.hard(np.array([4.0, 2, 1]), 5)[1].tolist() == [4, 1, 0]
    assert (
        spectral_models.hard(np.array([4.0, 2, 1]), 6)[0] == 2
        and spectral_models.hard(np.array([4.0, 2, 1]), 0)[0] == 0
    )


def test_scaling_may_also_enlarge():
    factor, new = spectral_models.scaled(np.array([4.0, 2]), 9)
    assert factor == 1.5 and new.tolist() == [6, 3]
    assert spectral_models.scaled(np.zeros(2), 0)[0] == 1.0


@pytest.mark.parametrize("model", [spectral_models.soft, spectral_models.hard])
def test_shrinking_cannot_add(model):
    with pytest.raises(ValueError, match="the sum 3.5 came, but the values sum to 3: shrinking cannot add to it"):
        model(np.array([2.0, 1]), 3.5)


@pytest.mark.parametrize("model", [spectral_models.soft, spectral_models.hard, spectral_models.scaled])
def test_what_is_no_list_of_singular_values_is_refused(model):
    for nuclear in (-1, np.nan):
        with pytest.raises(ValueError, match=f"the sum {nuclear} came: a sum of singular values is 0 or more"):
            model(np.array([2.0, 1]), nuclear)
    for values in ([1.0, 2], [1, -1], [np.nan, 0], [np.inf, 0]):
        with pytest.raises(ValueError, match="finite, 0 or more and come largest first"):
            model(np.array(values), 0.5)
    with pytest.raises(ValueError, match=r"an array of shape \(2, 2\) came"):
        model(np.ones((2, 2)), 0.5)


def test_an_empty_layer_has_nothing_to_shrink():
    assert spectral_models.soft(np.zeros(0), 0)[1].shape == spectral_models.hard(np.zeros(0), 0)[1].shape == (0,)
    assert spectral_models.compare(np.zeros(0), np.zeros(0), np.zeros((3, 0))) is None


def test_no_factor_turns_zeros_into_something():
    with pytest.raises(ValueError, match="a sum of 1 came for values that are all zero: no factor makes it"):
        spectral_models.scaled(np.zeros(2), 1)


# -- compare ----------------------------------------------------------------------------------------------------------

BEFORE = np.linspace(9, 1, 20)
RANDOM = np.sort(np.random.default_rng(2).uniform(0, 5, size=(7, 20)), axis=1)[:, ::-1]


@pytest.mark.parametrize(
    "name, after, parameter",
    [
        ("soft", np.maximum(BEFORE - 3, 0), 3),
        ("hard", np.where(np.arange(20) < 8, BEFORE, 0), 8),
        ("scaling", 0.4 * BEFORE, 0.4),
    ],
)
def test_a_cut_that_is_one_of_the_models_is_recognised(name, after, parameter):
    found = spectral_models.compare(BEFORE, after, RANDOM)
    names = [one.name for one in spectral_models.models()]
    assert list(found.descriptions) == names and names[:3] == ["soft", "hard", "scaling"] and names[-1] == "random"
    for each, description in found.descriptions.items():
        if each == name:
            assert description.parameter == pytest.approx(parameter) and description.distance < 1e-12
            np.testing.assert_allclose(description.values, after, atol=1e-12)
        else:
            assert description.distance > 0.1
    assert (found.nuclear_before, found.nuclear_after) == pytest.approx((BEFORE.sum(), after.sum()))
    assert not found.grew


def test_distances_are_shares_of_the_change():
    after = BEFORE * np.linspace(0.9, 0.3, 20)
    found = spectral_models.compare(BEFORE, after, RANDOM)
    change = np.linalg.norm(BEFORE - after)
    for name in ("soft", "hard", "scaling"):
        description = found.descriptions[name]
        assert description.values.sum() == pytest.approx(after.sum())
        assert description.distance == pytest.approx(np.linalg.norm(description.values - after) / change)
    assert found.random.parameter is None
    np.testing.assert_allclose(found.random.values, RANDOM.mean(axis=0))
    each = [np.linalg.norm(draw - after) / change for draw in RANDOM]
    assert found.random.distance == pytest.approx(sorted(each)[3])  # the middle one of seven, not their mean


def test_a_layer_that_did_not_change_is_not_compared():
    assert spectral_models.compare(BEFORE, BEFORE, RANDOM) is None
    assert spectral_models.compare(BEFORE.astype("f"), BEFORE.astype("f") * np.float32(1 + 2e-7), RANDOM) is None
    assert spectral_models.compare(np.zeros(20), np.zeros(20), RANDOM) is None
    assert spectral_models.compare(BEFORE, BEFORE * 0.999, RANDOM) is not None


def test_a_sum_that_grew_is_out_of_a_penalty_s_reach():
    """Zeroing single weights can raise the nuclear norm: the matrix of ones has rank 1, a masked one has not."""
    ones = np.ones((40, 40))
    masked = ones * (np.random.default_rng(0).random((40, 40)) < 0.5)
    before, after = (np.linalg.svd(each, compute_uv=False) for each in (ones, masked))
    before = np.where(before < 1e-9, 0, before)
    found = spectral_models.compare(before, after, after[None])
    assert found.grew and found.nuclear_after > 2 * found.nuclear_before
    assert found.soft.parameter == 0 and found.soft.distance == found.descriptions["hard"].distance == pytest.approx(1)
    assert found.descriptions["scaling"].parameter > 1 and found.random.distance == 0


def test_a_layer_that_died_is_described_by_all():
    found = spectral_models.compare(BEFORE, np.zeros(20), np.zeros((3, 20)))
    assert {each.distance for each in found.descriptions.values()} == {0}
    assert (
        found.soft.parameter == 9
        and found.descriptions["hard"].parameter == 0
        and found.descriptions["scaling"].parameter == 0
    )


@pytest.mark.parametrize(
    "before, after, random",
    [
        (BEFORE, BEFORE[:9], RANDOM),
        (BEFORE, BEFORE, RANDOM[:, :9]),
        (BEFORE, BEFORE, BEFORE),
        (BEFORE, BEFORE, RANDOM[:0]),
    ],
)
def test_lists_that_do_not_fit_are_refused(before, after, random):
    with pytest.raises(ValueError, match=r"give \(m,\), \(m,\) and \(draws, m\), at least one draw"):
        spectral_models.compare(before, after, random)


def test_a_diverged_layer_is_refused():
    with pytest.raises(ValueError, match="the sum nan came"):
        spectral_models.compare(BEFORE, np.full(20, np.nan), RANDOM)
