"""Runs over seeds as rows, and `python -m core.results`, which makes those that ship. Stop it and start it as you like.

Per data set, ratio and seed: every criterion and control, an unpruned network, and two fresh small ones. What ships lies in
core/data/results: one row a run, with what it was made on.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from core import cards, contest, criteria, datasets, equivalence, factors, film, spectra
from core.cards import FRESH_EPOCHS, FRESH_TARGET, METHOD, Row
from core.paired import REDUCTIONS, RETRAINED
from core.shelf import Shelf
from core.spec import PruningSpec, RunSpec
from core.store import Store
from core.sweep import outcomes

FILE = Path(__file__).parent / "data" / "results" / "runs.csv"
CRITERIA = tuple(
    name for name in criteria.names() if not criteria.get(name).needs & {"inputs", "gradients"}
)  # the paper's, and the controls
JUDGED = (METHOD, "random-matched")  # of which every run is judged on claims 2 and 4
NO_PRUNING = "no pruning"
REDUCED = tuple(name + tail for tail in ("", RETRAINED) for name in REDUCTIONS)
NUMBERS = {"seed": int, "images": int, "rounds": int, "epochs": int, "ratio": float}


def specs(dataset: str, seed: int, ratio: float, rounds: int) -> dict[str, RunSpec]:
    """The arms that do not depend on another arm's result."""
    plans = {name: PruningSpec(criterion=name, ratio=ratio, rounds=rounds) for name in CRITERIA}
    runs = {name: RunSpec(dataset=dataset, seed=seed, pruning=plan) for name, plan in plans.items()}
    return runs | {NO_PRUNING: contest.twin(runs[METHOD])}


def fresh(store: Store, spec: RunSpec) -> dict[str, RunSpec]:
    """The unpruned networks of the final widths of a stored pruned run: to the same target, and with the same epochs. {} where
    a layer died."""
    key = spec.key()
    widths = tuple(int(alive.sum()) for alive in store.network(key).alive())
    if not all(widths):
        return {}
    small = dataclasses.replace(spec, hidden=widths, pruning=None)
    epochs = store.open(key).last_epoch
    return {FRESH_TARGET: small, FRESH_EPOCHS: dataclasses.replace(small, target_accuracy=1.0, max_epochs=epochs)}


def row(store: Store, shelf: Shelf, arm: str, spec: RunSpec, ratio: float, rounds: int) -> Row:
    """The stored result of one run as a row; figures of the other claims where they are on the shelf, else ""."""
    key = spec.key()
    final, done = store.events(key)[-1], store.provenance(key)
    network, data = final.network, datasets.load(spec.dataset)
    made = {
        "dataset": spec.dataset,
        "ratio": ratio,
        "rounds": rounds,
        "arm": arm,
        "seed": spec.seed,
        "test_accuracy": round(100 * final.test_accuracy, 2),
        "valid_accuracy": round(100 * network.accuracy(data.x_valid, data.y_valid), 2),
        "images": len(data.y_test),
        "zero": round(100 * network.sparsity(), 2),
        "widths": "/".join(str(int(alive.sum())) for alive in network.alive()),
        "ranks": "/".join(str(spectra.spectrum(weight).rank) for weight in network.weights[:-1]),
        "effective_ranks": "/".join(
            f"{spectra.spectrum(weight).effective_rank:.1f}" for weight in network.weights[:-1]
        ),
        "epochs": store.open(key).last_epoch,
        "ended": final.outcome,
    }
    made |= _judged(store, shelf, key, spec) | _reduced(shelf, key, data.y_test)
    versions = ", ".join(f"{name} {number}" for name, number in sorted(done["versions"].items()))
    device = " ".join(str(done[name]) for name in ("device", "device_name", "number_type"))
    source = {"device": device, "versions": f"{versions}, engine {done['engine']}"}
    return made | source | {"data": data.fingerprint, "date": str(datetime.date.today()), "key": key}


def _judged(store: Store, shelf: Shelf, key: str, spec: RunSpec) -> Row:
    made = film.load(shelf, key)
    verdict = film.verdict(made) if made and spec.pruning else None
    if verdict is None:
        return {"low_rank": "", "penalty": ""}
    cuts = equivalence.cuts(store, spec, key)
    drawn = equivalence.from_bytes(shelf.read(key, equivalence.NAME), cuts)
    return {"low_rank": verdict.word, "penalty": equivalence.verdict(cuts, drawn).word}


def _reduced(shelf: Shelf, key: str, labels: np.ndarray) -> Row:
    found: Row = {name.replace("-", "_"): "" for name in REDUCED}
    content = shelf.read(key, contest.NAME)
    if content is None:
        return found
    right = contest.from_bytes(content).right(labels, "rank")
    for arm in contest.ARMS:
        found[arm] = round(100 * float(right[arm].mean()), 2)
        trained = shelf.read(key, factors.name("rank", arm))
        if factors.complete(trained):
            answers = factors.from_bytes(trained).answers
            found[f"{arm}{RETRAINED}".replace("-", "_")] = round(100 * float(np.mean(answers == labels)), 2)
    return found


def shipped(file: Path | None = None) -> list[Row]:
    """The rows of a file, those that ship unless it is given; numbers as numbers."""
    with open(file or FILE, newline="", encoding="utf-8") as lines:
        return [{name: _read(name, text) for name, text in line.items()} for line in csv.DictReader(lines)]


def _read(name: str, text: str) -> Any:
    if name in NUMBERS:
        return NUMBERS[name](text)
    try:
        return (
            float(text)
            if name in ("test_accuracy", "valid_accuracy", "zero") or name.replace("_", "-") in REDUCED
            else text
        )
    except ValueError:
        return text


# -- making them -----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.results", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["mnist", "fashion-mnist-resplit"])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.8, 0.9])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--cache", default="cache")
    parser.add_argument("--without-contest", action="store_true", help="leave claim 3 out")
    parser.add_argument("--cards", action="store_true", help="say what follows from the rows that ship; no runs")
    options = parser.parse_args()
    if options.cards:
        _say_cards()
        return
    store, shelf = Store(options.cache), Shelf(options.cache)
    for ratio in options.ratios:
        for dataset in options.datasets:
            wanted = [
                (arm, spec) for s in options.seeds for arm, spec in specs(dataset, s, ratio, options.rounds).items()
            ]
            there = _trained(store, wanted, options.jobs)
            method = [spec for arm, spec in there if arm == METHOD]
            there += _trained(store, [pair for spec in method for pair in fresh(store, spec).items()], options.jobs)
            _work(list(_pieces(store, there, contests=not options.without_contest)), options.jobs)
            made = (joblib.delayed(row)(store, shelf, arm, spec, ratio, options.rounds) for arm, spec in there)
            _write(joblib.Parallel(n_jobs=options.jobs)(made))


def _say_cards() -> None:
    rows = shipped()
    for setting in cards.settings(rows):
        for claim, words in cards.CLAIMS.items():
            found = cards.card(claim, setting.of(rows))
            _say(f"\n{setting.dataset}, {100 * setting.ratio:g} %, {setting.rounds} rounds. {words}: {found.headline}")
            for decision in found.decisions:
                _say(f"  {decision.sentence}")


def _trained(store: Store, wanted: list[tuple[str, RunSpec]], jobs: int) -> list[tuple[str, RunSpec]]:
    """Trains what is missing; which of the wanted are there. What failed is said."""
    failed = set()
    for number, outcome in enumerate(outcomes([spec for _, spec in wanted], store, jobs), start=1):
        if outcome.finished is None:
            failed.add(outcome.spec)
        text = outcome.reason if outcome.finished is None else f"{100 * outcome.finished.test_accuracy:.2f} %"
        if not outcome.stored:
            _say(f"{number} of {len(wanted)}: {outcome.spec.label()}: {text}")
    return [(arm, spec) for arm, spec in wanted if spec not in failed]


def _pieces(store: Store, there: list[tuple[str, RunSpec]], *, contests: bool) -> Iterator[Callable[[], None]]:
    from core import pieces  # needs torch, which whoever only reads the rows has not

    root = str(store.root)
    for arm, spec in there:
        if arm == METHOD and contests:
            yield joblib.delayed(pieces.hold_contest)(root, spec.key())
            for reduction in contest.ARMS:
                yield joblib.delayed(pieces.retrain)(root, spec.key(), "rank", reduction)
        if arm in JUDGED:
            yield joblib.delayed(pieces.draw_random_cuts)(root, spec.key())


def _work(work: list[Any], jobs: int) -> None:
    for number, _ in enumerate(joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(work), start=1):
        if number % 10 == 0 or number == len(work):
            _say(f"{number} of {len(work)} pieces of work done")


def _write(rows: list[Row]) -> None:
    """Puts the rows into the file; those of the same run are replaced, the others stay."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    mine = {_place(one) for one in rows}
    others = [one for one in (shipped() if FILE.exists() else []) if _place(one) not in mine]
    everything = sorted([*others, *rows], key=_place)
    with open(FILE, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(everything)
    _say(f"{len(everything)} rows in {FILE.parent.name}/{FILE.name}")


def _place(one: Row) -> tuple:
    return one["dataset"], one["ratio"], one["rounds"], one["arm"], one["seed"]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
