"""The one polling fragment: a run as it is now, live or stored, on every browser that shows it."""

from __future__ import annotations

import time
import zlib

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.jobs.job import Job
from core.spec import RunSpec
from core.store import StoredRun
from pages.shared import elements, given, link, noted, queued, services, session
from pages.shared.services import Look
from pages.watch import controls, replay, sidebar

LIVE_SECONDS, IDLE_SECONDS, REPLAY_SECONDS = 0.4, 3.0, 0.6
NEWS_SECONDS = 1.0  # how long a looker-on of a crowd is left without an answer
LET_IN_SECONDS = 0.1  # how soon a click of that person's ends it
CROWD_SECONDS = 0.6  # from one answer to the next, however quick the epochs: a server gives some thirty in that time
PICTURES_EVERY = 8  # epochs between two sets of pictures where not each epoch brings them; a held run always has them
FEW = 4  # so many watchers get pictures with each slow epoch: half a megabyte each, too much for a hall's wireless network


def draw(spec: RunSpec | None, visitor: str) -> None:
    """Draws the fragment, polling as often as what it shows can change."""
    pace = _pace()
    st.fragment(_poll, run_every=pace)(spec, visitor, pace)


def _pace() -> float:
    job = services.board().job(session.watched() or "")
    if session.hurrying() or (job and job.live and not job.held):
        return LIVE_SECONDS
    return REPLAY_SECONDS if replay.playing() else IDLE_SECONDS


def _poll(spec: RunSpec | None, visitor: str, pace: float) -> None:
    job = _follow()
    key = session.watched()
    link.put(
        sidebar.in_link()
    )  # here, for a run is also joined, started and left without a word to the rest of the page
    if key:
        services.board().seen(key, visitor)
        if job and _waits_for_news(job, visitor):
            _wait_for_news(job.key)
            job = services.board().job(key)
    # One that ships and is to be made here is shown under this name elsewhere until the one made here begins; not here.
    waits = bool(job and job.live) and not services.begun(key)
    look = services.look(key, moving=bool(job and job.live and not job.held)) if key and not waits else None
    run, log = (look.run, look.log) if look else (None, [])
    room = controls.draw(spec, visitor, job, run, log)
    for notice in job.notices if job else ():
        st.info(session.sentence(notice))
    if job and job.state == "failed":
        st.error(session.literal(session.sentence(job.text)))
    if run is None and not (job and job.live):  # nothing chosen yet, deleted since, or failed before its first moment
        _welcome(visitor)
    elif run is None or run.spec is None or not log:
        _empty(job, run, visitor)
    else:
        _moment(look, job, room, visitor)
    if _pace() != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def _waits_for_news(job: Job, visitor: str) -> bool:
    """Of a crowd, whoever only looks on is answered when there is something new, and so at once, and once an epoch."""
    board = services.board()
    return job.live and not job.held and board.watchers(job.key) > FEW and not board.owns(job.key, visitor)


def _wait_for_news(key: str) -> None:
    """Until there are news of the job, and the others of the crowd have had time for theirs."""
    board, now = services.board(), time.monotonic()
    drawn, number, when = st.session_state.get("news drawn", (None, 0, now))
    until, soonest = now + NEWS_SECONDS, when + CROWD_SECONDS
    while drawn == key and (now := time.monotonic()) < until:
        if board.news(key) == number:
            board.wait_for_news(key, number, LET_IN_SECONDS)
        elif now < soonest:
            time.sleep(min(LET_IN_SECONDS, soonest - now))
        else:
            break
        st.session_state.get("news drawn")  # here Streamlit lets in what this person has asked for meanwhile
    st.session_state["news drawn"] = (key, board.news(key), time.monotonic())


def _follow() -> Job | None:
    """The job behind the run that is shown; goes along with a branch."""
    job = services.board().job(session.watched() or "")
    if job and job.key != session.watched():
        if not st.session_state.get("follow"):
            return None
        if services.board().store.log(job.key):  # until the branch has begun, its parent stays on the page
            session.watch(job.key, follow=True)
            st.rerun()  # the link, which the sidebar writes, names the branch from now on
    return job


def _welcome(visitor: str) -> None:
    for job in services.board().jobs():
        if job.live and job.kind == "run":
            st.button(f"Watch the run under way: {job.label}", key=f"join {job.key}", on_click=session.watch, args=(job.key,),
                      kwargs={"follow": True})  # fmt: skip
    key = services.example_key()
    if key is None:
        st.info("Nothing is stored yet. Press Start to train and prune a network here.")
        return
    if services.store_of(key) is services.example():
        st.markdown(
            "An example that ships with the explorer, trained and pruned to its end. **Start** does it live, here."
        )
    else:
        st.markdown("The example’s run, made here. **Start** shows it again, or goes on with it.")
    look = services.look_into(services.store_of(key), key)
    _elements(look, look.run.last_epoch, pictures=True)


def _empty(job: Job | None, run: StoredRun | None, visitor: str) -> None:
    if run and run.problem:
        st.error(f"{run.problem}.")
    elif job and job.state == "queued":
        queued.draw(job, visitor)
    elif shown := st.session_state.get("on show"):  # until the run has begun, what was shown before stays
        look, epoch = shown
        _elements(look, epoch, pictures=True)
    else:
        starts = job and job.state == "starting"
        st.markdown(
            f"#### {'The training process starts' if starts else 'The first moment of this run is being made'} …"
        )


def _moment(look: Look, job: Job | None, room: DeltaGenerator | None, visitor: str) -> None:
    moving = bool(job and job.live and not job.held and job.state != "queued")
    epoch = look.run.last_epoch
    if not moving and len(look.run.epochs) > 1:
        with room or st.container():
            epoch = replay.scrubber(look.run)
    elif moving:
        st.session_state.pop("shown epoch", None)
    if look.run.spec.dataset != st.session_state["choice"]["dataset"]:  # else the sidebar says it
        noted.draw(look.run.spec.dataset)
    _elements(look, epoch, pictures=not moving or _pictures_due(job, look.log, epoch, visitor))
    if not moving:
        _to_the_slider(look.run, epoch)
        replay.provenance(look.run)


def _to_the_slider(run: StoredRun, epoch: int) -> None:
    text = "Every ratio from 0 to 100 % for this very network, at the speed of the hand."
    if st.button("Drag one slider over this network", icon=":material/tune:", help=text, key="to the slider"):
        link.settle("slider")
        given.give("slider run", run.key)
        given.give("slider epoch", epoch)
        st.switch_page("pages/explore/slider.py")


def _pictures_due(job: Job, log: list, epoch: int, visitor: str) -> bool:
    """Epochs of a second or more leave time to send pictures with each, to a few; of a crowd, each in turn."""
    crowd = services.board().watchers(job.key) > FEW
    if not crowd and log[-1].get("seconds", 0.0) >= 1.0:
        return True
    turn = zlib.crc32(visitor.encode()) if crowd else 0
    return (epoch + turn) % PICTURES_EVERY == 0


def _elements(look: Look, epoch: int, *, pictures: bool) -> None:
    run, root = look.run, str(look.store.root)
    st.session_state["on show"] = look, epoch
    elements.curves(services.curves_blob(root, run.key, look.version, epoch, look), key="curves")
    try:
        elements.board(services.board_blob(root, run.key, epoch, pictures, look.store, run.spec), key="board")
    except ValueError as error:
        st.warning(session.sentence(str(error)))
