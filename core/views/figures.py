"""Plotly figures of stored runs. One colour for one thing everywhere: blue is training, orange validation, red a cut."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

RUN_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: told apart by colour-blind eyes too
RUN_DASHES = ("solid", "dash", "dot", "dashdot")  # and without colour
CUT_COLOUR = "#D62728"


@dataclass(frozen=True)
class Trace:
    """One run's way: a label and its log lines, as `Store.log` gives them."""

    label: str
    log: Sequence[dict[str, Any]]


def _wait_for_pandas() -> None:
    """Plotly asks whether pandas is loaded, and trips over half of it while another session's table loads it. To import it is
    to wait for whoever does."""
    with contextlib.suppress(ImportError):  # Streamlit brings it; where it is not, Plotly does without
        importlib.import_module("pandas")


def accuracy(traces: Sequence[Trace]) -> go.Figure:
    """Validation accuracy of several runs over the epochs, each cut a cross."""
    _wait_for_pandas()
    figure = go.Figure()
    for place, trace in enumerate(traces):
        epochs = [line for line in trace.log if line["kind"] == "EpochEnded"]
        colour, dash = RUN_COLOURS[place % len(RUN_COLOURS)], RUN_DASHES[place % len(RUN_DASHES)]
        figure.add_scatter(
            x=[line["epoch"] for line in epochs],
            y=[100 * line["valid_accuracy"] for line in epochs],
            name=trace.label,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 3},
            hovertemplate="epoch %{x}: %{y:.1f} %<extra></extra>",
        )
        cuts = [line for line in trace.log if line["kind"] == "Pruned"]
        figure.add_scatter(
            x=[line["epoch"] for line in cuts],
            y=[100 * line["accuracy_after"] for line in cuts],
            mode="markers",
            marker={"symbol": "x", "size": 13, "color": CUT_COLOUR, "line": {"color": colour, "width": 2}},
            customdata=[[100 * line["achieved"], 100 * line["accuracy_before"]] for line in cuts],
            hovertemplate=(
                "cut at epoch %{x}: %{customdata[0]:.1f} % of all weights are zero, "
                "validation %{customdata[1]:.1f} → %{y:.1f} %<extra></extra>"
            ),
            showlegend=False,
        )
    figure.update_layout(
        title="Validation accuracy;<br>crosses: right after a cut",
        xaxis={"title": {"text": "epoch", "font": {"size": 20}}, "tickfont": {"size": 18}},
        yaxis={"title": {"text": "validation images right, %", "font": {"size": 20}}, "tickfont": {"size": 18}},
        title_font={"size": 22},
        height=460,
        margin={"l": 70, "r": 20, "t": 80, "b": 60},
        legend={"orientation": "h", "y": -0.22, "font": {"size": 18}},
        hovermode="closest",
    )
    return figure
