"""What the page Judge draws, against direct computation; what is taken away."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from blobs import unpack

from core.judge import questions, results, study
from core.judge.questions import CLAIMS, COMPARED, CUT, FRESH_EPOCHS, FRESH_TARGET, INACTIVITY, METHOD, Setting
from core.statistics import Rule, judge
from core.sweep import NO_PRUNING, QUICK
from core.views import judge as judge_view
from core.views import judge_export
from core.views.judge import HERE, SHIPPED

REPOSITORY = Path(__file__).parents[1]
AT = Setting("digits", 0.6, 3)
SOURCE = {"device": "cpu", "versions": "torch 1", "data": "abc", "date": "2026-11-01", "images": 10_000, "zero": 60.0}
SOURCE |= {"epochs": 20, "widths": "20/12"}
ARMS = (METHOD, "magnitude", "random-matched", "random-weights", FRESH_TARGET, FRESH_EPOCHS, INACTIVITY, NO_PRUNING)
JUDGED = {"low_rank": "fails", "penalty": "in part", "pca": 90.0, "svd": 89.0, "aware": 96.0}
JUDGED |= {"pca_retrained": 97.0, "svd_retrained": 97.0, "aware_retrained": 97.5}
SHIPPED_AT = Setting("mnist", 0.8, 5)


def rows(seeds=10, at=AT, **changes):
    """Rows of one setting, drawn anew: each arm around an accuracy of its own."""
    rng, made = np.random.default_rng(3), []
    for place, arm in enumerate(ARMS):
        for seed in range(seeds):
            place_of = at.columns() | {"arm": arm, "seed": seed}
            value = round(97 - 0.4 * place + 0.2 * rng.standard_normal(), 2)
            judged = JUDGED if arm == METHOD else dict.fromkeys(JUDGED, "")
            made.append(
                place_of | SOURCE | judged | {"test_accuracy": value, "ended": "", "key": f"{arm}{seed}"} | changes
            )
    return made


def header(*args, **more):
    return unpack(judge_view.blob(*args, **more))[0]


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
    found, own = card(header(made, AT), claim), judge(questions.questions(claim, made), Rule())
    assert (found["word"], found["headline"], found["sentence"]) == (own.word, own.headline, own.sentence)
    judged = [one for one in found["decisions"] if one.get("judged", True)]
    for shown, decision in zip(judged, own.decisions, strict=True):
        assert (shown["word"], shown["sentence"]) == (decision.word, decision.sentence)
        assert (shown["chance"], shown["corrected"]) == (decision.p_value, decision.corrected)


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
    assert questions.questions("pruning", made) == questions.questions("pruning", made, METHOD)
    with pytest.raises(ValueError, match="no direction"):
        questions.questions("pruning", made, "sideways")


def test_without_retraining_what_was_right_after_the_last_cut_is_compared_and_whole_networks_stay_out():
    made = [row | {CUT: row["test_accuracy"] - 10 * (row["arm"] == "magnitude")} for row in rows()]
    found = card(header(made, AT, measured=CUT), "pruning")
    arms = [arm for _, arm in COMPARED if arm not in (FRESH_TARGET, FRESH_EPOCHS)]
    assert [arm["name"] for arm in found["arms"][1:]] == arms
    gaps = of(made, METHOD) - of(made, "magnitude") + 10
    assert [value for _, value in found["decisions"][0]["points"]] == pytest.approx(gaps)
    assert header(made, AT, measured=CUT)["setting"].endswith("right after the last cut, without retraining")
    assert card(header(rows(), AT, measured=CUT), "pruning")["word"] == "can't tell yet"  # older rows do not say it
    with pytest.raises(ValueError, match="no accuracy of a run"):
        questions.questions("pruning", made, measured="valid_accuracy")


def test_every_assumption_is_a_setting_of_its_own_and_named():
    made = rows()
    for changes in ({"budget": "increment"}, {"matched": questions.ACHIEVED}, {"length": 40}):
        at = Setting("digits", 0.6, 3, **changes)
        assert not at.of(made) and AT.of([*made, *rows(at=at)]) == made
        assert at.of(rows(at=at)) and judge_view.label(at) != judge_view.label(AT)
        assert len(header([*made, *rows(at=at)], at)["panels"]) == 1


def test_arms_that_claim_1_cannot_compare_are_told():
    for arms in (("magnitude", "random-matched"), (METHOD, NO_PRUNING)):
        found = card(header(rows(), AT, HERE, arms=arms), "pruning")
        assert found["kind"] == "none" and found["sentence"].startswith(
            "Claim 1 compares pruning by activation frequency"
        )


def test_a_run_made_again_is_told_beside_the_shipped_one():
    row = next(row for row in results.shipped() if row["arm"] == "magnitude" and row["images"] == 10_000)
    row |= {"family": "portable x86-64", "versions": "numpy 2.4.6, torch 2.13.0, engine 3"}
    same = {"device": "cpu", "device_name": "any", "number_type": "float32", "engine": 3, "family": row["family"]}
    same |= {"versions": {"numpy": "2.4.6", "torch": "2.13.0"}}
    versions = same | {"versions": {"numpy": "2.4.6", "torch": "9"}}
    native = same | {"family": "native AMD EPYC"}
    accuracy, key = row["test_accuracy"], row["key"]
    assert judge_view.beside(row, accuracy, key, same) == "The same to the last digit shown."
    assert judge_view.beside(row, accuracy, key, native) == "The same, though made in another arithmetic."
    assert "should not be" in judge_view.beside(row, accuracy + 0.1, key, same)
    text = judge_view.beside(row, accuracy - 0.1, key, versions)
    assert (
        text.startswith("It differs by −0.10 points = 10 of 10,000 test images: other versions") and "torch 9" in text
    )
    text = judge_view.beside(row, accuracy - 0.1, key, native)
    assert "other arithmetic (portable x86-64, engine 3 in what ships; native AMD EPYC here)" in text
    assert text.endswith("These runs are chaotic, so last bits and then accuracies differ.")
    assert "another key" in judge_view.beside(row, accuracy, "0" * 16, same)


def test_a_row_of_an_older_engine_is_of_no_recorded_arithmetic():
    row = next(row for row in results.shipped() if row["arm"] == "magnitude" and "engine 2" in row["versions"])
    here = {"device": "cpu", "device_name": "any", "number_type": "float32", "engine": 3, "family": "portable x86-64"}
    here |= {"versions": {"torch": "2.13.0"}}
    text = judge_view.beside(row, row["test_accuracy"] - 1, "f" * 16, here)
    assert "other arithmetic (unrecorded, engine 2 in what ships; portable x86-64 here)" in text and "chaotic" in text


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


def test_the_panel_holds_every_arm_of_the_setting():
    made = rows() + rows(at=Setting("digits", 0.8, 3), zero=80.1) + rows(at=Setting("mnist", 0.8, 3))
    [first] = header(made, AT)["panels"]
    assert (first["ratio"], first["zero"]) == (0.6, [60.0, 60.0])
    assert {arm["name"] for arm in first["arms"]} == set(ARMS)
    assert all(arm["n"] == len(arm["points"]) == 10 and arm["low"] < arm["mean"] < arm["high"] for arm in first["arms"])


def test_where_rows_come_from_is_a_sentence():
    made = rows()
    assert (
        "ship with the project: 80 runs, made on 2026-11-01 on cpu (arithmetic: unrecorded) with torch 1."
        in header(made, AT)["provenance"]
    )
    made[0] |= {"date": "2026-11-05", "device": "cuda"}
    assert "2026-11-01 to 2026-11-05 on cpu; and cuda" in judge_view.provenance(made, HERE)
    assert judge_view.provenance([], HERE) == "These results are from this computer; no run is there yet."


def test_the_rule_and_its_coverage_stand_on_the_page():
    found = header(rows(), AT)
    assert "\n\n".join(found["rule"]) == Rule().text and "over 10 seeds" in found["coverage"]


def test_the_shipped_rows_make_a_blob_for_every_setting():
    shipped = results.shipped()
    for at in questions.settings(shipped):
        for method in questions.DIRECTIONS:
            found = header(shipped, at, method=method)
            assert [one["name"] for one in found["cards"]] == list(CLAIMS)
            assert found["provenance"].startswith("These results ship with the project: ")


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
    text = judge_export.script(claim, SHIPPED_AT)
    assert len([line for line in text.splitlines() if line]) <= 14
    assert_prints(run(text, tmp_path), card(header(results.shipped(), SHIPPED_AT), claim))


def test_the_script_prints_the_card_of_the_other_direction_and_of_rows_of_ones_own(tmp_path):
    out = run(judge_export.script("pruning", SHIPPED_AT, method=INACTIVITY), tmp_path)
    assert_prints(out, card(header(results.shipped(), SHIPPED_AT, method=INACTIVITY), "pruning"))
    made = [row for row in rows() if row["arm"] in QUICK]
    failed = study.failed((AT.ratio, "magnitude", 10), AT, "it fell over")
    (tmp_path / "mine.csv").write_text(judge_export.table([failed, *made]), "utf-8")
    for method in questions.DIRECTIONS:
        out = run(judge_export.script("pruning", AT, HERE, method, QUICK), tmp_path, "mine.csv")
        assert_prints(out, card(header([failed, *made], AT, HERE, method=method, arms=QUICK), "pruning"))
    at = Setting("digits", 0.6, 3, "increment", questions.ACHIEVED, 40)
    made = [row | {CUT: row["test_accuracy"] - 3 * (row["arm"] == METHOD)} for row in rows(at=at)]
    (tmp_path / "mine.csv").write_text(judge_export.table(made), "utf-8")
    out = run(judge_export.script("pruning", at, HERE, measured=CUT), tmp_path, "mine.csv")
    assert_prints(out, card(header(made, at, HERE, measured=CUT), "pruning"))


def test_the_table_reads_back_as_its_rows(tmp_path):
    shipped = SHIPPED_AT.of(results.shipped())
    (tmp_path / "runs.csv").write_text(judge_export.table(shipped), "utf-8")
    assert results.shipped(tmp_path / "runs.csv") == shipped
    assert judge_export.table([]).strip() == ""


def test_a_script_of_no_claim_is_refused():
    with pytest.raises(ValueError, match="no claim"):
        judge_export.script("all", SHIPPED_AT)
    assert re.search(r"method=\"inactivity\"", judge_export.script("pruning", AT, SHIPPED, INACTIVITY))
