"""The page "Judge": which rows are shown, the small set that runs here, the element, and what a person takes away."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import streamlit as st

from core import cards, judgement, results
from core.cards import CLAIMS, DIRECTIONS, METHOD, Row, Setting
from core.job import Job
from core.judgement import HERE, SHIPPED, Kept, Quick
from pages.parts import claims, elements, services, session

LIVE_SECONDS = 1.0
KEY, LABEL = "quick-set", "the quick set of the page Judge"
TITLE = "Which of the paper's claims hold?"
ASKED = "Every claim over many seeds, against fair controls, by a rule that was fixed before the results."
ORIGINS = {SHIPPED: "Shipped", HERE: "Quick set, run here"}
COUNTS = {METHOD: "least active go (the text)", cards.INACTIVITY: "busiest go (released code)"}
QUICK = Quick()


@dataclass(frozen=True)
class Choice:
    """What is shown: rows of which origin, which setting of them, which direction of the count."""

    made: str
    setting: Setting
    method: str

    @property
    def arms(self) -> tuple[str, ...] | None:
        """The arms that the rows are planned to have, None for all."""
        return QUICK.arms if self.made == HERE else None


def draw(visitor: str) -> None:
    """The whole page."""
    claims.title(TITLE, ASKED)
    choice = _chosen()
    pace = _pace()
    st.fragment(_follow, run_every=pace)(choice, visitor, pace)


def _follow(choice: Choice, visitor: str, pace: float | None) -> None:
    job = services.board().job(KEY)
    if job and job.live:
        services.board().seen(KEY, visitor)
    if job and job.state == "failed":
        st.error(session.sentence(job.text))
    if refusal := session.refusal():
        st.warning(refusal)
    _button(choice, job, visitor)
    rows = _rows(choice.made)
    blob = _blob(choice, _version(choice.made), _told(choice, job), st.session_state["judge first"], rows)
    elements.judge(blob, key="judge", on_claim=_note)
    _to_link(choice)
    _take_away(choice, choice.setting.of(rows))
    if _pace() != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def _pace() -> float | None:
    job = services.board().job(KEY)
    return LIVE_SECONDS if job and job.live else None


# -- what is shown ----------------------------------------------------------------------------------------------------


def _chosen() -> Choice:
    """The switches, in the sidebar; at first as the link says."""
    link, wrong = st.query_params.to_dict() if "judge read" not in st.session_state else {}, []
    st.session_state["judge read"] = True
    if "judge first" not in st.session_state:
        st.session_state["judge first"] = _linked("claim", "claim", list(CLAIMS), link, wrong)
    with st.sidebar:
        made = _switch("Results", "results", ORIGINS, link, wrong)
        there = cards.settings(_rows(SHIPPED)) if made == SHIPPED else [QUICK.setting]
        if not there:
            st.info("No results ship with this copy of the project: run the quick set here.")
            there = [QUICK.setting]
        names = {one.dataset: judgement.dataset(one.dataset) for one in there}
        name = _switch("Data set", "data", names, link, wrong)
        ratios = {f"{100 * one.ratio:g}": f"{100 * one.ratio:g} %" for one in there if one.dataset == name}
        ratio = _switch("Weights zero at the end", "ratio", ratios, link, wrong)
        mine = [one for one in there if (one.dataset, f"{100 * one.ratio:g}") == (name, ratio)]
        rounds = _switch("Rounds of pruning", "rounds", {str(o.rounds): str(o.rounds) for o in mine}, link, wrong)
        method = _switch("Claim 1: which neurons go", "count", COUNTS, link, wrong)
    choice = Choice(made, next(one for one in mine if str(one.rounds) == rounds), method)
    if wrong:
        text = f"The link asks for what is not here ({', '.join(wrong)}); what stands there instead is shown."
        st.session_state["judge problem"] = text, choice
    problem, of = st.session_state.get("judge problem", ("", choice))
    if problem and of == choice:
        st.warning(problem)
    return choice


def _switch(label: str, name: str, options: dict[str, str], link: dict[str, str], wrong: list[str]) -> str:
    """One switch. What it said last is kept beside it, since a page that is left forgets its controls."""
    values, state = list(options), st.session_state
    if state.get(f"judge {name}") not in values:
        kept = state.get(f"judge kept {name}")
        state[f"judge {name}"] = kept if kept in values else _linked(label, name, values, link, wrong)
    chosen = st.selectbox(label, values, key=f"judge {name}", format_func=options.__getitem__)
    state[f"judge kept {name}"] = chosen
    return chosen


def _linked(label: str, name: str, values: list[str], link: dict[str, str], wrong: list[str]) -> str:
    asked = link.get(name)
    if asked is not None and asked not in values:
        wrong.append(f"{label.lower()} “{asked[:30]}”")
    return asked if asked in values else values[0]


def _claim() -> str:
    """The card that is open: as the element says, at first as the link says."""
    told = st.session_state.get("judge", {}).get("claim")
    return told if told in CLAIMS else st.session_state["judge first"]


def _to_link(choice: Choice) -> None:
    """The link names what is shown, and leaves the rest of it as it is."""
    setting = choice.setting
    wanted = {
        "claim": _claim(), "results": choice.made, "data": setting.dataset, "ratio": f"{100 * setting.ratio:g}",
        "rounds": str(setting.rounds), "count": choice.method,
    }  # fmt: skip
    before = st.query_params.to_dict()
    if {name: before.get(name) for name in wanted} != wanted:
        st.query_params.from_dict(before | wanted)


def _note() -> None:
    """Another card was opened; the page reads it from the session's state."""


# -- rows -------------------------------------------------------------------------------------------------------------


def _version(made: str) -> int:
    if made == HERE:
        return services.board().shelf.written(judgement.SHELF, judgement.FILE)
    return results.FILE.stat().st_mtime_ns if results.FILE.is_file() else 0


def _rows(made: str) -> list[Row]:
    if made == HERE:
        return list(_kept().rows)
    return _shipped(str(results.FILE), _version(SHIPPED))


@st.cache_data(max_entries=4, show_spinner=False)
def _shipped(file: str, version: int) -> list[Row]:
    return results.shipped() if version else []


def _kept() -> Kept:
    return _read(str(services.board().shelf.root), _version(HERE))


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(root: str, version: int) -> Kept:
    return judgement.kept(services.board().shelf)


@st.cache_data(max_entries=64, show_spinner=False)
def _blob(choice: Choice, version: int, told: tuple[str, float] | None, first: str, _rows: list[Row]) -> bytes:
    job = {"text": told[0], "share": told[1]} if told else None
    return judgement.blob(
        _rows, choice.setting, choice.made, method=choice.method, arms=choice.arms, claim=first, job=job
    )


# -- the set that runs here -------------------------------------------------------------------------------------------


def _told(choice: Choice, job: Job | None) -> tuple[str, float] | None:
    """How far the set is, in words, and the share done of it."""
    if choice.made != HERE or job is None or not job.live:
        return None
    if job.state == "queued":
        return f"The quick set waits in the queue, at place {job.place}", 0.0
    kept, asked = _kept(), len(QUICK.seeds) * len(QUICK.arms)
    if kept.asked != asked:
        return f"The quick set begins: {asked} runs on all cores of this computer", 0.0
    return kept.progress, len(kept.rows) / asked


def _button(choice: Choice, job: Job | None, visitor: str) -> None:
    if job and job.live:
        if choice.made == HERE:
            mine = services.board().may_command(KEY, visitor)
            st.button("Stop", key="judge stop", disabled=not mine, on_click=_stop, args=(visitor,),
                      help="The runs made so far are kept." if mine else "It was started in another browser.")  # fmt: skip
        else:
            st.caption(f"The quick set is being run here: choose “{ORIGINS[HERE]}” on the left to watch it.")
        return
    rows = judgement.ran(_kept().rows)
    asked = len(QUICK.seeds) * len(QUICK.arms)
    if len(rows) < asked:
        st.button(
            f"Go on with the quick set ({len(rows)} of {asked} runs are there)" if rows else "Run it here: the quick set",
            key="judge start", type="primary" if choice.made == HERE else "secondary", on_click=_start, args=(visitor,),
            help=f"{asked} runs on {judgement.dataset(QUICK.dataset)}: {len(QUICK.seeds)} seeds of {len(QUICK.arms)} arms, "
            "on all cores of this computer. Some minutes; stop and go on as you like.",
        )  # fmt: skip
    elif choice.made == SHIPPED:
        st.button("Show the quick set that ran here", key="judge show", on_click=_show)


def _show() -> None:
    st.session_state["judge results"] = st.session_state["judge kept results"] = HERE


def _start(visitor: str) -> None:
    board = services.board()
    _show()
    try:
        wanted = [(arm, spec.to_dict()) for arm, spec in QUICK.specs()]
        board.work(
            "sweep",
            KEY,
            LABEL,
            visitor,
            board.store,
            wanted=wanted,
            setting=asdict(QUICK.setting),
            name=judgement.SHELF,
        )
        board.seen(KEY, visitor)
    except ValueError as error:
        session.refuse(error)


def _stop(visitor: str) -> None:
    try:
        services.board().command(KEY, visitor, "stop")
    except ValueError as error:
        session.refuse(error)


# -- to take away -----------------------------------------------------------------------------------------------------


def _take_away(choice: Choice, rows: list[Row]) -> None:
    if not rows:
        return
    claim, setting = _claim(), choice.setting
    name = f"{choice.made}-{setting.dataset}-{100 * setting.ratio:g}"
    with st.container(horizontal=True):
        st.download_button(
            "These rows as CSV", judgement.table(rows), f"{name}.csv", "text/csv", key="judge csv", on_click="ignore",
            help=f"{len(rows)} runs, one a row, with what each was made on and the key of its run.",
        )  # fmt: skip
        if choice.made == SHIPPED or claim == "pruning":
            st.download_button(
                "This card as a Python script", judgement.script(claim, setting, choice.made, choice.method, choice.arms),
                f"card-{claim}.py", "text/x-python", key="judge script", on_click="ignore",
                help=f"Prints the card “{DIRECTIONS[choice.method] if claim == 'pruning' else CLAIMS[claim]}” from its rows.",
            )  # fmt: skip
