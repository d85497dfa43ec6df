"""The PCA contest as the page draws it: figures of every arm at every rank, and the digits on which two networks part.

Everything that a move of the cursor changes is in the blob, so that nothing is sent while it moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from core import collapse
from core.claims import budgets, verdicts
from core.claims.budgets import ARMS, MATCHINGS
from core.claims.factors import Retrained
from core.claims.pca import Contest
from core.datasets import Dataset
from core.statistics.words import Verdict
from core.views import scene

LABELS = {"pca": "PCA", "svd": "SVD", "aware": "Activation-aware"}
HELP = {
    "pca": "the paper's: the mean and the first principal components of the weight matrix",
    "svd": "the nearest weight matrix of that rank",
    "aware": "of that rank the nearest to what the layer puts out on the training images",
}
MATCHED = {"rank": "Same rank", "numbers": "Same stored numbers", "multiply-adds": "Same multiply-adds"}
AT = {  # in the verdict's sentence
    "rank": "the same rank per layer",
    "numbers": "the same stored numbers per layer",
    "multiply-adds": "the same multiply-adds per layer",
}
SHOWN = 6  # images each way, the first in the test file's order: none is picked
NOBODY = 0xFFFF  # in the blob: no image; a pool is never so large
After = Mapping[tuple[str, str], Retrained]  # by matching and arm


def verdict(of: Contest, after: After, labels: np.ndarray, matching: str, objection: str = "") -> Verdict:
    """The verdict on the claim at one matching; an arm counts as retrained once its training is complete. objection: why one of
    the two runs is none to judge, as far as its answers here do not say it."""
    right = of.right(labels, matching)
    for arm in ARMS:
        found = after.get((matching, arm))
        if found is not None and found.complete and not found.problem:
            right[arm + verdicts.RETRAINED] = found.answers == labels
    return verdicts.contest(right, AT[matching], objection or _one_answer(of))


def _one_answer(of: Contest) -> str:
    named = {"The pruned network": of.pruned, "The standard network": of.standard}
    constant = [name for name, said in named.items() if collapse.only_answer(said) is not None]
    return f"{constant[0]} gives every test image the same answer, so there is nothing to compare." if constant else ""


def blob(of: Contest, after: After, data: Dataset, label: str, epochs: tuple[int, int]) -> bytes:
    """The blob of the page. `label`: the run's. `epochs`: how long the pruned network was trained in all, and of that after
    its first cut."""
    labels = data.y_test
    complete = {place: one for place, one in after.items() if one.complete and not one.problem}
    networks = [of.answers.reshape(-1, len(labels)), *(one.answers[None] for one in complete.values())]
    answers = np.concatenate(networks)
    counts, images = _apart(of.pruned, answers, labels)
    pool = np.unique(images[images >= 0]).astype(np.int64)
    places = np.searchsorted(pool, images).astype(np.uint16)
    said = np.take_along_axis(answers, np.maximum(images, 0).reshape(len(answers), -1), axis=1)
    rows = of.answers.shape[1]
    pictured = bool(data.image_shape) and math.prod(data.image_shape) == data.x_test.shape[1]
    arrays: dict[str, np.ndarray] = {
        "ranks": of.ranks,
        "true": of.true,
        "cost": np.stack([of.costs(arm) for arm in ARMS]).astype(np.uint32),
        "correct": (of.answers == labels).sum(axis=2).astype(np.uint32),
        "valid": of.valid_correct.astype(np.uint32),
        "counts": counts.astype(np.uint32),  # (networks, 2): only the pruned one is right, only the other
        "images": np.where(images < 0, NOBODY, places).astype(np.uint16),  # (networks, 2, SHOWN), of the pool
        "said": said.reshape(images.shape).astype(np.uint16),
        "pool": scene.byte(data.x_test[pool]) if pictured else np.zeros((0, 0), np.uint8),
        "pool_place": pool.astype(np.uint32),
        "pool_label": labels[pool].astype(np.uint16),
        "pool_pruned": of.pruned[pool].astype(np.uint16),
    }
    for a, arm in enumerate(ARMS):
        for layer in range(len(of.layers)):
            arrays[f"energy_{arm}_{layer}"] = _shares(of.energy[a * len(of.layers) + layer])
    header: dict[str, Any] = {
        "run": of.run,
        "label": label,
        "arms": [{"name": arm, "label": LABELS[arm], "help": HELP[arm]} for arm in ARMS],
        "matchings": [{"name": name, "label": MATCHED[name]} for name in MATCHINGS],
        "layers": [_layer(at, one) for at, one in enumerate(of.layers, start=1)],
        "curve": of.curve.tolist(),
        "matched": {m: {arm: of.row(m, arm) for arm in ARMS} for m in MATCHINGS},
        "first": {arm: _first(of, arm, labels) for arm in ARMS},
        "rows": rows,
        "test_images": len(labels),
        "valid_images": len(data.y_valid),
        "pruned": {"correct": int((of.pruned == labels).sum()), "valid": of.pruned_valid},
        "standard": {"correct": int((of.standard == labels).sum()), "valid": of.standard_valid},
        "retrained": _retrained(of, after, list(complete)),
        "epochs": {"pruned": epochs[0], "after": epochs[1], "twin": of.twin_epoch},
        "classes": list(data.class_names),
        "image_shape": list(data.image_shape) if pictured else None,
        "notes": notes(of, epochs),
    }
    return scene.pack(header, arrays)


def live(after: After) -> dict[str, dict[str, Any]]:
    """Of arms whose training is not over, how far they are: by matching, then arm."""
    found: dict[str, dict[str, Any]] = {}
    for (matching, arm), one in after.items():
        if not one.complete:
            figures = {"test": one.test.tolist(), "valid": one.valid.tolist(), "epochs": one.epochs}
            found.setdefault(matching, {})[arm] = figures | {"true": one.true.tolist(), "numbers": one.numbers.tolist()}
    return found


def notes(of: Contest, epochs: tuple[int, int]) -> list[str]:
    """What has to be known to read the figures."""
    after = f"{epochs[1]} epoch" + ("s" if epochs[1] != 1 else "")
    said = [
        "k components and the mean make a matrix of rank up to k + 1: that is PCA's true rank.",
        "Activation-aware looks at what the layers of the whole standard network are given for the training images, and at "
        "no test image.",
        f"Retrained means {after}, as many as the pruned network had from its first cut on, with the same shuffles, rate and "
        "batch size; two factors hold each layer's rank, and PCA's mean is trained along as one more term.",
        f"With the {of.twin_epoch} epochs before, the retrained reductions saw {of.twin_epoch + epochs[1]} epochs of training, "
        f"the pruned network {epochs[0]}: part of their lead may be that.",
        "Costs are of the hidden layers' weights; biases and the output layer are left out on both sides. Matched means layer "
        "by layer. The curves split the same total otherwise, in proportion to the pruned network's ranks: above or below a "
        "mark, they show what that makes.",
    ]
    formats = ["CSR (values, columns, row pointers)" if one.sparse else "a dense block" for one in of.layers]
    if len(set(formats)) == 1:
        said.append(
            f"The pruned layers take least as {formats[0].replace('a dense block', 'dense blocks')}, empty rows and columns "
            "left out."
        )
    else:
        each = ", ".join(f"hidden {at} as {words}" for at, words in enumerate(formats, start=1))
        said.append(f"Stored at least: {each}.")
    for matching in MATCHINGS:
        whole = [at for at, one in enumerate(of.layers) if of.ranks[of.row(matching, "svd"), at] == min(one.shape)]
        if whole:
            names = " and ".join(f"hidden {at + 1}" for at in whole)
            why = (
                "has full rank in the pruned network"
                if matching == "rank"
                else "costs no less in the pruned network than whole"
            )
            said.append(f"{MATCHED[matching]}: {names} {why}, so nothing is reduced there.")
    if any(not one.rank for one in of.layers):
        said.append(
            "A hidden layer of the pruned network is dead: it has rank 0, and every image gets the same answer."
        )
    return said


def _layer(number: int, layer: budgets.Layer) -> dict[str, Any]:
    return {
        "name": f"Hidden {number}",
        "units": layer.shape[0],
        "inputs": layer.shape[1],
        "live": list(layer.live),
        "rank": layer.rank,
        "numbers": layer.numbers,
        "multiply_adds": layer.nonzero,
        "sparse": layer.sparse,
    }


def _first(of: Contest, arm: str, labels: np.ndarray) -> dict[str, int | None]:
    return {
        "different": of.first_different(arm, labels),
        "lost": of.first_lost(arm, labels),
        "behind": of.first_behind(arm, labels),
    }


def _retrained(of: Contest, after: After, complete: list[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """By matching, then arm: figures of what was trained on; `network`: its place in `counts` and `images`, behind the rows of
    all arms."""
    found: dict[str, dict[str, Any]] = {}
    first = of.answers.shape[0] * of.answers.shape[1]
    for (matching, arm), one in after.items():
        if not one.complete:
            continue
        place = first + complete.index((matching, arm)) if (matching, arm) in complete else None
        found.setdefault(matching, {})[arm] = {
            "network": place,
            "test": one.test.tolist(),
            "valid": one.valid.tolist(),
            "epochs": one.epochs,
            "true": one.true.tolist(),
            "numbers": one.numbers.tolist(),
            "problem": one.problem,
        }
    return found


def _shares(energy: np.ndarray) -> np.ndarray:
    """`(terms,)` float32: what the first terms explain together, of all; 1 throughout where there is nothing to explain."""
    whole = energy.sum()
    return (np.cumsum(energy) / whole if whole > 0 else np.ones(len(energy))).astype(np.float32)


def _apart(pruned: np.ndarray, answers: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per network how many test images only the pruned one gets right and only it itself, `(networks, 2)`, and the first SHOWN
    of each, `(networks, 2, SHOWN)`, -1 where there are fewer."""
    mine = pruned == labels
    rights = answers == labels
    counts = np.stack([(mine & ~rights).sum(axis=1), (~mine & rights).sum(axis=1)], axis=1)
    images = np.full((len(answers), 2, SHOWN), -1, np.int64)
    for network, right in enumerate(rights):
        for way, only in enumerate((mine & ~right, ~mine & right)):
            first = np.flatnonzero(only)[:SHOWN]
            images[network, way, : len(first)] = first
    return counts, images
