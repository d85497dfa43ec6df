"""What this browser's session is looking at, and what it was told. Nothing here draws."""

from __future__ import annotations

import time

import streamlit as st

from core import datasets
from core.rules import Rule
from pages.shared import link, services
from pages.shared.words import literal

HURRY_SECONDS = 2.0  # after a command the page looks often, until the worker has answered
REFUSAL_SECONDS = 12.0


class OfRun(Rule):
    """The key of a run that can be watched, or none."""

    def read(self, text: str) -> str:
        job = services.board().job(text)
        if text and not (job and job.live):  # one that waits in the queue has nothing stored yet
            services.store_of(text).open(text)
        return text


def watch(key: str, *, follow: bool) -> None:
    """Shows the run `key` from now on; `follow`: go along when a cut by hand turns it into a branch."""
    st.session_state["watching"], st.session_state["follow"] = key, follow
    st.session_state.pop("replay", None)
    st.session_state.pop("shown epoch", None)


def watched() -> str | None:
    """The key of the run that is shown, None if none is."""
    return st.session_state.get("watching")


def open_from_link() -> None:
    """Watches the run that the link names, where it is to be read; come back to, a page may also name none."""
    if not link.unread("watched"):
        return
    if link.came_back() and link.says().get("run") != watched():
        st.session_state.pop("watching", None)
    if watched() is None and (key := link.read({"run": OfRun()}).get("run")):
        watch(key, follow=True)


def in_link() -> dict[str, str]:
    """What the address says of the run that is watched."""
    return {"run": watched()} if watched() else {}


def hurry() -> None:
    """A command was sent: look often for a while."""
    st.session_state["hurry until"] = time.monotonic() + HURRY_SECONDS


def hurrying() -> bool:
    """Whether a command was sent just now."""
    return time.monotonic() < st.session_state.get("hurry until", 0.0)


def stop(key: str, visitor: str) -> None:
    """Asks the job `key` to stop; a refusal is told. For buttons' callbacks."""
    try:
        services.board().command(key, visitor, "stop")
    except ValueError as error:
        refuse(error)


def refuse(error: ValueError) -> None:
    """Keeps the sentence on the page long enough to be read, however often the page is drawn meanwhile."""
    st.session_state["refused"] = (str(error), time.monotonic() + REFUSAL_SECONDS)


def refusal() -> str | None:
    """The sentence to show, as Markdown: capital first, full stop last."""
    text, until = st.session_state.get("refused", ("", 0.0))
    return literal(sentence(text)) if time.monotonic() < until else None


def sentence(text: str) -> str:
    """An error's text as a sentence on a page. A name that it begins with, of a file or a data set, keeps its case."""
    names = tuple(f"{name}{end}" for name in datasets.names() for end in " .:,")
    named = "." in text.split(" ")[0].rstrip(".") or text.startswith(names)
    return f"{text if named else text[0].upper() + text[1:]}."
