"""`python -m core.example`: makes what ships in core/data/example: a trained network, its pruned run, and atlases.

The trained network is the default run without pruning, its start and end. The pruned run is the default run: its start, the
moment of each cut (which holds the weights before it and the masks after it), and its end. The atlases are of the trained
network; of the pruned run there are its film, its contest with the trained network, reduced and trained on, and the
search for the penalty that ends like it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from core import experiment
from core.atlas import Choice, kept, surveys
from core.claims import factors, pca, penalty, penalty_search, retraining, spectral_history
from core.spec import RunSpec
from core.store import Store
from core.store.artifacts import Artifacts

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
        key = trained.key()
        plain = {"run": key, "epoch": store.open(key).last_epoch}
        choices = [Choice(**plain, criterion=name) for name in ("activation-frequency", "magnitude")]
        choices += [Choice(**plain, criterion="random-matched", draw=draw) for draw in range(DRAWS)]
        for choice in choices:
            kept.put(artifacts, surveys.survey(store, choice))
        for spec in (trained, RunSpec()):
            _keep_film(store, artifacts, spec)
        _hold_contest(store, artifacts, RunSpec().key())
        _search_penalty(store, artifacts, RunSpec())
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        for spec in (trained, RunSpec()):
            _ship(store, spec.key())
        shutil.copytree(artifacts.root, EXAMPLE / "atlases")


def _keep_film(store: Store, artifacts: Artifacts, spec: RunSpec) -> None:
    """The run's singular values at every epoch, and random cuts beside its own: what is shipped has only some moments."""
    made = spectral_history.shoot(store, spec.key())
    chances = [spectral_history.random_cuts(store, spec, spec.key(), epoch) for epoch in made.cut_epochs()]
    spectral_history.put(artifacts, made.with_chances(chances), None)


def _hold_contest(store: Store, artifacts: Artifacts, key: str) -> None:
    """The PCA contest of the pruned run, and its reductions trained on at every matching."""
    both = pca.pair(store, key, store)
    artifacts.write(key, pca.NAME, pca.build(both).to_bytes())
    for matching in pca.MATCHINGS:
        for one in retraining.arms(both, matching):
            if one.complete:
                artifacts.write(key, factors.name(matching, one.arm), one.to_bytes())


def _search_penalty(store: Store, artifacts: Artifacts, spec: RunSpec) -> None:
    """The penalty beside the pruned run, every try of the search, and random cuts as its page compares them."""
    key = spec.key()
    artifacts.write(key, penalty_search.NAME, penalty_search.search(store, store, key).to_bytes())
    cuts = penalty.cuts(store, spec, key)
    drawn = {cut.epoch: penalty.summed_up(cut, penalty.draw(store, spec, key, cut.epoch)) for cut in cuts}
    artifacts.write(key, penalty.NAME, penalty.to_bytes(drawn))


def _ship(store: Store, key: str) -> None:
    cuts = {line["epoch"] for line in store.log(key) if line["kind"] == "Pruned"}
    moments = sorted({0, *cuts, store.open(key).last_epoch})
    source, goal = store.root / "runs" / key, EXAMPLE / "runs" / key
    goal.mkdir(parents=True)
    for name in ("spec.json", "events.jsonl", "done.json", *(f"epoch-{epoch:03d}.safetensors" for epoch in moments)):
        shutil.copyfile(source / name, goal / name)
    done = goal / "done.json"
    done.write_text(json.dumps(json.loads(done.read_text("utf-8")), indent=1, sort_keys=True), "utf-8")
