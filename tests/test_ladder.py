"""Accuracy against achieved sparsity as it is packed: figures against direct computation, sentences when they are due."""

import numpy as np
import pytest
import scipy.stats
from blobs import unpack

from core.judge import questions, results
from core.judge.questions import FRESH_TARGET, METHOD
from core.judge.results import NO_PRUNING
from core.statistics import Rule
from core.views import sparsity
from core.views.judge import SHORT

RATIOS = (0.5, 0.75, 0.8, 0.875, 0.9, 0.9375, 0.96875)
ARMS = (METHOD, "magnitude", "random-weights", FRESH_TARGET, NO_PRUNING)
SOURCE = {"device": "cpu", "versions": "torch 1", "data": "abc", "date": "2026-11-01", "images": 10_000, "ended": ""}


def rows(ratios=RATIOS, seeds=10, arms=ARMS, **changes):
    """Rows of a data set: each arm falls by its own amount, random weights overshoot by 0.3 points."""
    made = []
    for ratio in ratios:
        for place, arm in enumerate(arms):
            for seed in range(seeds):
                noise = np.random.default_rng([place, seed]).standard_normal()
                fall = 0 if arm == NO_PRUNING else place * ratio**4
                zero = 100 * ratio + (0.3 if arm == "random-weights" else 0.01 * (seed % 3))
                whole = arm in (NO_PRUNING, FRESH_TARGET)
                made.append(
                    {"dataset": "mnist", "ratio": ratio, "rounds": 5, "arm": arm, "seed": seed}
                    | {"test_accuracy": round(97 - fall + 0.2 * noise, 2), "zero": 0.0 if whole else round(zero, 3)}
                    | {"widths": f"{seed}/{ratio}", "key": f"{arm} {seed} {ratio}", **SOURCE, **changes}
                )
    return made


def header(made, **same):
    return unpack(sparsity.blob(made, "mnist", 5, **same))[0]


def arm(found, name):
    return next(one for one in found["arms"] if one["name"] == name)


def changed(made, change, **where):
    """The rows, those `where` with the change."""
    return [row | change if all(row[name] == value for name, value in where.items()) else row for row in made]


def test_every_point_is_what_its_rows_give():
    made = rows()
    found = header(made)
    assert [one["name"] for one in found["arms"]] == [METHOD, "magnitude", "random-weights", FRESH_TARGET]
    assert [one["short"] for one in found["arms"]] == [SHORT[one["name"]] for one in found["arms"]]
    for drawn in found["arms"]:
        assert [point["ratio"] for point in drawn["points"]] == [100 * ratio for ratio in RATIOS]
        for point, ratio in zip(drawn["points"], RATIOS, strict=True):
            mine = [row for row in made if (row["arm"], row["ratio"]) == (drawn["name"], ratio)]
            values = np.array([row["test_accuracy"] for row in mine])
            low, high = scipy.stats.t.interval(0.95, 9, values.mean(), scipy.stats.sem(values))
            assert point["n"] == 10 and point["failed"] == 0
            assert (point["mean"], point["low"], point["high"]) == pytest.approx((values.mean(), low, high))
            assert [(seed, y) for seed, _, y in point["seeds"]] == list(enumerate(values))
            if drawn["name"] == FRESH_TARGET:
                continue
            zero = np.array([row["zero"] for row in mine])
            assert [x for _, x, _ in point["seeds"]] == list(zero)
            assert point["zero"] == pytest.approx([zero.min(), zero.mean(), zero.max()])
            assert point["x"] == pytest.approx({"share": zero.mean(), "times": 1 / (1 - zero.mean() / 100)})
            assert point["requested"] == [100 * ratio] * 3
    assert [one["times"] for one in found["ratios"]] == pytest.approx([2, 4, 5, 8, 10, 16, 32])


def test_the_rule_gives_level_and_kind_of_the_intervals():
    made = rows(ratios=(0.8,))
    found = unpack(sparsity.blob(made, "mnist", 5, Rule(level=0.1)))[0]
    values = np.array([row["test_accuracy"] for row in made if row["arm"] == METHOD])
    low, high = scipy.stats.t.interval(0.9, 9, values.mean(), scipy.stats.sem(values))
    point = arm(found, METHOD)["points"][0]
    assert (point["low"], point["high"]) == pytest.approx((low, high))
    assert found["interval"] == "90 % Student's t intervals" and "90 % interval" in found["sentence"]


def test_a_fresh_small_network_stands_where_the_run_came_out_whose_widths_it_has():
    made = rows(seeds=3)
    point = arm(header(made), FRESH_TARGET)["points"][2]
    assert [x for _, x, _ in point["seeds"]] == [80.0, 80.01, 80.02] and point["x"]["share"] == pytest.approx(80.01)
    assert point["zero"] == [0, 0, 0] and arm(header(made), FRESH_TARGET)["whole"]
    assert any("are whole" in note for note in header(made)["notes"])
    other = changed(made, {"widths": "9/9"}, arm=FRESH_TARGET, ratio=0.8, seed=1)
    point = arm(header(other), FRESH_TARGET)["points"][2]
    assert [x for _, x, _ in point["seeds"]] == [80.0, None, 80.02] and point["n"] == 3 and point["placed"] == 2
    assert any(note.startswith("Of 1 fresh network that run is missing") for note in header(other)["notes"])
    alike = header([{**row, "widths": "9/9"} for row in made])  # then the seed tells them apart
    assert [x for _, x, _ in arm(alike, FRESH_TARGET)["points"][2]["seeds"]] == [80.0, 80.01, 80.02]
    alone = header([row for row in made if row["arm"] != METHOD])
    assert arm(alone, FRESH_TARGET)["points"][0]["x"] is None and "Magnitude has 9" in alone["sentence"]
    assert not any("whole" in note for note in header([row for row in made if row["arm"] == METHOD])["notes"])


def test_no_pruning_is_one_line_of_every_seed_once():
    made = rows(seeds=4)
    found = header(made)["baseline"]
    values = [row["test_accuracy"] for row in made if row["arm"] == NO_PRUNING][:4]
    assert found["n"] == 4 and found["seeds"] == [[seed, None, value] for seed, value in enumerate(values)]
    low, high = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((np.mean(values), low, high))
    assert header([row for row in made if row["arm"] != NO_PRUNING])["baseline"] is None
    two = changed(made, {"device": "cuda", "test_accuracy": 12.0}, arm=NO_PRUNING, ratio=0.9)
    assert header(two)["baseline"]["seeds"] == found["seeds"]
    assert any("4 seeds made on cpu with torch 1" in note and "left out" in note for note in header(two)["notes"])


def test_one_ratio_makes_no_curve_and_is_said():
    found = header(rows(ratios=(0.8,)))
    assert any("one ratio makes no curve" in note for note in found["notes"]) and "1 ratio" in found["title"]
    assert found["sentence"].count("n = 10") == 1 and arm(found, METHOD)["points"][0]["n"] == 10
    several = header(rows(ratios=(0.8, 0.9)))
    assert not any("no curve" in note for note in several["notes"]) and several["sentence"].count("n = 10") == 2


@pytest.mark.parametrize("name, what", [("device", "devices"), ("versions", "versions"), ("data", "data")])
def test_ratios_of_different_origin_are_said(name, what):
    made = rows(ratios=(0.5, 0.75, 0.9), seeds=2)
    assert header(made)["notes"] == header(made)["notes"][:1]
    (note,) = (one for one in header(changed(made, {name: "new"}, ratio=0.9))["notes"] if "different" in one)
    assert f"different {what}, so" in note and "50 and 75 % on cpu" in note and "; 90 % on " in note and "new" in note


def test_who_came_out_furthest_from_what_was_asked_is_named():
    found = header(rows())
    assert "most of all random weights: asked 50 %, achieved 50.30 % over 10 seeds" in found["overshoot"]
    assert found["furthest"] == {"name": "random-weights", "ratio": 50}
    short = header(changed(rows(), {"zero": 85.1}, arm="magnitude", ratio=0.9))
    assert short["overshoot"].startswith("Less than asked for, least of all magnitude: asked 90 %, achieved 85.10 %")
    near = header(rows(arms=(METHOD, "magnitude")))
    assert "to within 0.2 points" in near["overshoot"] and near["furthest"] is None


def test_what_was_requested_is_what_the_row_says_where_it_says_it():
    made = changed(rows(seeds=3), {"requested": 79.7}, arm="random-weights", ratio=0.8)
    made = changed(made, {"requested": 79.6}, arm="random-weights", ratio=0.8, seed=2)
    made = changed(made, {"requested": ""}, arm=METHOD)
    found = header(made)
    point = arm(found, "random-weights")["points"][2]
    assert point["ratio"] == 80 and point["requested"] == pytest.approx([79.6, 79.6667, 79.7], abs=1e-4)
    assert arm(found, METHOD)["points"][2]["requested"] == [80, 80, 80]
    assert "asked 79.667 %, achieved 80.30 % over 3 seeds" in found["overshoot"]


def test_no_mean_without_an_interval():
    found = header(rows(seeds=1))
    for drawn in found["arms"]:
        assert all((point["n"], point["mean"], point["low"]) == (1, None, None) for point in drawn["points"])
    assert found["baseline"]["mean"] is None and "no mean with an interval yet" in found["sentence"]
    same = header(changed(rows(seeds=3, ratios=(0.8,)), {"test_accuracy": 95.0}, arm=METHOD))
    assert arm(same, METHOD)["points"][0]["mean"] is None  # three equal values have no spread to go by


def test_a_failed_run_is_a_sentence_and_one_seed_less():
    failure = {"test_accuracy": "", "zero": "", "ended": "died twice"}
    found = header(changed(rows(), failure, arm="magnitude", ratio=0.9, seed=3))
    point = arm(found, "magnitude")["points"][4]
    assert (point["n"], point["failed"]) == (9, 1) and 3 not in [seed for seed, *_ in point["seeds"]]
    assert found["failed"] == ["90 %: Seed 3 of magnitude failed: died twice."]


def test_other_data_sets_rounds_and_settings_stay_out():
    made = rows(seeds=2)
    noise = [{**row, "test_accuracy": 1.0, **change} for row in made for change in ({"dataset": "x"}, {"rounds": 10})]
    assert header(made + noise) == header(made)
    matched = [{**row, "matched": "achieved", "test_accuracy": 2.0} for row in made]
    assert header(made + matched, matched="requested")["arms"] == header(made)["arms"]
    assert arm(header(made + matched, matched="achieved"), METHOD)["points"][0]["seeds"][0][2] == 2.0
    with pytest.raises(ValueError, match="came twice, with two results"):
        header(made + matched)
    assert header(made + made) == header(made)


@pytest.mark.parametrize("change", [{"zero": ""}, {"zero": 130.0}, {"test_accuracy": float("nan")}])
def test_a_share_that_is_none_is_refused_in_a_sentence(change):
    with pytest.raises(ValueError, match=r"^seed 1 of magnitude at 80 % has the .* it is a number in 0..100 %$"):
        header(changed(rows(seeds=2), change, arm="magnitude", ratio=0.8, seed=1))


def test_a_column_that_no_row_has_is_refused():
    with pytest.raises(ValueError, match="column 'colour' is in none of the rows"):
        header(rows(seeds=1), colour="red")
    assert header(rows(seeds=1), colour="")["arms"]


def test_without_rows_it_says_so():
    found = header([])
    assert found["arms"] == [] and found["baseline"] is None and "is there yet" in found["sentence"]
    assert header(rows(arms=(NO_PRUNING,)))["baseline"]["n"] == 10


def test_a_network_with_nothing_left_and_an_arm_without_a_name():
    found = header(rows(arms=(METHOD, "of my own")))
    assert arm(found, "of my own")["short"] == "of my own"
    dead = header(changed(rows(seeds=2), {"zero": 100.0}, arm=METHOD, ratio=0.9))
    assert arm(dead, METHOD)["points"][4]["x"] == {"share": 100, "times": None}


def test_the_shipped_rows_are_drawn():
    every = results.shipped()
    for at in questions.settings(every):
        same = {"budget": at.budget, "matched": at.matched, "length": at.length}
        found, mine = unpack(sparsity.blob(every, at.dataset, at.rounds, **same))[0], at.ladder(every)
        assert arm(found, METHOD)["points"] and found["baseline"]
        drawn = sum(point["n"] for one in found["arms"] for point in one["points"])
        assert drawn == sum(row["arm"] != NO_PRUNING and row["test_accuracy"] != "" for row in mine)
