"""Runs over seeds as rows, and `python -m core.results`, which makes those that ship. Stop it and start it as you like.

Per data set, ratio and seed: every criterion and control, an unpruned network, and two fresh small ones. What ships lies in
core/data/results: one row a run, with what it was made on.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from core import collapse, criteria, datasets, spectra
from core.arithmetic import UNRECORDED
from core.artifacts import Artifact, Sources
from core.artifacts.kept import Artifacts
from core.claims import pca, random_cuts, reductions, spectral_history
from core.claims import penalty as penalties
from core.claims.spectral_history import HistoryOf
from core.datasets import Dataset
from core.judge import questions
from core.judge.questions import FRESH_EPOCHS, FRESH_TARGET, METHOD, Row, Setting
from core.spec import BASELINES, PruningSpec, RunSpec
from core.statistics.mcnemar import REDUCTIONS, RETRAINED
from core.store import Store, StoreError
from core.sweep import outcomes

FILE = Path(__file__).parents[1] / "data" / "results" / "runs.csv"
CRITERIA = tuple(
    name for name in criteria.names() if not criteria.get(name).needs & {"inputs", "gradients"}
)  # the paper's, and the controls
JUDGED = (METHOD, "random-matched")  # of which every run is judged on claims 2 and 4
NO_PRUNING = "no pruning"
REDUCED = tuple(name + tail for tail in ("", RETRAINED) for name in REDUCTIONS)
WHOLE = {"seed", "images", "rounds", "epochs", "length"}  # columns of whole numbers
SHARES = {"ratio", "test_accuracy", "cut_accuracy", "valid_accuracy", "zero", "requested"}


def specs(setting: Setting, seed: int) -> dict[str, RunSpec]:
    """The arms that do not depend on another arm's result: every criterion, the paper's other baselines, no pruning."""
    plan = PruningSpec(ratio=setting.ratio, rounds=setting.rounds, budget=setting.budget)
    plans = {name: replace(plan, criterion=name) for name in CRITERIA}
    plans |= {name: replace(plan, **changes) for name, (changes, _) in BASELINES.items()}
    how = {} if setting.length is None else {"ending": "epochs", "max_epochs": setting.length}
    runs = {name: RunSpec(dataset=setting.dataset, seed=seed, pruning=one, **how) for name, one in plans.items()}
    return runs | {NO_PRUNING: pca.twin(runs[METHOD])}


def fresh(store: Store, spec: RunSpec) -> dict[str, RunSpec]:
    """The unpruned networks of the final widths of a stored pruned run: to the same target, and with the same epochs. {} where
    a layer died."""
    key = spec.key()
    widths = tuple(int(alive.sum()) for alive in store.network(key).alive())
    if not all(widths):
        return {}
    return _fresh(spec, widths, store.open(key).last_epoch)


def _fresh(spec: RunSpec, widths: tuple[int, ...], epochs: int) -> dict[str, RunSpec]:
    small = replace(spec, hidden=widths, pruning=None)
    # A target that is never reached; of runs of one length both are the same.
    same = {"target_accuracy": 1.0, "max_epochs": epochs} if spec.ending == "target" else {}
    return {FRESH_TARGET: small, FRESH_EPOCHS: replace(small, **same)}


def spec_of(row: Row, rows: Sequence[Row]) -> RunSpec:
    """The spec whose run a row reports. `rows`: where the row of the pruned network stands that a fresh one copies. Raises
    ValueError where that one is missing, a layer of it died, or the arm is unknown."""
    setting, seed, arm = Setting.of_row(row), row["seed"], row["arm"]
    known = specs(setting, seed)
    if arm in (FRESH_TARGET, FRESH_EPOCHS):
        copied = [one for one in setting.of(rows) if (one["arm"], one["seed"]) == (METHOD, seed) and one["widths"]]
        widths = tuple(map(int, copied[0]["widths"].split("/"))) if copied else (0,)
        if not all(widths):
            raise ValueError(
                f"no row of seed {seed} says which widths {arm} copies: its pruned network is missing or died"
            )
        return _fresh(known[METHOD], widths, copied[0]["epochs"])[arm]
    if arm not in known:
        raise ValueError(f"the arm {arm!r} is unknown: allowed are {', '.join((*known, FRESH_TARGET, FRESH_EPOCHS))}")
    spec = known[arm]
    if spec.pruning is None or row.get("requested", "") == "":
        return spec
    return replace(spec, pruning=replace(spec.pruning, ratio=round(row["requested"] / 100, 6)))


def row(store: Store, artifacts: Artifacts, arm: str, spec: RunSpec, setting: Setting) -> Row:
    """The stored result of one run as a row; figures of the other claims where they are kept, else ""."""
    key = spec.key()
    final, done = store.events(key)[-1], store.provenance(key)
    network, data = final.network, datasets.load(spec.dataset)
    answer = collapse.only_answer(network.predict(data.x_valid))
    made = setting.columns() | {
        "arm": arm,
        "seed": spec.seed,
        "requested": round(100 * spec.pruning.ratio, 4) if spec.pruning else "",
        "test_accuracy": round(100 * final.test_accuracy, 2),
        "cut_accuracy": _after_the_last_cut(store, key, data),
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
        "cuts": _cuts(store, key, spec),
        "constant": "" if answer is None else collapse.in_words(answer, data.class_names),
    }
    made |= _judged(store, artifacts, key, spec) | _reduced(store, artifacts, key, data.y_test)
    versions = ", ".join(f"{name} {number}" for name, number in sorted(done["versions"].items()))
    device = " ".join(str(done[name]) for name in ("device", "device_name", "number_type"))
    source = {"device": device, "versions": f"{versions}, engine {done['engine']}"}
    source |= {name: done.get(name, UNRECORDED) for name in ("family", "processor")}
    return made | source | {"data": data.fingerprint, "date": str(datetime.date.today()), "key": key}


def _cuts(store: Store, key: str, spec: RunSpec) -> str:
    """How many of the planned cuts were made, "3/5"; "" where none was planned."""
    made = sum(line["kind"] == "Pruned" and line["round"] is not None for line in store.log(key))
    return f"{made}/{spec.pruning.rounds}" if spec.pruning else ""


def _after_the_last_cut(store: Store, key: str, data: Dataset) -> float | str:
    """Test accuracy in % before anything was trained on; "" where nothing was cut or that moment is gone."""
    cuts = [line["epoch"] for line in store.log(key) if line["kind"] == "Pruned"]
    if not cuts:
        return ""
    try:
        network = store.snapshot(key, cuts[-1]).state.network()
    except StoreError:
        return ""
    return round(100 * network.accuracy(data.x_test, data.y_test), 2)


def _judged(store: Store, artifacts: Artifacts, key: str, spec: RunSpec) -> Row:
    if spec.pruning is None:
        return {"low_rank": "", "penalty": ""}
    history = spectral_history.judged(artifacts, Sources(store), key)
    if spectral_history.lacking(history):
        return {"low_rank": "", "penalty": ""}
    cuts = penalties.cuts(store, spec, key)
    return {
        "low_rank": spectral_history.verdict(history).word,
        "penalty": penalties.verdict(cuts, penalties.by_epoch(history.randoms)).word,
    }


def _reduced(store: Store, artifacts: Artifacts, key: str, labels: np.ndarray) -> Row:
    found: Row = {name.replace("-", "_"): "" for name in REDUCED}
    sources = Sources(store)
    held = artifacts.get(pca.ContestOf(key), sources)
    if held is None:
        return found
    right = held.right(labels, "rank")
    for one in reductions.of_matching(key, "rank"):
        found[one.arm] = round(100 * float(right[one.arm].mean()), 2)
        if artifacts.there(one, sources):
            answers = artifacts.get(one, sources).answers
            found[f"{one.arm}{RETRAINED}".replace("-", "_")] = round(100 * float(np.mean(answers == labels)), 2)
    return found


def shipped(file: Path | None = None) -> list[Row]:
    """The rows of a file, those that ship unless it is given; numbers as numbers."""
    with open(file or FILE, newline="", encoding="utf-8") as lines:
        return [{name: _read(name, text) for name, text in line.items()} for line in csv.DictReader(lines)]


def _read(name: str, text: str) -> Any:
    if text == "":
        return text
    if name in WHOLE:
        return int(text)
    return float(text) if name in SHARES or name.replace("_", "-") in REDUCED else text


# -- making them -----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.results", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["mnist", "fashion-mnist-resplit"])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.8, 0.9])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", default=[*CRITERIA, *BASELINES, NO_PRUNING], help="but the fresh networks")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--cache", default="cache")
    parser.add_argument("--without-contest", action="store_true", help="leave claim 3 out")
    parser.add_argument("--cards", action="store_true", help="say what follows from the rows that ship; no runs")
    options = parser.parse_args()
    if options.cards:
        _say_cards()
        return
    store, artifacts = Store(options.cache), Artifacts(options.cache)
    for ratio in options.ratios:
        for dataset in options.datasets:
            setting = Setting(dataset, ratio, options.rounds)
            every = ((seed, specs(setting, seed)) for seed in options.seeds)
            wanted = [(arm, spec) for _, arms in every for arm, spec in arms.items() if arm in options.arms]
            there = _trained(store, wanted, options.jobs)
            method = [spec for arm, spec in there if arm == METHOD]
            there += _trained(store, [pair for spec in method for pair in fresh(store, spec).items()], options.jobs)
            _work(list(_pieces(store, there, contests=not options.without_contest)), options.jobs)
            made = (joblib.delayed(row)(store, artifacts, arm, spec, setting) for arm, spec in there)
            _write(joblib.Parallel(n_jobs=options.jobs)(made))


def _say_cards() -> None:
    rows = shipped()
    for setting in questions.settings(rows):
        for claim, words in questions.CLAIMS.items():
            found = questions.card(claim, setting.of(rows))
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
    for arm, spec in there:
        for group in of_claims(store, arm, spec, contests=contests):
            yield joblib.delayed(ensure)(str(store.root), group)


def of_claims(store: Store, arm: str, spec: RunSpec, *, contests: bool = True) -> list[list[Artifact]]:
    """What claims 2 to 4 need of a run, in groups that are made one after the other, each in any process."""
    key, found = spec.key(), []
    if arm == METHOD and contests:
        found += [[one] for one in (pca.ContestOf(key), *reductions.of_matching(key, "rank"))]
    if arm in JUDGED:
        epochs = dict.fromkeys(line["epoch"] for line in store.log(key) if line["kind"] == "Pruned")
        found.append([HistoryOf(key), *random_cuts.of_cuts(key, list(epochs))])
    return found


def ensure(root: str, wanted: Sequence[Artifact]) -> None:
    """Makes what is not there of the runs in the store in `root`, in this process. Raises ValueError where it cannot be."""
    artifacts, sources = Artifacts(root), Sources(Store(root))
    for one in wanted:
        artifacts.ensure(one, sources)


def _work(work: list[Any], jobs: int) -> None:
    for number, _ in enumerate(joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(work), start=1):
        if number % 10 == 0 or number == len(work):
            _say(f"{number} of {len(work)} pieces of work done")


def _write(rows: list[Row]) -> None:
    """Puts the rows into the file; those of the same run are replaced, the others stay."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    mine = {_place(one) for one in rows}
    others = [one for one in (shipped() if FILE.exists() else []) if _place(one) not in mine]
    everything = sorted([*others, *rows], key=lambda one: (str(Setting.of_row(one)), one["arm"], one["seed"]))
    with open(FILE, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(everything)
    _say(f"{len(everything)} rows in {FILE.parent.name}/{FILE.name}")


def _place(one: Row) -> tuple:
    return Setting.of_row(one), one["arm"], one["seed"]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
