"""The second half of the page "Against a penalty": a network trained with the penalty instead, its strength λ searched for."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.claims.penalty_search import Search, SearchOf
from core.jobs.job import Job
from core.spec import PenaltySpec
from core.store import StoredRun, StoreError
from core.views import penalised
from pages.shared import asked, elements, queued, services, session

HEADING = "A network trained with the penalty instead"
WHAT = (
    "The same start weights are trained on the same images in the same order, without any cut, with λ · (sum of the hidden "
    "layers' singular values) in the objective. The penalty is taken as a <i>proximal step</i> every N = {every} training "
    "steps: each layer's singular values all fall by learning rate · λ · N, none below 0, and the layer is put together again "
    "from what is left. λ is right where the network ends, after as many epochs, with the pruned network's nuclear norm; the "
    "search tries one λ after the other, each a training of its own, and keeps them."
)


def draw(run: StoredRun, visitor: str) -> None:
    """The heading, the button, the search as far as it is."""
    words = WHAT.format(every=PenaltySpec().every)
    st.html(
        f'<div class="claim"><h2 style="font-size: 1.4em; padding: 0; margin: 0">{HEADING}</h2><p>{words}</p></div>'
    )
    wanted = [SearchOf(run.key)]
    job, search = asked.job(wanted), asked.value(*wanted)
    if job and job.live:
        services.board().seen(job.key, visitor)
    if job and job.state == "failed":
        st.error(session.sentence(job.text))
    if refusal := session.refusal():
        st.warning(refusal)
    version = services.store_of(run.key).version(run.key)
    try:
        pruned = _ending(run.key, run.last_epoch, version)
        blob = _blob(run.key, run.last_epoch, version, asked.version(*wanted), _told(job, search))
    except StoreError as error:
        st.warning(session.sentence(str(error)))
        return
    if pruned is None:
        st.info("The network of this run diverged: it has no nuclear norm that a penalty could aim at.")
    else:
        _button(run, job, search, visitor)
    elements.strength(blob, key="strength")


def moving(key: str) -> bool:
    """Whether a search is under way for the run."""
    return asked.moving([SearchOf(key)])


def _button(run: StoredRun, job: Job | None, search: Search | None, visitor: str) -> None:
    if job and job.live:
        mine = services.board().may_command(job.key, visitor)
        st.button("Stop the search", key="strength stop", disabled=not mine, on_click=session.stop, args=(job.key, visitor),
                  help="The tries made so far are kept." if mine else "It was started in another browser.")  # fmt: skip
        return
    if search and SearchOf(run.key).whole(search):
        return
    label = "Find the λ that ends with the same nuclear norm"
    if job and job.state == "failed":
        label = "Try again"
    elif search:
        label = "Go on with the search"
    st.button(
        label, key="strength start", type="primary", disabled=not run.finished, on_click=asked.start,
        args=([SearchOf(run.key)], visitor),
        help="Trains some networks, one after the other; about ten, each as long as this run."
        if run.finished else "This run is not finished yet: its end is what the search aims at.",
    )  # fmt: skip


def _told(job: Job | None, search: Search | None) -> tuple[str, float] | None:
    """What is under way, in words, and the share done of it."""
    if job is None or not job.live:
        return None
    if job.state == "queued":
        return f"The search {queued.words(job)}", 0.0
    return f"Try {len(search.tries) + 1 if search else 1} is being trained", job.share


@st.cache_data(max_entries=64, show_spinner=False)
def _blob(key: str, epoch: int, run: tuple, version: tuple, told: tuple[str, float] | None) -> bytes:
    pruned = _ending(key, epoch, run)
    if pruned is None:
        return services.empty_blob(run=key)
    job: dict[str, Any] | None = {"text": told[0], "share": told[1]} if told else None
    return penalised.blob(key, pruned, asked.value(SearchOf(key)), job)


@st.cache_resource(max_entries=64, show_spinner=False)
def _ending(key: str, epoch: int, run: tuple) -> penalised.Ending | None:
    return penalised.ending(services.store_of(key), key)
