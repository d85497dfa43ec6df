"""Criteria: every registered one keeps the rules; the named ones give the numbers that their papers say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small import evidence, network

from core import criteria
from core.criteria import Evidence
from core.network import Network

NAMED = (
    "activation-frequency activation-frequency-weight inactivity inactivity-weight magnitude random-weights "
    "random-neurons random-matched apoz wanda taylor"
).split()


def test_all_eleven_are_there_and_the_class_four_come_first():
    assert set(NAMED) <= set(criteria.names())
    assert criteria.names()[:4] == ["activation-frequency", "magnitude", "random-matched", "inactivity"]


@pytest.mark.parametrize("name", criteria.names())
def test_scores_have_the_promised_shape_and_change_nothing(name):
    net = network(3, zeros=0.3)
    given = evidence(net)
    before = [array.copy() for array in (*net.weights, *given.fired, given.inputs, *given.gradients)]
    scores = criteria.scores(name, given)
    per_neuron = criteria.get(name).per == "neuron"
    assert [s.shape for s in scores] == [w.shape[:1] if per_neuron else w.shape for w in net.weights[:-1]]
    assert all(np.isfinite(score).all() for score in scores)
    for old, new in zip(before, (*net.weights, *given.fired, given.inputs, *given.gradients), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", criteria.names())
def test_the_same_evidence_gives_the_same_scores(name):
    net = network(4)
    one, two = criteria.scores(name, evidence(net)), criteria.scores(name, evidence(net))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("name", criteria.names())
def test_every_criterion_explains_itself(name):
    entry = criteria.get(name)
    assert entry.name == name and entry.label and len(entry.help) > 20 and "\n    " not in entry.help
    assert entry.per in ("neuron", "weight") and entry.needs <= {"inputs", "gradients", "rng"}


@pytest.mark.parametrize("name", criteria.names())
def test_a_criterion_goes_by_counts_if_it_says_so(name):
    rng = np.random.default_rng(4)
    net, x = network(), rng.random((20, 5)).astype(np.float32)
    found = []
    for _ in range(2):
        fired = [rng.permutation(units) for units in net.hidden]
        given = Evidence(net, fired, 100, x, [w * 2 for w in net.weights], np.random.default_rng(0))
        found.append(np.concatenate([score.ravel() for score in criteria.scores(name, given)]))
    assert criteria.get(name).counts == (not np.array_equal(*found))


@pytest.mark.parametrize("name", [n for n in criteria.names() if criteria.get(n).needs])
def test_a_criterion_says_what_it_misses(name):
    net = network()
    with pytest.raises(ValueError, match=f"'{name}' needs Evidence.*None: gather it first"):
        criteria.scores(name, Evidence(net, [np.ones(units) for units in net.hidden], 1))


def test_an_unknown_criterion_lists_what_there_is():
    for name in ("magnitud", "", None, ["magnitude"]):
        with pytest.raises(ValueError, match="unknown criterion .*: allowed are activation-frequency, magnitude"):
            criteria.get(name)


# Two inputs, three hidden neurons, by hand: x = (1, 0) and (0, 2).
NET = Network([[[1, 0], [0, -1], [1, 1]], [[1, 2, -3]]], [[0, 1, 0], [0]])
GIVEN = Evidence(NET, [np.array([3, 1, 4])], 4, np.array([[1, 0], [0, 2]], np.float32), [NET.weights[0] * 2, None])


def test_numbers_by_hand():
    def score(name):
        return criteria.scores(name, GIVEN)[0].tolist()

    assert score("activation-frequency") == [3, 1, 4]
    assert score("inactivity") == [1, 3, 0]
    assert score("magnitude") == [[1, 0], [0, 1], [1, 1]]
    assert score("activation-frequency-weight") == [[3, 0], [0, 1], [4, 4]]
    assert score("inactivity-weight") == [[1, 0], [0, 3], [0, 0]]
    assert score("apoz") == [0.5, 0.5, 1]  # the second neuron has 1 - x2: on for the first image only
    assert score("wanda") == [[1, 0], [0, 2], [1, 2]]
    assert score("taylor") == [[2, 0], [0, 2], [2, 2]]


def test_apoz_is_one_minus_the_share_of_zeros_and_wanda_uses_the_layers_own_inputs():
    net = network(5)
    given = evidence(net)
    hidden = net.activations(given.inputs)
    for score, activation in zip(criteria.scores("apoz", given), hidden, strict=True):
        np.testing.assert_allclose(score, 1 - (activation == 0).mean(0))
    norms = [np.sqrt((x.astype(float) ** 2).sum(0)) for x in (given.inputs, *hidden[:-1])]
    for score, weight, norm in zip(criteria.scores("wanda", given), net.weights[:-1], norms, strict=True):
        np.testing.assert_allclose(score, abs(weight) * norm, rtol=1e-5)


def test_matched_random_shuffles_the_living_only():
    whole = network(6, (5, 40, 12, 2))
    dead = [np.arange(len(weight)) % 3 == 0 for weight in whole.weights[:-1]]
    cut = [weight * ~rows[:, None] for weight, rows in zip(whole.weights[:-1], dead, strict=True)]
    net = Network([*cut, whole.weights[-1]], whole.biases)
    given = evidence(net)
    assert not any(alive.all() for alive in net.alive())
    scores = criteria.scores("random-matched", given)
    for score, fired, alive in zip(scores, given.fired, net.alive(), strict=True):
        assert sorted(score[alive]) == sorted(fired[alive])
        np.testing.assert_array_equal(score[~alive], fired[~alive])
    assert any(not np.array_equal(s, f) for s, f in zip(scores, given.fired, strict=True))


def test_counts_times_weights_are_exact_in_float32_below_2_to_the_24():
    net = Network([[[1.0]], [[1.0]]], [[0], [0]])
    big = 200 * 54_000  # 200 epochs of MNIST
    assert criteria.scores("activation-frequency-weight", Evidence(net, [np.array([big])], big))[0][0, 0] == big


def test_a_criterion_is_added_by_one_function(monkeypatch):
    monkeypatch.setattr(criteria, "_REGISTRY", dict(criteria._REGISTRY))

    @criteria.criterion("mine", "Mine", "neuron")
    def mine(given):
        """What I think of a neuron."""
        return [fired * 2 for fired in given.fired]

    assert criteria.names()[-1] == "mine" and criteria.get("mine").help == "What I think of a neuron."
    assert criteria.scores("mine", GIVEN)[0].tolist() == [6, 2, 8]


def test_criteria_run_without_torch():
    code = "import sys; import core.criteria; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
