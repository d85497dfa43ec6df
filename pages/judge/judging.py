"""The page "Judge": the cards of the rows that are shown, the set of runs that is made here, and what a person takes away."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from core.jobs.job import Job
from core.judge import results, study
from core.judge.questions import CLAIMS, DIRECTIONS, Row
from core.judge.study import Kept, Study
from core.rules import OneOf
from core.views import judge, judge_export, sparsity
from core.views.judge import HERE, SHIPPED
from pages.judge import agreeing, asking, recomputing
from pages.judge.asking import QUICK, Choice
from pages.shared import claims, elements, link, queued, services, session

LIVE_SECONDS, IDLE_SECONDS = 1.0, 5.0
TITLE = "Which of the paper's claims hold?"
ASKED = "Every claim over many seeds, against fair controls, by a rule that was fixed before the results."


def draw(visitor: str) -> None:
    """The whole page."""
    claims.title(TITLE, ASKED)
    _first()
    choice = asking.chosen(_rows(SHIPPED, None))
    pace = _pace(choice)
    st.fragment(_follow, run_every=pace)(choice, visitor, pace)
    with st.expander("How far criteria agree on what to cut"):
        agreeing.draw(choice.setting.dataset, choice.setting.ratio)


def _follow(choice: Choice, visitor: str, pace: float | None) -> None:
    board, job = services.board(), _job(choice)
    if job and job.live:
        board.seen(job.key, visitor)
    if job and job.state == "failed":
        st.error(session.sentence(job.text))
    if refusal := session.refusal():
        st.warning(refusal)
    _button(choice, job, visitor)
    version = _version(choice)  # before the rows: what comes meanwhile has another version, and is read the next time
    rows = _rows(choice.made, choice.study)
    blob = _blob(choice, version, _told(choice, job), _first(), rows)
    elements.judge(blob, key="judge", on_claim=_note)
    _to_link()
    _take_away(choice, choice.setting.of(rows))
    if choice.setting.ladder(rows):
        elements.ladder(_ladder(choice, version, rows), key="ladder")
    if choice.made == SHIPPED:
        recomputing.draw(choice.setting.of(rows), visitor)
    if _pace(choice) != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def _pace(choice: Choice) -> float | None:
    jobs = [_job(choice), recomputing.job()]
    if any(job and job.live for job in jobs):
        return LIVE_SECONDS
    # A class waits here for the set that the lecturer is about to start.
    return IDLE_SECONDS if choice.made == HERE else None


def _job(choice: Choice) -> Job | None:
    """The job that makes the set of runs which the switches describe."""
    return services.board().job(choice.study.key) if choice.study else None


def _claim() -> str:
    """The card that is open: as the element says, at first as the link says."""
    told = st.session_state.get("judge", {}).get("claim")
    return told if told in CLAIMS else st.session_state["judge first"]


def _first() -> str:
    """The card that the link opens."""
    if link.unread("claim") or "judge first" not in st.session_state:
        st.session_state["judge first"] = link.read({"claim": OneOf(choices=CLAIMS)}).get("claim", next(iter(CLAIMS)))
    return st.session_state["judge first"]


def _to_link() -> None:
    """The link names what is shown, and leaves what others put there."""
    link.put({"claim": _claim()} | asking.in_link(), kept=set(link.says()) - asking.NAMES)


def _note() -> None:
    """Another card was opened; the page reads it from the session's state."""


# -- rows -------------------------------------------------------------------------------------------------------------


def _version(choice: Choice) -> int:
    if choice.made == HERE:
        return services.board().artifacts.written(choice.study.name, study.FILE) if choice.study else 0
    return _written()


def _written() -> int:
    return results.FILE.stat().st_mtime_ns if results.FILE.is_file() else 0


def _rows(made: str, asked: Study | None) -> list[Row]:
    if made == SHIPPED:
        return _shipped(str(results.FILE), _written())
    return asked.of(_kept(asked).rows) if asked else []


@st.cache_data(max_entries=4, show_spinner=False)
def _shipped(file: str, version: int) -> list[Row]:
    return results.shipped() if version else []


def _kept(asked: Study) -> Kept:
    artifacts = services.board().artifacts
    return _read(str(artifacts.root), asked.name, artifacts.written(asked.name, study.FILE), asked)


@st.cache_resource(max_entries=16, show_spinner=False)
def _read(root: str, name: str, version: int, _asked: Study) -> Kept:
    return study.kept(services.board().artifacts, _asked)


@st.cache_data(max_entries=64, show_spinner=False)
def _blob(choice: Choice, version: int, told: tuple[str, float] | None, first: str, _rows: list[Row]) -> bytes:
    job = {"text": told[0], "share": told[1]} if told else None
    return judge.blob(
        _rows, choice.setting, choice.made, method=choice.method, measured=choice.measured, arms=choice.arms,
        asked=choice.asked, claim=first, job=job,
    )  # fmt: skip


@st.cache_data(max_entries=64, show_spinner=False)
def _ladder(choice: Choice, version: int, _rows: list[Row]) -> bytes:
    return sparsity.blob(choice.setting.ladder(_rows), choice.setting.dataset, choice.setting.rounds)


# -- the set that runs here -------------------------------------------------------------------------------------------


def _told(choice: Choice, job: Job | None) -> tuple[str, float] | None:
    """How far the set is, in words, and the share done of it."""
    if choice.made != HERE or job is None or not job.live:
        return None
    if job.state == "queued":
        return f"{_capital(_name(choice.study))} {queued.words(job)}", 0.0
    kept, asked = _kept(choice.study), len(choice.study.places())
    if kept.asked != asked:
        return f"{_capital(_name(choice.study))} begins: {asked} runs on all cores of this computer", 0.0
    return kept.progress, kept.share


def _name(asked: Study) -> str:
    return "the quick set" if asked == QUICK else "this set"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _button(choice: Choice, job: Job | None, visitor: str) -> None:
    asked = choice.study
    if asked is None:
        return
    if job and job.live:
        if choice.made == HERE:
            mine = services.board().may_command(job.key, visitor)
            st.button("Stop", key="judge stop", disabled=not mine, on_click=session.stop, args=(job.key, visitor),
                      help="The runs made so far are kept." if mine else "It was started in another browser.")  # fmt: skip
        else:
            st.caption(
                f"{_capital(_name(asked))} is being run here: choose “{asking.ORIGINS[HERE]}” on the left to watch it."
            )
        return
    there, wanted = len(judge.ran(asked.of(_kept(asked).rows))), len(asked.places())
    if there < wanted or asked.more and not _whole(asked):
        go_on = f"Go on with {_name(asked)} ({there} of {wanted} runs are there)"
        st.button(
            go_on if there else f"Run it here: {_name(asked)} of {wanted} runs",
            key="judge start", type="primary" if choice.made == HERE else "secondary", on_click=_start,
            args=(asked, visitor),
            help=f"{wanted} runs on {judge.dataset(asked.dataset)}: {asked.seeds} seeds of {len(asked.arms)} arms"
            f"{f' at {len(asked.ratios)} ratios' if len(asked.ratios) > 1 else ''}, on all cores of this computer. Stop and go "
            "on as you like; what is stored already is not trained again.",
        )  # fmt: skip
    elif choice.made == SHIPPED:
        st.button(f"Show {_name(asked)}, which ran here", key="judge show", on_click=asking.show, args=(HERE,))


def _whole(asked: Study) -> bool:
    """Whether the further work on every run is done too."""
    kept = _kept(asked)
    return 0 < kept.of_pieces == kept.pieces


def _start(asked: Study, visitor: str) -> None:
    board = services.board()
    asking.show(HERE)
    try:
        label = f"{_name(asked)} of the page Judge"
        board.work("sweep", asked.key, label, visitor, study=asdict(asked))
        board.seen(asked.key, visitor)
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
            "These rows as CSV", judge_export.table(rows), f"{name}.csv", "text/csv", key="judge csv", on_click="ignore",
            help=f"{len(rows)} runs, one a row, with what each was made on and the key of its run.",
        )  # fmt: skip
        if claim in choice.asked:
            words = judge_export.script(claim, setting, choice.made, choice.method, choice.arms, choice.measured)
            st.download_button(
                "This card as a Python script", words, f"card-{claim}.py", "text/x-python", key="judge script",
                on_click="ignore",
                help=f"Prints the card “{DIRECTIONS[choice.method] if claim == 'pruning' else CLAIMS[claim]}” from its rows.",
            )  # fmt: skip
