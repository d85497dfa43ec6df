"""The Judge's switches: which rows are looked at, of which setting, and what a set of runs here is made of.

What a switch said last is kept beside it, since a page that is left forgets its controls; the link holds what is not as usual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core import criteria, datasets, spec
from core.judge import questions, results
from core.judge.questions import CLAIMS, METHOD, Row, Setting
from core.judge.study import ARMS, RATIOS, Study
from core.rules import Number, OneOf, Rule, Several, Switch
from core.views import judge
from core.views.judge import HERE, SHIPPED
from pages.shared import given, link

ORIGINS = {SHIPPED: "Shipped", HERE: "Run here"}
COUNTS = {METHOD: "least active go (the text)", questions.INACTIVITY: "busiest go (released code)"}
MEASURED = {questions.END: "yes: at the end of the run", questions.CUT: "no: right after the last cut"}
ROUNDS = (5, 10, 1, 2, 20)
SEEDS = (10, 15, 20, 30, 5, 3, 2)
TARGET, LENGTH = "target", "length"
LENGTHS = {TARGET: "to the same target", LENGTH: "the same number of epochs"}
EPOCHS = 40
LENGTH_RULE = replace(spec.rules(spec.RunSpec)["max_epochs"], label="Epochs", help="How long every run is trained.")
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
    switches.say()
    return choice


def in_link() -> dict[str, str]:
    """What the link says of the switches that are drawn."""
    return st.session_state.get("judge link", {})


def show(made: str) -> None:
    """Shows the rows of this origin from the next drawing on; for buttons' callbacks."""
    given.give("judge results", made)
    st.session_state["kept judge results"] = made


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
            values["length"] = switches.number("epochs", LENGTH_RULE, EPOCHS)
    values["more"] = switches.tick("Claims 2 to 4 too", "more", MORE_HELP)
    if values["more"]:
        values["arms"] = [*dict.fromkeys([*values["arms"], METHOD, results.NO_PRUNING])]
    try:
        if switches.problem:
            raise ValueError(switches.problem)
        st.session_state["judge study"] = values
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
    """Draws switches, at first as the link says."""

    def __init__(self):
        state = st.session_state
        # The whole link is kept: a run that ends half-way, since the browser asks anew, has settled only some switches by it.
        if link.unread("switches") or "judge asked" not in state:
            for control in (f"judge {name}{end}" for name in NAMES for end in ("", " here")):
                if given.value(control) is not None:
                    given.take(control)
                state.pop(f"kept {control}", None)
            state["judge asked"] = link.says()
        self._said: dict[str, str] = {}
        self.problem = ""

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
        rule, usual = OneOf(choices=options), usual if usual in options else next(iter(options))
        key = self._settle(name, rule, usual)
        value = st.selectbox(label, list(options), key=key, format_func=options.__getitem__, help=help)
        return self._keep(name, rule, value, None if always else usual)

    def many(self, label: str, name: str, options: dict[str, str], usual: list[str], help: str) -> list[str]:
        rule = Several(choices=options, between=";")
        key = self._settle(name, rule, usual)
        value = st.multiselect(label, list(options), key=key, format_func=options.__getitem__, help=help)
        return self._keep(name, rule, value, usual)

    def number(self, name: str, rule: Number, usual: int) -> int:
        text = st.text_input(rule.label, key=self._settle(name, rule, usual), help=rule.help)
        try:
            return self._keep(name, rule, rule.read(text), usual)
        except ValueError as error:
            self.problem = f"{rule.label}: {error}"
            return usual

    def tick(self, label: str, name: str, help: str) -> bool:
        rule = Switch()
        return self._keep(name, rule, st.toggle(label, key=self._settle(name, rule, False), help=help), False)

    def say(self) -> None:
        """Puts into the session what the link is to hold, and tells what the link asked for in vain."""
        st.session_state["judge link"] = self._said
        link.tell(self._said)

    def _settle(self, name: str, rule: Rule, usual: Any) -> str:
        """Lets the control say what it said last where that is still to be had, at first what the link says; gives its key."""
        state, control, param = st.session_state, f"judge {name}", name.removesuffix(" here")
        known = [said for said in (given.value(control), state.get(f"kept {control}")) if said is not None]
        if type(rule) is OneOf:
            known = [said for said in known if said in rule.options]
        if known:
            value = known[0]
        else:
            asked = {} if f"kept {control}" in state else state["judge asked"]
            value = link.read({param: rule}, {param: usual}, of=asked).get(param, usual)
            value = rule.write(value) if isinstance(rule, Number) else value
        # Said in every run, not only in the first: a browser that draws no run but the second would show, and report, another.
        given.give(control, value)
        return given.name(control)

    def _keep(self, name: str, rule: Rule, value: Any, usual: Any) -> Any:
        st.session_state[f"kept judge {name}"] = given.value(f"judge {name}")
        if value != usual:
            self._said[name.removesuffix(" here")] = rule.write(value)
        return value
