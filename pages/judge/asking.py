"""The Judge's switches: which rows are looked at, of which setting, and what a set of runs here is made of.

What a switch said last is kept beside it, since a page that is left forgets its controls; the link holds what is not as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core import criteria, datasets, spec
from core.judge import questions, results
from core.judge.questions import CLAIMS, METHOD, Row, Setting
from core.judge.study import ARMS, RATIOS, Study
from core.views import judge
from core.views.judge import HERE, SHIPPED
from pages.shared import link

ORIGINS = {SHIPPED: "Shipped", HERE: "Run here"}
COUNTS = {METHOD: "least active go (the text)", questions.INACTIVITY: "busiest go (released code)"}
MEASURED = {questions.END: "yes: at the end of the run", questions.CUT: "no: right after the last cut"}
ROUNDS = (5, 10, 1, 2, 20)
SEEDS = (10, 15, 20, 30, 5, 3, 2)
TARGET, LENGTH = "target", "length"
LENGTHS = {TARGET: "to the same target", LENGTH: "the same number of epochs"}
EPOCHS = 40
PAPERS = ("mnist", "80")  # what the page opens on, where it ships
QUICK = Study()
# All that this page's link may hold.
NAMES = {
    "claim", "results", "data", "ratio", "rounds", "count", "measured", "ratios", "card", "seeds", "arms", "matched", "budget",
    "length", "epochs", "more",
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What is shown: rows of which origin, which setting of them, which direction of the count, measured when. study: the set
    of runs that the switches describe, also where the shipped rows are shown; None where they describe none."""

    made: str
    setting: Setting
    method: str
    measured: str
    study: Study | None

    @property
    def arms(self) -> tuple[str, ...] | None:
        """The arms that the rows are planned to have, None for all."""
        return self.study.arms if self.made == HERE and self.study else None

    @property
    def asked(self) -> tuple[str, ...]:
        """The claims that the rows are meant to judge."""
        return tuple(CLAIMS) if self.made == SHIPPED or self.study and self.study.more else ("pruning",)


def chosen(shipped: list[Row]) -> Choice:
    """Draws the switches into the sidebar and gives what they say. What cannot be is said on the page."""
    switches = _Switches()
    with st.sidebar:
        made = switches.one("Results", "results", ORIGINS, always=True)
        if made == SHIPPED and not shipped:
            st.info("No results ship with this copy of the project: run a set here.")
            made = HERE
        if made == SHIPPED:
            setting, asked = _of_shipped(switches, questions.settings(shipped)), _kept_study()
        else:
            asked, problem = _study(switches)
            setting = asked.setting if asked else QUICK.setting
            if asked and len(asked.ratios) > 1:
                each = {f"{100 * ratio:g}": ratio for ratio in asked.ratios}
                labels = {text: _of_ratio(ratio) for text, ratio in each.items()}
                setting = replace(setting, ratio=each[switches.one("The cards are about", "card", labels)])
        method = switches.one("Claim 1: which neurons go", "count", COUNTS, always=True)
        known = made == HERE or any(row.get(questions.CUT, "") != "" for row in setting.of(shipped))
        both = MEASURED if known else {questions.END: f"{MEASURED[questions.END]} (all that these rows hold)"}
        measured = switches.one("Retrained after the last cut", "measured", both)
    if made == HERE and problem:
        st.warning(problem)
    choice = Choice(made, setting, method, measured, asked)
    switches.say(choice)
    return choice


def in_link() -> dict[str, str]:
    """What the link says of the switches that are drawn."""
    return st.session_state.get("judge link", {})


def show(made: str) -> None:
    """Shows the rows of this origin from the next drawing on; for buttons' callbacks."""
    st.session_state["judge results"] = st.session_state["judge kept results"] = made


# -- what is shown of the shipped rows --------------------------------------------------------------------------------


def _of_shipped(switches: _Switches, there: list[Setting]) -> Setting:
    names = {one.dataset: judge.dataset(one.dataset) for one in there}
    name = switches.one("Data set", "data", names, always=True, usual=PAPERS[0])
    there = [one for one in there if one.dataset == name]
    ratios = {f"{100 * one.ratio:g}": _of_ratio(one.ratio) for one in there}
    ratio = switches.one("Weights zero at the end", "ratio", ratios, always=True, usual=PAPERS[1])
    there = [one for one in there if f"{100 * one.ratio:g}" == ratio]
    several = {str(one.rounds): str(one.rounds) for one in there}
    rounds = switches.one("Rounds of pruning", "rounds", several, always=True)
    return next(one for one in there if str(one.rounds) == rounds)


def _of_ratio(ratio: float) -> str:
    """ "93.75 % (16 times smaller)"."""
    smaller = {0.5: 2, 0.75: 4, 0.875: 8, 0.9375: 16, 0.96875: 32}.get(ratio)
    return f"{100 * ratio:g} %" + (f" ({smaller} times smaller)" if smaller else "")


# -- a set of runs here -----------------------------------------------------------------------------------------------


def _study(switches: _Switches) -> tuple[Study | None, str]:
    """The set that the switches describe, or None and why there is none."""
    there = [name for name in datasets.names() if datasets.available(name)]
    names = {name: judge.dataset(name) for name in sorted(there, key=lambda name: name != QUICK.dataset)}
    ratios = {f"{100 * ratio:g}": ratio for ratio in RATIOS}
    labels = {text: _of_ratio(ratio) for text, ratio in ratios.items()}
    values: dict[str, Any] = {
        "dataset": switches.one("Data set", "data here", names, always=True),
        "ratios": [
            ratios[text] for text in switches.many("Weights zero at the end", "ratios", labels, ["80"], RATIOS_HELP)
        ],
        "rounds": int(switches.one("Rounds of pruning", "rounds here", {str(n): str(n) for n in ROUNDS})),
        "seeds": int(switches.one("Seeds", "seeds", {str(n): str(n) for n in SEEDS}, help=SEEDS_HELP)),
        "arms": switches.many("Arms", "arms", {arm: _of_arm(arm) for arm in ARMS}, list(QUICK.arms), ARMS_HELP),
    }
    with st.expander("Assumptions"):
        values["matched"] = switches.one(
            "Ratios that are the same",
            "matched",
            {name: name for name in questions.MATCHINGS},
            help=_listed(questions.MATCHINGS),
        )
        values["budget"] = switches.one(
            "Budget", "budget", {name: name for name in spec.BUDGETS}, help=_listed(spec.BUDGETS)
        )
        if switches.one("Each run is trained", "length", LENGTHS) == LENGTH:
            values["length"] = switches.number("Epochs", "epochs", EPOCHS, 1, 1000)
    values["more"] = switches.tick("Claims 2 to 4 too", "more", MORE_HELP)
    if values["more"]:
        values["arms"] = [*dict.fromkeys([*values["arms"], METHOD, results.NO_PRUNING])]
    st.session_state["judge study"] = values
    try:
        return Study.from_dict(values), ""
    except ValueError as error:
        return None, f"This set of runs is not possible: {error}."


RATIOS_HELP = "80, 85 and 90 % are the paper's; the others make networks 2 to 32 times smaller. Several make a curve."
SEEDS_HELP = (
    "The rule needs 10 for a verdict, and looks again at 15, 20 and 30. Fewer are a first look: they can't tell."
)
ARMS_HELP = (
    "What is compared: criteria, the paper's other baselines, no pruning, and fresh small networks of the widths that "
    "activation frequency leaves."
)
MORE_HELP = (
    "Random cuts beside every cut, the PCA contest with its twin, and its reductions trained on: some more work for every run "
    "of activation frequency."
)


def _kept_study() -> Study | None:
    """What the switches said when they were last drawn."""
    try:
        return Study.from_dict(st.session_state["judge study"]) if "judge study" in st.session_state else QUICK
    except ValueError:
        return None


def _of_arm(arm: str) -> str:
    return criteria.get(arm).label if arm in criteria.names() else arm[0].upper() + arm[1:]


def _listed(texts: dict[str, str]) -> str:
    return "\n\n".join(f"**{name}**: {text}" for name, text in texts.items())


# -- switches ---------------------------------------------------------------------------------------------------------


class _Switches:
    """Draws switches, at first as the link says. What the link says wrongly is told and left out."""

    def __init__(self):
        state = st.session_state
        # The whole link is kept: a run that ends half-way, since the browser asks anew, has settled only some switches by it.
        if link.unread("switches") or "judge asked" not in state:
            for name in NAMES:
                for kept in (f"judge {name}", f"judge {name} here", f"judge kept {name}", f"judge kept {name} here"):
                    state.pop(kept, None)
            state["judge asked"], state["judge wrong"] = link.says(), []
            claim = state["judge asked"].get("claim", "pruning")
            if claim not in CLAIMS:
                state["judge wrong"].append(f"claim “{claim[:30]}”")
        self._said: dict[str, str] = {}

    def one(
        self,
        label: str,
        name: str,
        options: dict[str, str],
        help: str | None = None,
        *,
        always: bool = False,
        usual: str = "",
    ) -> str:
        """`always`: the link names it also where it is as usual, which is the first unless told."""
        values = list(options)
        usual = usual if usual in values else values[0]
        self._settle(name, label, usual, lambda value: value in values, str)
        value = st.selectbox(label, values, key=f"judge {name}", format_func=options.__getitem__, help=help)
        return self._keep(name, value, None if always else usual, value)

    def many(self, label: str, name: str, options: dict[str, str], usual: list[str], help: str) -> list[str]:
        known = set(options)
        self._settle(name, label, usual, lambda values: values and set(values) <= known, lambda text: text.split(";"))
        values = st.multiselect(label, list(options), key=f"judge {name}", format_func=options.__getitem__, help=help)
        return self._keep(name, values, usual, ";".join(values))

    def number(self, label: str, name: str, usual: int, low: int, high: int) -> int:
        self._settle(name, label, usual, lambda value: low <= value <= high, int)
        value = st.number_input(label, low, high, key=f"judge {name}", step=1)
        return self._keep(name, value, usual, str(value))

    def tick(self, label: str, name: str, help: str) -> bool:
        self._settle(name, label, False, lambda value: value in (False, True), {"yes": True}.__getitem__)
        value = st.toggle(label, key=f"judge {name}", help=help)
        return self._keep(name, value, False, "yes")

    def say(self, choice: Choice) -> None:
        """Puts into the session what the link is to hold, and tells what the link asked for in vain, as long as nothing else
        is chosen."""
        st.session_state["judge link"] = self._said
        if wrong := st.session_state["judge wrong"]:
            text = f"The link asks for what is not here ({', '.join(wrong)}); what stands there instead is shown."
            st.session_state["judge problem"], st.session_state["judge wrong"] = (text, choice), []
        problem, of = st.session_state.get("judge problem", ("", choice))
        if problem and of == choice:
            st.warning(problem)

    def _settle(
        self, name: str, label: str, usual: Any, allowed: Callable[[Any], Any], read: Callable[[str], Any]
    ) -> None:
        state = st.session_state
        value = state.get(f"judge {name}")
        if value is None or isinstance(usual, str) and not allowed(value):
            value = state.get(f"judge kept {name}")
            if value is None or not allowed(value):
                value = self._linked(name.replace(" here", ""), label, usual, allowed, read)
        # Said in every run, not only in the first: a browser that draws no run but the second would show, and report, another.
        state[f"judge {name}"] = value

    def _linked(
        self, name: str, label: str, usual: Any, allowed: Callable[[Any], Any], read: Callable[[str], Any]
    ) -> Any:
        text = st.session_state["judge asked"].get(name)
        if text is None:
            return usual
        try:
            if allowed(value := read(text)):
                return value
        except (ValueError, KeyError):
            pass
        st.session_state["judge wrong"].append(f"{label.lower()} “{text[:30]}”")
        return usual

    def _keep(self, name: str, value: Any, usual: Any, text: str) -> Any:
        st.session_state[f"judge kept {name}"] = value
        if value != usual:
            self._said[name.replace(" here", "")] = text
        return value
