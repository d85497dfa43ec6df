"""The benchmark runs and prints every row; how long things take is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

from bench import atlas, cuts, penalty, step
from bench.measure import Arm, interleaved


def test_the_quick_run_prints_every_row():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rows = [step.OURS, *step.AUTOGRAD, step.LOADER, step.LIMIT, "peer: autograd", "a DataLoader loop takes"]
    rows += [f"{name}: choose{more}" for name in cuts.CRITERIA for more in (" ", ", spectra of both sides")]
    rows += [f"{name}: {arm}" for name in atlas.CRITERIA for arm in (atlas.OURS, atlas.DIRECT)]
    rows += [penalty.WITHOUT, *(penalty.name(every) for every in penalty.EVERY)]
    rows += ["mnist-mini, 640 test images"]
    for row in [*rows, "torch ", "numpy ", "one thread"]:
        assert row in done.stdout, row
    assert len(re.findall(r"their answers differ on at most [01] test images at any percent", done.stdout)) == 2


def test_arms_take_turns_and_ratios_are_taken_round_by_round():
    calls = []
    arms = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4 and [len(arm.seconds) for arm in arms] == [3, 3]
    assert Arm("x", (2.0, 6.0, 4.0)).times(Arm("y", (1.0, 2.0, 4.0))).split() == ["2.00", "×", "(1.00..3.00)"]
    assert Arm("x", (0.002, 0.006, 0.004)).milliseconds().strip() == "4.0 ms (2.0..6.0)"


def test_only_one_section_runs_where_one_is_asked_for():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--only", "cuts"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "magnitude: choose" in done.stdout and step.OURS not in done.stdout and atlas.OURS not in done.stdout
