"""`python -m core.example`: makes the run that ships in core/data/example: the default spec, its start, cuts' log and end."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from core import experiment
from core.spec import RunSpec
from core.store import Store

EXAMPLE = Path(__file__).parent / "data" / "example"


def main() -> None:
    """Trains the default run afresh and puts it in the example's place. Only the first and last moment are shipped."""
    spec = RunSpec()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for _ in experiment.run(spec, store):
            pass
        key = spec.key()
        ended = store.open(key).last_epoch
        cuts = [line["epoch"] for line in store.log(key) if line["kind"] == "Pruned"]
        source, goal = Path(folder) / "runs" / key, EXAMPLE / "runs" / key
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        goal.mkdir(parents=True)
        for name in (
            "spec.json",
            "events.jsonl",
            "done.json",
            *(f"epoch-{e:03d}.safetensors" for e in (0, cuts[-1], ended)),
        ):
            shutil.copyfile(source / name, goal / name)
        done = goal / "done.json"
        done.write_text(json.dumps(json.loads(done.read_text("utf-8")), indent=1, sort_keys=True), "utf-8")


if __name__ == "__main__":
    main()
