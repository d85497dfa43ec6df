"""The link: what the address says of the page, read and written here only, and the addresses of other pages.

page = link.arrived(page.url_path)            # app.py, once a run
if link.unread("run"): …link.read(rules)      # at the page's first run, and when the browser's Back or Forward brought it
link.words(rules, values)                     # the texts that `read` reads
link.put({"run": key}, kept=("cut", "view"))  # now the address says this, and what the browser itself keeps in it of `kept`
link.to("slider", run=key, lecture="1")       # leads there under any path that the app is served from
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.rules import OneOf, Rule
from pages.shared.words import literal

SHOWN = 30  # characters of what came that a sentence repeats


def arrived(page: str) -> None:
    """Notes which page is drawn, and whether it was come back to: then its address says what is to be shown, whatever this
    session has looked at since."""
    state, run = st.session_state, get_script_run_ctx()
    if run and run.is_history_navigation:
        state["link back"] = set()
    elif page != state.get("link page"):
        state.pop("link back", None)
    state["link page"] = page


def says() -> dict[str, str]:
    """What the address says."""
    return st.query_params.to_dict()


def came_back() -> bool:
    """Whether the browser's Back or Forward led to the page."""
    return "link back" in st.session_state


def unread(name: str) -> bool:
    """Whether what goes by `name` has yet to be read from the address; from now on it has been."""
    state = st.session_state
    readers = [state.setdefault("link read", set())]
    readers += [state["link back"]] if came_back() else []
    first = any(name not in names for names in readers)
    for names in readers:
        names.add(name)
    return first


def settle(name: str) -> None:
    """What goes by `name` was chosen in another way than by the address, which is not to be asked any more."""
    unread(name)


def stored(runs: Iterable[str], otherwise: str = "that run is not stored here; another one is shown") -> Rule:
    """The rule for the key of one of the `runs`."""
    return OneOf(choices=lambda: runs, otherwise=otherwise)


def read(
    rules: Mapping[str, Rule],
    usual: Mapping[str, Any] | None = None,
    *,
    of: Mapping[str, str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """What the address, or `of`, asks for of what has a rule, by its name in the link. What it asks in vain is left out, and
    told on the page, or by `tell`; `usual`: what stands there instead."""
    found = {}
    for name, text in (says() if of is None else of).items():
        try:
            if name in rules:
                found[name] = rules[name].read(text)
        except ValueError as error:
            if rest := getattr(error, "rest", None):
                found[name] = rest
            instead = f"; {rules[name].write(usual[name])} it is" if usual and name in usual else ""
            came = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
            (tell or asked_in_vain)(f"The link asks for {name} = {came!r}, which is not possible: {error}{instead}.")
    return found


def words(
    rules: Mapping[str, Rule], values: Mapping[str, Any], usual: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """The texts by which a link asks for the values, those left out that are as `usual`."""
    return {
        name: rule.write(values[name])
        for name, rule in rules.items()
        if name in values and not (usual and name in usual and values[name] == usual[name])
    }


def asked_in_vain(text: str) -> None:
    """Keeps a sentence on what the link asks for and cannot have, for `tell`."""
    before, of = st.session_state.get("link in vain", ("", None))
    texts = before.split("  \n") if before and of is None else []
    st.session_state["link in vain"] = "  \n".join(dict.fromkeys([*texts, text])), None


def tell(shown: dict[str, str]) -> None:
    """Says what the link asked for in vain, as long as the page shows what it showed then."""
    text, of = st.session_state.get("link in vain", ("", None))
    if text and of in (None, shown):
        st.session_state["link in vain"] = (text, shown)
        st.warning(literal(text))


def put(wanted: dict[str, str], kept: Iterable[str] = ()) -> None:
    """Lets the address say `wanted`, and of what it says now only what is named in `kept`.

    Not before the browser has introduced itself: from then on (visitor/places.js) a page has one place in its history, however
    often its address changes.
    """
    if st.context.url is not None and "introduced" not in st.session_state:
        return
    before = says()
    after = wanted | {name: before[name] for name in kept if name in before}
    # What was put before may still be on its way to the browser, whose word on the address is then out of date.
    page, last = st.session_state.get("link put", (None, None))
    here = st.session_state.get("link page")
    if after != before or (page == here and last != wanted):
        st.query_params.from_dict(after)
    st.session_state["link put"] = here, wanted


def to(page: str, **query: str) -> str:
    """The address of a page from any other one, without a word on where the app itself is served."""
    return f"{page or '.'}?{urlencode(query)}"
