"""What a weight or a neuron is worth: one registered function per criterion, from Evidence to scores, higher = keep.

To add a criterion, write one function here under `@criterion`. Its docstring is the help text that people read; menus and
tests find it by themselves. A neuron criterion returns one `(units,)` array per hidden layer, a weight criterion one
array of that layer's weight shape.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.network import Network, active

Scores = list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a criterion may look at. Never test images.

    fired: per hidden layer, `(units,)` int64, how many of the counted examples gave the neuron an activation > 0.
    seen: how many examples were counted.
    inputs: training images `(n, features)` float32, for criteria that look after training; None where not gathered.
    gradients: per weight matrix, d loss / d weight of its shape, on training images; None where not gathered.
    rng: where random criteria draw from; None where not given.
    """

    network: Network
    fired: Sequence[np.ndarray]
    seen: int
    inputs: np.ndarray | None = None
    gradients: Sequence[np.ndarray] | None = None
    rng: np.random.Generator | None = None

    def need(self, field: str, criterion: str):
        """The named field, or a ValueError that says which criterion needs it."""
        value = getattr(self, field)
        if value is None:
            raise ValueError(f"the criterion '{criterion}' needs Evidence.{field}, which is None: gather it first")
        return value


@dataclass(frozen=True)
class Criterion:
    """A registered criterion: its name, a label for menus, `per` "neuron" or "weight", what it `needs` beyond counts, and
    whether it goes by `counts`."""

    name: str
    label: str
    per: str
    needs: frozenset[str]
    counts: bool
    function: Callable[[Evidence], Scores]

    @property
    def help(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")


_REGISTRY: dict[str, Criterion] = {}


def criterion(name: str, label: str, per: str, needs: Sequence[str] = (), counts: bool = False):
    """Register a criterion under `name`. Menus list criteria in the order in which they stand in this file."""

    def register(function: Callable[[Evidence], Scores]) -> Callable[[Evidence], Scores]:
        _REGISTRY[name] = Criterion(name, label, per, frozenset(needs), counts, function)
        return function

    return register


def names() -> list[str]:
    """Every registered criterion, in menu order."""
    return list(_REGISTRY)


def get(name: str) -> Criterion:
    """The registered criterion. Raises ValueError that lists what there is."""
    if name not in names():
        raise ValueError(f"unknown criterion {name!r}: allowed are {', '.join(_REGISTRY)}")
    return _REGISTRY[name]


def scores(name: str, evidence: Evidence) -> Scores:
    """One array per hidden layer, higher = keep: `(units,)` for a neuron criterion, else the shape of its weights."""
    return get(name).function(evidence)


@criterion("activation-frequency", "Activation frequency", "neuron", counts=True)
def activation_frequency(evidence: Evidence) -> Scores:
    """How often the neuron fired (activation > 0) on training images, counted while training. The least active go
    first, as the text of Ganguli and Chong (2024) says."""
    return [fired.astype(np.float64) for fired in evidence.fired]


@criterion("magnitude", "Magnitude", "weight")
def magnitude(evidence: Evidence) -> Scores:
    """The absolute value of the weight: the smallest go first. The usual yardstick."""
    return [np.abs(weight) for weight in evidence.network.weights[:-1]]


@criterion("random-matched", "Random, matched", "neuron", needs=["rng"], counts=True)
def random_matched(evidence: Evidence) -> Scores:
    """Activation frequency's scores, shuffled among the living neurons of each layer: as many neurons go per layer and
    round, but any of them. The control that tells whether *which* neurons go matters."""
    rng = evidence.need("rng", "random-matched")
    shuffled = []
    for fired, alive in zip(evidence.fired, evidence.network.alive(), strict=True):
        score = fired.astype(np.float64)
        score[alive] = rng.permutation(score[alive])
        shuffled.append(score)
    return shuffled


@criterion("inactivity", "Inactivity (as released)", "neuron", counts=True)
def inactivity(evidence: Evidence) -> Scores:
    """How often the neuron did not fire. The lowest go first, so the *busiest* neurons are cut: the direction of the
    authors' released code of January 2024, opposite to the paper's text."""
    return [(evidence.seen - fired).astype(np.float64) for fired in evidence.fired]


@criterion("activation-frequency-weight", "Activation × |weight|", "weight", counts=True)
def activation_frequency_weight(evidence: Evidence) -> Scores:
    """The receiving neuron's firing count times the absolute weight: the paper's "neuron_wts" ranking, text's direction."""
    return _times_magnitude(activation_frequency(evidence), evidence)


@criterion("inactivity-weight", "Inactivity × |weight|", "weight", counts=True)
def inactivity_weight(evidence: Evidence) -> Scores:
    """How often the receiving neuron did not fire, times the absolute weight: the released code's "neuron_wts" ranking."""
    return _times_magnitude(inactivity(evidence), evidence)


def _times_magnitude(neurons: Scores, evidence: Evidence) -> Scores:
    # float32 like the weights: it sorts several times faster, and counts below 2**24 are exact in it.
    layers = zip(neurons, magnitude(evidence), strict=True)
    return [count[:, None].astype(np.float32) * weight for count, weight in layers]


@criterion("random-weights", "Random weights", "weight", needs=["rng"])
def random_weights(evidence: Evidence) -> Scores:
    """A draw for every weight: any weight may go."""
    rng = evidence.need("rng", "random-weights")
    return [rng.random(weight.shape, dtype=np.float32) for weight in evidence.network.weights[:-1]]


@criterion("random-neurons", "Random neurons", "neuron", needs=["rng"])
def random_neurons(evidence: Evidence) -> Scores:
    """A draw for every neuron, over all layers alike: any neuron may go."""
    rng = evidence.need("rng", "random-neurons")
    return [rng.random(weight.shape[0]) for weight in evidence.network.weights[:-1]]


@criterion("apoz", "APoZ", "neuron", needs=["inputs"])
def apoz(evidence: Evidence) -> Scores:
    """Average percentage of zeros: one minus the share of zeros among the neuron's activations, measured on training
    images at the moment of the cut instead of counted during training (Hu et al. 2016, arXiv 1607.03250)."""
    inputs = evidence.need("inputs", "apoz")
    return [np.mean(active(outputs), axis=0) for outputs in evidence.network.activations(inputs)]


@criterion("wanda", "Wanda", "weight", needs=["inputs"])
def wanda(evidence: Evidence) -> Scores:
    """The absolute weight times the norm of the feature it reads, over training images (Sun et al. 2023, arXiv
    2306.11695), ranked here over all hidden layers together unless the scope is per layer."""
    inputs = evidence.need("inputs", "wanda")
    features = [inputs, *evidence.network.activations(inputs)[:-1]]
    norms = [np.linalg.norm(feature, axis=0) for feature in features]
    return [weight * norm for weight, norm in zip(magnitude(evidence), norms, strict=True)]


@criterion("taylor", "Taylor, first order", "weight", needs=["gradients"])
def taylor(evidence: Evidence) -> Scores:
    """The absolute product of weight and gradient: how much the loss would move, to first order, without the weight
    (Molchanov et al. 2016, arXiv 1611.06440). The gradient is the mean over training images."""
    gradients = evidence.need("gradients", "taylor")
    return [np.abs(w * g) for w, g in zip(evidence.network.weights[:-1], gradients, strict=False)]
