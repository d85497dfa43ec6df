"""`python -m core.example`: makes what ships in core/data/example: a trained network, its pruned run, and atlases.

The trained network is the default run without pruning, its start and end. The pruned run is the default run: its start, the
moment of each cut (which holds the weights before it and the masks after it), and its end. The atlases are of the trained
network; of the pruned run there are its singular values at every epoch, random cuts beside its own, its contest with the
trained network, reduced and trained on, and the search for the penalty that ends like it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core import experiment
from core.artifacts import Artifact, Sources
from core.artifacts.kept import Artifacts
from core.atlas.artifacts import AtlasOf
from core.claims import budgets, pca, penalty, penalty_search, random_cuts, reductions
from core.claims.spectral_history import HistoryOf
from core.spec import RunSpec
from core.store import Store

EXAMPLE = Path(__file__).parents[1] / "data" / "example"
DRAWS = 5


def main() -> None:
    """Trains both runs afresh, builds the atlases, and puts them in the example's place."""
    with tempfile.TemporaryDirectory() as folder:
        store, artifacts = Store(folder), Artifacts(folder)
        trained = RunSpec(pruning=None)
        for spec in (trained, RunSpec()):
            for _ in experiment.run(spec, store):
                pass
        for one in _wanted(store, trained, RunSpec()):
            artifacts.ensure(one, Sources(store))
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        for spec in (trained, RunSpec()):
            _ship(store, spec.key())
        shutil.copytree(artifacts.root, EXAMPLE / "atlases")


def _wanted(store: Store, trained: RunSpec, pruned: RunSpec) -> Iterator[Artifact]:
    """The trained network's atlases; both runs' histories, since what ships has only some moments; all that the claims' pages
    compare the pruned run with."""
    of = {"run": trained.key(), "epoch": store.open(trained.key()).last_epoch}
    yield from (AtlasOf(**of, criterion=name) for name in ("activation-frequency", "magnitude"))
    yield from (AtlasOf(**of, criterion="random-matched", draw=draw) for draw in range(DRAWS))
    yield from (HistoryOf(spec.key()) for spec in (trained, pruned))
    key = pruned.key()
    yield pca.ContestOf(key)
    for matching in budgets.MATCHINGS:
        yield from reductions.of_matching(key, matching)
    yield penalty_search.SearchOf(key)
    yield from random_cuts.of_cuts(key, [cut.epoch for cut in penalty.cuts(store, pruned, key)])


def _ship(store: Store, key: str) -> None:
    cuts = {line["epoch"] for line in store.log(key) if line["kind"] == "Pruned"}
    moments = sorted({0, *cuts, store.open(key).last_epoch})
    source, goal = store.root / "runs" / key, EXAMPLE / "runs" / key
    goal.mkdir(parents=True)
    for name in ("spec.json", "events.jsonl", "done.json", *(f"epoch-{epoch:03d}.safetensors" for epoch in moments)):
        shutil.copyfile(source / name, goal / name)
    done = goal / "done.json"
    done.write_text(json.dumps(json.loads(done.read_text("utf-8")), indent=1, sort_keys=True), "utf-8")
