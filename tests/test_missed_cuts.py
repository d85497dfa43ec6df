"""Runs that missed cuts, and runs that collapsed, among the rows over seeds: where they count, and what is said of them."""

import numpy as np
import pytest
from blobs import unpack
from small import digits

from core import experiment
from core.artifacts.kept import Artifacts
from core.judge import questions, results
from core.judge.questions import INACTIVITY, METHOD, Setting
from core.statistics import Rule, judge
from core.store import Store
from core.views import judge as judge_view
from core.views import sparsity

AT = Setting("digits", 0.6, 3)


def made(store: Store, **changes) -> questions.Row:
    spec = digits(**changes)
    list(experiment.run(spec, store))
    return results.row(store, Artifacts(store.root), METHOD, spec, AT)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_missed_cuts_is_no_result_at_the_ratio_that_was_asked(store, seed):
    epochs = int(np.random.default_rng(seed).integers(2, 5))
    row = made(store, pruning={"rounds": 6}, seed=seed, max_epochs=epochs, target_accuracy=1.0)
    cuts = [line for line in store.log(row["key"]) if line["kind"] == "Pruned"]
    assert row["cuts"] == f"{len(cuts)}/6" and len(cuts) < 6
    assert questions.missed(row) and questions.entered([row]) == [] and not questions.arm([row], METHOD).values
    assert "missed cuts" in judge_view.failed(row) and "60 % was asked" in judge_view.failed(row)
    header = unpack(judge_view.blob([row], AT))[0]
    assert header["panels"] == [] and header["failed"] == [judge_view.failed(row)]
    [point] = unpack(sparsity.blob([row], "digits", 3))[0]["arms"][0]["points"]
    assert point["ratio"] == point["x"]["share"] == row["zero"] and point["n"] == 1


def test_a_run_that_made_all_its_cuts_is_one(store):
    row = made(store)
    assert row["cuts"] == "3/3" and row["constant"] == "" and questions.entered([row]) == [row]
    assert not questions.missed(row) and not questions.collapsed(row) and judge_view.failed(row) == ""
    assert not questions.missed(made(store, pruning=None))


def test_a_run_that_collapsed_counts_with_what_it_reaches_and_is_named(store):
    row = made(store, learning_rate=5.0)
    assert row["ended"] == "dead" and row["constant"].endswith("to everything: guessing is 10 %")
    assert questions.collapsed(row) and not questions.missed(row)
    assert questions.arm([row], METHOD).values == {0: row["test_accuracy"]}
    assert f"died and {row['constant']}" in judge_view.failed(row)


def test_the_shipped_run_that_was_asked_for_90_and_achieved_79_is_out_of_the_90():
    rows = [row for row in results.shipped() if (row["dataset"], row["ratio"]) == ("mnist", 0.9)]
    assert [(row["arm"], row["seed"]) for row in rows if questions.missed(row)] == [(INACTIVITY, 5)]
    assert 5 not in questions.arm(rows, INACTIVITY).values and 4 in questions.arm(rows, INACTIVITY).values
    points = next(
        one for one in unpack(sparsity.blob(results.shipped(), "mnist", 5))[0]["arms"] if one["name"] == INACTIVITY
    )["points"]
    at_90 = next(point for point in points if point["ratio"] == 90)
    assert at_90["n"] == 9 and at_90["failed"] == 1 and at_90["zero"][0] > 89.9
    assert [point["seeds"] for point in points if point["ratio"] == 79.03] == [[[5, 79.03, 65.44]]]


@pytest.mark.parametrize("seed", range(6))
def test_of_two_arms_that_both_collapsed_nothing_holds(seed):
    """Ten seeds of two arms, all at a guess: neither is "not worse"; and one pair of them is one pair too few."""
    rng = np.random.default_rng(seed)

    def rows(fallen: int, base: float) -> list[questions.Row]:
        return [
            AT.columns()
            | {"arm": arm, "seed": s, "test_accuracy": 10.0 if s < fallen else base + float(rng.normal(0, 0.05)),
               "ended": "dead" if s < fallen else "target reached", "zero": 60.0, "images": 360, "device": "cpu",
               "versions": "", "data": ""}
            for arm in (METHOD, "magnitude") for s in range(10)
        ]  # fmt: skip

    def word(found) -> str:
        return judge(questions.questions("pruning", found, arms=[METHOD, "magnitude"]), Rule()).word

    assert word(rows(0, 95.0)) == "holds"
    assert word(rows(10, 95.0)) not in ("holds", "fails")
    assert word(rows(int(rng.integers(1, 10)), 95.0)) not in ("holds", "fails")


def test_what_one_network_alone_says_is_not_counted_where_it_is_no_run():
    row = AT.columns() | {"arm": METHOD, "seed": 0, "test_accuracy": 10.0, "ended": "dead", "images": 1, "zero": 60.0}
    row |= dict.fromkeys(("device", "versions", "data"), "")
    for claim, column in (("low-rank", "low_rank"), ("penalty", "penalty")):
        [share] = questions.questions(claim, [row | {"low_rank": "", "penalty": ""} | {column: "holds"}])
        assert share.words == {0: "can't tell"}
