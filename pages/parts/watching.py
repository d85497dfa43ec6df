"""The one polling fragment: a run as it is now, live or stored, on every browser that shows it."""

from __future__ import annotations

import streamlit as st

from core import scene
from core.jobs import Job
from core.spec import RunSpec
from core.store import Store, StoredRun, StoreError
from pages.parts import controls, elements, services

LIVE_SECONDS, IDLE_SECONDS, REPLAY_SECONDS = 0.4, 3.0, 0.6
PICTURES_EVERY = 8  # epochs of a run at full speed between two sets of pictures; a held run always has them


def watch(key: str, *, follow: bool) -> None:
    """Shows the run `key` from now on; `follow`: go along when a cut by hand turns it into a branch."""
    st.session_state["watching"], st.session_state["follow"] = key, follow
    st.session_state.pop("replay", None)
    st.session_state.pop("shown epoch", None)


def open_from_link() -> None:
    """On a session's first run, watches the run that the link names."""
    wanted = st.query_params.get("run")
    if wanted and "watching" not in st.session_state and "link read" not in st.session_state:
        try:
            services.store_of(wanted).open(wanted)
            watch(wanted, follow=True)
        except StoreError as error:
            st.warning(f"The link names a run that is not here: {error}.")
    st.session_state["link read"] = True


def draw(spec: RunSpec | None, visitor: str) -> None:
    """Draws the fragment, polling as often as what it shows can change."""
    pace = _pace()
    st.fragment(_poll, run_every=pace)(spec, visitor, pace)


def _pace() -> float:
    job = services.board().job(st.session_state.get("watching") or "")
    if job and job.live and not job.held:
        return LIVE_SECONDS
    return REPLAY_SECONDS if st.session_state.get("replay") else IDLE_SECONDS


def _poll(spec: RunSpec | None, visitor: str, pace: float) -> None:
    job = _follow()
    key = st.session_state.get("watching")
    if key:
        services.board().seen(key, visitor)
    run, log = _stored(key)
    controls.draw(spec, visitor, job, run, log)
    if job and (job.state == "failed" or (job.live and job.text)):
        (st.error if job.state == "failed" else st.info)(f"{job.text[0].upper()}{job.text[1:]}.")
    if run is None and job is None:
        _welcome(visitor)
    elif run is None or run.spec is None or not log:
        _empty(job, run)
    else:
        _moment(run, log, job)
    if _pace() != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def _follow() -> Job | None:
    """The job behind the run that is shown; goes along with a branch."""
    state = st.session_state
    job = services.board().job(state.get("watching") or "")
    if job and job.key != state["watching"]:
        if not state.get("follow"):
            return None
        if services.board().store.log(job.key):  # until the branch has begun, its parent stays on the page
            watch(job.key, follow=True)
            st.rerun()  # the link, which the sidebar writes, names the branch from now on
    return job


def _stored(key: str | None) -> tuple[StoredRun | None, list]:
    if not key:
        return None, []
    try:
        store = services.store_of(key)
        return store.open(key), store.log(key)
    except StoreError:
        return None, []  # queued or starting: its folder comes with its first moment


def _welcome(visitor: str) -> None:
    for job in services.board().jobs():
        if job.live and job.kind == "run":
            st.button(f"Watch the run under way: {job.label}", key=f"join {job.key}", on_click=watch, args=(job.key,),
                      kwargs={"follow": True})  # fmt: skip
    key = services.example_key()
    if key is None:
        st.info("Nothing is stored yet. Press Start to train and prune a network here.")
        return
    st.markdown("An example that ships with the explorer, trained and pruned to its end. **Start** does it live, here.")
    run = services.example().open(key)
    _elements(services.example(), run, services.example().log(key), run.last_epoch, pictures=True)


def _empty(job: Job | None, run: StoredRun | None) -> None:
    if run and run.problem:
        st.error(f"{run.problem}.")
        return
    state = {
        "queued": f"Waiting in the queue, at place {job.place}" if job else "",
        "starting": "The training process starts",
    }
    text = state.get(job.state if job else "", "The first moment of this run is being made")
    st.markdown(f"#### {text} …")


def _moment(run: StoredRun, log: list, job: Job | None) -> None:
    moving = bool(job and job.live and not job.held)
    epoch = run.last_epoch
    if not moving and len(run.epochs) > 1:
        epoch = controls.scrubber(run)
    elif moving:
        st.session_state.pop("shown epoch", None)
    pictures = not moving or epoch % PICTURES_EVERY == 0 or _slow(log)
    _elements(services.store_of(run.key), run, log, epoch, pictures=pictures)
    if not moving:
        controls.provenance(run)


def _slow(log: list) -> bool:
    """Epochs of a second or more leave time to send pictures with each."""
    return log[-1].get("seconds", 0.0) >= 1.0


def _elements(store: Store, run: StoredRun, log: list, epoch: int, *, pictures: bool) -> None:
    at_end = epoch == run.last_epoch
    shown = log if at_end else [line for line in log if line.get("epoch", epoch + 1) <= epoch]
    title = scene.sentence(run.spec, shown)
    shown_epoch = None if at_end else epoch
    elements.curves(
        scene.curves(run.spec, run.key, log, title=title, shown_epoch=shown_epoch, finished=run.finished), key="curves"
    )
    try:
        version = store.version(run.key)
        blob = services.board_blob(str(store.root), run.key, epoch, pictures, store, run.spec, version)
        elements.board(blob, key="board")
    except ValueError as error:
        st.warning(f"{str(error)[0].upper()}{str(error)[1:]}.")
