"""What a person should know of a data set, where it is chosen and where its runs are shown: one sentence, with what to do."""

from __future__ import annotations

import streamlit as st

from core import datasets
from pages.shared import session


def draw(dataset: str) -> None:
    """The sentence, nothing where all is as it should be; why the files cannot be used, where they cannot."""
    try:
        # What ships is as it should be, and need not be read before the page is there.
        if datasets.ships(dataset) or not datasets.available(dataset):
            return
        about = datasets.about(dataset)
    except ValueError as error:
        st.warning(session.literal(session.sentence(str(error))))
        return
    if about.text:
        st.caption(f":material/info: {session.literal(about.text)}.", help=about.advice or None)


def overlooked() -> None:
    """What lies beside the data sets and is none."""
    if text := datasets.overlooked():
        st.caption(f":material/info: {session.literal(text)}")
