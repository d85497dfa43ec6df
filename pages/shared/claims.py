"""What the pages on the paper's claims share: which run they look at, and the box with the verdict.

run = claims.chosen(pruned=True)            # sidebar, link, watched run, shipped example; None: nothing there, and it is said
claims.title("Pruning leaves low-rank layers", "One sentence on what is asked.")
claims.verdict(found, note="So far.")       # core.claims.verdicts.Verdict; None and `waiting="…"` while it is worked out
job = claims.under_way(run.key)             # the live job that trains it, None: it stands still
"""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from core.jobs.job import Job
from core.statistics.words import Verdict
from core.store import StoredRun
from pages.shared import given, library, link, services, session

STYLE = Path(__file__).parent / "plots" / "page.css"
SIGNS = {"holds": "●", "in part": "◐", "fails": "○", "can't tell": "?"}  # read without colour


def title(text: str, asked: str) -> None:
    """The claim as one sentence, and under it what the page asks of it."""
    st.html(STYLE)
    st.html(f'<div class="claim"><h1>{html.escape(text)}</h1><p>{html.escape(asked)}</p></div>')


def verdict(found: Verdict | None, *, waiting: str = "", note: str = "") -> None:
    """The verdict: its word large, its sentence, a `note` behind it, and its rule to be opened. Without one yet, what is being
    worked out."""
    if found is None:
        sign, word, sentence, rule = "…", "", waiting, ""
    else:
        sign, word, sentence, rule = SIGNS.get(found.word, "?"), found.word, found.sentence, found.rule
    said = f"<b>{html.escape(word.capitalize())}</b>" if word else ""
    how = f"<details><summary>How this is decided</summary><p>{html.escape(rule)}</p></details>" if rule else ""
    st.html(
        f'<div class="claim verdict" data-testid="verdict" data-word="{html.escape(word)}"><i aria-hidden="true">{sign}</i>'
        f"<div><p>{said} {html.escape(sentence)} {html.escape(note)}</p>{how}</div></div>"
    )


def chosen(*, pruned: bool = True) -> StoredRun | None:
    """The run that the page looks at, chosen in the sidebar; the same on all pages of this section.

    At first the one that the link names, else the one that is being watched, else the shipped example. `pruned`: only runs that
    are cut, or will be. None where there is none, which the page then says.
    """
    runs = {run.key: run for run in library.listed() if run.spec and run.epochs and (not pruned or _is_cut(run))}
    if not runs:
        st.info(
            "No run is stored yet that this page could look at. Train one on the page “A run, live”, then come back."
        )
        return None
    state = st.session_state
    # A control that another page does not draw loses its value there; what was chosen is kept beside it.
    wanted = _wanted(runs)
    given.give("claims run", wanted)
    with st.sidebar:
        key = st.selectbox(
            "Run", list(runs), key=given.name("claims run"), format_func=lambda one: library.name(runs[one]),
            help="Any stored run, newest first; one that is still training is followed.",
        )  # fmt: skip
    state["claims kept"] = key
    before = link.says()
    link.put(
        {"run": key}, kept=before if before.get("run", key) == key else ()
    )  # the browser's own part is about the run
    link.tell({"run": key})
    return runs[key]


def under_way(key: str) -> Job | None:
    """The job that trains the run now; None where nothing moves, a held run included."""
    job = services.board().job(key)
    return job if job and job.live and not job.held and job.key == key else None


def open_run(key: str) -> None:
    """Shows another run on these pages from the next drawing on; for buttons' callbacks."""
    st.session_state["claims kept"] = key
    given.take("claims run")


def _is_cut(run: StoredRun) -> bool:
    return bool(run.spec.pruning or run.spec.hand_cuts)


def _wanted(runs: dict[str, StoredRun]) -> str:
    state, watched = st.session_state, session.watched()
    if link.unread("claims"):
        state["claims watched"] = watched if watched in runs else None
        otherwise = "that run is not stored here, or it was never cut; another one is shown"
        linked = link.read({"run": link.stored(runs, otherwise)}).get("run")
        return next(one for one in (linked, watched, services.example_key(), next(iter(runs))) if one in runs)
    elif watched != state.get("claims watched") and watched in runs:
        state["claims watched"] = watched  # since the last visit another run was opened: it is the one that is meant
        return watched
    for known in (given.value("claims run"), state.get("claims kept"), services.example_key()):
        if known in runs:
            return known
    return next(iter(runs))
