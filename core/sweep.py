"""Many specs at once, one process each; what is stored comes back without training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import joblib

from core.events import Finished
from core.spec import RunSpec
from core.store import Store, StoreError


def run_many(
    specs: Sequence[RunSpec], store: Store | None = None, n_jobs: int = -1
) -> Iterator[tuple[RunSpec, Finished]]:
    """Yields `(spec, its last event)` as runs finish, stored ones first. `n_jobs` processes; -1: one per core.

    Stopping the iterator loses nothing that is stored: asked again, it goes on where it stopped.
    """
    missing = []
    for spec in specs:
        finished = _stored(spec, store)
        if finished:
            yield spec, finished
        else:
            missing.append(spec)
    root = None if store is None else str(store.root)
    jobs = (joblib.delayed(_run_one)(spec, root) for spec in missing)
    yield from joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)


def _stored(spec: RunSpec, store: Store | None) -> Finished | None:
    if store is None or not (store.root / "runs" / spec.key()).is_dir() or not store.open(spec.key()).finished:
        return None
    try:
        return store.events(spec.key())[-1]
    except StoreError:  # damaged: trained again from the last moment that is sound
        return None


def _run_one(spec: RunSpec, root: str | None) -> tuple[RunSpec, Finished]:
    from core import experiment  # torch is needed only where something is trained

    last = None
    for event in experiment.run(spec, Store(root) if root else None):
        last = event
    return spec, last
