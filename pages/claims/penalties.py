"""The page "Against a penalty": the verdict, and every cut beside four models of it. The other half: strengths."""

from __future__ import annotations

import streamlit as st

from core.claims import penalty, random_cuts, standing
from core.claims.penalty import Cut
from core.claims.random_cuts import Random, RandomCutsOf
from core.views import penalty as penalty_view
from pages.claims import strengths
from pages.shared import asked, claims, elements, services, session
from pages.shared.services import Look

LIVE_SECONDS, DRAW_SECONDS, HELD_SECONDS = 1.0, 0.4, 3.0
CLAIM = "Each cut acts on the singular values like a penalty on their sum"
ASKED = (
    "A penalty on their sum, the nuclear norm, lowers all singular values by the same amount τ, none below 0: a soft "
    "threshold. Does a cut? Each stands here beside the soft threshold that leaves the same sum, and beside plainer ways "
    "to lose as much."
)


def draw(visitor: str) -> None:
    """The whole page."""
    claims.title(CLAIM, ASKED)
    run = claims.chosen(pruned=True)
    if run is None:
        return
    pace = _pace(run.key)
    st.fragment(_follow, run_every=pace)(run.key, visitor, pace)


def _follow(key: str, visitor: str, pace: float | None) -> None:
    look = services.look(key, moving=claims.under_way(key) is not None)
    if look.run is None or look.run.spec is None:
        problem = look.run.problem if look.run else f"the run {key} is gone: choose another one"
        st.error(session.sentence(problem))
        return
    services.board().seen(key, visitor)
    cuts = _cuts(look)
    wanted = beside(key, cuts)
    problem = asked.problem(wanted, visitor)
    drawn = penalty.by_epoch(map(asked.value, wanted))
    moving = claims.under_way(key) is not None
    if problem:
        asked.trouble(f"The random cuts cannot be drawn: {problem}", wanted, visitor)
    _verdict(look, cuts, drawn, moving, problem)
    name, epochs = f"{look.store.root} {key}", tuple(cut.epoch for cut in cuts)
    elements.penalty(_blob(name, epochs, tuple(drawn), moving, look, cuts, drawn), key="penalty")
    strengths.draw(look.run, visitor)
    if _pace(key) != pace:
        st.rerun()  # the timer belongs to the page's run: only that can change it


def beside(key: str, cuts: list[Cut]) -> list[RandomCutsOf]:
    """The random cuts beside these."""
    return random_cuts.of_cuts(key, [cut.epoch for cut in cuts])


def _verdict(look: Look, cuts: list[Cut], drawn: dict[int, Random], moving: bool, problem: str) -> None:
    note = "The run is still training: this is about the cuts so far." if moving and cuts else ""
    objection = _objection(str(look.store.root), look.run.key, look.version, look)
    if len(drawn) < len(cuts) and not objection:
        waiting = f"Random cuts of the same size are being drawn: {len(drawn)} of {len(cuts)} cuts have theirs."
        claims.verdict(None, waiting="No verdict without the random cuts." if problem else waiting, note=note)
    else:
        claims.verdict(penalty.verdict(cuts, drawn, objection), note=note)


def _pace(key: str) -> float | None:
    """How often to look: while the run trains, while λ is searched for, while random cuts are drawn; else never."""
    if claims.under_way(key) or strengths.moving(key):
        return LIVE_SECONDS
    look = services.look(key, moving=False)
    if look.run is not None and look.run.spec is not None and asked.moving(beside(key, _cuts(look))):
        return DRAW_SECONDS
    job = services.board().job(key)
    return HELD_SECONDS if job and job.live else None


def _cuts(look: Look) -> list[Cut]:
    """The cuts so far."""
    lines = tuple(line["epoch"] for line in look.log if line["kind"] == "Pruned")
    return _cuts_of(f"{look.store.root} {look.run.key}", lines, look.version if look.run.finished else None, look)


@st.cache_data(max_entries=64, show_spinner=False)
def _objection(root: str, key: str, version: object, _look: Look) -> str:
    """Why the run is none to judge as it is at this look."""
    return standing.objection(_look.store, key)


@st.cache_resource(max_entries=32, show_spinner=False)
def _cuts_of(name: str, lines: tuple[int, ...], version: object, _look: Look) -> list[Cut]:
    return penalty.cuts(_look.store, _look.run.spec, _look.run.key)


@st.cache_data(max_entries=64, show_spinner=False)
def _blob(name: str, epochs: tuple[int, ...], known: tuple[int, ...], moving: bool, _look: Look, _cuts: list[Cut],
          _drawn: dict[int, Random]) -> bytes:  # fmt: skip
    if _cuts:
        return penalty_view.blob(_look.run.key, _cuts, _drawn, moving=moving)
    title = "No cut yet: each is shown here as soon as it is made." if moving else "No cut of this run is stored."
    return services.empty_blob(title=title, run=_look.run.key)
