"""Sweeps: every spec comes back once, stored ones first and untrained, the same numbers as alone."""

from dataclasses import replace

import pytest
from small import digits

from core import experiment, sweep
from core.events import Finished
from core.store import Store
from core.sweep import run_many

SPECS = [digits(max_epochs=2, seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep over two processes, and the store it left."""
    store = Store(tmp_path_factory.mktemp("swept"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        return store, list(run_many(SPECS, store, n_jobs=2))


def test_every_spec_comes_back_once_with_its_end(swept):
    store, results = swept
    assert sorted(spec.seed for spec, _ in results) == [0, 1, 2]
    assert all(isinstance(final, Finished) for _, final in results)
    assert all(store.open(spec.key()).finished for spec in SPECS)


def test_the_numbers_are_those_of_a_run_alone(swept):
    for spec, final in swept[1]:
        alone = list(experiment.run(spec))[-1]
        assert final.test_accuracy == alone.test_accuracy and final.reason == alone.reason
        assert all(
            a.tobytes() == b.tobytes() for a, b in zip(final.network.weights, alone.network.weights, strict=True)
        )


def test_what_is_stored_comes_first_and_is_not_trained(swept, monkeypatch):
    store, results = swept
    trained = []
    real = sweep._run_one
    monkeypatch.setattr(sweep, "_run_one", lambda spec, root: trained.append(spec) or real(spec, root))
    new = digits(max_epochs=1, seed=9)
    again = list(run_many([new, *SPECS], store, n_jobs=1))
    assert [spec for spec, _ in again] == [*SPECS, new] and trained == [new]
    accuracies = {spec: final.test_accuracy for spec, final in results}
    assert all(final.test_accuracy == accuracies[spec] for spec, final in again[:3])


def test_a_stored_run_that_was_damaged_is_made_again(swept):
    store, results = swept
    key = SPECS[0].key()
    weights = store.network(key).weights[0].tobytes()
    (store.root / "runs" / key / "epoch-002.safetensors").write_bytes(b"half")
    ((_, final),) = run_many(SPECS[:1], store, n_jobs=1)
    assert final.network.weights[0].tobytes() == weights


def test_a_sweep_can_be_left_and_taken_up_again(tmp_path):
    store = Store(tmp_path)
    first = next(iter(run_many(SPECS, store, n_jobs=1)))
    assert store.open(first[0].key()).finished
    assert len(list(run_many(SPECS, store, n_jobs=1))) == 3


def test_a_sweep_needs_no_store_and_may_be_empty():
    assert list(run_many([], None)) == []
    ((spec, final),) = run_many([replace(SPECS[0], max_epochs=1)], None, n_jobs=1)
    assert spec.max_epochs == 1 and isinstance(final, Finished)
