"""The paper's protocol as a pure policy: after every epoch, should the run stop, and should it be cut, by how much?

Numbers in, a Ruling out; no arrays, no files, no training. Thresholds are training accuracies, as in the paper; test
accuracy is never looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from core.spec import HandCut, PruningSpec, RunSpec

DECAY = 0.8  # round i takes a share in proportion to DECAY ** i
STOP_FACTOR, STOP_TICKS = 1.1, 3  # the released early stopping
PENALTY_ACCURACY = 0.7  # training accuracy after which the released code's penalty comes on, in every other epoch


@dataclass(frozen=True)
class State:
    """What the policy remembers between epochs; stored with every snapshot. Losses are validation losses. penalised_from: the
    first epoch of an alternating penalty, 0 while training accuracy has not reached PENALTY_ACCURACY. rewind: the next epoch
    begins from the start weights. fallen: what has made the network constant, one of collapse.CAUSES; "" while it is not."""

    rounds_done: int = 0
    best_loss: float = math.inf
    previous_loss: float = math.inf
    ticks: int = 0
    penalised_from: int = 0
    rewind: bool = False
    fallen: str = ""


@dataclass(frozen=True)
class CutOrder:
    """One cut to make at the end of an epoch. Exactly one of `ratio`, `share`, `deviation` is set.

    ratio: all weights that are zero afterwards, 0..1. share: of all weights, to remove from those still alive. deviation:
    the k of mean − k · σ. round: from 1, or None for a cut made by hand. planned: the cumulative ratio that the plan asks
    for by now, or None. hand: the cut that a person asked for, or None.
    """

    round: int | None
    ratio: float | None = None
    share: float | None = None
    deviation: float | None = None
    planned: float | None = None
    hand: HandCut | None = None


@dataclass(frozen=True)
class Ruling:
    """`stop`: the reason in words, or None to go on. `cuts`: what to cut now, in order."""

    state: State
    stop: str | None
    cuts: tuple[CutOrder, ...]


def thresholds(spec: RunSpec) -> tuple[float, ...]:
    """The training accuracy that triggers each round: from the start accuracy in equal steps, the target excluded; of a
    trained network the target, then none at all."""
    if spec.pruning is None:
        return ()
    if spec.pruning.schedule == "trained":
        return (spec.target, *[0.0] * (spec.pruning.rounds - 1))
    start, rounds = spec.pruning.start_accuracy, spec.pruning.rounds
    return tuple(start + i * (spec.target - start) / rounds for i in range(rounds))


def shares(pruning: PruningSpec) -> tuple[float, ...]:
    """The share of all weights that each round takes, summing to the ratio: in proportion to 0.8^i, or, of a trained network,
    so that what is still to go falls as a cube."""
    if pruning.schedule == "trained":
        to_go = [(1 - i / pruning.rounds) ** 3 for i in range(pruning.rounds + 1)]
        return tuple(pruning.ratio * (to_go[i] - to_go[i + 1]) for i in range(pruning.rounds))
    parts = [DECAY**i for i in range(pruning.rounds)]
    return tuple(pruning.ratio * part / sum(parts) for part in parts)


def cut_order(pruning: PruningSpec, round_number: int) -> CutOrder:
    """What round `round_number` (from 1) asks for."""
    done = shares(pruning)[:round_number]
    if pruning.selection == "deviation":
        deviations = np.linspace(3, 1, pruning.rounds) if pruning.rounds > 1 else [1.0]
        return CutOrder(round_number, deviation=float(deviations[round_number - 1]))
    if pruning.budget == "increment":
        return CutOrder(round_number, share=done[-1], planned=sum(done))
    return CutOrder(round_number, ratio=sum(done), planned=sum(done))


def penalised(spec: RunSpec, state: State, epoch: int) -> bool:
    """Whether the penalty is on in `epoch` (from 1), by what was known before it."""
    if spec.penalty is None or spec.penalty.switching == "always":
        return spec.penalty is not None
    return bool(state.penalised_from) and epoch >= state.penalised_from and (epoch - state.penalised_from) % 2 == 0


def after_epoch(spec: RunSpec, state: State, epoch: int, train_accuracy: float, train_loss: float, valid_loss: float):
    """The Ruling at the end of `epoch` (from 1), given that epoch's running training accuracy and its losses."""
    if not math.isfinite(train_loss) or not math.isfinite(valid_loss):
        number = "NaN" if math.isnan(train_loss) or math.isnan(valid_loss) else "infinite"
        return Ruling(state, f"diverged: the loss became {number} in epoch {epoch}; {calmer(spec)}", ())
    state = _early_stopping(state, valid_loss)
    if not state.penalised_from and train_accuracy >= PENALTY_ACCURACY:
        state = replace(state, penalised_from=epoch + 1)
    if spec.early_stopping == "released" and state.ticks >= STOP_TICKS:
        if any(cut.epoch >= epoch for cut in spec.hand_cuts):  # a person cuts it: what comes of it is watched anew
            state = replace(state, ticks=0, best_loss=math.inf, previous_loss=math.inf)
        else:
            stop = f"early stopping: validation loss rose for the third time, at epoch {epoch}"
            return Ruling(state, stop, ())
    cuts = []
    due = thresholds(spec)
    if state.rounds_done < len(due) and train_accuracy >= due[state.rounds_done]:
        state = replace(state, rounds_done=state.rounds_done + 1)
        cuts.append(cut_order(spec.pruning, state.rounds_done))
        if spec.pruning.rewind and state.rounds_done == len(due):
            state = replace(state, rewind=True)
    cuts += [CutOrder(None, ratio=cut.ratio, hand=cut) for cut in spec.hand_cuts if cut.epoch == epoch]
    return Ruling(state, _reason_to_end(spec, state, epoch, train_accuracy, bool(cuts)), tuple(cuts))


def calmer(spec: RunSpec) -> str:
    """What keeps a run from diverging. A penalty step along the subgradient may overshoot too; a proximal one cannot."""
    overshoots = spec.penalty is not None and spec.penalty.method == "gradient"
    or_penalty = f", or a smaller λ than {spec.penalty.strength:g}" if overshoots else ""
    return f"a smaller learning rate than {spec.learning_rate:g} helps{or_penalty}"


def _early_stopping(state: State, loss: float) -> State:
    ticks, best = state.ticks, state.best_loss
    if loss < best:
        best = loss
    elif loss > STOP_FACTOR * best:
        ticks += loss > state.previous_loss
    elif loss < STOP_FACTOR * best:
        ticks = 0
    return replace(state, best_loss=best, previous_loss=loss, ticks=ticks)


def _reason_to_end(spec: RunSpec, state: State, epoch: int, train_accuracy: float, cut_now: bool) -> str | None:
    hand_cuts_to_come = any(cut.epoch > epoch for cut in spec.hand_cuts)
    all_cut = state.rounds_done == len(thresholds(spec)) and not cut_now and not hand_cuts_to_come
    if all_cut and train_accuracy >= spec.target and spec.ending == "target":
        return f"target reached: training accuracy {train_accuracy * 100:.2f} % at epoch {epoch}"
    if epoch >= spec.max_epochs:
        missed = f"training accuracy {train_accuracy * 100:.2f} % of {spec.target * 100:g} %"
        rounds = f"{state.rounds_done} of {len(thresholds(spec))} cuts made" if spec.pruning else "no cuts planned"
        return f"epoch limit reached: {missed} after {epoch} epochs, {rounds}"
    return None
