"""The shared sidebar: what to run. The choice lives in the session and in the link, so that it can be bookmarked."""

from __future__ import annotations

import dataclasses
from typing import Any

import streamlit as st

from core import criteria, datasets, spec
from core.rules import Number, OneOf, Rule, Switch
from core.spec import PenaltySpec, PruningSpec, RunSpec
from pages.shared import given, link, noted, session

NONE = "no pruning"
FIRST = ("activation-frequency", "magnitude", "random-matched", "inactivity")
MAIN = ("dataset", "hidden", "criterion", "ratio", "rounds", "seed")  # there at once; the rest is to be unfolded
PRESET_KEEPS = ("dataset", "seed")
# Each control, by its name in links: of which class it is, which field, and what may be chosen.
FIELDS: dict[str, tuple[type, str]] = {
    rule.link or field: (kind, field)
    for kind in (PruningSpec, RunSpec, PenaltySpec)
    for field, rule in spec.rules(kind).items()
    if field != "pruning"
}
RULES: dict[str, Rule] = {name: spec.rules(kind)[field] for name, (kind, field) in FIELDS.items()}
RULES["criterion"] = dataclasses.replace(RULES["criterion"], choices=lambda: [*criteria.names(), NONE])


def choice_of(run: RunSpec) -> dict[str, Any]:
    """What the controls say where the spec is asked for."""
    parts = {RunSpec: run, PruningSpec: run.pruning or PruningSpec(), PenaltySpec: run.penalty or PenaltySpec()}
    choice = {name: getattr(parts[kind], field) for name, (kind, field) in FIELDS.items()}
    return choice | {"penalty": run.penalty is not None} | ({} if run.pruning else {"criterion": NONE})


def spec_of(choice: dict[str, Any]) -> RunSpec:
    """The spec that the controls ask for. Raises ValueError with a sentence on what cannot be."""

    def values(wanted: type) -> dict[str, Any]:
        return {field: choice[name] for name, (kind, field) in FIELDS.items() if kind is wanted}

    pruning = None if choice["criterion"] == NONE else PruningSpec(**values(PruningSpec))
    penalty = PenaltySpec(**values(PenaltySpec)) if choice["penalty"] else None
    return RunSpec(**values(RunSpec) | {"pruning": pruning, "penalty": penalty})


USUAL = choice_of(RunSpec(arithmetic="native"))  # live runs are this computer's own
RELEASED = choice_of(spec.as_released(arithmetic="native"))
BASELINES = {
    name: choice_of(RunSpec(arithmetic="native", pruning=PruningSpec(**changes)))
    for name, (changes, _) in spec.BASELINES.items()
}


def draw() -> None:
    """Draws the sidebar and opens the run that the link names; `chosen` gives the result, `in_link` what the link is to say."""
    state = st.session_state
    if link.unread("choice") or "choice" not in state:
        state["choice"] = USUAL | link.read(RULES, USUAL)
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
            _controls(PruningSpec, RunSpec)
        with st.expander("Nuclear-norm penalty"):
            _control("penalty")
            _controls(PenaltySpec)
    state["choice problem"] = ""
    state["choice"] = {name: _said(name, known) for name, known in state["choice"].items()}


def in_link() -> dict[str, str]:
    """What the link is to say of the choice, and of the run that is watched."""
    return link.words(RULES, st.session_state["choice"], USUAL) | session.in_link()


def chosen() -> RunSpec:
    """The spec that the sidebar asks for. Raises ValueError with a sentence where it asks for what cannot be."""
    choice = st.session_state["choice"]
    if problem := st.session_state.get("choice problem"):
        raise ValueError(problem)
    if (widest := max(choice["hidden"])) > spec.WIDEST_ON_PAGE:
        raise ValueError(
            f"a hidden layer of {widest:,} neurons is too wide for the page: allowed are 1..{spec.WIDEST_ON_PAGE}; "
            "up to 4,096 train from a Python script"
        )
    return spec_of(choice)


def _shown(name: str, value: Any) -> Any:
    """The value as its control holds it. Numbers are typed into fields of text: a browser's field of numbers drops the comma
    of 0,05 and says 5."""
    rule = RULES[name]
    if isinstance(rule, OneOf | Switch):
        return value
    text = rule.write(value)
    return text if _typed(rule) else float(text) if rule.percent else int(text)


def _said(name: str, known: Any) -> Any:
    """What the control says; what was `known` where that cannot be read, which `chosen` then tells."""
    state, rule = st.session_state, RULES[name]
    said = given.value(f"choose {name}")
    if said is None or said == _shown(name, known):
        return known
    try:
        return said if isinstance(rule, OneOf | Switch) else rule.read(said if _typed(rule) else f"{said:.12g}")
    except ValueError as error:
        if not _idle(FIELDS[name][0]):
            state["choice problem"] = state["choice problem"] or f"{rule.label}: {error}"
        return known


def _typed(rule: Rule) -> bool:
    return not (isinstance(rule, Number) and rule.dragged)


def _idle(kind: type) -> bool:
    """Whether settings of this class play no part in what is asked for."""
    unpruned, unpenalised = given.value("choose criterion") == NONE, not given.value("choose penalty")
    return kind is PruningSpec and unpruned or kind is PenaltySpec and unpenalised


# -- the controls ---------------------------------------------------------------------------------------------------


def _apply(preset: dict[str, Any]) -> None:
    for name, value in preset.items():
        if name not in PRESET_KEEPS:
            given.give(f"choose {name}", _shown(name, value))


def _presets() -> None:
    st.button(
        "As in the text", on_click=_apply, args=(USUAL,), width="stretch",
        help="The paper's words: the least active neurons go; 80 % in 5 rounds, redundancy counted in the ratio.",
    )  # fmt: skip
    st.button(
        "As in the released code", on_click=_apply, args=(RELEASED,), width="stretch",
        help="The authors' code of January 2024: the *busiest* neurons go, increments of those still alive, 32 images "
        "counted an epoch, redundancy in hidden layers only, early stopping, at most 500 epochs.",
    )  # fmt: skip

    with st.popover("The paper's other baselines", width="stretch"):
        for name, (_, words) in spec.BASELINES.items():
            label = name[0].upper() + name[1:]
            st.button(label, on_click=_apply, args=(BASELINES[name],), width="stretch", help=words)


def _main_controls() -> None:
    told = "\n\n".join(map(_described, datasets.names()))
    _control("dataset", format_func=datasets.label, help=told)
    noted.draw(given.value("choose dataset"))
    noted.overlooked()
    told = f"Widths of the hidden layers, such as 300-200-100-50: 1 to 8 layers of 1..{spec.WIDEST_ON_PAGE} neurons."
    _control("hidden", help=told)
    ordered = [*FIRST, NONE, *(name for name in criteria.names() if name not in FIRST)]
    told = "\n\n".join(f"**{criteria.get(name).label}**: {criteria.get(name).help}" for name in criteria.names())
    told = f"The first four are the ones a class needs; further ones follow.\n\n{told}"
    _control("criterion", options=ordered, format_func=_criterion_label, help=told)
    for name in ("ratio", "rounds", "seed"):
        _control(name)


def _described(dataset: str) -> str:
    return f"**{session.literal(datasets.label(dataset))}**: {session.literal(datasets.describe(dataset))}"


def _criterion_label(name: str) -> str:
    if name == NONE:
        return "No pruning"
    return criteria.get(name).label if name in FIRST else f"More: {criteria.get(name).label}"


def _controls(*kinds: type) -> None:
    """The controls of these classes but those that are there at once."""
    for name, (kind, _) in FIELDS.items():
        if kind in kinds and name not in (*MAIN, "penalty"):
            _control(name)


def _control(name: str, **more: Any) -> None:
    """Draws the control that the rule of the field asks for."""
    rule, kind = RULES[name], FIELDS[name][0]
    more = {
        "key": given.name(f"choose {name}"), "help": rule.help, "disabled": name != "criterion" and _idle(kind),
    } | more  # fmt: skip
    if isinstance(rule, OneOf):
        if isinstance(rule.choices, dict):
            texts = "\n\n".join(f"**{option}**: {text}" for option, text in rule.choices.items())
            more["help"] = f"{rule.help}\n\n{texts}"
        st.selectbox(rule.label, **{"options": rule.options} | more)
    elif isinstance(rule, Switch):
        st.toggle(rule.label, **more)
    elif _typed(rule):
        st.text_input(rule.label, **more)
    elif rule.percent:
        st.slider(rule.label, 100 * rule.low, 100 * rule.high, step=1.0, format="%.12g", **more)
    else:
        st.slider(rule.label, rule.low, rule.high, **more)
