"""The only file that trains. One epoch over a stack of K >= 1 networks of one shape, counting firing as it goes.

All data lie in one preloaded block; `step` has the arithmetic, `layout` says which units take part. K = 1 leaves out what is
dead, so a run gets faster with each cut, and what is handed out still speaks of the original neurons. K > 1 keeps full width.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from core import collapse
from core.blas import product
from core.datasets import Dataset
from core.experiment import layout
from core.experiment.penalty import Penalty
from core.experiment.products import products
from core.experiment.series import Series, series
from core.experiment.step import Parameters
from core.network import Network, active
from core.spec import RunSpec
from core.store.snapshot import TrainingState

STEPS_BETWEEN_YIELDS = 32  # about 40 ms of full-size MNIST steps: how soon a pause is noticed
ROWS_AT_ONCE = 2048
STREAMS = {"start": 0, "shuffle": 1, "criterion": 2, "sample-32": 3, "calibration": 4}
CALIBRATION = 2048  # training images for criteria that look at images or gradients at the moment of the cut


def stream(seed: int, epoch: int, purpose: str, draw: int = 0) -> np.random.Generator:
    """The generator for one purpose in one epoch: drawn from (seed, epoch), so no generator state is ever stored.

    `draw` beyond 0: further, independent draws for the same purpose."""
    return np.random.default_rng([seed, epoch, STREAMS[purpose], *([draw] if draw else [])])


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
    of each class made each neuron fire, `(classes, units)` int64; None where it was not asked. answer: the one class that
    it gives all of them, None where it gives several or was not asked."""

    accuracy: float
    loss: float
    fired_by_class: tuple[np.ndarray, ...] | None = None
    answer: int | None = None


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
        linear: Sequence[bool] = (),
    ):
        """Shrinking only applies to a stack of one; `shrink=False` turns it off (to compare the two paths).

        linear: one flag per hidden weight matrix of the states; a linear layer is the first factor of the next: no ReLU, its
        bias stays as it is, its units count as never firing. The widths of such a stack are its states' own, not the specs'.
        """
        alike = {
            (spec.batch_size, spec.optimizer, spec.arithmetic, state.steps)
            for spec, state in zip(specs, states, strict=True)
        }
        if len(alike) > 1 or len({tuple(w.shape for w in state.weights) for state in states}) > 1:
            raise ValueError(
                "the networks of a stack must share their widths, batch size, optimiser, arithmetic and steps made"
            )
        self.specs, self.data, self.device = tuple(specs), data, torch.device(pick_device(device))
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # sums in another order give other bits, and a busy second core stalls the first
        self.count = len(specs)
        self._shrink = shrink and self.count == 1
        self._linear = tuple(linear)
        self._products = products(specs[0].arithmetic, self.device, single=self.count == 1)
        self._stacked = products(specs[0].arithmetic, self.device, single=False)
        penalties = [spec.penalty for spec in specs if spec.penalty is not None]
        if penalties and len(penalties) < self.count:
            raise ValueError("either every network of a stack has a penalty, of strength 0 if need be, or none")
        self._penalty = Penalty(penalties, self._stacked, self.device) if penalties else None
        # A penalty shrinks the weights of dark inputs too, so these stay; without one nothing ever changes them.
        self._lit = data.x_train.any(axis=0) | (not self._shrink or bool(penalties))
        self._images = self._on_device(np.ascontiguousarray(data.x_train[:, self._lit]))
        self._labels = self._on_device(data.y_train)
        self._onehot = torch.eye(len(data.class_names), device=self.device)[self._labels]
        self._valid = self._on_device(np.ascontiguousarray(data.x_valid[:, self._lit])), self._on_device(data.y_valid)
        self._rates = self._on_device(np.array([spec.learning_rate for spec in specs], np.float32))
        self.load(states)

    def _on_device(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, device=self.device)

    def load(self, states: Sequence[TrainingState]) -> None:
        """Takes these states, at the start or after a cut; what is dead leaves the arrays here."""
        self._states = list(states)
        first = states[0]
        self._layout = layout.shrunk(first, self._lit) if self._shrink else layout.everything(first)
        layers = range(len(first.weights))
        self._layer_of = [*layers, *layers]  # of each parameter: weights first, then biases

        def inner(layer: int, arrays: list[np.ndarray]) -> torch.Tensor:
            return self._on_device(self._layout.inner(layer, arrays))

        masks = [inner(layer, [state.kept[layer] for state in states]) for layer in layers]
        self._parameters = Parameters(
            weights=[inner(layer, [state.weights[layer] for state in states]) for layer in layers],
            biases=[inner(layer, [state.biases[layer] for state in states]) for layer in layers],
            masks=[None if bool(mask.all()) else mask.to(torch.float32) for mask in masks],
            rates=self._rates,
            moments=[
                inner(self._layer_of[place // 2], [state.moments[place] for state in states])
                for place in range(len(first.moments))
            ],
            steps=first.steps,
            linear=self._linear,
        )
        self._dark_signal = self._signal_of_dark_inputs(first)
        self._rooms: dict[int, Series] = {}

    def _signal_of_dark_inputs(self, state: TrainingState) -> torch.Tensor:
        """What validation images send through inputs that no training image lights: it never changes between cuts."""
        dark = ~self._lit
        weight = state.weights[0][self._layout.live[1]][:, dark]
        return self._on_device(product(self.data.x_valid[:, dark], weight.T))  # (validation images, units)

    def states(self) -> list[TrainingState]:
        """The networks as they are now, at their original size. The counts of units that left are frozen."""
        weights, biases, moments = (
            [tensor.cpu().numpy() for tensor in group]
            for group in (self._parameters.weights, self._parameters.biases, self._parameters.moments)
        )
        weights = [weight + np.float32(0) for weight in weights]  # the masks' products leave -0.0 behind

        def outer(old: tuple[np.ndarray, ...], new: list[np.ndarray], k: int, layers: Sequence[int]) -> tuple:
            places = zip(layers, old, new, strict=True)
            return tuple(self._layout.outer(layer, original, part[k]) for layer, original, part in places)

        layers = range(len(weights))
        of_moments = [layer for layer in self._layer_of for _ in range(2)] if moments else []
        return [
            replace(
                old,
                weights=outer(old.weights, weights, k, layers),
                biases=outer(old.biases, biases, k, layers),
                moments=outer(old.moments, moments, k, of_moments),
                steps=self._parameters.steps,
            )
            for k, old in enumerate(self._states)
        ]

    # -- one epoch ---------------------------------------------------------------------------------------------------

    def epoch(self, number: int, penalised: Sequence[bool] | None = None) -> Iterator[float]:
        """Trains epoch `number` (from 1), yielding the share done every few steps; then `measured` and `states()` hold.

        penalised: per network, whether its penalty is on in this epoch; all are unless given. Penalty steps come after every
        N-th training step of the epoch, and at its end for the steps since, so that an epoch never owes the next anything.
        Leaving the iterator early leaves a half-trained epoch: `load` a state before going on.
        """
        size, batch = len(self._images), min(self.specs[0].batch_size, len(self._images))
        orders = np.stack([stream(spec.seed, number, "shuffle").permutation(size) for spec in self.specs])
        orders = self._on_device(orders)
        whole, rest = divmod(size, batch)
        parts = [(self._room(batch, whole), whole)] + ([(self._room(rest, 1), 1)] if rest else [])
        done, steps, targets, paid = 0, whole + bool(rest), [], 0
        on = [True] * self.count if penalised is None else list(penalised)
        penalty = self._penalty if any(on) else None
        for room, repeats in parts:
            rows = orders[:, done * batch : done * batch + repeats * room.rows]
            index = rows.reshape(self.count, repeats, room.rows).transpose(0, 1).reshape(repeats, -1).contiguous()
            onehot = self._onehot[index].view(room.logits.shape)
            targets.append(self._labels[index].view(repeats, self.count, room.rows))
            for made in room.train(index, onehot):
                if (done + made) // STEPS_BETWEEN_YIELDS > done // STEPS_BETWEEN_YIELDS:
                    yield (done + made) / steps
                done += made
                if penalty and (done % penalty.every == 0 or done == steps):
                    penalty.take(self._parameters, done - paid, on)
                    paid = done
        self._measure([room for room, _ in parts], targets)
        self._count([room for room, _ in parts], number)
        yield 1.0

    def _room(self, rows: int, repeats: int) -> Series:
        if rows not in self._rooms:
            every = (self._penalty.every,) if self._penalty else ()
            self._rooms[rows] = series(self._parameters, self._products, self._images, rows, repeats, *every)
        return self._rooms[rows]

    def _measure(self, rooms: list[Series], targets: list[torch.Tensor]) -> None:
        """The epoch's running accuracy and loss, from the logits that its steps left behind."""
        right, loss = np.zeros(self.count), np.zeros(self.count)
        for room, labels in zip(rooms, targets, strict=True):
            logits = room.logits.view(*labels.shape, -1)
            right += (logits.argmax(-1) == labels).sum((0, 2)).cpu().numpy()
            loss -= torch.log_softmax(logits, -1).gather(-1, labels[..., None]).sum((0, 2, 3)).cpu().numpy()
        size = len(self._images)
        self.measured = [Measured(float(r / size), float(value / size)) for r, value in zip(right, loss, strict=True)]

    def _count(self, rooms: list[Series], number: int) -> None:
        """Adds the epoch's firing to the counts, or that of the sample of 32 where the spec asks for it."""
        during = [sum(parts) for parts in zip(*(room.step.counts() for room in rooms), strict=True)]
        for k, spec in enumerate(self.specs):
            counts, seen = [part[k] for part in during], len(self._images)
            if spec.pruning and spec.pruning.counting == "sample-32":
                counts, seen = self._sampled_counts(k, spec, number)
            old = self._states[k]
            grown = tuple(count.copy() for count in old.fired)
            for layer, part in enumerate(counts):
                grown[layer][self._layout.live[layer + 1]] += part
            self._states[k] = replace(old, fired=grown, seen=old.seen + seen)

    def _sampled_counts(self, k: int, spec: RunSpec, number: int) -> tuple[list[np.ndarray], int]:
        """Counts on 32 random training images with the weights at the end of the epoch, as the released code does."""
        size = min(32, len(self._images))
        rows = stream(spec.seed, number, "sample-32").choice(len(self._images), size, replace=False)
        signal, counts = self._images[self._on_device(rows)], []
        for weight, bias in zip(self._parameters.weights[:-1], self._parameters.biases[:-1], strict=True):
            signal = self._affine(bias[k : k + 1], signal[None], weight[k : k + 1])[0].relu_()
            counts.append(active(signal).sum(0).cpu().numpy())
        return counts, size

    # -- looking at the networks -------------------------------------------------------------------------------------

    def evaluate(self, by_class: bool = False) -> list[Measured]:
        """Accuracy and loss of every network on the validation images; `by_class` adds who fires for which class."""
        images, labels = self._valid
        weights, biases, classes = self._parameters.weights, self._parameters.biases, len(self.data.class_names)
        right, loss = torch.zeros(self.count, device=self.device), torch.zeros(self.count, device=self.device)
        said = []
        fired = [torch.zeros(self.count, classes, bias.shape[1], device=self.device) for bias in biases[:-1]]
        for begin in range(0, len(images), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            signal, truth = images[rows].expand(self.count, -1, -1), labels[rows].expand(self.count, -1)
            onehot = torch.eye(classes, device=self.device)[labels[rows]]
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                signal = self._affine(bias, signal, weight)
                if layer == 0:
                    signal += self._dark_signal[rows]
                if layer < len(fired) and not (self._linear and self._linear[layer]):
                    signal.relu_()
                    if by_class:
                        fired[layer] += onehot.T @ signal.sign()
            said.append(signal.argmax(-1))
            right += (said[-1] == truth).sum(-1)
            loss -= torch.log_softmax(signal, -1).gather(-1, truth[..., None]).sum((1, 2))
        right, loss = right.cpu().numpy() / len(images), loss.cpu().numpy() / len(images)
        answers = torch.cat(said, -1).cpu().numpy()
        return [
            Measured(
                float(right[k]),
                float(loss[k]),
                self._by_class(fired, k) if by_class else None,
                collapse.only_answer(answers[k]),
            )
            for k in range(self.count)
        ]

    def _affine(self, bias: torch.Tensor, signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """bias + signal @ weight of a stack, in memory of its own."""
        room = torch.empty(*signal.shape[:-1], weight.shape[-1], device=self.device)
        return self._stacked.affine(bias, signal, weight, room)

    def _by_class(self, fired: list[torch.Tensor], k: int) -> tuple[np.ndarray, ...]:
        widths = self.specs[k].hidden
        parts = [part[k].cpu().numpy().astype(np.int64) for part in fired]
        return tuple(self._layout.widened(layer, part, widths[layer]) for layer, part in enumerate(parts))


def calibration(spec: RunSpec, data: Dataset, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """A seeded sample of training images and labels, for criteria that look at the network at the moment of the cut."""
    size = min(CALIBRATION, len(data.x_train))
    rows = stream(spec.seed, epoch, "calibration").choice(len(data.x_train), size, replace=False)
    return data.x_train[rows], data.y_train[rows]


def gradients(network: Network, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """d mean cross-entropy / d weight, one array per weight matrix of its shape, written out backwards."""
    signals = [np.asarray(x, np.float32), *network.activations(x)]
    logits = product(signals[-1], network.weights[-1].T) + network.biases[-1]
    delta = torch.softmax(torch.from_numpy(logits), -1).numpy()
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    found = []
    for layer in range(len(network.weights) - 1, -1, -1):
        found.append(product(delta.T, signals[layer]))
        delta = product(delta, network.weights[layer]) * active(signals[layer])
    return found[::-1]
