"""README's table, tiny: every arm, one row a run, resumable, with the fresh network of the same widths."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from small import digits

from core import experiment
from core.publish import tables
from core.spec import as_released
from core.store import Store

ARMS = ("activation-frequency", "magnitude")


@pytest.fixture
def table(tmp_path, monkeypatch) -> Path:
    """Where the table goes; the arms are two and small."""
    file = tmp_path / "table.csv"
    monkeypatch.setattr(tables, "TABLE", file)

    def specs(dataset, seed, ratio, rounds):
        arms = {
            arm: digits({"criterion": arm, "ratio": ratio, "rounds": rounds}, max_epochs=2, seed=seed) for arm in ARMS
        }
        return {"no pruning": digits(None, max_epochs=2, seed=seed)} | arms

    monkeypatch.setattr(tables, "specs", specs)
    return file


def call(monkeypatch, tmp_path, *more):
    arguments = ["tables", "--datasets", "digits", "--seeds", "0", "--ratio", "0.5", "--rounds", "1", "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--cache", str(tmp_path / "cache"), *more])
    tables.main()


def test_the_table_has_a_row_for_every_arm_and_the_fresh_network(table, tmp_path, monkeypatch, capsys):
    call(monkeypatch, tmp_path)
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    arms = ["activation-frequency", tables.FRESH, "magnitude", "no pruning"]
    assert [row["arm"] for row in rows] == arms
    store = Store(tmp_path / "cache")
    for row in rows:
        final = store.events(row["key"])[-1]
        assert float(row["test_accuracy"]) == round(100 * final.test_accuracy, 2)
        assert float(row["achieved"]) == round(100 * final.network.sparsity(), 2)
        assert row["widths"] == "/".join(str(int(alive.sum())) for alive in final.network.alive())
        assert row["epochs"] == "2" and row["seed"] == "0" and row["ended"] == final.outcome
    by_arm = {row["arm"]: row for row in rows}
    assert by_arm["no pruning"]["widths"] == "24/16" and float(by_arm["no pruning"]["achieved"]) == 0
    fresh = store.open(by_arm[tables.FRESH]["key"]).spec
    assert "/".join(map(str, fresh.hidden)) == by_arm["activation-frequency"]["widths"] and fresh.pruning is None
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_second_call_trains_nothing_and_writes_the_same_table(table, tmp_path, monkeypatch, capsys):
    call(monkeypatch, tmp_path)
    before = table.read_bytes()
    table.unlink()
    monkeypatch.setattr(experiment.Trainer, "epoch", None)
    call(monkeypatch, tmp_path)
    assert table.read_bytes() == before


def test_the_markdown_has_a_line_an_arm_and_trains_nothing(table, tmp_path, monkeypatch, capsys):
    call(monkeypatch, tmp_path, "--seeds", "0", "1")
    capsys.readouterr()
    monkeypatch.setattr(experiment.Trainer, "epoch", None)
    call(monkeypatch, tmp_path, "--markdown")
    lines = capsys.readouterr().out.splitlines()
    arms = [line.split(" | ")[1] for line in lines[2:]]
    assert arms == ["no pruning", "activation-frequency", "magnitude", tables.FRESH]
    assert len({line.count("|") for line in lines}) == 1
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    figures = [row["test_accuracy"] for row in rows if row["arm"] == "magnitude"]
    assert all(figure in lines[4] for figure in figures) and len(rows) == 8


def test_the_arms_are_those_of_the_issue():
    arms = tables.specs("mnist-mini", 2, 0.8, 5)
    assert {"no pruning", tables.RELEASED, *tables.ARMS} == set(arms)
    assert set(tables.ARMS) >= {"activation-frequency", "inactivity-weight", "magnitude", "random-matched"}
    assert all(spec.seed == 2 and spec.dataset == "mnist-mini" for spec in arms.values())
    assert arms["no pruning"].pruning is None and arms[tables.RELEASED] == as_released("mnist-mini", seed=2)
    for criterion in tables.ARMS:
        plan = arms[criterion].pruning
        assert (plan.criterion, plan.ratio, plan.rounds, plan.budget) == (criterion, 0.8, 5, "total")
    assert len({spec.key() for spec in arms.values()}) == len(arms)


def test_the_command_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "core.tables", "--help"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0 and "--seeds" in done.stdout
