"""Random cuts of the same size against every cut there is: small networks, all masks, a plain SVD of each."""

from collections import Counter
from itertools import combinations, permutations, product

import numpy as np
import pytest
from small import network

from core import criteria, masks
from core.masks import random_cuts
from core.network import Network


def rng(seed=0):
    return np.random.default_rng(seed)


def whole(net):
    return [weight != 0 for weight in net.weights]


def without(net, *neurons):
    """The masks that keep all but these (layer, unit), their outgoing weights gone too."""
    kept = whole(net)
    for layer, unit in neurons:
        kept[layer][unit] = False
        kept[layer + 1][:, unit] = False
    return kept


def spectra_of(net, kept):
    """The slow way: mask the matrices, then a plain SVD."""
    return [np.linalg.svd(w * k, compute_uv=False) for w, k in zip(net.weights[:-1], kept, strict=False)]


def place_of(values, all_cuts):
    """Which of all cuts has these singular values in every layer."""
    fits = [
        place
        for place, cut in enumerate(all_cuts)
        if all(np.allclose(a, b, rtol=0, atol=1e-5 * b.max(initial=1)) for a, b in zip(values, cut, strict=True))
    ]
    assert len(fits) == 1, f"{len(fits)} of the possible cuts have these singular values"
    return fits[0]


def test_every_random_cut_of_neurons_is_a_cut_that_can_be_made_and_all_are_as_likely():
    net = network(sizes=(5, 4, 3, 4, 2))
    kept = without(net, (0, 1), (0, 2), (1, 0))
    assert random_cuts.taken(net, kept, "neuron") == (2, 1, 0)
    choices = product(combinations(range(4), 2), range(3))
    all_cuts = [spectra_of(net, without(net, (0, a), (0, b), (1, c))) for (a, b), c in choices]
    found = random_cuts.cuts(net, kept, "neuron", rng(), draws=900)
    assert [each.shape for each in found] == [(900, 4), (900, 3), (900, 3)]
    times = Counter(place_of([layer[draw] for layer in found], all_cuts) for draw in range(900))
    assert len(times) == 18 and 25 <= min(times.values()) and max(times.values()) <= 80  # 50 each, 4 sigma either way


def test_every_random_cut_of_weights_is_a_cut_that_can_be_made_and_all_are_as_likely():
    net = network(sizes=(3, 2, 2, 2))
    kept = whole(net)
    kept[0][0, :2] = False
    kept[1][1, 1] = False
    assert random_cuts.taken(net, kept, "weight") == (2, 1)

    def drop(layer, places):
        mask = np.ones(net.weights[layer].size, bool)
        mask[list(places)] = False
        return mask.reshape(net.weights[layer].shape)

    choices = product(combinations(range(6), 2), combinations(range(4), 1))
    all_cuts = [spectra_of(net, [drop(0, one), drop(1, two)]) for one, two in choices]
    found = random_cuts.cuts(net, kept, "weight", rng(), draws=1800)
    times = Counter(place_of([layer[draw] for layer in found], all_cuts) for draw in range(1800))
    assert len(times) == 60 and 8 <= min(times.values()) and max(times.values()) <= 56  # 30 each


def signs(sizes, zeros=0.0):
    """Weights of +1 and -1: the sum of the squared singular values is the number of weights left."""
    net = network(seed=3, sizes=sizes, zeros=zeros)
    return Network([np.sign(weight) for weight in net.weights], net.biases)


def counted(values):
    return (values.astype(np.float64) ** 2).sum(axis=1)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
def test_as_many_weights_go_as_the_real_cut_took(zeros):
    net = signs((30, 20, 12, 8, 3), zeros)
    for ratio in (0.3, 0.6, 0.9):
        scores = [rng().random(weight.shape) for weight in net.weights[:-1]]
        kept = masks.choose(scores, net, max(ratio, net.sparsity() + 0.05)).kept
        left = [np.count_nonzero(weight * mask) for weight, mask in zip(net.weights[:-1], kept, strict=False)]
        taken = [np.count_nonzero(weight) - n for weight, n in zip(net.weights[:-1], left, strict=False)]
        assert random_cuts.taken(net, kept, "weight") == tuple(taken)
        for values, n in zip(random_cuts.cuts(net, kept, "weight", rng()), left, strict=True):
            assert values.dtype == np.float32 and len(values) == random_cuts.DRAWS == 39
            np.testing.assert_allclose(counted(values), n, rtol=1e-5, atol=1e-4)


def test_as_many_living_neurons_go_as_the_real_cut_took_and_their_columns_with_them():
    for ratio in (0.3, 0.5, 0.7, 0.9):
        net = signs((30, 20, 12, 8, 3))
        kept = masks.choose([rng(4).random(units) for units in net.hidden], net, ratio, min_units=1).kept
        alive = [int(mask.any(axis=1).sum()) for mask in kept]
        assert random_cuts.taken(net, kept, "neuron") == tuple(np.subtract(net.hidden, alive[:-1]))
        assert any(
            len(set(mask[mask.any(axis=1)].sum(axis=1))) > 1 for mask in kept
        )  # a neuron cut in part is among them
        for values, mask in zip(random_cuts.cuts(net, kept, "neuron", rng()), kept, strict=False):
            np.testing.assert_allclose(counted(values), np.count_nonzero(mask), rtol=1e-5)


def test_later_cuts_take_from_what_lives():
    net = signs((30, 20, 12, 8, 3))
    for ratio in (0.3, 0.5, 0.7):
        chosen = masks.choose([rng(5).random(units) for units in net.hidden], net, ratio, min_units=2)
        alive = [int(mask.any(axis=1).sum()) for mask in chosen.kept]
        dead = np.subtract([int(each.sum()) for each in net.alive()], alive[:-1])
        assert random_cuts.taken(net, chosen.kept, "neuron") == tuple(dead) and dead.sum()
        for values, rows, columns in zip(
            random_cuts.cuts(net, chosen.kept, "neuron", rng()), alive, [30, *alive], strict=False
        ):
            # Short of the block by what this cut and the ones before took of single neurons: at most one row each.
            assert (counted(values) < rows * columns + 0.1).all() and (counted(values) > (rows - 4) * columns).all()
        net = chosen.apply(net)


def test_a_neuron_cut_in_part_is_matched_by_any_other_cut_in_part():
    net = network(sizes=(3, 3, 2, 2))
    kept = without(net, (0, 2))
    kept[0][1, :2] = False
    assert random_cuts.taken(net, kept, "neuron") == (1, 0)
    all_cuts = []
    for gone, part in permutations(range(3), 2):
        for first, second in combinations(range(3), 2):
            masked = without(net, (0, gone))
            masked[0][part, [first, second]] = False
            all_cuts.append(spectra_of(net, masked))
    found = random_cuts.cuts(net, kept, "neuron", rng(), draws=900)
    times = Counter(place_of([layer[draw] for layer in found], all_cuts) for draw in range(900))
    assert len(times) == 18 and 25 <= min(times.values()) and max(times.values()) <= 80


def test_dead_neurons_are_not_drawn():
    net = network(sizes=(6, 5, 4, 2))
    net = masks.of_kept(without(net, (0, 0), (0, 1), (0, 2)), None).apply(net)
    kept = without(net, (0, 3))
    assert random_cuts.taken(net, kept, "neuron") == (1, 0)
    first, second = random_cuts.cuts(net, kept, "neuron", rng())
    assert ((first > 1e-5).sum(axis=1) == 1).all() and ((second > 1e-5).sum(axis=1) == 1).all()
    assert len(np.unique(first[:, 0])) == 2  # one of the two that lived is left


def test_a_layer_that_dies_is_zero_and_so_is_the_next():
    net = network()
    found = random_cuts.cuts(net, without(net, *((0, unit) for unit in range(4))), "neuron", rng(), 2)
    assert not found[0].any() and not found[1].any()


def test_the_same_generator_draws_the_same_cuts():
    net = network(sizes=(9, 8, 7, 2))
    for per, kept in (("neuron", without(net, (0, 1), (1, 2))), ("weight", without(net, (0, 1), (1, 2)))):
        one, two, other = (random_cuts.cuts(net, kept, per, rng(seed), 5) for seed in (1, 1, 2))
        for a, b, c in zip(one, two, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert not np.array_equal(a, c) and len(np.unique(a[:, 0])) > 1


def test_nothing_cut_and_no_hidden_layer():
    net = network()
    for per in random_cuts.PER:
        assert random_cuts.taken(net, whole(net), per) == (0, 0, 0)
        for values, real in zip(
            random_cuts.cuts(net, whole(net), per, rng(), 2), spectra_of(net, whole(net)), strict=True
        ):
            np.testing.assert_allclose(values, np.tile(real, (2, 1)), atol=1e-5)
        single = network(sizes=(4, 3))
        assert random_cuts.cuts(single, whole(single), per, rng()) == ()


def test_a_real_random_cut_lies_anywhere_among_the_drawn_ones():
    """If drawn cuts differed from real ones in any way, the real one's nuclear norm would keep to one side."""
    net = network(seed=5, sizes=(40, 30, 20, 10, 4))
    for name, per in (("random-neurons", "neuron"), ("random-weights", "weight")):
        places = []
        for seed in range(60):
            scores = criteria.scores(name, criteria.Evidence(net, [], 0, rng=rng(seed)))
            kept = masks.choose(scores, net, 0.5, min_units=2).kept
            real = [values.sum() for values in spectra_of(net, kept)]
            drawn = random_cuts.cuts(net, kept, per, rng(1000 + seed), 19)
            places += [(values.sum(axis=1) < n).mean() for values, n in zip(drawn, real, strict=True)]
        assert np.mean(places) == pytest.approx(0.5, abs=0.09) and np.std(places) == pytest.approx(0.3, abs=0.06)


def test_bad_input_is_refused_in_words():
    net = network()
    with pytest.raises(ValueError, match="a cut per 'layer' came: allowed are neuron, weight"):
        random_cuts.cuts(net, whole(net), "layer", rng())
    with pytest.raises(ValueError, match="one mask per matrix is needed"):
        random_cuts.cuts(net, whole(net)[:-1], "neuron", rng())
    with pytest.raises(ValueError, match="0 draws came: at least 1 is needed"):
        random_cuts.cuts(net, whole(net), "neuron", rng(), 0)
    broken = Network([np.full_like(net.weights[0], np.nan), *net.weights[1:]], net.biases)
    with pytest.raises(ValueError, match="a diverged network has no singular values"):
        random_cuts.cuts(broken, whole(net), "weight", rng())
