"""The page "Low rank": the singular values of a run through its life, and the verdict once its random cuts are there."""

from __future__ import annotations

import threading
from collections import OrderedDict

import streamlit as st

from core.claims import random_cuts, spectral_history
from core.claims.random_cuts import RandomCutsOf
from core.claims.spectral_history import History, HistoryOf
from core.store import StoredRun, StoreError
from core.views import spectral_history as spectral_history_view
from pages.shared import asked, claims, elements, services, session
from pages.shared.services import Look

LIVE_SECONDS, WORKING_SECONDS, HELD_SECONDS = 1.0, 0.4, 3.0
ALL = 24  # runs whose histories are kept in memory


def draw(run: StoredRun, visitor: str) -> None:
    """The verdict and the picture, drawn again only while something moves."""
    pace = _pace(run.key)
    st.fragment(_follow, run_every=pace)(run.key, visitor, pace)


def _follow(key: str, visitor: str, pace: float | None) -> None:
    look = services.look(key, moving=claims.under_way(key) is not None)
    found = None
    try:
        if look.run is None or look.run.spec is None:
            raise StoreError(look.run.problem if look.run else f"the run {key} is gone: choose another one")
        found = history(look)
    except StoreError as error:
        st.error(session.sentence(str(error)))
    if found is not None:
        services.board().seen(key, visitor)
        wanted = beside(key, found.cut_epochs())
        problem = asked.problem(wanted, visitor)
        found = found.with_randoms(map(asked.value, wanted))
        _verdict(look, found, wanted, problem, visitor)
        elements.film(_blob(str(look.store.root), key, look.version, len(found.randoms), look, found), key="film")
    if _pace(key) != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def beside(key: str, epochs: tuple[int, ...]) -> list[RandomCutsOf]:
    """The random cuts beside those at the end of these epochs."""
    return random_cuts.of_cuts(key, epochs)


def _verdict(look: Look, found: History, wanted: list[RandomCutsOf], problem: str, visitor: str) -> None:
    if problem:
        asked.trouble(f"The random cuts cannot be drawn: {problem}", wanted, visitor)
    moving = claims.under_way(look.run.key) is not None
    waiting = "No verdict without the random cuts." if problem else spectral_history.waiting(found)
    note = "The run is still training: this is about the cuts so far." if moving else ""
    claims.verdict(spectral_history.verdict(found), waiting=waiting, note=note)


def _pace(key: str) -> float | None:
    """How often to look: often while the run trains or random cuts are drawn, seldom while it is held, else never."""
    if claims.under_way(key):
        return LIVE_SECONDS
    look = services.look(key, moving=False)
    if look.run is not None and look.run.spec is not None:
        try:
            if asked.moving(beside(key, history(look).cut_epochs())):
                return WORKING_SECONDS
        except StoreError:
            return None
    job = services.board().job(key)
    return HELD_SECONDS if job and job.live else None


@st.cache_data(max_entries=48, show_spinner=False)
def _blob(root: str, key: str, version: object, randoms: int, _look: Look, _history: History) -> bytes:
    label = _look.run.label + services.origin(key)
    return spectral_history_view.blob(_look.run.spec, _history, _look.log, label=label, finished=_look.run.finished)


# -- read once for all sessions ------------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _read() -> tuple[threading.Lock, OrderedDict[str, tuple[object, History]]]:
    return threading.Lock(), OrderedDict()


def history(look: Look) -> History:
    """The run's history as it was at that look, with what is kept of it; only what is new is read. Raises StoreError."""
    lock, read = _read()
    name = f"{look.store.root} {look.run.key}"
    with lock:
        version, known = read.get(name, (None, None))
    if version != look.version:
        known = spectral_history.collect(look.store, look.run.key, known or asked.value(HistoryOf(look.run.key)))
        with lock:
            read[name] = look.version, known
            read.move_to_end(name)
            while len(read) > ALL:
                read.popitem(last=False)
    return known
