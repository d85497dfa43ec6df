"""The films of runs, shared by all sessions of a server, and the page that shows one: it paints first and computes after."""

from __future__ import annotations

import threading
from collections import OrderedDict

import streamlit as st

from core.claims import spectral_history
from core.claims.spectral_history import Chance, Film
from core.store import StoredRun, StoreError
from core.views import spectral_history as spectral_history_view
from pages.shared import claims, elements, services, session
from pages.shared.services import Look

LIVE_SECONDS, WORKING_SECONDS, HELD_SECONDS = 1.0, 0.4, 3.0
ALL = 24  # runs whose films are kept in memory


class Films:
    """Films by run, and the threads that work out what random cuts would leave: one a run, at most one at work.

    `_lock` guards the three tables. A thread holds it only to put down what it found; a film is shot outside of it.
    """

    def __init__(self):
        self._lock, self._one_at_work = threading.Lock(), threading.Lock()
        self._films: OrderedDict[str, tuple[object, Film]] = OrderedDict()
        self._busy: set[str] = set()
        self._problems: dict[str, str] = {}

    def of(self, look: Look) -> Film:
        """The film of the run as it was at that look; for a finished run with what is kept of it. Raises StoreError."""
        key = look.run.key
        name = f"{look.store.root} {key}"
        with self._lock:
            version, known = self._films.get(name, (None, None))
        if version != look.version:
            known = spectral_history.shoot(look.store, key, known or _stored(look))
            with self._lock:
                version, newer = self._films.get(name, (None, None))
                self._films[name] = look.version, known.with_chances(newer.chances if newer else ())
                self._films.move_to_end(name)
                while len(self._films) > ALL:
                    self._films.popitem(last=False)
        with self._lock:
            return self._films[name][1]

    def work(self, look: Look, found: Film) -> None:
        """Sees to it that the random cuts that `found` lacks are worked out, and a finished run's film is kept."""
        name = f"{look.store.root} {look.run.key}"
        with self._lock:
            if name in self._busy or name in self._problems or not (spectral_history.lacking(found) or _unkept(look)):
                return
            self._busy.add(name)
        threading.Thread(target=self._work, args=(name, look, found), daemon=True).start()

    def _work(self, name: str, look: Look, found: Film) -> None:
        try:
            for epoch in spectral_history.lacking(found):
                with self._one_at_work:
                    one = spectral_history.random_cuts(look.store, look.run.spec, look.run.key, epoch)
                self._add(name, one)
            with self._lock:
                found = self._films.get(name, (None, found))[1]
            if _ours(look):
                artifacts = services.board().artifacts
                spectral_history.put(artifacts, found, spectral_history.load(artifacts, look.run.key))
        except (ValueError, OSError) as error:
            with self._lock:
                self._problems[name] = str(error)
        finally:
            with self._lock:
                self._busy.discard(name)

    def _add(self, name: str, one: Chance) -> None:
        with self._lock:
            if name in self._films:
                version, known = self._films[name]
                self._films[name] = version, known.with_chances([one])

    def problem(self, look: Look) -> str | None:
        """Why the work on this run ended, None if it did not."""
        return self._problems.get(f"{look.store.root} {look.run.key}")

    def try_again(self, look: Look) -> None:
        """Forgets that the work failed."""
        self._problems.pop(f"{look.store.root} {look.run.key}", None)


@st.cache_resource(show_spinner=False)
def films() -> Films:
    """The films of this server."""
    return Films()


def draw(run: StoredRun) -> None:
    """The verdict and the film, drawn again only while something moves."""
    pace = _pace(run.key)
    st.fragment(_follow, run_every=pace)(run.key, pace)


def _follow(key: str, pace: float | None) -> None:
    look = services.look(key, moving=claims.under_way(key) is not None)
    found = None
    try:
        if look.run is None or look.run.spec is None:
            raise StoreError(look.run.problem if look.run else f"the run {key} is gone: choose another one")
        found = films().of(look)
        films().work(look, found)
    except StoreError as error:
        st.error(session.sentence(str(error)))
    if found is not None:
        _verdict(look, found)
        elements.film(_blob(str(look.store.root), key, look.version, len(found.chances), look, found), key="film")
    if _pace(key) != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def _verdict(look: Look, found: Film) -> None:
    problem, left = films().problem(look), spectral_history.lacking(found)
    moving = claims.under_way(look.run.key) is not None
    if problem and left:
        st.error(f"The random cuts cannot be worked out: {problem}.")
        st.button("Try again", on_click=films().try_again, args=(look,))
    waiting = "No verdict without the random cuts." if problem else spectral_history.waiting(found)
    note = "The run is still training: this is about the cuts so far." if moving else ""
    claims.verdict(spectral_history.verdict(found), waiting=waiting, note=note)


def _pace(key: str) -> float | None:
    """How often to look: often while the run trains or something is worked out, seldom while it is held, else never."""
    if claims.under_way(key):
        return LIVE_SECONDS
    look = services.look(key, moving=False)
    if look.run is not None and look.run.spec is not None and not films().problem(look):
        try:
            if spectral_history.lacking(films().of(look)):
                return WORKING_SECONDS
        except StoreError:
            return None
    job = services.board().job(key)
    return HELD_SECONDS if job and job.live else None


@st.cache_data(max_entries=48, show_spinner=False)
def _blob(root: str, key: str, version: object, chances: int, _look: Look, _film: Film) -> bytes:
    return spectral_history_view.blob(
        _look.run.spec,
        _film,
        _look.log,
        label=_look.run.label + services.origin(_look.run.key),
        finished=_look.run.finished,
    )


def _stored(look: Look) -> Film | None:
    """The film that is kept of the run. A film knows its moments by their checksums, so that it may be of either store."""
    places = (services.board().artifacts, services.shipped())
    return next((found for artifacts in places if (found := spectral_history.load(artifacts, look.run.key))), None)


def _ours(look: Look) -> bool:
    """Whether the film is to be kept: of a finished run of this computer."""
    return look.run.finished and look.store is services.board().store


def _unkept(look: Look) -> bool:
    return _ours(look) and not services.board().artifacts.written(look.run.key, spectral_history.FILE)
