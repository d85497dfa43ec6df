"""What every card compares, from rows with a known answer."""

import pytest

from core import statistics
from core.judge import questions, results
from core.judge.questions import CLAIMS, COMPARED, FRESH_EPOCHS, FRESH_TARGET, METHOD, Setting
from core.statistics import Rule
from core.statistics.mcnemar import REDUCTIONS, RETRAINED

SOURCE = {"device": "cpu", "versions": "torch 1", "data": "abc", "images": 10_000}


def rows(seeds=10, **accuracies):
    """Rows of one setting: per arm an accuracy, a tenth of a point apart from seed to seed."""
    made = []
    for arm, accuracy in accuracies.items():
        for seed in range(seeds):
            made.append(
                {"dataset": "mnist", "ratio": 0.8, "rounds": 5, "arm": arm.replace("_", "-"), "seed": seed, **SOURCE}
                | {"test_accuracy": accuracy + 0.1 * seed, "low_rank": "fails", "penalty": "fails"}
            )
    return made


def with_controls(lead=2.0, **changes):
    arms = {METHOD.replace("-", "_"): 97.0, "magnitude": 97.0, "random_matched": 97 - lead, "random_weights": 97 - lead}
    made = rows(**arms | changes)
    for name in (FRESH_TARGET, FRESH_EPOCHS):
        made += [
            row | {"arm": name, "test_accuracy": row["test_accuracy"] - lead} for row in made if row["arm"] == METHOD
        ]
    return [
        row | {"test_accuracy": row["test_accuracy"] + 0.01 * (row["seed"] % 3) * (row["arm"] == METHOD)}
        for row in made
    ]


def test_claim_1_holds_where_the_method_keeps_up_with_magnitude_and_beats_every_control():
    found = questions.card("pruning", with_controls())
    assert found.word == "holds" and len(found.decisions) == len(COMPARED) == 5
    assert [decision.question.second.name for decision in found.decisions] == [
        questions.NAMES[arm] for _, arm in COMPARED
    ]


@pytest.mark.parametrize("arm", ["random_matched", "random_weights"])
def test_claim_1_fails_where_one_control_does_as_well(arm):
    assert questions.card("pruning", with_controls(**{arm: 97.0})).word == "fails"


def test_claim_1_fails_where_magnitude_is_better():
    assert questions.card("pruning", with_controls(magnitude=98.5)).word == "fails"


def test_nothing_is_told_from_too_few_seeds():
    few = [row for row in with_controls() if row["seed"] < 9]
    assert all(questions.card(claim, _reduced(few)).word == "can't tell yet" for claim in CLAIMS)


def _reduced(made, **accuracies):
    names = [name + tail for tail in ("", RETRAINED) for name in REDUCTIONS]
    for row in made:
        for name in names:
            column = name.replace("-", "_")
            row[column] = accuracies.get(column, 95.0) + 0.1 * row["seed"] if row["arm"] == METHOD else ""
    return made


@pytest.mark.parametrize(
    "changes, word", [({}, "holds"), ({"aware": 97.0}, "fails"), ({"svd_retrained": 98.0}, "fails")]
)
def test_claim_3_asks_for_a_lead_on_every_reduction(changes, word):
    found = questions.card("pca", _reduced(with_controls(), **changes))
    assert found.word == word and len(found.decisions) == 6


@pytest.mark.parametrize("claim, column", [("low-rank", "low_rank"), ("penalty", "penalty")])
@pytest.mark.parametrize(
    "words, word", [(["holds"] * 10, "holds"), (["fails"] * 10, "fails"), (["holds", "fails"] * 5, "can't tell yet")]
)
def test_claims_2_and_4_count_the_runs_in_which_they_hold(claim, column, words, word):
    made = rows(**{METHOD.replace("-", "_"): 97.0})
    for row, text in zip(made, words, strict=True):
        row[column] = text
    assert questions.card(claim, made).word == word


def test_runs_of_different_machines_are_not_paired():
    made = [row | ({"versions": "torch 2"} if row["arm"] == "magnitude" else {}) for row in with_controls()]
    found = questions.card("pruning", made)
    assert found.word != "holds" and "versions" in found.decisions[0].sentence


def test_rows_of_another_setting_stay_out():
    made = with_controls()
    other = [row | {"ratio": 0.9} for row in made]
    assert Setting("mnist", 0.8).of([*made, *other]) == made
    assert questions.settings([*made, *other]) == [Setting("mnist", 0.8), Setting("mnist", 0.9)]


def test_an_unknown_claim_is_refused():
    with pytest.raises(ValueError, match="is no claim: allowed are pruning, low-rank, pca, penalty"):
        questions.questions("speed", [])


def test_the_shipped_rows_can_be_judged_by_the_rule():
    made = results.shipped()
    for setting in questions.settings(made):
        here = setting.of(made)
        seeds = {row["seed"] for row in here if row["arm"] == METHOD}
        for claim in CLAIMS:
            found = questions.card(claim, here)
            assert found.word in statistics.WORDS
            if len(seeds) < Rule().seeds:
                assert found.word == "can't tell yet"
