"""What all sessions of a server share: the job board, the store, and the blobs that the live elements draw."""

from __future__ import annotations

import gc
import os
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.jobs import JobBoard, processes
from core.spec import RunSpec
from core.store import Store, StoredRun, StoreError, files
from core.views import scene
from pages.shared import elements

LOOK_SECONDS = 0.3
WARM_SECONDS = 2.0  # after the server's first page was asked for; loading torch beside it would make that late
EXAMPLE = Path(__file__).resolve().parents[2] / "core" / "data" / "example"


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Once per server: takes everything loaded so far out of the garbage collector's sight, which saves 200 ms a rerun."""
    gc.collect()
    gc.freeze()


def style() -> None:
    """Less empty room above the page than Streamlit leaves, so that a projector shows the curves and the board at once."""
    st.html(Path(__file__).parent / "page.css")


@st.cache_resource(show_spinner=False)
def board() -> JobBoard:
    """The one job board of this server. Once its first page is there, what starts workers gets ready, so that Start does."""
    ready = threading.Timer(WARM_SECONDS, processes.warm)
    ready.daemon = True
    ready.start()
    return JobBoard(os.environ.get("PRUNING_CACHE") or "cache", behind=(EXAMPLE,))


@st.cache_resource(show_spinner=False)
def example() -> Store:
    """The run that ships with the explorer, read-only."""
    return Store(EXAMPLE, ships=True)


def store_of(key: str) -> Store:
    """Which run a name opens, on every page: a key the one made here, as soon as it has its first moment, else the one that
    ships; with `@shipped` behind it always that."""
    return example() if ships(key) and (key != files.bare(key) or not begun(key)) else board().store


def ships(key: str) -> bool:
    """Whether a run with this key ships with the explorer."""
    return files.is_key(key) and (example().root / "runs" / files.bare(key)).is_dir()


def begun(key: str) -> bool:
    """Whether a run with this key was made here, at least its first moment."""
    try:
        run = board().store.open(key)
    except StoreError:
        return False
    return bool(run.epochs or run.problem)


def origin(key: str) -> str:
    """ " · ships with the explorer", " · made here" beside one that ships, "" where there is but one."""
    if not ships(key):
        return ""
    return " · made here" if store_of(key) is board().store else " · ships with the explorer"


def example_key() -> str | None:
    """The shipped run's key, None if it is missing."""
    return next((run.key for run in example().runs() if run.spec and run.spec.pruning), None)


def example_network() -> str | None:
    """The key of the shipped network that was trained without a cut, None if it is missing."""
    return next((run.key for run in example().runs() if run.spec and run.spec.pruning is None), None)


def empty_blob(**words: str | None) -> bytes:
    """The blob of a stage that has nothing to show yet: its `title`, or the `problem`."""
    return scene.pack({name: text for name, text in words.items() if text}, {})


def visitor() -> str:
    """Who is looking: a token that this browser keeps, so that a reload is the same person."""
    return st.session_state.get("introduced") or st.session_state["session token"]


def introduce(page: str) -> None:
    """Asks the browser who it is, and tells it which page this is; on every page, since what a browser needs on all of them
    comes with it."""
    stand_in = st.session_state.setdefault("session token", uuid.uuid4().hex)
    # In a fragment: the browser's answer is then a fragment's rerun, which waits for its turn. A rerun of the whole page
    # would break into the callback of a button that was pressed meanwhile, as soon as that looks at the session's state, and
    # the press would be lost.
    st.fragment(_introduce)(stand_in, page)


def _introduce(stand_in: str, page: str) -> None:
    token = elements.visitor(page, key="visitor")
    if token and not st.session_state.get("introduced"):
        # A quick hand may have pressed Start before the browser had said who it is.
        board().introduce(stand_in, token)
        st.session_state["introduced"] = token
        st.rerun()


@dataclass(frozen=True, eq=False)
class Look:
    """A run as it was at one moment: where it is kept, its entry, its log. Shared by all sessions, so never changed."""

    store: Store
    run: StoredRun | None
    log: list[dict[str, Any]]
    version: tuple[float, float]
    at: float


@st.cache_resource(show_spinner=False)
def _looks() -> tuple[threading.Lock, dict[str, Look]]:
    return threading.Lock(), {}


def look(key: str, *, moving: bool) -> Look:
    """The run as it is now; one that is `moving` with quick epochs, as it was at most LOOK_SECONDS ago.

    However many sessions watch a run, its log is read and its board is made once: all see the same moment. The lock is held
    while one session looks for all.
    """
    lock, looks = _looks()
    with lock:
        known = looks.get(key)
        fresh = known and known.run is not None and time.monotonic() - known.at < LOOK_SECONDS
        if fresh and moving and _quick(known.log):  # what was not there then may be there now
            return known
        store = store_of(key)
        if known is None or known.run is None or known.store is not store or known.version != store.version(key):
            looks[key] = known = look_into(store, key)
    return known


def _quick(log: list[dict[str, Any]]) -> bool:
    """Whether each look would find a new epoch, to be read and drawn for all sessions. Slower ones are worth having at once."""
    return not log or log[-1].get("seconds", 0.0) < LOOK_SECONDS


def look_into(store: Store, key: str) -> Look:
    """The run in `store`, looked at afresh."""
    version, now = store.version(key), time.monotonic()
    try:
        return Look(store, store.open(key), store.log(key), version, now)
    except StoreError:
        return Look(store, None, [], version, now)  # queued or starting: its folder comes with its first moment


@st.cache_data(max_entries=256, show_spinner=False)
def curves_blob(root: str, key: str, version: object, epoch: int, _look: Look) -> bytes:
    """The learning curves of a run, with a line at `epoch` unless it is the last; made once for all sessions."""
    run = _look.run
    at_end = epoch == run.last_epoch
    shown = _look.log if at_end else [line for line in _look.log if line.get("epoch", epoch + 1) <= epoch]
    title = scene.sentence(run.spec, shown)
    shown_epoch = None if at_end else epoch
    return scene.curves(run.spec, key, _look.log, title=title, shown_epoch=shown_epoch, finished=run.finished)


@st.cache_data(max_entries=64, show_spinner=False)
def board_blob(root: str, key: str, epoch: int, pictures: bool, _store: Store, _spec: RunSpec) -> bytes:
    """The neuron board of one stored moment, made once for all sessions."""
    return scene.board(_store, _spec, key, epoch, pictures=pictures)
