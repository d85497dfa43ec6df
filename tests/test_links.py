"""What a link asks for: every field of a spec, every page's words, old links, and what cannot be."""

import math
import random
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from visiting import asking_for, button, said, visit

from core import criteria, datasets, numerals, spec
from core.rules import Number, OneOf, Rule, Several, Switch
from core.spec import PenaltySpec, PruningSpec, RunSpec, Widths
from pages.shared import link
from pages.watch import sidebar

KINDS = (RunSpec, PruningSpec, PenaltySpec)
# As links had them before their names stood beside the fields, each with what it opened.
OLD = {
    "dataset=digits": {"dataset": "digits"}, "hidden=20-10": {"hidden": (20, 10)},
    "hidden=20,10": {"hidden": (20, 10)}, "criterion=magnitude": {"criterion": "magnitude"},
    "criterion=no pruning": {"pruning": None}, "ratio=55": {"ratio": 0.55}, "rounds=2": {"rounds": 2},
    "seed=9": {"seed": 9}, "start=99.9": {"start_accuracy": 0.999}, "start=60.0": {"start_accuracy": 0.6},
    "target=0.0": {}, "target=0": {}, "target=90.0": {"target_accuracy": 0.9},
    "budget=increment": {"budget": "increment"}, "scope=layer": {"scope": "layer"},
    "counting=sample-32": {"counting": "sample-32"}, "reset=True": {"reset_counts": True}, "reset=False": {},
    "min_units=2": {"min_units": 2}, "selection=deviation": {"selection": "deviation"},
    "redundancy=released": {"redundancy": "released"}, "schedule=trained": {"schedule": "trained"},
    "rewind=True": {"rewind": True}, "rate=1e-05": {"learning_rate": 1e-5}, "batch=16": {"batch_size": 16},
    "epochs=500": {"max_epochs": 500}, "ending=epochs": {"ending": "epochs"},
    "arithmetic=portable": {"arithmetic": "portable"}, "optimizer=adam": {"optimizer": "adam"},
    "stopping=released": {"early_stopping": "released"}, "penalty=True": {"penalty": PenaltySpec()},
    "penalty=True&lambda=0.02": {"penalty": PenaltySpec(strength=0.02)},
    "penalty=True&every=7": {"penalty": PenaltySpec(every=7)},
    "penalty=True&method=gradient": {"penalty": PenaltySpec(method="gradient")},
    "penalty=True&weighting=index": {"penalty": PenaltySpec(weighting="index")},
    "penalty=True&switching=alternate-epochs": {"penalty": PenaltySpec(switching="alternate-epochs")},
    "lambda=0.02": {},
}  # fmt: skip


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """The sentences on what a link asks for in vain."""
    told = []
    monkeypatch.setattr(link, "asked_in_vain", told.append)
    return told


def opened(query: str) -> RunSpec:
    """What the sidebar asks for where this link is opened."""
    return sidebar.spec_of(sidebar.USUAL | link.read(sidebar.RULES, sidebar.USUAL, of=dict(parse_qsl(query))))


def any_number(rng: random.Random, rule: Number) -> float | int:
    if rule.whole:
        return rng.choice([rule.low, rule.high, rng.randint(rule.low, rule.high)])
    within = rng.uniform(rule.low, rule.high)
    small = min(rule.high, 10 ** rng.uniform(-12, math.log10(rule.high)))
    return rng.choice(
        [rule.low, rule.high, within, small, float(f"{within:.3g}") if within < 0.9 * rule.high else within]
    )


def allowed(rng: random.Random, rule: Rule):
    if isinstance(rule, OneOf):
        return rng.choice(rule.options)
    if isinstance(rule, Number):
        return rng.choice([any_number(rng, rule), None]) if rule.none else any_number(rng, rule)
    return (
        tuple(rng.randint(1, 4096) for _ in range(rng.randint(1, 8)))
        if isinstance(rule, Widths)
        else rng.random() < 0.5
    )


def not_allowed(rng: random.Random, rule: Rule) -> str:
    words = ["", "x", "None", "nan", "inf", "-1", "1,000,000,00", "1e999999", "<b>", "é" * 99, "0x10", "²"]
    if isinstance(rule, Number):
        top = numerals.write((100 if rule.percent else 1) * rule.high)
        words += [f"{top}1", f"{top}e9", "1,5,5", *(["0.5"] if rule.whole else [])]
    if isinstance(rule, Widths):
        words += ["0", "5000", "-".join(["9"] * 9)]
        words.remove("-1")  # to a list of widths a sign is a dash between two
    return rng.choice(words)


def any_spec(rng: random.Random) -> RunSpec:
    while True:
        values = {kind: {name: allowed(rng, rule) for name, rule in spec.rules(kind).items()} for kind in KINDS}
        parts = {name: rng.choice([None, kind]) for name, kind in (("pruning", PruningSpec), ("penalty", PenaltySpec))}
        try:
            made = {name: kind and kind(**values[kind]) for name, kind in parts.items()}
            return RunSpec(**values[RunSpec] | made)
        except ValueError:
            continue  # two fields that do not go together


@pytest.mark.parametrize("seed", range(40))
def test_the_link_of_any_spec_opens_that_spec(seed, told):
    rng = random.Random(seed)
    for _ in range(10):
        asked = any_spec(rng)
        assert opened(asking_for(asked)) == asked and not told
        assert opened(asking_for(asked)).to_dict() == asked.to_dict()  # so that the key is the same


@pytest.mark.parametrize("name", sidebar.RULES)
def test_every_field_of_a_spec_goes_through_the_link_by_itself(name, told):
    rng, rule = random.Random(name), sidebar.RULES[name]
    for _ in range(50):
        value = allowed(rng, rule)
        assert link.read({name: rule}, of={name: rule.write(value)}) == {name: value} and not told


@pytest.mark.parametrize("name", sidebar.RULES)
def test_what_is_not_allowed_is_told_and_the_rest_of_the_link_still_works(name, told):
    rng, rule = random.Random(name), sidebar.RULES[name]
    other = "seed" if name != "seed" else "batch"
    for _ in range(30):
        text = not_allowed(rng, rule)
        assert link.read(sidebar.RULES, sidebar.USUAL, of={name: text, other: "7"}) == {other: 7}, text
        sentence = told.pop()
        assert not told and sentence.startswith(f"The link asks for {name} = ") and text[:9] in sentence
        assert any(word in sentence for word in ("allowed are", "is outside", "write", "give"))
        assert len(sentence) < 800


@pytest.mark.parametrize("query", OLD)
def test_an_old_link_opens_what_it_opened(query, told):
    plan = {name: value for name, value in OLD[query].items() if name in spec.rules(PruningSpec)}
    rest = {name: value for name, value in OLD[query].items() if name not in plan}
    usual = RunSpec(
        arithmetic="native", pruning=PruningSpec(**plan), **({"target_accuracy": 1.0} if "99.9" in query else {})
    )
    assert opened(query + ("&target=100" if "99.9" in query else "")) == replace(usual, **rest) and not told


def test_old_links_are_of_every_field():
    assert {name for query in OLD for name, _ in parse_qsl(query)} == set(sidebar.RULES)


def test_the_sidebar_has_a_control_of_every_field_and_offers_all_that_it_allows(cache):
    app = visit()
    for name, rule in sidebar.RULES.items():
        typed = "text_input" if sidebar._typed(rule) else "slider"
        kind = "toggle" if isinstance(rule, Switch) else "selectbox" if isinstance(rule, OneOf) else typed
        control = getattr(app, kind)(key=f"choose {name}")
        assert control.label == rule.label and control.help
        if isinstance(rule, OneOf):
            shown = {"dataset": datasets.label, "criterion": sidebar._criterion_label}.get(name, str)
            assert sorted(control.options) == sorted(map(shown, rule.options))
        elif isinstance(rule, Number) and rule.dragged:
            unit = 100 if rule.percent else 1
            assert (control.min, control.max) == (unit * rule.low, unit * rule.high)


@pytest.mark.parametrize("seed", range(4))
def test_any_spec_opens_from_its_link_and_is_shown_as_it_is(cache, seed):
    rng = random.Random(seed)
    asked = any_spec(rng)
    app = visit(**dict(parse_qsl(asking_for(asked))))
    for _ in range(2):  # what controls show is not what they make of it
        assert sidebar.spec_of(app.session_state["choice"]) == asked and "The link asks" not in said(app)
        app.run()
    assert not app.exception


@pytest.mark.parametrize(("ratio", "rounds"), [("12,5", 37), ("96.875", 100), ("33.333333333333336", 1)])
def test_what_a_control_is_too_coarse_for_opens_from_a_link_and_is_shown(cache, ratio, rounds):
    app = visit(ratio=ratio, rounds=str(rounds))
    plan = sidebar.spec_of(app.session_state["choice"]).pruning
    assert plan == PruningSpec(ratio=float(ratio.replace(",", ".")) / 100, rounds=rounds)
    assert app.slider(key="choose ratio").value == float(ratio.replace(",", "."))
    assert app.slider(key="choose rounds").value == rounds and not button(app, "Start").disabled


@pytest.mark.parametrize("seed", range(6))
def test_what_is_typed_wrongly_is_a_sentence(cache, seed):
    rng = random.Random(seed)
    app = visit(penalty="True")
    typed = [name for name, rule in sidebar.RULES.items() if isinstance(rule, Number | Widths) and sidebar._typed(rule)]
    for name in rng.sample(typed, 3):
        before = app.text_input(key=f"choose {name}").value
        app.text_input(key=f"choose {name}").set_value(not_allowed(rng, sidebar.RULES[name])).run()
        assert not app.exception and f"This cannot be run: {sidebar.RULES[name].label}: " in said(app).replace("\\", "")
        assert button(app, "Start").disabled
        app.text_input(key=f"choose {name}").set_value(before).run()
        assert not button(app, "Start").disabled


def test_several_wrong_words_are_each_told_once(cache):
    app = visit(ratio="100", rounds="0", run="ffff", seed="3")
    for name in ("ratio", "rounds", "run"):
        assert said(app).count(f"The link asks for {name} = ") == 1
    assert sidebar.spec_of(app.session_state["choice"]).seed == 3


def test_what_a_link_says_draws_nothing_on_the_page(cache):
    app = visit(budget="![x](//x.y/z)", hidden="**[a](b)**")
    warned = "".join(one.value for one in app.warning)
    assert "!\\[x\\](" in warned and "\\*\\*\\[a\\](" in warned


def test_of_several_the_known_ones_stay(told):
    rules = {"beside": Several(choices=criteria.names)}
    assert link.read(rules, of={"beside": "wanda,beauty,apoz"}) == {"beside": ["wanda", "apoz"]}
    assert told[0].startswith(
        "The link asks for beside = 'wanda,beauty,apoz', which is not possible: 'beauty' is none of"
    )
    assert link.read(rules, of={"beside": "beauty"}) == {}


def test_only_one_file_reads_and_writes_addresses():
    pages = Path(link.__file__).parents[1]
    found = {
        file.name
        for file in pages.rglob("*.py")
        if re.search(r"query_params|urllib|urlencode", file.read_text("utf-8"))
    }
    assert found == {"link.py"}
