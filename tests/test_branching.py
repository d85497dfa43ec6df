"""A cut by hand in a stored run: however that run ended, the branch has its cut, or it is refused in a sentence."""

import queue

import numpy as np
import pytest
from small import digits

from core import experiment, recipe
from core.experiment import training
from core.jobs import worker
from core.spec import HandCut, PenaltySpec, PruningSpec, RunSpec
from core.store import Store, branching


def finished(store: Store, spec: RunSpec) -> str:
    list(experiment.run(spec, store))
    return spec.key()


def by_hand(store: Store, key: str) -> list[dict]:
    return [line for line in store.log(key) if line["kind"] == "Pruned" and line["round"] is None]


def ends_early(seed: int) -> RunSpec:
    """At its target, its limit, by death, divergence, or an emptied layer."""
    rng = np.random.default_rng(seed)
    kind = ["target", "limit", "dead", "diverged", "emptied", "penalty"][seed % 6]
    changes = {
        "target": {"target_accuracy": 0.5},
        "limit": {"max_epochs": 3, "target_accuracy": 1.0},
        "dead": {"learning_rate": float(rng.uniform(2, 6))},
        "diverged": {"learning_rate": float(10 ** rng.uniform(4, 9))},
        "emptied": {},
        "penalty": {"penalty": PenaltySpec(strength=2.0)},
    }[kind]
    plan = PruningSpec(ratio=0.99, rounds=1, start_accuracy=0.3) if kind == "emptied" else None
    widths = tuple(int(width) for width in rng.integers(12, 30, 2))
    values = {
        "dataset": "digits",
        "hidden": widths,
        "learning_rate": 0.1,
        "batch_size": 16,
        "max_epochs": 5,
        "seed": seed,
    }
    return RunSpec(**values | {"pruning": plan} | changes)


@pytest.mark.parametrize("seed", range(18))
def test_a_branch_has_its_cut_or_is_refused_in_a_sentence(store, seed):
    spec = ends_early(seed)
    key = finished(store, spec)
    run = store.open(key)
    for epoch in range(run.last_epoch + 1):
        zero = max((line["achieved"] for line in store.log(key) if line.get("epoch", 0) <= epoch and "achieved" in line),
                   default=0.0)  # fmt: skip
        ratio = zero + (1 - zero) / 2 if zero < 0.9 else 0.99
        try:
            branch = branching.branch(store, key, epoch, round(min(0.9, ratio), 2))
        except ValueError as error:
            last = epoch == run.last_epoch and run.reason.split(":")[0] in branching.NOTHING_LEFT
            assert epoch == 0 or last, error
            assert "choose" in str(error) or "started otherwise" in str(error)
            continue
        finished(store, branch)
        assert [line["epoch"] for line in by_hand(store, branch.key())] == [epoch]


def rising(monkeypatch) -> None:
    """Validation losses that rise for ever."""
    evaluate, losses = training.Trainer.evaluate, iter(1.2**n for n in range(1000))

    def measured(self, by_class=False):
        found = evaluate(self, by_class)
        loss = next(losses) if by_class else 1.0
        return [training.Measured(one.accuracy, loss, one.fired_by_class, one.answer) for one in found]

    monkeypatch.setattr(training.Trainer, "evaluate", measured)


def test_a_run_that_ended_by_early_stopping_is_cut_there_and_watched_anew(store, monkeypatch):
    rising(monkeypatch)
    spec = digits(None, max_epochs=30, early_stopping="released", target_accuracy=1.0)
    key = finished(store, spec)
    end = store.open(key)
    assert end.reason.startswith("early stopping")
    branch = branching.branch(store, key, end.last_epoch, 0.5)
    finished(store, branch)
    assert [line["epoch"] for line in by_hand(store, branch.key())] == [end.last_epoch]
    assert store.open(branch.key()).last_epoch > end.last_epoch + 1  # it was trained on


@pytest.mark.parametrize("epoch", [3, 4, 6])
def test_early_stopping_does_not_end_a_run_before_its_cut_by_hand(epoch):
    spec = RunSpec(pruning=None, early_stopping="released", hand_cuts=(HandCut(epoch=epoch, ratio=0.5),))
    state, cuts, ends = recipe.State(), [], None
    for number in range(1, 30):
        decision = recipe.after_epoch(spec, state, number, 0.5, 1.0, 1.2**number)
        state = decision.state
        cuts += [number] * len(decision.cuts)
        if decision.stop:
            ends = decision.stop
            break
    assert cuts == [epoch] and ends.startswith("early stopping") and number > epoch


def test_a_cut_at_epoch_0_is_refused():
    with pytest.raises(ValueError, match="a cut by hand at epoch 0 never comes, .* give an epoch from 1 on"):
        HandCut(epoch=0, ratio=0.5)


def test_a_cut_beyond_the_run_is_refused_before_training(store):
    spec = digits(None, max_epochs=4, hand_cuts=(HandCut(epoch=5, ratio=0.5),))
    with pytest.raises(ValueError, match="at epoch 5 never comes in a run of 4 epochs: give it an epoch in 1..4"):
        list(experiment.run(spec, store))


def test_an_epoch_that_the_run_does_not_have_is_refused(store):
    key = finished(store, digits(max_epochs=2))
    with pytest.raises(ValueError, match="the run has no epoch 3: choose one in 1..2"):
        branching.branch(store, key, 3, 0.9)


@pytest.mark.parametrize("rate, outcome", [(5.0, "dead"), (1e9, "diverged"), (0.1, "finished")])
def test_a_cut_asked_of_a_live_run_in_its_last_epoch_comes_or_is_refused(store, rate, outcome):
    said, inbox = [], queue.Queue()
    inbox.put({"command": "prune", "ratio": 0.5})
    spec = digits(None, learning_rate=rate, max_epochs=1, target_accuracy=1.0)
    task = {"root": str(store.root), "spec": spec.to_dict()}
    worker.run_task(task, inbox, lambda kind, **values: said.append((kind, values)))
    keys = [values["key"] for kind, values in said if kind == "key"]
    told = [values["text"] for kind, values in said if kind == "notice"]
    if outcome == "finished":
        assert [line["epoch"] for line in by_hand(store, keys[0])] == [1] and not told
    else:
        assert not keys and told[0].startswith("It was not cut: nothing trains on after epoch 1")
        assert said[-1] == ("done", {"reason": store.open(spec.key()).reason})
