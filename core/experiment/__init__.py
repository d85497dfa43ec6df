"""One run from its spec to its last event: recipe, training and store put together."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
import torch

from core import arithmetic, collapse, datasets, recipe, spectra
from core.datasets import Dataset
from core.events import EpochEnded, Event, Finished, Notice, Pruned, Started, Stopped
from core.experiment import cut, training
from core.experiment.training import Measured, Trainer
from core.gates import Gated
from core.masks import Masks
from core.recipe import CutOrder
from core.spec import ENGINE, RunSpec
from core.store import Store
from core.store.snapshot import Snapshot, TrainingState

WAIT_SECONDS = 0.2  # between two looks at a lock that another process holds
QUOTA_EPOCHS = 20  # how often a run looks at the quota


class Commands(Protocol):
    """What may steer a run from outside. Both are asked often and answer whether to go on; they may block (a pause)."""

    def during(self, epoch: int, share: float) -> bool:
        """In `epoch`, of which `share` (0..1) is done. False: stop; the epoch is made again when the run is resumed."""

    def between(self, epoch: int, cut: bool) -> bool:
        """After `epoch` was stored; `cut`: it ended with a cut. False: stop here."""


class Unattended:
    """Commands that never interfere."""

    def during(self, epoch: int, share: float) -> bool:
        return True

    def between(self, epoch: int, cut: bool) -> bool:
        return True


def run(
    spec: RunSpec, store: Store | None = None, commands: Commands | None = None, *, device: str | None = None
) -> Iterator[Event]:
    """Trains in this process and yields every Event; the last one is Finished, or Stopped if `commands` said so.

    With a store, what is stored comes back at once, an unfinished run goes on from its last snapshot, and a run that
    another process is training is waited for. Raises ValueError before training if the spec does not fit its data.
    """
    commands = Gated(commands or Unattended(), spec.key())
    data = datasets.load(spec.dataset)
    check(spec, data)
    if store is None:
        yield from _train(spec, data, None, commands, None, device)
        return
    key = spec.key()
    store.quota  # noqa: B018  a bad setting is told before the training, not after it
    if (lock := store.claim(key)) is None:
        yield Notice("another process is training this very run: waiting for its result")
    while lock is None:
        time.sleep(WAIT_SECONDS)
        if not commands.during(0, 0.0):
            yield Stopped(0)
            return
        lock = store.claim(key)
    with lock:
        point = store.resume(spec)
        yield from (Notice(text) for text in point.notices)
        yield from point.events
        if not (point.events and isinstance(point.events[-1], Finished)):
            yield from _train(spec, data, point.moment, commands, store, device)


def check(spec: RunSpec, data: Dataset) -> None:
    """Raises ValueError where a spec that is fine by itself does not fit its data."""
    if spec.batch_size > len(data.x_train):
        raise ValueError(
            f"batch_size {spec.batch_size} is larger than the {len(data.x_train):,} training images of {spec.dataset}: "
            f"give one in 1..{len(data.x_train)}"
        )

    if late := [cut.epoch for cut in spec.hand_cuts if cut.epoch > spec.max_epochs]:
        raise ValueError(
            f"a cut by hand at epoch {late[0]} never comes in a run of {spec.max_epochs} epochs: give it an epoch in "
            f"1..{spec.max_epochs}, or the run more epochs"
        )


def provenance(device: torch.device, kind: str) -> dict[str, Any]:
    """What a result was made on, in the arithmetic `kind`: the same spec gives the same bits where `family` is the same."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else arithmetic.processor()
    packages = ("torch", "numpy", "scipy", "scikit-learn", "safetensors")
    return {
        "device": device.type,
        "device_name": name,
        "processor": arithmetic.processor(),
        "vector_instructions": arithmetic.vector_instructions(),
        "arithmetic": kind,
        "family": arithmetic.family(kind, device.type, name),
        "number_type": "float32",
        "threads": torch.get_num_threads(),
        "shrunk": True,
        "engine": ENGINE,
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    }


def _train(
    spec: RunSpec,
    data: Dataset,
    moment: Snapshot | None,
    commands: Commands,
    store: Store | None,
    device: str | None,
) -> Iterator[Event]:
    course = Course(spec, data, store, moment)
    trainer = Trainer(data, [spec], [course.state], device)
    made_on = provenance(trainer.device, spec.arithmetic)
    yield from map(Notice, course.trained_by(made_on["family"]))
    if spec.arithmetic == arithmetic.PORTABLE and trainer.device.type == "cpu":
        yield from map(Notice, arithmetic.overridden())
    if moment is None:
        yield course.begin(trainer.evaluate(by_class=True)[0] if store else None)

    def after_cut(state: TrainingState) -> Measured:
        trainer.load([state])
        return trainer.evaluate()[0]

    while course.reason is None:
        if course.rewinds():
            trainer.load([course.state])
        epoch, began = course.epoch + 1, time.perf_counter()
        for share in trainer.epoch(epoch, [course.penalised()]):
            if not commands.during(epoch, share):
                yield Stopped(course.epoch)
                return
        seconds = time.perf_counter() - began
        valid = trainer.evaluate(by_class=True)[0]
        events = course.end_epoch(seconds, trainer.measured[0], valid, trainer.states()[0], after_cut)
        yield from events
        if course.reason is None and not commands.between(epoch, len(events) > 1):
            yield Stopped(epoch)
            return
    yield course.finish(made_on)


class Course:
    """One run on its way: what its recipe remembers, its network, where it is kept. Whoever trains it tells it of every epoch.

    epoch: the last one that is over. reason: why the run ends there, None while it goes on."""

    def __init__(self, spec: RunSpec, data: Dataset, store: Store | None, moment: Snapshot | None = None):
        self.spec, self._data, self._store = spec, data, store
        self._class_sizes = np.bincount(data.y_valid, minlength=len(data.class_names))
        if moment is None:
            self.state, self._policy, self.epoch, self.reason = training.start(spec, data), recipe.State(), 0, None
        else:
            self.state, self._policy, self.epoch, self.reason = moment.state, moment.policy, moment.epoch, moment.ended
        self._family = moment.family if moment else ""

    def trained_by(self, family: str) -> list[str]:
        """Says whose arithmetic trains from here on. Where it is another one than so far, a sentence comes back: the result is
        then of no family but its own, since the same spec from its start would end elsewhere."""
        before = self._family
        if not before or before.rpartition(", then ")[2] == family:
            self._family = before or family
            return []
        self._family = f"{before}, then {family}"
        return [
            f"this run was begun in another arithmetic ({before}) than this computer's ({family}): it goes on, but its numbers "
            "are neither's; delete it and start it anew to have them all from here"
        ]

    def begin(self, valid: Measured | None) -> Started:
        """Before the first epoch; `valid`, by class, is needed where the run is stored."""
        state, sizes = self.state, [weight.size for weight in self.state.weights]
        started = Started(weights=sum(sizes), hidden_weights=sum(sizes[:-1]))
        if self._store:
            by_class, stages = valid.fired_by_class, (_singular_values(state),)
            first = Snapshot(0, state.weights, state, state.fired, 0, self._policy, by_class, self._class_sizes, stages)
            first = replace(first, family=self._family)
            self._store.append(self.spec.key(), [started], first)
        return started

    def rewinds(self) -> bool:
        """Whether the next epoch begins from the start weights; then `state` has them."""
        if not self._policy.rewind:
            return False
        self._policy = replace(self._policy, rewind=False)
        self.state = self.state.rewound(training.start(self.spec, self._data))
        return True

    def penalised(self) -> bool:
        """Whether the penalty is on in the next epoch."""
        return recipe.penalised(self.spec, self._policy, self.epoch + 1)

    def end_epoch(
        self,
        seconds: float,
        measured: Measured,
        valid: Measured,
        trained: TrainingState,
        after_cut: Callable[[TrainingState], Measured],
    ) -> list[Event]:
        """The next epoch is over, with `trained`: what happened, its cuts made and all of it stored. `measured`: the epoch's
        running figures. `valid`: by class. `after_cut` trains on from a state and measures it on the validation images."""
        spec, state, penalised = self.spec, trained, self.penalised()
        self.epoch += 1
        epoch = self.epoch
        decision = recipe.after_epoch(spec, self._policy, epoch, measured.accuracy, measured.loss, valid.loss)
        self._policy, reason = decision.state, decision.stop
        figures = measured.accuracy, measured.loss, valid.accuracy, valid.loss, seconds
        events: list[Event] = [EpochEnded(epoch, *figures, valid.answer)]
        silent = any((now == then).all() for now, then in zip(trained.fired, self.state.fired, strict=True))
        stages, finite = [], all(np.isfinite(weight).all() for weight in state.weights)
        if not finite:
            reason = reason or f"diverged: weights became infinite in epoch {epoch}; {recipe.calmer(spec)}"
        elif self._store or decision.cuts:
            stages.append(_singular_values(state))
        fallen, seen = self._cause(trained, valid.answer, penalised) if finite else "", valid
        for order in decision.cuts if finite else ():
            chosen = cut.choose(spec, order, state, self._data, epoch, (trained.fired, trained.seen))
            state = state.with_kept(chosen.kept)
            if spec.pruning and spec.pruning.reset_counts:
                state = state.with_counts_reset()
            stages.append(_singular_values(state))
            after = after_cut(state)
            events.append(_pruned(order, epoch, chosen, (seen, after), stages[-2:], state))
            seen = after
        fallen = "" if seen.answer is None or not finite else fallen or collapse.CUT
        self.state, self._policy = state, replace(self._policy, fallen=fallen)
        self.reason = self._end(reason, seen.answer, silent) if finite and not math.isnan(valid.loss) else reason
        if self._store:
            counts, by_class = (trained.fired, trained.seen), valid.fired_by_class
            sizes, stages = self._class_sizes, tuple(stages)
            now = Snapshot(epoch, trained.weights, state, *counts, self._policy, by_class, sizes, stages, self.reason)
            self._store.append(spec.key(), events, replace(now, family=self._family))
            if epoch % QUOTA_EPOCHS == 0:
                self._store.keep_within_quota()
        return events

    def _cause(self, trained: TrainingState, answer: int | None, penalised: bool) -> str:
        """What has made the network constant, "" if it is not. It stays the first cause for as long as it is."""
        if answer is None or self._policy.fallen:
            return self._policy.fallen if answer is not None else ""
        steps = math.ceil(len(self._data.x_train) / self.spec.batch_size)
        was_cut = not all(kept.all() for kept in trained.kept)
        return collapse.cause(self.spec, trained.network(), penalised=penalised, steps=steps, was_cut=was_cut)

    def _end(self, reason: str | None, answer: int | None, silent: bool) -> str | None:
        """Why the run ends with this epoch: `reason`, unless its network is dead; None: it goes on. Looked at only where there
        is a sign of it: one `answer` to everything, or a layer that was `silent`, no neuron of it fired, the whole epoch."""
        spec, state, epoch, what = self.spec, self.state, self.epoch, self._policy.fallen
        if answer is None and not silent or (reason or "").startswith("diverged"):
            return reason
        was_cut = not all(kept.all() for kept in state.kept)
        remedy = collapse.remedy(spec, what or (collapse.CUT if was_cut else collapse.RATE))
        said = "" if answer is None else f"it {collapse.in_words(answer, self._data.class_names)}; "
        emptied = next((at for at, kept in enumerate(state.kept[:-1], start=1) if not kept.any()), None)
        if emptied and what != collapse.PENALTY:
            return _reason_of_emptied_layer(emptied, epoch)
        if emptied:
            return f"dead: hidden layer {emptied} has no neuron left after epoch {epoch}; {said}{remedy}"
        if not self._policy.rewind:
            layer = collapse.dead_layer(state.network(), state.kept, self._data.x_train, self._data.y_train)
            if layer is not None:
                since = f"since epoch {epoch} nothing passes hidden layer {layer}, so no hidden weight learns"
                return f"dead: {since}; {said}{remedy}"
        return f"{reason}; collapsed: {said}{remedy}" if reason and said else reason

    def finish(self, made_on: dict[str, Any]) -> Finished:
        """The run's end, stored with what it was made on."""
        network = self.state.network()
        with np.errstate(over="ignore", invalid="ignore"):  # of what diverged
            accuracy = network.accuracy(self._data.x_test, self._data.y_test)
        finished = Finished(self.reason, network, accuracy)
        if self._store:
            self._store.finish(self.spec.key(), finished, made_on | {"family": self._family or made_on["family"]})
            self._store.keep_within_quota()
        return finished


def _singular_values(state: TrainingState) -> tuple[np.ndarray, ...]:
    return tuple(spectra.spectrum(weight).values for weight in state.weights[:-1])


def _pruned(
    order: CutOrder,
    epoch: int,
    chosen: Masks,
    measured: tuple[Measured, Measured],
    stages: list,
    state: TrainingState,
) -> Pruned:
    shapes = [weight.shape for weight in state.weights[:-1]]
    before, after = (tuple(map(spectra.from_values, values, shapes)) for values in stages)
    return Pruned(
        epoch=epoch,
        round=order.round,
        requested=order.planned if order.planned is not None else chosen.requested,
        achieved=chosen.achieved,
        achieved_hidden=chosen.achieved_hidden,
        accuracy_before=measured[0].accuracy,
        accuracy_after=measured[1].accuracy,
        before=before,
        after=after,
        alive=tuple(int(kept.any(axis=1).sum()) for kept in state.kept[:-1]),
        answer=measured[1].answer,
    )


def _reason_of_emptied_layer(layer: int, epoch: int) -> str:
    return (
        f"diverged: hidden layer {layer} died, no neuron of it is left after the cut at epoch {epoch}, so every "
        "image gets the same answer; keep a minimum of neurons per layer, or cut less"
    )
