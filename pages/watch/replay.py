"""A run that does not move: its scrubber, and the replay from its start."""

from __future__ import annotations

import streamlit as st

from core.store import StoredRun
from pages.shared import given, services


def playing() -> bool:
    """Whether the run that is shown is being replayed."""
    return bool(st.session_state.get("replay"))


def play(run: StoredRun) -> None:
    """Replays the run from its start."""
    st.session_state["replay"] = True
    given.give(_control(run), run.epochs[0])


def scrubber(run: StoredRun) -> int:
    """The epoch to show, with a replay switch: the last one until a person moves it, and again when the run has grown."""
    state = st.session_state
    epochs = list(run.epochs)
    control = _control(run)
    shown = given.value(control, epochs[-1])
    if playing():
        place = min(epochs.index(shown) + 1, len(epochs) - 1)
        shown = epochs[place]
        state["replay"] = place < len(epochs) - 1
    given.give(control, shown)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Halt" if playing() else "Replay", key="replay button", on_click=_turn, args=(control, epochs), shortcut="L",
            help="Plays the stored run from its start.",
        )  # fmt: skip
        state["shown epoch"] = st.select_slider(
            "Epoch", options=epochs, label_visibility="collapsed", format_func=lambda epoch: f"epoch {epoch}",
            **given.heard(control, _halt),
        )  # fmt: skip
    return state["shown epoch"]


def _control(run: StoredRun) -> str:
    return f"scrub {run.key} {run.last_epoch}"


def _turn(control: str, epochs: list[int]) -> None:
    st.session_state["replay"] = not playing()
    if playing() and given.value(control, epochs[-1]) == epochs[-1]:
        given.give(control, epochs[0])


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
