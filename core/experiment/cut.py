"""One cut: gathers what the criterion may look at, scores, and chooses the masks that a CutOrder asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core import criteria, masks
from core.criteria import Evidence
from core.datasets import Dataset
from core.experiment import training
from core.network import Network
from core.recipe import CutOrder
from core.spec import PruningSpec, RunSpec
from core.store.snapshot import TrainingState

BY_HAND = PruningSpec()  # how a cut by hand ranks in a run that plans no pruning
Counts = tuple[Sequence[np.ndarray], int]  # (fired, seen)


def evidence(
    spec: RunSpec, criterion: str, network: Network, counts: Counts, data: Dataset, epoch: int, draw: int = 0
) -> Evidence:
    """What `criterion` needs at the end of `epoch`: counts always; images, gradients and draws only if it asks for them.

    Images and gradients come from a seeded sample of training images; draws from (seed, epoch), further ones by `draw`.
    """
    needs = criteria.get(criterion).needs
    images, gradients = None, None
    if needs & {"inputs", "gradients"}:
        images, labels = training.calibration(spec, data, epoch)
    if "gradients" in needs:
        gradients = training.gradients(network, images, labels)
    return Evidence(network, *counts, images, gradients, training.stream(spec.seed, epoch, "criterion", draw))


def choose(
    spec: RunSpec, order: CutOrder, state: TrainingState, data: Dataset, epoch: int, counts: Counts | None = None
) -> masks.Masks:
    """The masks that `order` asks for, by the spec's criterion or the cut's own. `counts`: those at the epoch's end, for a
    cut with a criterion of its own; the state's unless given."""
    plan = spec.pruning or BY_HAND
    hand = order.hand
    own = hand is not None and hand.criterion is not None
    criterion = hand.criterion if own else plan.criterion
    scope = (hand and hand.scope) or plan.scope
    network = state.network()
    counts = counts if own and counts else (state.fired, state.seen)
    scores = criteria.scores(criterion, evidence(spec, criterion, network, counts, data, epoch))
    if order.deviation is not None:
        return masks.below_deviation(scores, network, order.deviation, plan.min_units, redundancy=plan.redundancy)
    total = sum(weight.size for weight in network.weights)
    return masks.choose(
        scores,
        network,
        order.ratio,
        scope,
        plan.min_units,
        count=None if order.share is None else round(order.share * total),
        redundancy=plan.redundancy,
        by_hand=hand.by_hand if hand else masks.NOBODY,
    )
