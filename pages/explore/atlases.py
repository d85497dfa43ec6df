"""The atlases of a stored network, as the stage needs them: what is there, what has to be built, what it is told meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core import atlas, criteria, datasets
from core.atlas import Atlas, Choice, kept
from core.jobs import atlas_key
from core.jobs.job import Job
from core.masks import ByHand
from core.spec import HandCut
from core.store import Store, StoredRun, branching
from core.store.artifacts import Artifacts
from core.views import slider
from pages.shared import library, queued, services

DRAWS = 5  # of the random control
CONTROLS = ("magnitude", "random-matched")


def _artifacts(choice: Choice) -> Artifacts:
    """Where the atlas is, or would be put."""
    places = services.artifacts_of(choice.run)
    return next((artifacts for artifacts in places if kept.has(artifacts, choice)), places[0])


def there(choice: Choice) -> bool:
    """Whether the atlas can be shown now."""
    return kept.has(_artifacts(choice), choice)


def controls(choice: Choice, more: tuple[str, ...] = ()) -> list[Choice]:
    """What stands beside every criterion: magnitude, and random neurons, as many per layer, drawn several times; and the
    criteria that a person wants beside it too."""
    plain = replace(choice, draw=0)
    draws = [replace(plain, criterion="random-matched", draw=draw) for draw in range(DRAWS)]
    others = [replace(plain, criterion=name) for name in more if name not in CONTROLS]
    return [one for one in (replace(plain, criterion="magnitude"), *draws, *others) if one != choice]


def build(choice: Choice, more: tuple[str, ...], visitor: str) -> Job | None:
    """The job that builds what is missing of the atlas and its controls; None where nothing is. Work that failed is not begun
    again by itself: `again` does that."""
    missing = [one for one in (choice, *controls(choice, more)) if not there(one)]
    known = services.board().job(_job_key(choice, more))
    if not missing or (known and (known.live or known.state in ("failed", "stopped"))):
        return known if missing or (known and known.live) else None
    return again(choice, more, visitor)


def _job_key(choice: Choice, more: tuple[str, ...]) -> str:
    return "-".join((atlas_key(choice), *(("beside", *more) if more else ())))


def again(choice: Choice, more: tuple[str, ...], visitor: str) -> Job:
    """Begins building. Raises ValueError where that cannot be."""
    wanted = [one for one in (choice, *controls(choice, more)) if not there(one)] or [choice]
    job = services.board().build(services.store_of(choice.run), wanted, visitor, key=_job_key(choice, more))
    services.board().seen(job.key, visitor)
    return job


def blob(choice: Choice, more: tuple[str, ...], run: StoredRun, *, complete: bool) -> bytes:
    """The blob of the stage; `complete`: with all controls that are there. Raises ValueError where the atlas cannot be read."""
    beside = [one for one in controls(choice, more) if complete and there(one)]
    versions = tuple(kept.version(_artifacts(one), one) for one in (choice, *beside))
    return _blob(choice, tuple(beside), versions, str(services.store_of(choice.run).root), run)


@st.cache_data(max_entries=16, show_spinner=False)
def _blob(choice: Choice, beside: tuple[Choice, ...], versions: tuple[int, ...], root: str, _run: StoredRun) -> bytes:
    moment = services.store_of(choice.run).snapshot(choice.run, choice.epoch)
    found = [one for one in map(_read, beside) if one is not None]
    return slider.blob(_run.spec, moment, _need(choice), found, label=_run.label)


def _read(choice: Choice) -> Atlas | None:
    return kept.get(_artifacts(choice), choice)


def _need(choice: Choice) -> Atlas:
    found = _read(choice)
    if found is None:
        raise ValueError("the stored atlas is damaged: delete it in cache/atlases, then choose it again")
    return found


def news(
    choice: Choice, run: StoredRun, job: Job | None, epochs: int | None, hand: dict | None, said: str
) -> dict[str, Any]:
    """What the stage is told between two blobs."""
    telling = {"run": choice.run, "epoch": choice.epoch, "criterion": choice.criterion, "scope": choice.scope}
    return telling | {
        "job": _in_words(job),
        "marks": slider.marks(run.spec, [(one, services.store_of(one.key).log(one.key)) for one in library.listed()]),
        "retrained": _retrained(choice, epochs),
        "hand": hand,
        "said": said,
    }


def _in_words(job: Job | None) -> dict[str, Any] | None:
    if job is None or not job.live:
        return None
    what = "Building the atlas and its controls" if job.kind == "atlas" else "Training on after each cut"
    waits = f": it {queued.words(job)}" if job.state == "queued" else ""
    return {"text": what + waits, "share": job.share}


def retraining(choice: Choice, epochs: int | None) -> Job | None:
    """The job that fills the curve "cut once, then n epochs of training", if one was started."""
    return services.board().job(f"{atlas_key(choice)}-then-{epochs}") if epochs else None


def epochs_under_way(choice: Choice) -> int | None:
    """For how many epochs after each cut a job trains on now, whoever asked for it; None where none does."""
    before = f"{atlas_key(choice)}-then-"
    found = (job.key.removeprefix(before) for job in services.board().jobs() if job.live and job.key.startswith(before))
    return next((int(epochs) for epochs in found), None)


def _retrained(choice: Choice, epochs: int | None) -> dict[str, Any] | None:
    if not epochs:
        return None
    job = retraining(choice, epochs)
    found = kept.points(services.artifacts_of(choice.run)[0], choice, epochs)
    points = [{"percent": one.percent, "achieved": one.achieved, "accuracy": one.accuracy} for one in found]
    return {"epochs": epochs, "percents": list(atlas.TRAINED_ON), "points": points, "busy": bool(job and job.live)}


def by_hand(choice: Choice, percent: int, killed: tuple, spared: tuple) -> dict[str, Any]:
    """What the cut network does with neurons killed and spared on top. Raises ValueError where there is no such neuron."""
    store = services.store_of(choice.run)
    return _by_hand(choice, percent, killed, spared, str(store.root), store)


@st.cache_data(max_entries=256, show_spinner=False)
def _by_hand(choice: Choice, percent: int, killed: tuple, spared: tuple, root: str, _store: Store) -> dict[str, Any]:
    store = _store
    spec = store.open(choice.run).spec
    network = store.network(choice.run, choice.epoch)
    return slider.by_hand(network, _need(choice), datasets.load(spec.dataset), percent, ByHand(killed, spared))


def branch(choice: Choice, run: StoredRun, percent: int, killed: tuple, spared: tuple, visitor: str) -> str:
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
    return services.board().start(branching.branch(store, run.key, **vars(cut)), visitor).key


def label(name: str) -> str:
    """A criterion's name in menus."""
    known = criteria.get(name)
    return f"{known.label} ({known.per}s go)"
