"""Sweeps: every spec comes back once, stored ones first and untrained, the same numbers as alone, whoever is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import digits
from waiting import wait_until

from core import datasets, experiment, sweep
from core.events import EpochEnded, Finished
from core.spec import PenaltySpec, PruningSpec, RunSpec
from core.store import Store, StoreError
from core.sweep import grid, outcomes, processes, run_many

REPOSITORY = Path(__file__).parents[1]
SPECS = [digits(max_epochs=2, seed=seed) for seed in range(3)]
LONG = [digits(None, max_epochs=10, target_accuracy=1.0, learning_rate=0.01, seed=seed) for seed in range(4)]
DEADLY = 7  # a seed


# -- what stands in for `crew.trained`, in the worker process --------------------------------------------------------


def noted(spec, root):
    """Writes down who trains what from where, and trains it."""
    stored = epochs(Store(root), spec)
    Path(root).mkdir(exist_ok=True)
    with open(Path(root) / "starts.txt", "a") as file:
        file.write(f"{spec.seed} {stored} {os.getpid()}\n")
    return processes.trained(spec, root)


def deadly(spec, root):
    """Kills its own process, once two epochs of the deadly seed are stored or have been before."""
    if spec.seed == DEADLY:
        noted(replace(spec, max_epochs=1), root)
        for event in experiment.run(spec, Store(root)):
            if isinstance(event, EpochEnded) and event.epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
    return noted(spec, root)


def broken(spec, root):
    if spec.seed == 1:
        raise OSError("the disk is on fire")
    return processes.trained(spec, root)


def epochs(store, spec) -> int:
    """How many moments of the run are stored."""
    return next((len(run.epochs) for run in store.runs() if run.key == spec.key()), 0)


def starts(store) -> list[tuple[int, ...]]:
    """(seed, moments stored before, process) of every training, oldest first."""
    file = store.root / "starts.txt"
    return [tuple(map(int, line.split())) for line in file.read_text().splitlines()] if file.is_file() else []


def stamps(store, name) -> dict[str, int]:
    """When each run's file of that name was written."""
    return {run.key: (store.root / "runs" / run.key / name).stat().st_mtime_ns for run in store.runs() if run.finished}


def alone(spec, tmp_path) -> dict[str, bytes]:
    """Every moment of the run, trained in this process in a store of its own."""
    store = Store(tmp_path / "alone")
    list(experiment.run(spec, store))
    return moments(store, spec)


def moments(store, spec) -> dict[str, bytes]:
    return {name: content for name, content in store.files(spec.key()).items() if name.startswith("epoch")}


# -- a sweep ---------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(processes, "trained", noted)
    new = digits(max_epochs=1, seed=9)
    again = list(outcomes([new, *SPECS], store, n_jobs=1))
    assert [outcome.spec for outcome in again] == [*SPECS, new]
    assert [outcome.stored for outcome in again] == [True, True, True, False]
    assert [seed for seed, *_ in starts(store)] == [9]
    accuracies = {spec: final.test_accuracy for spec, final in results}
    assert all(outcome.finished.test_accuracy == accuracies[outcome.spec] for outcome in again[:3])


def test_what_is_asked_twice_runs_once(store, monkeypatch):
    monkeypatch.setattr(processes, "trained", noted)
    twice = [*SPECS[:2], *SPECS[:2], replace(SPECS[0])]
    assert len(list(outcomes(twice, store, n_jobs=2))) == 2 and len(starts(store)) == 2


def test_a_stored_run_that_was_damaged_is_made_again(swept):
    store, results = swept
    key = SPECS[0].key()
    weights = store.network(key).weights[0].tobytes()
    (store.root / "runs" / key / "epoch-002.safetensors").write_bytes(b"half")
    ((_, final),) = run_many(SPECS[:1], store, n_jobs=1)
    assert final.network.weights[0].tobytes() == weights


def test_a_sweep_can_be_left_and_taken_up_again(store, monkeypatch, gates):
    monkeypatch.setattr(processes, "trained", noted)
    for spec in LONG[1:]:
        gates.hold(spec.key(), 2)
    sweeping = run_many(LONG, store, n_jobs=2)
    first = next(sweeping)
    sweeping.close()
    assert store.open(first[0].key()).finished
    wait_until(lambda: not any(store.is_claimed(spec.key()) for spec in LONG), what="the processes to end")
    before = stamps(store, "done.json")
    assert list(before) == [LONG[0].key()]
    gates.open()
    assert len(list(run_many(LONG, store, n_jobs=2))) == 4
    after = stamps(store, "done.json")
    assert {key: after[key] for key in before} == before and len(after) == 4


def test_a_sweep_stops_when_it_is_told_to(store, gates):
    told = []
    for spec in LONG:
        gates.hold(spec.key(), 3)

    def going():
        told.append(any(len(run.epochs) > 2 for run in store.runs()))
        return not told[-1]

    assert list(outcomes(LONG, store, 2, going)) == [] and told[-1]
    assert not any(store.is_claimed(spec.key()) for spec in LONG)


def test_a_sweep_needs_no_store_and_may_be_empty():
    assert list(run_many([], None)) == []
    ((spec, final),) = run_many([replace(SPECS[0], max_epochs=1)], None, n_jobs=1)
    assert spec.max_epochs == 1 and isinstance(final, Finished)


def test_bad_settings_are_told_before_anything_runs(store, monkeypatch):
    for jobs in (0, True, 1.5, "2"):
        with pytest.raises(ValueError, match="1 or more, or -1"):
            next(outcomes(SPECS, store, jobs))
    monkeypatch.setenv("PRUNING_CACHE_GB", "much")
    with pytest.raises(StoreError, match="PRUNING_CACHE_GB"):
        next(outcomes(SPECS, store, 1))
    assert not store.runs()


# -- runs that fail --------------------------------------------------------------------------------------------------


def test_a_run_that_fails_is_a_row_with_its_reason(store):
    unfit = digits(max_epochs=1, batch_size=5000)
    rows = {outcome.spec: outcome for outcome in outcomes([unfit, *SPECS[:2]], store, n_jobs=2)}
    assert len(rows) == 3 and all(rows[spec].finished and rows[spec].reason is None for spec in SPECS[:2])
    assert rows[unfit].finished is None and "larger than the" in rows[unfit].reason


def test_an_exception_nobody_foresaw_is_a_row_too(store, monkeypatch):
    def burning(spec, root):
        raise OSError("the disk is on fire")

    monkeypatch.setattr(experiment, "run", burning)
    finished, reason = processes.trained(SPECS[0], str(store.root))
    assert finished is None and "OSError: the disk is on fire" in reason


def test_a_worker_that_cannot_even_answer_is_a_row(store, monkeypatch):
    monkeypatch.setattr(processes, "trained", broken)
    rows = {outcome.spec.seed: outcome for outcome in outcomes(SPECS, store, n_jobs=2)}
    assert rows[0].finished and rows[2].finished and "on fire" in rows[1].reason


def test_data_that_are_not_there_fail_their_own_runs_only(store, monkeypatch):
    gone = replace(datasets._entries["mnist"], files=lambda: None)
    monkeypatch.setitem(datasets._entries, "mnist", gone)
    spec = RunSpec(dataset="mnist")
    rows = list(outcomes([spec, SPECS[0]], store, n_jobs=1))
    assert [row.spec for row in rows] == [spec, SPECS[0]]
    assert rows[0].finished is None and "mnist is not on this computer" in rows[0].reason and rows[1].finished


def test_run_many_leaves_failed_runs_out_and_names_them_at_the_end(store):
    unfit, seen = digits(max_epochs=1, batch_size=5000), []
    with pytest.raises(sweep.SweepError, match="1 run failed:\n.*batch size 5000.*larger than"):
        for spec, _ in run_many([unfit, *SPECS[:2]], store, n_jobs=2):
            seen.append(spec.seed)
    assert sorted(seen) == [0, 1]


# -- killing ---------------------------------------------------------------------------------------------------------


def killing(store, gates, condition) -> threading.Thread:
    """Waits for the condition on the starts so far, then kills the process of the first start it names, in mid-run."""
    for spec in LONG:
        gates.hold(spec.key(), 4)

    def kill():
        seed, _, pid = wait_until(lambda: condition(starts(store)))
        wait_until(lambda: epochs(store, LONG[seed]) > 3)
        os.kill(pid, signal.SIGKILL)
        gates.open()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_killed_worker_costs_nothing_that_was_stored(store, monkeypatch, tmp_path, gates):
    monkeypatch.setattr(processes, "trained", noted)
    killer = killing(store, gates, lambda begun: begun[0] if begun else None)
    rows = list(outcomes(LONG, store, n_jobs=2))
    killer.join()
    begun = starts(store)
    victim = begun[0][0]
    assert sorted(row.spec.seed for row in rows) == [0, 1, 2, 3] and all(row.finished for row in rows)
    again = [stored for seed, stored, _ in begun if seed == victim]
    assert len(begun) == 5 and again[0] == 0 and again[1] > 3  # the others once, this one from where it was
    assert moments(store, LONG[victim]) == alone(LONG[victim], tmp_path)


def test_a_spec_that_kills_its_worker_twice_is_a_row_that_says_so(store, monkeypatch):
    monkeypatch.setattr(processes, "trained", deadly)
    bad = digits(None, max_epochs=30, seed=DEADLY)
    rows = {row.spec: row for row in outcomes([bad, *SPECS], store, n_jobs=2)}
    assert all(rows[spec].finished for spec in SPECS) and len(rows) == 4
    assert rows[bad].finished is None and "died twice (SIGKILL)" in rows[bad].reason
    begun = [seed for seed, *_ in starts(store)]
    assert begun.count(DEADLY) == 2 and sorted(begun) == [0, 1, 2, DEADLY, DEADLY]
    assert store.open(bad.key()).last_epoch == 2


def test_one_process_alone_is_no_exception(store, monkeypatch):
    monkeypatch.setattr(processes, "trained", deadly)
    bad = digits(None, max_epochs=30, seed=DEADLY)
    rows = {row.spec: row for row in outcomes([bad, SPECS[0]], store, n_jobs=1)}
    assert rows[SPECS[0]].finished and "died twice" in rows[bad].reason


def test_a_killed_worker_without_a_store(monkeypatch, tmp_path):
    folder = Store(tmp_path)
    monkeypatch.setattr(processes, "trained", _without_store(str(tmp_path)))
    rows = list(outcomes(SPECS, None, n_jobs=2))
    assert sorted(row.spec.seed for row in rows) == [0, 1, 2] and all(row.finished for row in rows)
    assert (folder.root / "died").is_file()


class _without_store:
    """Dies at the first call of all."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, spec, root):
        try:
            (self.folder / "died").touch(exist_ok=False)
        except FileExistsError:
            return processes.trained(spec, root)
        os.kill(os.getpid(), signal.SIGKILL)


# -- the command -----------------------------------------------------------------------------------------------------

SMALL = ["--datasets", "digits", "--criteria", "magnitude", sweep.NO_PRUNING, "--ratios", "0.5", "--jobs", "2"]
SMALL += ["--set", "hidden=[24,16]", "batch_size=16", "learning_rate=0.01", "target_accuracy=1.0"]


def command(store, *more, wait=True):
    call = [sys.executable, "-m", "core.sweep", *SMALL, *more, "--cache", str(store.root)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(call, cwd=REPOSITORY, **pipes)
    if not wait:
        return process
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


@pytest.mark.parametrize("how", ["killed", "Ctrl-C"])
def test_a_sweep_that_was_ended_goes_on(store, how, gates):
    args = ["max_epochs=10", "--seeds", "0-2"]
    changes = {"hidden": (24, 16), "batch_size": 16, "learning_rate": 0.01, "target_accuracy": 1.0, "max_epochs": 10}
    first, *others = grid(
        dataset="digits", criterion=["magnitude", sweep.NO_PRUNING], ratio=0.5, seed=range(3), **changes
    )
    for spec in others:
        gates.hold(spec.key(), 4)
    process = command(store, *args, wait=False)
    done = lambda: [run for run in store.runs() if run.finished]  # noqa: E731
    begun = lambda: [run for run in store.runs() if not run.finished and len(run.epochs) > 3]  # noqa: E731
    wait_until(lambda: done() and begun(), 120)
    if how == "killed":
        process.kill()
        process.communicate(timeout=250)  # returns once the workers, which share its output, are gone too
    else:
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=250)
        assert process.returncode == 130 and "goes on from here" in out and "Traceback" not in err
    wait_until(lambda: not any(store.is_claimed(run.key) for run in store.runs()), 30, what="the workers to let go")
    finished = stamps(store, "done.json")
    assert list(finished) == [first.key()]
    gates.open()
    second = {run.key: store.root / "runs" / run.key / "epoch-002.safetensors" for run in begun()}
    written = {key: file.stat().st_mtime_ns for key, file in second.items()}
    code, out, _ = command(store, *args)
    assert code == 0 and "6 of 6 100 %" in out and out.count("(stored)") == len(finished)
    after = stamps(store, "done.json")
    assert len(after) == 6 and {key: after[key] for key in finished} == finished
    assert {key: file.stat().st_mtime_ns for key, file in second.items()} == written  # went on, did not begin again


def test_a_ctrl_c_that_is_swallowed_ends_the_sweep_all_the_same(store, monkeypatch, capsys):
    asked = iter((True, True, True, True))

    def swallowed(specs, store, n_jobs, going):
        for spec in specs:
            if not going():
                return
            next(asked)
            yield sweep.Outcome(spec, None, "none")
            with contextlib.suppress(KeyboardInterrupt):  # as Python does in the midst of a garbage collection
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sweep, "outcomes", swallowed)
    before = signal.getsignal(signal.SIGINT)
    assert sweep.main([*SMALL, "max_epochs=1", "--seeds", "0-1", "--cache", str(store.root)]) == 130
    assert len(list(asked)) == 3  # one run, then the end
    assert "0 of 4 are stored: the same command goes on from here" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before


def test_the_command_lists_what_failed(store, capsys):
    arguments = [*SMALL, "max_epochs=1", "batch_size=5000", "--seeds", "3", "--cache", str(store.root)]
    assert sweep.main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    # magnitude and its twin, in batches of 16, which fit, and of 5,000
    assert lines[0].startswith("4 runs") and [" of 4 " in line for line in lines[1:5]] == [True] * 4
    assert lines[5] == "2 runs failed:" and all("larger than" in line for line in lines[6:])
    assert sum(run.finished for run in store.runs()) == 2


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (["--seeds", "9-0"], "give a number, or a range"),
        (["--datasets", "emnist"], "unknown data set 'emnist'"),
        (["--criteria", "luck"], "luck"),
        (["--ratios", "80"], "ratio 80.0 is outside 0.0..0.99"),
        (["--set", "epochs=3"], "allowed are dataset, hidden, seed"),
        (["--set", "budget"], "give NAME=VALUE"),
        (["--jobs", "0"], "0 jobs are not possible"),
    ],
)
def test_the_command_refuses_in_a_sentence(store, capsys, wrong, sentence):
    assert sweep.main([*wrong, "--cache", str(store.root)]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and len(said.err.splitlines()) == 1 and not store.runs()


def test_the_progress_says_how_long_it_takes():
    assert sweep.progress(0, 40, None) == "[....................]  0 of 40   0 %"
    assert sweep.progress(10, 40, 2.0) == "[#####...............] 10 of 40  25 %, about 60 s left"
    assert sweep.progress(1, 3, 100.0).endswith("about 3 min left")
    assert sweep.progress(1, 3, 9000.0).endswith("about 5 h left")
    assert sweep.progress(3, 3, 9.0) == "[####################] 3 of 3 100 %"


# -- grids -----------------------------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_once_seed_by_seed():
    specs = grid(dataset="digits", criterion=["magnitude", "inactivity"], ratio=[0.8, 0.9], rounds=[5], seed=range(3))
    assert len(specs) == 12 and [spec.seed for spec in specs] == sorted(spec.seed for spec in specs)
    assert {(s.pruning.criterion, s.pruning.ratio) for s in specs} == {
        (criterion, ratio) for criterion in ("magnitude", "inactivity") for ratio in (0.8, 0.9)
    }
    assert grid() == [RunSpec()] and grid(seed=3) == [RunSpec(seed=3)]


def test_a_grid_has_the_unpruned_twin_once_a_seed():
    specs = grid(criterion=[None, "magnitude", sweep.NO_PRUNING], ratio=[0.8, 0.9], rounds=[5, 10], seed=[0, 1])
    assert len(specs) == 2 * (4 + 1)
    assert [spec for spec in specs if spec.pruning is None] == [RunSpec(pruning=None), RunSpec(pruning=None, seed=1)]


def test_a_grid_varies_any_field():
    widths = grid(hidden=(30, 20))
    assert widths == grid(hidden=[[30, 20]]) == [RunSpec(hidden=(30, 20))]
    assert [spec.hidden for spec in grid(hidden=[(30, 20), (5,)])] == [(30, 20), (5,)]
    specs = grid(budget=["total", "increment"], penalty=[None, PenaltySpec()], max_epochs=7)
    assert len(specs) == 4 and {spec.max_epochs for spec in specs} == {7}
    assert grid(ratio=[0.8, 0.80], seed=[0, 0]) == [RunSpec(pruning=PruningSpec(ratio=0.8))]


@pytest.mark.parametrize(
    "axes, sentence",
    [
        ({"epochs": 3}, "'epochs' is nothing that a grid varies: allowed are dataset"),
        ({"parent": "abc"}, "allowed are"),
        ({"ratio": []}, "ratio has no value"),
        ({"ratio": [0.8, 1.0]}, "ratio 1.0 is outside"),
        ({"criterion": None, "ratio": 2}, "ratio 2 is outside"),
        ({"seed": "0-9"}, "seed '0-9' is not a whole number"),
        ({"criterion": ["magnitude", "luck"]}, "luck"),
        ({"dataset": ["digits", 3]}, "unknown data set 3"),
        ({"hidden": []}, "hidden has no value"),
        ({"hidden": 30}, "not a tuple of widths"),
        ({"criterion": "magnitude", "selection": "deviation"}, "choose a neuron criterion"),
    ],
)
def test_a_grid_refuses_what_cannot_be(axes, sentence):
    with pytest.raises(ValueError, match=sentence):
        grid(**axes)


@pytest.mark.parametrize("seed", range(8))
def test_widths_may_be_spelt_as_labels_have_them_or_as_json(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    networks = [tuple(int(width) for width in rng.integers(1, 400, rng.integers(1, 6))) for _ in range(2)]
    asked = []
    monkeypatch.setattr(sweep, "_sweep", lambda specs, *_: asked.append(specs) or 0)
    spellings = (
        ["-".join(map(str, widths)) for widths in networks],
        [str(list(widths)) for widths in networks],
        [",".join(map(str, networks[0])), str(list(networks[1]))],
    )
    for texts in spellings:
        assert sweep.main(["--datasets", "digits", "--seeds", "0", "--set", *(f"hidden={text}" for text in texts)]) == 0
    assert asked[0] == asked[1] == asked[2] and {spec.hidden for spec in asked[0]} == set(networks)
    label = asked[0][0].label().split(" · ")[1]
    assert sweep.main(["--datasets", "digits", "--seeds", "0", "--set", f"hidden={label}"]) == 0
    assert {spec.hidden for spec in asked[-1]} == {networks[0]}


@pytest.mark.parametrize("text", ["300-x", "wide", "null", "[300", "300--"])
def test_what_is_no_list_of_widths_is_refused_in_words(text, capsys):
    code = sweep.main(["--datasets", "digits", "--seeds", "0", "--set", f"hidden={text}", "max_epochs=0"])
    said = capsys.readouterr().err
    assert code == 2 and ("write them like 300-200-100-50" in said or "max_epochs 0" in said)
