"""Many networks of one shape trained at once, as one stack: what a GPU would rather do than one after another.

`train` is to a GPU what `crew.train` is to the cores of a processor. A stack stays at full width, so its results differ from
those of networks trained alone in their last bits; `done.json` says `shrunk: false` and how many there were.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import torch

from core import datasets, experiment
from core.datasets import Dataset
from core.experiment import Course, training
from core.experiment.training import Measured, Trainer
from core.spec import RunSpec
from core.store import Store
from core.store.snapshot import TrainingState
from core.sweep.processes import Going, Outcome

MOST = 64  # networks in a stack


def train(specs: Sequence[RunSpec], store: Store | None, going: Going, device: str | None = None) -> Iterator[Outcome]:
    """Yields an Outcome for each run of a stack, in the order in which they end. Left out, for the others to train: what fits
    no stack, has stored epochs already, or is being trained by another process. `going` answers False to end it here: what is
    stored stays. A stack that the device has no memory for is halved."""
    for group in groups(specs):
        waiting = [group]
        while waiting:
            part = waiting.pop(0)
            done: set[RunSpec] = set()
            try:
                for outcome in _train(part, store, going, device):
                    done.add(outcome.spec)
                    yield outcome
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                half = len(part) // 2
                waiting += [stack for stack in (part[:half], part[half:]) if len(stack) > 1]
            if not going():
                return


def groups(specs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """The specs that can be stacked, at most MOST a stack, 2 at least."""
    alike: dict[tuple, list[RunSpec]] = {}
    for spec in specs:
        # A penalty has steps of its own, a rewound network others behind it, and a branch goes on from its parent.
        alone = spec.penalty or spec.hand_cuts or spec.parent or (spec.pruning and spec.pruning.rewind)
        if not alone:
            alike.setdefault((spec.dataset, spec.hidden, spec.batch_size, spec.optimizer, spec.arithmetic), []).append(
                spec
            )
    stacks = [group[begin : begin + MOST] for group in alike.values() for begin in range(0, len(group), MOST)]
    return [stack for stack in stacks if len(stack) > 1]


def _train(specs: list[RunSpec], store: Store | None, going: Going, device: str | None) -> Iterator[Outcome]:
    with contextlib.ExitStack() as locks:
        data, mine = datasets.load(specs[0].dataset), []
        for spec in specs:
            experiment.check(spec, data)
            if store is None:
                mine.append(spec)
                continue
            lock = store.claim(spec.key())
            if lock is None:
                continue
            if store.resume(spec).moment is None:
                locks.enter_context(lock)
                mine.append(spec)
            else:
                lock.__exit__(None, None, None)
        if len(mine) > 1:
            yield from _Stack([Course(spec, data, store) for spec in mine], data, device).train(going)


class _Stack:
    """Courses that are trained side by side. One that has ended stays in the arrays, unheard, until half of them have."""

    def __init__(self, courses: list[Course], data: Dataset, device: str | None):
        self._courses, self._data, self._device, self._size = courses, data, device, len(courses)
        self._trainer = self._new()
        made_on = experiment.provenance(self._trainer.device, courses[0].spec.arithmetic)
        self._made_on = made_on | {"shrunk": False, "stack": self._size, "family": f"{made_on['family']}, stacked"}

    def _new(self) -> Trainer:
        specs, states = [one.spec for one in self._courses], [one.state for one in self._courses]
        return Trainer(self._data, specs, states, self._device, shrink=False)

    def train(self, going: Going) -> Iterator[Outcome]:
        for course in self._courses:
            course.trained_by(self._made_on["family"])
        for course, valid in zip(self._courses, self._trainer.evaluate(by_class=True), strict=True):
            course.begin(valid)
        epoch = 0
        while living := [course for course in self._courses if course.reason is None]:
            if len(living) <= len(self._courses) / 2:
                self._courses = living
                self._trainer = self._new()
            epoch += 1
            began = time.perf_counter()
            for _ in self._trainer.epoch(epoch):
                if not going():
                    return
            self._end_epoch(time.perf_counter() - began)
            for course in living:
                if course.reason is not None:
                    yield Outcome(course.spec, course.finish(self._made_on))
            if not going():
                return

    def _end_epoch(self, seconds: float) -> None:
        trainer = self._trainer
        states, measured, valid = trainer.states(), trainer.measured, trainer.evaluate(by_class=True)
        for place, course in enumerate(self._courses):
            if course.reason is not None:
                continue

            def after_cut(state: TrainingState, place: int = place) -> Measured:
                states[place] = state
                trainer.load(states)
                return trainer.evaluate()[place]

            share = seconds / len(self._courses)  # of an epoch that all had together
            course.end_epoch(share, measured[place], valid[place], states[place], after_cut)


def wanted() -> bool:
    """Whether sweeps are trained as stacks here: where runs go to a CUDA device."""
    return training.pick_device() == "cuda"
