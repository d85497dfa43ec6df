"""The runs that were made of a network by cutting it by hand: open, compare, undo."""

from __future__ import annotations

import streamlit as st

from core.jobs.job import Job
from core.store import StoredRun
from core.views import scene
from pages.shared import given, library, pair, queued, services, session


def of(run: StoredRun) -> list[StoredRun]:
    """The branches of a run, newest first."""
    return [one for one in library.listed() if one.parent == run.key]


def started(key: str) -> None:
    """A branch was started in this session."""
    st.session_state["branch started"] = key


def _under_way(run: StoredRun) -> list[Job]:
    """The jobs that train branches of the run, or wait to, whoever started them."""
    return [job for job in services.board().jobs() if job.kind == "run" and job.live and job.parent == run.key]


def moving(run: StoredRun) -> bool:
    """Whether a branch of the run is being trained, or has yet to begin."""
    return bool(_under_way(run))


def answer(run: StoredRun) -> str:
    """What became of the branch that was started in this session, for beside the button; "" where none of this run was."""
    job = services.board().job(st.session_state.get("branch started") or "")
    if job is None or job.parent != run.key:
        return ""
    cut = job.label.split(" · ")[-1]
    if job.state == "queued":
        stands = f"it {queued.words(job)}."
    elif job.live:
        stands = f"it trains on, epoch {job.epoch}." if job.epoch else "it is about to train."
    elif job.state == "failed":
        return session.sentence(job.text)
    else:
        log = services.board().store.log(job.key)
        stands = scene.sentence(services.board().store.open(job.key).spec, log) if log else "it is gone."
    return f"{cut[0].upper()}{cut[1:]}: {stands}" + (
        " Watch, open and compare it below." if stands[-5:] != "gone." else ""
    )


def draw(run: StoredRun, visitor: str) -> None:
    """A line a branch: what was cut, where it stands, and the buttons."""
    found = of(run)
    for job in _under_way(run):
        services.board().seen(job.key, visitor)
        if job.key not in {one.key for one in found}:
            waits = queued.words(job) if job.state == "queued" else "is about to train"
            st.info(f"The branch {waits}: {job.label}.")
    fresh = services.board().job(st.session_state.get("branch started") or "")
    if fresh and fresh.state == "failed":
        st.error(session.sentence(fresh.text))
    if run.parent:
        st.button("Back to the network that this one was cut from", on_click=_open, args=(run.parent,), key="to parent")
    if not found:
        return
    st.markdown("#### Pruned here and trained on")
    if message := st.session_state.pop("branches say", None):
        st.warning(message)
    for one in found:
        _line(run, one)


def _line(parent: StoredRun, run: StoredRun) -> None:
    job = services.board().job(run.key)
    log = services.store_of(run.key).log(run.key)
    text, watch, open_, compare, undo = st.columns([7, 1.5, 1.5, 1.5, 1.2], vertical_alignment="center")
    state = scene.sentence(run.spec, log) if run.spec else run.problem or ""
    cut = run.label.split(" · ")[-1]
    text.markdown(f"**{cut[0].upper()}{cut[1:]}.** {'Training. ' if job and job.live else ''}{state}")
    if watch.button("Watch", key=f"watch {run.key}", width="stretch", help="The run, live, on the page “A run, live”."):
        session.watch(run.key, follow=True)
        st.switch_page("pages/watch/live.py")
    open_.button("Open", key=f"open {run.key}", on_click=_open, args=(run.key,), width="stretch", disabled=not run.epochs,
                 help="This network on the slider.")  # fmt: skip
    if compare.button(
        "Compare", key=f"compare {run.key}", width="stretch", help="Side by side with the run it comes from."
    ):
        pair.choose(parent.key, run.key)
        st.switch_page("pages/watch/compare.py")
    undo.button(
        "Undo", key=f"undo {run.key}", on_click=_undo, args=(run.key,), width="stretch", disabled=bool(job and job.live),
        help="Deletes this branch for good; the network it comes from stays.",
    )  # fmt: skip


def _open(key: str) -> None:
    given.give("slider run", key)
    given.take("slider epoch")
    st.session_state.get("slider kept", {}).pop("slider epoch", None)


def _undo(key: str) -> None:
    try:
        services.board().delete(key)
    except ValueError as error:
        st.session_state["branches say"] = session.sentence(str(error))
