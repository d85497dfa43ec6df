"""The command that makes the shipped rows, on runs of a second; the rows are those of stored networks."""

import dataclasses
import sys

import pytest
from small import digits

from core import datasets
from core import spec as spec_module
from core.claims import verdicts
from core.judge import questions, results
from core.judge.questions import FRESH_EPOCHS, FRESH_TARGET, METHOD
from core.spec import BASELINES
from core.store import Store

SMALL = digits(hidden=(20, 12), max_epochs=8)
specs_of = results.specs


def small_specs(setting, seed):
    """The command's own specs, on a network that trains in a second."""
    same = {
        name: getattr(SMALL, name)
        for name in ("hidden", "learning_rate", "batch_size", "max_epochs", "target_accuracy")
    }
    return {arm: dataclasses.replace(spec, **same) for arm, spec in specs_of(setting, seed).items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    options = [
        "--datasets",
        "digits",
        "--ratios",
        "0.6",
        "--rounds",
        "3",
        "--jobs",
        "1",
        "--cache",
        str(root / "cache"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        patch.setattr(results, "FILE", root / "runs.csv")
        patch.setattr(results, "specs", small_specs)
        for more in (["--seeds", "0", "--without-contest"], ["--seeds", "1"]):
            patch.setattr(sys, "argv", ["results", *options, *more])
            results.main()
        rows = results.shipped()
    return Store(root / "cache"), rows


def test_there_is_a_row_for_every_arm_and_seed_and_the_second_command_keeps_the_firsts(made):
    store, rows = made
    arms = {*results.CRITERIA, *BASELINES, results.NO_PRUNING, FRESH_TARGET, FRESH_EPOCHS}
    assert {(row["arm"], row["seed"]) for row in rows} == {(arm, seed) for arm in arms for seed in (0, 1)}
    assert {"magnitude", "random-weights", "random-neurons", "random-matched", "inactivity", METHOD} <= arms


def test_a_row_is_its_stored_run(made):
    store, rows = made
    data = datasets.load("digits")
    for row in rows:
        final, network = store.events(row["key"])[-1], store.network(row["key"])
        assert row["test_accuracy"] == round(100 * final.test_accuracy, 2)
        assert row["test_accuracy"] == round(100 * network.accuracy(data.x_test, data.y_test), 2)
        assert row["valid_accuracy"] == round(100 * network.accuracy(data.x_valid, data.y_valid), 2)
        assert row["zero"] == round(100 * network.sparsity(), 2) and row["images"] == len(data.y_test)
        assert row["epochs"] == store.open(row["key"]).last_epoch and row["data"] == data.fingerprint
        assert "torch" in row["versions"] and row["device"].startswith("cpu")


def test_fresh_networks_have_the_final_widths_and_one_of_them_the_same_epochs(made):
    store, rows = made
    for seed in (0, 1):
        by_arm = {row["arm"]: row for row in rows if row["seed"] == seed}
        method = by_arm[METHOD]
        for arm in (FRESH_TARGET, FRESH_EPOCHS):
            assert by_arm[arm]["widths"] == method["widths"] and by_arm[arm]["zero"] == 0
        assert by_arm[FRESH_EPOCHS]["epochs"] == method["epochs"]


def test_claims_2_to_4_are_judged_where_they_were_asked_for(made):
    _, rows = made
    words = {verdicts.HOLDS, verdicts.IN_PART, verdicts.FAILS, verdicts.UNKNOWN}
    for row in rows:
        judged = row["arm"] in results.JUDGED
        assert (row["low_rank"] in words) is judged and (row["penalty"] in words) is judged
        contested = row["arm"] == METHOD and row["seed"] == 1
        assert all(isinstance(row[name.replace("-", "_")], float) is contested for name in results.REDUCED)


def test_what_ships_is_whole():
    rows = results.shipped()
    assert len({(row["dataset"], row["ratio"], row["rounds"], row["arm"], row["seed"]) for row in rows}) == len(rows)
    mnist = [row for row in rows if (row["dataset"], row["ratio"]) == ("mnist", 0.8)]
    assert {row["seed"] for row in mnist} == set(range(10))
    assert all(row["images"] in (2_000, 10_000) and 0 < row["test_accuracy"] < 100 for row in rows)
    assert all(len(row["key"]) == 16 for row in rows)
    for setting in questions.settings(rows):  # a verdict needs ten seeds of both arms
        mine = setting.of(rows)
        for arm in {row["arm"] for row in mine}:
            assert {row["seed"] for row in mine if row["arm"] == arm} == set(range(10)), (setting, arm)


def test_every_shipped_row_names_the_run_that_makes_it():
    rows = results.shipped()
    fingerprint = datasets.fingerprint("digits")
    known = [
        row for row in rows if row["dataset"] in datasets.names()
    ]  # a split of our own only where PRUNING_DATA has it
    for row in known[:: max(1, len(known) // 40)]:
        spec = results.spec_of(row, rows)
        assert spec.seed == row["seed"] and (spec.pruning is None) == (
            row["arm"] in questions.WHOLE + (results.NO_PRUNING,)
        )
        with pytest.MonkeyPatch.context() as patch:  # MNIST may not be on this computer; its fingerprint is in the row
            patch.setattr(datasets, "fingerprint", lambda name, row=row: row["data"])
            patch.setattr(spec_module, "ENGINE", int(row["versions"].rpartition("engine ")[2]))
            assert spec.key() == row["key"]
    assert datasets.fingerprint("digits") == fingerprint
