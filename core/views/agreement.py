"""Agreement on what to cut, as it is drawn: comparisons in, one blob out; every mean with its n, its interval and chance."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from core import criteria
from core.claims.agreement_rows import CRITERIA, MATCHED, NUMBERED, RANDOM, SAMPLES, Agreement, Comparison
from core.judge.questions import METHOD
from core.masks import overlap
from core.masks.overlap import Overlap
from core.statistics import Paired
from core.views import judge, scene

LEVEL = 0.05  # of every interval by itself; nothing here is a verdict
YARDSTICK = "magnitude"
HARDLY, LARGELY = 0.1, 0.5  # of the way from chance to equal cuts
ONCE = (
    "Each network is unpruned, trained to its target and cut once, with one queue over all hidden layers and redundancy "
    "counted. What is compared is which weights go, not how well the rest works: a network cut once at such a ratio may "
    "be wrecked by one criterion and not by another, and nothing is trained on here."
)
FORMULA = (
    "J = |A ∩ B| / |A ∪ B|: of all weights that either cuts, the share that both cut. Chance: E / (a + b − E) with "
    "E = a·b / n, for cuts of a and b out of n weights. This is the expected intersection of one cut with the other after its "
    "neurons, and those of the layer before, are put into random order: rows stay rows, single weights single weights. Over "
    "all layers the E of the layers are added up, so as many go from each layer as really do. The index of the expected "
    "intersection stands for the expected index, which is a little higher (by less than 0.01 here). Each interval stands by "
    "itself: of a hundred cells at chance, about five look as if they were not, those that share a random cut together."
)
MATCHING = (
    "Neuron 7 of one network is not neuron 7 of another. So the neurons of each layer are paired, one to one, such that the "
    "correlations of their activations on up to 2,048 common training images add up to the most there is; no score "
    "and no cut is looked at. Neurons that fire on the same images fire about equally often: for criteria that count firing, "
    "part of this agreement is the pairing's own. By number only chance is to be expected, with one exception: pixels are the "
    "same in every network, so criteria that look at images cut the weights of dark pixels in all of them."
)
SAME = (
    "Activation frequency counted on such a sample gives APoZ's ranking, neuron for neuron: one line stands for both. In the "
    "table above it is counted during training instead."
)


def short(name: str) -> str:
    """A criterion's name, as short as figures need it."""
    return judge.SHORT.get(name) or criteria.get(name).label


def sentence(found: Agreement) -> str:
    """How far the paper's criterion and magnitude agree, over all hidden layers."""
    pair = [one for one in found.of(CRITERIA) if {one.first, one.second} == {METHOD, YARDSTICK}]
    seen = estimate(pair, None)
    if seen is None:
        return "Activation frequency and magnitude are not compared here yet."
    both, chance = (f"{100 * seen[name]:.1f}\u202f%" for name in ("mean", "chance"))
    return (
        f"Activation frequency and magnitude agree {_word(seen)}: of the hidden weights that either cuts, {both} are "
        f"cut by both; random cuts of the same sizes would share {chance}."
    )


def _word(seen: dict[str, Any]) -> str:
    if not seen["differs"]:
        return "no more than chance would have it"
    if seen["mean"] < seen["chance"]:
        return "less than chance would have it"
    if seen["lift"] is None or seen["lift"] < HARDLY:
        return "hardly more than chance would have it"
    return "more than chance would have it" if seen["lift"] < LARGELY else "largely"


def estimate(comparisons: Sequence[Comparison], layer: int | None) -> dict[str, Any] | None:
    """The mean index in a layer (from 0; None: all hidden layers together), over networks, or over pairs of networks.

    Comparisons of the same networks are first averaged, so `n` counts what is independent. low, high: the 95 % t interval of
    the mean; None where n is too small. differs: the interval of (index − chance) does not hold 0. None where in no network
    either cuts anything.
    """
    groups: dict[Hashable, list[Overlap]] = defaultdict(list)
    for one in comparisons:
        if one.overlap.jaccard(layer) is not None:
            groups[one.seed, one.other].append(one.overlap)
    if not groups:
        return None

    def means(read: str) -> np.ndarray:
        return np.array([np.mean([getattr(each, read)(layer) for each in group]) for group in groups.values()])

    index, chance = means("jaccard"), means("expected")
    seeds = tuple(range(len(groups)))
    low, high = Paired(seeds, index, LEVEL).interval()
    least, most = Paired(seeds, index - chance, LEVEL).interval()
    mean, expected = float(index.mean()), float(chance.mean())
    return {
        "n": len(groups),
        "mean": _round(mean),
        "low": _round(low),
        "high": _round(high),
        "chance": _round(expected),
        "lift": _round(overlap.lift(mean, expected)),
        "most": _round(float(means("most").mean())),
        "differs": not least <= 0 <= most,
    }


def blob(found: Agreement) -> bytes:
    """What the element draws: for all hidden layers together and for each alone, the table of pairs, and each criterion with
    itself over samples, draws and networks."""
    names = sorted({name for one in found.of(CRITERIA) for name in (one.first, one.second)}, key=_place)
    layers = range(len(found.comparisons[0].overlap.sizes))
    n = len(found.networks)
    networks = f"{n} network{'s' if n != 1 else ''}"
    header = {
        "key": f"{found.dataset} {found.ratio:g}",
        "setting": f"{judge.dataset(found.dataset)}, {100 * found.ratio:g} % of all weights cut at once, {networks}",
        "title": sentence(found),
        "provenance": provenance(found),
        "notes": [ONCE, FORMULA, MATCHING, SAME],
        "criteria": [{"name": name, "short": short(name), "per": criteria.get(name).per} for name in names],
        "images": _images(found),
        "views": [_view(found, names, layer) for layer in (None, *layers)],
    }
    return scene.pack(header, {})


def _view(found: Agreement, names: Sequence[str], layer: int | None) -> dict[str, Any]:
    """All estimates of one hidden layer, or of all together."""
    sizes = found.comparisons[0].overlap.sizes
    pairs = _by(found.of(CRITERIA), lambda one: frozenset((one.first, one.second)))
    sampled = _by(found.of(SAMPLES), lambda one: (one.first, one.images))
    view = {
        "name": "All hidden layers" if layer is None else f"Hidden {layer + 1}",
        "weights": sum(sizes) if layer is None else sizes[layer],
        "cut": {name: _share(found, name, layer) for name in names},
        "pairs": [
            [names.index(a), names.index(b), estimate(pairs.get(frozenset((a, b)), ()), layer)]
            for a, b in itertools.combinations(names, 2)
        ],
        "samples": [
            [name, [estimate(sampled.get((name, images), ()), layer) for images in _images(found)]]
            for name in names
            if any(name == criterion for criterion, _ in sampled)
        ],
        "alike": _alike(found, layer),
    }
    for question in (NUMBERED, MATCHED, RANDOM):
        itself = _by(found.of(question), lambda one: one.first)
        view[question] = [[name, estimate(itself[name], layer)] for name in names if name in itself]
    return view


def _images(found: Agreement) -> list[int]:
    return sorted({one.images for one in found.of(SAMPLES)})


def _place(name: str) -> tuple:
    """Neuron criteria first: how alike two cuts can be depends on what they cut."""
    known = criteria.get(name)
    return known.per != "neuron", "rng" in known.needs, criteria.names().index(name)


def _by(comparisons: Sequence[Comparison], read: Callable[[Comparison], Hashable]) -> dict[Any, list[Comparison]]:
    groups = defaultdict(list)
    for one in comparisons:
        groups[read(one)].append(one)
    return groups


def _share(found: Agreement, name: str, layer: int | None) -> dict[str, float]:
    """What share of the layer's weights the criterion cuts: mean and range over networks, 0..1."""
    of_seed = {}
    for one in found.of(CRITERIA):
        if name in (one.first, one.second):
            cut = one.overlap.first if one.first == name else one.overlap.second
            sizes = one.overlap.sizes
            of_seed[one.seed] = sum(cut) / sum(sizes) if layer is None else cut[layer] / sizes[layer]
    shares = list(of_seed.values())
    return {"mean": float(np.mean(shares)), "low": min(shares), "high": max(shares), "n": len(shares)}


def _alike(found: Agreement, layer: int | None) -> float | None:
    """The mean correlation of paired neurons, in a layer, or the mean of all layers' means."""
    seen = {(one.seed, one.other): one.alike for one in found.of(MATCHED)}.values()
    values = [np.mean(one) if layer is None else one[layer] for one in seen]
    return float(np.mean(values)) if values else None


def command(dataset: str, ratio: float) -> str:
    """The command that makes the rows of a data set and ratio."""
    return f"python -m core.agreement --datasets {dataset} --ratios {ratio:g}"


def missing(dataset: str, ratio: float) -> str:
    """What to do where no comparisons ship, in a sentence."""
    return (
        f"How far criteria agree on what to cut is not worked out yet for {judge.dataset(dataset)} at {100 * ratio:g} %. "
        f"This makes it, some seconds a network once they are trained: `{command(dataset, ratio)}`"
    )


def provenance(found: Agreement) -> str:
    """Where the rows come from, in a sentence."""
    date, device, versions = (sorted({row[name] for row in found.networks}) for name in ("date", "device", "versions"))
    when = date[0] if len(date) == 1 else f"{date[0]} to {date[-1]}"
    return (
        f"These rows ship with the project: made on {when} on {'; and '.join(device)} with {'; and '.join(versions)}, by "
        f"{command(found.dataset, found.ratio)}."
    )


def _round(value: float | None) -> float | None:
    """To what a page may ever show, so that the blob stays small; None for what is no number."""
    return None if value is None or not math.isfinite(value) else round(value, 5)
