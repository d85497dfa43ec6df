"""The tables of docs/low-rank.md: `python -m core.claims`. Stop it and start it as you like: what is made is not made again.

Per data set and seed: a pruned run, its standard twin and two controls; the contest and its nine retrained reductions; the
search for the penalty of the same nuclear norm. Networks are in the cache, on full data; rows go to core/data/claims.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from core import spectra
from core.artifacts import Artifact, Sources
from core.artifacts.kept import Artifacts
from core.claims import (
    budgets,
    pca,
    penalty,
    penalty_search,
    random_cuts,
    reductions,
    spectral_history,
    spectral_models,
    standing,
    verdicts,
)
from core.datasets import load
from core.events import EpochEnded, Finished
from core.judge import results
from core.network import Network
from core.publish.tables import arguments, joined
from core.spec import PruningSpec, RunSpec
from core.store import Store
from core.sweep import run_many
from core.views import pca as pca_view

FOLDER = Path(__file__).parents[1] / "data" / "claims"
METHOD = "activation-frequency"
ARMS = (METHOD, "random-matched", "magnitude")
INTERVALS = (1, 50, 200)  # N of the penalty, compared on the embedded data
Row = dict[str, Any]


def specs(dataset: str, seed: int, ratio: float, rounds: int) -> dict[str, RunSpec]:
    """The pruned run and its controls, and the standard twin."""
    plans = {name: PruningSpec(criterion=name, ratio=ratio, rounds=rounds) for name in ARMS}
    runs = {name: RunSpec(dataset=dataset, seed=seed, pruning=plan) for name, plan in plans.items()}
    return runs | {"no pruning": pca.twin(runs[METHOD])}


def _work(store: Store, groups: list[dict[str, RunSpec]]) -> list[list[Artifact]]:
    """All that is to be made, the longest first."""
    keys = [runs[METHOD].key() for runs in groups]
    work: list[list[Artifact]] = [[penalty_search.SearchOf(key)] for key in keys]
    work += [[one] for key in keys for matching in budgets.MATCHINGS for one in reductions.of_matching(key, matching)]
    work += [[pca.ContestOf(key)] for key in keys]
    of_cuts = [(results.JUDGED[0], runs[arm]) for runs in groups for arm in ARMS]
    return work + [group for arm, spec in of_cuts for group in results.of_claims(store, arm, spec, contests=False)]


# -- the rows --------------------------------------------------------------------------------------------------------


def low_rank_rows(store: Store, artifacts: Artifacts, runs: dict[str, RunSpec]) -> Iterator[Row]:
    """Claim 2: per arm, the rank beside the live width and beside random cuts of the same size, and after retraining."""
    for arm in ARMS:
        spec, key = runs[arm], runs[arm].key()
        made = spectral_history.judged(artifacts, Sources(store), key)
        network, final = store.network(key), store.events(key)[-1]
        cases = [case for epoch in made.cut_epochs() for case in spectral_history.of_cut(made, epoch)]
        last = made.at(made.cut_epochs()[-1])
        yield {
            **_named(spec, arm),
            "test_accuracy": _percent(final.test_accuracy),
            "zero": _percent(network.sparsity()),
            "verdict": spectral_history.verdict(made).word,
            "lower": sum(bool(case.signs) for case in cases),
            "cases": len(cases),
            "effective_to_random": _mean_ratio([(case.effective, case.random_effective.mean()) for case in cases]),
            "stable_to_random": _mean_ratio([(case.stable, case.random_stable.mean()) for case in cases]),
            "live_width": _list(min(live) for live in made.at(made.epochs()[-1]).live),
            "rank": _list(_spectra(network, "rank")),
            "effective": _list(_spectra(network, "effective_rank"), 1),
            "effective_after_last_cut": _list(
                (spectra.from_values(v, s).effective_rank for v, s in zip(last.values, made.shapes, strict=True)), 1
            ),
            "ended": final.outcome,
            "key": key,
        }


def contest_rows(store: Store, artifacts: Artifacts, runs: dict[str, RunSpec]) -> Iterator[Row]:
    """Claim 3: per matching and arm, ranks, stored numbers, and accuracy without and with retraining."""
    spec, key = runs[METHOD], runs[METHOD].key()
    sources = Sources(store)
    made = artifacts.get(pca.ContestOf(key), sources)
    labels = load(spec.dataset).y_test
    for matching in budgets.MATCHINGS:
        after = {(matching, one.arm): artifacts.get(one, sources) for one in reductions.of_matching(key, matching)}
        unfit = standing.of_pair(store, key, store, pca.twin(spec).key())
        verdict = pca_view.verdict(made, after, labels, matching, unfit)
        right = made.right(labels, matching)
        for arm in budgets.ARMS:
            row, trained = made.row(matching, arm), after[matching, arm]
            yield {
                **_named(spec, METHOD),
                "matching": matching,
                "reduction": arm,
                "pruned": _percent(right["pruned"].mean()),
                "standard": _percent(np.mean(made.standard == labels)),
                "reduced": _percent(right[arm].mean()),
                "retrained": _percent(np.mean(trained.answers == labels)),
                "epochs": trained.epochs,
                "requested_rank": _list(made.ranks[row]),
                "true_rank": _list(made.true[budgets.ARMS.index(arm), row]),
                "true_rank_retrained": _list(trained.true),
                "numbers": int(made.costs(arm)[row].sum()),
                "numbers_pruned": sum(layer.budget("numbers") for layer in made.layers),
                "multiply_adds_pruned": sum(layer.budget("multiply-adds") for layer in made.layers),
                "verdict": verdict.word,
                "sentence": verdict.sentence,
                "key": key,
            }


def penalty_rows(store: Store, artifacts: Artifacts, runs: dict[str, RunSpec]) -> Iterator[Row]:
    """Claim 4, first half: per arm, how much of the change of the singular values four descriptions leave unexplained."""
    for arm in ARMS:
        spec, key = runs[arm], runs[arm].key()
        cuts = penalty.cuts(store, spec, key)
        randoms = random_cuts.of_cuts(key, [cut.epoch for cut in cuts])
        drawn = penalty.by_epoch(artifacts.get(one, Sources(store)) for one in randoms)
        found = [one for cut in cuts for one in penalty.compare(cut, drawn[cut.epoch]) if one is not None]
        like = [verdicts.like_a_penalty(one) for one in found]
        unexplained = {
            name: round(float(np.median([one.descriptions[name].distance for one in found])), 3)
            for name in (one.name for one in spectral_models.models())
        }
        yield {
            **_named(spec, arm),
            "verdict": penalty.verdict(cuts, drawn).word,
            "like": sum(one is True for one in like),
            "cases": sum(one is not None for one in like),
            **unexplained,
            "key": key,
        }


def strength_rows(store: Store, artifacts: Artifacts, runs: dict[str, RunSpec]) -> Iterator[Row]:
    """Claim 4, second half: the network whose penalty ends with the pruned one's nuclear norm, beside the pruned one."""
    spec, key = runs[METHOD], runs[METHOD].key()
    found = artifacts.get(penalty_search.SearchOf(key), Sources(store))
    pruned, final = store.network(key), store.events(key)[-1]
    row = _named(spec, METHOD) | {"goal": round(found.goal, 2), "tries": len(found.tries), "problem": found.problem}
    row |= {"pruned_accuracy": _percent(final.test_accuracy), "pruned_zero": _percent(pruned.sparsity())}
    row |= {"pruned_rank": _list(_spectra(pruned, "rank"))}
    row |= {"pruned_effective": _list(_spectra(pruned, "effective_rank"), 1)}
    if found.found is None:
        yield row | {"key": key}
        return
    best = found.tries[found.found]
    network = store.network(best.key)
    yield row | {
        "strength": f"{best.strength:.4g}",
        "nuclear": round(best.nuclear, 2),
        "penalised_accuracy": _percent(best.test_accuracy),
        "without_accuracy": _percent(found.tries[0].test_accuracy),
        "penalised_zero": _percent(best.zero),
        "penalised_alive": _list(best.alive),
        "penalised_rank": _list(_spectra(network, "rank")),
        "penalised_effective": _list(_spectra(network, "effective_rank"), 1),
        "epochs": found.epochs,
        "key": best.key,
    }


def interval_rows(store: Store, jobs: int) -> Iterator[Row]:
    """On the embedded data: the same penalty taken after every N training steps."""
    pruned = RunSpec()
    *_, _ = run_many([pruned], store, 1)
    found = Artifacts(store.root).ensure(penalty_search.SearchOf(pruned.key()), Sources(store))
    wanted = {
        every: penalty_search.spec_of(pruned, found.tries[found.found].strength, found.epochs, every)
        for every in INTERVALS
    }
    for _ in run_many(list(wanted.values()), store, jobs):
        pass
    for every, spec in wanted.items():
        events = store.events(spec.key())
        network = events[-1].network
        epochs = [event.seconds for event in events if isinstance(event, EpochEnded)]
        yield {
            **_named(spec, f"λ = {spec.penalty.strength:.4g}"),
            "every": every,
            "nuclear": round(penalty_search.nuclear(network), 2),
            "test_accuracy": _percent(events[-1].test_accuracy),
            "effective": _list(_spectra(network, "effective_rank"), 1),
            "seconds_an_epoch": round(float(np.median(epochs)), 2),
            "key": spec.key(),
        }


def _named(spec: RunSpec, arm: str) -> Row:
    return {"dataset": spec.dataset, "arm": arm, "seed": spec.seed}


def _percent(share: float) -> float:
    return round(100 * float(share), 2)


def _list(values: Any, places: int = 0) -> str:
    return "/".join(f"{value:.{places}f}" for value in values)


def _spectra(network: Network, name: str) -> Iterator[float]:
    return (getattr(spectra.spectrum(weight), name) for weight in network.weights[:-1])


def _mean_ratio(pairs: list[tuple[float, float]]) -> float | str:
    """The geometric mean; "" of nothing."""
    return "" if not pairs else round(float(np.exp(np.mean([np.log(a / b) for a, b in pairs if a > 0 and b > 0]))), 3)


# -- the tables ------------------------------------------------------------------------------------------------------

TABLES = {
    "low-rank": low_rank_rows,
    "contest": contest_rows,
    "penalty": penalty_rows,
    "strength": strength_rows,
}
TOLD_APART = ("dataset", "matching", "reduction", "arm", "every")  # rows alike in all of these are seeds of one line
SHOWN = {  # the columns of the page's tables, with their words
    "low-rank": {
        "test_accuracy": "test accuracy, %",
        "verdict": "verdict",
        "lower": "cases lower",
        "cases": "of",
        "effective_to_random": "effective rank after a cut / after random ones",
        "live_width": "live width at the end",
        "rank": "rank",
        "effective_after_last_cut": "effective rank after the last cut",
        "effective": "at the end",
    },
    "contest": {
        "matching": "matched by",
        "reduction": "reduction",
        "requested_rank": "requested rank",
        "true_rank": "true rank",
        "standard": "twin, whole, %",
        "pruned": "pruned, %",
        "reduced": "reduced, %",
        "retrained": "and retrained, %",
        "verdict": "verdict",
    },
    "penalty": {
        "verdict": "verdict",
        "like": "cases like a penalty",
        "cases": "of",
        "soft": "soft threshold",
        "hard": "hard rank cut",
        "scaling": "scaling",
        "random": "random cut",
    },
    "strength": {
        "strength": "λ",
        "goal": "nuclear norm, pruned",
        "nuclear": "penalised",
        "pruned_accuracy": "test accuracy, pruned, %",
        "penalised_accuracy": "penalised, %",
        "without_accuracy": "neither, %",
        "pruned_zero": "zero, pruned, %",
        "penalised_zero": "penalised, %",
        "pruned_effective": "effective rank, pruned",
        "penalised_effective": "penalised",
        "penalised_rank": "rank, penalised",
    },
    "interval": {
        "every": "N",
        "nuclear": "nuclear norm",
        "test_accuracy": "test accuracy, %",
        "effective": "effective rank",
    },
}


def markdown(table: str) -> str:
    """A table's file as Markdown: one line per data set and arm, one figure per seed, or one where all seeds agree."""
    with open(FOLDER / f"{table}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {"dataset": "data", "arm": "arm"} | SHOWN[table]
    if table in ("contest", "strength"):
        del columns["arm"]  # all rows are of one
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name, "") for name in TOLD_APART), []).append(row)
    lines = [f"| {' | '.join(columns.values())} |", f"|{'---|' * len(columns)}"]
    lines += [
        f"| {' | '.join(joined([row[name] for row in group]) for name in columns)} |" for group in groups.values()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = arguments("core.claims", __doc__)
    parser.add_argument("--markdown", choices=SHOWN, help="print one table as the page has it; no runs")
    options = parser.parse_args()
    if options.markdown:
        sys.stdout.write(markdown(options.markdown))
        return
    store, artifacts = Store(options.cache), Artifacts(options.cache)
    groups = [specs(d, seed, options.ratio, options.rounds) for seed in options.seeds for d in options.datasets]
    for spec, finished in run_many([spec for runs in groups for spec in runs.values()], store, options.jobs):
        _say(f"{spec.label()}: {finished.test_accuracy * 100:.2f} %")
        assert isinstance(finished, Finished)
    work = _work(store, groups)
    calls = (joblib.delayed(results.ensure)(str(store.root), group) for group in work)
    done = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")(calls)
    for number, _ in enumerate(done, start=1):
        _say(f"{number} of {len(work)} pieces of work done")
    for name, rows_of in TABLES.items():
        _write(name, [row for runs in groups for row in rows_of(store, artifacts, runs)])
    _write("interval", list(interval_rows(store, options.jobs)))


def _write(name: str, rows: list[Row]) -> None:
    order = ("dataset", "matching", "reduction", "arm", "every", "seed")
    rows.sort(key=lambda row: [f"{row.get(name, ''):>9}" for name in order])
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    _say(f"{len(rows)} rows in {FOLDER.name}/{name}.csv")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
