"""The table of docs/results.md: `python -m core.tables`. Every arm on full data over three seeds; stop it, run it again.

What is stored in the cache is not trained again. Rows go to core/data/table.csv as they come, sorted, one per run.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from core import collapse, datasets, spectra
from core.events import EpochEnded, Pruned
from core.spec import PruningSpec, RunSpec, as_released
from core.store import Store
from core.sweep import run_many

TABLE = Path(__file__).parents[1] / "data" / "table.csv"
ARMS = (
    "activation-frequency",
    "activation-frequency-weight",
    "inactivity",
    "inactivity-weight",
    "magnitude",
    "random-neurons",
    "random-matched",
    "random-weights",
)
FRESH, RELEASED = "fresh, unpruned, of activation-frequency's widths", "preset: as in the released code"


@dataclass(frozen=True)
class Row:
    """One run of the table. Accuracy in %, achieved ratio over all weights in %; widths and ranks per hidden layer."""

    dataset: str
    arm: str
    seed: int
    test_accuracy: float
    achieved: float
    widths: str
    ranks: str
    epochs: int
    ended: str
    key: str


def specs(dataset: str, seed: int, ratio: float, rounds: int) -> dict[str, RunSpec]:
    """The arms that do not depend on another arm's result."""
    common = {"dataset": dataset, "seed": seed}
    arms = {"no pruning": RunSpec(**common, pruning=None)}
    for criterion in ARMS:
        arms[criterion] = RunSpec(**common, pruning=PruningSpec(criterion=criterion, ratio=ratio, rounds=rounds))
    arms[RELEASED] = as_released(**common)
    return arms


def row(arm: str, spec: RunSpec, store: Store) -> Row:
    """The stored result of one run as a Row."""
    key = spec.key()
    events = store.events(key)
    final, network = events[-1], events[-1].network
    data = datasets.load(spec.dataset)
    answer = collapse.only_answer(network.predict(data.x_valid))
    return Row(
        dataset=spec.dataset,
        arm=arm,
        seed=spec.seed,
        test_accuracy=round(100 * final.test_accuracy, 2),
        achieved=round(100 * network.sparsity(), 2),
        widths="/".join(str(int(alive.sum())) for alive in network.alive()),
        ranks="/".join(str(spectra.spectrum(weight).rank) for weight in network.weights[:-1]),
        epochs=max((event.epoch for event in events if isinstance(event, (EpochEnded, Pruned))), default=0),
        ended=final.outcome + ("" if answer is None else f", {collapse.in_words(answer, data.class_names)}"),
        key=key,
    )


def arguments(command: str, description: str | None) -> argparse.ArgumentParser:
    """What every command asks that makes tables on full data; it adds what is its own."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("--datasets", nargs="+", default=["mnist", "fashion-mnist-resplit"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ratio", type=float, default=0.8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--cache", default="cache")
    return parser


def main() -> None:
    parser = arguments("core.tables", __doc__)
    parser.add_argument(
        "--markdown", action="store_true", help="print the rows that are there as docs/results.md has them; no runs"
    )
    options = parser.parse_args()
    if options.markdown:
        sys.stdout.write(markdown())
        return
    store = Store(options.cache)
    arms: dict[str, tuple[str, RunSpec]] = {}
    for seed in options.seeds:
        for dataset in options.datasets:
            for arm, spec in specs(dataset, seed, options.ratio, options.rounds).items():
                arms[spec.key()] = (arm, spec)
    rows: list[Row] = []
    _collect(arms, store, options.jobs, rows)
    small = {}
    for arm, spec in arms.values():
        if arm == "activation-frequency":
            widths = tuple(int(alive.sum()) for alive in store.network(spec.key()).alive())
            if all(widths):
                fresh = replace(spec, hidden=widths, pruning=None)
                small[fresh.key()] = (FRESH, fresh)
    _collect(small, store, options.jobs, rows)


def markdown() -> str:
    """The table's file as a Markdown table: one line per data set and arm, one figure per seed."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [
        "| data | arm | test accuracy, % | zero, % | live neurons per hidden layer | rank | epochs | ended |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        here = [row for row in rows if row["dataset"] == dataset]
        for arm in sorted({row["arm"] for row in here}, key=_place):
            seeds = sorted((row for row in here if row["arm"] == arm), key=lambda row: int(row["seed"]))
            names = ("test_accuracy", "achieved", "widths", "ranks", "epochs", "ended")
            cells = [dataset, arm, *(joined([_written(row[name]) for row in seeds]) for name in names)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _place(arm: str) -> int:
    order = ("no pruning", *ARMS, FRESH, RELEASED)
    return order.index(arm) if arm in order else len(order)


def _written(value: str) -> str:
    """Accuracies and ratios with their two decimals, the rest as it is."""
    return f"{float(value):.2f}" if "." in value else value


def joined(values: list[str]) -> str:
    """One figure where all are the same, else all of them."""
    return values[0] if len(set(values)) == 1 else ", ".join(values)


def _collect(arms: dict[str, tuple[str, RunSpec]], store: Store, jobs: int, rows: list[Row]) -> None:
    for spec, _ in run_many([spec for _, spec in arms.values()], store, jobs):
        rows.append(row(arms[spec.key()][0], spec, store))
        done = rows[-1]
        sys.stdout.write(
            f"{done.dataset:22} {done.arm:28} seed {done.seed}  {done.test_accuracy:6.2f} %  zero {done.achieved:6.2f} %  "
            f"{done.widths:18} {done.epochs:4} epochs  {done.ended}\n"
        )
        sys.stdout.flush()
        _write(rows)


def _write(rows: list[Row]) -> None:
    ordered = sorted(rows, key=lambda r: (r.dataset, r.arm, r.seed))
    with open(TABLE, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Row.__dataclass_fields__)
        table.writerows(vars(r).values() for r in ordered)
