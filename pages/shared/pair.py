"""The two runs that the page "Side by side" shows: as chosen elsewhere, as the link says, as switched on the page."""

from __future__ import annotations

import streamlit as st

from core.store import StoredRun
from pages.shared import given, link

NAMES = ("a", "b")  # in the link


def choose(one: str, other: str) -> None:
    """Shows these two from the next drawing on."""
    st.session_state["compare"] = [one, other]
    link.settle("pair")
    _forget_menus()


def chosen(runs: list[StoredRun]) -> list[StoredRun]:
    """The pair, of at least two runs, as the two menus that are drawn here say. What the link asks for in vain is told."""
    labels = {run.key: f"{run.label} ({run.key[:4]})" for run in runs}
    if link.unread("pair"):
        _read(labels)
    wanted = [key for key in st.session_state.get("compare", []) if key in labels]
    wanted += [key for key in labels if key not in wanted][: 2 - len(wanted)]
    picked = []
    for place, column in enumerate(st.columns(2)):
        control = f"compare {place}"
        given.give(control, given.value(control) if given.value(control) in labels else wanted[place])
        name = given.name(control)
        picked.append(column.selectbox(f"Run {'AB'[place]}", list(labels), format_func=labels.get, key=name))
    st.session_state["compare"] = picked
    return [next(run for run in runs if run.key == key) for key in picked]


def in_link(pair: list[StoredRun]) -> dict[str, str]:
    """What the link says of the pair."""
    return dict(zip(NAMES, (run.key for run in pair), strict=True))


def _read(labels: dict[str, str]) -> None:
    if link.says().keys() & set(NAMES):
        asked = link.read(dict.fromkeys(NAMES, link.stored(labels)))
        st.session_state["compare"] = [asked[name] for name in NAMES if name in asked]
        _forget_menus()


def _forget_menus() -> None:
    for place in range(2):
        given.take(f"compare {place}")
