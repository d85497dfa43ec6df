"""When a network gives one answer to everything, when nothing in it can learn any more, what did that, and what helps.

Constant: one answer to all validation images. A network cut hard often is, and recovers: it is named and trains on. Dead: the
gradient of every living hidden weight is exactly zero over all training images; no step changes it again, so the run ends.
Collapsed: the one or the other at its end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.blas import product, singular_values
from core.network import Network
from core.spec import RunSpec

RATE, PENALTY, CUT = CAUSES = ("learning rate", "penalty", "cut")
FIRST, AT_ONCE = 256, 2048  # images: most that is not dead shows it in the first few


def only_answer(said: np.ndarray) -> int | None:
    """The class that all of `said` `(n,)` are; None where they are several, or none."""
    return int(said[0]) if said.size and (said == said[0]).all() else None


def in_words(answer: int, class_names: Sequence[str]) -> str:
    """ "answers 8 to everything: guessing is 10 %"."""
    return f"answers {class_names[answer]} to everything: guessing is {guessing(len(class_names))}"


def guessing(classes: int) -> str:
    """What one answer drawn at random gets right, however the images are spread: "10 %"."""
    return f"{100 / classes:.3g} %"


def dead_layer(network: Network, kept: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> int | None:
    """The hidden layer, from 1, that nothing passes in a dead network; None where some hidden weight still learns.

    kept: one bool array per weight matrix, the weights that are not cut. x, y: all training images. An image lets a weight
    learn if its input is not 0 and the loss feels its neuron: no sums over images, in which gradients could cancel.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # weights just finite may have answers that are not
        return _dead_layer(network, kept, x, y)


def _dead_layer(network: Network, kept: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> int | None:
    hidden = len(network.weights) - 1
    felt = [False] * hidden
    begin = 0
    while begin < len(x):
        rows = slice(begin, begin + (AT_ONCE if begin else FIRST))
        begin = rows.stop
        signals = [x[rows], *network.activations(x[rows])]
        delta = _output_error(product(signals[-1], network.weights[-1].T) + network.biases[-1], y[rows])
        for layer in range(hidden - 1, -1, -1):
            delta = product(delta, network.weights[layer + 1]) * (signals[layer + 1] > 0)
            if not delta.any():
                break  # nothing comes further down
            felt[layer] = True
            lets_learn = product((delta != 0).T.astype(np.float32), (signals[layer] != 0).astype(np.float32))
            if lets_learn[kept[layer]].any():
                return None
    return next((layer + 1 for layer in range(hidden - 1, -1, -1) if not felt[layer]), 1)


def _output_error(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """d cross-entropy / d logits of each image, `(n, classes)` float32."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = powers / powers.sum(axis=1, keepdims=True)
    error[np.arange(len(y)), y] -= 1
    return error


def cause(spec: RunSpec, network: Network, *, penalised: bool, steps: int, was_cut: bool) -> str:
    """What made a network constant in the epoch that is over: one of CAUSES.

    It is the penalty if in that epoch of `steps` training steps it took more from each singular value than the largest of
    some hidden layer still is; else the cut if there was one (`was_cut`), since until then it learnt at this learning rate;
    else the learning rate.
    """
    if penalised and spec.penalty is not None:
        taken = spec.learning_rate * spec.penalty.strength * steps
        if any(singular_values(weight)[0] <= taken for weight in network.weights[:-1] if weight.size):
            return PENALTY
    return CUT if was_cut else RATE


def remedy(spec: RunSpec, what: str) -> str:
    """What helps against a cause, one of CAUSES."""
    if what == PENALTY:
        return f"the penalty took its weights: a smaller λ than {spec.penalty.strength:g} helps"
    if what == CUT:
        return "too little is left after the cut: keep a minimum of neurons per layer, or cut less"
    return f"a smaller learning rate than {spec.learning_rate:g} helps"
