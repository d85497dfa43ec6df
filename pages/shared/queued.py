"""Work that waits for a place: behind what, since when, and what a person may do about it."""

from __future__ import annotations

import time

import streamlit as st

from core.jobs.job import Job
from pages.shared import services, session

MAY = (
    "It begins by itself as soon as one of these ends, is stopped or is paused. Until then watch one of them, or take this one "
    "out with **Stop**."
)
ORPHAN = "Its browser is gone: on its page anyone may pause or stop it."


def words(job: Job) -> str:
    """ "waits in the queue, at place 1, behind mnist · seed 3, which has trained for 4 min"."""
    before = services.board().ahead(job.key)
    behind = f", behind {before[0].label}, which {doing(before[0])}" if before else ""
    more = f", and {len(before) - 1} more" if len(before) > 1 else ""
    return f"waits in the queue, at place {job.place}{behind}{more}"


def doing(job: Job) -> str:
    """What a job that is ahead does, and for how long: "has trained for 4 min, now in epoch 12"."""
    long = _long(time.monotonic() - job.since)
    if job.state == "queued":
        return f"has waited {'to go on ' if job.epoch else ''}for {long}"
    if job.held:
        return f"is {job.state}, for {long}"
    if job.kind != "run":
        return f"has been at work for {long}"
    return f"has trained for {long}" + (f", now in epoch {job.epoch}" if job.epoch else "")


def draw(job: Job, visitor: str) -> None:
    """The page of a run that waits for its first moment: who is ahead, each to be watched, and what one may do."""
    board = services.board()
    st.markdown(f"#### Waiting in the queue, at place {job.place} …")
    for one in board.ahead(job.key):
        with st.container(horizontal=True, vertical_alignment="center"):
            gone = board.may_command(one.key, visitor) and not board.owns(one.key, visitor)
            st.markdown(f"**{one.label}** {doing(one)}. {ORPHAN if gone else ''}", width="stretch")
            st.button(
                "Watch it", key=f"ahead {one.key}", on_click=session.watch, args=(one.key,), kwargs={"follow": True}
            )
    st.caption(MAY)


def _long(seconds: float) -> str:
    """Whole minutes: it is told anew only when that changes."""
    minutes = int(seconds // 60)
    if not minutes:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} hours"
