"""The live elements of the pages: learning curves, the neuron board, the stage, and which browser is looking.

Each is a components-v2 element: plain html, css and js files, no iframe, nothing fetched. The element in the browser stays the
same one from mount to unmount; every change of `blob` is drawn into it. `core.views.scene` packs the blobs.
"""

import json
from pathlib import Path
from typing import Any

import streamlit as st

PAGES = Path(__file__).parents[1]


def _register(place: str, *scripts: str, styles: tuple[str, ...] = (), takes_itself_along: bool = False):
    """The mounting command of the element in the folder `place` of pages/; `scripts` and further `styles` are read in this
    order, after what all share: a bare name is in the folder, one with a "/" in pages/. `takes_itself_along`: the script holds
    the element's own source, for a page saved as one file."""
    folder, name = PAGES / place, place.rpartition("/")[2]

    def found(files: tuple[str, ...]) -> str:
        return "\n".join((PAGES / file if "/" in file else folder / file).read_text("utf-8") for file in files)

    source = {
        "html": found((f"{name}.html",)),
        "css": found(("shared/shared.css", f"{name}.css", *styles)),
        "js": found(("shared/shared.js", *scripts)),
    }
    parts = source | ({"js": _LOADER.format(json.dumps(source))} if takes_itself_along else {})
    return st.components.v2.component(f"pruning_{name}", **parts)


# The script travels once, as a text that is both run and, when a person saves the stage, written into the file.
_LOADER = """globalThis.STAGE_SOURCE = {};
const script = URL.createObjectURL(new Blob([STAGE_SOURCE.js], {{ type: "text/javascript" }}));
export default (await import(script)).default;
"""


_curves = _register("shared/curves", "curves.js")
_board = _register("shared/board", "cells.js", "mosaic.js", "inspector.js", "spectra.js", "board.js")
_visitor = _register("shared/visitor", "cold.js", "blank.js", "keys.js", "places.js", "visitor.js")
_feed = _register("shared/feed", "feed.js")
VIEWS = ("who", "histogram", "neuron", "matrices", "singular", "cost", "classes")
_stage = _register(
    "explore/stage",
    "shared/board/cells.js",
    "shared/board/mosaic.js",
    "model.js",
    *(f"{view}.js" for view in VIEWS),
    "stage.js",
    styles=tuple(f"{view}.css" for view in VIEWS),
    takes_itself_along=True,
)
PLOTS, PLOT_STYLES = "shared/plots/plots.js", ("shared/plots/plots.css",)  # shared by the pages on the claims
_film = _register("claims/film", PLOTS, "film.js", styles=PLOT_STYLES)
_penalty = _register("claims/penalty", PLOTS, "penalty.js", styles=PLOT_STYLES)
_contest = _register("claims/contest", PLOTS, "chart.js", "digits.js", "contest.js", styles=PLOT_STYLES)
_strength = _register("claims/strength", PLOTS, "strength.js", styles=(*PLOT_STYLES, "claims/penalty/penalty.css"))
_judge = _register("judge/judge", PLOTS, "judge.js", "keep.js", styles=PLOT_STYLES)
JUDGES, JUDGE_STYLES = "judge/judge/judge.js", (*PLOT_STYLES, "judge/judge/judge.css")
_ladder = _register("judge/ladder", PLOTS, JUDGES, "ladder.js", styles=JUDGE_STYLES)
_agreement = _register("judge/agreement", PLOTS, JUDGES, "agreement.js", styles=JUDGE_STYLES)


def curves(blob: bytes, *, key: str) -> None:
    """Draws accuracy and loss over the epochs, every cut marked. `blob` comes from `core.views.scene`."""
    _curves(data=blob, key=key)


def board(blob: bytes, *, key: str) -> str | None:
    """Draws the neuron board, its inspector and the spectra; gives the pinned neuron as "layer:unit", or None.

    The browser reports a neuron when it is clicked (or Enter is pressed on it), and None when it is let go.
    """
    return _board(data=blob, key=key, on_selected_change=_note).selected


def stage(blob: bytes, *, key: str, on_ask) -> None:
    """Draws the slider and all that follows it. `blob` comes from `core.views.slider`.

    `on_ask` is called when a person wants what only the server can do; the wish is then in the session's state, under `key`,
    as `ask`: {"what": "hand" | "branch" | "retrain", ...}.
    """
    _stage(data=blob, key=key, on_ask_change=on_ask)


def film(blob: bytes, *, key: str) -> None:
    """Draws the singular values of a run as a film, with its scrubber. `blob` comes from `core.claims.spectral_history`."""
    _film(data=blob, key=key)


def feed(news: dict[str, Any], *, key: str) -> None:
    """Tells the stage what changes between two blobs: work under way, marks, points, answers. Takes no room."""
    _feed(data=news, key=key)


def penalty(blob: bytes, *, key: str) -> None:
    """Draws every cut of a run beside four models of it. `blob` comes from `core.claims.penalty`."""
    _penalty(data=blob, key=key)


def strength(blob: bytes, *, key: str) -> None:
    """Draws the search for a penalty's strength and the networks side by side. `blob` comes from `core.views.penalised`."""
    _strength(data=blob, key=key)


def contest(blob: bytes, *, key: str, on_matching) -> None:
    """Draws the PCA contest. `blob` comes from `core.views.pca`.

    `on_matching` is called when a person matches the networks otherwise; the session's state then has, under `key`, `matching`.
    """
    _contest(data=blob, key=key, on_matching_change=on_matching)


def judge(blob: bytes, *, key: str, on_claim) -> None:
    """Draws the cards of the paper's claims, one open. `blob` comes from `core.views.judge`.

    `on_claim` is called when a person opens another card; the session's state then has, under `key`, `claim`.
    """
    _judge(data=blob, key=key, on_claim_change=on_claim)


def agreement(blob: bytes, *, key: str) -> None:
    """Draws how far criteria agree on what to cut. `blob` comes from `core.views.agreement`."""
    _agreement(data=blob, key=key)


def ladder(blob: bytes, *, key: str) -> None:
    """Draws accuracy against achieved sparsity, and requested against achieved. `blob` comes from `core.views.sparsity`."""
    _ladder(data=blob, key=key)


def visitor(page: str, *, key: str) -> str | None:
    """A random token that this browser keeps across reloads; None in the first run of a session, before it has answered.

    `page` is the path of the page that is drawn, "" for the start page. The element is invisible and takes no room.
    """
    known = st.session_state.get(f"{key} known")
    token = _visitor(data={"known": known, "page": page}, key=key, on_token_change=_note).token or known
    if token is not None:
        st.session_state[f"{key} known"] = token
    return token


def _note() -> None:
    """A state that has no callback is not reported at all, so each has this one, which does nothing."""
