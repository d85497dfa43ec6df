"""The run that ships: it is the default run of this very engine, whole enough to open, and true to its own log."""

import numpy as np
import pytest

from core import datasets, scene
from core.example import EXAMPLE
from core.spec import RunSpec
from core.store import Store


@pytest.fixture(scope="module")
def shipped() -> Store:
    return Store(EXAMPLE)


def test_it_is_the_default_run(shipped):
    assert [run.key for run in shipped.runs()] == [RunSpec().key()]
    run = shipped.runs()[0]
    assert run.spec == RunSpec() and run.finished and run.problem is None
    assert run.reason.startswith("target reached")


def test_it_holds_its_start_its_last_cut_and_its_end_and_says_what_it_was_made_on(shipped):
    run = shipped.runs()[0]
    log = shipped.log(run.key)
    cuts = [line["epoch"] for line in log if line["kind"] == "Pruned"]
    assert run.epochs == (0, cuts[-1], run.last_epoch) and len(cuts) == RunSpec().pruning.rounds
    assert len([line for line in log if line["kind"] == "EpochEnded"]) == run.last_epoch
    assert {"torch", "numpy", "python"} <= set(shipped.provenance(run.key)["versions"])
    assert run.size < 6e6


def test_its_last_network_is_as_accurate_and_as_sparse_as_its_log_says(shipped):
    key = RunSpec().key()
    data, network = datasets.load("mnist-mini"), shipped.network(key)
    log = shipped.log(key)
    right = np.mean(network.forward(data.x_test).argmax(axis=1) == data.y_test)
    assert right == pytest.approx(log[-1]["test_accuracy"], abs=1e-9)
    last = [line for line in log if line["kind"] == "EpochEnded"][-1]
    assert network.accuracy(data.x_valid, data.y_valid) == pytest.approx(last["valid_accuracy"], abs=1e-6)
    cut = [line for line in log if line["kind"] == "Pruned"][-1]
    assert network.sparsity() == pytest.approx(cut["achieved"]) == pytest.approx(0.8, abs=0.001)
    assert [int(alive.sum()) for alive in network.alive()] == cut["alive"]


def test_each_of_its_moments_can_be_drawn(shipped):
    run = shipped.runs()[0]
    for epoch in run.epochs:
        assert len(scene.board(shipped, run.spec, run.key, epoch, pictures=True)) > 300 * 784
