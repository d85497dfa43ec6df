"""RunSpec: the paper's defaults, every bound in words, keys that mean one thing."""

import dataclasses
import hashlib
import json
from fractions import Fraction

import numpy as np
import pytest

from core import criteria, datasets, spec
from core.rules import Number, OneOf
from core.spec import HandCut, PenaltySpec, PruningSpec, RunSpec, as_released

KINDS = (RunSpec, PruningSpec, PenaltySpec)


def test_the_defaults_are_the_papers_protocol():
    run = RunSpec()
    assert (run.dataset, run.hidden, run.learning_rate, run.batch_size) == ("mnist-mini", (300, 200, 100, 50), 0.01, 32)
    assert (run.optimizer, run.max_epochs, run.early_stopping, run.target) == ("sgd", 200, "off", 0.98)
    plan = run.pruning
    assert (plan.criterion, plan.ratio, plan.rounds, plan.start_accuracy) == ("activation-frequency", 0.8, 5, 0.8)
    assert (plan.budget, plan.scope, plan.counting, plan.reset_counts, plan.min_units) == (
        ("total", "global", "every-batch", False, 0)
    )
    assert (plan.selection, plan.redundancy) == ("ratio", "full")


def test_the_released_preset():
    run = as_released("fashion-mnist", seed=3)
    assert (run.dataset, run.seed, run.max_epochs, run.early_stopping) == ("fashion-mnist", 3, 500, "released")
    assert run.pruning == PruningSpec(
        criterion="inactivity", budget="increment", counting="sample-32", redundancy="released"
    )


def test_specs_are_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunSpec().seed = 3
    with pytest.raises(TypeError):
        RunSpec("digits")
    assert hash(RunSpec(hidden=[30, 20])) == hash(RunSpec(hidden=(30, 20)))


BAD_PRUNING = [
    ({"ratio": 1.0}, r"ratio 1.0 is outside 0.0..0.99"),
    ({"ratio": -1}, r"ratio -1 is outside 0.0..0.99"),
    ({"ratio": float("nan")}, r"ratio nan is outside 0.0..0.99"),
    ({"ratio": float("inf")}, r"ratio inf is outside 0.0..0.99"),
    ({"ratio": "0.5"}, r"ratio '0.5' is not a number: give one in 0.0..0.99"),
    ({"ratio": True}, r"ratio True is not a number"),
    ({"ratio": None}, r"ratio None is not a number"),
    ({"rounds": 0}, r"rounds 0 is outside 1..100"),
    ({"rounds": 101}, r"rounds 101 is outside 1..100"),
    ({"rounds": 2.0}, r"rounds 2.0 is not a whole number"),
    ({"rounds": True}, r"rounds True is not a whole number"),
    ({"start_accuracy": 1.1}, r"start_accuracy 1.1 is outside 0.0..1.0"),
    ({"min_units": -1}, r"min_units -1 is outside 0..4096"),
    ({"budget": "all"}, r"budget 'all' is unknown: allowed are total, increment"),
    ({"budget": ["total"]}, r"budget \['total'\] is unknown"),
    ({"scope": "Global"}, r"scope 'Global' is unknown: allowed are global, layer"),
    ({"counting": None}, r"counting None is unknown: allowed are every-batch, sample-32"),
    ({"selection": "best"}, r"selection 'best' is unknown: allowed are ratio, deviation"),
    ({"redundancy": "none"}, r"redundancy 'none' is unknown: allowed are full, released"),
    ({"criterion": "magnitud"}, r"unknown criterion 'magnitud': allowed are activation-frequency"),
    ({"criterion": ["magnitude"]}, r"unknown criterion \['magnitude'\]"),
    ({"reset_counts": 1}, r"reset_counts 1 is not True or False"),
    ({"selection": "deviation", "criterion": "magnitude"}, r"scores weights: choose a neuron criterion"),
]


@pytest.mark.parametrize("fields, words", BAD_PRUNING)
def test_bad_pruning_is_refused_in_words(fields, words):
    with pytest.raises(ValueError, match=words):
        PruningSpec(**fields)


ADVICE = r"give 1 to 8 hidden layers of 1..4096 neurons"
BAD_RUNS = [
    ({"penalty": 0.1}, r"penalty 0.1 is not a PenaltySpec: give one, or None for no penalty"),
    ({"hidden": (0,)}, rf"width 0 is not allowed: {ADVICE}"),
    ({"hidden": (300, 5000)}, rf"width 5000 is not allowed: {ADVICE}"),
    ({"hidden": (10,) * 200}, rf"hidden has 200 layers: {ADVICE}"),
    ({"hidden": ()}, rf"hidden has 0 layers: {ADVICE}"),
    ({"hidden": "300"}, rf"hidden '300' is not a tuple of widths: {ADVICE}"),
    ({"hidden": 300}, rf"hidden 300 is not a tuple of widths: {ADVICE}"),
    ({"hidden": ("300",)}, rf"width '300' is not allowed: {ADVICE}"),
    ({"hidden": (30.5,)}, r"width 30.5 is not allowed"),
    ({"hidden": (True,)}, r"width True is not allowed"),
    ({"hidden": None}, r"hidden None is not a tuple of widths"),
    ({"dataset": "mnst"}, r"unknown data set 'mnst': allowed are .*mnist-mini.*PRUNING_DATA"),
    ({"dataset": None}, r"unknown data set None"),
    ({"dataset": ["digits"]}, r"unknown data set \['digits'\]"),
    ({"seed": -1}, r"seed -1 is outside 0..4294967295"),
    ({"seed": 0.5}, r"seed 0.5 is not a whole number"),
    ({"seed": True}, r"seed True is not a whole number"),
    ({"optimizer": "rmsprop"}, r"optimizer 'rmsprop' is unknown: allowed are sgd, adam"),
    ({"learning_rate": -0.1}, r"learning_rate -0.1 is outside 0.0..1000000000000.0"),
    ({"learning_rate": float("nan")}, r"learning_rate nan is outside"),
    ({"learning_rate": float("inf")}, r"learning_rate inf is outside"),
    ({"learning_rate": 10**400}, r"learning_rate 10+ is outside"),
    ({"learning_rate": "fast"}, r"learning_rate 'fast' is not a number"),
    ({"batch_size": 0}, r"batch_size 0 is outside 1..100000"),
    ({"batch_size": 32.0}, r"batch_size 32.0 is not a whole number"),
    ({"max_epochs": 0}, r"max_epochs 0 is outside 1..10000"),
    ({"target_accuracy": 1.5}, r"target_accuracy 1.5 is outside 0.0..1.0"),
    ({"target_accuracy": "high"}, r"target_accuracy 'high' is not a number"),
    ({"target_accuracy": 0.7}, r"start_accuracy 0.8 is above the target accuracy 0.7 of mnist-mini.*lower one or"),
    ({"early_stopping": "on"}, r"early_stopping 'on' is unknown: allowed are off, released"),
    ({"pruning": "yes"}, r"pruning 'yes' is not a PruningSpec: give one, or None"),
    ({"pruning": {"ratio": 0.5}}, r"is not a PruningSpec"),
    ({"hand_cuts": 3}, r"hand_cuts 3 is not a tuple of HandCut"),
    ({"hand_cuts": (3,)}, r"hand_cuts \(3,\) is not a tuple of HandCut"),
    ({"parent": 5}, r"parent 5 is not the key of a run"),
    ({"parent": "../x"}, r"parent '../x' is not the key of a run"),
]


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"strength": -1.0}, r"strength -1.0 is outside 0.0..1000000.0"),
        ({"strength": float("nan")}, r"strength nan is outside"),
        ({"every": 0}, r"every 0 is outside 1..100000"),
        ({"every": 1.5}, r"every 1.5 is not a whole number"),
        ({"method": "exact"}, r"method 'exact' is unknown: allowed are proximal, gradient"),
    ],
)
def test_bad_penalties_are_refused_in_words(fields, words):
    with pytest.raises(ValueError, match=words):
        PenaltySpec(**fields)


@pytest.mark.parametrize("fields, words", BAD_RUNS)
def test_bad_runs_are_refused_in_words(fields, words):
    with pytest.raises(ValueError, match=words):
        RunSpec(**fields)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"epoch": -1, "ratio": 0.5}, "epoch of a cut by hand -1 is outside 0..100000"),
        ({"epoch": 1.5, "ratio": 0.5}, "epoch of a cut by hand 1.5 is not a whole number"),
        ({"epoch": 1, "ratio": 1.0}, r"ratio 1.0 is outside 0.0..0.99"),
    ],
)
def test_bad_cuts_by_hand_are_refused_in_words(fields, words):
    with pytest.raises(ValueError, match=words):
        HandCut(**fields)


def test_a_start_accuracy_is_held_against_the_data_sets_own_target():
    with pytest.raises(ValueError, match="start_accuracy 0.95 is above the target accuracy 0.92 of fashion-mnist"):
        RunSpec(dataset="fashion-mnist", pruning=PruningSpec(start_accuracy=0.95))
    assert (
        RunSpec(dataset="fashion-mnist", target_accuracy=0.96, pruning=PruningSpec(start_accuracy=0.95)).target == 0.96
    )


def test_every_field_has_a_rule_in_words_and_takes_whatever_it_allows():
    bare = {field.name for kind in KINDS for field in dataclasses.fields(kind)} - {
        name for kind in KINDS for name in spec.rules(kind)
    }
    assert bare == {"hand_cuts", "parent"}  # what makes a branch is no choice of a control's
    for kind in KINDS:
        for name, rule in spec.rules(kind).items():
            assert rule.label or name == "pruning"
            assert len(rule.help) > 10 or name in (
                "criterion",
                "dataset",
                "hidden",
                "pruning",
            )  # in the sidebar's words
            ends = (rule.low, rule.high) if isinstance(rule, Number) else ()
            for value in rule.options if isinstance(rule, OneOf) else ends:
                kind(**{name: value} | ({"pruning": None} if kind is RunSpec else {}))


CHANGES = [
    {"dataset": "digits"},
    {"hidden": (300, 200, 100)},
    {"seed": 1},
    {"optimizer": "adam"},
    {"learning_rate": 0.02},
    {"batch_size": 16},
    {"max_epochs": 100},
    {"target_accuracy": 0.97},
    {"ending": "epochs"},
    {"early_stopping": "released"},
    {"arithmetic": "native"},
    {"pruning": None},
    {"penalty": PenaltySpec()},
    {"hand_cuts": (HandCut(epoch=3, ratio=0.5),)},
    {"parent": "0123456789abcdef"},
]
PRUNING_CHANGES = [
    *({"criterion": name} for name in criteria.names()[1:]),
    {"ratio": 0.5},
    {"rounds": 10},
    {"start_accuracy": 0.7},
    {"budget": "increment"},
    {"scope": "layer"},
    {"counting": "sample-32"},
    {"reset_counts": True},
    {"min_units": 2},
    {"selection": "deviation"},
    {"redundancy": "released"},
    {"schedule": "trained"},
    {"rewind": True},
]
PENALTY_CHANGES = [
    {"strength": 0.01},
    {"every": 1},
    {"method": "gradient"},
    {"weighting": "index"},
    {"switching": "alternate-epochs"},
]


def test_every_field_changes_the_key():
    assert {name for change in CHANGES for name in change} == {field.name for field in dataclasses.fields(RunSpec)}
    changed = {name for change in PRUNING_CHANGES for name in change}
    assert changed == {field.name for field in dataclasses.fields(PruningSpec)}
    changed = {name for change in PENALTY_CHANGES for name in change}
    assert changed == {field.name for field in dataclasses.fields(PenaltySpec)}
    runs = [RunSpec(), *(RunSpec(**c) for c in CHANGES), *(RunSpec(pruning=PruningSpec(**c)) for c in PRUNING_CHANGES)]
    runs += [RunSpec(penalty=PenaltySpec(**c)) for c in PENALTY_CHANGES]
    assert [RunSpec.from_dict(json.loads(json.dumps(run.to_dict()))) for run in runs] == runs
    keys = [run.key() for run in runs]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and key.isalnum() for key in keys)


def test_spelling_out_a_default_changes_no_key():
    defaults = {f.name: f.default for f in dataclasses.fields(RunSpec) if f.default is not dataclasses.MISSING}
    assert RunSpec(**defaults).key() == RunSpec().key()
    assert RunSpec(hidden=[300, 200, 100, 50], learning_rate=Fraction(1, 100)).key() == RunSpec().key()
    plain, numpys = RunSpec(seed=7, learning_rate=1), RunSpec(seed=np.int64(7), learning_rate=np.float32(1))
    assert plain.key() == numpys.key() and type(numpys.seed) is int and type(numpys.learning_rate) is float


def test_a_key_does_not_change_from_one_version_to_the_next():
    text = f'{{"data": "{datasets.fingerprint("digits")}", "engine": {spec.ENGINE}, "spec": {{"dataset": "digits"}}}}'
    assert RunSpec(dataset="digits").key() == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_key_covers_the_data_and_the_engine(monkeypatch):
    key = RunSpec().key()
    monkeypatch.setattr(spec, "ENGINE", spec.ENGINE + 1)
    assert RunSpec().key() != key
    monkeypatch.undo()
    monkeypatch.setattr(datasets, "fingerprint", lambda name: "0" * 16)
    assert RunSpec().key() != key


@pytest.mark.parametrize(
    "run",
    [
        RunSpec(),
        *(RunSpec(**change) for change in CHANGES),
        *(RunSpec(pruning=PruningSpec(**change)) for change in PRUNING_CHANGES),
        as_released("digits"),
        RunSpec(hand_cuts=(HandCut(epoch=2, ratio=0.25), HandCut(epoch=5, ratio=0.5)), parent="f" * 16),
    ],
)
def test_what_to_dict_writes_from_dict_reads(run):
    values = json.loads(json.dumps(run.to_dict()))
    again = RunSpec.from_dict(values)
    assert again == run and again.key() == run.key() and again.label() == run.label()


def test_defaults_are_left_out_of_the_dict():
    assert RunSpec().to_dict() == {}
    assert RunSpec(seed=3, pruning=PruningSpec(ratio=0.5)).to_dict() == {"seed": 3, "pruning": {"ratio": 0.5}}
    assert RunSpec(pruning=None).to_dict() == {"pruning": None}


@pytest.mark.parametrize(
    "values, words",
    [
        ({"sede": 3}, "unknown field 'sede' in a RunSpec: allowed are arithmetic, batch_size"),
        ({"pruning": {"ratios": 0.5}}, "unknown field 'ratios' in a PruningSpec"),
        ({"pruning": 5}, "pruning 5 is not a PruningSpec"),
        (
            {"hand_cuts": [{"when": 5}]},
            "unknown field 'when' in a HandCut: allowed are criterion, epoch, killed, ratio",
        ),
        ({"hand_cuts": [{"epoch": 5}]}, "a HandCut needs 'ratio'"),
        ({"hand_cuts": [5]}, "5 is no set of fields of a HandCut"),
        ({"hand_cuts": 5}, "hand_cuts 5 is not a tuple of HandCut"),
        ([1], r"\[1\] is no set of fields of a RunSpec"),
    ],
)
def test_a_dict_of_something_else_is_refused_in_words(values, words):
    with pytest.raises(ValueError, match=words):
        RunSpec.from_dict(values)


def test_labels_say_what_a_person_would():
    assert RunSpec().label() == "mnist-mini · 300-200-100-50 · activation-frequency 80 % in 5 rounds · seed 0"
    assert RunSpec(pruning=None, seed=2).label().endswith("no pruning · seed 2")
    assert (
        "magnitude 12.5 % in 1 round ·"
        in RunSpec(pruning=PruningSpec(criterion="magnitude", ratio=0.125, rounds=1)).label()
    )
    assert "mean − k·σ in 3 rounds" in RunSpec(pruning=PruningSpec(selection="deviation", rounds=3)).label()
    assert RunSpec(hand_cuts=(HandCut(epoch=4, ratio=0.3),)).label().endswith("cut by hand to 30 % at epoch 4")


def test_runs_that_differ_in_anything_have_labels_that_differ():
    usual = RunSpec()
    others = [
        RunSpec(learning_rate=0.1),
        RunSpec(optimizer="adam"),
        RunSpec(pruning=PruningSpec(reset_counts=True)),
        RunSpec(pruning=PruningSpec(budget="increment")),
        RunSpec(penalty=PenaltySpec()),
        *(RunSpec(penalty=PenaltySpec(**change)) for change in PENALTY_CHANGES),
        as_released(),
    ]
    assert len({spec.label() for spec in [usual, *others]}) == 1 + len(others)
    assert others[0].label() == f"{usual.label()} · learning rate 0.1"
    assert others[2].label().endswith(" · reset counts")
