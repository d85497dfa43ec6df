"""Every verdict first asks whether the run is one: random runs that diverge, collapse, miss cuts, or are sound."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import digits

from core import collapse, datasets, experiment
from core.artifacts import Sources
from core.claims import pca, spectral_history, standing, verdicts
from core.claims import penalty as penalties
from core.spec import HandCut, PruningSpec, RunSpec
from core.statistics import Verdict
from core.store import Store
from core.store.log import encoded
from core.views import pca as pca_view

REPOSITORY = Path(__file__).parents[1]


def finished(store: Store, spec: RunSpec) -> str:
    list(experiment.run(spec, store))
    return spec.key()


def words(store: Store, key: str) -> list[Verdict]:
    """The verdicts of the two claims that look at one run alone, as the pages ask for them."""
    made, cuts = spectral_history.collect(store, key), penalties.cuts(store, store.open(key).spec, key)
    return [spectral_history.verdict(made), penalties.verdict(cuts, {})]


def assert_no_verdict(store: Store, key: str, *said: str) -> None:
    objection = standing.objection(store, key)
    assert any(part in objection for part in said), objection
    low_rank, penalty = words(store, key)
    assert low_rank.word == verdicts.UNKNOWN and low_rank.sentence == objection
    assert penalty.word == verdicts.UNKNOWN
    if store.open(key).achieved:
        assert penalty.sentence == objection


def test_a_run_at_a_rate_of_12_is_judged_by_no_claim(store):
    spec = RunSpec(
        dataset="digits", hidden=(64, 32, 32, 16), learning_rate=12, batch_size=256, max_epochs=12,
        pruning=PruningSpec(start_accuracy=0.0),
    )  # fmt: skip
    assert_no_verdict(store, finished(store, spec), "diverged")


@pytest.mark.parametrize("seed", range(16))
def test_what_diverges_is_judged_by_no_claim_whether_its_weights_are_numbers_or_not(store, seed):
    rng = np.random.default_rng(seed)
    plan = PruningSpec(ratio=float(rng.uniform(0.2, 0.7)), rounds=int(rng.integers(1, 4)), start_accuracy=0.0)
    widths = tuple(int(width) for width in rng.integers(10, 60, rng.integers(2, 5)))
    spec = RunSpec(
        dataset="digits", hidden=widths, learning_rate=float(10 ** rng.uniform(0.8, 2)), batch_size=256, max_epochs=5,
        pruning=plan, seed=seed,
    )  # fmt: skip
    key = finished(store, spec)
    assert_no_verdict(store, key, "diverged", "dead", "to everything", "guessing", "missed cuts")


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_is_sound_has_no_objection(store, seed):
    key = finished(store, digits(seed=seed))
    assert len([line for line in store.log(key) if line["kind"] == "Pruned"]) == 3
    assert standing.objection(store, key) == "" and spectral_history.collect(store, key).objection == ""


def test_a_run_that_gives_one_answer_to_everything_says_which(store):
    killed = PruningSpec(ratio=0.99, rounds=1, start_accuracy=0.4, criterion="inactivity")
    spec = RunSpec(
        dataset="digits", hidden=(32, 16), learning_rate=0.1, batch_size=16, max_epochs=9, pruning=killed, seed=3
    )
    key = finished(store, spec)
    answer = collapse.only_answer(store.network(key).predict(datasets.load("digits").x_valid))
    assert_no_verdict(store, key, f"answers {answer} to everything: guessing is 10 %")
    # A log of before answers were looked at: the network itself is asked.
    lines = [{name: value for name, value in line.items() if name != "answer"} for line in store.log(key)]
    (store.root / "runs" / key / "events.jsonl").write_bytes(encoded(lines))
    assert_no_verdict(Store(store.root), key, f"answers {answer} to everything: guessing is 10 %")


@pytest.mark.parametrize("rounds", [4, 5, 9])
def test_a_run_that_missed_cuts_is_told_by_what_it_achieved(store, rounds):
    key = finished(store, digits({"rounds": rounds, "ratio": 0.5}, target_accuracy=1.0, max_epochs=3))
    made = sum(line["kind"] == "Pruned" for line in store.log(key))
    assert 0 < made < rounds
    zero = f"{100 * store.network(key).sparsity():.2f} % of its weights are zero, 50 % was asked"
    assert_no_verdict(store, key, f"made {made} of {rounds}, so {zero}")


def test_a_cut_by_hand_that_never_came_is_missed_too(store):
    spec = digits(None, max_epochs=6, target_accuracy=1.0, hand_cuts=(HandCut(epoch=1, ratio=0.3),))
    key = finished(store, spec)
    assert standing.missed(store, key) == ""
    lines = [line for line in store.log(key) if line["kind"] != "Pruned"]
    (store.root / "runs" / key / "events.jsonl").write_bytes(encoded(lines))
    assert "made 0 of 1 cuts by hand" in standing.missed(Store(store.root), key)


def test_a_run_under_way_has_missed_nothing_yet(store):
    spec = digits({"rounds": 5, "start_accuracy": 0.6})
    for event in experiment.run(spec, store):
        if getattr(event, "round", None) == 2:
            break
    assert standing.objection(store, spec.key()) == ""


@pytest.mark.parametrize("ask", [verdicts.low_rank, verdicts.penalty, verdicts.contest])
def test_every_rule_asks_first_and_says_so(ask):
    found = ask({} if ask is verdicts.contest else [], objection="It is none.")
    assert (found.word, found.sentence) == (verdicts.UNKNOWN, "It is none.")
    assert verdicts.NO_RUN in found.rule


def test_no_rule_is_without_that_question():
    """Whoever writes another verdict is reminded."""
    tree = ast.parse((REPOSITORY / "core" / "claims" / "verdicts.py").read_text("utf-8"))
    rules = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert {"low_rank", "penalty", "contest"} <= {one.name for one in rules}
    for one in rules:
        gives = isinstance(one.returns, ast.Name) and one.returns.id == "Verdict"
        if gives:
            assert "objection" in [a.arg for a in one.args.args], f"{one.name} gives a verdict without asking first"
            assert any(isinstance(n, ast.Name) and n.id == "cannot" for n in ast.walk(one)), one.name


def test_the_contest_of_a_network_that_answers_one_class_is_not_decided(store):
    spec = digits(max_epochs=4)
    finished(store, spec), finished(store, pca.twin(spec))
    held = pca.build(pca.twins(Sources(store), spec.key()))
    labels = datasets.load("digits").y_test
    sound = pca_view.verdict(held, {}, labels, "rank")
    assert sound.word != verdicts.UNKNOWN
    for name in ("pruned", "standard"):
        constant = replace(held, **{name: np.full_like(held.pruned, 8)})
        found = pca_view.verdict(constant, {}, labels, "rank")
        assert found.word == verdicts.UNKNOWN and name in found.sentence
    assert pca_view.verdict(held, {}, labels, "rank", "It is none.").sentence == "It is none."


def test_a_contest_asks_about_the_standard_network_too(store):
    sound = finished(store, digits())
    broken = finished(store, digits(None, learning_rate=1e9, max_epochs=2))
    assert standing.of_pair(store, sound, store, sound) == ""
    assert standing.of_pair(store, sound, store, broken).startswith("Of the standard network: ")
    assert standing.of_pair(store, broken, store, sound).startswith("This run")
