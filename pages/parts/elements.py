"""The live elements of the pages: learning curves, the neuron board, and which browser is looking.

Each is a components-v2 element: plain html, css and js files, no iframe, nothing fetched. The element in the browser stays the
same one from mount to unmount; every change of `blob` is drawn into it. `core.scene` packs the blobs.
"""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent


def _register(name: str, *scripts: str):
    """The mounting command of the element in the folder `name`; `scripts` are read in this order after shared.js."""
    folder = HERE / name
    javascript = [HERE / "shared.js", *(folder / script for script in scripts)]
    return st.components.v2.component(
        f"pruning_{name}",
        html=(folder / f"{name}.html").read_text("utf-8"),
        css="\n".join(file.read_text("utf-8") for file in (HERE / "shared.css", folder / f"{name}.css")),
        js="\n".join(file.read_text("utf-8") for file in javascript),
    )


_curves = _register("curves", "curves.js")
_board = _register("board", "cells.js", "mosaic.js", "inspector.js", "spectra.js", "board.js")
_visitor = _register("visitor", "visitor.js")


def curves(blob: bytes, *, key: str) -> None:
    """Draws accuracy and loss over the epochs, every cut marked. `blob` comes from `core.scene`."""
    _curves(data=blob, key=key)


def board(blob: bytes, *, key: str) -> str | None:
    """Draws the neuron board, its inspector and the spectra; gives the pinned neuron as "layer:unit", or None.

    The browser reports a neuron when it is clicked (or Enter is pressed on it), and None when it is let go.
    """
    return _board(data=blob, key=key, on_selected_change=_note).selected


def visitor(*, key: str) -> str | None:
    """A random token that this browser keeps across reloads; None in the first run of a session, before it has answered.

    The element is invisible and takes no room.
    """
    known = st.session_state.get(f"{key} known")
    token = _visitor(data={"known": known}, key=key, on_token_change=_note).token or known
    if token is not None:
        st.session_state[f"{key} known"] = token
    return token


def _note() -> None:
    """A state that has no callback is not reported at all, so each has this one, which does nothing."""
