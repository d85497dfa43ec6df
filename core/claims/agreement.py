"""How far criteria agree on what to cut, and `python -m core.agreement`, which makes the rows that ship. Stop it and go on.

An unpruned network, trained to its target, is cut once by every criterion. Nothing is trained on after the cut and no test
image is looked at: what is compared is which weights go. Three questions: two criteria on one network; a criterion with
itself on networks of other start weights; a criterion with itself on other training images, or other random draws.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import criteria, datasets, masks
from core.claims import pca
from core.claims.agreement_rows import (
    CRITERIA,
    FOLDER,
    MATCHED,
    NUMBERED,
    RANDOM,
    SAMPLES,
    Comparison,
    Row,
    Rows,
    file_name,
    text,
)
from core.criteria import Evidence
from core.datasets import Dataset
from core.masks import overlap
from core.masks.overlap import Cut
from core.network import Network
from core.spec import RunSpec
from core.statistics import Source
from core.store import Store
from core.sweep import outcomes

IMAGES = (32, 256, 2048)  # how many training images a criterion looks at in the third question
DRAWS = 3  # independent samples, and independent draws of the random criteria, of each network
MATCHED_ON = 2048  # training images on which neurons of two networks are paired


# -- what is compared ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trained:
    """An unpruned network at the end of its training, and what criteria may look at."""

    spec: RunSpec
    epoch: int
    network: Network
    counts: tuple[Sequence[np.ndarray], int]
    data: Dataset

    @classmethod
    def of(cls, store: Store, spec: RunSpec) -> Trained:
        key = spec.key()
        epoch = store.open(key).last_epoch
        return cls(spec, epoch, store.network(key), store.counts(key, epoch), datasets.load(spec.dataset))

    def cut(self, criterion: str, ratio: float, draw: int = 0) -> Cut:
        """What `criterion` cuts at once, as in a run's own cut; random criteria by their `draw`."""
        from core.experiment import cut  # needs torch, which whoever only reads the rows has not

        return self._cut(
            criterion,
            ratio,
            cut.evidence(self.spec, criterion, self.network, self.counts, self.data, self.epoch, draw),
        )

    def cut_on(self, criterion: str, ratio: float, rows: np.ndarray) -> Cut:
        """What `criterion` cuts when it looks at these training images."""
        from core.experiment import training

        images, labels = self.data.x_train[rows], self.data.y_train[rows]
        slopes = None
        if "gradients" in criteria.get(criterion).needs:
            slopes = training.gradients(self.network, images, labels)
        return self._cut(criterion, ratio, Evidence(self.network, *self.counts, images, slopes))

    def _cut(self, criterion: str, ratio: float, evidence: Evidence) -> Cut:
        return overlap.removed(masks.choose(criteria.scores(criterion, evidence), self.network, ratio), self.network)


def samples(spec: RunSpec, data: Dataset, epoch: int, images: int) -> list[np.ndarray]:
    """DRAWS samples of training images, `(images,)` row numbers without repeats; no two share an image where there are enough
    images for that, else each is drawn by itself. [] where there are fewer than `images`."""
    from core.experiment import training

    have = len(data.x_train)
    if images > have:
        return []
    drawn = [training.stream(spec.seed, epoch, "calibration", draw + 1) for draw in range(DRAWS)]
    if images * DRAWS <= have:
        return np.split(drawn[0].permutation(have)[: images * DRAWS], DRAWS)
    return [rng.choice(have, images, replace=False) for rng in drawn]


def within(one: Trained, ratio: float) -> Iterator[Comparison]:
    """The comparisons on one network: every two criteria, samples of images, random draws."""
    seed, names = one.spec.seed, criteria.names()
    cuts = {name: one.cut(name, ratio) for name in names}
    for first, second in itertools.combinations(names, 2):
        yield Comparison(CRITERIA, seed, first, second, overlap.compare(cuts[first], cuts[second]))
    for name in names:
        needs = criteria.get(name).needs
        if "rng" in needs:
            drawn = [cuts[name], *(one.cut(name, ratio, draw) for draw in range(1, DRAWS))]
            yield from _repeats(Comparison(RANDOM, seed, name, name, overlap.compare(drawn[0], drawn[0])), drawn)
        if needs & {"inputs", "gradients"}:
            for images in IMAGES:
                drawn = [one.cut_on(name, ratio, rows) for rows in samples(one.spec, one.data, one.epoch, images)]
                if drawn:
                    itself = overlap.compare(drawn[0], drawn[0])
                    yield from _repeats(Comparison(SAMPLES, seed, name, name, itself, images=images), drawn)


def _repeats(pattern: Comparison, drawn: list[Cut]) -> Iterator[Comparison]:
    for (i, first), (j, second) in itertools.combinations(enumerate(drawn), 2):
        yield dataclasses.replace(pattern, draws=f"{i}-{j}", overlap=overlap.compare(first, second))


def between(one: Trained, other: Trained, ratio: float) -> Iterator[Comparison]:
    """The comparisons of every criterion with itself on two networks: numbered as they are, and with neurons paired."""
    from core.experiment import training

    rows = training.stream(0, 0, "calibration").permutation(len(one.data.x_train))[:MATCHED_ON]
    match = overlap.match(one.network, other.network, one.data.x_train[rows])
    for name in criteria.names():
        here, there = one.cut(name, ratio), other.cut(name, ratio)
        numbered = overlap.compare(here, there)
        yield Comparison(NUMBERED, one.spec.seed, name, name, numbered, other=other.spec.seed)
        paired = overlap.compare(here, match.renumbered(there))
        yield Comparison(MATCHED, one.spec.seed, name, name, paired, other=other.spec.seed, alike=match.alike)


# -- making them --------------------------------------------------------------------------------------------------------


def spec_of(dataset: str, seed: int) -> RunSpec:
    """The unpruned network of a seed, the very run that the page Judge compares arms with."""
    return pca.twin(RunSpec(dataset=dataset, seed=seed))


def make(
    store: Store, wanted: Sequence[RunSpec], ratio: float, folder: Path, say: Callable[[str], None] = lambda line: None
) -> None:
    """Puts the rows of these unpruned runs, all of one data set and stored, into the folder; what is there is not made again.

    Seeds 0 and 1, 2 and 3, … are compared with one another: every network in one pair, so that pairs are independent.
    """
    rows, known = Rows(wanted[0].dataset, ratio, folder), {}

    def trained(spec: RunSpec) -> Trained:
        if spec not in known:
            known[spec] = Trained.of(store, spec)
        return known[spec]

    for spec in wanted:
        if not rows.has(spec):
            rows.put(_provenance(store, trained(spec), ratio), within(trained(spec), ratio))
            say(f"{spec.label()}: cut at {100 * ratio:g} % by every criterion")
        before = next((one for one in wanted if one.seed == spec.seed - 1), None)
        if spec.seed % 2 and before and not rows.has(before, spec):
            rows.put_between(between(trained(before), trained(spec), ratio))
            say(f"{spec.label()}: compared with seed {before.seed}")
        known = {spec: known[spec]} if spec in known else {}


def _provenance(store: Store, one: Trained, ratio: float) -> Row:
    key = one.spec.key()
    made_on = dataclasses.asdict(Source.of(store.provenance(key), one.data.fingerprint))
    return {
        "dataset": one.spec.dataset,
        "ratio": f"{ratio:g}",
        "seed": one.spec.seed,
        "sizes": text(weight.size for weight in one.network.weights[:-1]),
        "epochs": one.epoch,
        **made_on,
        "date": str(datetime.date.today()),
        "key": key,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all rows are there; 1: some networks could not be trained; 2: what was asked cannot be."""
    parser = argparse.ArgumentParser(prog="python -m core.agreement", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["mnist-mini", "mnist"])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.8])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--jobs", type=int, default=-1, help="processes that train what is missing; -1: one per core")
    parser.add_argument("--cache", default=os.environ.get("PRUNING_CACHE", "cache"))
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder of the rows")
    options = parser.parse_args(arguments)
    failed = 0
    try:
        if wrong := [ratio for ratio in options.ratios if not 0 < ratio < 1]:
            raise ValueError(f"ratio {wrong[0]:g} came: give a share of all weights between 0 and 1, such as 0.8")
        store = Store(options.cache)
        for dataset in options.datasets:
            wanted = []
            for outcome in outcomes([spec_of(dataset, seed) for seed in options.seeds], store, options.jobs):
                if outcome.finished is None:
                    failed += 1
                    _say(f"{outcome.spec.label()} failed: {outcome.reason}")
                else:
                    wanted.append(outcome.spec)
            wanted.sort(key=lambda spec: spec.seed)
            for ratio in options.ratios if wanted else ():
                make(store, wanted, ratio, options.into, _say)
                _say(f"{dataset}, {100 * ratio:g} %: {len(wanted)} networks in {file_name(dataset, ratio)}")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
