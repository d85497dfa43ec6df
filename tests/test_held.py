"""Tests that steer a run, or other work, under way hold it: read off their source, so that a new one that races is found here.

What is seen: a button or a command that is of use only while something is under way, in a test that holds nothing,
and long runs where workers train. What is not: a test that merely looks in time. `SLOW_HAND=300 pytest -m browser` finds those.
"""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
STEERS = {"Pause", "Step", "Next cut", "Stop", "STOP", "pause", "step", "next-cut", "stop", "SIGKILL"}
HOLDS = re.compile(r"\bgates\b|pause_at_cuts|StopAt|Steering\(|deadly|def kill|monkeypatch\.setattr\(services\.board")
TRAIN_IN_WORKERS = ("*_browser.py", "*_page.py", "test_pages.py", "test_jobs.py", "test_processes.py", "test_worker.py",
                    "test_sweep.py", "test_dask.py")  # fmt: skip
MOST_EPOCHS = 50


def named(node: ast.AST) -> set[str]:
    """The constants and names among a call's arguments."""
    words = [*node.args, *(keyword.value for keyword in node.keywords)]
    return {getattr(word, "value", None) or getattr(word, "id", None) or getattr(word, "attr", None) for word in words
            if isinstance(word, (ast.Constant, ast.Name, ast.Attribute))}  # fmt: skip


def steering(test: ast.FunctionDef) -> set[str]:
    """What the test presses, commands or kills that only something under way has."""
    found = set()
    for call in ast.walk(test):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            if call.func.attr in ("press", "command", "get_by_role", "kill", "click"):
                found |= {word for word in named(call) if isinstance(word, str)} & STEERS
    return found


def unheld(source: str) -> list[str]:
    """The tests of a file that steer what they do not hold."""
    tests = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"]
    return [test.name for test in tests if steering(test) and not HOLDS.search(ast.get_source_segment(source, test))]


def long_runs(source: str) -> list[int]:
    """Lengths of runs, in epochs, that are there to be long: in specs, in their dicts and in links."""
    lengths = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "max_epochs" and isinstance(node.value, ast.Constant):
            lengths.append(node.value.value)
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            lengths += [
                value.value
                for key, value in pairs
                if getattr(key, "value", "") == "max_epochs" and isinstance(value, ast.Constant)
            ]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            lengths += map(int, re.findall(r"\b(?:max_)?epochs=(\d+)", node.value))
    return [length for length in lengths if isinstance(length, int) and length > MOST_EPOCHS]


@pytest.mark.parametrize("file", sorted(TESTS.glob("test_*.py")), ids=lambda file: file.stem)
def test_who_steers_what_is_under_way_holds_it(file):
    assert unheld(file.read_text("utf-8")) == [], "hold it at a gate (tests/holding.py), however long it trains"


@pytest.mark.parametrize(
    "file", sorted({file for name in TRAIN_IN_WORKERS for file in TESTS.glob(name)}), ids=lambda file: file.stem
)
def test_no_run_of_a_worker_is_there_to_be_long(file):
    assert long_runs(file.read_text("utf-8")) == [], (
        "hold it at a gate (tests/holding.py): long is short on a fast machine"
    )


RACES = """
def test_one(ann):
    ann.press("Start")
    ann.press("Stop")

def test_two(board):
    board.start(digits(max_epochs=5000), "ann", pace=0.3)
    board.command("key", "ann", "pause")

def test_three(ann, server):
    ann.visit("?hidden=24-16&epochs=3000")
    ann.page.get_by_role("button", name=STOP).click()
"""


def test_races_of_these_kinds_are_seen():
    assert unheld(RACES) == ["test_one", "test_two", "test_three"]
    assert sorted(long_runs(RACES)) == [3000, 5000]
