"""What the list of runs shows of one run, read from its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from core.spec import RunSpec
from core.store import files, log


@dataclass(frozen=True)
class StoredRun:
    """What the list of runs shows of one run. `spec` is None and `problem` says why where its folder cannot be read.
    achieved: the share of all weights that is zero, 0..1. test_accuracy: 0..1, None where the run did not end."""

    key: str
    label: str
    spec: RunSpec | None
    finished: bool
    reason: str | None
    epochs: tuple[int, ...]
    changed: float
    size: int
    parent: str | None
    problem: str | None = None
    achieved: float = 0.0
    test_accuracy: float | None = None

    @property
    def last_epoch(self) -> int:
        return self.epochs[-1] if self.epochs else 0


def read(key: str, folder: Path, changed: float) -> StoredRun:
    """The entry of the run in `folder`, whose files changed last at `changed`."""
    lines, _ = log.read(folder / "events.jsonl")
    ended = next((line for line in lines[::-1] if line["kind"] == "Finished"), None)
    sizes = {file.name: files.size(file) for file in folder.iterdir()}
    epochs = [line["epoch"] for line in lines if "checksum" in line and files.of_epoch(line["epoch"]) in sizes]
    spec, problem, label, parent = None, None, f"run {key}", None
    try:
        values = json.loads((folder / "spec.json").read_text("utf-8"))
        parent = values.get("parent") if isinstance(values, dict) else None
        spec = RunSpec.from_dict(values)
        label = spec.label()
    except (OSError, ValueError, TypeError) as error:
        problem = f"the run {key} cannot be opened: {error}"
    finished = ended is not None and (folder / "done.json").is_file()
    reason = ended["reason"] if finished else None
    achieved = next((line["achieved"] for line in lines[::-1] if line["kind"] == "Pruned"), 0.0)
    accuracy = ended["test_accuracy"] if ended else None
    size = sum(sizes.values())
    return StoredRun(
        key, label, spec, finished, reason, tuple(epochs), changed, size, parent, problem, achieved, accuracy
    )
