"""The one polling fragment: a run as it is now, live or stored, on every browser that shows it."""

from __future__ import annotations

import time

import streamlit as st

from core.job import Job
from core.spec import RunSpec
from core.store import StoredRun, StoreError
from pages.parts import controls, elements, services
from pages.parts.services import Look

LIVE_SECONDS, IDLE_SECONDS, REPLAY_SECONDS = 0.4, 3.0, 0.6
HURRY_SECONDS = 2.0  # after a command the page looks often, until the worker has answered
PICTURES_EVERY = 8  # epochs of a run at full speed between two sets of pictures; a held run always has them


def watch(key: str, *, follow: bool) -> None:
    """Shows the run `key` from now on; `follow`: go along when a cut by hand turns it into a branch."""
    st.session_state["watching"], st.session_state["follow"] = key, follow
    st.session_state.pop("replay", None)
    st.session_state.pop("shown epoch", None)


def hurry() -> None:
    """A command was sent: look often for a while."""
    st.session_state["hurry until"] = time.monotonic() + HURRY_SECONDS


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
    hurry = time.monotonic() < st.session_state.get("hurry until", 0.0)
    if (job and job.live and not job.held) or hurry:
        return LIVE_SECONDS
    return REPLAY_SECONDS if st.session_state.get("replay") else IDLE_SECONDS


def _poll(spec: RunSpec | None, visitor: str, pace: float) -> None:
    job = _follow()
    key = st.session_state.get("watching")
    if key:
        services.board().seen(key, visitor)
    look = services.look(key, moving=bool(job and job.live and not job.held)) if key else None
    run, log = (look.run, look.log) if look else (None, [])
    controls.draw(spec, visitor, job, run, log)
    if job and (job.state == "failed" or (job.live and job.text)):
        (st.error if job.state == "failed" else st.info)(f"{job.text[0].upper()}{job.text[1:]}.")
    if run is None and job is None:
        _welcome(visitor)
    elif run is None or run.spec is None or not log:
        _empty(job, run)
    else:
        _moment(look, job)
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
    look = services.look_into(services.example(), key)
    _elements(look, look.run.last_epoch, pictures=True)


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


def _moment(look: Look, job: Job | None) -> None:
    moving = bool(job and job.live and not job.held)
    epoch = look.run.last_epoch
    if not moving and len(look.run.epochs) > 1:
        epoch = controls.scrubber(look.run)
    elif moving:
        st.session_state.pop("shown epoch", None)
    pictures = not moving or epoch % PICTURES_EVERY == 0 or _slow(look.log)
    _elements(look, epoch, pictures=pictures)
    if not moving:
        controls.provenance(look.run)


def _slow(log: list) -> bool:
    """Epochs of a second or more leave time to send pictures with each."""
    return log[-1].get("seconds", 0.0) >= 1.0


def _elements(look: Look, epoch: int, *, pictures: bool) -> None:
    run, root = look.run, str(look.store.root)
    elements.curves(services.curves_blob(root, run.key, look.version, epoch, look), key="curves")
    try:
        elements.board(services.board_blob(root, run.key, epoch, pictures, look.store, run.spec), key="board")
    except ValueError as error:
        st.warning(f"{str(error)[0].upper()}{str(error)[1:]}.")
