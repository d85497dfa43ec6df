"""The page "One slider": what is chosen, the stage, what is being computed for it, and the branches that were made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from core import criteria, masks, rules
from core.atlas.artifacts import AtlasOf
from core.store import StoredRun, StoreError
from pages.explore import atlases, branches
from pages.shared import asked, elements, given, library, link, noted, services, session

WORKING_SECONDS = 0.6
KEPT = ("slider run", "slider epoch", "slider criterion", "slider beside", "slider scope")
OF_THE_BROWSER = ("cut", "layer", "neuron", "view", "lecture")  # what the stage itself keeps in the link
RULES = {
    "by": rules.OneOf(choices=criteria.names), "scope": rules.OneOf(choices=masks.SCOPES),
    "beside": rules.Several(choices=criteria.names), "lecture": rules.OneOf(choices=lambda: ["1"]),
}  # fmt: skip
LECTURE = Path(__file__).parent / "lecture.css"


def draw(visitor: str) -> None:
    """The whole page."""
    lecture = link.says().get("lecture") == "1"
    if lecture:
        st.html(LECTURE)
    choice, run = _chosen()
    if choice is None:
        st.info("Nothing is stored yet. Train a network on the page “A run, live”, then come back.")
        return
    link.put(_in_link(choice), kept=OF_THE_BROWSER)
    st.session_state["slider choice"], st.session_state["slider visitor"] = choice, visitor
    job, problem = None, None
    try:
        job = atlases.build(choice, _more(), visitor)
    except ValueError as error:
        problem = session.sentence(str(error))
    if job and job.state == "failed":
        problem = session.sentence(job.text)
    working = bool(job and job.live)
    _stage(choice, run, working, problem)
    if not lecture:
        noted.draw(run.spec.dataset)
    pace = WORKING_SECONDS if working or _busy(choice, run) else None
    st.fragment(_follow, run_every=pace)(choice, run, visitor, working, atlases.there(choice))
    if problem and not lecture:
        st.button("Try again", on_click=_again, args=(choice, visitor))


def _stage(choice: AtlasOf, run: StoredRun, working: bool, problem: str | None) -> None:
    waiting = {"title": f"The atlas of this network by “{criteria.get(choice.criterion).label}” is being built …"}
    blob = stage_blob = None
    if atlases.there(choice):
        try:
            stage_blob = atlases.blob(choice, _more(), run, complete=not working)
        except ValueError as error:
            problem = session.sentence(str(error))
    blob = (
        stage_blob or services.empty_blob(problem=problem) if problem else stage_blob or services.empty_blob(**waiting)
    )
    elements.stage(blob, key="stage", on_ask=_asked)


# -- what is chosen --------------------------------------------------------------------------------------------------


def _chosen() -> tuple[AtlasOf | None, StoredRun | None]:
    """What the sidebar, or the link at first, asks for."""
    runs = {run.key: run for run in library.listed() if run.spec and run.epochs}
    if not runs:
        return None, None
    _read_link(runs)
    with st.sidebar:
        return _choose(runs)


def _choose(runs: dict[str, StoredRun]) -> tuple[AtlasOf, StoredRun]:
    state = st.session_state
    # A control that another page does not draw loses its value there; what was chosen is kept beside it.
    kept = {
        name: value for name, value in state.get("slider kept", {}).items() if name != "slider run" or value in runs
    }
    for name, value in kept.items():
        given.give(name, given.value(name, value))
    given.give("slider run", given.value("slider run", next(iter(runs))))
    key = st.selectbox(
        "Network", list(runs), format_func=lambda one: library.name(runs[one]),
        help="Any stored run; newly trained ones come first.", **given.heard("slider run", to_the_end),
    )  # fmt: skip
    epochs = list(runs[key].epochs)
    given.give("slider epoch", given.value("slider epoch") if given.value("slider epoch") in epochs else epochs[-1])
    epoch = epochs[0]
    if len(epochs) > 1:
        text = "Stored moments of the run, after that epoch's cuts."
        epoch = st.select_slider("Epoch", epochs, key=given.name("slider epoch"), help=text)
    for name, first in (("criterion", "activation-frequency"), ("scope", "global")):
        given.give(f"slider {name}", given.value(f"slider {name}", first))
    criterion = st.selectbox(
        "Criterion: what goes first", criteria.names(), key=given.name("slider criterion"), format_func=atlases.label,
        help="\n\n".join(f"**{criteria.get(name).label}**: {criteria.get(name).help}" for name in criteria.names()),
    )  # fmt: skip
    others = [name for name in criteria.names() if name not in (criterion, *atlases.CONTROLS)]
    given.give("slider beside", [name for name in given.value("slider beside", []) if name in others])
    st.multiselect(
        "Beside it", others, key=given.name("slider beside"), format_func=lambda name: criteria.get(name).label,
        help="Further criteria whose accuracy is drawn beside it. Magnitude and random neurons always are.",
    )  # fmt: skip
    scope = st.selectbox(
        "Scope: what is ranked", list(masks.SCOPES), key=given.name("slider scope"), format_func=masks.SCOPES.get
    )
    choice = AtlasOf(key, epoch, criterion, scope)
    st.link_button(
        "Lecture mode", link.to("slider", lecture="1", **_in_link(choice)), icon=":material/co_present:", width="stretch",
        help="No sidebar, large type, outcomes veiled until Reveal. Opens in a tab of its own.",
    )  # fmt: skip
    state["slider kept"] = {name: given.value(name) for name in KEPT}
    return choice, runs[key]


def _more() -> tuple[str, ...]:
    """The criteria that a person wants beside the chosen one."""
    return tuple(given.value("slider beside", ()))


def to_the_end() -> None:
    """Another network is shown at its last epoch."""
    given.take("slider epoch")
    st.session_state.get("slider kept", {}).pop("slider epoch", None)


def _read_link(runs: dict[str, StoredRun]) -> None:
    """Where the link is to be read: its choice, else the run that was being watched, else the shipped network."""
    if not link.unread("slider"):
        if given.value("slider run") not in runs:
            given.take("slider run")
        return
    told: list[str] = []
    linked = link.read({"run": link.stored(runs)}, tell=told.append).get("run")
    watched = session.watched() if session.watched() in runs and "run" not in link.says() else None
    given.give("slider run", linked or watched or services.example_network() or next(iter(runs)))
    epochs = [str(epoch) for epoch in runs[given.value("slider run")].epochs]
    otherwise = "no such epoch of this run is stored; the last one is shown"
    asked = link.read(RULES | {"epoch": link.stored(epochs, otherwise)}, tell=told.append)
    if told:
        _tell(" ".join(told))
    if "epoch" in asked:
        given.give("slider epoch", int(asked["epoch"]))
    for name, param in (("criterion", "by"), ("scope", "scope")):
        if param in asked:
            given.give(f"slider {name}", asked[param])
    given.give("slider beside", asked.get("beside", []))


def _in_link(choice: AtlasOf) -> dict[str, str]:
    """What the link says of what is shown."""
    values = {"by": choice.criterion, "scope": choice.scope, "beside": list(_more())}
    return {"run": choice.run, "epoch": str(choice.epoch)} | link.words(RULES, values, {"beside": []})


# -- what changes while it is shown ----------------------------------------------------------------------------------


def _busy(choice: AtlasOf, run: StoredRun) -> bool:
    job = atlases.retraining(choice, _epochs(choice))
    return bool(job and job.live) or branches.moving(run)


def _epochs(choice: AtlasOf) -> int | None:
    """For how many epochs networks are trained on after each cut: as was asked here, else as is done now."""
    return st.session_state.get("slider epochs") or atlases.epochs_under_way(choice)


def _follow(choice: AtlasOf, run: StoredRun, visitor: str, working: bool, shown: bool) -> None:
    """Polls only while something is under way. The page is drawn anew when the atlas has come, and when its controls have."""
    if not shown and atlases.there(choice):
        st.rerun()
    if given.value("slider run", choice.run) != choice.run:
        st.rerun()  # a branch was opened: its button is in here, and draws anew only what is in here
    job = atlases.build(choice, _more(), visitor) if working else None
    if job:
        services.board().seen(job.key, visitor)
    if working and not (job and job.live):
        st.rerun()
    epochs = _epochs(choice)
    curve = atlases.retraining(choice, epochs)
    told = job if job and job.live else curve
    if curve and curve.state == "failed":
        _tell(session.sentence(curve.text))
    hand = st.session_state.get("slider hand")
    news = atlases.news(choice, run, told, epochs, hand, st.session_state.get("slider said", ""))
    elements.feed(news | {"branch": branches.answer(run)}, key="feed")
    if link.says().get("lecture") != "1":
        branches.draw(run, visitor)
    if st.session_state.get("slider busy") and not _busy(choice, run):
        st.session_state["slider busy"] = False
        st.rerun()  # the timer belongs to the page's run: only that can stop it
    st.session_state["slider busy"] = _busy(choice, run)


def _tell(text: str) -> None:
    st.session_state["slider said"] = text


def _again(choice: AtlasOf, visitor: str) -> None:
    try:
        atlases.again(choice, _more(), visitor)
    except ValueError as error:
        _tell(session.sentence(str(error)))


def _asked() -> None:
    """A wish of the stage: neurons killed or spared by hand, prune here and retrain, train on after each cut."""
    state = st.session_state
    wish: dict[str, Any] | None = state["stage"].get("ask")
    choice: AtlasOf | None = state.get("slider choice")
    if not wish or choice is None:
        return
    _tell("")
    try:
        run = services.store_of(choice.run).open(choice.run)
        if wish["what"] == "retrain":
            asked.again([atlases.curve_of(choice, int(wish["epochs"]))], state["slider visitor"])
            state["slider epochs"] = int(wish["epochs"])
            return
        percent = int(wish["percent"])
        killed, spared = _neurons(wish.get("killed")), _neurons(wish.get("spared"))
        if wish["what"] == "hand":
            by_hand = bool(killed or spared)  # an emptied set has no answer: the slider's own figures stand again
            state["slider hand"] = (
                {"id": wish.get("id"), **atlases.by_hand(choice, percent, killed, spared)} if by_hand else None
            )
        elif wish["what"] == "branch":
            branches.started(atlases.branch(choice, run, percent, killed, spared, state["slider visitor"]))
    except (ValueError, StoreError, KeyError, TypeError) as error:
        _tell(session.sentence(str(error)))


def _neurons(pairs: Any) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((int(layer), int(unit)) for layer, unit in pairs or ()))
