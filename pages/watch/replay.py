"""A run that does not move: its scrubber, and the replay from its start."""

from __future__ import annotations

import streamlit as st

from core.store import StoredRun
from pages.shared import services


def playing() -> bool:
    """Whether the run that is shown is being replayed."""
    return bool(st.session_state.get("replay"))


def play(run: StoredRun) -> None:
    """Replays the run from its start."""
    st.session_state["replay"] = True
    st.session_state[_name(run)] = run.epochs[0]


def scrubber(run: StoredRun) -> int:
    """The epoch to show, with a replay switch: the last one until a person moves it, and again when the run has grown."""
    state = st.session_state
    epochs = list(run.epochs)
    name = _name(run)
    shown = state.get(name, epochs[-1])
    if playing():
        place = min(epochs.index(shown) + 1, len(epochs) - 1)
        state[name] = epochs[place]
        state["replay"] = place < len(epochs) - 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Halt" if playing() else "Replay", key="replay button", on_click=_turn, args=(name, epochs), shortcut="L",
            help="Plays the stored run from its start.",
        )  # fmt: skip
        state["shown epoch"] = st.select_slider(
            "Epoch", options=epochs, value=epochs[-1], key=name, on_change=_halt, label_visibility="collapsed",
            format_func=lambda epoch: f"epoch {epoch}",
        )  # fmt: skip
    return state["shown epoch"]


def _name(run: StoredRun) -> str:
    return f"scrub {run.key} {run.last_epoch}"


def _turn(name: str, epochs: list[int]) -> None:
    state = st.session_state
    state["replay"] = not state.get("replay")
    if state["replay"] and state.get(name, epochs[-1]) == epochs[-1]:
        state[name] = epochs[0]


def _halt() -> None:
    st.session_state["replay"] = False


def provenance(run: StoredRun) -> None:
    """A line on what a finished run was made on."""
    made = services.store_of(run.key).provenance(run.key)
    if made:
        versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
        threads = f"{made['threads']} thread{'s' if made['threads'] > 1 else ''}"
        family = made.get("family", "unrecorded")
        st.caption(
            f"{run.label}{services.origin(run.key)} · arithmetic: {family} · made on {made['device']} "
            f"({made.get('processor', 'processor unrecorded')}), {made['number_type']}, {threads}; {versions}; key {run.key}"
        )
