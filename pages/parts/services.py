"""What all sessions of a server share: the job board, the store, and the blobs that the live elements draw."""

from __future__ import annotations

import gc
import os
import uuid
from pathlib import Path

import streamlit as st

from core import scene
from core.jobs import JobBoard
from core.spec import RunSpec
from core.store import Store
from pages.parts import elements

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
    """The one job board of this server."""
    return JobBoard(os.environ.get("PRUNING_CACHE") or "cache")


@st.cache_resource(show_spinner=False)
def example() -> Store:
    """The run that ships with the explorer, read-only."""
    return Store(EXAMPLE)


def store_of(key: str) -> Store:
    """Where the run is kept: this computer's cache, or what ships with the explorer."""
    return board().store if (board().store.root / "runs" / key).is_dir() else example()


def example_key() -> str | None:
    """The shipped run's key, None if it is missing."""
    runs = example().runs()
    return runs[0].key if runs else None


def visitor() -> str:
    """Who is looking: a token that this browser keeps, so that a reload is the same person."""
    stand_in = st.session_state.setdefault("session token", uuid.uuid4().hex)
    token = elements.visitor(key="visitor")
    if token and not st.session_state.get("introduced"):
        # A quick hand may have pressed Start before the browser had said who it is.
        board().introduce(stand_in, token)
        st.session_state["introduced"] = True
    return token or stand_in


@st.cache_data(max_entries=64, show_spinner=False)
def board_blob(
    root: str, key: str, epoch: int, pictures: bool, _store: Store, _spec: RunSpec, version: object
) -> bytes:
    """The neuron board of one stored moment, made once for all sessions."""
    return scene.board(_store, _spec, key, epoch, pictures=pictures)
