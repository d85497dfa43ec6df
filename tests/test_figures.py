"""Figures hold the log's numbers, with units on the axes, and tell runs apart without colour."""

import os
import subprocess
import sys

from visiting import REPOSITORY

from core.views import figures
from core.views.figures import Trace


def course(label: str, accuracies: list[float], cut_at: int | None = None) -> Trace:
    log = [{"kind": "Started"}]
    for epoch, accuracy in enumerate(accuracies, start=1):
        log.append({"kind": "EpochEnded", "epoch": epoch, "valid_accuracy": accuracy})
        if epoch == cut_at:
            log.append(
                {"kind": "Pruned", "epoch": epoch, "achieved": 0.5, "accuracy_before": accuracy, "accuracy_after": 0.25}
            )
    return Trace(label, log)


def test_accuracy_draws_every_epoch_and_every_cut_in_percent():
    figure = figures.accuracy([course("A", [0.5, 0.75, 0.9], cut_at=2), course("B", [0.6])])
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    crosses = [trace for trace in figure.data if trace.mode == "markers"]
    assert [trace.name for trace in lines] == ["A", "B"]
    assert list(lines[0].x) == [1, 2, 3] and list(lines[0].y) == [50, 75, 90]
    assert list(crosses[0].x) == [2] and list(crosses[0].y) == [25]
    assert list(crosses[0].customdata[0]) == [50, 75] and len(crosses[1].x or ()) == 0
    assert figure.layout.xaxis.title.text == "epoch" and "%" in figure.layout.yaxis.title.text
    assert figure.layout.title.text


def test_runs_differ_in_colour_and_in_dash():
    lines = [t for t in figures.accuracy([course(str(i), [0.5]) for i in range(4)]).data if t.mode == "lines"]
    assert len({trace.line.color for trace in lines}) == len({trace.line.dash for trace in lines}) == 4
    assert figures.CUT_COLOUR not in {trace.line.color for trace in lines}


def test_nothing_to_draw_is_an_empty_figure_and_a_fifth_run_still_has_a_colour():
    assert len(figures.accuracy([]).data) == 0
    assert len(figures.accuracy([course(str(i), []) for i in range(5)]).data) == 10


HALF_LOADED = """
import builtins, sys, threading
builtins.rest_of_pandas = threading.Event()
threading.Thread(target=lambda: __import__("pandas")).start()
while "pandas" not in sys.modules:
    pass
threading.Timer(0.5, builtins.rest_of_pandas.set).start()
from core.views import figures
figures.accuracy([figures.Trace("A", [{"kind": "EpochEnded", "epoch": 1, "valid_accuracy": 0.5}])])
print("drawn")
"""


def test_a_figure_waits_while_another_session_loads_pandas(tmp_path):
    (tmp_path / "pandas.py").write_text(
        "import builtins\nbuiltins.rest_of_pandas.wait(60)\nSeries = Index = DataFrame = type('Series', (), {})\n",
        "utf-8",
    )
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    command = [sys.executable, "-c", HALF_LOADED]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert done.stdout == "drawn\n", done.stderr
