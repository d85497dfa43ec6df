"""Random cuts of the same size as a run's own, which stand beside them on two pages: drawn once, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import criteria, spectra
from core.artifacts import Arrays, Artifact, Moment, Progress, Put, Sources, codec, on
from core.claims import spectral_models
from core.claims.spectral_models import Description
from core.masks import random_cuts
from core.spec import PruningSpec, RunSpec
from core.store import Store
from core.store.snapshot import Snapshot

FIGURES = ("rank", "stable_rank", "effective_rank", "spectral", "frobenius", "nuclear")
MEAN, LEAST, MOST = range(3)
PLACES = 6  # decimals of the mean values
Values = tuple[np.ndarray, ...]
Random = tuple[Description | None, ...]  # per hidden layer; None where the cut changed nothing


@dataclass(frozen=True, eq=False)
class RandomCuts:
    """What random cuts of the same size as those of `epoch` leave of each hidden layer's `(m,)` singular values, largest first,
    m = min(units, inputs). values: `(3, m)` float32, mean, least and most over the draws. figures: `(draws, 6)` float64, in the
    order of FIGURES. mean: `(m,)` float64, and distance: how far the draws are from the real cut in the median (see
    spectral_models), nothing and NaN where the real cut changed nothing."""

    epoch: int
    values: Values
    figures: Values
    mean: Values
    distance: tuple[float, ...]

    @property
    def random(self) -> Random:
        """Per hidden layer the random cut as a model of the real one."""
        pairs = zip(self.mean, self.distance, strict=True)
        return tuple(None if np.isnan(away) else Description(None, mean, away) for mean, away in pairs)


@dataclass(frozen=True)
class RandomCutsOf(Artifact):
    """The random cuts beside those that a run made at the end of `epoch`."""

    kind = "random-cuts"
    doing = "Random cuts of the same size are being drawn"
    trains = False
    run: str
    epoch: int

    @property
    def name(self) -> str:
        return f"epoch-{self.epoch:03d}"

    def network(self, sources: Sources) -> Moment:
        return self.run, self.epoch

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        if progress(0.0):
            put(drawn(sources.store(self.run), sources.open(self.run).spec, self.run, self.epoch))

    def pack(self, value: RandomCuts) -> tuple[dict[str, Any], Arrays]:
        header, arrays = codec.parts(value, but=("distance",))
        return header, arrays | {"distance": np.array(value.distance, np.float64)}

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> RandomCuts:
        found = codec.joined(arrays)
        return RandomCuts(**header | found | {"distance": tuple(map(float, found["distance"]))})

    @property
    def old_names(self) -> tuple[str, ...]:
        return "film-1.npz", "random-cuts-v1.json"

    def from_old(self, *read: tuple[dict[str, Any], Arrays]) -> RandomCuts:
        (_, film), (cuts, _) = read
        place = film["chances"].tolist().index(self.epoch)
        layers = range(len(film["shapes"]))
        described = cuts["json"]["cuts"][str(self.epoch)]
        return RandomCuts(
            self.epoch,
            tuple(film[f"chance_values_{layer}"][place] for layer in layers),
            tuple(film[f"chance_figures_{layer}"][place] for layer in layers),
            tuple(np.array(one["values"] if one else [], np.float64) for one in described),
            tuple(float(one["distance"]) if one else float("nan") for one in described),
        )


def of_cuts(run: str, epochs: Sequence[int]) -> list[RandomCutsOf]:
    """One artifact an epoch with cuts."""
    return [RandomCutsOf(run, epoch) for epoch in epochs]


def drawn(store: Store, spec: RunSpec, key: str, epoch: int) -> RandomCuts:
    """The random cuts beside those of `epoch`; the same for the same run. Takes a second. Raises StoreError where that moment
    is not stored, ValueError where nothing was cut at it."""
    moment = store.snapshot(key, epoch)
    if not moment.cuts:
        raise ValueError(f"nothing was cut at the end of epoch {epoch}: choose an epoch with a cut")
    shapes = [weight.shape for weight in moment.trained[:-1]]
    return of_draws(epoch, moment.spectra[0], moment.spectra[-1], shapes, draw(spec, moment))


def draw(spec: RunSpec, moment: Snapshot) -> Values:
    """Singular values after random cuts of the same size as those of the moment: per hidden layer `(draws, m)`."""
    rng = np.random.default_rng([spec.seed, moment.epoch])
    return random_cuts.cuts(moment.before_cut(), moment.state.kept, per(spec, moment.epoch), rng)


def of_draws(
    epoch: int, before: Values, after: Values, shapes: Sequence[tuple[int, int]], draws: Values
) -> RandomCuts:  # fmt: skip
    """What `draw` gave, beside the `(m,)` singular values before and after the real cut of each hidden layer."""
    layers = zip(before, after, draws, strict=True)
    random = [likeness and likeness.random for likeness in (spectral_models.compare(*layer) for layer in layers)]
    return RandomCuts(
        epoch,
        tuple(np.stack([each.mean(0), each.min(0), each.max(0)]).astype(np.float32) for each in draws),
        tuple(np.array([_figures(one, shape) for one in each]) for each, shape in zip(draws, shapes, strict=True)),
        tuple(np.array([round(float(v), PLACES) for v in one.values] if one else []) for one in random),
        tuple(one.distance if one else float("nan") for one in random),
    )


def per(spec: RunSpec, epoch: int) -> str:
    """What the cuts of an epoch take, "neuron" or "weight": the run's plan says it, a cut by hand where it names a criterion of
    its own."""
    by_hand = [cut.criterion for cut in spec.hand_cuts if cut.epoch == epoch and cut.criterion]
    plan = spec.pruning or PruningSpec()
    return criteria.get(by_hand[-1] if by_hand else plan.criterion).per


def _figures(values: np.ndarray, shape: tuple[int, int]) -> list[float]:
    spectrum = spectra.from_values(values, shape)
    return [getattr(spectrum, name) for name in FIGURES]
