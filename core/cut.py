"""One cut: gathers what the criterion may look at, scores, and chooses the masks that a CutOrder asks for."""

from __future__ import annotations

from core import criteria, masks, training
from core.criteria import Evidence
from core.datasets import Dataset
from core.recipe import CutOrder
from core.snapshot import TrainingState
from core.spec import PruningSpec, RunSpec

BY_HAND = PruningSpec()  # how a cut by hand ranks in a run that plans no pruning


def evidence(spec: RunSpec, criterion: str, state: TrainingState, data: Dataset, epoch: int) -> Evidence:
    """What `criterion` needs at the end of `epoch`: counts always; images, gradients and draws only if it asks for them.

    Images and gradients come from a seeded sample of training images; draws from (seed, epoch).
    """
    needs = criteria.get(criterion).needs
    network = state.network()
    images, gradients = None, None
    if needs & {"inputs", "gradients"}:
        images, labels = training.calibration(spec, data, epoch)
    if "gradients" in needs:
        gradients = training.gradients(network, images, labels)
    rng = training.stream(spec.seed, epoch, "criterion")
    return Evidence(network, state.fired, state.seen, images, gradients, rng)


def choose(spec: RunSpec, order: CutOrder, state: TrainingState, data: Dataset, epoch: int) -> masks.Masks:
    """The masks that `order` asks for, by the spec's criterion."""
    plan = spec.pruning or BY_HAND
    network = state.network()
    scores = criteria.scores(plan.criterion, evidence(spec, plan.criterion, state, data, epoch))
    if order.deviation is not None:
        return masks.below_deviation(scores, network, order.deviation, plan.min_units, redundancy=plan.redundancy)
    total = sum(weight.size for weight in network.weights)
    return masks.choose(
        scores,
        network,
        order.ratio,
        plan.scope,
        plan.min_units,
        count=None if order.share is None else round(order.share * total),
        redundancy=plan.redundancy,
    )
