"""Sweeps as stacks, on the CPU through the same path: the runs' own results, stopped, gone on with, halved, what fits none."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import digits

from core import experiment, sweep
from core.events import EpochEnded, Pruned
from core.spec import HandCut, PenaltySpec
from core.store import Store
from core.sweep import processes, stacks

SPECS = [
    digits(),
    digits({"criterion": "magnitude"}, seed=1, max_epochs=9),
    digits(None, seed=2, learning_rate=0.2),
    digits({"criterion": "random-matched", "counting": "sample-32", "reset_counts": True}, max_epochs=4),
    digits({"criterion": "activation-frequency", "ratio": 0.9}, seed=3, max_epochs=5),
]


def always() -> bool:
    return True


@pytest.fixture
def stacked(store):
    outcomes = {outcome.spec: outcome for outcome in stacks.train(SPECS, store, always, "cpu")}
    assert set(outcomes) == set(SPECS)
    return outcomes


def test_every_run_of_a_stack_is_the_run_that_it_is_alone(store, stacked, tmp_path):
    alone = Store(tmp_path / "alone")
    for spec in SPECS:
        *_, end = experiment.run(spec, alone, device="cpu")
        mine, own = store.events(spec.key()), alone.events(spec.key())
        assert [type(event) for event in mine] == [type(event) for event in own]
        assert stacked[spec].finished.reason == mine[-1].reason == end.reason
        for one, other in zip(mine, own, strict=True):
            if isinstance(one, EpochEnded):
                assert one.train_loss == pytest.approx(other.train_loss, abs=1e-3)
            if isinstance(one, Pruned):
                assert (one.alive, one.requested) == (other.alive, other.requested)
                assert one.accuracy_after == pytest.approx(other.accuracy_after, abs=0.02)
        for weight, other in zip(mine[-1].network.weights, end.network.weights, strict=True):
            np.testing.assert_allclose(weight, other, atol=2e-3)
            assert np.array_equal(weight == 0, other == 0)


def test_its_record_says_that_it_was_a_stack_at_full_width_and_how_many_there_were(store, stacked):
    made_on = [store.provenance(spec.key()) for spec in SPECS]
    assert [(one["shrunk"], one["stack"]) for one in made_on] == [(False, 5)] * 5


def test_what_is_stopped_is_left_unfinished_and_goes_on(store):
    asked = iter([True] * 12)
    assert list(stacks.train(SPECS, store, lambda: next(asked, False), "cpu")) == []
    begun = [store.open(spec.key()) for spec in SPECS]
    assert all(run.epochs and not run.finished for run in begun)
    assert not any(store.is_claimed(spec.key()) for spec in SPECS)
    assert list(stacks.train(SPECS, store, always, "cpu")) == []  # they go on alone
    assert len(list(processes.train(SPECS[:1], store, 1, always))) == 1 and store.open(SPECS[0].key()).finished


def test_a_run_that_another_process_trains_is_left_to_it(store):
    with store.claim(SPECS[0].key()):
        assert {outcome.spec for outcome in stacks.train(SPECS, store, always, "cpu")} == set(SPECS[1:])


def test_without_a_store_the_ends_come_all_the_same():
    assert {outcome.spec for outcome in stacks.train(SPECS, None, always, "cpu")} == set(SPECS)


def test_only_what_shares_data_shape_batch_and_optimiser_is_stacked():
    others = [replace(SPECS[0], **one) for one in ({"hidden": (12,)}, {"batch_size": 8}, {"dataset": "mnist-mini"})]
    alone = [
        replace(SPECS[0], penalty=PenaltySpec()),
        replace(SPECS[0], hand_cuts=(HandCut(epoch=1, ratio=0.3),)),
        replace(SPECS[0], parent="0" * 16),
        digits({"rewind": True}),
    ]
    adam = [replace(spec, optimizer="adam") for spec in SPECS[:2]]
    assert stacks.groups([*SPECS, *others, *alone, *adam]) == [SPECS, adam]
    many = [digits(seed=seed) for seed in range(stacks.MOST + 2)]
    assert [len(group) for group in stacks.groups(many)] == [stacks.MOST, 2]
    assert stacks.groups(many[: stacks.MOST + 1]) == [many[: stacks.MOST]]


def test_a_stack_that_does_not_fit_is_halved(store, monkeypatch):
    tried, train = [], stacks._train

    def small(specs, *rest):
        tried.append(len(specs))
        if len(specs) > 3:
            raise torch.cuda.OutOfMemoryError
        yield from train(specs, *rest)

    monkeypatch.setattr(stacks, "_train", small)
    assert {outcome.spec for outcome in stacks.train(SPECS, store, always, "cpu")} == set(SPECS)
    assert tried == [5, 2, 3]


def test_a_sweep_stacks_where_there_is_a_gpu_and_its_crew_trains_the_rest(store, monkeypatch):
    monkeypatch.setenv("PRUNING_DEVICE", "cuda")
    monkeypatch.setattr(stacks, "wanted", always)
    train = stacks.train
    monkeypatch.setattr(stacks, "train", lambda specs, store, going: train(specs, store, going, "cpu"))
    asked = []

    def by_crew(specs, *rest):
        asked.extend(specs)
        yield from ()

    monkeypatch.setattr(processes, "train", by_crew)
    odd = digits({"rewind": True})
    made = list(sweep.outcomes([*SPECS, odd], store))
    assert {outcome.spec for outcome in made} == set(SPECS) and asked == [odd]
    assert all(outcome.stored for outcome in sweep.outcomes(SPECS, store))
    done = json.loads((store.root / "runs" / SPECS[0].key() / "done.json").read_text())
    assert done["stack"] == 5


def test_without_a_driver_no_stack_is_thought_of(store, monkeypatch):
    monkeypatch.setenv("PRUNING_DEVICE", "cpu")
    monkeypatch.setattr(stacks, "train", lambda *rest: pytest.fail("no GPU was asked for"))
    monkeypatch.setattr(processes, "train", lambda specs, *rest: iter(()))
    assert list(sweep.outcomes(SPECS, store)) == []
