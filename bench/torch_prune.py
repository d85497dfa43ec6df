"""The obvious way to cut, to see what a cut leaves and to try every percent: `torch.nn.utils.prune` and a loop.

The file stands alone, written as PyTorch's documentation has it; each function takes an `nn.Sequential` of `Linear` and `ReLU`.
https://docs.pytorch.org/tutorials/intermediate/pruning_tutorial.html
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune


def model_of(weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> nn.Sequential:
    """The network as a PyTorch user has it."""
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cut_by_magnitude(model: nn.Sequential, ratio: float) -> None:
    """Of all weights the share `ratio` goes, the smallest of the hidden layers."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    amount = round(ratio * sum(layer.weight.numel() for layer in linear))
    hidden = [(layer, "weight") for layer in linear[:-1]]
    amount = min(amount, sum(layer.weight.numel() for layer, _ in hidden))
    prune.global_unstructured(hidden, pruning_method=prune.L1Unstructured, amount=amount)


def cut_by_frequency(model: nn.Sequential, counts: Sequence[np.ndarray], ratio: float) -> None:
    """The least active neurons go, with all that goes in and out, until the share `ratio` of all weights is gone."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    masks = [torch.ones_like(layer.weight) for layer in linear]
    neurons = [(count, layer, unit) for layer, units in enumerate(counts) for unit, count in enumerate(units)]
    to_go = round(ratio * sum(mask.numel() for mask in masks))
    for _, layer, unit in sorted(neurons):
        if to_go <= 0:
            break
        row, column = masks[layer][unit], masks[layer + 1][:, unit]
        to_go -= int(row.sum()) + int(column.sum())
        row.zero_()
        column.zero_()
    for layer, mask in zip(linear, masks, strict=True):
        prune.custom_from_mask(layer, "weight", mask)


def spectra(model: nn.Sequential) -> list[dict[str, float]]:
    """Of every hidden layer its singular values, decomposed once, and the ranks and norms that they give."""
    found = []
    for layer in [layer for layer in model if isinstance(layer, nn.Linear)][:-1]:
        values = torch.linalg.svdvals(layer.weight.detach())
        exact = values.double()
        shares = exact[exact > 0] / exact.sum()
        found.append(
            {
                "rank": int((values > values[0] * max(layer.weight.shape) * torch.finfo(values.dtype).eps).sum()),
                "stable": float(exact.square().sum() / exact[0].square()) if exact[0] else 0.0,
                "effective": float(torch.exp(-(shares * shares.log()).sum())),
                "spectral": float(exact[0]),
                "frobenius": float(exact.square().sum().sqrt()),
                "nuclear": float(exact.sum()),
            }
        )
    return found


def every_percent(
    model: nn.Sequential, counts: Sequence[np.ndarray] | None, sets: Sequence[tuple[np.ndarray, np.ndarray]]
) -> list[tuple[list[float], list[dict[str, float]]]]:
    """At 0, 1, …, 100 % accuracy on each of `sets` (images, labels), and the spectra. By magnitude where `counts` is None."""
    tensors = [(torch.tensor(x), torch.tensor(y)) for x, y in sets]
    found = []
    for percent in range(101):
        cut = copy.deepcopy(model)
        if counts is None:
            cut_by_magnitude(cut, percent / 100)
        else:
            cut_by_frequency(cut, counts, percent / 100)
        with torch.no_grad():
            accuracies = [(cut(x).argmax(1) == y).float().mean().item() for x, y in tensors]
        found.append((accuracies, spectra(cut)))
    return found
