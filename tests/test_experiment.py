"""Runs from spec to last event: same spec same bits, killed and resumed, branches, ways to end, two askers for one key."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import assert_same, digits

from core import criteria, datasets, experiment, masks, recipe
from core.events import EpochEnded, Finished, Notice, Pruned, Started, Stopped
from core.experiment import cut, training
from core.spec import HandCut, RunSpec
from core.store import Store

REPOSITORY = Path(__file__).parents[1]
ENDS = ("target reached", "epoch limit reached", "early stopping", "diverged")


def run(spec, store=None, **options):
    return list(experiment.run(spec, store, **options))


def cuts(events):
    return [event for event in events if isinstance(event, Pruned)]


def epochs(events):
    return [event for event in events if isinstance(event, EpochEnded)]


def assert_same_run(one: Store, key: str, other: Store, other_key: str | None = None) -> None:
    """Both logs say the same but for wall time, and every snapshot is the same file, byte for byte."""
    other_key = other_key or key
    logs = []
    for store, name in ((one, key), (other, other_key)):
        lines = [{k: v for k, v in line.items() if k not in ("seconds", "crc")} for line in store.log(name)]
        logs.append(lines)
    assert logs[0] == logs[1]
    files = []
    for store, name in ((one, key), (other, other_key)):
        folder = store.root / "runs" / name
        files.append({file.name: file.read_bytes() for file in folder.glob("epoch-*.safetensors")})
    assert files[0].keys() == files[1].keys() and files[0] == files[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Store:
    """A store that holds the uninterrupted run of `digits()`."""
    store = Store(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        run(digits(), store)
    return store


# What a run is


def test_the_events_of_a_run_in_order(whole):
    events = whole.events(digits().key())
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    assert [e.epoch for e in epochs(events)] == list(range(1, len(epochs(events)) + 1))
    assert [e.round for e in cuts(events)] == [1, 2, 3]
    sizes = [64 * 24, 24 * 16, 16 * 10]
    assert (events[0].weights, events[0].hidden_weights) == (sum(sizes), sum(sizes[:-1]))
    thresholds = recipe.thresholds(digits())
    at = {e.epoch: e.train_accuracy for e in epochs(events)}
    for event, threshold in zip(cuts(events), thresholds, strict=True):
        assert at[event.epoch] >= threshold


def test_each_cut_reports_both_sides(whole):
    key = digits().key()
    for number, event in enumerate(cuts(whole.events(key)), start=1):
        moment = whole.snapshot(key, event.epoch)
        after = moment.state.network()
        assert event.requested == pytest.approx(sum(recipe.shares(digits().pruning)[:number]))
        assert event.achieved == pytest.approx(after.sparsity()) and event.achieved >= event.requested - 1e-3
        assert event.achieved_hidden == pytest.approx(after.hidden_sparsity())
        assert event.alive == tuple(int(alive.sum()) for alive in after.alive())
        data = datasets.load("digits")
        assert event.accuracy_after == pytest.approx(after.accuracy(data.x_valid, data.y_valid), abs=1e-6)
        assert event.accuracy_before == pytest.approx(
            moment.before_cut().accuracy(data.x_valid, data.y_valid), abs=1e-6
        )
        for sides, network in ((event.before, moment.before_cut()), (event.after, after)):
            for spectrum, weight in zip(sides, network.weights, strict=False):
                assert spectrum.rank == np.linalg.matrix_rank(weight)
                values = np.linalg.svd(weight, compute_uv=False)
                np.testing.assert_allclose(spectrum.values, values, atol=1e-5)


def test_the_last_event_holds_the_network_and_its_test_accuracy(whole):
    final = whole.events(digits().key())[-1]
    data = datasets.load("digits")
    assert final.test_accuracy == final.network.accuracy(data.x_test, data.y_test)
    assert final.outcome in ENDS


def test_with_and_without_a_store_a_run_is_the_same(whole):
    def plain(event):
        return replace(event, seconds=0) if isinstance(event, EpochEnded) else event

    ours, stored = run(digits()), whole.events(digits().key())
    assert [type(e) for e in ours] == [type(e) for e in stored]
    assert [plain(e) for e in epochs(ours)] == [plain(e) for e in epochs(stored)]
    assert_same(ours[-1].network.weights, stored[-1].network.weights)
    for a, b in zip(cuts(ours), cuts(stored), strict=True):
        assert (a.achieved, a.accuracy_after, a.alive) == (b.achieved, b.accuracy_after, b.alive)
        assert_same([s.values for s in a.after], [s.values for s in b.after])


def test_the_same_spec_twice_is_bit_identical(whole, store):
    run(digits(), store)
    assert_same_run(store, digits().key(), whole)


def test_what_is_stored_comes_back_without_training(whole, monkeypatch):
    monkeypatch.setattr(experiment, "Trainer", None)  # would fail if it were asked
    events = run(digits(), whole)
    assert isinstance(events[-1], Finished) and len(epochs(events)) == whole.open(digits().key()).last_epoch


# Killed


KILLED = """
import os, random, signal, sys
from core import datasets, experiment
from core.spec import RunSpec
from core.store import Store
import json
import scipy.linalg.blas  # it and the data: so that the instants fall into the run, not into loading
values, root, count = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
spec = RunSpec.from_dict(values)
datasets.load(spec.dataset)

def forked(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]

def profiled(store, limit, report=None):
    calls = 0
    def tick(frame, kind, argument):
        nonlocal calls
        calls += 1
        if calls == limit:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(tick)
    for event in experiment.run(spec, store):
        pass
    sys.setprofile(None)
    if report:
        os.write(report, str(calls).encode())

reading, writing = os.pipe()
assert forked(lambda: profiled(Store(root + "/count"), -1, writing)) == 0
total = int(os.read(reading, 100))
draw = random.Random(7)
for number in range(count):
    limit = draw.randrange(total // 50, total - total // 50)
    status = forked(lambda: profiled(Store(f"{root}/{number}"), limit))
    assert status == signal.SIGKILL, (number, status)
    print([run.last_epoch for run in Store(f"{root}/{number}").runs() if not run.finished])
"""


def in_a_process(code, *arguments, check=True):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of one process, which Windows has not")
def test_killed_at_five_random_instants_a_run_resumes_bit_identical(whole, tmp_path):
    spec, key = digits(), digits().key()
    said = in_a_process(KILLED, json.dumps(spec.to_dict()), tmp_path, 5).stdout.split()
    assert len(said) == 5 and len(set(said)) > 2, said  # five unfinished runs, killed in different epochs
    for number in range(5):
        store = Store(tmp_path / str(number))
        events = run(spec, store)
        assert isinstance(events[-1], Finished)
        assert_same_run(store, key, whole)


HOOKED = """
import json, os, signal, sys
from core import experiment
from core.spec import RunSpec
from core.store import Store
spec = RunSpec.from_dict(json.loads(sys.argv[1]))
moment = sys.argv[3]
append, write = Store._append, Store._write

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def hooked_append(self, folder, lines):
    kinds = [line["kind"] for line in lines]
    if moment == "after the snapshot, before its line" and "Pruned" in kinds:
        die()
    if moment == "between an epoch's line and its cut's" and "Pruned" in kinds:
        append(self, folder, lines[:1])
        die()
    if moment == "in the middle of the cut's line" and "Pruned" in kinds:
        append(self, folder, lines)
        os.truncate(folder / "events.jsonl", os.path.getsize(folder / "events.jsonl") - 30)
        die()
    append(self, folder, lines)
    if moment == "after the last line, before done.json" and "Finished" in kinds:
        die()

def hooked_write(self, file, content):
    if moment == "before the first log" and file.name == "events.jsonl":
        die()
    write(self, file, content)

Store._append, Store._write = hooked_append, hooked_write
for event in experiment.run(spec, Store(sys.argv[2])):
    pass
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(
    "moment, goes_on_after",
    [
        ("after the snapshot, before its line", "the epoch before the cut"),
        ("between an epoch's line and its cut's", "the epoch before the cut"),
        ("in the middle of the cut's line", "the epoch before the cut"),
        ("after the last line, before done.json", "the end"),
        ("before the first log", "the start"),
    ],
)
def test_killed_in_mid_cut_and_at_other_awkward_moments(whole, store, moment, goes_on_after):
    spec, key = digits(), digits().key()
    done = in_a_process(HOOKED, json.dumps(spec.to_dict()), store.root, moment, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not store.open(key).finished
    first_cut = cuts(whole.events(key))[0].epoch
    point = store.resume(spec)
    expected = {"the start": None, "the end": whole.open(key).last_epoch}.get(goes_on_after, first_cut - 1)
    assert (point.moment.epoch if point.moment else None) == expected
    run(spec, store)
    assert store.open(key).finished
    assert_same_run(store, key, whole)


class StopAt:
    """Commands that stop the run between two epochs, or during one."""

    def __init__(self, epoch, during=False):
        self.epoch, self.in_mid = epoch, during

    def during(self, epoch, share):
        return not (self.in_mid and epoch == self.epoch)

    def between(self, epoch, cut):
        return self.in_mid or epoch < self.epoch


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.1), ("adam", 0.01)])
def test_a_rewound_run_trains_what_is_left_again_from_its_start_weights_and_resumes_bit_identical(
    store, tmp_path, optimizer, rate
):
    spec = digits({"rewind": True}, optimizer=optimizer, learning_rate=rate, max_epochs=40)
    events = run(spec, store)
    last = cuts(events)[-1].epoch
    start, cut_then, after = (store.snapshot(spec.key(), epoch) for epoch in (0, last, last + 1))
    assert cut_then.policy.rewind and not after.policy.rewind
    assert all(not zero[~kept].any() for zero, kept in zip(after.state.weights, cut_then.state.kept, strict=True))
    one = training.Trainer(datasets.load("digits"), [spec], [cut_then.state.rewound(start.state)], "cpu")
    list(one.epoch(last + 1))
    assert_same(one.states()[0].weights, after.state.weights)
    accuracy = {e.epoch: e.train_accuracy for e in epochs(events)}
    assert accuracy[last + 1] < accuracy[last] - 0.1 and events[-1].outcome == "target reached"
    plain = run(replace(spec, pruning=replace(spec.pruning, rewind=False)))
    assert len(epochs(plain)) < len(epochs(events))
    other = Store(tmp_path / "other")
    run(spec, other, commands=StopAt(last, False))  # right after the cut, before the rewinding
    run(spec, other)
    assert_same_run(store, spec.key(), other)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.1), ("adam", 0.01)])
@pytest.mark.parametrize("during", [False, True])
def test_a_stopped_run_is_unfinished_and_resumes_bit_identical(store, tmp_path, optimizer, rate, during):
    spec = digits(optimizer=optimizer, learning_rate=rate, max_epochs=4)
    events = run(spec, store, commands=StopAt(2, during))
    assert events[-1] == Stopped(1 if during else 2)
    assert not store.open(spec.key()).finished and store.open(spec.key()).reason is None
    assert isinstance(run(spec, store)[-1], Finished)
    other = Store(tmp_path / "other")
    run(spec, other)
    assert_same_run(store, spec.key(), other)


def test_a_damaged_snapshot_is_set_aside_and_the_run_goes_on_from_before_it(whole, store):
    spec, key = digits(), digits().key()
    run(spec, store)
    last = store.open(key).last_epoch
    file = store.root / "runs" / key / f"epoch-{last:03d}.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    events = run(spec, store)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == [f"the stored epoch {last} of run {key} was damaged; it is set aside"]
    assert file.with_name(file.name + ".damaged").read_bytes() == content
    assert_same_run(store, key, whole)


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_damaged_moment_of_an_early_cut_is_not_fatal(whole, store, content):
    spec, key = digits(), digits().key()
    run(spec, store)
    first = cuts(whole.events(key))[0].epoch
    (store.root / "runs" / key / f"epoch-{first:03d}.safetensors").write_bytes(content)
    events = run(spec, store)
    assert any(f"epoch {first} of run {key} was damaged" in e.text for e in events if isinstance(e, Notice))
    assert_same_run(store, key, whole)


def test_a_run_whose_middle_was_thinned_resumes_and_ends_the_same(whole, store):
    spec = digits({"ratio": 0.5, "rounds": 1}, max_epochs=7, target_accuracy=0.999)
    run(spec, store)
    full = [moment.tobytes() for moment in store.network(spec.key()).weights]
    key = spec.key()
    assert store.thin(key) > 0
    stored = store.open(key).epochs
    cut_at = cuts(store.events(key))[0].epoch
    assert set(stored) == {0, cut_at - 1, cut_at, cut_at + 1, 7}
    (store.root / "runs" / key / "epoch-007.safetensors").unlink()
    (store.root / "runs" / key / "done.json").unlink()
    events = run(spec, store)
    assert not any(isinstance(event, Notice) for event in events)
    assert [moment.tobytes() for moment in store.network(key).weights] == full
    assert store.open(key).finished and [e.epoch for e in epochs(events)] == list(range(1, 8))


# Branches


@pytest.mark.parametrize("where", ["middle", "end"])
def test_a_branch_shares_the_parents_moments_and_equals_itself_from_scratch(whole, store, tmp_path, where):
    parent, key = digits(), digits().key()
    run(parent, store)
    last = store.open(key).last_epoch
    epoch = 3 if where == "middle" else last
    branch = parent.branch(epoch, 0.7)
    point = store.resume(branch)
    assert point.moment.epoch == epoch - 1
    shared = [store.root / "runs" / k / f"epoch-{epoch - 1:03d}.safetensors" for k in (key, branch.key())]
    assert shared[0].read_bytes() == shared[1].read_bytes()
    before = [e.epoch for e in epochs(point.events)]
    assert before == list(range(1, epoch))
    events = run(branch, store)
    by_hand = [event for event in cuts(events) if event.round is None]
    assert [(e.epoch, e.requested) for e in by_hand] == [(epoch, 0.7)] and by_hand[0].achieved >= 0.7 - 1e-3
    scratch = Store(tmp_path / "scratch")
    run(branch, scratch)
    assert_same_run(store, branch.key(), scratch)
    assert_same_run(store, key, whole)  # the parent is as it was
    with pytest.raises(ValueError, match="parent of 1 other"):
        store.delete(key)


def test_a_cut_after_the_parents_end_is_still_made(store, tmp_path):
    parent = digits(max_epochs=3)
    run(parent, store)
    branch = parent.branch(5, 0.7)
    assert store.resume(branch).moment.epoch == 2
    assert [e.epoch for e in cuts(run(branch, store)) if e.round is None] == [5]
    scratch = Store(tmp_path / "scratch")
    run(branch, scratch)
    assert_same_run(store, branch.key(), scratch)


def test_a_branch_of_a_branch_and_one_whose_parent_is_gone(store, tmp_path):
    parent = digits(max_epochs=4)
    run(parent, store)
    one = parent.branch(2, 0.3)
    run(one, store)
    two = one.branch(3, 0.5)
    assert [cut.epoch for cut in two.hand_cuts] == [2, 3]
    assert store.resume(two).moment.epoch == 2
    run(two, store)
    scratch = Store(tmp_path / "scratch")  # knows no parent
    run(two, scratch)
    assert_same_run(store, two.key(), scratch)


def test_a_spec_that_names_an_unrelated_parent_is_trained_from_its_start(store):
    parent = digits(max_epochs=2)
    run(parent, store)
    for stranger in (digits(max_epochs=2, seed=5, parent=parent.key()), digits(max_epochs=3, parent=parent.key())):
        assert store.resume(stranger).moment is None


def test_a_cut_by_hand_in_a_run_without_pruning_uses_the_default_ranking():
    spec = digits(None, max_epochs=2, hand_cuts=(HandCut(epoch=1, ratio=0.5),))
    events = run(spec)
    assert [(e.round, e.requested) for e in cuts(events)] == [(None, 0.5)]
    assert events[-1].network.sparsity() >= 0.5 - 1e-3


# Variants


@pytest.mark.parametrize("name", criteria.names())
@pytest.mark.parametrize("scope", masks.SCOPES)
def test_every_criterion_reaches_its_ratio(name, scope):
    events = run(digits({"criterion": name, "scope": scope, "rounds": 2, "start_accuracy": 0.4}, max_epochs=3))
    done = cuts(events)
    assert done
    share_hidden = (64 * 24 + 24 * 16) / (64 * 24 + 24 * 16 + 160)
    for event in done:
        reached = event.achieved if scope == "global" else event.achieved_hidden
        assert reached >= event.requested - 2e-3 and event.achieved <= event.requested + 0.08
    assert 0 < share_hidden < 1


def test_an_increment_takes_its_share_from_the_living_and_redundancy_comes_on_top():
    spec = digits({"budget": "increment", "start_accuracy": 0.4}, max_epochs=8)
    shares, total, zero = recipe.shares(spec.pruning), 64 * 24 + 24 * 16 + 160, 0
    for number, event in enumerate(cuts(run(spec)), start=1):
        now = round(event.achieved * total)
        assert now - zero >= round(shares[number - 1] * total) or event.alive == (0, 0)
        assert event.requested == pytest.approx(sum(shares[:number]))
        zero = now


def test_counts_are_kept_over_the_run_or_reset_after_each_cut(store):
    kept, reset = digits(), digits({"reset_counts": True})
    for spec in (kept, reset):
        run(spec, store)
    size = len(datasets.load("digits").x_train)
    first, second = (e.epoch for e in cuts(store.events(reset.key()))[:2])
    assert store.counts(kept.key(), first)[1] == store.counts(reset.key(), first)[1] == first * size
    assert store.counts(reset.key(), second)[1] == (second - first) * size
    assert store.snapshot(reset.key(), first).state.seen == 0  # and the counts of the cut itself are still told
    final = store.counts(kept.key())
    assert final[1] == store.open(kept.key()).last_epoch * size and all((f <= final[1]).all() for f in final[0])


def test_the_sample_counts_32_images_an_epoch(store):
    spec = digits({"counting": "sample-32"}, max_epochs=3)
    run(spec, store)
    fired, seen = store.counts(spec.key())
    assert seen == 96 and max(count.max() for count in fired) <= 96


def test_the_threshold_variant_cuts_the_neurons_below(store):
    spec = digits({"selection": "deviation", "start_accuracy": 0.4}, max_epochs=6)
    events = run(spec, store)
    for number, event in enumerate(cuts(events)):
        assert event.requested is None
        moment = store.snapshot(spec.key(), event.epoch)
        k = [3, 2, 1][number]
        before = moment.before_cut().alive()
        for fired, alive, kept in zip(moment.fired, before, moment.state.kept, strict=False):
            low = alive & (fired < fired[alive].mean() - k * fired[alive].std())
            assert not kept[low].any() and kept[alive & ~low].any(axis=1).mean() > 0.5
    assert events[-1].network.sparsity() > 0


def test_adam_trains_prunes_and_keeps_what_is_cut_at_zero(store):
    spec = digits(optimizer="adam", learning_rate=0.01)
    events = run(spec, store)
    achieved = cuts(events)[-1].achieved
    assert events[-1].network.sparsity() == pytest.approx(achieved) and events[-1].test_accuracy > 0.6


def test_a_minimum_of_neurons_is_kept_in_every_layer():
    events = run(digits({"ratio": 0.97, "rounds": 1, "min_units": 3, "start_accuracy": 0.4}, max_epochs=3))
    assert min(cuts(events)[0].alive) >= 3 and events[-1].outcome != "diverged"


# Ends


def test_the_target_ends_the_run_after_the_last_cut():
    events = run(digits({"ratio": 0.2, "rounds": 1}, max_epochs=12))
    assert events[-1].outcome == "target reached" and epochs(events)[-1].train_accuracy >= 0.9
    assert cuts(events)[-1].epoch < epochs(events)[-1].epoch


def test_a_target_never_reached_ends_at_the_epoch_limit():
    events = run(digits(max_epochs=2, target_accuracy=1.0))
    assert events[-1].reason.startswith("epoch limit reached: training accuracy ") and len(epochs(events)) == 2


def test_a_cut_in_the_last_epoch_does_not_prolong_the_run():
    events = run(digits({"start_accuracy": 0.0, "rounds": 1}, max_epochs=1))
    assert len(cuts(events)) == 1 and len(epochs(events)) == 1
    assert events[-1].reason.endswith("after 1 epochs, 1 of 1 cuts made")


@pytest.mark.parametrize("hidden", [(24, 16), (300, 200, 100, 50)])
def test_a_learning_rate_of_a_thousand_million_ends_as_diverged(store, hidden):
    spec = digits(learning_rate=1e9, hidden=hidden)
    final = run(spec, store)[-1]
    assert final.outcome == "diverged" and "a smaller learning rate" in final.reason
    again = run(spec, store)[-1]
    assert again.reason == final.reason and again.test_accuracy == final.test_accuracy


def test_a_layer_that_dies_ends_the_run_in_words():
    events = run(digits({"ratio": 0.99, "rounds": 1, "start_accuracy": 0.3}))
    assert 0 in cuts(events)[-1].alive
    assert events[-1].reason.startswith("diverged: hidden layer") and "keep a minimum of neurons" in events[-1].reason
    assert len(epochs(events)) == cuts(events)[-1].epoch


def test_the_released_early_stopping_ends_a_run_that_overfits(monkeypatch):
    losses = iter([1.0, 1.2, 1.3, 1.4])
    evaluate = training.Trainer.evaluate

    def rising(self, by_class=False):
        measured = evaluate(self, by_class)
        return [replace(m, loss=next(losses)) for m in measured] if by_class else measured

    monkeypatch.setattr(training.Trainer, "evaluate", rising)
    events = run(digits(None, early_stopping="released", max_epochs=9, target_accuracy=1.0))
    assert events[-1].outcome == "early stopping" and len(epochs(events)) == 4


def test_a_batch_larger_than_the_data_is_refused_before_training(store):
    with pytest.raises(
        ValueError, match=r"batch_size 2000 is larger than the 1,294 training images of digits: give one in"
    ):
        run(digits(batch_size=2000), store)
    assert store.runs() == []
    assert isinstance(run(digits(batch_size=1294, max_epochs=1))[-1], Finished)


def test_one_image_a_batch_and_one_neuron_a_layer_train():
    assert isinstance(run(digits(batch_size=1, max_epochs=1, learning_rate=0.01))[-1], Finished)
    assert isinstance(run(digits(hidden=(1,), max_epochs=1))[-1], Finished)


# Two askers


def test_two_processes_that_ask_for_one_key_train_it_once(store):
    spec = digits()
    code = (
        "import json, sys; from core import experiment; from core.spec import RunSpec; from core.store import Store\n"
        "spec = RunSpec.from_dict(json.loads(sys.argv[1])); trained = []\n"
        "first = experiment.Trainer.epoch\n"
        "experiment.Trainer.epoch = lambda self, number, on=None: trained.append(number) or first(self, number, on)\n"
        "events = list(experiment.run(spec, Store(sys.argv[2])))\n"
        "print(len(trained), events[-1].reason)"
    )
    arguments = [sys.executable, "-c", code, json.dumps(spec.to_dict()), str(store.root)]
    both = [subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].strip().split(" ", 1) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    last = store.open(spec.key()).last_epoch
    assert sorted(int(count) for count, _ in said) == [0, last] and said[0][1] == said[1][1]


def test_who_comes_second_is_told_and_may_give_up(store):
    spec = digits()
    lock = store.claim(spec.key())

    class GivesUp(StopAt):
        def during(self, epoch, share):
            return False

    with lock:
        events = run(spec, store, commands=GivesUp(0))
    assert events == [Notice("another process is training this very run: waiting for its result"), Stopped(0)]


def test_who_comes_second_gets_the_result_of_the_first(store, monkeypatch):
    spec = digits(max_epochs=2)
    told = threading.Event()
    monkeypatch.setattr(experiment.time, "sleep", lambda seconds: released.wait(30))
    released, second = threading.Event(), []

    def ask():
        for event in experiment.run(spec, store):
            second.append(event)
            told.set()

    lock = store.claim(spec.key())
    thread = threading.Thread(target=ask)
    with lock:
        thread.start()
        assert told.wait(30) and isinstance(second[0], Notice)
        store_of_first = Store(store.root)
        point = store_of_first.resume(spec)
        events = list(
            experiment._train(
                spec, datasets.load("digits"), point.moment, experiment.Unattended(), store_of_first, "cpu"
            )
        )
    released.set()
    thread.join(60)
    assert not thread.is_alive()
    assert_same(second[-1].network.weights, events[-1].network.weights)


# Provenance and evidence


def test_what_it_was_made_on_is_recorded(whole):
    record = whole.provenance(digits().key())
    assert (record["device"], record["number_type"], record["threads"]) == ("cpu", "float32", 1)
    assert {"python", "torch", "numpy", "scikit-learn", "safetensors"} <= set(record["versions"])
    assert record["reason"] == whole.open(digits().key()).reason and "finished" in record


@pytest.mark.parametrize("name", criteria.names())
def test_evidence_gathers_what_a_criterion_needs_and_no_more(name):
    data, spec = datasets.load("digits"), digits({"criterion": name})
    state = training.start(spec, data)
    one, two = (cut.evidence(spec, name, state.network(), (state.fired, state.seen), data, 3) for _ in range(2))
    needs = criteria.get(name).needs
    assert (one.inputs is not None) == bool(needs & {"inputs", "gradients"})
    assert (one.gradients is not None) == ("gradients" in needs)
    if one.inputs is not None:
        training_images = {image.tobytes() for image in data.x_train}
        assert all(image.tobytes() in training_images for image in one.inputs)  # never validation or test images
    assert_same(criteria.scores(name, one), criteria.scores(name, two))


def test_the_default_run_needs_no_configuration():
    assert RunSpec().key() == RunSpec(dataset="mnist-mini").key()
