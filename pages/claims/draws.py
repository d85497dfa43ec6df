"""Random cuts of the same size as those of a run, as all sessions of a server share them: drawn once, after the first paint."""

from __future__ import annotations

import threading
from collections import OrderedDict

import streamlit as st

from core.claims import penalty
from core.claims.penalty import Cut, Random
from core.store.artifacts import Artifacts
from pages.shared import services
from pages.shared.services import Look

ALL = 24  # runs whose random cuts are kept in memory


class RandomCuts:
    """Random cuts by run, and the threads that draw what is missing: one a run, at most one at work.

    `_lock` guards the tables. A thread holds it only to put down what it found; it draws outside of it.
    """

    def __init__(self):
        self._lock, self._one_at_work = threading.Lock(), threading.Lock()
        self._drawn: OrderedDict[str, dict[int, Random]] = OrderedDict()
        self._busy: set[str] = set()
        self._problems: dict[str, str] = {}

    def of(self, look: Look, cuts: list[Cut]) -> dict[int, Random]:
        """By epoch, as far as they are there; what is missing is drawn meanwhile."""
        name, key = name_of(look), look.run.key
        with self._lock:
            known = self._drawn.get(name)
        if known is None:
            known = _stored(key, cuts)
        with self._lock:
            known = self._drawn.setdefault(name, known)
            self._drawn.move_to_end(name)
            while len(self._drawn) > ALL:
                self._drawn.popitem(last=False)
            missing = [cut for cut in cuts if cut.epoch not in known]
            if missing and name not in self._busy and name not in self._problems:
                self._busy.add(name)
                threading.Thread(
                    target=self._draw,
                    args=(name, look, missing, cuts, Artifacts(services.board().store.root, of=look.store.root)),
                    daemon=True,
                ).start()
            return {cut.epoch: known[cut.epoch] for cut in cuts if cut.epoch in known}

    def _draw(self, name: str, look: Look, missing: list[Cut], cuts: list[Cut], artifacts: Artifacts) -> None:
        run = look.run
        try:
            for cut in missing:
                with self._one_at_work:
                    found = penalty.summed_up(cut, penalty.draw(look.store, run.spec, run.key, cut.epoch))
                with self._lock:
                    self._drawn[name] = self._drawn.get(name, {}) | {cut.epoch: found}
            if run.finished:
                with self._lock:
                    drawn = self._drawn.get(name, {})
                if all(cut.epoch in drawn for cut in cuts):
                    artifacts.write(run.key, penalty.NAME, penalty.to_bytes(drawn))
        except (ValueError, OSError) as error:
            with self._lock:
                self._problems[name] = str(error)
        finally:
            with self._lock:
                self._busy.discard(name)

    def problem(self, look: Look) -> str | None:
        """Why drawing ended, None if it did not."""
        return self._problems.get(name_of(look))

    def try_again(self, look: Look) -> None:
        """Forgets that drawing failed."""
        self._problems.pop(name_of(look), None)


def name_of(look: Look) -> str:
    return f"{look.store.root} {look.run.key}"


def _stored(key: str, cuts: list[Cut]) -> dict[int, Random]:
    """What is kept of the run that the key opens."""
    found = (penalty.load(artifacts, key, cuts) for artifacts in services.artifacts_of(key))
    return next((one for one in found if one is not None), {})


@st.cache_resource(show_spinner=False)
def random_cuts() -> RandomCuts:
    """The random cuts of this server."""
    return RandomCuts()
