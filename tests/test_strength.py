"""The search for the penalty's strength, on runs of a second."""

import dataclasses

import numpy as np
import pytest
from small import digits, there_and_back

from core import experiment
from core.artifacts import Sources
from core.claims import penalty_search
from core.claims.penalty_search import Search
from core.spec import PenaltySpec
from core.store import Store

SPEC = digits(hidden=(20, 12), max_epochs=6)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A pruned run, the search for it, and what was told on the way."""
    source, store, told = Store(tmp_path_factory.mktemp("pruned")), Store(tmp_path_factory.mktemp("tries")), []
    list(experiment.run(SPEC, source))

    def going(search, share):
        told.append((search, share))
        return True

    return source, store, penalty_search.search(beside(store, source), SPEC.key(), going, every=20), told


def beside(store: Store, source: Store, spec=SPEC) -> Sources:
    return Sources(store, {spec.key(): source})


def nuclear_by_numpy(network) -> float:
    return sum(np.linalg.norm(weight.astype(np.float64), "nuc") for weight in network.weights[:-1])


def test_the_found_network_has_the_pruned_ones_nuclear_norm(searched):
    source, store, search, _ = searched
    goal = nuclear_by_numpy(source.network(SPEC.key()))
    found = search.tries[search.found]
    assert search.goal == pytest.approx(goal, rel=1e-5) and not search.problem
    assert found.nuclear == pytest.approx(goal, rel=penalty_search.TOLERANCE)
    network = store.network(found.key)
    assert nuclear_by_numpy(network) == pytest.approx(found.nuclear, rel=1e-4)
    assert found.test_accuracy == store.events(found.key)[-1].test_accuracy
    assert found.zero == network.sparsity() and sum(map(sum, found.values)) == pytest.approx(found.nuclear, rel=1e-4)


def test_every_try_is_the_same_run_but_for_its_cuts_and_its_penalty(searched):
    source, store, search, _ = searched
    assert search.epochs == source.open(SPEC.key()).last_epoch and search.tries[0].strength == 0
    assert len({one.strength for one in search.tries}) == len(search.tries)
    for one in search.tries:
        spec = store.open(one.key).spec
        assert (spec.pruning, spec.penalty) == (None, PenaltySpec(strength=one.strength, every=20))
        assert dataclasses.replace(
            spec, pruning=SPEC.pruning, penalty=None, target_accuracy=SPEC.target_accuracy
        ) == dataclasses.replace(SPEC, max_epochs=search.epochs)
    by_strength = sorted(search.tries, key=lambda one: one.strength)
    assert sorted((one.nuclear for one in by_strength), reverse=True) == [one.nuclear for one in by_strength]


def test_progress_tells_the_tries_as_they_come_and_what_is_stored_comes_at_once(searched):
    source, store, search, told = searched
    counts = [len(so_far.tries) for so_far, _ in told]
    assert counts == sorted(counts) and set(counts) == set(range(len(search.tries) + 1))
    assert all(0 <= share <= 1 for _, share in told) and told[-1][0] == search
    versions = {one.key: store.version(one.key) for one in search.tries}
    assert penalty_search.search(beside(store, source), SPEC.key(), every=20) == search
    assert versions == {one.key: store.version(one.key) for one in search.tries}


def test_it_ends_when_nobody_wants_more(searched, tmp_path):
    source = searched[0]
    sources = beside(Store(tmp_path), source)
    assert penalty_search.search(sources, SPEC.key(), lambda search, share: len(search.tries) < 2) is None
    assert penalty_search.search(sources, SPEC.key(), lambda search, share: share < 0.4) is None


def test_a_goal_that_no_penalty_meets_is_said(searched, tmp_path):
    source = Store(tmp_path / "plain")
    plain = dataclasses.replace(SPEC, pruning=None, max_epochs=2)
    list(experiment.run(plain, source))
    search = penalty_search.search(beside(Store(tmp_path / "tries"), source, plain), plain.key())
    assert search.found == 0 and not search.problem  # it is its own try without a penalty
    larger = dataclasses.replace(search, goal=1.2 * search.goal, found=None)
    asked = []

    def attempt(x):
        asked.append(x)
        return float(np.log(search.tries[0].nuclear / larger.goal))

    assert "no penalty is as weak" in penalty_search._find(attempt) and asked == [0.0]


def test_unfinished_runs_are_refused_in_words(tmp_path):
    store = Store(tmp_path)
    for event in experiment.run(SPEC, store):
        if getattr(event, "epoch", 0) == 2:
            break
    with pytest.raises(ValueError, match="not finished"):
        penalty_search.search(Sources(store), SPEC.key())


def test_the_result_comes_back_as_it_was_written(searched):
    search = searched[2]
    for one in (search, Search(1.5, 3, 50, problem="why")):
        assert there_and_back(penalty_search.SearchOf(SPEC.key()), one) == one


@pytest.mark.parametrize("goal, found", [(0.4, True), (1e-9, False), (0.999, True)])
def test_the_search_finds_any_goal_between_its_ends(goal, found):
    """On a made-up network whose nuclear norm falls from 1 to 1e-4 as λ grows."""
    asked = []

    def attempt(x):
        asked.append(x)
        distance = np.log(max(1 / (1 + (50 * x) ** 1.5), 1e-4) / goal)
        return 0.0 if abs(np.expm1(distance)) <= penalty_search.TOLERANCE else float(distance)

    problem = penalty_search._find(attempt)
    assert (attempt(asked[-1]) == 0) is found and (problem == "") is found
    assert len(set(asked)) >= len(asked) - 1 and len(asked) < 20
