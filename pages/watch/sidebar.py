"""The shared sidebar: what to run. The choice lives in the session and in the link, so that it can be bookmarked."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import criteria, datasets, numerals, spec
from core.spec import PenaltySpec, PruningSpec, RunSpec
from pages.shared import given, link, noted, session

NONE = "no pruning"
FIRST = ("activation-frequency", "magnitude", "random-matched", "inactivity")
TEXT: dict[str, Any] = {
    "dataset": "mnist-mini", "hidden": "300-200-100-50", "criterion": FIRST[0], "ratio": 80, "rounds": 5, "seed": 0,
    "start": 80.0, "target": 0.0, "budget": "total", "scope": "global", "counting": "every-batch", "reset": False,
    "min_units": 0, "selection": "ratio", "redundancy": "full", "schedule": "rising", "rewind": False, "rate": 0.01,
    "batch": 32, "epochs": 200, "ending": "target", "arithmetic": "native", "optimizer": "sgd", "stopping": "off",
    "penalty": False, "lambda": 0.001, "every": 50, "method": "proximal", "weighting": "equal", "switching": "always",
}  # fmt: skip
RELEASED = TEXT | {
    "criterion": "inactivity", "budget": "increment", "counting": "sample-32", "redundancy": "released",
    "epochs": 500, "stopping": "released",
}  # fmt: skip
PRESET_KEEPS = ("dataset", "seed")
# Typed into fields of text, which are read here: a browser's field of numbers drops the comma of 0,05 and says 5.
TYPED = {
    "min_units": "Neurons kept per layer", "start": "First cut at training accuracy, %",
    "target": "Target accuracy, % (0: the data's own)", "rate": "Learning rate", "batch": "Batch size",
    "epochs": "Epochs at most", "lambda": "Strength λ", "every": "Training steps between two of its steps, N",
}  # fmt: skip
OF_THE_PENALTY = ("lambda", "every")


def draw() -> None:
    """Draws the sidebar and opens the run that the link names; `chosen` gives the result, `in_link` what the link is to say."""
    state = st.session_state
    if link.unread("choice") or "choice" not in state:
        state["choice"] = _from_link()
        for name, value in state["choice"].items():
            given.give(f"choose {name}", _shown(name, value))
    for name, value in state["choice"].items():
        # Written anew in every run, not only once: else a rerun that overtakes the browser's first drawing of a control
        # finds it at its lowest value.
        given.give(f"choose {name}", given.value(f"choose {name}", _shown(name, value)))
    session.open_from_link()
    with st.sidebar:
        _presets()
        _main_controls()
        with st.expander("More settings"):
            _more_controls()
        with st.expander("Nuclear-norm penalty"):
            _penalty_controls()
    state["choice problem"] = ""
    state["choice"] = {name: _said(name, known) for name, known in state["choice"].items()}


def in_link() -> dict[str, str]:
    """What the link is to say of the choice, and of the run that is watched."""
    wanted = {name: str(value) for name, value in st.session_state["choice"].items() if value != TEXT[name]}
    return wanted | session.in_link()


def _shown(name: str, value: Any) -> Any:
    """The value as its control holds it."""
    return numerals.write(value) if name in TYPED else value


def _said(name: str, known: Any) -> Any:
    """What the control says; what was `known` where a number cannot be read, which `chosen` then tells."""
    state = st.session_state
    value = given.value(f"choose {name}")
    if value is None or name not in TYPED:
        return known if value is None else value
    try:
        return numerals.read(value, *RANGES[name], whole=isinstance(TEXT[name], int))
    except ValueError as error:
        if given.value("choose penalty") or name not in OF_THE_PENALTY:
            state["choice problem"] = state["choice problem"] or f"{TYPED[name]}: {error}"
        return known


def chosen() -> RunSpec:
    """The spec that the sidebar asks for. Raises ValueError with a sentence where it asks for what cannot be."""
    choice = st.session_state["choice"]
    if problem := st.session_state.get("choice problem"):
        raise ValueError(problem)
    pruning = None
    if choice["criterion"] != NONE:
        pruning = PruningSpec(
            criterion=choice["criterion"], ratio=choice["ratio"] / 100, rounds=choice["rounds"],
            start_accuracy=choice["start"] / 100, budget=choice["budget"], scope=choice["scope"],
            counting=choice["counting"], reset_counts=choice["reset"], min_units=choice["min_units"],
            selection=choice["selection"], redundancy=choice["redundancy"], schedule=choice["schedule"],
            rewind=choice["rewind"],
        )  # fmt: skip
    penalty = None
    if choice["penalty"]:
        penalty = PenaltySpec(
            strength=choice["lambda"], every=choice["every"], method=choice["method"], weighting=choice["weighting"],
            switching=choice["switching"],
        )  # fmt: skip
    return RunSpec(
        dataset=choice["dataset"], hidden=_widths(choice["hidden"]), seed=choice["seed"], pruning=pruning, penalty=penalty,
        optimizer=choice["optimizer"], learning_rate=choice["rate"], batch_size=choice["batch"],
        max_epochs=choice["epochs"], ending=choice["ending"], early_stopping=choice["stopping"],
        arithmetic=choice["arithmetic"],
        target_accuracy=choice["target"] / 100 if choice["target"] else None,
    )  # fmt: skip


def _widths(text: str) -> tuple[int, ...]:
    widths = spec.widths_of(text)
    if max(widths) > spec.WIDEST_ON_PAGE:
        raise ValueError(
            f"a hidden layer of {max(widths):,} neurons is too wide for the page: allowed are 1..{spec.WIDEST_ON_PAGE}; "
            "up to 4,096 train from a Python script"
        )
    return widths


# -- the link -------------------------------------------------------------------------------------------------------


def _from_link() -> dict[str, Any]:
    """The paper's protocol, changed by what the link says. What the link says wrongly is told and left out."""
    choice = dict(TEXT)
    for name, text in link.says().items():
        if name not in choice:
            continue
        kind = type(choice[name])
        try:
            value = text == "True" if kind is bool else kind(text)
        except ValueError:
            value = None
        problem = value is None or not _possible(name, value)
        if problem:
            link.asked_in_vain(f"The link asks for {name} = {text!r}, which is not possible; {choice[name]} it is.")
        else:
            choice[name] = value
    return choice


def _possible(name: str, value: Any) -> bool:
    options, rule = OPTIONS.get(name), RANGES.get(name)
    if name == "dataset":
        return value in datasets.names()
    if options:
        return value in options()
    return rule is None or rule[0] <= value <= rule[1]


# -- the controls ---------------------------------------------------------------------------------------------------


def _rule(kind: type, name: str) -> Any:
    return spec.bounds(kind, name)


RANGES = {
    "ratio": (0, 99), "rounds": (1, 20), "seed": (0, 2**32 - 1), "start": (0.0, 100.0), "target": (0.0, 100.0),
    "min_units": (0, spec.WIDEST_ON_PAGE), "rate": (0.0, 1e12), "batch": (1, 100_000), "epochs": (1, 10_000),
    "lambda": (0.0, 1e6), "every": (1, 100_000),
}  # fmt: skip
OPTIONS = {
    "criterion": lambda: [*criteria.names(), NONE],
    "budget": lambda: list(spec.BUDGETS),
    "scope": lambda: list(spec.SCOPES),
    "counting": lambda: list(spec.COUNTINGS),
    "selection": lambda: list(spec.SELECTIONS),
    "redundancy": lambda: list(spec.REDUNDANCIES),
    "schedule": lambda: list(spec.SCHEDULES),
    "ending": lambda: list(spec.ENDINGS),
    "arithmetic": lambda: list(spec.ARITHMETICS),
    "optimizer": lambda: list(spec.OPTIMIZERS),
    "stopping": lambda: list(spec.EARLY_STOPPINGS),
    "method": lambda: list(spec.METHODS),
    "weighting": lambda: list(spec.WEIGHTINGS),
    "switching": lambda: list(spec.SWITCHINGS),
}


def _apply(preset: dict[str, Any]) -> None:
    for name, value in preset.items():
        if name not in PRESET_KEEPS:
            given.give(f"choose {name}", _shown(name, value))


def _presets() -> None:
    st.button(
        "As in the text", on_click=_apply, args=(TEXT,), width="stretch",
        help="The paper's words: the least active neurons go; 80 % in 5 rounds, redundancy counted in the ratio.",
    )  # fmt: skip
    st.button(
        "As in the released code", on_click=_apply, args=(RELEASED,), width="stretch",
        help="The authors' code of January 2024: the *busiest* neurons go, increments of those still alive, 32 images "
        "counted an epoch, redundancy in hidden layers only, early stopping, at most 500 epochs.",
    )  # fmt: skip

    with st.popover("The paper's other baselines", width="stretch"):
        for name, (changes, words) in spec.BASELINES.items():
            label = name[0].upper() + name[1:]
            st.button(label, on_click=_apply, args=(TEXT | changes,), width="stretch", help=words)


def _main_controls() -> None:
    st.selectbox(
        "Data", datasets.names(), key=given.name("choose dataset"), format_func=datasets.label,
        help="\n\n".join(map(_described, datasets.names())),
    )  # fmt: skip
    noted.draw(given.value("choose dataset"))
    noted.overlooked()
    st.text_input(
        "Hidden layers", key=given.name("choose hidden"),
        help=f"Widths of the hidden layers, such as 300-200-100-50: 1 to 8 layers of 1..{spec.WIDEST_ON_PAGE} neurons.",
    )  # fmt: skip
    st.selectbox(
        "Criterion: what goes first", [*FIRST, NONE, *(n for n in criteria.names() if n not in FIRST)],
        key=given.name("choose criterion"), format_func=_criterion_label,
        help="The first four are the ones a class needs; further ones follow.\n\n"
        + "\n\n".join(f"**{criteria.get(name).label}**: {criteria.get(name).help}" for name in criteria.names()),
    )  # fmt: skip
    idle = given.value("choose criterion") == NONE
    st.slider(
        "Pruning ratio, %",
        *RANGES["ratio"],
        key=given.name("choose ratio"),
        disabled=idle,
        help=_rule(PruningSpec, "ratio")["help"],
    )
    st.slider(
        "Rounds",
        *RANGES["rounds"],
        key=given.name("choose rounds"),
        disabled=idle,
        help=_rule(PruningSpec, "rounds")["help"],
    )
    st.number_input("Seed", 0, 2**32 - 1, key=given.name("choose seed"), step=1, help=_rule(RunSpec, "seed")["help"])


def _described(dataset: str) -> str:
    return f"**{session.literal(datasets.label(dataset))}**: {session.literal(datasets.describe(dataset))}"


def _criterion_label(name: str) -> str:
    if name == NONE:
        return "No pruning"
    return criteria.get(name).label if name in FIRST else f"More: {criteria.get(name).label}"


def _more_controls() -> None:
    _choice("Budget", "budget", PruningSpec, "budget")
    _choice("Ranking", "scope", PruningSpec, "scope")
    _choice("A round cuts", "selection", PruningSpec, "selection")
    _choice("Counting", "counting", PruningSpec, "counting")
    st.toggle(
        "Reset counts after a cut", key=given.name("choose reset"), help="Off: counts are kept over the whole run."
    )
    _choice("Redundancy", "redundancy", PruningSpec, "redundancy")
    _choice("When the cuts come", "schedule", PruningSpec, "schedule")
    st.toggle(
        "Rewind after the last cut",
        key=given.name("choose rewind"),
        help=spec.BASELINES["rewound to the start weights"][1],
    )
    _number("min_units", PruningSpec, "min_units")
    _number("start", PruningSpec, "start_accuracy")
    _number("target", RunSpec, "target_accuracy")
    _choice("Optimiser", "optimizer", RunSpec, "optimizer")
    _number("rate", RunSpec, "learning_rate")
    _number("batch", RunSpec, "batch_size")
    _number("epochs", RunSpec, "max_epochs")
    _choice("The run ends", "ending", RunSpec, "ending")
    _choice("Early stopping", "stopping", RunSpec, "early_stopping")
    _choice("Arithmetic", "arithmetic", RunSpec, "arithmetic")


def _penalty_controls() -> None:
    st.toggle(
        "Train with the penalty", key=given.name("choose penalty"),
        help="Adds λ · (sum of the hidden layers' singular values) to the objective, beside or instead of cuts.",
    )  # fmt: skip
    off = not given.value("choose penalty")
    _number("lambda", PenaltySpec, "strength", disabled=off)
    _number("every", PenaltySpec, "every", disabled=off)
    _choice("Its step", "method", PenaltySpec, "method", disabled=off)
    _choice("Weight of each singular value", "weighting", PenaltySpec, "weighting", disabled=off)
    _choice("When it is on", "switching", PenaltySpec, "switching", disabled=off)


def _choice(label: str, name: str, kind: type, field: str, **more: Any) -> None:
    rule = _rule(kind, field)
    texts = "\n\n".join(f"**{option}**: {text}" for option, text in rule["choices"].items())
    st.selectbox(
        label, list(rule["choices"]), key=given.name(f"choose {name}"), help=f"{rule['help']}\n\n{texts}", **more
    )


def _number(name: str, kind: type, field: str, **more: Any) -> None:
    st.text_input(TYPED[name], key=given.name(f"choose {name}"), help=_rule(kind, field)["help"], **more)
