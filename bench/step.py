"""One training epoch: ours with counting and an unstructured mask on, against PyTorch loops without either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench.measure import Arm, interleaved
from core import datasets, masks, training
from core.datasets import Dataset
from core.spec import RunSpec
from core.training import Trainer

OURS = "ours: counting and mask on"
AUTOGRAD = ("autograd, SGD (foreach)", "autograd, update in place")
LOADER = "autograd, DataLoader"
LIMIT = "limit: the products alone"


def measure(rounds: int, images: int | None = None) -> list[Arm]:
    """One epoch of `mnist-mini` (its first `images`), 784-300-200-100-50-10, batch 32, every arm once a round."""
    data = datasets.load("mnist-mini")
    data = replace(data, x_train=data.x_train[:images], y_train=data.y_train[:images])
    spec = RunSpec()
    x, y = torch.tensor(data.x_train), torch.tensor(data.y_train)
    arms = {
        OURS: _ours(spec, data),
        AUTOGRAD[0]: _autograd(spec, data, _indexed(x, y, spec.batch_size), in_place=False),
        AUTOGRAD[1]: _autograd(spec, data, _indexed(x, y, spec.batch_size), in_place=True),
        LOADER: _autograd(spec, data, DataLoader(TensorDataset(x, y), spec.batch_size, shuffle=True), in_place=False),
        LIMIT: _products(spec, data),
    }
    return interleaved(arms, rounds)


def _ours(spec: RunSpec, data: Dataset) -> Callable[[], None]:
    state = training.start(spec, data)
    chosen = masks.choose([np.abs(weight) for weight in state.weights[:-1]], state.network(), 0.5)
    trainer = Trainer(data, [spec], [state.with_kept(chosen.kept)], "cpu")
    assert all(
        live.size == width for live, width in zip(trainer._layout.live[1:-1], spec.hidden, strict=True)
    )  # all train

    def epoch() -> None:
        for _ in trainer.epoch(1):
            pass

    return epoch


class _indexed:
    """Batches of two preloaded tensors in a fresh order: the tightest loop without a DataLoader."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, batch: int):
        self.x, self.y, self.batch = x, y, batch

    def __iter__(self):
        for rows in torch.randperm(len(self.x)).split(self.batch):
            yield self.x[rows], self.y[rows]


def _autograd(spec: RunSpec, data: Dataset, batches, *, in_place: bool) -> Callable[[], None]:
    state = training.start(spec, data)
    weights = [torch.tensor(weight, requires_grad=True) for weight in state.weights]
    biases = [torch.tensor(bias, requires_grad=True) for bias in state.biases]
    layers = list(zip(weights, biases, strict=True))
    parameters = [*weights, *biases]
    optimizer = torch.optim.SGD(parameters, lr=spec.learning_rate)

    def epoch() -> None:
        for signal, labels in batches:
            for weight, bias in layers[:-1]:
                signal = functional.linear(signal, weight, bias).relu_()
            loss = functional.cross_entropy(functional.linear(signal, *layers[-1]), labels)
            loss.backward()
            if in_place:
                with torch.no_grad():
                    for parameter in parameters:
                        parameter.add_(parameter.grad, alpha=-spec.learning_rate)
                        parameter.grad = None
            else:
                optimizer.step()
                optimizer.zero_grad()

    return epoch


def _products(spec: RunSpec, data: Dataset) -> Callable[[], None]:
    """The fourteen matrix products of a step, forward, backward and gradients, into buffers that exist."""
    sizes, batch = [data.x_train.shape[1], *spec.hidden, len(data.class_names)], spec.batch_size
    values = [torch.rand(batch, size) for size in sizes]
    weights = [torch.rand(units, inputs) for inputs, units in zip(sizes, sizes[1:], strict=False)]
    calls = []
    for layer, weight in enumerate(weights):
        calls.append((values[layer], weight.T, torch.empty(batch, sizes[layer + 1])))
        calls.append((values[layer + 1].T, values[layer], torch.empty_like(weight)))
        if layer:
            calls.append((values[layer + 1], weight, torch.empty(batch, sizes[layer])))
    assert len(calls) == 3 * len(weights) - 1
    steps = -(-len(data.x_train) // batch)

    def epoch() -> None:
        for _ in range(steps):
            for left, right, out in calls:
                torch.mm(left, right, out=out)

    return epoch
