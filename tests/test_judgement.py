"""What the page Judge draws, against direct computation; a small set run, stopped and gone on with; what is taken away."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from blobs import unpack
from small import digits

from core import cards, judgement, results, worker
from core.cards import CLAIMS, COMPARED, FRESH_EPOCHS, FRESH_TARGET, INACTIVITY, METHOD, Setting
from core.crew import Outcome
from core.judgement import HERE, SHIPPED, Kept, Quick
from core.shelf import Shelf
from core.statistics import Rule, judge
from core.sweep import NO_PRUNING, QUICK, grid, outcomes

REPOSITORY = Path(__file__).parents[1]
AT = Setting("digits", 0.6, 3)
SOURCE = {"device": "cpu", "versions": "torch 1", "data": "abc", "date": "2026-11-01", "images": 10_000, "zero": 60.0}
ARMS = (METHOD, "magnitude", "random-matched", "random-weights", FRESH_TARGET, FRESH_EPOCHS, INACTIVITY, NO_PRUNING)
JUDGED = {"low_rank": "fails", "penalty": "in part", "pca": 90.0, "svd": 89.0, "aware": 96.0}
JUDGED |= {"pca_retrained": 97.0, "svd_retrained": 97.0, "aware_retrained": 97.5}
SHIPPED_AT = Setting("mnist", 0.8, 5)


def rows(seeds=10, at=AT, **changes):
    """Rows of one setting, drawn anew: each arm around an accuracy of its own."""
    rng, made = np.random.default_rng(3), []
    for place, arm in enumerate(ARMS):
        for seed in range(seeds):
            place_of = {"dataset": at.dataset, "ratio": at.ratio, "rounds": at.rounds, "arm": arm, "seed": seed}
            value = round(97 - 0.4 * place + 0.2 * rng.standard_normal(), 2)
            judged = JUDGED if arm == METHOD else dict.fromkeys(JUDGED, "")
            made.append(
                place_of | SOURCE | judged | {"test_accuracy": value, "ended": "", "key": f"{arm}{seed}"} | changes
            )
    return made


def header(*args, **more):
    return unpack(judgement.blob(*args, **more))[0]


def card(found, claim):
    return next(one for one in found["cards"] if one["name"] == claim)


def of(made, arm):
    return np.array([row["test_accuracy"] for row in sorted(made, key=lambda r: r["seed"]) if row["arm"] == arm])


# The blob


def test_every_figure_of_a_card_is_what_its_rows_give():
    made = rows()
    found = card(header(made, AT), "pruning")
    assert [arm["name"] for arm in found["arms"]] == [METHOD, *(arm for _, arm in COMPARED)]
    for arm in found["arms"]:
        values = of(made, arm["name"])
        assert arm["n"] == 10 and arm["points"] == [[seed, value] for seed, value in enumerate(values)]
        low, high = scipy.stats.t.interval(0.95, 9, values.mean(), scipy.stats.sem(values))
        assert (arm["mean"], arm["low"], arm["high"]) == pytest.approx((values.mean(), low, high))
    for decision, (_, other) in zip(found["decisions"], COMPARED, strict=True):
        gaps = of(made, METHOD) - of(made, other)
        assert [value for _, value in decision["points"]] == pytest.approx(gaps)
        assert decision["n"] == 10 and decision["mean"] == pytest.approx(gaps.mean())
        low, high = scipy.stats.t.interval(1 - decision["level"], 9, gaps.mean(), scipy.stats.sem(gaps))
        assert (decision["low"], decision["high"]) == pytest.approx((low, high))
        assert f"{abs(gaps.mean()) * 100:,.0f} of 10,000 test images" in decision["amount"]


@pytest.mark.parametrize("claim", CLAIMS)
def test_words_and_sentences_are_the_rules_own(claim):
    made = rows()
    found, own = card(header(made, AT), claim), judge(cards.questions(claim, made), Rule())
    assert (found["word"], found["headline"], found["sentence"]) == (own.word, own.headline, own.sentence)
    judged = [one for one in found["decisions"] if one.get("judged", True)]
    for shown, decision in zip(judged, own.decisions, strict=True):
        assert (shown["word"], shown["sentence"]) == (decision.word, decision.sentence)
        assert (shown["chance"], shown["corrected"]) == (decision.chance, decision.corrected)


def test_a_share_has_every_runs_word_and_the_control_beside_it():
    made = rows()
    for row in made:
        if row["arm"] == "random-matched":
            row["penalty"] = "holds" if row["seed"] < 4 else "fails"
    method, control = card(header(made, AT), "penalty")["decisions"]
    assert method["points"] == [[seed, "in part"] for seed in range(10)] and (method["n"], method["holds"]) == (10, 0)
    assert (control["n"], control["holds"], control["judged"]) == (10, 4, False)
    exact = scipy.stats.binomtest(4, 10).proportion_ci(0.95, method="exact")
    assert (control["low"], control["high"]) == pytest.approx((exact.low, exact.high))


def test_the_other_direction_of_the_count_is_a_switch_of_claim_1_and_the_controls_say_whose_copy_they_are():
    made = rows()
    text, released = header(made, AT), header(made, AT, method=INACTIVITY)
    found = card(released, "pruning")
    assert found["arms"][0]["points"] == [[seed, value] for seed, value in enumerate(of(made, INACTIVITY))]
    assert "busiest" in found["title"] and "busiest" in found["decisions"][0]["sentence"]
    assert "as activation frequency prunes" in found["decisions"][1]["sentence"]
    assert [arm["name"] for arm in found["arms"][1:]] == [arm for _, arm in COMPARED]
    for claim in list(CLAIMS)[1:]:
        assert card(released, claim)["sentence"] == card(text, claim)["sentence"]
    assert cards.questions("pruning", made) == cards.questions("pruning", made, METHOD)
    with pytest.raises(ValueError, match="no direction"):
        cards.questions("pruning", made, "sideways")


def test_few_seeds_give_points_and_pairs_but_no_verdict():
    found = card(header(rows(3), AT), "pruning")
    assert found["word"] == "can't tell yet" and found["headline"] == "can't tell yet (about 7 more seeds)"
    for one in found["decisions"]:
        assert one["n"] == 3 and len(one["points"]) == 3 and one["chance"] is None and one["look"] is None
    alone = card(header(rows(1), AT), "pruning")
    assert all(one["low"] is None for one in [*alone["arms"], *alone["decisions"]])
    none = card(header([], AT), "pruning")
    assert none["word"] == "can't tell yet" and not any(arm["n"] for arm in none["arms"])


@pytest.mark.parametrize("name, what", [("device", "devices"), ("versions", "versions"), ("data", "data")])
def test_rows_of_different_origin_are_never_paired_and_the_sentence_says_why(name, what):
    made = rows()
    for row in made:
        if row["arm"] == "magnitude" and row["seed"] == 4:
            row[name] = "another"
    decision = card(header(made, AT), "pruning")["decisions"][0]
    assert decision["n"] == 0 and decision["mean"] is None and decision["word"] == "can't tell yet"
    assert f"come from different {what}" in decision["sentence"] and "not paired" in decision["sentence"]


def test_the_panels_hold_every_arm_at_every_ratio_of_the_data_set():
    other = Setting("digits", 0.8, 3)
    made = rows() + rows(at=other, zero=80.1) + rows(at=Setting("mnist", 0.8, 3))
    first, second = header(made, AT)["panels"]
    assert (first["ratio"], first["zero"], second["zero"]) == (0.6, [60.0, 60.0], [80.1, 80.1])
    assert {arm["name"] for arm in first["arms"]} == set(ARMS)
    assert all(arm["n"] == len(arm["points"]) == 10 and arm["low"] < arm["mean"] < arm["high"] for arm in first["arms"])


def test_where_rows_come_from_is_a_sentence():
    made = rows()
    assert "ship with the project: 80 runs, made on 2026-11-01 on cpu with torch 1." in header(made, AT)["provenance"]
    made[0] |= {"date": "2026-11-05", "device": "cuda"}
    assert "2026-11-01 to 2026-11-05 on cpu; and cuda" in judgement.provenance(made, HERE)
    assert judgement.provenance([], HERE) == "These results are from this computer; no run is there yet."


def test_the_rule_and_its_coverage_stand_on_the_page():
    found = header(rows(), AT)
    assert "\n\n".join(found["rule"]) == Rule().text and "over 10 seeds" in found["coverage"]


def test_the_shipped_rows_make_a_blob_for_every_setting():
    shipped = results.shipped()
    for at in cards.settings(shipped):
        for method in cards.DIRECTIONS:
            found = header(shipped, at, method=method)
            assert [one["name"] for one in found["cards"]] == list(CLAIMS)
            assert found["provenance"].startswith("These results ship with the project: ")


# The set that runs here


def small_set(seeds=2, arms=(METHOD, "magnitude")):
    return [(arm, dataclasses.replace(digits({"criterion": arm}), seed=seed)) for seed in range(seeds) for arm in arms]


def test_the_quick_set_is_ten_seeds_of_four_arms_seed_by_seed():
    wanted = Quick().specs()
    assert len(wanted) == 40 and [arm for arm, _ in wanted[:4]] == list(QUICK)
    assert [spec.seed for _, spec in wanted] == [seed for seed in range(10) for _ in QUICK]
    assert all(arm == spec.pruning.criterion and spec.dataset == "mnist-mini" for arm, spec in wanted)
    warmed = grid(dataset="mnist-mini", ratio=0.8, rounds=5, seed=list(range(10)), criterion=list(QUICK))
    assert set(warmed) == {spec for _, spec in wanted}  # what `python -m core.sweep` trains the evening before


def test_every_run_is_a_row_at_once_and_what_is_stored_is_not_trained_again(store):
    shelf, wanted, seen = Shelf(store.root), small_set(), []
    for now in judgement.collect(store, shelf, wanted, AT, n_jobs=1):
        assert judgement.kept(shelf) == now
        seen.append((len(now.rows), now.trained))
    assert seen == [(1, 1), (2, 2), (3, 3), (4, 4)] and now.left == 0
    for row in now.rows:
        spec = next(spec for arm, spec in wanted if (arm, spec.seed) == (row["arm"], row["seed"]))
        assert row == results.row(store, shelf, row["arm"], spec, AT.ratio, AT.rounds) | {"date": row["date"]}
    *_, again = judgement.collect(store, shelf, wanted, AT, n_jobs=1)
    assert again.rows == now.rows and again.trained == 0 and again.left is None
    assert card(header(list(now.rows), AT, HERE, arms=QUICK), "pruning")["decisions"][0]["n"] == 2


def test_a_set_that_is_stopped_goes_on(store):
    shelf, wanted = Shelf(store.root), small_set()
    first = next(sweep := judgement.collect(store, shelf, wanted, AT, n_jobs=1))
    sweep.close()
    assert len(first.rows) == 1 and first.asked == 4
    steps = list(judgement.collect(store, shelf, wanted, AT, n_jobs=1))
    assert steps[0].trained == 0 and steps[-1].trained == 3 and len(steps[-1].rows) == 4


def test_a_run_that_fails_is_a_row_with_its_reason_and_can_be_tried_again(store, monkeypatch):
    shelf = Shelf(store.root)
    with monkeypatch.context() as patch:

        def fails(specs, *rest):
            yield from (Outcome(spec, None, "the process that trained it died twice") for spec in specs[1:])
            yield from outcomes(specs[:1], *rest)

        patch.setattr(judgement, "outcomes", fails)
        *_, now = judgement.collect(store, shelf, small_set(1), AT, n_jobs=1)
    bad = next(row for row in now.rows if row["arm"] == "magnitude")
    assert bad["test_accuracy"] == "" and "died twice" in bad["ended"]
    found = header(list(now.rows), AT, HERE, arms=QUICK)
    assert len(found["failed"]) == 1 and found["failed"][0].startswith("Seed 0 of magnitude failed: ")
    assert card(found, "pruning")["decisions"][0]["n"] == 0
    *_, again = judgement.collect(store, shelf, small_set(1), AT, n_jobs=1)
    assert all(row["test_accuracy"] != "" for row in again.rows) and len(again.rows) == 2


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"rows": 3}', b'{"rows": [{"arm": 1}], "asked": 1}', b'{"x": 1}'])
def test_a_damaged_file_is_an_empty_set(store, content):
    shelf = Shelf(store.root)
    shelf.write(judgement.SHELF, judgement.FILE, content)
    assert judgement.kept(shelf).rows == ()


def test_how_long_is_left_follows_the_pace_of_this_go():
    half = Kept(({},) * 20, 40, 10, 120.0)
    assert half.left == 240 and half.progress == "20 of 40 runs are there, about 4 minutes left"
    assert "about 24 seconds left" in Kept(({},) * 38, 40, 10, 120.0).progress
    assert "known after the first one" in Kept((), 40).progress


def test_the_workers_task_keeps_the_rows_and_says_how_far_it_is(store, monkeypatch):
    said, wanted = [], small_set(1)
    task = {
        "task": "sweep", "root": str(store.root), "name": "quick", "setting": dataclasses.asdict(AT),
        "wanted": [[arm, spec.to_dict()] for arm, spec in wanted],
    }  # fmt: skip
    worker.TASKS["sweep"](task, worker.queue.Queue(), lambda kind, **values: said.append((kind, values)))
    assert [values["epoch"] for kind, values in said if kind == "epoch"] == [1, 2] and said[-1][0] == "done"
    assert len(judgement.kept(Shelf(store.root)).rows) == 2
    inbox = worker.queue.Queue()
    inbox.put({"command": "stop"})
    task["wanted"] = [[arm, spec.to_dict()] for arm, spec in small_set(3)]
    worker.TASKS["sweep"](task, inbox, lambda kind, **values: said.append((kind, values)))
    assert said[-1][0] == "stopped" and len(judgement.kept(Shelf(store.root)).rows) == 2


# To take away


def run(script: str, folder: Path, *arguments: str) -> str:
    (folder / "card.py").write_text(script, "utf-8")
    done = subprocess.run(
        [sys.executable, "card.py", *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_prints(out: str, shown: dict) -> None:
    """What a script printed is what stands on the card."""
    lines = out.splitlines()
    assert lines[:2] == [shown["headline"], shown["sentence"]]
    judged = [one for one in shown["decisions"] if one.get("judged", True)]
    for decision, numbers, sentence in zip(judged, lines[2::2], lines[3::2], strict=True):
        word, n, interval, chance = numbers.split(" | ")
        assert (word, sentence.strip()) == (decision["headline"], decision["sentence"])
        assert n == f"n = {decision['n']}" and interval == f"{decision['low']:.4f} to {decision['high']:.4f}"
        assert chance == f"p = {decision['corrected']:.4g}"


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_script_prints_the_shipped_card(claim, tmp_path):
    text = judgement.script(claim, SHIPPED_AT)
    assert len([line for line in text.splitlines() if line]) <= 14
    assert_prints(run(text, tmp_path), card(header(results.shipped(), SHIPPED_AT), claim))


def test_the_script_prints_the_card_of_the_other_direction_and_of_rows_of_ones_own(tmp_path):
    out = run(judgement.script("pruning", SHIPPED_AT, method=INACTIVITY), tmp_path)
    assert_prints(out, card(header(results.shipped(), SHIPPED_AT, method=INACTIVITY), "pruning"))
    made = [row for row in rows() if row["arm"] in QUICK]
    failed = judgement._failed(digits(seed=10), "magnitude", AT, "it fell over")
    (tmp_path / "mine.csv").write_text(judgement.table([failed, *made]), "utf-8")
    for method in cards.DIRECTIONS:
        out = run(judgement.script("pruning", AT, HERE, method, QUICK), tmp_path, "mine.csv")
        assert_prints(out, card(header([failed, *made], AT, HERE, method=method, arms=QUICK), "pruning"))


def test_the_table_reads_back_as_its_rows(tmp_path):
    shipped = SHIPPED_AT.of(results.shipped())
    (tmp_path / "runs.csv").write_text(judgement.table(shipped), "utf-8")
    assert results.shipped(tmp_path / "runs.csv") == shipped
    assert judgement.table([]).strip() == ""


def test_a_script_of_no_claim_is_refused():
    with pytest.raises(ValueError, match="no claim"):
        judgement.script("all", SHIPPED_AT)
    assert re.search(r"method=\"inactivity\"", judgement.script("pruning", AT, SHIPPED, INACTIVITY))
