"""Where the chosen data set is not on this computer: a sentence, and the button that fetches it."""

from __future__ import annotations

import streamlit as st

from core import datasets
from core.spec import RunSpec
from pages.shared import services, session


def offer(spec: RunSpec | None, visitor: str) -> None:
    """Where the chosen data set is not here: a sentence, and the button that fetches it."""
    if spec is None or datasets.available(spec.dataset):
        return
    st.fragment(_download, run_every=1.0)(spec.dataset, visitor)


def _download(dataset: str, visitor: str) -> None:
    job = services.board().job(f"download-{dataset}")
    if job and job.live:
        services.board().seen(job.key, visitor)
        st.progress(min(1.0, job.share), text=f"downloading {datasets.label(dataset)}: {job.share * 100:.0f} %")
        return
    if datasets.available(dataset):
        st.rerun()
    here = ", ".join(datasets.label(name) for name in datasets.names() if datasets.available(name))
    text = f"{datasets.label(dataset)} is not on this computer. Here are: {here}."
    if job and job.state == "failed":
        st.error(f"{session.literal(session.sentence(job.text))} Here are: {here}.")
    else:
        st.info(text)
    if datasets.downloadable(dataset):
        st.button(f"Download {datasets.label(dataset)}", on_click=_start_download, args=(dataset, visitor))


def _start_download(dataset: str, visitor: str) -> None:
    try:
        services.board().download(dataset, visitor)
    except ValueError as error:
        session.refuse(error)
