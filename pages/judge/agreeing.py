"""How far criteria agree on what to cut: a part of the page Judge, drawn from rows that ship."""

from __future__ import annotations

import streamlit as st

from core.claims import agreement_rows
from core.views import agreement
from pages.shared import elements


def draw(dataset: str, ratio: float) -> None:
    """The table of every two criteria, and each with itself; where nothing ships, what makes the rows."""
    blob = _blob(dataset, ratio, agreement_rows.written(dataset, ratio))
    if blob is None:
        st.info(agreement.missing(dataset, ratio))
        return
    elements.agreement(blob, key="agreement")
    help_text = "One row a comparison of two cuts: how many weights of each hidden layer one cuts, the other, and both."
    rows, name = agreement_rows.content(dataset, ratio), agreement_rows.file_name(dataset, ratio)
    st.download_button(
        "These comparisons as CSV", rows, name, "text/csv", key="agreement csv", on_click="ignore", help=help_text
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _blob(dataset: str, ratio: float, written: int) -> bytes | None:
    found = agreement_rows.shipped(dataset, ratio)
    return agreement.blob(found) if found else None
