"""The singular values of a run over its moments, as the page “Low rank” draws them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from core import spectra
from core.claims.random_cuts import FIGURES, RandomCuts
from core.claims.spectral_history import History, Log, Moment, missing
from core.masks import random_cuts
from core.spec import RunSpec
from core.views import scene

MOST_VALUES = 1_500_000  # in a blob; beyond it, epochs between the cuts are left out
NEXT = 3  # epochs after a cut that are never left out: does the rank come back?


def blob(spec: RunSpec, history: History, log: Log, *, label: str, finished: bool) -> bytes:
    """The history as `scene.pack` has it.

    Singular values of all moments and layers lie one after the other in `values`, zeros at their ends left out: those of
    moment m and layer l from `place[m · L + l]` to the next place. Figures are `(moments, layers)`. `bulk` holds Marchenko and
    Pastur's values for variance 1, `bulk_of` which of them belongs to a moment and layer. `random_values` are mean, least and
    most of each layer for each cut in `header["cuts"]` whose `random` is true; `random_figures` `(cuts, layers, 6, 3)`.
    """
    shown, note = _shown(history)
    cuts = _cuts(spec, history, shown, log, finished)
    figures = np.array(
        [[_figures_of(moment, layer, history) for layer in range(len(history.shapes))] for moment in shown]
    )
    figures = figures.reshape(len(shown), len(history.shapes), len(FIGURES) + 1)
    values, place = _ragged(
        [moment.values[layer] if moment.values else () for moment in shown for layer in range(len(history.shapes))]
    )
    bulks = sorted({live for moment in shown for live in moment.live})
    bulk, bulk_place = _ragged([_unit_bulk(*live) for live in bulks])
    known = [history.random(cut["epoch"]) for cut in cuts]
    random, random_place = _ragged(
        [
            row
            for one in known
            for layer in range(len(history.shapes))
            for row in (one.values[layer] if one else ((),) * 3)
        ]
    )
    arrays = {
        "epoch": np.array([moment.epoch for moment in shown], np.uint16),
        "stage": np.array([moment.stage for moment in shown], np.uint16),
        "values": values,
        "place": place,
        "tolerance": figures[..., -1].astype(np.float32),
        **{name: figures[..., i].astype(np.float32) for i, name in enumerate(FIGURES)},
        "live": np.array([moment.live for moment in shown], np.uint16),  # (moments, layers, 2): rows, columns
        "bulk": bulk,
        "bulk_place": bulk_place,
        "bulk_of": np.array([bulks.index(live) for moment in shown for live in moment.live], np.uint16),
        "random_values": random,
        "random_place": random_place,
        "random_figures": _random_figures(known, len(history.shapes)),
    }
    lines = [line for line in log if line["kind"] == "EpochEnded"]
    header = {
        "run": history.key,
        "label": label,
        "title": scene.sentence(spec, log),
        "layers": [
            {"name": f"Hidden {layer + 1}", "units": rows, "inputs": columns}
            for layer, (rows, columns) in enumerate(history.shapes)
        ],
        "moments": len(shown),
        "cuts": cuts,
        "last_epoch": lines[-1]["epoch"] if lines else 0,
        "finished": finished,
        "drops": _drops(history, shown, cuts),
        "randoms": all(known),
        "notes": [text for text in (missing(history, log), note) if text],
        "draws": random_cuts.DRAWS,
    }
    return scene.pack(header, arrays)


def _shown(history: History) -> tuple[list[Moment], str]:
    """The moments that fit into a blob, and a sentence on those that do not."""
    per_moment = max(1, sum(min(shape) for shape in history.shapes))
    cuts = set(history.cut_epochs())
    epochs = history.epochs()
    most = max(2, MOST_VALUES // per_moment)
    if len(history.moments) <= most:
        return list(history.moments), ""
    following = {
        epochs[i + k]
        for i, epoch in enumerate(epochs)
        if epoch in cuts
        for k in range(1, NEXT + 1)
        if i + k < len(epochs)
    }
    always = cuts | following | {epochs[0], epochs[-1]}
    step = -(-(len(epochs)) // max(1, most - len(always)))
    chosen = always | set(epochs[::step])
    left = [moment for moment in history.moments if moment.epoch in chosen]
    return left, f"The layers are large: between cuts, one epoch in {step} is shown."


def _cuts(spec: RunSpec, history: History, shown: Sequence[Moment], log: Log, finished: bool) -> list[dict[str, Any]]:
    places = {(moment.epoch, moment.stage): place for place, moment in enumerate(shown)}
    epochs = history.cut_epochs()
    found = []
    for number, epoch in enumerate(epochs):
        lines = [line for line in log if line["kind"] == "Pruned" and line["epoch"] == epoch]
        rounds = ["by hand" if line["round"] is None else str(line["round"]) for line in lines]
        after = max(stage for at, stage in places if at == epoch)
        following = epochs[number + 1] if number + 1 < len(epochs) else None
        later = places[following, 0] if following is not None else len(shown) - 1
        if later <= places[epoch, after] or not shown[later].values:
            later = None
        end = f"at the end, epoch {shown[-1].epoch}" if finished else f"so far, epoch {shown[-1].epoch}"
        found.append(
            {
                "epoch": epoch,
                "name": f"cut {' and '.join(rounds)}" if rounds else "cut",
                "before": places[epoch, 0],
                "after": places[epoch, after],
                "later": later,
                "later_words": f"before the next cut, epoch {following}" if following is not None else end,
                "achieved": lines[-1]["achieved"] if lines else None,
                "accuracy_before": lines[0]["accuracy_before"] if lines else None,
                "accuracy_after": lines[-1]["accuracy_after"] if lines else None,
                "random": history.random(epoch) is not None,
            }
        )
    return found


def _drops(history: History, shown: Sequence[Moment], cuts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each figure, all layers added up, from the start to the last moment: what training did before the first cut, what the
    cuts did (and what random cuts would have), what training did after them. None where a part is not known."""
    if not cuts:
        return []
    at = {
        place: _sums(history, shown[place])
        for cut in cuts
        for place in (0, cut["before"], cut["after"], len(shown) - 1)
    }
    random = [history.random(cut["epoch"]) for cut in cuts]
    found = []
    for i, name in enumerate(FIGURES):
        start, first, end = at[0][i], at[cuts[0]["before"]][i], at[len(shown) - 1][i]
        took = sum(at[cut["after"]][i] - at[cut["before"]][i] for cut in cuts)
        randoms = [
            sum(layer[:, i].mean() for layer in one.figures) - at[cut["before"]][i] if one else np.nan
            for one, cut in zip(random, cuts, strict=True)
        ]
        parts = {"start": start, "training": first - start, "cuts": took, "random": sum(randoms)}
        parts |= {"back": end - first - took, "end": end}
        found.append({"name": name} | {part: float(v) if np.isfinite(v) else None for part, v in parts.items()})
    return found


def _sums(history: History, moment: Moment) -> np.ndarray:
    return np.sum([_figures_of(moment, layer, history)[:-1] for layer in range(len(history.shapes))], axis=0)


def _figures_of(moment: Moment, layer: int, history: History) -> list[float]:
    if not moment.values:
        return [np.nan] * (len(FIGURES) + 1)
    spectrum = spectra.from_values(moment.values[layer], history.shapes[layer])
    return [*(getattr(spectrum, name) for name in FIGURES), spectrum.tolerance]


def _ragged(lists: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of values as one, zeros at their ends left out, and where each begins; one place more than lists."""
    cut = [np.trim_zeros(np.asarray(values, np.float32), "b") for values in lists]
    place = np.concatenate([[0], np.cumsum([values.size for values in cut])]) if cut else np.zeros(1)
    return (np.concatenate(cut) if cut else np.zeros(0, np.float32)), place.astype(np.uint32)


@lru_cache(maxsize=512)
def _unit_bulk(rows: int, columns: int) -> np.ndarray:
    return spectra.marchenko_pastur(rows, columns, 1.0).astype(np.float32)


def _random_figures(known: Sequence[RandomCuts | None], layers: int) -> np.ndarray:
    found = np.full((len(known), layers, len(FIGURES), 3), np.nan, np.float32)
    for place, one in enumerate(known):
        for layer, figures in enumerate(one.figures if one else ()):
            found[place, layer] = np.stack([figures.mean(0), figures.min(0), figures.max(0)], axis=1)
    return found
