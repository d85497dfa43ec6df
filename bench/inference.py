"""Inference after pruning: the masked network, the shrunk one and `torch.sparse` CSR, against the dense network.

All in PyTorch, without gradients, one thread. CSR as the documentation of torch.sparse has it, `torch.sparse.mm` of a CSR
matrix and a dense one, in the faster of two ways round: the signal stays transposed from layer to layer.
https://docs.pytorch.org/docs/stable/sparse.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

from bench import trained
from bench.measure import Arm, Effort, Line, Lines, Said, interleaved
from core import criteria, masks
from core.criteria import Evidence
from core.network import Network

NAME = "inference"
CUTS = (("activation-frequency", 0.8), ("magnitude", 0.8), ("magnitude", 0.95))
BATCHES = (1, 32, 1000)
DENSE, MASKED, SHRUNK, CSR = "dense, uncut", "masked", "shrunk", "CSR"
AT_LEAST = 3000  # images in one time taken, in batches


def lines(effort: Effort) -> Lines:
    """Ratios are dense over the pruned form: above 1 is faster than dense."""
    data = effort.data()
    state = trained.after(1, data)
    network = state.network()
    evidence = Evidence(network, state.fired, state.seen)
    x = torch.tensor(data.x_test)
    yield Said(
        NAME,
        f"Inference on {data.name}, 784-300-200-100-50-10; times are for {AT_LEAST:,} images, or 100 batches. Masked: zeros in "
        "full-size arrays; CSR: torch.sparse",
    )
    for criterion, ratio in CUTS:
        cut = masks.choose(criteria.scores(criterion, evidence), network, ratio).apply(network)
        small = cut.shrink()
        yield Said(
            NAME, f"{criterion} at {ratio:.0%}: shrunk to {'-'.join(map(str, small.hidden))} hidden neurons, "
            f"{1 - sum(w.size for w in small.weights) / sum(w.size for w in network.weights):.0%} fewer weights"
        )  # fmt: skip
        forwards = {DENSE: dense(network), MASKED: dense(cut), SHRUNK: dense(small), CSR: csr(cut)}
        for batch in BATCHES:
            images = x[:batch]
            expected = torch.tensor(cut.forward(images.numpy()))
            for name, forward in list(forwards.items())[1:]:
                torch.testing.assert_close(
                    forward(images), expected, rtol=1e-3, atol=1e-3, msg=f"{name} answers otherwise"
                )
            repeats = 5 if effort.quick else max(3, min(100, AT_LEAST // batch))
            arms = {name: partial(_often, forward, images, repeats) for name, forward in forwards.items()}
            timed = interleaved(arms, effort.rounds)
            for name in (MASKED, SHRUNK, CSR):
                told = f"{criterion} {ratio:.0%}, {name}, batch {batch}"
                yield Line(NAME, Arm(told, timed[name].seconds), timed[DENSE])


def _often(forward: Callable, images: torch.Tensor, repeats: int) -> None:
    with torch.inference_mode():
        for _ in range(repeats):
            forward(images)


def dense(network: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    """Logits `(n, classes)`, every layer `functional.linear`."""
    layers = [
        (torch.tensor(weight), torch.tensor(bias)) for weight, bias in zip(network.weights, network.biases, strict=True)
    ]

    def forward(signal: torch.Tensor) -> torch.Tensor:
        for weight, bias in layers[:-1]:
            signal = functional.linear(signal, weight, bias).relu_()
        return functional.linear(signal, *layers[-1])

    return forward


def csr(network: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same with every weight matrix in CSR."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        layers = [
            (torch.tensor(weight).to_sparse_csr(), torch.tensor(bias)[:, None])
            for weight, bias in zip(network.weights, network.biases, strict=True)
        ]

    def forward(signal: torch.Tensor) -> torch.Tensor:
        signal = signal.T
        for weight, bias in layers[:-1]:
            signal = torch.sparse.mm(weight, signal).add_(bias).relu_()
        return torch.sparse.mm(layers[-1][0], signal).add_(layers[-1][1]).T

    return forward
