"""Controls whose value the page itself may set: a preset, a button that opens something, a link that is come back to.

A browser that polls at that moment still says what its control said before, and Streamlit takes that for a choice of the
person's. So what is given goes to a control of a new name, of which such an answer knows nothing.

st.selectbox("Network", keys, key=given.name("slider run"))   # the control
given.value("slider run")                                     # what it says
given.give("slider run", key)                                 # it says this from now on
st.selectbox("Pace", paces, **given.heard("pace", send, key)) # what a person chooses there is also told, by send(key)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st


def name(control: str) -> str:
    """The key of the control as it is now."""
    turn = st.session_state.get("given", {}).get(control, 0)
    return f"{control} {turn}" if turn else control


def value(control: str, other: Any = None) -> Any:
    """What the control says; `other` where it is not there."""
    return st.session_state.get(name(control), other)


def give(control: str, wanted: Any) -> None:
    """Lets the control say `wanted`, whatever a browser that has yet to hear of it answers."""
    if value(control, wanted) != wanted:
        take(control)
    st.session_state[name(control)] = wanted


def take(control: str) -> None:
    """Lets the control say nothing: it begins anew."""
    st.session_state.pop(name(control), None)
    turns = st.session_state.get("given", {})
    st.session_state["given"] = turns | {control: turns.get(control, 0) + 1}


def heard(control: str, do: Callable[..., None], *args: Any) -> dict[str, Any]:
    """The options of a control of which a person's choice calls `do`; an answer to what it was before is none."""
    return {"key": name(control), "on_change": _heard, "args": (control, name(control), do, *args)}


def _heard(control: str, drawn: str, do: Callable[..., None], *args: Any) -> None:
    if drawn == name(control):
        do(*args)
