"""`python -m core.example`: makes what ships in core/data/example: a trained network, its pruned run, and atlases.

The trained network is the default run without pruning, its start and end. The pruned run is the default run: its start, the
moment of each cut (which holds the weights before it and the masks after it), and its end. The atlases are of the trained
network.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from core import experiment, surveys
from core.atlas import Choice
from core.shelf import Shelf
from core.spec import RunSpec
from core.store import Store

EXAMPLE = Path(__file__).parent / "data" / "example"
DRAWS = 5


def main() -> None:
    """Trains both runs afresh, builds the atlases, and puts them in the example's place."""
    with tempfile.TemporaryDirectory() as folder:
        store, shelf = Store(folder), Shelf(folder)
        trained = RunSpec(pruning=None)
        for spec in (trained, RunSpec()):
            for _ in experiment.run(spec, store):
                pass
        key = trained.key()
        plain = {"run": key, "epoch": store.open(key).last_epoch}
        choices = [Choice(**plain, criterion=name) for name in ("activation-frequency", "magnitude")]
        choices += [Choice(**plain, criterion="random-matched", draw=draw) for draw in range(DRAWS)]
        for choice in choices:
            shelf.put(surveys.survey(store, choice))
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        for spec in (trained, RunSpec()):
            _ship(store, spec.key())
        shutil.copytree(shelf.root, EXAMPLE / "atlases")


def _ship(store: Store, key: str) -> None:
    cuts = {line["epoch"] for line in store.log(key) if line["kind"] == "Pruned"}
    moments = sorted({0, *cuts, store.open(key).last_epoch})
    source, goal = store.root / "runs" / key, EXAMPLE / "runs" / key
    goal.mkdir(parents=True)
    for name in ("spec.json", "events.jsonl", "done.json", *(f"epoch-{epoch:03d}.safetensors" for epoch in moments)):
        shutil.copyfile(source / name, goal / name)
    done = goal / "done.json"
    done.write_text(json.dumps(json.loads(done.read_text("utf-8")), indent=1, sort_keys=True), "utf-8")


if __name__ == "__main__":
    main()
