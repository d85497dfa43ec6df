"""Every cut of a run beside four models of it, as the page “Against a penalty” draws them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.claims import verdicts
from core.claims.penalty import Cut, compare
from core.claims.random_cuts import Random
from core.claims.spectral_models import RANDOM, models
from core.views import scene


def blob(key: str, run: Sequence[Cut], drawn: Mapping[int, Random], *, moving: bool = False) -> bytes:
    """The blob of the page: per cut and layer the spectra, the models and their distances, and what is seen in words.

    `drawn`: by epoch, as far as they are there. `moving`: the run is still being trained.
    """
    arrays: dict[str, np.ndarray] = {}
    header: dict[str, Any] = {
        "run": key,
        "moving": moving,
        "models": [
            {name: getattr(one, name) for name in ("name", "words", "help", "short", "parameter")} for one in models()
        ],
        "cuts": [_described(arrays, place, cut, drawn.get(cut.epoch)) for place, cut in enumerate(run)],
        "like": verdicts.LIKE,
    }
    return scene.pack(header | {"said": _in_all(header["cuts"])}, arrays)


def _described(arrays: dict[str, np.ndarray], place: int, cut: Cut, random: Random | None) -> dict[str, Any]:
    layers = []
    for layer, likeness in enumerate(compare(cut, random)):
        arrays |= {
            f"before_{place}_{layer}": cut.before[layer].astype(np.float32),
            f"after_{place}_{layer}": cut.after[layer].astype(np.float32),
        }
        described: dict[str, Any] = {
            "name": f"Hidden {layer + 1}",
            "alive": [alive[layer] for alive in cut.alive],
            "nuclear": [float(values[layer].sum(dtype=np.float64)) for values in (cut.before, cut.after)],
            "models": None,
            "nearest": None,
        }
        if likeness is not None:
            models = {
                name: one for name, one in likeness.descriptions.items() if name != RANDOM.name or random is not None
            }
            arrays |= {f"{name}_{place}_{layer}": one.values.astype(np.float32) for name, one in models.items()}
            described["models"] = {
                name: {"parameter": one.parameter, "distance": one.distance} for name, one in models.items()
            }
            described["nearest"] = min(models, key=lambda name: models[name].distance) if random is not None else None
            described["like"] = verdicts.like_a_penalty(likeness) if random is not None else None
            described["grew"] = likeness.grew
        layers.append(described)
    values = {"epoch": cut.epoch, "name": cut.name, "zero": cut.zero, "accuracy": cut.accuracy, "per": cut.per}
    return values | {"layers": layers, "drawn": random is not None, "said": _of_a_cut(cut, layers, random is not None)}


def _of_a_cut(cut: Cut, layers: Sequence[dict[str, Any]], drawn: bool) -> str:
    changed = [layer for layer in layers if layer["models"]]
    opening = f"{cut.name[0].upper()}{cut.name[1:]}, at epoch {cut.epoch}"
    if not changed:
        return f"{opening}, changed the singular values of no hidden layer."
    soft = span(layer["models"]["soft"]["distance"] for layer in changed)
    if not drawn:
        return f"{opening}: a soft threshold leaves {soft} of the change unexplained; random cuts are being drawn."
    random = span(layer["models"]["random"]["distance"] for layer in changed)
    text = f"{opening}: {_nearest(changed, 'layer')}. A soft threshold leaves {soft} of the change unexplained"
    return f"{text}, a random cut of the same size {random}."


def _in_all(described: Sequence[dict[str, Any]]) -> str:
    """One sentence over all cuts and layers that changed; "" for a single one, and while the random cuts are not all there."""
    cases = [layer for cut in described for layer in cut["layers"] if layer["models"]]
    if not cases or not all(cut["drawn"] for cut in described):
        return ""
    nearest = _nearest(cases, "case")
    return f"{nearest[0].upper()}{nearest[1:]} (a layer after a cut each)." if len(cases) > 1 else ""


def _nearest(layers: Sequence[dict[str, Any]], noun: str) -> str:
    """Which model is nearest how often: "the random cut is nearest in 3 of 4 layers, the hard rank cut in 1"."""
    words = {one.name: one.words for one in models()}
    counts = {name: sum(layer["nearest"] == name for layer in layers) for name in words}
    first, *others = sorted((name for name in words if counts[name]), key=lambda name: -counts[name])
    many = f"all {len(layers)} {noun}s" if len(layers) > 1 else f"the one {noun} that changed"
    told = many if not others else f"{counts[first]} of {len(layers)} {noun}s"
    rest = "".join(f", the {words[name]} in {counts[name]}" for name in others)
    return f"the {words[first]} is nearest in {told}{rest}"


def span(shares: Iterable[float]) -> str:
    """Shares as "3 %" or "3 to 7 %"."""
    least, most = (f"{100 * share:.0f}" for share in _extremes(shares))
    return f"{least} %" if least == most else f"{least} to {most} %"


def _extremes(values: Iterable[float]) -> tuple[float, float]:
    listed = list(values)
    return min(listed), max(listed)
