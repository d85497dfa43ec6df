"""The list of stored runs and what can be done with them."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import streamlit as st

from core.claims.spectral_history import HistoryOf
from core.store import StoredRun, StoreError
from core.store.files import SHIPPED
from core.views import scene
from pages.shared import asked, elements, noted, pair, services, session

GB = 2**30


def listed() -> list[StoredRun]:
    """Every stored run under the name that opens it, those that ship last."""
    here = [run for run in services.board().store.runs() if services.store_of(run.key) is services.board().store]
    ships = services.example().runs()
    return here + [replace(run, key=run.key + SHIPPED) if services.begun(run.key) else run for run in ships]


def name(run: StoredRun) -> str:
    """A run in a menu: what tells runs apart comes first, for a menu shows the beginning."""
    parts = run.label.split(" · ")
    first = len(parts) - 1 if run.parent else 2
    seed = next(place for place, part in enumerate(parts) if part.startswith("seed "))
    words = [parts[first], parts[seed], *(part for place, part in enumerate(parts) if place not in (first, seed))]
    return " · ".join(words) + services.origin(run.key)


def draw() -> None:
    """The page "Stored runs"."""
    st.markdown("### Stored runs")
    runs = listed()
    _space(runs)
    if message := st.session_state.pop("library says", None):
        st.warning(message)
    table = st.dataframe(
        [_row(run) for run in runs], on_select="rerun", selection_mode="multi-row", hide_index=True, key="runs table",
        width="stretch", column_config={"size, MB": st.column_config.NumberColumn(format="%.1f")},
    )  # fmt: skip
    chosen = [runs[place] for place in table.selection.rows if place < len(runs)]
    left, middle, right = st.columns(3)
    if left.button("Open", disabled=len(chosen) != 1, type="primary", width="stretch", help="Choose one row above."):
        session.watch(chosen[0].key, follow=False)
        st.switch_page("pages/watch/live.py")
    if middle.button("Side by side", disabled=len(chosen) != 2, width="stretch", help="Choose two rows above."):
        pair.choose(*(run.key for run in chosen))
        st.switch_page("pages/watch/compare.py")
    if right.button("Delete …", disabled=not chosen, width="stretch", help="Asks before anything is deleted."):
        _confirm(chosen)
    if not chosen:
        st.caption("Tick a row on its left edge to open it; two rows to put them side by side.")


def _row(run: StoredRun) -> dict[str, object]:
    job = services.board().job(run.key)
    state = "finished" if run.finished else "unfinished"
    if job and job.live and job.key == run.key:
        state = job.state
    return {
        "run": run.label + (services.origin(run.key) or (" · branch" if run.parent else "")),
        "state": state if not run.problem else "cannot be read",
        "epochs": run.last_epoch,
        "test accuracy, %": None if run.test_accuracy is None else round(100 * run.test_accuracy, 2),
        "weights zero, %": round(100 * run.achieved, 1),
        "size, MB": run.size / 1e6,
        "ended because": run.problem or run.reason or "",
        "key": run.key,
    }


def _space(runs: list[StoredRun]) -> None:
    store = services.board().store
    taken = sum(run.size for run in store.runs())
    try:
        room = f"of {store.quota / GB:.1f} GB (PRUNING_CACHE_GB); beyond that the oldest lose the moments between cuts."
    except StoreError as error:
        room = f". {error}."
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.markdown(f"{len(runs)} runs. This computer's take **{taken / GB:.2f} GB** {room}")
    if right.button(
        "Free space", width="stretch", help="Keeps each run's start, end and cuts; drops the epochs between."
    ):
        live = {job.key for job in services.board().jobs() if job.live}
        resting = [run for run in store.runs() if run.key not in live and not run.problem]
        for run in resting:
            with contextlib.suppress(
                StoreError
            ):  # the values of what is thinned can still be seen, where there is room for them
                services.board().artifacts.ensure(HistoryOf(run.key), asked.sources())
        try:
            freed = sum(store.thin(run.key) for run in resting)
            said = f"{freed / 1e6:.0f} MB are free again. Starts, ends and cuts are kept."
        except StoreError as error:
            said = session.sentence(str(error))
        st.session_state["library says"] = said
        st.rerun()


@st.dialog("Delete these runs?")
def _confirm(runs: list[StoredRun]) -> None:
    for run in runs:
        st.markdown(f"- {run.label} ({run.last_epoch} epochs)")
    if st.button("Delete for good", type="primary"):
        said = []
        for run in runs:
            try:
                if services.store_of(run.key) is services.example():
                    raise ValueError("the shipped example cannot be deleted")
                services.board().delete(run.key)
            except ValueError as error:
                said.append(f"{run.label}: {error}.")
        if said:
            st.session_state["library says"] = "  \n".join(said)
        st.rerun()


def still(run: StoredRun, *, name: str) -> None:
    """One run at one epoch, chosen with its own scrubber."""
    store = services.store_of(run.key)
    epochs = list(run.epochs)
    epoch = epochs[-1]
    if len(epochs) > 1:
        epoch = st.select_slider(f"Epoch of {name}", options=epochs, value=epochs[-1], key=f"still {name} {run.key}")
    shown = [line for line in store.log(run.key) if epoch == run.last_epoch or line.get("epoch", epoch + 1) <= epoch]
    st.markdown(f"**{name}** · {scene.sentence(run.spec, shown)}")
    noted.draw(run.spec.dataset)
    try:
        blob = services.board_blob(str(store.root), run.key, epoch, True, store, run.spec)
        elements.board(blob, key=f"board {name}")
    except ValueError as error:
        st.warning(session.sentence(str(error)))
