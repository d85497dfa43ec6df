"""`python -m core.fingerprints`: does this computer give the same bits as every other? A dozen short runs against a table.

The table, core/data/fingerprints.csv, holds for each run the fingerprint of its final network (weights, biases, masks and
counts) and of what is computed from one. Every x86-64 with AVX2 has to reproduce it; any other computer, and a process in which
a library was loaded before with other settings, belongs to another family of numbers, and is told so.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from core import arithmetic, criteria, experiment
from core.artifacts import codec
from core.atlas import Survey, surveys
from core.claims import random_cuts, spectral_history
from core.claims.spectral_history import HistoryOf
from core.spec import PenaltySpec, PruningSpec, RunSpec
from core.store import Store

TABLE = Path(__file__).parents[1] / "data" / "fingerprints.csv"
DIGITS = {"dataset": "digits", "hidden": (24, 16), "learning_rate": 0.1, "batch_size": 13, "max_epochs": 6}
PLAN = {"ratio": 0.6, "rounds": 3, "start_accuracy": 0.5}


def runs() -> dict[str, RunSpec]:
    """The runs of the table by name: every criterion, both optimisers, penalties, the options that change arithmetic."""

    def cut(**changes) -> PruningSpec:
        return PruningSpec(**PLAN | changes)

    def digits(pruning: PruningSpec | None, **changes) -> RunSpec:
        return RunSpec(**DIGITS | changes, target_accuracy=0.9, pruning=pruning)

    found = {name: digits(cut(criterion=name)) for name in criteria.names()}
    adam = {"optimizer": "adam", "learning_rate": 0.003}
    by_index = PenaltySpec(strength=0.001, every=7, method="gradient", weighting="index")
    found |= {
        "no pruning": digits(None),
        "adam": digits(cut(), **adam),
        "adam, magnitude in each layer": digits(cut(criterion="magnitude", scope="layer"), **adam),
        "penalty, proximal": digits(cut(), penalty=PenaltySpec(strength=0.01, every=7)),
        "penalty, subgradient": digits(cut(), penalty=by_index),
        "counts of 32 images, reset": digits(cut(counting="sample-32", reset_counts=True)),
        "rewound": digits(cut(rewind=True)),
        "mnist-mini": RunSpec(
            max_epochs=5, pruning=PruningSpec(start_accuracy=0.2, ratio=0.9, rounds=2), target_accuracy=0.5
        ),
        "mnist-mini, adam": RunSpec(max_epochs=2, optimizer="adam", learning_rate=0.001, target_accuracy=1.0),
    }
    return found


def lines(names: list[str] | None = None) -> Iterator[dict[str, str]]:
    """The table's lines as this computer makes them, of the runs `names`, else of those in the table; the first run's atlas
    and random cuts last, unless names came."""
    wanted = names or [line["what"] for line in table()]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for name, spec in runs().items():
            if name in wanted:
                *_, finished = experiment.run(spec, store, device="cpu")
                print_of = store.snapshot(spec.key()).state.fingerprint()
                yield {"what": name, "fingerprint": print_of, "test_accuracy": f"{100 * finished.test_accuracy:.2f}"}
        if names is None:
            yield from _derived(store, next(iter(runs().values())))


def anew() -> Iterator[dict[str, str]]:
    """The lines of all runs, for a new table."""
    yield from lines(list(runs()))
    with tempfile.TemporaryDirectory() as folder:
        store, first = Store(folder), next(iter(runs().values()))
        list(experiment.run(first, store, device="cpu"))
        yield from _derived(store, first)


def _derived(store: Store, spec: RunSpec) -> Iterator[dict[str, str]]:
    """What pages compute from one network: its atlas and its singular values beside random cuts."""
    key = spec.key()
    atlas = surveys.survey(store, Survey(run=key, epoch=store.open(key).last_epoch, criterion="magnitude"))
    yield {"what": "atlas", "fingerprint": _digest(codec.parts(atlas, but=("choice",))[1]), "test_accuracy": ""}
    history, one = spectral_history.collect(store, key), HistoryOf(key)
    arrays = {name: array for name, array in one.pack(history)[1].items()} | {"key": np.array(key)}
    cuts = [random_cuts.drawn(store, spec, key, epoch) for epoch in history.cut_epochs()]
    arrays["chances"] = np.array([cut.epoch for cut in cuts], np.int64)
    for layer in range(len(history.shapes)):
        arrays[f"chance_values_{layer}"] = np.array([cut.values[layer] for cut in cuts], np.float32)
        arrays[f"chance_figures_{layer}"] = np.array([cut.figures[layer] for cut in cuts], np.float64)
    yield {"what": "random cuts", "fingerprint": _digest(arrays), "test_accuracy": ""}


MEASURED = {"dense_ms", "shrunk_ms"}  # of an atlas: times, which the machine has its part in


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - MEASURED):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def table() -> list[dict[str, str]]:
    """The lines of the table as they are committed."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def other_family() -> str:
    """Why the table does not speak of this process, as a sentence; "" where it does."""
    if reasons := arithmetic.overridden():
        return "; ".join(reasons)
    if not arithmetic.can_be_portable():
        return f"other family: {arithmetic.processor()} has no AVX2, so its runs have numbers of their own"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.fingerprints", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="RUN", help=f"only these of: {', '.join(runs())}")
    parser.add_argument("--write", action="store_true", help="make the table anew: only when ENGINE has changed")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in runs()]:
        parser.error(f"unknown run {unknown[0]!r}: allowed are {', '.join(runs())}")
    if reason := other_family():
        sys.exit(reason)
    made = []
    known = {} if options.write else {line["what"]: line["fingerprint"] for line in table()}
    for line in anew() if options.write else lines(options.names or None):
        made.append(line)
        word = "" if options.write else "same" if known.get(line["what"]) == line["fingerprint"] else "OTHER"
        sys.stdout.write(f"{line['what']:32} {line['fingerprint']}  {line['test_accuracy']:>6}  {word}\n")
        sys.stdout.flush()
    if options.write:
        with open(TABLE, "w", newline="", encoding="utf-8") as file:
            written = csv.DictWriter(file, ["what", "fingerprint", "test_accuracy"], lineterminator="\n")
            written.writeheader()
            written.writerows(made)
        return
    others = [line["what"] for line in made if known.get(line["what"]) != line["fingerprint"]]
    if others:
        sys.exit(
            f"{len(others)} of {len(made)} differ on {arithmetic.processor()}: this should not be, please report it"
        )
    sys.stdout.write(f"all {len(made)} are the same on {arithmetic.processor()}\n")
