"""The page "The PCA contest": what is there of it, what has to be trained or worked out first, and the picture."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core import datasets
from core.claims import factors, pca, standing
from core.claims.factors import Retrained
from core.claims.pca import ARMS, MATCHINGS, Contest
from core.jobs.job import Job
from core.statistics.words import Verdict
from core.store import StoredRun, StoreError
from core.views import pca as pca_view
from core.views import scene
from pages.shared import claims, elements, link, queued, services, session

WORKING_SECONDS = 0.6
CLAIM = "At the same rank, the pruned network beats PCA"
ASKED = (
    "Its standard twin, trained without pruning from the same seed, is reduced in three ways, as it is and retrained. Which "
    "network gets more test images right?"
)


def draw(visitor: str) -> None:
    """The whole page."""
    claims.title(CLAIM, ASKED)
    run = claims.chosen(pruned=True)
    if run is None:
        return
    st.session_state["contest run"] = run.key
    stands = _stands(run, visitor)
    matching = _matching()
    ready = _ready(run.key) if stands.shown else None
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
    if services.artifacts_with(run.key, pca.NAME):
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
        twin = pca.twin(run.spec).key()
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


def _finished(key: str) -> bool:
    try:
        return services.store_of(key).open(key).finished
    except StoreError:
        return False


def _holding(key: str, visitor: str) -> Stands:
    """The contest is being held; begins by itself, but not again where it failed."""
    job = services.board().job(_job_key(key))
    if job is None or (job.state == "finished" and not services.artifacts_with(key, pca.NAME)):
        try:
            job = _hold(key, visitor)
        except ValueError as error:
            return Stands(session.sentence(str(error)), failed=True)
    if job.state in ("failed", "stopped"):
        return Stands(session.sentence(job.text), failed=True)
    waits = queued.words(job) if job.state == "queued" else "is being held"
    return Stands(f"The contest {waits}: every rank of three reductions, on all test images …", moving=True)


def _job_key(key: str) -> str:
    return f"contest-{key}"


def _hold(key: str, visitor: str) -> Job:
    twin = pca.twin(services.store_of(key).open(key).spec).key()
    label = f"PCA contest of {services.store_of(key).open(key).label}"
    twin_source = str(services.store_of(twin).root)
    job = services.board().work(
        "contest", _job_key(key), label, visitor, services.store_of(key), run=key, twin_source=twin_source
    )
    services.board().seen(job.key, visitor)
    return job


# -- what is stored ----------------------------------------------------------------------------------------------------


def _written(key: str, name: str) -> int:
    artifacts = services.artifacts_with(key, name)
    return artifacts.written(key, name) if artifacts else 0


def _content(key: str, name: str) -> bytes | None:
    artifacts = services.artifacts_with(key, name)
    return artifacts.read(key, name) if artifacts else None


def _versions(key: str) -> tuple[int | str, ...]:
    """Changes when the contest or the run does, or when an arm's training is over; one that is being trained on is told
    otherwise."""
    done = (_written(key, factors.name(*one)) if _complete(key, *one) else 0 for one in _places())
    return (_written(key, pca.NAME), *done, str(services.store_of(key).root))


def _places() -> list[tuple[str, str]]:
    return [(matching, arm) for matching in MATCHINGS for arm in ARMS]


@st.cache_data(max_entries=256, show_spinner=False)
def _arm(key: str, matching: str, arm: str, version: int) -> Retrained | None:
    content = _content(key, factors.name(matching, arm))
    try:
        return factors.from_bytes(content) if content else None
    except ValueError:
        return None


def _after(key: str) -> dict[tuple[str, str], Retrained]:
    """What there is of the retrained arms."""
    found = {one: _arm(key, *one, _written(key, factors.name(*one))) for one in _places()}
    return {one: arm for one, arm in found.items() if arm is not None}


def _complete(key: str, matching: str, arm: str) -> bool:
    found = _arm(key, matching, arm, _written(key, factors.name(matching, arm)))
    return found is not None and found.complete


@st.cache_resource(max_entries=8, show_spinner=False)
def _read(key: str, version: int) -> Contest | None:
    content = _content(key, pca.NAME)
    try:
        return pca.from_bytes(content) if content else None
    except ValueError:
        return None


def _ready(key: str) -> bytes | None:
    """The blob of the picture, None where the stored contest is damaged."""
    if _read(key, _written(key, pca.NAME)) is None:
        return services.empty_blob(
            problem="The stored contest is damaged: delete it in cache/atlases, then open this page again."
        )
    return _blob(key, _versions(key))


@st.cache_data(max_entries=16, show_spinner=False)
def _blob(key: str, versions: tuple[int | str, ...]) -> bytes:
    store = services.store_of(key)
    run = store.open(key)
    first = next(line["epoch"] for line in store.log(key) if line["kind"] == "Pruned")
    data = datasets.load(run.spec.dataset)
    epochs = (run.last_epoch, run.last_epoch - first)
    return pca_view.blob(_read(key, versions[0]), _after(key), data, run.label + services.origin(key), epochs)


@st.cache_data(max_entries=64, show_spinner=False)
def _verdict(key: str, versions: tuple[int | str, ...], matching: str) -> Verdict | None:
    found = _read(key, versions[0])
    if found is None:
        return None
    store = services.store_of(key)
    labels = datasets.load(store.open(key).spec.dataset).y_test
    objection = standing.of_pair(store, key, services.store_of(found.twin), found.twin)
    return pca_view.verdict(found, _after(key), labels, matching, objection)


# -- what a person can do ----------------------------------------------------------------------------------------------


def _matching() -> str:
    """How the networks are matched now: as switched in the picture, at first as the link says."""
    told = st.session_state.get("contest", {}).get("matching") or link.says().get("match")
    return told if told in MATCHINGS else MATCHINGS[0]


def _note() -> None:
    """The matching was switched; the page reads it from the session's state."""


def _buttons(run: StoredRun, stands: Stands, matching: str, visitor: str, ready: bool) -> None:
    if message := st.session_state.pop("contest says", None):
        st.warning(message)
    if stands.lacks_twin:
        st.button("Train the standard twin", type="primary", on_click=_train_twin, args=(run, visitor))
    if stands.failed:
        st.button("Try again", on_click=_again, args=(run.key, visitor))
    left = [arm for arm in ARMS if ready and not _complete(run.key, matching, arm)]
    job = _training(run.key, matching)
    if not left or (job and job.live):
        return
    if job and job.state == "failed":
        st.error(session.sentence(job.text))
    at = pca_view.MATCHED[matching].lower()
    text = "Trains each reduction as long as the pruned network was trained after its first cut, with its rank held."
    st.button(
        f"Retrain the factors: {at}",
        on_click=_retrain,
        args=(run.key, matching, visitor),
        help=text,
        key="retrain factors",
    )


def _train_twin(run: StoredRun, visitor: str) -> None:
    _try(lambda: services.board().start(pca.twin(run.spec), visitor))


def _again(key: str, visitor: str) -> None:
    _try(lambda: _hold(key, visitor))


def _retrain(key: str, matching: str, visitor: str) -> None:
    twin = pca.twin(services.store_of(key).open(key).spec).key()
    label = f"retraining the reductions of {services.store_of(key).open(key).label}"
    more = {"run": key, "matching": matching, "twin_source": str(services.store_of(twin).root)}
    _try(
        lambda: services.board().work(
            "factors", _factors_key(key, matching), label, visitor, services.store_of(key), **more
        )
    )


def _try(begin) -> None:
    try:
        begin()
    except ValueError as error:
        st.session_state["contest says"] = session.sentence(str(error))


def _factors_key(key: str, matching: str) -> str:
    return f"factors-{key}-{matching}"


def _training(key: str, matching: str) -> Job | None:
    return services.board().job(_factors_key(key, matching))


def _training_on(key: str) -> bool:
    return any((job := _training(key, matching)) and job.live for matching in MATCHINGS)


# -- while something moves ---------------------------------------------------------------------------------------------


def _follow(key: str, visitor: str, was: Stands, versions: tuple[int | str, ...], moving: bool) -> None:
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
    jobs = [services.board().job(_job_key(key)), *(_training(key, matching) for matching in MATCHINGS)]
    working = next((job for job in jobs if job and job.live), None)
    for job in jobs:
        if job and job.live:
            services.board().seen(job.key, visitor)
    trained = {one: arm for one, arm in _after(key).items() if (job := _training(key, one[0])) and job.live}
    news = {"contest": key, "words": stands.words, "live": pca_view.live(trained)}
    elements.feed(news | {"job": _in_words(working)}, key="feed")


def _in_words(job: Job | None) -> dict | None:
    if job is None:
        return None
    what = (
        "The contest is being held" if job.kind == "contest" else "The reductions are being retrained, their rank held"
    )
    return {
        "text": what + (f": it {queued.words(job)}" if job.state == "queued" else ""),
        "share": job.share,
    }
