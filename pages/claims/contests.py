"""The page "The PCA contest": what is there of it, what has to be trained or worked out first, and the picture."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core import datasets, rules
from core.claims import pca, reductions, standing
from core.claims.budgets import MATCHINGS
from core.claims.factors import Retrained
from core.claims.pca import ContestOf
from core.statistics.words import Verdict
from core.store import StoredRun, StoreError
from core.views import pca as pca_view
from core.views import scene
from pages.shared import asked, claims, elements, link, queued, services, session

WORKING_SECONDS = 0.6
MATCHING = rules.OneOf(choices=MATCHINGS)
CLAIM = "At the same rank, the pruned network beats PCA"
ASKED = (
    "Its standard twin, trained without pruning from the same seed, is reduced in three ways, as it is and retrained. Which "
    "network gets more test images right?"
)


def draw(visitor: str) -> None:
    """The whole page."""
    claims.title(CLAIM, ASKED)
    matching = _matching()
    run = claims.chosen(pruned=True)
    if run is None:
        return
    stands = _stands(run, visitor)
    ready = _blob(run.key, _versions(run.key)) if stands.shown else None
    if ready:
        claims.verdict(_verdict(run.key, _versions(run.key), matching))
    else:
        claims.verdict(None, waiting="Not decided yet: the contest of this run is still to be held.")
    _buttons(run, stands, matching, visitor, bool(ready))
    elements.contest(ready or services.empty_blob(title=stands.words), key="contest", on_matching=_note)
    moving = stands.moving or _training_on(run.key)
    pace = WORKING_SECONDS if moving else None
    st.fragment(_follow, run_every=pace)(run.key, visitor, stands, _versions(run.key), moving)


# -- how far it is -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stands:
    """How far the contest of a run is. shown: it is there. words: what is under way or missing. moving: that changes by itself.
    lacks_twin, failed: what a button can mend."""

    words: str = ""
    shown: bool = False
    moving: bool = False
    lacks_twin: bool = False
    failed: bool = False


def _stands(run: StoredRun, visitor: str) -> Stands:
    if asked.there(ContestOf(run.key)):
        return Stands(shown=True)
    if not run.finished:
        if claims.under_way(run.key):
            log = services.store_of(run.key).log(run.key)
            return Stands(
                f"The pruned run is still training. {scene.sentence(run.spec, log)} Then the contest begins.",
                moving=True,
            )
        return Stands(
            "The pruned run is not finished. Resume it on the page “A run, live”; the contest begins at its end."
        )
    try:
        twin = _twin(run.key)
    except ValueError as error:
        return Stands(session.sentence(str(error)))
    job = services.board().job(twin)
    if job and job.live and job.key == twin:
        waits = queued.words(job) if job.state == "queued" else f"is being trained: epoch {job.epoch}"
        waits = f"is {job.state}, in epoch {job.epoch}: on the page “A run, live” it goes on" if job.held else waits
        return Stands(f"The standard twin {waits}. Then the contest begins.", moving=True)
    if not _finished(twin):
        failed = session.sentence(job.text) if job and job.state == "failed" else ""
        return Stands(
            f"{failed} The standard twin, the same network trained without pruning, is missing.".strip(),
            lacks_twin=True,
        )
    return _holding(run.key, visitor)


def _twin(key: str) -> str:
    """The name of the run's twin."""
    return asked.sources().beside(key, pca.twin(services.store_of(key).open(key).spec).key())


def _finished(key: str) -> bool:
    try:
        return services.store_of(key).open(key).finished
    except StoreError:
        return False


def _holding(key: str, visitor: str) -> Stands:
    """The contest is being held; begins by itself, but not again where it failed."""
    if problem := asked.problem([ContestOf(key)], visitor):
        return Stands(session.sentence(problem), failed=True)
    job = asked.job([ContestOf(key)])
    waits = queued.words(job) if job and job.state == "queued" else "is being held"
    return Stands(f"The contest {waits}: every rank of three reductions, on all test images …", moving=True)


# -- what is there -----------------------------------------------------------------------------------------------------


def _versions(key: str) -> tuple[object, ...]:
    """Changes when the contest or the run does, or when an arm's training is over; one that is being trained on is told
    otherwise."""
    arms = (
        asked.version(one) if asked.there(one) else ()
        for matching in MATCHINGS
        for one in reductions.of_matching(key, matching)
    )
    return asked.version(ContestOf(key)), *arms, str(services.store_of(key).root)


def _arms(key: str) -> list[reductions.RetrainedOf]:
    return [one for matching in MATCHINGS for one in reductions.of_matching(key, matching)]


def _after(key: str) -> dict[tuple[str, str], Retrained]:
    """What there is of the retrained arms."""
    found = {(one.matching, one.arm): asked.value(one) for one in _arms(key)}
    return {place: arm for place, arm in found.items() if arm is not None}


@st.cache_data(max_entries=16, show_spinner=False)
def _blob(key: str, versions: tuple[object, ...]) -> bytes:
    store = services.store_of(key)
    run = store.open(key)
    first = next(line["epoch"] for line in store.log(key) if line["kind"] == "Pruned")
    data = datasets.load(run.spec.dataset)
    epochs = (run.last_epoch, run.last_epoch - first)
    return pca_view.blob(asked.value(ContestOf(key)), _after(key), data, run.label + services.origin(key), epochs)


@st.cache_data(max_entries=64, show_spinner=False)
def _verdict(key: str, versions: tuple[object, ...], matching: str) -> Verdict | None:
    found = asked.value(ContestOf(key))
    if found is None:
        return None
    store, twin = services.store_of(key), _twin(key)
    labels = datasets.load(store.open(key).spec.dataset).y_test
    objection = standing.of_pair(store, key, services.store_of(twin), twin)
    return pca_view.verdict(found, _after(key), labels, matching, objection)


# -- what a person can do ----------------------------------------------------------------------------------------------


def _matching() -> str:
    """How the networks are matched now: as switched in the picture, at first as the link says."""
    if link.unread("match"):
        st.session_state["contest match"] = link.read({"match": MATCHING}, {"match": MATCHINGS[0]}).get("match")
    told = st.session_state.get("contest", {}).get("matching") or st.session_state.get("contest match")
    return told if told in MATCHINGS else MATCHINGS[0]


def _note() -> None:
    """The matching was switched; the page reads it from the session's state."""


def _buttons(run: StoredRun, stands: Stands, matching: str, visitor: str, ready: bool) -> None:
    if refusal := session.refusal():
        st.warning(refusal)
    if stands.lacks_twin:
        st.button("Train the standard twin", type="primary", on_click=_train_twin, args=(run, visitor))
    if stands.failed:
        st.button("Try again", on_click=asked.start, args=([ContestOf(run.key)], visitor))
    wanted = reductions.of_matching(run.key, matching)
    job = asked.job(wanted)
    if not ready or all(map(asked.there, wanted)) or (job and job.live):
        return
    if job and job.state == "failed":
        st.error(session.sentence(job.text))
    at = pca_view.MATCHED[matching].lower()
    text = "Trains each reduction as long as the pruned network was trained after its first cut, with its rank held."
    st.button(
        f"Retrain the factors: {at}",
        on_click=asked.start,
        args=(wanted, visitor),
        help=text,
        key="retrain factors",
    )


def _train_twin(run: StoredRun, visitor: str) -> None:
    try:
        services.board().start(pca.twin(run.spec), visitor)
    except ValueError as error:
        session.refuse(error)


def _training_on(key: str) -> bool:
    return asked.moving(*(reductions.of_matching(key, matching) for matching in MATCHINGS))


# -- while something moves ---------------------------------------------------------------------------------------------


def _follow(key: str, visitor: str, was: Stands, versions: tuple[object, ...], moving: bool) -> None:
    """Polls only while something is under way; draws the page anew when something has come, and only then."""
    run = services.store_of(key).open(key)
    stands = _stands(run, visitor)
    if (stands.shown, stands.lacks_twin, stands.failed) != (
        was.shown,
        was.lacks_twin,
        was.failed,
    ) or versions != _versions(key):
        st.rerun()
    if (stands.moving or _training_on(key)) != moving:
        st.rerun()  # the timer belongs to the page's run: only that can start or stop it
    groups = [[ContestOf(key)], *(reductions.of_matching(key, matching) for matching in MATCHINGS)]
    working = [(job, group) for group in groups if (job := asked.job(group)) and job.live]
    for job, _ in working:
        services.board().seen(job.key, visitor)
    trained = {one: arm for one, arm in _after(key).items() if asked.moving(reductions.of_matching(key, one[0]))}
    news = {"contest": key, "words": stands.words, "live": pca_view.live(trained)}
    told = asked.in_words(working[0][0], working[0][1][0].doing) if working else None
    elements.feed(news | {"job": told}, key="feed")
