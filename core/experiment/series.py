"""The steps of one epoch on batches of one size: one after another, or on CUDA several at once, captured as a graph.

A step is some forty calls of a few microseconds each on the device, and many more on the way there; a graph makes them all
with one call. It reads and writes fixed places, so what changes from step to step is copied into a window and out of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from core.experiment.products import Products
from core.experiment.step import Parameters, Step, stream_beside

AT_ONCE = 4  # steps per graph: eight save 1 µs a step, but each is captured anew after every cut, 2.5 ms a step
IMAGES_AT_ONCE = 16384  # per graph, all networks together: wide stacks and large batches must fit the memory


class Series:
    """`repeats` steps an epoch on batches of `rows` of `images` `(n, features)`. `logits` are those of the last epoch."""

    def __init__(
        self,
        parameters: Parameters,
        products: Products,
        images: torch.Tensor,
        rows: int,
        repeats: int,
        at_once: int = 1,
    ):
        self.rows, self._parameters, self._images = rows, parameters, images
        self.step = Step(parameters, products, rows, images.shape[1])
        self.logits = torch.zeros(repeats, *self.step.output_shape, device=images.device)
        self._batches = torch.zeros(at_once, rows * parameters.count, images.shape[1], device=images.device)
        self._inputs = self._batches.view(at_once, *self.step.input_shape)

    def train(self, index: torch.Tensor, onehot: torch.Tensor) -> Iterator[int]:
        """Makes all steps: `index` `(repeats, K · rows)` picks the images, `onehot`, of the shape of `logits`, labels them.

        Yields how many steps it has made since it last did."""
        self.step.fired.zero_()
        batch, images = self._batches[0], self._inputs[0]
        for number, correction in enumerate(self._parameters.corrections(len(index))):
            torch.index_select(self._images, 0, index[number], out=batch)
            self.step.take(images, onehot[number], self.logits[number], correction)
            self._parameters.steps += 1
            yield 1


class Windows(Series):
    """The same steps, up to AT_ONCE of them at a time: as graphs on CUDA, elsewhere by plain calls.

    All steps of an epoch go this way, the first too, so that a resumed run gives the same bits.
    """

    def __init__(
        self, parameters: Parameters, products: Products, images: torch.Tensor, rows: int, repeats: int, every: int = 0
    ):
        most = max(1, min(AT_ONCE, IMAGES_AT_ONCE // (rows * parameters.count), repeats))
        self.length = max(length for length in range(1, most + 1) if every % length == 0)
        super().__init__(parameters, products, images, rows, repeats, self.length)
        self._index = torch.zeros(self._batches.shape[:2], dtype=torch.int64, device=images.device)
        self._onehot, self._logits = (torch.zeros_like(self.logits[: self.length]) for _ in range(2))
        self._corrections = torch.ones(self.length, 2, device=images.device)
        self._graphs = self._captured({1, self.length}) if images.is_cuda else {}

    def train(self, index: torch.Tensor, onehot: torch.Tensor) -> Iterator[int]:
        self.step.fired.zero_()
        corrections, made, running = self._parameters.corrections(len(index)), 0, None
        while made < len(index):
            length = self.length if made + self.length <= len(index) else 1
            part = slice(made, made + length)
            self._index[:length].copy_(index[part])
            self._onehot[:length].copy_(onehot[part])
            if self._parameters.moments:
                self._corrections[:length].copy_(corrections[part])
            if self._graphs:
                self._graphs[length].replay()
            else:
                self._make(length)
            self.logits[part].copy_(self._logits[:length])
            running = self._keep_pace(running)
            self._parameters.steps += length
            made += length
            yield length

    def _make(self, length: int) -> None:
        """The first `length` steps of what lies in the window."""
        batches = self._batches[:length].flatten(0, 1)
        torch.index_select(self._images, 0, self._index[:length].flatten(), out=batches)
        for place in range(length):
            self.step.take(self._inputs[place], self._onehot[place], self._logits[place], self._corrections[place])

    def _captured(self, lengths: set[int]) -> dict[int, torch.cuda.CUDAGraph]:
        """A graph per length. One step is made first, and undone: what cuBLAS sets up for new shapes cannot be captured."""
        device, graphs = self._images.device, {}
        usual, stream = torch.cuda.current_stream(device), stream_beside(device, 1)
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            changing = [*self._parameters.weights, *self._parameters.biases, *self._parameters.moments]
            before = [tensor.clone() for tensor in changing]
            self._make(1)
            for tensor, old in zip(changing, before, strict=True):
                tensor.copy_(old)
            stream.synchronize()
            for length in sorted(lengths):
                graphs[length] = torch.cuda.CUDAGraph()
                graphs[length].capture_begin(capture_error_mode="thread_local")  # other threads may use the device
                self._make(length)
                graphs[length].capture_end()
        usual.wait_stream(stream)
        return graphs

    def _keep_pace(self, running: torch.cuda.Event | None) -> torch.cuda.Event | None:
        """Waits for the window before this one, so that the share told is the share done, and a pause is soon noticed."""
        if running is not None:
            running.synchronize()
        return torch.cuda.current_stream(self._images.device).record_event() if self._images.is_cuda else None


def series(
    parameters: Parameters, products: Products, images: torch.Tensor, rows: int, repeats: int, every: int = 0
) -> Series:
    """The fastest way to make these steps on the device that holds `images`; where `every` is given, it is told of each
    multiple of it. A single step is not worth a graph."""
    if images.is_cuda and repeats > 1:
        return Windows(parameters, products, images, rows, repeats, every)
    return Series(parameters, products, images, rows, repeats)
