"""One byte a weight against `masks.choose` at every percent; what is read off it; neurons killed and spared by hand."""

import numpy as np
import pytest
from small import assert_same, evidence, network

from core import criteria, masks
from core.masks import ByHand, timetable
from core.masks.timetable import PERCENTS, STAYS
from core.network import Network


def idle(seed=0) -> Network:
    """Neurons without incoming weights whose outgoing ones are still there, in every hidden layer."""
    whole = network(seed, (8, 6, 5, 4, 3))
    weights = [weight.copy() for weight in whole.weights]
    weights[0][[1, 4]] = 0
    weights[1][2] = 0
    weights[2][0] = 0
    return Network(weights, whole.biases)


def dead_layer(seed=0) -> Network:
    whole = network(seed, (8, 6, 5, 4, 3))
    return Network([w * (layer != 1) for layer, w in enumerate(whole.weights)], whole.biases)


def already_cut(seed=0) -> Network:
    whole = network(seed, (12, 9, 8, 6, 3))
    scores = criteria.scores("activation-frequency", evidence(whole, seed))
    return masks.choose(scores, whole, 0.6).apply(whole)


USUAL = {
    "whole": network(1, (12, 9, 8, 6, 3)),
    "zeros here and there": network(2, (12, 9, 8, 6, 3), zeros=0.4),
    "idle neurons": idle(),
    "already cut": already_cut(),
    "one hidden layer": network(3, (9, 7, 3)),
    "more weights than percents": network(6, (40, 30, 20, 4), zeros=0.1),
}
ODD = {
    "fewer weights than percents": network(0),
    "a dead layer": dead_layer(),
    "one hidden layer, zeros": network(4, (9, 7, 3), zeros=0.5),
    "nothing left": Network([w * 0 for w in network(0).weights], network(0).biases),
    "one neuron wide": network(5, (3, 1, 1, 2)),
}
NETWORKS = USUAL | ODD
HANDS = (
    ByHand(killed=((0, 0),)),
    ByHand(spared=((0, 0),)),
    ByHand(killed=((0, 0),), spared=((0, 0),)),
)


def every_way():
    return [
        (name, scope, redundancy, least)
        for name in criteria.names()
        for scope in masks.SCOPES
        for redundancy in masks.REDUNDANCIES
        for least in (0, 2)
    ]


def some_hands(net: Network, seed: int) -> list[ByHand]:
    """Killed, spared, both at once, the first neuron of each layer, and a crowd drawn at random."""
    rng = np.random.default_rng(seed)
    everyone = [(layer, unit) for layer, units in enumerate(net.hidden) for unit in range(units)]
    firsts = tuple((layer, 0) for layer in range(len(net.hidden)))
    drawn = [tuple(one for one in everyone if rng.random() < 0.3) for _ in range(2)]
    return [*HANDS, ByHand(killed=firsts), ByHand(spared=firsts), ByHand(*drawn), ByHand(killed=tuple(everyone))]


def assert_equal_masks(found: masks.Masks, expected: masks.Masks, about: object) -> None:
    for ours, theirs in zip(found.kept, expected.kept, strict=True):
        assert ours.dtype == bool and ours.shape == theirs.shape
        assert np.array_equal(ours, theirs), about  # numpy.testing's way costs many times as much
    assert (found.requested, found.achieved) == (expected.requested, expected.achieved), about
    assert found.achieved_hidden == expected.achieved_hidden, about


@pytest.mark.parametrize("name, scope, redundancy, least", every_way())
def test_every_percent_is_what_choose_gives(name, scope, redundancy, least):
    odd = ODD if name in ("activation-frequency", "magnitude") else {}
    for about, net in (USUAL | odd).items():
        scores = criteria.scores(name, evidence(net))
        table = timetable.make(scores, net, scope, least, redundancy=redundancy)
        for percent in PERCENTS:
            expected = masks.choose(scores, net, percent / 100, scope, least, redundancy=redundancy)
            assert_equal_masks(table.masks(percent), expected, (about, percent))
        again = timetable.with_own([own.copy() for own in table.own], net, redundancy)
        assert_same(again.gone, table.gone)


@pytest.mark.parametrize("name", ["activation-frequency", "magnitude", "random-neurons"])
@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("redundancy", masks.REDUNDANCIES)
@pytest.mark.parametrize("least", [0, 2])
def test_what_a_person_chose_on_top_is_what_choose_gives(name, scope, redundancy, least):
    for seed, (about, net) in enumerate(NETWORKS.items()):
        scores = criteria.scores(name, evidence(net))
        table = timetable.make(scores, net, scope, least, redundancy=redundancy)
        for hand in some_hands(net, seed):
            for percent in (*range(0, 101, 9), 100):
                options = {"redundancy": redundancy, "by_hand": hand}
                expected = masks.choose(scores, net, percent / 100, scope, least, **options)
                assert_equal_masks(table.masks(percent, hand), expected, (about, hand, percent))


def counted_by_hand(net: Network, kept: list[np.ndarray], hand: ByHand) -> list[np.ndarray]:
    """Every weight asked one by one: killed, spared, or as its turn says; then whether what it reads is still fed."""
    after = [mask.copy() for mask in kept]
    for layer, weight in enumerate(net.weights):
        for unit, source in np.ndindex(weight.shape):
            stays = kept[layer][unit, source]
            if layer < len(net.hidden):
                stays = (stays or (layer, unit) in hand.spared) and (layer, unit) not in hand.killed
            fed = layer == 0 or after[layer - 1][source].any()
            after[layer][unit, source] = stays and fed and weight[unit, source] != 0
    return after


@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("name", ["activation-frequency", "magnitude"])
def test_killed_and_spared_neurons_against_asking_every_weight(name, scope):
    for seed in range(3):
        net = network(seed, (6, 5, 4, 3), zeros=0.2 * seed)
        net = Network([w * _fed(net.weights, layer) for layer, w in enumerate(net.weights)], net.biases)
        table = timetable.make(criteria.scores(name, evidence(net, seed)), net, scope)
        for hand in some_hands(net, seed):
            for percent in (0, 20, 55, 80, 100):
                turn = [own > percent for own in table.own] + [net.weights[-1] != 0]
                found = masks.choose(
                    criteria.scores(name, evidence(net, seed)), net, percent / 100, scope, by_hand=hand
                )
                for ours, theirs in zip(found.kept, counted_by_hand(net, turn, hand), strict=True):
                    np.testing.assert_array_equal(ours, theirs, str((hand, percent)))


def _fed(weights, layer) -> np.ndarray:
    return np.ones(weights[0].shape[1], bool) if layer == 0 else weights[layer - 1].any(axis=1)


def test_a_killed_neuron_takes_its_way_out_along_and_a_spared_one_stays():
    net = Network([np.ones((3, 2)), np.ones((2, 3)), np.ones((1, 2))], [np.zeros(3), np.zeros(2), np.zeros(1)])
    scores = [np.array([3.0, 2, 1]), np.array([9.0, 8])]
    killed = masks.choose(scores, net, 0, by_hand=ByHand(killed=((0, 1),)))
    assert killed.kept[0].tolist() == [[True, True], [False, False], [True, True]]
    assert killed.kept[1].tolist() == [[True, False, True]] * 2 and killed.achieved == pytest.approx(4 / 14)
    spared = masks.choose(scores, net, 4 / 14, by_hand=ByHand(spared=((0, 2),)))
    assert spared.achieved == 0 and spared.requested == pytest.approx(4 / 14)
    both = masks.choose(scores, net, 0, by_hand=ByHand(killed=((0, 1),), spared=((0, 1),)))
    assert both.kept[0].tolist() == killed.kept[0].tolist()
    # The second layer went for want of sources only, its own turn never came: a spared source keeps it fed.
    fed = masks.choose(scores, net, 1, by_hand=ByHand(spared=((0, 0),)))
    assert [mask.sum() for mask in masks.choose(scores, net, 1).kept] == [0, 0, 0]
    assert [mask.sum() for mask in fed.kept] == [2, 2, 2]
    everyone = masks.choose(scores, net, 0, by_hand=ByHand(killed=((1, 0), (1, 1))))
    assert not everyone.kept[1].any() and not everyone.kept[2].any() and everyone.kept[0].all()


@pytest.mark.parametrize("place", [(0, 4), (3, 0), (-1, 0), (0, -1)])
def test_a_neuron_that_is_not_there_is_refused_in_words(place):
    net = network()
    scores = criteria.scores("magnitude", evidence(net))
    for hand in (ByHand(killed=(place,)), ByHand(spared=(place,))):
        with pytest.raises(ValueError, match=f"there is no neuron {place[1]} in hidden layer {place[0] + 1}"):
            masks.choose(scores, net, 0.5, by_hand=hand)
        with pytest.raises(ValueError, match="choose one on the board"):
            timetable.make(scores, net).masks(50, hand)


@pytest.mark.parametrize("about", NETWORKS)
@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("redundancy", masks.REDUNDANCIES)
def test_neurons_and_zeros_are_counted_right(about, scope, redundancy):
    net = NETWORKS[about]
    for name in criteria.names():
        table = timetable.make(criteria.scores(name, evidence(net)), net, scope, redundancy=redundancy)
        zeros, hidden, ends = table.zeros(), table.zeros(hidden=True), table.neurons()
        assert zeros.shape == hidden.shape == (101,)
        for percent in PERCENTS:
            cut = table.masks(percent).apply(net)
            counts = [weight.size - np.count_nonzero(weight) for weight in cut.weights]
            assert (zeros[percent], hidden[percent]) == (sum(counts), sum(counts[:-1]))
            for alive, goes in zip(cut.alive(), ends, strict=True):
                np.testing.assert_array_equal(alive, goes > percent)


@pytest.mark.parametrize("name", criteria.names())
def test_what_is_gone_stays_gone_and_bytes_say_what_they_mean(name):
    for net in NETWORKS.values():
        scores = criteria.scores(name, evidence(net))
        for scope in masks.SCOPES:
            for least in (0, 2):
                table = timetable.make(scores, net, scope, least)
                for weight, gone in zip(net.weights, table.gone, strict=True):
                    assert gone.dtype == np.uint8 and ((gone <= 100) | (gone == STAYS)).all()
                    np.testing.assert_array_equal(gone == 0, weight == 0)
                for weight, own in zip(net.weights, table.own, strict=False):
                    assert own.dtype == np.uint8 and not own.flags.writeable
                    np.testing.assert_array_equal(own == 0, weight == 0)
                before = table.masks(0).kept
                for percent in PERCENTS:
                    now = table.masks(percent).kept
                    assert not any((b & ~a).any() for a, b in zip(before, now, strict=True))
                    before = now


def test_at_nought_the_network_is_as_it_was_and_at_100_its_hidden_weights_are_gone():
    for net in NETWORKS.values():
        table = timetable.make(criteria.scores("magnitude", evidence(net)), net)
        for weight, kept in zip(net.weights, table.masks(0).kept, strict=True):
            np.testing.assert_array_equal(kept, weight != 0)
        total, output = sum(weight.size for weight in net.weights), net.weights[-1].size
        assert table.zeros()[100] >= total - output


SCORES = [np.ones(4), np.ones(3), np.ones(4)]


@pytest.mark.parametrize(
    "scores, arguments, words",
    [
        (SCORES, {"scope": "all"}, "scope 'all' is unknown: allowed are global, layer"),
        (SCORES, {"redundancy": "some"}, "redundancy 'some' is unknown: allowed are full, released"),
        (SCORES[:2], {}, "2 score arrays came for 3 hidden layers"),
        ([*SCORES[:2], np.ones(5)], {}, r"hidden layer 3 have shape \(5,\): allowed are \(4,\)"),
        ([*SCORES[:2], np.full(4, np.nan)], {}, "hidden layer 3 hold NaN: they cannot be ranked"),
    ],
)
def test_bad_arguments_are_refused_in_words(scores, arguments, words):
    with pytest.raises(ValueError, match=words):
        timetable.make(scores, network(), **arguments)


@pytest.mark.parametrize("percent", [-1, 101, 0.5, "50", None])
def test_a_percent_off_the_slider_is_refused_in_words(percent):
    with pytest.raises(ValueError, match=r"percent .* is not allowed: give a whole number in 0\.\.100"):
        timetable.make(SCORES, network()).masks(percent)
