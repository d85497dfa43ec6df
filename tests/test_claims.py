"""The command behind docs/low-rank.md, on runs of a second; the page's tables are those of the files that are committed."""

import csv
import dataclasses
import re
import sys

import numpy as np
import pytest
from small import digits
from visiting import REPOSITORY

from core import spectra
from core.claims import pca
from core.publish import claims
from core.store import Store

SPEC = digits(hidden=(20, 12), max_epochs=8)


def small_specs(dataset, seed, ratio, rounds):
    plan = dataclasses.replace(SPEC.pruning, ratio=ratio, rounds=rounds)
    runs = {
        name: dataclasses.replace(SPEC, seed=seed, pruning=dataclasses.replace(plan, criterion=name))
        for name in claims.ARMS
    }
    return runs | {"no pruning": pca.twin(runs[claims.METHOD])}


def run_command(monkeypatch, root, *options):
    monkeypatch.setattr(sys, "argv", ["claims", "--datasets", "digits", "--cache", str(root / "cache"), *options])
    claims.main()


def rows_of(folder, name):
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("claims")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        patch.setattr(claims, "FOLDER", root / "rows")
        patch.setattr(claims, "specs", small_specs)
        patch.setattr(claims, "RunSpec", lambda: SPEC)
        patch.setattr(claims, "INTERVALS", (50, 1))
        run_command(patch, root, "--seeds", "0", "--ratio", "0.6", "--rounds", "3", "--jobs", "1")
        before = {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*") if path.is_file()}
        rows = {name: (root / "rows" / f"{name}.csv").read_text("utf-8") for name in claims.SHOWN}
        run_command(patch, root, "--seeds", "0", "--ratio", "0.6", "--rounds", "3", "--jobs", "1")
        again = {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*") if path.is_file()}
    changed = {path.name for path in again if before.get(path) != again[path]}
    return root, rows, changed


def test_a_second_run_makes_nothing_again_and_ends_with_the_same_rows(made):
    root, rows, changed = made
    assert not {name for name in changed if not name.endswith(".lock")}
    assert rows == {name: (root / "rows" / f"{name}.csv").read_text("utf-8") for name in claims.SHOWN}


def test_the_rows_are_of_the_stored_networks(made):
    root = made[0]
    store = Store(root / "cache")
    low = {row["arm"]: row for row in rows_of(root / "rows", "low-rank")}
    assert set(low) == set(claims.ARMS)
    for arm, row in low.items():
        spec = small_specs("digits", 0, 0.6, 3)[arm]
        network = store.network(spec.key())
        ranks = [np.linalg.matrix_rank(weight) for weight in network.weights[:-1]]
        assert row["rank"] == "/".join(map(str, ranks)) and row["key"] == spec.key()
        assert float(row["zero"]) == pytest.approx(100 * network.sparsity(), abs=0.006)
        assert float(row["test_accuracy"]) == pytest.approx(100 * store.events(spec.key())[-1].test_accuracy, abs=0.006)
    contests = rows_of(root / "rows", "contest")
    assert len(contests) == 9 and len({(row["matching"], row["reduction"]) for row in contests}) == 9
    assert {row["pruned"] for row in contests} == {low[claims.METHOD]["test_accuracy"]}
    for row in contests:
        if row["matching"] == "rank" and row["reduction"] != "pca":
            assert row["requested_rank"] == row["true_rank"] == row["true_rank_retrained"] == low[claims.METHOD]["rank"]
    [found] = rows_of(root / "rows", "strength")
    networks = {
        name: store.network(key) for name, key in (("goal", low[claims.METHOD]["key"]), ("nuclear", found["key"]))
    }
    for name, network in networks.items():
        total = sum(spectra.spectrum(weight).nuclear for weight in network.weights[:-1])
        assert float(found[name]) == pytest.approx(total, abs=0.006)


def test_the_intervals_are_the_same_penalty(made):
    root = made[0]
    rows = rows_of(root / "rows", "interval")
    assert [row["every"] for row in rows] in (["50", "1"], ["1", "50"])
    specs = [Store(root / "cache").open(row["key"]).spec for row in rows]
    assert len({spec.penalty.strength for spec in specs}) == 1 and {spec.penalty.every for spec in specs} == {50, 1}


@pytest.mark.parametrize("table", claims.SHOWN)
def test_the_pages_tables_are_those_of_the_files(table):
    page = (REPOSITORY / "docs" / "low-rank.md").read_text("utf-8")
    [shown] = re.findall(rf"<!-- {table} -->\n(.*?)<!-- /{table} -->", page, flags=re.DOTALL)
    assert shown == claims.markdown(table)


def test_the_shipped_rows_are_those_that_were_asked_for():
    wanted = {(d, str(seed)) for d in ("mnist", "fashion-mnist-resplit") for seed in range(3)}
    for table in claims.TABLES:
        rows = rows_of(claims.FOLDER, table)
        assert {(row["dataset"], row["seed"]) for row in rows} == wanted, table
        for row in rows:
            assert all(row[name] for name in ("dataset", "seed", "key"))
