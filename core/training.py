"""The only file that trains. One epoch over a stack of K >= 1 networks of one shape, counting firing as it goes.

A step is fourteen matrix products for four hidden layers, written out by hand: everything lies in preloaded blocks, every
result goes into a buffer that already exists, the gradient product and the update are one call, and the firing count reads
the very activations that the step computed. K = 1 leaves out neurons that are dead on both sides ("shrinking"), so a run
gets faster with each cut; what is handed out always speaks of the original neurons. K > 1 keeps full width.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.datasets import Dataset
from core.network import Network
from core.snapshot import TrainingState
from core.spec import RunSpec

STEPS_BETWEEN_YIELDS = 32  # about 40 ms of full-size MNIST steps: how soon a pause is noticed
ROWS_AT_ONCE = 2048
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
STREAMS = {"start": 0, "shuffle": 1, "criterion": 2, "sample-32": 3, "calibration": 4}
CALIBRATION = 2048  # training images for criteria that look at images or gradients at the moment of the cut


def stream(seed: int, epoch: int, purpose: str) -> np.random.Generator:
    """The generator for one purpose in one epoch: drawn from (seed, epoch), so no generator state is ever stored."""
    return np.random.default_rng([seed, epoch, STREAMS[purpose]])


def pick_device(wanted: str | None = None) -> str:
    """`wanted`, else PRUNING_DEVICE, else the best there is: "cuda", "mps" or "cpu". Raises ValueError if it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = wanted or os.environ.get("PRUNING_DEVICE") or next(name for name, present in there.items() if present)
    if not there.get(wanted.split(":")[0], False):
        present = ", ".join(name for name, here in there.items() if here)
        raise ValueError(f"device {wanted!r} is not available on this computer: allowed are {present}")
    return wanted


def start(spec: RunSpec, data: Dataset) -> TrainingState:
    """Glorot-uniform weights drawn from the seed, zero biases, nothing counted."""
    sizes = [data.x_train.shape[1], *spec.hidden, len(data.class_names)]
    rng = stream(spec.seed, 0, "start")
    weights = []
    for inputs, units in zip(sizes, sizes[1:], strict=False):
        limit = math.sqrt(6 / (inputs + units))
        weights.append(rng.uniform(-limit, limit, (units, inputs)).astype(np.float32))
    biases = [np.zeros(units, np.float32) for units in sizes[1:]]
    moments = [np.zeros_like(p) for p in [*weights, *biases] for _ in range(2)] if spec.optimizer == "adam" else []
    return TrainingState(
        weights=tuple(weights),
        biases=tuple(biases),
        kept=tuple(np.ones(weight.shape, bool) for weight in weights),
        fired=tuple(np.zeros(units, np.int64) for units in spec.hidden),
        moments=tuple(moments),
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """One network on one set of images: `accuracy` 0..1, mean cross-entropy `loss`, and per hidden layer how many images
    of each class made each neuron fire, `(classes, units)` int64; None where it was not asked."""

    accuracy: float
    loss: float
    fired_by_class: tuple[np.ndarray, ...] | None = None


class Trainer:
    """Trains a stack of networks that share data, shape, batch size and optimiser, and differ in seed, masks and rate."""

    def __init__(
        self,
        data: Dataset,
        specs: Sequence[RunSpec],
        states: Sequence[TrainingState],
        device: str | None = None,
        *,
        shrink: bool = True,
    ):
        """Shrinking only applies to a stack of one; `shrink=False` turns it off (to compare the two paths)."""
        first = specs[0]
        if (
            len({(s.batch_size, s.optimizer) for s in specs}) > 1
            or len({tuple(w.shape for w in s.weights) for s in states}) > 1
        ):
            raise ValueError("the networks of a stack must share their widths, batch size and optimiser")
        self.specs, self.data, self.device = tuple(specs), data, torch.device(pick_device(device))
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # sums in another order give other bits, and a busy second core stalls the first
        self.count = len(specs)
        self._shrink = shrink and self.count == 1
        self._batch = first.batch_size
        self._x = torch.tensor(data.x_train, device=self.device)
        self._labels = torch.tensor(data.y_train, device=self.device)
        self._valid = (
            torch.tensor(data.x_valid, device=self.device),
            torch.tensor(data.y_valid, device=self.device),
        )
        classes = len(data.class_names)
        self._onehot = torch.eye(classes, device=self.device)[self._labels]
        self._rates = torch.tensor([s.learning_rate for s in specs], dtype=torch.float32, device=self.device)
        self.load(states)

    # -- between original size and the arrays that train -------------------------------------------------------------

    def load(self, states: Sequence[TrainingState]) -> None:
        """Takes these states, at the start or after a cut; what is dead leaves the arrays here."""
        self._states = list(states)
        self._live = self._find_live(states[0])
        self._full_inputs = states[0].weights[0].shape[1]
        self._weights = [
            self._stack(layer, [s.weights[layer] for s in states]) for layer in range(len(states[0].weights))
        ]
        self._biases = [
            torch.tensor(np.stack([s.biases[layer][self._live[layer + 1]] for s in states]), device=self.device)
            for layer in range(len(self._weights))
        ]
        masks = [self._stack(layer, [s.kept[layer] for s in states]) for layer in range(len(self._weights))]
        self._masks = [None if bool(mask.all()) else mask.to(torch.float32) for mask in masks]
        parameters = [*range(len(self._weights)), *range(len(self._weights))]
        self._moments = []
        for place in range(len(states[0].moments)):
            parts = [s.moments[place] for s in states]
            layer = parameters[place // 2]
            block = self._stack(layer, parts) if parts[0].ndim == 2 else None
            if block is None:
                block = torch.tensor(np.stack([p[self._live[layer + 1]] for p in parts]), device=self.device)
            self._moments.append(block)
        self._steps = [s.steps for s in states]
        self._buffers = {}

    def _find_live(self, state: TrainingState) -> list[np.ndarray]:
        """Per level (inputs, hidden layers, outputs) the indices of the units that train."""
        live = [np.arange(state.weights[0].shape[1])]
        for layer, kept in enumerate(state.kept[:-1]):
            idle = ~kept.any(axis=1) & ~state.kept[layer + 1].any(axis=0)
            live.append(np.flatnonzero(~idle) if self._shrink else np.arange(kept.shape[0]))
        return [*live, np.arange(state.weights[-1].shape[0])]

    def _stack(self, layer: int, arrays: Sequence[np.ndarray]) -> torch.Tensor:
        inner = np.ix_(self._live[layer + 1], self._live[layer])
        return torch.tensor(np.stack([array[inner] for array in arrays]), device=self.device)

    def states(self) -> list[TrainingState]:
        """The networks as they are now, at their original size. The counts of units that left are frozen."""
        weights = [w.cpu().numpy() for w in self._weights]
        biases = [b.cpu().numpy() for b in self._biases]
        moments = [m.cpu().numpy() for m in self._moments]
        return [self._state(k, weights, biases, moments) for k in range(self.count)]

    def _state(self, k: int, weights, biases, moments) -> TrainingState:
        old = self._states[k]

        def full(original: np.ndarray, layer: int, part: np.ndarray) -> np.ndarray:
            result = original.copy()
            rows = self._live[layer + 1]
            if original.ndim == 2:
                result[np.ix_(rows, self._live[layer])] = part
            else:
                result[rows] = part
            return result

        layers = range(len(weights))
        parameters = [*layers, *layers]
        return replace(
            old,
            weights=tuple(full(old.weights[i], i, weights[i][k]) for i in layers),
            biases=tuple(full(old.biases[i], i, biases[i][k]) for i in layers),
            moments=tuple(
                full(original, parameters[place // 2], moments[place][k]) for place, original in enumerate(old.moments)
            ),
            steps=self._steps[k],
        )

    # -- one epoch ---------------------------------------------------------------------------------------------------

    def epoch(self, number: int) -> Iterator[float]:
        """Trains epoch `number` (from 1), yielding the share done every few steps; then `measured` and `states()` hold.

        Leaving the iterator early leaves a half-trained epoch: `load` a state before going on.
        """
        size, batch = len(self._x), min(self._batch, len(self._x))
        orders = np.stack([stream(s.seed, number, "shuffle").permutation(size) for s in self.specs])
        orders = torch.tensor(orders, device=self.device)
        whole = size // batch
        parts = [(self._buffer(batch, whole), whole)]
        if rest := size - whole * batch:
            parts.append((self._buffer(rest, 1), 1))
        done = 0
        steps = len(parts) - 1 + whole
        targets = []
        for buffer, repeats in parts:
            rows = orders[:, done * batch : done * batch + repeats * buffer.rows]
            index = rows.reshape(self.count, repeats, buffer.rows).transpose(0, 1).reshape(repeats, -1).contiguous()
            onehot = self._onehot[index].view(buffer.logits.shape)
            targets.append(self._labels[index])
            buffer.fired.zero_()
            for step in range(repeats):
                buffer.step(self, index[step], onehot[step], step)
                done += 1
                if done % STEPS_BETWEEN_YIELDS == 0:
                    yield done / steps
        self._finish(parts, targets, number, size)
        yield 1.0

    def _finish(self, parts, targets, number: int, size: int) -> None:
        right, loss = np.zeros(self.count), np.zeros(self.count)
        fired = [np.zeros((self.count, live.size), np.int64) for live in self._live[1:-1]]
        for (buffer, _), labels in zip(parts, targets, strict=True):
            logits = buffer.logits.view(labels.shape[0], self.count, buffer.rows, -1)
            labels = labels.view(labels.shape[0], self.count, buffer.rows)
            right += (logits.argmax(-1) == labels).sum((0, 2)).cpu().numpy()
            log = torch.log_softmax(logits, -1).gather(-1, labels[..., None])
            loss -= log.sum((0, 2, 3)).double().cpu().numpy()
            for total, part in zip(fired, buffer.counts(), strict=True):
                total += part
        self.measured = [Measured(float(r / size), float(value / size)) for r, value in zip(right, loss, strict=True)]
        for k, spec in enumerate(self.specs):
            old = self._states[k]
            counts, seen = [part[k] for part in fired], size
            if spec.pruning and spec.pruning.counting == "sample-32":
                counts, seen = self._sampled_counts(k, spec, number)
            grown = [count.copy() for count in old.fired]
            for layer, part in enumerate(counts):
                grown[layer][self._live[layer + 1]] += part
            self._states[k] = replace(old, fired=tuple(grown), seen=old.seen + seen)

    def _sampled_counts(self, k: int, spec: RunSpec, number: int) -> tuple[list[np.ndarray], int]:
        """Counts on 32 random training images with the weights at the end of the epoch, as the released code does."""
        size = min(32, len(self._x))
        rows = stream(spec.seed, number, "sample-32").choice(len(self._x), size, replace=False)
        signal, counts = self._x[torch.tensor(rows, device=self.device)], []
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            signal = torch.relu(signal @ weight[k].T + bias[k])
            counts.append((signal > 0).sum(0).cpu().numpy())
        return counts, size

    def _buffer(self, rows: int, repeats: int) -> _Buffer:
        if rows not in self._buffers:
            self._buffers[rows] = _Buffer(self, rows, repeats)
        return self._buffers[rows]

    # -- looking at the networks -------------------------------------------------------------------------------------

    def evaluate(self, by_class: bool = False) -> list[Measured]:
        """Accuracy and loss of every network on the validation images; `by_class` adds who fires for which class."""
        images, labels = self._valid
        classes = len(self.data.class_names)
        right = torch.zeros(self.count, device=self.device)
        loss = torch.zeros(self.count, device=self.device)
        fired = [torch.zeros(self.count, classes, live.size, device=self.device) for live in self._live[1:-1]]
        for first in range(0, len(images), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            signal, truth = images[rows].expand(self.count, -1, -1), labels[rows].expand(self.count, -1)
            onehot = torch.eye(classes, device=self.device)[labels[rows]]
            for layer, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
                signal = torch.baddbmm(bias[:, None], signal, weight.mT)
                if layer < len(fired):
                    signal.relu_()
                    if by_class:
                        fired[layer] += onehot.T @ signal.sign()
            right += (signal.argmax(-1) == truth).sum(-1)
            loss -= torch.log_softmax(signal, -1).gather(-1, truth[..., None]).sum((1, 2))
        right, loss = right.cpu().numpy() / len(images), loss.cpu().numpy() / len(images)
        results = []
        for k in range(self.count):
            seen_by = (
                tuple(self._full_width(part[k].cpu().numpy(), i) for i, part in enumerate(fired)) if by_class else None
            )
            results.append(Measured(float(right[k]), float(loss[k]), seen_by))
        return results

    def _full_width(self, part: np.ndarray, layer: int) -> np.ndarray:
        result = np.zeros((part.shape[0], self._states[0].weights[layer].shape[0]), np.int64)
        result[:, self._live[layer + 1]] = part
        return result


class _Buffer:
    """Room for one step on `rows` images of every network, and the step itself.

    Activations of all hidden layers lie one after another in one block, so that signs and counts take one call for all
    layers. For K = 1 the leading axis is dropped: `addmm` on matrices is faster than `baddbmm` on a stack of one.
    """

    def __init__(self, trainer: Trainer, rows: int, repeats: int):
        self.rows, self.trainer_count = rows, trainer.count
        lead = () if trainer.count == 1 else (trainer.count,)
        widths = [live.size for live in trainer._live[1:-1]]
        device = trainer.device

        def drop(tensor: torch.Tensor) -> torch.Tensor:
            return tensor[0] if trainer.count == 1 else tensor

        sizes = [math.ceil(rows * width * trainer.count / 16) * 16 for width in widths]  # 64-byte aligned
        self.active = torch.zeros(sum(sizes), device=device)
        self.signs, self.fired = torch.zeros_like(self.active), torch.zeros_like(self.active)
        self.deltas_block = torch.zeros_like(self.active)

        def views(block: torch.Tensor) -> list[torch.Tensor]:
            parts = zip(block.split(sizes), widths, strict=True)
            return [part[: rows * width * trainer.count].view(*lead, rows, width) for part, width in parts]

        self.hidden, self.on, self.fired_views = views(self.active), views(self.signs), views(self.fired)
        self.deltas = views(self.deltas_block)
        classes = trainer._biases[-1].shape[1]
        self.logits = torch.zeros(repeats, *lead, rows, classes, device=device)
        self.delta = torch.zeros(*lead, rows, classes, device=device)
        self.images = torch.zeros(rows * trainer.count, trainer._x.shape[1], device=device)
        self.input = self.images.view(*lead, rows, -1)
        self.ones = torch.ones(*lead, rows, device=device) if trainer.count == 1 else None
        self.weights = [drop(weight) for weight in trainer._weights]
        self.turned = [weight.mT for weight in self.weights]
        self.biases = [drop(bias) for bias in trainer._biases]
        self.bias_rows = [bias if trainer.count == 1 else bias[:, None] for bias in self.biases]
        self.masks = [None if mask is None else drop(mask) for mask in trainer._masks]
        self.adam = bool(trainer._moments)
        scale = 1 / rows if self.adam else -1 / rows  # SGD folds minus the rate into the gradient: one product updates
        rates = torch.ones_like(trainer._rates) if self.adam else trainer._rates
        self.scale = float(rates[0]) * scale if trainer.count == 1 else (rates * scale).view(-1, 1, 1)
        self.rates = trainer._rates
        self.moments = [drop(moment) for moment in trainer._moments]

    def counts(self) -> list[np.ndarray]:
        """Per hidden layer `(K, units)` int64: how often each unit fired since `fired` was set to zero."""
        return [
            view.view(self.trainer_count, self.rows, -1).sum(1, dtype=torch.float64).cpu().numpy().astype(np.int64)
            if view.device.type != "mps"
            else view.view(self.trainer_count, self.rows, -1).to(torch.int32).sum(1).cpu().numpy().astype(np.int64)
            for view in self.fired_views
        ]

    def step(self, trainer: Trainer, index: torch.Tensor, onehot: torch.Tensor, step: int) -> None:
        single = self.trainer_count == 1
        affine = torch.addmm if single else torch.baddbmm
        product = torch.mm if single else torch.bmm
        torch.index_select(trainer._x, 0, index, out=self.images)
        signal = self.input
        for turned, bias, out in zip(self.turned, self.bias_rows, self.hidden, strict=False):
            affine(bias, signal, turned, out=out)
            signal = out.relu_()
        logits = self.logits[step]
        affine(self.bias_rows[-1], signal, self.turned[-1], out=logits)
        torch.sign(self.active, out=self.signs)  # 1 where a neuron fired, 0 where not
        self.fired.add_(self.signs)
        delta = torch.softmax(logits, -1, out=self.delta)
        delta.sub_(onehot).mul_(self.scale)
        for layer in range(len(self.weights) - 1, 0, -1):
            below = product(delta, self.weights[layer], out=self.deltas[layer - 1])
            below.mul_(self.on[layer - 1])
            self._update(trainer, layer, delta, self.hidden[layer - 1])
            delta = below
        self._update(trainer, 0, delta, self.input)
        for k in range(trainer.count):
            trainer._steps[k] += 1

    def _update(self, trainer: Trainer, layer: int, delta: torch.Tensor, signal: torch.Tensor) -> None:
        weight, bias, mask = self.weights[layer], self.biases[layer], self.masks[layer]
        if self.adam:
            self._adam(trainer, layer, delta, signal)
        elif self.trainer_count == 1:
            weight.addmm_(delta.mT, signal)
            bias.addmv_(delta.mT, self.ones)
        else:
            weight.baddbmm_(delta.mT, signal)
            bias.add_(delta.sum(1))
        if mask is not None:
            weight.mul_(mask)

    def _adam(self, trainer: Trainer, layer: int, delta: torch.Tensor, signal: torch.Tensor) -> None:
        step = trainer._steps[0] + 1
        correction1, correction2 = 1 - BETA1**step, 1 - BETA2**step
        gradients = (
            (self.weights[layer], delta.mT @ signal, layer),
            (self.biases[layer], delta.sum(-2), layer + len(self.weights)),
        )
        for parameter, gradient, place in gradients:
            first, second = self.moments[2 * place], self.moments[2 * place + 1]
            first.lerp_(gradient, 1 - BETA1)
            second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            rate = self.rates.view(-1, *[1] * (parameter.dim() - 1)) if self.trainer_count > 1 else self.rates[0]
            parameter.sub_(rate / correction1 * first / ((second / correction2).sqrt_().add_(EPSILON)))


def calibration(spec: RunSpec, data: Dataset, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """A seeded sample of training images and labels, for criteria that look at the network at the moment of the cut."""
    size = min(CALIBRATION, len(data.x_train))
    rows = stream(spec.seed, epoch, "calibration").choice(len(data.x_train), size, replace=False)
    return data.x_train[rows], data.y_train[rows]


def gradients(network: Network, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """d mean cross-entropy / d weight, one array per weight matrix of its shape, by automatic differentiation."""
    weights = [torch.tensor(weight, requires_grad=True) for weight in network.weights]
    signal = torch.tensor(x)
    for layer, (weight, bias) in enumerate(zip(weights, network.biases, strict=True)):
        signal = signal @ weight.T + torch.tensor(bias)
        if layer < len(weights) - 1:
            signal = torch.relu(signal)
    loss = torch.nn.functional.cross_entropy(signal, torch.tensor(y))
    return [gradient.numpy() for gradient in torch.autograd.grad(loss, weights)]
