"""One shipped run trained again on this computer, and what it gives beside what ships."""

from __future__ import annotations

import streamlit as st

from core.jobs.job import Job
from core.judge import results, study
from core.judge.questions import Row
from core.store import StoreError
from core.views import judge
from pages.shared import queued, services, session

CHOSEN = "recomputed"


def draw(rows: list[Row], visitor: str) -> None:
    """A closed box: arm and seed of one of the rows, a button, and both results."""
    rows = judge.ran(rows)
    if not rows:
        return
    with st.expander("Recompute one of these runs"):
        there = {row["arm"] for row in rows}
        arms = [arm for arm in study.ARMS if arm in there]
        left, right = st.columns(2)
        arm = left.selectbox("Arm", arms, key="recompute arm", format_func=lambda one: judge.SHORT.get(one, one))
        seeds = sorted(row["seed"] for row in rows if row["arm"] == arm)
        seed = right.selectbox("Seed", seeds, key="recompute seed")
        row = next(row for row in rows if (row["arm"], row["seed"]) == (arm, seed))
        _offer(row, rows, visitor)


def job() -> Job | None:
    """The job of the run that was asked for last."""
    key = st.session_state.get(CHOSEN)
    return services.board().job(key) if key else None


def _offer(row: Row, rows: list[Row], visitor: str) -> None:
    try:
        spec = results.spec_of(row, rows)
        key = spec.key()
    except ValueError as error:
        st.caption(f"It cannot be trained here now: {error}.")  # most often its data are not on this computer
        return
    st.write(
        f"Ships: **{row['test_accuracy']:.2f} %** of the test images right, {row['epochs']} epochs; {spec.label()}."
    )
    work = services.board().job(key)
    if work and work.live:
        stands = f"is being trained: {work.state}, epoch {work.epoch}"
        st.caption(f"It {queued.words(work) if work.state == 'queued' else stands}.")
        return
    if work and work.state == "failed":
        st.error(session.sentence(work.text))
    found = _stored(key)
    if found is None:
        st.button("Train it here", key="recompute start", on_click=_start, args=(spec, visitor))
        return
    accuracy, source = found
    st.write(f"Here: **{accuracy:.2f} %**. {judge.beside(row, accuracy, key, source)}")


def _stored(key: str) -> tuple[float, dict] | None:
    """Test accuracy in % and what the run was made on, None where it is not finished here."""
    store = services.board().store
    try:
        if not store.open(key).finished:
            return None
        return 100 * store.events(key)[-1].test_accuracy, store.provenance(key)
    except StoreError:
        return None


def _start(spec, visitor: str) -> None:
    board = services.board()
    try:
        st.session_state[CHOSEN] = board.start(spec, visitor).key
        board.seen(st.session_state[CHOSEN], visitor)
    except ValueError as error:
        session.refuse(error)
