"""What a person can do with a run: start, hold, step, cut, stop, scrub; each with its key on the keyboard."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import datasets, numerals
from core.jobs.job import Job
from core.spec import RunSpec
from core.store import StoredRun
from core.views import scene
from pages.shared import given, queued, services, session
from pages.watch import replay

ICONS = {
    "pause": ":material/pause:", "resume": ":material/play_arrow:", "step": ":material/skip_next:",
    "next-cut": ":material/content_cut:", "stop": ":material/stop:",
}  # fmt: skip
PACES = {"full speed": 0.0, "2 epochs a second": 0.5, "1 epoch a second": 1.0, "1 in 3 seconds": 3.0}
NEXT = (False, "full speed")  # how a run starts unless something else was switched: whether it holds at cuts, its pace


def draw(
    spec: RunSpec | None, visitor: str, job: Job | None, run: StoredRun | None, log: list
) -> DeltaGenerator | None:
    """The row of buttons, the switches, and how far it is; of a run that is not under way, the room where that would be."""
    live = bool(job and job.live)
    held = bool(job and job.held)
    key = session.watched()
    mine = live and services.board().may_command(key, visitor)
    order = _Order(job.key if job else key, visitor, disabled=not mine)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _start_button(spec, visitor, job, run)
        if held:
            order.button("Go on", "resume", "P", "Train on at the chosen pace.")
        else:
            order.button("Pause", "pause", "P", "Hold at once, in mid-epoch if need be.")
        order.button("Step", "step", "E", "Train to the end of one epoch and hold there.")
        order.button("Next cut", "next-cut", "N", "Train to the next cut and hold right after it: before and after.")
        order.button("Stop", "stop", "X", "End here. What is stored stays; the run can be resumed.")
        _prune_button(key, visitor, run, mine, live)
    if message := session.refusal():
        st.warning(message)
    if message := st.session_state.pop("told", None):
        st.toast(message)
    left, middle, right = st.columns([1.5, 1.5, 4.5], vertical_alignment="center")
    _switches(left, middle, job if live else None, visitor, mine or not live)
    if not live:
        return right
    with right:
        _progress(job, run, log)
        if not mine:
            st.caption("Started in another browser: you are watching. Pause, step and stop belong to it.")
    return None


class _Order:
    """Buttons that send one command to the run's worker."""

    def __init__(self, key: str | None, visitor: str, *, disabled: bool):
        self._key, self._visitor, self._disabled = key, visitor, disabled

    def button(self, label: str, command: str, shortcut: str, text: str) -> None:
        st.button(
            label, key=f"order {label}", icon=ICONS[command], shortcut=shortcut, help=text, disabled=self._disabled,
            on_click=_command, args=(self._key, self._visitor, command),
        )  # fmt: skip


def _prune_button(key: str | None, visitor: str, run: StoredRun | None, mine: bool, live: bool) -> None:
    text = st.text_input(
        "Prune to, %", "90", key="prune ratio", label_visibility="collapsed", width=160, icon=":material/percent:",
        help="The share of all weights that is zero after the cut by hand.",
    )  # fmt: skip
    words = "Cuts at the end of this epoch and trains on, as a branch: the run it comes from stays as it is."
    ratio = None
    try:
        ratio = numerals.read(text, 1, 99)
    except ValueError as error:
        words = session.sentence(str(error))
    label = "Prune now" if ratio is None else f"Prune now to {numerals.write(ratio)} %"
    st.button(
        label, key="prune", shortcut="B", on_click=_prune, args=(key, visitor, (ratio or 0) / 100),
        disabled=ratio is None or not (run and run.spec and run.last_epoch and (mine or not live)), help=words,
    )  # fmt: skip


def _command(key: str, visitor: str, command: str, **values) -> None:
    session.hurry()
    try:
        services.board().command(key, visitor, command, **values)
    except ValueError as error:
        session.refuse(error)


def _prune(key: str, visitor: str, ratio: float) -> None:
    try:
        shown = st.session_state.get("shown epoch")
        epoch = services.store_of(key).open(key).last_epoch if shown is None else shown
        session.watch(services.board().prune(key, visitor, epoch, ratio), follow=True)
    except ValueError as error:
        session.refuse(error)


def _start_button(spec: RunSpec | None, visitor: str, job: Job | None, run: StoredRun | None) -> None:
    choice = spec
    label = "Start"
    if run and run.spec and not run.finished and not (job and job.live):
        choice, label = run.spec, "Resume"
    elif job and job.live and spec and run and run.spec == spec:
        choice = None  # it is running already
    st.button(
        label, key="start", icon=":material/play_arrow:", shortcut="S", type="primary", on_click=_start, args=(choice, visitor),
        disabled=choice is None or not datasets.available(choice.dataset),
        help="Trains what is chosen on the left. The same choice is never trained twice: what is stored comes at once.",
    )  # fmt: skip


def _start(spec: RunSpec, visitor: str) -> None:
    try:
        key = spec.key()
        store = services.board().store
        if (store.root / "runs" / key).is_dir() and store.open(key).finished:
            # The very same spec gives the very same run: the stored one is played instead of being trained again.
            session.watch(key, follow=True)
            replay.play(store.open(key))
            st.session_state["told"] = "This very run is stored, so it is played. For another one, change the seed."
            return
        cuts, pace = st.session_state.get("next run", NEXT)
        services.board().start(spec, visitor, pause_at_cuts=cuts, pace=PACES.get(pace, 0.0))
        session.watch(key, follow=True)
    except ValueError as error:
        session.refuse(error)


def _switches(left, middle, job: Job | None, visitor: str, mine: bool) -> None:
    """The two switches as the job under way has them, whoever looks and from wherever; else as the next Start takes them."""
    key = job.key if job else None
    cuts, pace = (job.pause_at_cuts, _pace_name(job.pace)) if job else st.session_state.get("next run", NEXT)
    # Written anew in every run: what a session remembers of a switch may be of another run, or from before a reload.
    given.give("pause at cuts", cuts)
    given.give("pace", pace)
    left.toggle(
        "Hold at cuts", disabled=not mine, help="The run holds right after each cut until you go on.",
        **given.heard("pause at cuts", _switch, key, visitor),
    )  # fmt: skip
    middle.selectbox(
        "Pace", list(dict.fromkeys([*PACES, pace])), disabled=not mine, label_visibility="collapsed",
        help="How fast epochs follow one another.", **given.heard("pace", _set_pace, key, visitor),
    )  # fmt: skip


def _pace_name(seconds: float) -> str:
    """A pace in the menu's words; one that a program gave in its own."""
    return next((name for name, value in PACES.items() if value == seconds), f"{seconds:g} s an epoch")


def _switch(key: str | None, visitor: str) -> None:
    _keep()
    if key:  # else it is taken along by Start
        _command(key, visitor, "pause-at-cuts", on=given.value("pause at cuts"))


def _set_pace(key: str | None, visitor: str) -> None:
    _keep()
    if key and given.value("pace") in PACES:
        _command(key, visitor, "pace", seconds=PACES[given.value("pace")])


def _keep() -> None:
    """What a person has switched is also how the next run starts."""
    st.session_state["next run"] = given.value("pause at cuts"), given.value("pace")


def _progress(job: Job, run: StoredRun | None, log: list) -> None:
    if job.state == "queued":
        words = queued.words(job)
        st.markdown(f"To go on it {words}." if job.epoch else f"{words[0].upper()}{words[1:]}.")
        return
    if job.state == "starting":
        st.markdown("The training process starts.")
        return
    epochs = [line for line in log if line["kind"] == "EpochEnded"]
    text = f"{job.state} · epoch {max(1, job.epoch)}"
    if run and run.spec:
        text += f" of at most {run.spec.max_epochs}"
    if job.held:  # a bar would say that something moves, and at an epoch's end that it is done
        st.markdown(text)
        return
    if epochs:
        pace = max(epochs[-1]["seconds"] * 1.2, job.pace)
        to_go = scene.epochs_to_go(run.spec, log)
        if to_go is None:
            text += f" · {_duration((run.spec.max_epochs - epochs[-1]['epoch']) * pace)} at most, to the epoch limit"
        else:
            text += f" · about {_duration(to_go * pace)} to the target as things go; cuts to come add to it"
    st.progress(min(1.0, job.share), text=text)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
