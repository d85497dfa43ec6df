"""The paper's fourth claim, made testable: what every cut did to the singular values, beside four simple models of it.

"Equivalent to a penalty" is a comparison here and not a word. For each cut and hidden layer the spectrum before the cut is
changed in four ways, each to the nuclear norm that the real cut left or by a cut of the same size, and each is as far from the
real spectrum as it is: a soft threshold (what a nuclear-norm penalty does), a hard rank cut, a plain scaling, a random cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.claims import random_cuts, spectral_models, standing, verdicts
from core.claims.random_cuts import Random, RandomCuts
from core.claims.spectral_models import Likeness
from core.spec import RunSpec
from core.statistics import words
from core.statistics.words import Verdict
from core.store import Store, StoreError
from core.store.snapshot import Snapshot

Draws = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Cut:
    """What was cut at the end of one epoch, planned and by hand together, as one.

    name: "cut 2 of 5", "cut by hand". zero: share of all weights that is zero before and after, 0..1. accuracy: on validation
    images, before and after, 0..1. before, after: singular values per hidden layer, `(min(units, inputs),)`, largest first.
    shapes: `(units, inputs)` per hidden layer. alive: living neurons per hidden layer, before and after. per: what the cut
    took, "neuron" or "weight". objection: why no claim can be judged on the run that it is a cut of, "" where it can.
    """

    epoch: int
    name: str
    zero: tuple[float, float]
    accuracy: tuple[float, float]
    before: Draws
    after: Draws
    shapes: tuple[tuple[int, int], ...]
    alive: tuple[tuple[int, ...], tuple[int, ...]]
    per: str
    objection: str = ""


def cuts(store: Store, spec: RunSpec, key: str) -> list[Cut]:
    """Every cut of the run so far whose moment is stored, oldest first. An epoch with several cuts counts as one."""
    lines = [line for line in store.log(key) if line["kind"] == "Pruned"]
    found, zero = [], 0.0
    for epoch in dict.fromkeys(line["epoch"] for line in lines):
        here = [line for line in lines if line["epoch"] == epoch]
        try:
            moment = store.snapshot(key, epoch)
        except StoreError:  # thinned by hand, or damaged: the others still tell
            moment = None
        if moment is not None and moment.cuts:
            found.append(_cut(spec, moment, here, zero))
        zero = here[-1]["achieved"]
    objection = standing.objection(store, key)
    return [replace(one, objection=objection) for one in found] if objection else found


def _cut(spec: RunSpec, moment: Snapshot, lines: Sequence[dict[str, Any]], zero: float) -> Cut:
    names = ["by hand" if line["round"] is None else f"{line['round']} of {spec.pruning.rounds}" for line in lines]
    before, after = moment.before_cut(), moment.state.network()
    return Cut(
        epoch=moment.epoch,
        name=f"cut {' and '.join(names)}",
        zero=(zero, lines[-1]["achieved"]),
        accuracy=(lines[0]["accuracy_before"], lines[-1]["accuracy_after"]),
        before=moment.spectra[0],
        after=moment.spectra[-1],
        shapes=tuple(weight.shape for weight in before.weights[:-1]),
        alive=tuple(tuple(int(units.sum()) for units in network.alive()) for network in (before, after)),
        per=random_cuts.per(spec, moment.epoch),
    )


def compare(cut: Cut, random: Random | None = None) -> tuple[Likeness | None, ...]:
    """Per hidden layer the four models beside the real cut; None for a layer that the cut left as it was. Without `random` the
    random cut of each Likeness says that nothing happened."""
    found = [spectral_models.compare(old, new, old[None]) for old, new in zip(cut.before, cut.after, strict=True)]
    if random is None:
        return tuple(found)
    return tuple(one and one.with_random(known) for one, known in zip(found, random, strict=True))


def by_epoch(found: Iterable[RandomCuts | None]) -> dict[int, Random]:
    """Those random cuts that are there, as models of the real ones."""
    return {one.epoch: one.random for one in found if one is not None}


def verdict(run: Sequence[Cut], drawn: Mapping[int, Random], objection: str | None = None) -> Verdict:
    """The verdict on the claim over all cuts and layers. `drawn`: by epoch; it waits until every cut has its random ones.
    objection: why the run is none to judge, where more is known by now than when its cuts were read."""
    if not run:
        return Verdict(words.UNKNOWN, "This run has no cut yet, so there is nothing to compare.", verdicts.PENALTY)
    objection = run[-1].objection if objection is None else objection
    if objection:
        return verdicts.penalty([], objection)
    there = [cut for cut in run if cut.epoch in drawn]
    if len(there) < len(run):
        text = f"The random cuts beside it are being drawn: {len(there)} of {len(run)} cuts have theirs."
        return Verdict(words.UNKNOWN, text, verdicts.PENALTY)
    return verdicts.penalty([one for cut in run for one in compare(cut, drawn[cut.epoch])])
