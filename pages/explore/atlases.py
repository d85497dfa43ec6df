"""The atlases of a stored network, as the stage needs them: what is there, what has to be built, what it is told meanwhile."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import streamlit as st

from core import atlas, criteria, datasets
from core.atlas import Atlas
from core.atlas.artifacts import MOST_EPOCHS_ON, AtlasOf, CurveOf
from core.jobs.job import Job
from core.masks import ByHand
from core.spec import HandCut
from core.store import Store, StoredRun, branching, files
from core.views import slider
from pages.shared import asked, library, services

DRAWS = 5  # of the random control
CONTROLS = ("magnitude", "random-matched")


def there(choice: AtlasOf) -> bool:
    """Whether the atlas can be shown now."""
    return asked.there(choice)


def controls(choice: AtlasOf, more: tuple[str, ...] = ()) -> list[AtlasOf]:
    """What stands beside every criterion: magnitude, and random neurons, as many per layer, drawn several times; and the
    criteria that a person wants beside it too."""
    plain = replace(choice, draw=0)
    draws = [replace(plain, criterion="random-matched", draw=draw) for draw in range(DRAWS)]
    others = [replace(plain, criterion=name) for name in more if name not in CONTROLS]
    return [one for one in (replace(plain, criterion="magnitude"), *draws, *others) if one != choice]


def build(choice: AtlasOf, more: tuple[str, ...], visitor: str) -> Job | None:
    """The job that builds what is missing of the atlas and its controls; None where nothing is. Work that failed is not begun
    again by itself: `again` does that."""
    return asked.ask([choice, *controls(choice, more)], visitor, _job_key(choice, more))


def again(choice: AtlasOf, more: tuple[str, ...], visitor: str) -> Job:
    """Begins building. Raises ValueError where that cannot be."""
    return asked.again([choice, *controls(choice, more)], visitor, _job_key(choice, more))


def _job_key(choice: AtlasOf, more: tuple[str, ...]) -> str:
    return "-".join((choice.job, *(("beside", *more) if more else ())))


def blob(choice: AtlasOf, more: tuple[str, ...], run: StoredRun, *, complete: bool) -> bytes:
    """The blob of the stage; `complete`: with all controls that are there. Raises ValueError where the atlas cannot be read."""
    beside = [one for one in controls(choice, more) if complete and there(one)]
    return _blob(choice, tuple(beside), asked.version(choice, *beside), str(services.store_of(choice.run).root), run)


@st.cache_data(max_entries=16, show_spinner=False)
def _blob(
    choice: AtlasOf, beside: tuple[AtlasOf, ...], versions: tuple[object, ...], root: str, _run: StoredRun
) -> bytes:
    moment = services.store_of(choice.run).snapshot(choice.run, choice.epoch)
    found = [one for one in map(asked.value, beside) if one is not None]
    return slider.blob(_run.spec, moment, _need(choice), found, label=_run.label)


def _need(choice: AtlasOf) -> Atlas:
    found = asked.value(choice)
    if found is None:
        raise ValueError("the stored atlas is gone: choose it again")
    return found


def news(
    choice: AtlasOf, run: StoredRun, job: Job | None, epochs: int | None, hand: dict | None, said: str
) -> dict[str, Any]:
    """What the stage is told between two blobs."""
    doing = (CurveOf if job and job.kind == CurveOf.kind else AtlasOf).doing
    telling = {"run": choice.run, "epoch": choice.epoch, "criterion": choice.criterion, "scope": choice.scope}
    return telling | {
        "job": asked.in_words(job, doing),
        "marks": slider.marks(run.spec, [(one, services.store_of(one.key).log(one.key)) for one in library.listed()]),
        "retrained": _retrained(choice, epochs),
        "hand": hand,
        "said": said,
    }


def curve_of(choice: AtlasOf, epochs: int) -> CurveOf:
    """The curve "cut once, then `epochs` epochs of training". Raises ValueError on what is not allowed."""
    return CurveOf(**asdict(choice), epochs=epochs)


def retraining(choice: AtlasOf, epochs: int | None) -> Job | None:
    """The job that fills that curve, if one was started."""
    return asked.job([curve_of(choice, epochs)]) if epochs else None


def epochs_under_way(choice: AtlasOf) -> int | None:
    """For how many epochs after each cut a job trains on now, whoever asked for it; None where none does."""
    jobs = (job for job in services.board().jobs() if job.live and job.kind == CurveOf.kind)
    allowed = {curve_of(choice, epochs).job: epochs for epochs in range(1, MOST_EPOCHS_ON + 1)}
    return next((allowed[job.key] for job in jobs if job.key in allowed), None)


def _retrained(choice: AtlasOf, epochs: int | None) -> dict[str, Any] | None:
    if not epochs:
        return None
    job, found = retraining(choice, epochs), asked.value(curve_of(choice, epochs))
    points = sorted(found.points, key=lambda one: one.percent) if found else []
    told = [{"percent": one.percent, "achieved": one.achieved, "accuracy": one.accuracy} for one in points]
    return {"epochs": epochs, "percents": list(atlas.TRAINED_ON), "points": told, "busy": bool(job and job.live)}


def by_hand(choice: AtlasOf, percent: int, killed: tuple, spared: tuple) -> dict[str, Any]:
    """What the cut network does with neurons killed and spared on top. Raises ValueError where there is no such neuron."""
    store = services.store_of(choice.run)
    return _by_hand(choice, percent, killed, spared, str(store.root), store)


@st.cache_data(max_entries=256, show_spinner=False)
def _by_hand(choice: AtlasOf, percent: int, killed: tuple, spared: tuple, root: str, _store: Store) -> dict[str, Any]:
    store = _store
    spec = store.open(choice.run).spec
    network = store.network(choice.run, choice.epoch)
    return slider.by_hand(network, _need(choice), datasets.load(spec.dataset), percent, ByHand(killed, spared))


def branch(choice: AtlasOf, run: StoredRun, percent: int, killed: tuple, spared: tuple, visitor: str) -> str:
    """Starts the run that is cut as the stage shows it and trains on; its key. Raises ValueError where that cannot be."""
    if not choice.epoch:
        raise ValueError(
            "these are the start weights, nothing is trained yet: choose an epoch from 1 on to prune and retrain"
        )
    zero = services.store_of(run.key).network(run.key, choice.epoch).sparsity()
    if percent > 99:
        raise ValueError("nothing is left to train at 100 %: move the slider to 99 % or below")
    if percent / 100 <= zero and not killed:
        already = f"{zero * 100:.1f} % of the weights are zero already"
        raise ValueError(f"{already}: move the slider above that, {percent} % cuts nothing")
    cut = HandCut(
        epoch=choice.epoch,
        ratio=percent / 100,
        criterion=choice.criterion,
        scope=choice.scope,
        killed=killed,
        spared=spared,
    )
    store = services.store_of(run.key)
    if run.key != files.bare(run.key):
        raise ValueError(
            "this network ships with the explorer, and another one of this name was made here, which a branch would follow: "
            "choose the one that was made here"
        )
    return services.board().start(branching.branch(store, run.key, **vars(cut)), visitor).key


def label(name: str) -> str:
    """A criterion's name in menus."""
    known = criteria.get(name)
    return f"{known.label} ({known.per}s go)"
