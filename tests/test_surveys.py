"""What a worker does for the stage, on real small runs: the atlas of a stored moment, and training on after a cut."""

import numpy as np
import pytest
from small import digits

from core import datasets, experiment, masks
from core.atlas import surveys
from core.atlas.artifacts import AtlasOf
from core.store import Store, StoreError


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("surveys"))
    for spec in (digits(None), digits()):
        for _ in experiment.run(spec, store):
            pass
    return store


def points(store: Store, choice: AtlasOf, epochs: int, known=(), **more) -> list:
    *_, last = surveys.curve(store, choice, epochs, known, **more)
    return list(last.points)


@pytest.mark.parametrize("criterion", ["activation-frequency", "magnitude", "random-matched", "wanda", "taylor"])
def test_a_cut_by_hand_cuts_what_the_atlas_shows(stored, criterion):
    """The branch that "prune here and retrain" starts is cut to the very masks of the stage, draws and gradients included."""
    parent = digits(None)
    epoch = stored.open(parent.key()).last_epoch
    made = surveys.survey(stored, AtlasOf(parent.key(), epoch, criterion))
    branch = parent.branch(epoch, 0.6, criterion=criterion, scope="global")
    for event in experiment.run(branch, stored):
        if type(event).__name__ == "Pruned":
            break
    moment = stored.snapshot(branch.key(), epoch)
    for own, kept in zip(made.own, moment.state.kept, strict=False):
        gone_by_itself = own <= 60
        assert not kept[gone_by_itself].any()
    assert event.achieved == pytest.approx(made.zeros[60] / sum(w.size for w in moment.trained), abs=1e-12)
    right = made.correct[60].sum() / len(datasets.load("digits").y_test)
    data = datasets.load("digits")
    assert moment.state.network().accuracy(data.x_test, data.y_test) == pytest.approx(right, abs=1.5 / len(data.y_test))


def test_a_cut_by_hand_with_killed_and_spared_neurons(stored):
    parent = digits(None)
    epoch = stored.open(parent.key()).last_epoch
    branch = parent.branch(epoch, 0.3, criterion="activation-frequency", killed=[(0, 3)], spared=[(0, 1), (1, 2)])
    cut = next(event for event in experiment.run(branch, stored) if type(event).__name__ == "Pruned")
    kept = stored.snapshot(branch.key(), epoch).state.kept
    assert not kept[0][3].any() and kept[0][1].all() and not kept[1][:, 3].any()
    assert cut.achieved == pytest.approx(1 - sum(mask.sum() for mask in kept) / sum(mask.size for mask in kept))
    assert "1 neuron killed, 2 neurons spared" in branch.label()


def test_further_draws_of_a_random_criterion_differ(stored):
    key = digits(None).key()
    one, two, again = (surveys.survey(stored, AtlasOf(key, 3, "random-matched", draw=draw)) for draw in (0, 1, 1))
    assert not np.array_equal(one.own[0], two.own[0])
    assert np.array_equal(two.own[0], again.own[0]) and np.array_equal(two.correct, again.correct)


def test_points_equal_a_training_by_hand(stored):
    """Masks, then epochs numbered on from the stored one: the same as a branch that is cut there by hand."""
    parent = digits(None)
    key, epoch = parent.key(), stored.open(parent.key()).last_epoch
    [point] = points(stored, AtlasOf(key, epoch, "magnitude"), 2, percents=(50,))
    branch = parent.branch(epoch, 0.5, criterion="magnitude")
    for _ in experiment.run(branch, stored):
        pass
    network = stored.network(branch.key(), min(epoch + 2, stored.open(branch.key()).last_epoch))
    data = datasets.load("digits")
    assert point.percent == 50 and point.achieved == pytest.approx(0.5, abs=0.01)
    if stored.open(branch.key()).last_epoch >= epoch + 2:
        assert point.accuracy == network.accuracy(data.x_test, data.y_test)


def test_points_start_beyond_what_is_cut_already_and_end_when_told(stored):
    key, epoch = digits().key(), stored.open(digits().key()).last_epoch
    assert stored.network(key).sparsity() == pytest.approx(0.6, abs=0.01)
    found = points(stored, AtlasOf(key, epoch), 1)
    assert [point.percent for point in found] == [80, 90, 95, 70, 99]
    assert points(stored, AtlasOf(key, epoch), 1, progress=lambda share: False) == []
    assert points(stored, AtlasOf(key, epoch), 1, found, progress=lambda share: False) == found  # what is known stays


def test_a_layer_that_died_is_measured_and_not_trained(stored, monkeypatch):
    monkeypatch.setattr(surveys, "Trainer", None)
    key, data = digits(None).key(), datasets.load("digits")
    [point] = points(stored, AtlasOf(key, 3, scope="layer"), 1, percents=(100,))
    network = stored.network(key, 3)
    dead = masks.choose([np.zeros(24), np.zeros(16)], network, 1.0, "layer").apply(network)
    assert point.achieved == 1.0 and point.accuracy == dead.accuracy(data.x_test, data.y_test)


def test_an_epoch_or_run_that_is_not_there_is_refused(stored):
    with pytest.raises(StoreError, match="epoch 99"):
        surveys.survey(stored, AtlasOf(digits().key(), 99))
    with pytest.raises(StoreError, match="no run"):
        surveys.survey(stored, AtlasOf("abc", 0))
