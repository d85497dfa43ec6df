"""Pieces of work behind the tables: each is made once from stored runs and kept; asked again, it does nothing.

All take the cache's root and a run's key, so that any process of a sweep can make them.
"""

from __future__ import annotations

from core.claims import factors, pca, penalty, penalty_search, retraining, spectral_history
from core.store import Store
from core.store.artifacts import Artifacts


def hold_contest(root: str, key: str) -> None:
    """The PCA contest of a pruned run with its twin."""
    store, artifacts = Store(root), Artifacts(root)
    if pca.load(artifacts, key) is None:
        artifacts.write(key, pca.NAME, pca.build(pca.pair(store, key, store)).to_bytes())


def retrain(root: str, key: str, matching: str, arm: str) -> None:
    """One reduction of the contest, trained on with its rank held."""
    store, artifacts, name = Store(root), Artifacts(root), factors.name(matching, arm)
    if not factors.complete(artifacts.read(key, name)):
        *_, last = retraining.arms(pca.pair(store, key, store), matching, (arm,))
        artifacts.write(key, name, last.to_bytes())


def search_strength(root: str, key: str) -> None:
    """The penalty that ends with the run's nuclear norm. Of the tries only starts and ends are kept."""
    store, artifacts = Store(root), Artifacts(root)
    known = penalty_search.load(artifacts, key)
    if known is None or known.found is None:
        found = penalty_search.search(store, store, key)
        artifacts.write(key, penalty_search.NAME, found.to_bytes())
        for one in found.tries:
            store.thin(one.key)


def draw_random_cuts(root: str, key: str) -> None:
    """The random cuts beside every cut of the run, for both claims that need them."""
    store, artifacts = Store(root), Artifacts(root)
    made, spec = spectral_history.keep(store, artifacts, key), store.open(key).spec
    spectral_history.put(
        artifacts,
        made.with_chances([spectral_history.random_cuts(store, spec, key, e) for e in spectral_history.lacking(made)]),
        made,
    )
    cuts = penalty.cuts(store, spec, key)
    drawn = penalty.load(artifacts, key, cuts)
    if drawn is None or len(drawn) < len(cuts):
        drawn = {cut.epoch: penalty.summed_up(cut, penalty.draw(store, spec, key, cut.epoch)) for cut in cuts}
        artifacts.write(key, penalty.NAME, penalty.to_bytes(drawn))
