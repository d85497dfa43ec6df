"""A stored moment of a run as what the live elements draw: a header of words and numbers, and one byte a cell.

A blob is 4 bytes of header length, the header as JSON, then arrays, each on a multiple of 8. Small enough to be sent to a whole
class several times a second; the pictures of incoming weights, ten times as large, only come along when asked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core import collapse, criteria, datasets, recipe, spectra
from core.criteria import Evidence
from core.network import Network
from core.spec import RunSpec
from core.store import Store
from core.store.snapshot import Snapshot

ALIVE, NEWEST_DEAD, OLDER_DEAD, NO_WAY_OUT = 0, 1, 2, 3
PICTURE_QUANTILE = 0.999  # of abs(values) in a layer: what counts as full colour, so that one outlier dims nothing
Log = Sequence[dict[str, Any]]


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Header and arrays as one blob; `header["arrays"]` says where each array lies."""
    table, offset, bodies = {}, 0, []
    for name, array in arrays.items():
        array = np.ascontiguousarray(array)
        table[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        body = array.tobytes()
        body += b"\0" * (-len(body) % 8)
        bodies.append(body)
        offset += len(body)
    text = json.dumps(header | {"arrays": table}, allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return len(text).to_bytes(4, "little") + text + b"".join(bodies)


# -- the learning curves --------------------------------------------------------------------------------------------


def curves(spec: RunSpec, key: str, log: Log, *, title: str, shown_epoch: int | None = None, finished: bool) -> bytes:
    """The blob of the learning curves: all epochs of the log, with cuts; `shown_epoch` puts the scrubber's line."""
    epochs = [line for line in log if line["kind"] == "EpochEnded"]
    cuts = [_without(line, "kind", "crc", "alive") for line in log if line["kind"] == "Pruned"]
    done = sum(cut["round"] is not None for cut in cuts)
    names = ("train_accuracy", "valid_accuracy", "train_loss", "valid_loss")
    header = {
        "title": title,
        "run": key,
        "epoch": [line["epoch"] for line in epochs],
        **{name: [_finite(line[name]) for line in epochs] for name in names},
        "cuts": cuts,
        "target": spec.target,
        "thresholds": [] if finished else [due for due in recipe.thresholds(spec)[done:] if due],
        "max_epochs": spec.max_epochs,
        "shown_epoch": shown_epoch if shown_epoch is not None else (epochs[-1]["epoch"] if epochs else 0),
        "finished": finished,
    }
    return pack(header, {})


def _but(spec: RunSpec, reason: str) -> str:
    """Why the run's end is no success though its target is reached, "" where it may be one."""
    if not reason.startswith("target reached"):
        return ""
    try:
        words = datasets.about(spec.dataset).of_target(spec.target)
    except ValueError:  # the data are gone or damaged since
        return ""
    return f" But {words}." if words else ""


def sentence(spec: RunSpec, log: Log) -> str:
    """What is happening, from the log alone: "Epoch 12: 94.1 % of training images right; next cut at 95.2 %."."""
    final = next((line for line in log if line["kind"] == "Finished"), None)
    if final:
        said = f"{final['reason'][0].upper()}{final['reason'][1:]}. Test accuracy {final['test_accuracy'] * 100:.1f} %."
        return said + _but(spec, final["reason"])
    epochs = [line for line in log if line["kind"] == "EpochEnded"]
    if not epochs:
        return "The start weights are drawn; the first epoch is under way." if log else "Nothing has been trained yet."
    last = epochs[-1]
    text = f"Epoch {last['epoch']}: {last['train_accuracy'] * 100:.1f} % of training images right"
    cuts = [line for line in log if line["kind"] == "Pruned"]
    if cuts and cuts[-1]["epoch"] == last["epoch"]:
        cut = cuts[-1]
        name = "cut by hand" if cut["round"] is None else f"cut {cut['round']} of {spec.pruning.rounds}"
        text += f"; {name} just made"
    now = next(line for line in log[::-1] if line["kind"] in ("EpochEnded", "Pruned"))
    if now.get("answer") is not None:
        text += f"; it {collapse.in_words(now['answer'], shape_of(spec.dataset)[1])}"
    due = recipe.thresholds(spec)
    done = sum(cut["round"] is not None for cut in cuts)
    if done < len(due):
        when = f"{due[done] * 100:.1f} %" if due[done] else "the end of the next epoch"
        return f"{text}; next cut at {when}."
    made = "all cuts are made, " if due else ""
    if due and spec.pruning.rewind:
        made += "what is left began again at its start weights, "
    goal = f"{spec.target * 100:g} %" if spec.ending == "target" else f"epoch {spec.max_epochs}"
    return f"{text}; {made}trains on to {goal}."


def achieved(log: Log) -> float:
    """The share of all weights that is zero now, 0..1."""
    return next((line["achieved"] for line in log[::-1] if line["kind"] == "Pruned"), 0.0)


def epochs_to_go(spec: RunSpec, log: Log) -> int | None:
    """About how many epochs are left to the target; None where there is no trend towards it within the epoch limit.

    The training error of the last epochs is extended as an exponential decay; cuts to come are not foreseen, so this is the
    least that is left until the last cut is made.
    """
    epochs = [line for line in log if line["kind"] == "EpochEnded"]
    cuts = [line["epoch"] for line in log if line["kind"] == "Pruned"]
    since = [line for line in epochs if not cuts or line["epoch"] > cuts[-1]][-8:]
    if len(since) < 3 or spec.ending == "epochs":
        return None
    left = spec.max_epochs - epochs[-1]["epoch"]
    errors = np.log([max(1 - line["train_accuracy"], 1e-4) for line in since])
    slope = np.polyfit(np.arange(len(errors)), errors, 1)[0]
    goal = math.log(max(1 - spec.target, 1e-4))
    if errors[-1] <= goal:
        return min(left, 1)
    to_go = math.ceil((goal - errors[-1]) / slope) if slope < 0 else left + 1
    return to_go if to_go <= left else None


# -- the neuron board -----------------------------------------------------------------------------------------------


def board(store: Store, spec: RunSpec, key: str, epoch: int, *, pictures: bool = False) -> bytes:
    """The blob of the neuron board at the end of `epoch`. Raises StoreError if that moment is not stored."""
    now = store.snapshot(key, epoch)
    log = [line for line in store.log(key) if line.get("epoch", epoch) <= epoch]
    cuts = [line for line in log if line["kind"] == "Pruned"]
    network = now.state.network()
    newest = store.snapshot(key, cuts[-1]["epoch"]).before_cut().alive() if cuts else network.alive()
    start = store.snapshot(key, 0).spectra[0]
    order = _order(spec, now, network)
    uncut = now.before_cut() if now.cuts else None
    arrays: dict[str, np.ndarray] = {}
    layers = []
    ways_out = network.with_way_out()
    fed = np.ones(network.weights[0].shape[1], bool)  # which units of the layer before are alive
    for layer, alive in enumerate(network.alive()):
        weight = network.weights[layer]
        frequency = now.fired[layer] / max(1, now.seen)
        colour_scale = uncut.alive()[layer] if uncut else alive  # before and after a cut, one scale
        living = frequency[colour_scale] if colour_scale.any() else np.zeros(1)
        low, high = float(living.min()), float(living.max())
        state = np.where(alive, np.where(ways_out[layer], ALIVE, NO_WAY_OUT), OLDER_DEAD)
        state[~alive & newest[layer]] = NEWEST_DEAD
        arrays |= {
            f"rate_{layer}": byte((frequency - low) / (high - low) if high > low else frequency * 0 + 0.5),
            f"share_{layer}": byte(now.state.kept[layer][:, fed].mean(axis=1) if fed.any() else alive * 0.0),
            f"state_{layer}": state.astype(np.uint8),
            f"order_{layer}": order[layer].astype(np.uint16),
            f"frequency_{layer}": frequency.astype(np.float32),
            f"by_class_{layer}": byte(now.fired_by_class[layer] / np.maximum(1, now.class_sizes)[:, None]),
            f"start_values_{layer}": start[layer].astype(np.float32),
        }
        described = {
            "name": f"Hidden {layer + 1}",
            "units": int(alive.size),
            "alive": int(alive.sum()),
            "way_out": int(ways_out[layer].sum()),
            "live_in": int(fed.sum()),
            "low_rate": low,
            "high_rate": high,
        }
        first = spectra.from_values(start[layer], weight.shape)
        described |= {"start_rank": first.rank, "start_nuclear": first.nuclear}
        if now.spectra:
            values = spectra.from_values(now.spectra[-1][layer], weight.shape)
            names = ("rank", "stable_rank", "effective_rank", "nuclear")
            described |= {name: getattr(values, name) for name in names}
            arrays[f"values_{layer}"] = now.spectra[-1][layer].astype(np.float32)
        if uncut:
            described |= _before_cut(arrays, layer, now, uncut)
        layers.append(described)
        fed = alive
    image_shape, classes = shape_of(spec.dataset)
    if pictures and image_shape:
        arrays |= {f"picture_{layer}": image for layer, image in enumerate(_pictures(network))}
    if uncut:
        before_order = _order(spec, now, uncut)
        arrays |= {f"before_order_{layer}": units.astype(np.uint16) for layer, units in enumerate(before_order)}
    here = [cut for cut in cuts if cut["epoch"] == epoch]
    header = {
        "run": key,
        "epoch": epoch,
        "layers": layers,
        "classes": list(classes),
        "image_shape": list(image_shape) if image_shape else None,
        "fired_note": f"of the {now.seen:,} training images counted so far" if now.seen else "nothing is counted yet",
        "criterion_label": criteria.get(spec.pruning.criterion).label if spec.pruning else "firing frequency",
        "order_label": _ORDER_LABELS.get(_ranking(spec), _ORDER_LABELS["magnitude"]),
        "cut": _merged(here) if here else None,
        "zero": {name: cuts[-1][name] for name in ("requested", "achieved", "achieved_hidden")} if cuts else None,
    }
    return pack(header, arrays)


def _before_cut(arrays: dict[str, np.ndarray], layer: int, now: Snapshot, uncut: Network) -> dict[str, int]:
    """Adds what the board shows of a layer right before the cut of this moment."""
    alive, way_out = uncut.alive()[layer], uncut.with_way_out()[layer]
    fed = uncut.alive()[layer - 1] if layer else np.ones(uncut.weights[0].shape[1], bool)
    kept = uncut.weights[layer][:, fed] != 0
    arrays |= {
        f"before_values_{layer}": now.spectra[0][layer].astype(np.float32),
        f"before_share_{layer}": byte(kept.mean(axis=1) if fed.any() else alive * 0.0),
        f"before_state_{layer}": np.where(alive, np.where(way_out, ALIVE, NO_WAY_OUT), OLDER_DEAD).astype(np.uint8),
    }
    return {"before_alive": int(alive.sum()), "before_way_out": int(way_out.sum())}


_SHAPES: dict[str, tuple[tuple[int, int] | None, tuple[str, ...]]] = {}


def shape_of(dataset: str) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """`(image_shape, class_names)` of a data set; reads it once."""
    if dataset not in _SHAPES:
        data = datasets.load(dataset)
        _SHAPES[dataset] = data.image_shape, data.class_names
    return _SHAPES[dataset]


_ORDER_LABELS = {
    "activation-frequency": "quietest go first",
    "inactivity": "busiest go first",
    "magnitude": "smallest mean |score| first",
}


def _ranking(spec: RunSpec) -> str:
    """The criterion that orders the board: the run's own where it can be told from counts and weights, else firing."""
    if spec.pruning is None:
        return "activation-frequency"
    ranking = criteria.get(spec.pruning.criterion)
    return "activation-frequency" if ranking.needs else ranking.name


def _order(spec: RunSpec, now: Snapshot, network: Network) -> list[np.ndarray]:
    """Per layer the units, the next to go first, the dead ones at the end."""
    scores = criteria.scores(_ranking(spec), Evidence(network, now.fired, now.seen))
    orders = []
    for score, alive in zip(scores, network.alive(), strict=True):
        if score.ndim == 2:
            score = score.sum(axis=1) / np.maximum(1, np.count_nonzero(score, axis=1))
        orders.append(np.lexsort((score, ~alive)))
    return orders


def _pictures(network: Network) -> list[np.ndarray]:
    """Per hidden layer `(units, features)` uint8, 128 = 0: incoming weights; deeper layers as linear back-projections."""
    images, through = [], None
    for weight in network.weights[:-1]:
        with np.errstate(over="ignore", invalid="ignore"):  # what diverged beyond numbers is drawn as nothing
            product = weight if through is None else weight @ through
        through = np.nan_to_num(product, posinf=0.0, neginf=0.0)
        scale = float(np.quantile(np.abs(through), PICTURE_QUANTILE)) or 1.0
        images.append(np.clip(through / scale * 127 + 128, 0, 255).astype(np.uint8))
    return images


def byte(share: np.ndarray) -> np.ndarray:
    """Shares 0..1 as uint8 0..255; NaN as 0."""
    return np.clip(np.round(np.nan_to_num(share) * 255), 0, 255).astype(np.uint8)


def _merged(cuts: list[dict[str, Any]]) -> dict[str, Any]:
    """Several cuts at one epoch as one: what the first found and the last left."""
    merged = _without(cuts[-1], "kind", "crc", "alive", "checksum")
    return merged | {"accuracy_before": cuts[0]["accuracy_before"]}


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
