"""One run from its spec to its last event: recipe, training and store put together."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
import threadpoolctl
import torch

from core import cut, datasets, recipe, spectra, training
from core.datasets import Dataset
from core.events import EpochEnded, Event, Finished, Notice, Pruned, Started, Stopped
from core.masks import Masks
from core.recipe import CutOrder
from core.snapshot import Snapshot, TrainingState
from core.spec import ENGINE, RunSpec
from core.store import Store
from core.training import Trainer

# Singular value decompositions of small matrices on several threads give other last bits, and crawl beside a busy core.
_BLAS = threadpoolctl.ThreadpoolController()
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
    commands = commands or Unattended()
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


def provenance(device: torch.device) -> dict[str, Any]:
    """What a result was made on: the same spec gives the same bits where all of this is the same."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    packages = ("torch", "numpy", "scikit-learn", "safetensors")
    return {
        "device": device.type,
        "device_name": name,
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
    class_sizes = np.bincount(data.y_valid, minlength=len(data.class_names))
    if moment is None:
        state, policy, epoch, reason = training.start(spec, data), recipe.State(), 0, None
    else:
        state, policy, epoch, reason = moment.state, moment.policy, moment.epoch, moment.ended
    trainer = Trainer(data, [spec], [state], device)
    if moment is None:
        sizes = [weight.size for weight in state.weights]
        started = Started(weights=sum(sizes), hidden_weights=sum(sizes[:-1]))
        if store:
            by_class = trainer.evaluate(by_class=True)[0].fired_by_class
            stages = (_singular_values(state),)
            first = Snapshot(0, state.weights, state, state.fired, 0, policy, by_class, class_sizes, stages)
            store.append(spec.key(), [started], first)
        yield started
    while reason is None:
        epoch += 1
        if policy.rewind:
            policy = replace(policy, rewind=False)
            trainer.load([state.rewound(training.start(spec, data))])
        began = time.perf_counter()
        for share in trainer.epoch(epoch, [recipe.penalised(spec, policy, epoch)]):
            if not commands.during(epoch, share):
                yield Stopped(epoch - 1)
                return
        seconds = time.perf_counter() - began
        measured, valid = trainer.measured[0], trainer.evaluate(by_class=True)[0]
        trained = state = trainer.states()[0]
        decision = recipe.after_epoch(spec, policy, epoch, measured.accuracy, measured.loss, valid.loss)
        policy, reason = decision.state, decision.stop
        events: list[Event] = [EpochEnded(epoch, measured.accuracy, measured.loss, valid.accuracy, valid.loss, seconds)]
        stages = []
        if not all(np.isfinite(weight).all() for weight in state.weights):
            reason = reason or f"diverged: weights became infinite in epoch {epoch}; a smaller learning rate helps"
        elif store or decision.cuts:
            stages.append(_singular_values(state))
        accuracy = valid.accuracy
        for order in decision.cuts if stages else ():
            chosen = cut.choose(spec, order, state, data, epoch, (trained.fired, trained.seen))
            state = state.with_kept(chosen.kept)
            if spec.pruning and spec.pruning.reset_counts:
                state = state.with_counts_reset()
            trainer.load([state])
            stages.append(_singular_values(state))
            after = trainer.evaluate()[0].accuracy
            events.append(_pruned(order, epoch, chosen, (accuracy, after), stages[-2:], state))
            accuracy = after
        reason = (_reason_of_dead_layer(state, epoch) if decision.cuts else None) or reason
        if store:
            fired, by_class = (trained.fired, trained.seen), valid.fired_by_class
            now = Snapshot(epoch, trained.weights, state, *fired, policy, by_class, class_sizes, tuple(stages), reason)
            store.append(spec.key(), events, now)
            if epoch % QUOTA_EPOCHS == 0:
                store.keep_within_quota()
        yield from events
        if reason is None and not commands.between(epoch, len(events) > 1):
            yield Stopped(epoch)
            return
    network = state.network()
    finished = Finished(reason, network, network.accuracy(data.x_test, data.y_test))
    if store:
        store.finish(spec.key(), finished, provenance(trainer.device))
        store.keep_within_quota()
    yield finished


def _singular_values(state: TrainingState) -> tuple[np.ndarray, ...]:
    with _BLAS.limit(limits=1):
        return tuple(spectra.spectrum(weight).values for weight in state.weights[:-1])


def _pruned(
    order: CutOrder,
    epoch: int,
    chosen: Masks,
    accuracies: tuple[float, float],
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
        accuracy_before=accuracies[0],
        accuracy_after=accuracies[1],
        before=before,
        after=after,
        alive=tuple(int(kept.any(axis=1).sum()) for kept in state.kept[:-1]),
    )


def _reason_of_dead_layer(state: TrainingState, epoch: int) -> str | None:
    for layer, kept in enumerate(state.kept[:-1], start=1):
        if not kept.any():
            return (
                f"diverged: hidden layer {layer} died, no neuron of it is left after the cut at epoch {epoch}, so every "
                "image gets the same answer; keep a minimum of neurons per layer, or cut less"
            )
    return None
