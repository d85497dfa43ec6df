"""Masks against a cutter that walks the queue one weight at a time; exact, stable, nested; minimum units; redundancy."""

import numpy as np
import pytest
from small import FIVE_FOUR_THREE, evidence, network

from core import criteria, masks
from core.masks import ranking
from core.network import Network

WEIGHTS = sum(a * b for a, b in zip(FIVE_FOUR_THREE, FIVE_FOUR_THREE[1:], strict=False))
RATIOS = np.linspace(0, 1, 41)


def zeros(weights) -> int:
    return sum(weight.size - np.count_nonzero(weight) for weight in weights)


def queue_of(scores, net, layers):
    """(score, layer, row, column) of every weight that is not zero, lowest score first, ties in reading order."""
    entries = []
    for layer in layers:
        for row, column in zip(*np.nonzero(net.weights[layer]), strict=True):
            score = scores[layer]
            entries.append((score[row] if score.ndim == 1 else score[row, column], layer, row, column))
    return sorted(entries, key=lambda entry: entry[0])  # Python's sort is stable


def propagate(weights) -> None:
    for layer in range(len(weights) - 1):
        weights[layer + 1][:, ~weights[layer].any(axis=1)] = 0


def cut_one_by_one(scores, net, ratio=None, count=None):
    """What `choose` promises for the global scope, in the plainest words."""
    weights = [weight.copy() for weight in net.weights]
    total = sum(weight.size for weight in weights)
    wanted = None if ratio is None else min(round(ratio * total), sum(weight.size for weight in weights[:-1]))
    for gone, (_, layer, row, column) in enumerate(queue_of(scores, net, range(len(net.hidden)))):
        if zeros(weights) >= wanted if count is None else gone >= count:
            break
        weights[layer][row, column] = 0
        if count is None:
            propagate(weights)
    if zeros(weights) > zeros(net.weights):
        propagate(weights)
    return weights


def score_sets(seed, net):
    """Scores that tie a lot: neurons, weights, float64, negatives with both zeros, and a mixture per layer."""
    rng = np.random.default_rng(seed)
    hidden = net.weights[:-1]
    yield [rng.integers(0, 3, weight.shape[0]) for weight in hidden]
    yield [rng.integers(0, 4, weight.shape).astype(np.float32) for weight in hidden]
    yield [rng.integers(-2, 3, weight.shape).astype(np.float64) for weight in hidden]
    yield [rng.choice(np.array([-0.0, 0.0, -1, 1], np.float32), weight.shape) for weight in hidden]
    yield [rng.random(weight.shape if i % 2 else weight.shape[:1]) for i, weight in enumerate(hidden)]


@pytest.mark.parametrize("seed", range(9))
def test_the_global_cut_equals_cutting_one_by_one(seed):
    net = network(seed, zeros=0.25 if seed % 3 == 0 else 0)
    for scores in score_sets(seed, net):
        for ratio in RATIOS:
            expected = cut_one_by_one(scores, net, ratio)
            found = masks.choose(scores, net, ratio).apply(net)
            for ours, theirs in zip(found.weights, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs, f"seed {seed}, ratio {ratio}")


@pytest.mark.parametrize("seed", range(4))
def test_a_count_leaves_the_queue_and_redundancy_comes_on_top(seed):
    net = network(seed, zeros=0.25 if seed % 2 else 0)
    cuttable = sum(np.count_nonzero(weight) for weight in net.weights[:-1])
    for scores in score_sets(seed, net):
        for count in range(cuttable + 3):
            expected = cut_one_by_one(scores, net, count=count)
            chosen = masks.choose(scores, net, count=count)
            for ours, theirs in zip(chosen.apply(net).weights, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            assert chosen.requested == pytest.approx(min(1, (zeros(net.weights) + count) / WEIGHTS))


def every_cut():
    return [(name, scope) for name in criteria.names() for scope in masks.SCOPES]


@pytest.mark.parametrize("name, scope", every_cut())
def test_masks_are_nested_as_the_ratio_grows(name, scope):
    for seed in range(4):
        net = network(seed, (12, 9, 8, 6, 3), zeros=0.2 * (seed % 2))
        scores = criteria.scores(name, evidence(net, seed))
        for least in (0, 2):
            before = masks.choose(scores, net, 0.0, scope, least)
            for ratio in np.linspace(0, 1, 51):
                now = masks.choose(scores, net, ratio, scope, least)
                assert not any((b & ~a).any() for a, b in zip(before.kept, now.kept, strict=True))
                before = now


@pytest.mark.parametrize("name, scope", every_cut())
def test_nothing_goes_at_zero_and_as_many_as_all_hidden_weights_at_one(name, scope):
    net = network(0)
    scores = criteria.scores(name, evidence(net))
    nothing, everything = masks.choose(scores, net, 0, scope), masks.choose(scores, net, 1, scope)
    assert all(kept.all() for kept in nothing.kept)
    assert (nothing.requested, nothing.achieved, nothing.achieved_hidden) == (0, 0, 0)
    hidden = sum(weight.size for weight in net.weights[:-1])
    assert everything.requested == 1 and WEIGHTS * everything.achieved == pytest.approx(WEIGHTS, abs=8)
    assert WEIGHTS * everything.achieved >= hidden - 1e-9
    gone = masks.choose(scores, net, count=hidden, scope=scope)
    assert not any(kept.any() for kept in gone.kept) and gone.achieved == 1  # outputs go with what feeds them


@pytest.mark.parametrize("name", criteria.names())
def test_the_global_count_is_exact_or_one_neurons_end_more(name):
    net = network(7, (12, 9, 8, 6, 3))
    total = sum(weight.size for weight in net.weights)
    scores = criteria.scores(name, evidence(net))
    for ratio in np.linspace(0, 1, 101):
        chosen = masks.choose(scores, net, ratio)
        cut = total - sum(int(kept.sum()) for kept in chosen.kept)
        wanted = min(round(ratio * total), total - net.weights[-1].size)
        assert wanted <= cut <= max(wanted + 9 + 8 + 6, 0)
        if all(kept.any(axis=1).all() for kept in chosen.kept[:-1]):
            assert cut == wanted  # nothing propagated
        assert chosen.achieved == pytest.approx(cut / total)
        assert chosen.requested == ratio


def test_all_ties_are_cut_exactly_in_reading_order():
    net = Network([np.ones((4, 5)), np.ones((3, 4)), np.ones((2, 3))], [np.zeros(4), np.zeros(3), np.zeros(2)])
    same = [np.ones((4, 5)), np.ones((3, 4))]
    for count in range(5):
        chosen = masks.choose(same, net, count / 38)
        assert 38 - sum(kept.sum() for kept in chosen.kept) == count
        assert (~chosen.kept[0]).ravel().nonzero()[0].tolist() == list(range(count))


def test_both_zeros_are_one_value_and_ties_among_them_stay_in_order():
    values = np.array([0.0, -0.0, 1, -1, -0.0, 0.0], np.float32)
    assert ranking.stable_order(values).tolist() == [3, 0, 1, 4, 5, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("size", [0, 1, 7, 5000])
def test_the_quick_order_is_numpys_stable_order(dtype, size):
    rng = np.random.default_rng(size)
    candidates = [rng.integers(-5, 5, size).astype(dtype), (rng.normal(size=size) * 100).astype(dtype)]
    if dtype != np.int64:
        special = np.array([-0.0, 0.0, np.inf, -np.inf, 1e-45, -1e-45, 3e38, -3e38, 1, -1], dtype)
        candidates.append(rng.choice(special, size))
    for values in candidates:
        np.testing.assert_array_equal(ranking.stable_order(values), np.argsort(values, kind="stable"))


@pytest.mark.parametrize("name", criteria.names())
def test_in_layer_scope_the_share_holds_in_each_hidden_matrix(name):
    net = network(2, (12, 9, 8, 6, 3))
    scores = criteria.scores(name, evidence(net))
    for ratio in np.linspace(0, 1, 21):
        chosen = masks.choose(scores, net, ratio, "layer")
        fed = np.ones(12, bool)
        for kept in chosen.kept[:-1]:
            cut, wanted = int((~kept).sum()), round(ratio * kept.size)
            by_redundancy = kept.shape[0] * int((~fed).sum())
            assert wanted <= cut <= max(wanted, by_redundancy + kept.size * ratio + 1)
            if fed.all():
                assert cut == wanted
            fed = kept.any(axis=1)
    first = masks.choose(scores, net, count=50, scope="layer")
    assert (~first.kept[0]).sum() == round(50 * 108 / (108 + 72 + 48))


@pytest.mark.parametrize("name, scope", every_cut())
@pytest.mark.parametrize("least", [1, 3])
def test_a_minimum_of_neurons_stays_alive_in_every_layer(name, scope, least):
    for seed in range(4):
        net = network(seed, (12, 9, 8, 6, 3), zeros=0.0 if seed else 0.4)
        scores = criteria.scores(name, evidence(net, seed))
        for how in ({"ratio": 0.7}, {"ratio": 0.99}, {"ratio": 1}, {"count": 10_000}):
            left = masks.choose(scores, net, scope=scope, min_units=least, **how).apply(net)
            assert min(alive.sum() for alive in left.alive()) >= least, (seed, how)
            assert left.sparsity() < 1


def test_the_minimum_keeps_those_that_would_go_last():
    net = network(1)
    scores = [np.array([3.0, 1, 4, 2]), np.array([1.0, 3, 2]), np.array([2.0, 1, 1, 3])]
    left = masks.choose(scores, net, count=1000, min_units=2).apply(net)
    assert [alive.nonzero()[0].tolist() for alive in left.alive()] == [[0, 2], [1, 2], [0, 3]]


def test_full_redundancy_leaves_no_neuron_that_is_used_but_not_fed():
    for seed in range(6):
        net = network(seed, zeros=0.2)
        for scores in score_sets(seed, net):
            for scope in masks.SCOPES:
                left = masks.choose(scores, net, 0.6, scope).apply(net)
                for alive, after in zip(left.alive(), left.weights[1:], strict=True):
                    assert not after[:, ~alive].any()


def test_released_redundancy_takes_columns_of_newly_emptied_neurons_but_never_the_outputs():
    for seed in range(6):
        net = network(seed, (6, 5, 5, 4, 3))
        scores = [np.arange(5.0), np.arange(5.0), np.arange(4.0)]
        for scope in masks.SCOPES:
            for how in ({"ratio": 0.5}, {"ratio": 1.0}, {"count": 40}):
                left = masks.choose(scores, net, scope=scope, redundancy="released", **how)
                assert left.kept[-1].all()
                after = left.apply(net)
                for alive, weight in zip(after.alive()[:-1], after.weights[1:-1], strict=True):
                    assert not weight[:, ~alive].any()
    # A neuron that was idle before this cut keeps its outgoing weights; full redundancy takes them.
    idle = Network([[[0, 0], [1, 1]], [[1, 1], [1, 1]], [[1, 1]]], [[0, 0], [0, 0], [0]])
    scores = [np.array([0.0, 9]), np.array([[5.0, 1], [6, 7]])]
    released = masks.choose(scores, idle, count=1, redundancy="released")
    assert released.kept[1].tolist() == [[True, False], [True, True]]
    assert masks.choose(scores, idle, count=1).kept[1].tolist() == [[False, False], [False, True]]


def test_a_second_cut_of_nothing_changes_nothing():
    net = network(3)
    scores = criteria.scores("magnitude", evidence(net))
    once = masks.choose(scores, net, 0.5).apply(net)
    again = masks.choose(criteria.scores("magnitude", evidence(once)), once, 0.5).apply(once)
    assert all(np.array_equal(a, b) for a, b in zip(once.weights, again.weights, strict=True))
    assert masks.choose(scores, once, count=0).achieved == pytest.approx(once.sparsity())


def test_applying_masks_keeps_biases_and_masks_are_read_only():
    net = network(3)
    chosen = masks.choose(criteria.scores("magnitude", evidence(net)), net, 0.5)
    after = chosen.apply(net)
    assert all(np.array_equal(a, b) for a, b in zip(after.biases, net.biases, strict=True))
    assert after.sparsity() == pytest.approx(chosen.achieved)
    assert after.hidden_sparsity() == pytest.approx(chosen.achieved_hidden)
    with pytest.raises(ValueError, match="read-only"):
        chosen.kept[0][0, 0] = True


def test_the_deviation_variant_by_hand():
    net = Network([np.ones((5, 2)), np.ones((4, 5)), np.ones((2, 4))], [np.zeros(5), np.zeros(4), np.zeros(2)])
    scores = [np.array([10.0, 10, 10, 10, 0]), np.array([5.0, 5, 5, 5])]  # mean 8, deviation 4; no spread
    chosen = masks.below_deviation(scores, net, 1.9)
    assert [alive.tolist() for alive in chosen.apply(net).alive()] == [[True] * 4 + [False], [True] * 4]
    assert not chosen.kept[1][:, 4].any() and chosen.requested is None
    assert masks.below_deviation(scores, net, 2.0).achieved == 0  # 0 is not below 8 - 2 * 4
    # Only the living are averaged: a neuron without weights does not pull the mean down.
    less = chosen.apply(net)
    assert masks.below_deviation(scores, less, 0.5).achieved == pytest.approx(chosen.achieved)


def test_the_deviation_variant_respects_the_minimum_and_needs_neurons():
    net = network(1)
    scores = [np.arange(4.0), np.arange(3.0), np.arange(4.0)]
    left = masks.below_deviation(scores, net, -5, min_units=1).apply(net)  # everyone is below the mean + 5 deviations
    assert [alive.sum() for alive in left.alive()] == [1, 1, 1]
    assert masks.below_deviation(scores, net, -5).achieved == 1
    with pytest.raises(ValueError, match="cuts neurons: choose a neuron criterion"):
        masks.below_deviation([np.ones((4, 5)), np.ones(3), np.ones(4)], net, 1)


SCORES = [np.ones(4), np.ones(3), np.ones(4)]


@pytest.mark.parametrize(
    "scores, arguments, words",
    [
        (SCORES, {"ratio": 1.2}, r"ratio 1.2 is outside 0..1"),
        (SCORES, {"ratio": -0.1}, r"ratio -0.1 is outside 0..1"),
        (SCORES, {"ratio": np.nan}, r"ratio nan is outside 0..1"),
        (SCORES, {}, "either a ratio or a count"),
        (SCORES, {"ratio": 0.5, "count": 3}, "either a ratio or a count"),
        (SCORES, {"count": -1}, "count -1 is negative"),
        (SCORES, {"ratio": 0.5, "scope": "all"}, "scope 'all' is unknown: allowed are global, layer"),
        (SCORES, {"ratio": 0.5, "redundancy": "some"}, "redundancy 'some' is unknown: allowed are full, released"),
        (SCORES[:2], {"ratio": 0.5}, "2 score arrays came for 3 hidden layers"),
        ([*SCORES[:2], np.ones(5)], {"ratio": 0.5}, r"hidden layer 3 have shape \(5,\): allowed are \(4,\)"),
        ([*SCORES[:2], np.full(4, np.nan)], {"ratio": 0.5}, "hidden layer 3 hold NaN: they cannot be ranked"),
    ],
)
def test_bad_arguments_are_refused_in_words(scores, arguments, words):
    with pytest.raises(ValueError, match=words):
        masks.choose(scores, network(), **arguments)
