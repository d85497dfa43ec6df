"""The same sweeps on a real cluster of processes: the same bits, over the wire, whoever is killed."""

import builtins
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import dask
import pytest
from distributed import Client, LocalCluster
from holding import Gates
from small import digits
from test_sweep import DEADLY, LONG, REPOSITORY, alone, moments, stamps
from waiting import wait_until

from core import experiment, sweep
from core.events import EpochEnded
from core.spec import RunSpec
from core.store import Store
from core.sweep import dask as dask_sweep
from core.sweep import outcomes, processes, run_many

SPECS = [digits(max_epochs=3, seed=seed) for seed in range(3)]
SPECS += [digits({"criterion": "random-matched"}, max_epochs=3), digits(None, max_epochs=3)]

# Dask's own threads and sockets are tidied after the test that they belong to.
pytestmark = [
    pytest.mark.filterwarnings("default::ResourceWarning"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def gates(tmp_path_factory) -> Gates:
    """Those that the processes of the cluster heed."""
    return Gates(tmp_path_factory.mktemp("gates"))


@pytest.fixture(scope="module")
def workers(gates):
    """A cluster of two processes that gives a run up when its second worker dies."""
    with pytest.MonkeyPatch.context() as patch, dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        patch.setenv("PRUNING_DEVICE", "cpu")
        patch.delenv("PRUNING_DATA", raising=False)
        patch.setenv("PRUNING_GATES", str(gates.folder))
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as found:
            found.wait_for_workers(2)
            yield found


@pytest.fixture
def on_dask(workers, monkeypatch):
    monkeypatch.setenv(dask_sweep.ADDRESS, workers.scheduler_address)
    monkeypatch.setattr(processes, "train", None)  # nothing is trained here
    return workers


# -- what stands in for `cluster.over_the_wire`, on the worker -------------------------------------------------------


def deadly(key, values, wanted):
    """Kills its own process once the second epoch of the deadly seed is over."""
    if values.get("seed") == DEADLY:
        for event in experiment.run(RunSpec.from_dict(values)):
            if isinstance(event, EpochEnded) and event.epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
    return dask_sweep.over_the_wire(key, values, wanted)


class Noted:
    """Writes down which process trains which seed."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, key, values, wanted):
        with open(self.folder / "starts.txt", "a") as file:
            file.write(f"{values.get('seed', 0)} {os.getpid()}\n")
        return dask_sweep.over_the_wire(key, values, wanted)

    def starts(self):
        file = self.folder / "starts.txt"
        return [tuple(map(int, line.split())) for line in file.read_text().splitlines()] if file.is_file() else []


def elsewhere(key, values, wanted):
    return (key, *dask_sweep.over_the_wire("0" * 16, values, wanted)[1:])


def torn(key, values, wanted):
    *answer, files = dask_sweep.over_the_wire(key, values, wanted)
    name = max(name for name in files if name.startswith("epoch"))
    return *answer, files | ({name: files[name][:-1]} if values.get("seed") == 1 else {})


@pytest.fixture
def shipped(monkeypatch):
    """Makes the workers call something else."""
    return lambda call: monkeypatch.setattr(dask_sweep, "_shipped", lambda: call)


# -- the tests -------------------------------------------------------------------------------------------------------


def test_the_results_are_those_of_this_machine_bit_for_bit(on_dask, store, tmp_path, monkeypatch):
    there = {outcome.spec: outcome for outcome in outcomes(SPECS, store)}
    assert set(there) == set(SPECS) and all(outcome.finished for outcome in there.values())
    monkeypatch.undo()
    monkeypatch.setenv("PRUNING_DEVICE", "cpu")
    local = Store(tmp_path / "local")
    for spec, final in run_many(SPECS, local, n_jobs=2):
        assert moments(store, spec) == moments(local, spec) and len(moments(local, spec)) == 4
        assert final.test_accuracy == there[spec].finished.test_accuracy
        assert store.provenance(spec.key())["versions"] == local.provenance(spec.key())["versions"]
        events = [[event for event in s.events(spec.key()) if isinstance(event, EpochEnded)] for s in (store, local)]
        assert [replace(e, seconds=0) for e in events[0]] == [replace(e, seconds=0) for e in events[1]]
    assert [folder.name for folder in (store.root / "runs").glob(".*")] == []


def test_what_is_stored_is_not_trained_again(on_dask, store):
    assert len(list(run_many(SPECS[:1], store))) == 1
    before = stamps(store, "done.json")
    again = list(outcomes(SPECS[:2], store))
    assert [outcome.stored for outcome in again] == [True, False]
    assert before.items() <= stamps(store, "done.json").items()


def test_results_come_back_without_a_store(on_dask, store):
    (outcome,) = outcomes(SPECS[:1], None)
    assert outcome.finished.test_accuracy == list(experiment.run(SPECS[0]))[-1].test_accuracy and not store.runs()


def test_a_run_that_fails_is_a_row(on_dask, store):
    unfit = digits(max_epochs=1, batch_size=5000)
    rows = {outcome.spec: outcome for outcome in outcomes([unfit, SPECS[0]], store)}
    assert rows[SPECS[0]].finished and "larger than" in rows[unfit].reason


def test_the_runs_of_a_killed_worker_are_finished_by_the_others(on_dask, store, tmp_path, shipped, gates):
    noted = Noted(tmp_path)
    shipped(noted)
    killed = []
    for spec in LONG:
        gates.hold(spec.key(), 2)

    def kill():
        killed.append(wait_until(noted.starts)[0])
        os.kill(killed[0][1], signal.SIGKILL)
        gates.open()

    killer = threading.Thread(target=kill)
    killer.start()
    rows = list(outcomes(LONG, store))
    killer.join()
    ((seed, pid),) = killed
    assert sorted(row.spec.seed for row in rows) == [0, 1, 2, 3] and all(row.finished for row in rows)
    by = [other for begun, other in noted.starts() if begun == seed]
    assert len(by) == 2 and by[0] == pid != by[1] and len(noted.starts()) == 5
    assert moments(store, LONG[seed]) == alone(LONG[seed], tmp_path)


def test_a_spec_that_kills_worker_after_worker_is_a_row_that_says_so(on_dask, store, shipped):
    shipped(deadly)
    bad = digits(None, max_epochs=30, seed=DEADLY)
    rows = {row.spec: row for row in outcomes([bad, *SPECS], store)}
    assert len(rows) == 1 + len(SPECS) and all(rows[spec].finished for spec in SPECS)
    assert rows[bad].finished is None and "died again and again" in rows[bad].reason


def test_a_worker_with_other_data_is_told(on_dask, store, shipped):
    shipped(elsewhere)
    (row,) = outcomes(SPECS[:1], store)
    assert "other images under the name digits" in row.reason and not store.runs()


def test_what_is_damaged_on_the_way_is_not_stored(on_dask, store, shipped):
    shipped(torn)
    rows = {row.spec.seed: row for row in outcomes(SPECS[:3], store)}
    assert rows[0].finished and rows[2].finished and "damaged" in rows[1].reason and len(store.runs()) == 2


def test_a_worker_without_the_project_is_told(store, tmp_path, monkeypatch):
    with LocalCluster(n_workers=0, processes=True, dashboard_address=":0") as scheduler:
        call = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler.scheduler_address, "--nthreads", "1"]
        call += ["--no-dashboard", "--local-directory", str(tmp_path)]
        monkeypatch.setenv(dask_sweep.ADDRESS, scheduler.scheduler_address)
        with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            try:
                wait_until(lambda: scheduler.scheduler.workers, what="the worker to register")
                rows = list(outcomes(SPECS[:2], store))
            finally:
                worker.terminate()
    assert len(rows) == 2 and not store.runs()
    assert all("No module named 'core'" in row.reason and "PYTHONPATH" in row.reason for row in rows)


def test_a_sweep_can_be_left_and_taken_up_again(on_dask, store):
    sweeping = outcomes(LONG, store)
    first = next(sweeping)
    sweeping.close()
    assert store.open(first.spec.key()).finished
    assert sum(outcome.stored for outcome in outcomes(LONG, store)) >= 1
    assert len(list(outcomes(SPECS, store, going=lambda: len(store.runs()) < 6))) < len(SPECS)


def test_a_cluster_of_one_core_trains_too_and_not_here(store, monkeypatch):
    monkeypatch.setattr(experiment, "run", None)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as small:
        monkeypatch.setenv(dask_sweep.ADDRESS, small.scheduler_address)
        assert all(outcome.finished for outcome in outcomes(SPECS[:2], store))


def test_without_workers_it_says_what_to_do(store, monkeypatch):
    monkeypatch.setattr(dask_sweep, "CONNECT_SECONDS", 1)
    with LocalCluster(n_workers=0, processes=True, dashboard_address=":0") as empty:
        monkeypatch.setenv(dask_sweep.ADDRESS, empty.scheduler_address)
        with pytest.raises(ValueError, match="has no worker: start one with: dask worker"):
            list(outcomes(SPECS, store))


def test_without_a_scheduler_it_says_what_to_do(store, monkeypatch, capsys):
    monkeypatch.setattr(dask_sweep, "CONNECT_SECONDS", 1)
    monkeypatch.setenv(dask_sweep.ADDRESS, "tcp://127.0.0.1:9")
    assert sweep.main(["--datasets", "digits", "--cache", str(store.root)]) == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_without_dask_it_says_what_to_do(store, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] in ("distributed", "dask"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setenv(dask_sweep.ADDRESS, "tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="Dask is not installed: pip install distributed, or unset"):
        list(outcomes(SPECS, store))


def test_nothing_imports_dask_unless_it_is_asked_for():
    code = "import sys; from core.sweep import dask, processes; print([m for m in ('dask', 'distributed') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_cluster_is_left_as_it_was(on_dask):
    with Client(on_dask.scheduler_address, set_as_default=False) as client:
        wait_until(lambda: not any(client.processing().values()), 60, what="the last runs to end")
