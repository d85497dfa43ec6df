"""One training step on one batch of every network of a stack, written out: forward, count, backward, update.

Everything lies in buffers that already exist, the gradient product and the update are one call, and the firing count reads
the very activations that the step computed. The activations of all hidden layers lie one after another in one block, so that
signs and counts take one call for all layers. For K = 1 the leading axis is dropped: `addmm` is faster than `baddbmm`.
`products` has the matrix products, in the arithmetic that the run asks for.
On CUDA what nobody waits for, the updates and the count, goes to a second stream, beside the backward products. Nothing here
asks the device for a value, so that `series` can capture steps as a graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from core.experiment.products import Products

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's
NOWHERE = nullcontext()


@dataclass(eq=False)
class Parameters:
    """What a step reads and changes, on the device. K networks, stacked.

    weights: per layer `(K, units_in, units_out)`. biases: per layer `(K, units)`. masks: like weights, 1 or 0, or None where
    nothing inside is cut. rates: `(K,)` learning rates. moments: Adam's, two per parameter, weights first; [] for SGD.
    steps: updates made so far, the same for the whole stack; whoever makes them counts them. linear: per hidden layer, whether
    it is only the first factor of the next one: no ReLU, and a bias that stays as it is; () where none is.
    """

    weights: list[torch.Tensor]
    biases: list[torch.Tensor]
    masks: list[torch.Tensor | None]
    rates: torch.Tensor
    moments: list[torch.Tensor]
    steps: int
    linear: Sequence[bool] = ()

    @property
    def count(self) -> int:
        return self.rates.shape[0]

    def corrections(self, steps: int) -> Sequence[torch.Tensor | None]:
        """Adam's two bias corrections for each of the next `steps` updates, `(steps, 2)`; a None each for SGD."""
        if not self.moments:
            return [None] * steps
        made = range(self.steps + 1, self.steps + steps + 1)
        values = [(1 - BETA1**step, 1 - BETA2**step) for step in made]
        return torch.tensor(values, dtype=torch.float32, device=self.rates.device)


@cache
def stream_beside(device: torch.device, place: int = 0) -> torch.cuda.Stream:
    """A CUDA stream beside the usual one: always the same for one place, since cuBLAS keeps 32 MB of room for each."""
    return torch.cuda.Stream(device)


class Step:
    """Room for steps on batches of `rows` images of `features` each."""

    def __init__(self, parameters: Parameters, products: Products, rows: int, features: int):
        self.rows, self._parameters, self._products = rows, parameters, products
        count, device = parameters.count, parameters.rates.device
        self._single = count == 1
        lead = () if self._single else (count,)
        widths = [bias.shape[1] for bias in parameters.biases]
        sizes = [math.ceil(rows * width * count / 16) * 16 for width in widths[:-1]]  # each part 64-byte aligned
        self._active = torch.zeros(sum(sizes), device=device)
        self._signs, self.fired = torch.zeros_like(self._active), torch.zeros_like(self._active)

        def views(block: torch.Tensor) -> list[torch.Tensor]:
            parts = zip(block.split(sizes), widths[:-1], strict=True)
            return [part[: rows * width * count].view(*lead, rows, width) for part, width in parts]

        self._hidden, self._on, self._fired = views(self._active), views(self._signs), views(self.fired)
        self._deltas = views(torch.zeros_like(self._active))
        self.input_shape, self.output_shape = (*lead, rows, features), (*lead, rows, widths[-1])
        self._delta = torch.zeros(self.output_shape, device=device)
        self._weights = self._drop(parameters.weights)
        self._biases = self._drop(parameters.biases)
        self._masks = self._drop(parameters.masks)
        self._moments = self._drop(parameters.moments)
        # SGD folds minus the rate into the gradient, so that one product updates; Adam needs the gradient itself.
        rates = torch.ones_like(parameters.rates) if self._moments else -parameters.rates
        self._scale = float(rates[0]) / rows if self._single else (rates / rows).view(-1, 1, 1)
        self._linear = (
            *(parameters.linear or [False] * len(sizes)),
            False,
        )  # the last is the output's, which has no ReLU
        self._beside = stream_beside(device) if device.type == "cuda" else None

    def _drop(self, tensors: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        return [tensor[0] if self._single and tensor is not None else tensor for tensor in tensors]

    def take(
        self, images: torch.Tensor, onehot: torch.Tensor, logits: torch.Tensor, correction: torch.Tensor | None
    ) -> None:
        """One step on `images` of `input_shape` with the labels `onehot` of `output_shape`; its logits go into `logits`.

        `correction`: Adam's for this step."""
        products, signal = self._products, images
        layers = zip(self._weights, self._biases, self._hidden, self._linear, strict=False)
        for weight, bias, out, linear in layers:
            signal = products.affine(bias, signal, weight, out, relu=not linear)
        products.affine(self._biases[-1], signal, self._weights[-1], logits)
        torch.sign(self._active, out=self._signs)  # 1 where a neuron fired, 0 where not
        with self._aside():
            self.fired.add_(self._signs)
        delta = torch.softmax(logits, -1, out=self._delta).sub_(onehot).mul_(self._scale)
        for layer in range(len(self._weights) - 1, 0, -1):
            below = products.back(delta, self._weights[layer], self._deltas[layer - 1])
            with self._aside():
                self._update(layer, delta, self._hidden[layer - 1], correction)
            if not self._linear[layer - 1]:
                below.mul_(self._on[layer - 1])
            delta = below
        self._update(0, delta, images, correction)
        if self._beside:
            torch.cuda.current_stream(self._beside.device).wait_stream(self._beside)

    def _aside(self) -> AbstractContextManager:
        """What is called within waits for all called before, and nothing called after it waits for it, until the step ends."""
        if not self._beside:
            return NOWHERE
        self._beside.wait_stream(torch.cuda.current_stream(self._beside.device))
        return torch.cuda.stream(self._beside)

    def _update(self, layer: int, delta: torch.Tensor, signal: torch.Tensor, correction: torch.Tensor | None) -> None:
        weight, bias, mask = self._weights[layer], self._biases[layer], self._masks[layer]
        if self._moments:
            self._adam(weight, self._products.gradient(signal, delta), layer, correction)
        else:
            self._products.descend(weight, signal, delta)
        if self._linear[layer]:
            pass
        elif self._moments:
            self._adam(bias, delta.sum(-2), layer + len(self._weights), correction)
        else:
            bias.add_(delta.sum(-2))
        if mask is not None:
            weight.mul_(mask)

    def _adam(self, parameter: torch.Tensor, gradient: torch.Tensor, place: int, correction: torch.Tensor) -> None:
        of_first, of_second = correction
        first, second = self._moments[2 * place], self._moments[2 * place + 1]
        first.lerp_(gradient, 1 - BETA1)
        second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        rates = self._parameters.rates
        rate = rates[0] if self._single else rates.view(-1, *[1] * (parameter.dim() - 1))
        size = self._products.root(second / of_second).add_(EPSILON)
        parameter.sub_(rate / of_first * first / size)

    def counts(self) -> list[np.ndarray]:
        """Per hidden layer `(K, units)` int64: how often each fired since `fired` was set to zero; 0 in a linear layer."""
        count = self._parameters.count
        counts = [view.reshape(count, self.rows, -1).to(torch.int32).sum(1).cpu().numpy() for view in self._fired]
        return [part * (not linear) for part, linear in zip(counts, self._linear, strict=False)]
