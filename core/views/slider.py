"""Stored atlases of one network as what the stage draws: one blob, one byte a cell, shipped to the browser once.

Dragging the slider then sends nothing: every percent is in it. Layers too wide for the eye are pooled, and the header says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core import collapse, criteria, datasets
from core.atlas import COARSE, Atlas
from core.masks import ByHand, timetable
from core.masks.timetable import STAYS
from core.network import Network
from core.spec import RunSpec
from core.store import StoredRun
from core.store.snapshot import Snapshot
from core.views import scene

MOST_PIXELS = 400_000  # of all hidden layers' pictures together; beyond that, weights are pooled in blocks
PICTURE_QUANTILE = scene.PICTURE_QUANTILE
SEVERAL = 0xFFFF  # in the blob: not one answer to everything
POOL_PER_CLASS = 20  # test images a class among which the inspector looks for those that drive a neuron most
POOL_BYTES = 200_000
SHOWN_IMAGES = 6


def blob(spec: RunSpec, moment: Snapshot, atlas: Atlas, controls: Sequence[Atlas] = (), label: str = "") -> bytes:
    """The blob of the stage: the atlas of one moment of a run, and what stands beside it: magnitude, random draws, others."""
    data = datasets.load(spec.dataset)
    network = moment.state.network()
    magnitude = next((one for one in controls if one.choice.criterion == "magnitude"), None)
    magnitude = None if atlas.choice.criterion == "magnitude" else magnitude
    blocks = _blocks(network)
    arrays: dict[str, np.ndarray] = {
        "correct": atlas.correct.astype(np.uint32),
        "valid_correct": atlas.valid_correct.astype(np.uint32),
        "test_loss": _finite(atlas.test_loss),
        "valid_loss": _finite(atlas.valid_loss),
        **{name: getattr(atlas, name).astype(np.uint32) for name in _WHOLE},
        **{name: getattr(atlas, name).astype(np.uint16) for name in ("alive", "way_out", "rank")},
        **{name: getattr(atlas, name).astype(np.float32) for name in _REAL},
        "confusion": atlas.confusion.astype(np.uint32),
        "answer": answers(atlas, network, data),
    }
    layers = []
    order = _orders(atlas)
    for layer, weight in enumerate(network.weights[:-1]):
        rows, columns = blocks[layer]
        picture, keys = _pooled(
            weight, [atlas.own[layer], *([magnitude.own[layer]] if magnitude else [])], blocks[layer]
        )
        fired = moment.fired[layer]
        arrays |= {
            f"spectrum_{layer}": atlas.spectrum[layer],
            f"goes_{layer}": atlas.goes[layer],
            f"first_{layer}": _first(atlas, network, layer),
            f"score_{layer}": atlas.scores[layer].astype(np.float32),
            f"order_{layer}": order[layer].astype(np.uint16),
            f"fired_{layer}": fired.astype(np.uint32),
            f"by_class_{layer}": scene.byte(moment.fired_by_class[layer] / np.maximum(1, moment.class_sizes)[:, None]),
            f"weight_{layer}": picture,
            f"own_{layer}": keys[0],
        }
        if magnitude:
            arrays[f"magnitude_own_{layer}"] = keys[1]
        living = atlas.goes[layer] > 0
        score = atlas.scores[layer][living]
        per_neuron = criteria.get(atlas.choice.criterion).per == "neuron" and score.size
        layers.append(
            {
                "name": f"Hidden {layer + 1}",
                "inputs": int(weight.shape[1]),
                "units": int(weight.shape[0]),
                "rows": int(picture.shape[0]),
                "columns": int(picture.shape[1]),
                "block": [rows, columns],
                "top": float(atlas.top[layer]),
                "tolerance": float(atlas.spectral[0, layer]) * max(weight.shape) * float(np.finfo(np.float32).eps),
                "mean": float(score.mean()) if per_neuron else None,
                "std": float(score.std()) if per_neuron else None,
            }
        )
    pool_note = _add_pool(arrays, network, data)
    found_by_name: dict[str, list[Atlas]] = {}
    for one in controls:
        if one.choice.criterion != atlas.choice.criterion:
            found_by_name.setdefault(one.choice.criterion, []).append(one)
    shown = list(found_by_name.items())
    arrays |= {
        f"control_{name}": np.stack([a.correct.sum(axis=1) for a in found]).astype(np.uint32) for name, found in shown
    }
    known = criteria.get(atlas.choice.criterion)
    total = sum(weight.size for weight in network.weights)
    biases = sum(bias.size for bias in network.biases)
    header: dict[str, Any] = {
        "run": atlas.choice.run,
        "epoch": atlas.choice.epoch,
        "criterion": known.name,
        "scope": atlas.choice.scope,
        "draw": atlas.choice.draw,
        "dataset": spec.dataset,
        "run_label": label or spec.label(),
        "criterion_label": known.label,
        "criterion_help": known.help,
        "per": known.per,
        "seen": int(moment.seen),
        "start": _start(atlas, total),
        "start_achieved": float(atlas.zeros[0]) / total,
        "layers": layers,
        "classes": list(data.class_names),
        "class_sizes": np.bincount(data.y_test, minlength=len(data.class_names)).tolist(),
        "image_shape": list(data.image_shape) if data.image_shape else None,
        "test_images": len(data.y_test),
        "valid_images": len(data.y_valid),
        "weights": total,
        "hidden_weights": total - network.weights[-1].size,
        "dense_bytes": 4 * (total + biases),
        "dense_multiply_adds": total,
        "coarse": list(COARSE),
        "batch": atlas.batch,
        "machine": atlas.machine,
        "magnitude": magnitude is not None,
        "controls": [{"name": name, "label": criteria.get(name).label, "draws": len(found)} for name, found in shown],
        "activation_note": f"of {int(moment.class_sizes.sum()):,} validation images",
        "pool_note": pool_note,
        "notes": _notes(atlas, moment, network),
    }
    arrays |= {"dense_ms": atlas.dense_ms.astype(np.float32), "shrunk_ms": atlas.shrunk_ms.astype(np.float32)}
    return scene.pack(header, arrays)


_WHOLE = (
    "zeros", "zeros_hidden", "pca_correct", "svd_correct", "multiply_adds", "shrunk_multiply_adds", "shrunk_bytes",
    "sparse_bytes",
)  # fmt: skip
_REAL = ("stable", "effective", "nuclear", "spectral", "frobenius")


def answers(atlas: Atlas, network: Network, data: datasets.Dataset) -> np.ndarray:
    """`(P,)` uint16: the class that every validation and every test image gets at a percent, SEVERAL where they get more than
    one. The atlas counts what is right: where that may be one answer's, the cut network itself is asked, shrunk, so that it
    is quick."""
    sizes, valid_sizes = (np.bincount(y, minlength=len(data.class_names)) for y in (data.y_test, data.y_valid))
    found = np.full(len(atlas.zeros), SEVERAL, np.uint16)
    table = timetable.with_own(atlas.own, network, atlas.redundancy)
    for at in range(len(found)):
        right = np.flatnonzero(atlas.correct[at])
        whole = not right.size or (right.size == 1 and atlas.correct[at, right[0]] == sizes[right[0]])
        if whole and int(atlas.valid_correct[at]) in valid_sizes:
            cut = table.masks(at).apply(network).shrink()
            said = {collapse.only_answer(cut.predict(x)) for x in (data.x_valid, data.x_test)}
            if len(said) == 1 and None not in said:
                found[at] = said.pop()
    return found


def _start(atlas: Atlas, total: int) -> int:
    """The last percent before the slider cuts anything: where the stored network stands already, rounded down. Where nothing
    is left to cut, 99 at most, so that the slider keeps a way to go."""
    cuts = np.flatnonzero(atlas.zeros > atlas.zeros[0])
    return int(cuts[0]) - 1 if cuts.size else min(99, 100 * int(atlas.zeros[0]) // total)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0, posinf=np.finfo(np.float32).max).astype(np.float32)


def _orders(atlas: Atlas) -> list[np.ndarray]:
    """Per layer the units, the first to go first, those that are dead already last."""
    return [np.lexsort((score, goes, goes == 0)) for score, goes in zip(atlas.scores, atlas.goes, strict=True)]


def _first(atlas: Atlas, network: Network, layer: int) -> np.ndarray:
    """`(units,)` uint8: the percent at which the neuron loses its first weight; 0 for one that is dead already."""
    own = atlas.own[layer]
    lost = np.where(own > 0, own, STAYS)
    if layer:
        ends = atlas.goes[layer - 1]
        lost = np.minimum(lost, np.where((own > 0) & (ends > 0), ends, STAYS))
    return np.where(atlas.goes[layer] == 0, 0, lost.min(axis=1, initial=STAYS)).astype(np.uint8)


def _blocks(network: Network) -> list[tuple[int, int]]:
    """Per hidden layer how many rows and columns of weights one pixel stands for."""
    shapes = [weight.shape for weight in network.weights[:-1]]
    size = 1
    while sum(math.ceil(rows / size) * math.ceil(columns / size) for rows, columns in shapes) > MOST_PIXELS:
        size += 1
    return [(size, size)] * len(shapes)


def _pooled(weight: np.ndarray, owns: list[np.ndarray], block: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The layer's picture, 128 = 0, and when each pixel goes: of a block the largest weight, and the last to go."""
    scale = float(np.quantile(np.abs(weight), PICTURE_QUANTILE)) or 1.0
    bytes_ = np.clip(np.round(weight / scale * 127) + 128, 1, 255)
    picture = np.where((weight != 0) & (bytes_ == 128), 128 + np.sign(weight), bytes_).astype(np.uint8)
    if block == (1, 1):
        return picture, owns
    rows, columns = (-size % each for size, each in zip(weight.shape, block, strict=True))

    def tiles(array: np.ndarray, fill: int) -> np.ndarray:
        padded = np.pad(array, ((0, rows), (0, columns)), constant_values=fill)
        high, wide = padded.shape[0] // block[0], padded.shape[1] // block[1]
        return padded.reshape(high, block[0], wide, block[1]).swapaxes(1, 2).reshape(high, wide, -1)

    pictures = tiles(picture, 128)
    largest = np.abs(pictures.astype(np.int16) - 128).argmax(axis=2)[..., None]
    return np.take_along_axis(pictures, largest, axis=2)[..., 0], [tiles(own, 0).max(axis=2) for own in owns]


def _add_pool(arrays: dict[str, np.ndarray], network: Network, data: datasets.Dataset) -> str:
    """Adds a pool of test images and which of them drive each neuron most, before any cut; returns what the pool is."""
    classes = len(data.class_names)
    each = min(POOL_PER_CLASS, POOL_BYTES // max(1, classes * data.x_test.shape[1]))
    if not data.image_shape or each < 1 or math.prod(data.image_shape) != data.x_test.shape[1]:
        return ""
    chosen = np.concatenate([np.flatnonzero(data.y_test == label)[:each] for label in range(classes)])
    images = data.x_test[chosen]
    arrays |= {"pool": scene.byte(images), "pool_label": data.y_test[chosen].astype(np.uint8)}
    for layer, active in enumerate(network.activations(images)):
        best = np.argsort(-active, axis=0, kind="stable")[:SHOWN_IMAGES].T
        arrays[f"top_{layer}"] = best.astype(np.uint16)
        arrays[f"top_value_{layer}"] = np.take_along_axis(active.T, best, axis=1).astype(np.float32)
    return f"of {len(chosen)} test images, the first {each} of each class"


def _notes(atlas: Atlas, moment: Snapshot, network: Network) -> list[str]:
    notes = []
    if not moment.seen and criteria.get(atlas.choice.criterion).counts:
        notes.append(
            "Nothing was counted yet at this epoch, so all neurons tie and go in the order in which they stand."
        )
    for layer, alive in enumerate(network.alive(), start=1):
        if not alive.any():
            notes.append(f"Hidden layer {layer} is dead in the stored network: every image gets the same answer.")
    if atlas.redundancy == "released":
        notes.append("Redundancy as in the released code: the output layer keeps its weights.")
    if atlas.min_units:
        notes.append(f"At least {atlas.min_units} neurons of each layer are kept, as in the run's own settings.")
    return notes


def marks(spec: RunSpec, runs: Sequence[tuple[StoredRun, scene.Log]]) -> list[dict[str, Any]]:
    """Finished runs of the same network (data, widths, start, training) that were cut while they trained: where each ended.

    kind "rounds": cut by plan; "branch": cut by hand at some epoch, then trained on. accuracy: test accuracy at the end.
    """
    found = []
    for run, log in runs:
        ended = next((line for line in log if line["kind"] == "Finished"), None)
        if not (run.finished and run.spec and ended and scene.achieved(log)) or _untouched(run.spec) != _untouched(
            spec
        ):
            continue
        cuts = [cut for cut in (run.spec.pruning, *run.spec.hand_cuts) if cut]
        found.append(
            {
                "key": run.key,
                "label": getattr(cuts[-1], "criterion", None) or "by hand",
                "kind": "branch" if run.spec.hand_cuts else "rounds",
                "achieved": scene.achieved(log),
                "accuracy": ended["test_accuracy"],
                "note": run.label,
            }
        )
    return found


def _untouched(spec: RunSpec) -> RunSpec:
    """The run as it would be without any cut."""
    return dataclasses.replace(spec, pruning=None, hand_cuts=(), parent=None, max_epochs=1)


def by_hand(network: Network, atlas: Atlas, data: datasets.Dataset, percent: int, hand: ByHand) -> dict[str, Any]:
    """What the network does at a percent with neurons killed and spared on top: counted, not looked up."""
    table = timetable.with_own(atlas.own, network, atlas.redundancy)
    chosen = table.masks(percent, hand)
    cut = chosen.apply(network)
    said = cut.predict(data.x_test)
    answer = collapse.only_answer(said)
    return {
        "percent": percent,
        "achieved": chosen.achieved,
        "achieved_hidden": chosen.achieved_hidden,
        "accuracy": float(np.mean(said == data.y_test)),
        "answer": None if answer is None else data.class_names[answer],
        "alive": [int(alive.sum()) for alive in cut.alive()],
    }
