"""The singular values of a run through its life: every stored moment, just before and just after each cut, and references.

References for each layer: itself at the start; the bulk of a random matrix of its living size and variance (Marchenko and
Pastur); and for each cut, random cuts of the same size. For a finished run the history is kept, so that it still has
all epochs when the run itself has been thinned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core import spectra
from core.artifacts import Arrays, Artifact, Progress, Put, Sources, on
from core.artifacts import Moment as Source
from core.artifacts.kept import Artifacts
from core.claims import standing, verdicts
from core.claims.random_cuts import FIGURES, RandomCuts, of_cuts
from core.claims.verdicts import CutOfLayer
from core.statistics.words import Verdict
from core.store import Store
from core.store.snapshot import Glance

Log = Sequence[dict[str, Any]]
Values = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Moment:
    """The singular values at one stage of one epoch.

    stage: 0 as training left the weights, i after the i-th cut of that epoch. values: per hidden layer `(min(units, inputs),)`
    float32, largest first; () where the network diverged. live: per hidden layer how many rows and columns of its matrix are
    not all zero. checksum: of the snapshot that it was read from.
    """

    epoch: int
    stage: int
    values: Values
    live: tuple[tuple[int, int], ...]
    checksum: int


@dataclass(frozen=True, eq=False)
class History:
    """All that is known of the run's singular values. shapes: `(units, inputs)` per hidden layer. moments: oldest first.
    randoms: by epoch of a cut, the random cuts that were drawn so far. objection: why no claim can be judged on the run, ""
    where it can; it is of the run as it was when it was read, and neither is kept with it."""

    key: str
    shapes: tuple[tuple[int, int], ...] = ()
    moments: tuple[Moment, ...] = ()
    randoms: tuple[RandomCuts, ...] = ()
    objection: str = ""

    def with_randoms(self, randoms: Iterable[RandomCuts | None]) -> History:
        """The history with these random cuts beside the real ones; None where one is not there yet."""
        return replace(self, randoms=tuple(one for one in randoms if one is not None))

    def random(self, epoch: int) -> RandomCuts | None:
        """What random cuts leave in place of those of `epoch`; None while that is not known."""
        return next((one for one in self.randoms if one.epoch == epoch), None)

    def epochs(self) -> tuple[int, ...]:
        """The epochs that the history has."""
        return tuple(dict.fromkeys(moment.epoch for moment in self.moments))

    def cut_epochs(self) -> tuple[int, ...]:
        """The epochs with a cut whose singular values are known before and after it."""
        return tuple(dict.fromkeys(moment.epoch for moment in self.moments if moment.stage and moment.values))

    def at(self, epoch: int, stage: int = -1) -> Moment:
        """The moment at a stage of an epoch, its last one by default."""
        return [moment for moment in self.moments if moment.epoch == epoch][stage]


def collect(store: Store, key: str, known: History | None = None) -> History:
    """The history of the run as it is now. What `known` already has is not read again; what the run no longer has is kept from
    it as long as the log still speaks of that very moment. Raises StoreError if there is no such run."""
    lines = [line for line in store.log(key) if "checksum" in line]
    checksums = {line["epoch"]: line["checksum"] for line in lines}
    old = [moment for moment in (known.moments if known else ()) if checksums.get(moment.epoch) == moment.checksum]
    found, shapes = list(old), known.shapes if known else ()
    alive = _alive_after(store.log(key))
    for checksum, glance in store.glances(key, {moment.epoch: moment.checksum for moment in old}):
        shapes = glance.shapes
        found += _moments(glance, checksum, alive.get(glance.epoch, ()))
    found.sort(key=lambda moment: (moment.epoch, moment.stage))
    return History(key, shapes, tuple(found), objection=standing.objection(store, key))


def _alive_after(log: Log) -> dict[int, list[list[int]]]:
    """By epoch, the living neurons per hidden layer after each of its cuts."""
    cuts: dict[int, list[list[int]]] = {}
    for line in log:
        if line["kind"] == "Pruned":
            cuts.setdefault(line["epoch"], []).append(line["alive"])
    return cuts


def _moments(glance: Glance, checksum: int, alive: Sequence[Sequence[int]]) -> list[Moment]:
    before, after = glance.live
    last = len(glance.spectra) - 1
    if last < 0:
        return [
            Moment(glance.epoch, 0, (), after, checksum)
        ]  # the network diverged: there is nothing to see, but a moment
    moments = []
    for stage, values in enumerate(glance.spectra):
        live = before if stage == 0 else after
        if 0 < stage < last and stage <= len(alive):  # between two cuts of one epoch only the log knows who lived
            widths = alive[stage - 1]
            live = tuple(zip(widths, (before[0][1], *widths), strict=False))
        moments.append(Moment(glance.epoch, stage, values, live, checksum))
    return moments


@dataclass(frozen=True)
class HistoryOf(Artifact):
    """The singular values of a run through all its moments, kept at its end; its value is a History without random cuts."""

    kind = "spectral-history"
    doing = "Singular values are being read"
    trains = False
    run: str

    def network(self, sources: Sources) -> Source:
        return self.run, None

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        put(collect(sources.store(self.run), self.run, known))

    def pack(self, value: History) -> tuple[dict[str, Any], Arrays]:
        moments = value.moments
        arrays = {
            "moments": np.array([(one.epoch, one.stage, one.checksum, bool(one.values)) for one in moments], np.int64),
            "live": np.array([one.live for one in moments], np.int64),
            "shapes": np.array(value.shapes, np.int64),
        }
        for layer in range(len(value.shapes)):
            arrays[f"values_{layer}"] = np.array([one.values[layer] for one in moments if one.values], np.float32)
        return {}, arrays

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> History:
        shapes = tuple((int(rows), int(columns)) for rows, columns in arrays["shapes"])
        moments, seen = [], 0
        for (epoch, stage, checksum, has), live in zip(arrays["moments"], arrays["live"], strict=True):
            values = tuple(arrays[f"values_{layer}"][seen] for layer in range(len(shapes))) if has else ()
            seen += bool(has)
            widths = tuple((int(rows), int(columns)) for rows, columns in live)
            moments.append(Moment(int(epoch), int(stage), values, widths, int(checksum)))
        return History(self.run, shapes, tuple(moments))

    @property
    def old_names(self) -> tuple[str, ...]:
        return ("film-1.npz",)


def judged(artifacts: Artifacts, sources: Sources, key: str) -> History:
    """The run's history with what is kept of it, and those random cuts that are kept. Raises StoreError if there is no such
    run."""
    found = collect(sources.store(key), key, artifacts.get(HistoryOf(key), sources))
    return found.with_randoms(artifacts.get(one, sources) for one in of_cuts(key, found.cut_epochs()))


def of_cut(history: History, epoch: int) -> list[CutOfLayer]:
    """The layers that the cuts of `epoch` made narrower, beside random cuts; [] while those are not known."""
    known = history.random(epoch)
    if known is None:
        return []
    before, after, found = history.at(epoch, 0), history.at(epoch), []
    for layer, (live_out, live_in) in enumerate(after.live):
        if (live_out, live_in) == before.live[layer] or not live_out:
            continue  # as wide as before, or gone altogether: neither has a rank to speak about
        now = spectra.from_values(after.values[layer], history.shapes[layer])
        stable, effective = (known.figures[layer][:, FIGURES.index(name)] for name in ("stable_rank", "effective_rank"))
        found.append(
            CutOfLayer(layer, now.rank, live_out, live_in, now.stable_rank, now.effective_rank, stable, effective)
        )
    return found


def verdict(history: History) -> Verdict | None:
    """Whether the cuts leave lower rank than the live width and random cuts explain; None while a random cut is missing."""
    if lacking(history) and not history.objection:
        return None
    cases = [layer for epoch in history.cut_epochs() for layer in of_cut(history, epoch)]
    return verdicts.low_rank(cases, history.objection)


def lacking(history: History) -> list[int]:
    """The epochs of cuts beside which no random cuts stand yet."""
    return [epoch for epoch in history.cut_epochs() if history.random(epoch) is None]


def waiting(history: History) -> str:
    """How many of the random cuts are there, as a sentence."""
    cuts = len(history.cut_epochs())
    return f"Random cuts of the same size are being worked out: {cuts - len(lacking(history))} of {cuts} cuts."


def missing(history: History, log: Log) -> str:
    """Which epochs of the run the history lacks, as a sentence; "" where it lacks none."""
    there = set(history.epochs())
    lost = sorted({line["epoch"] for line in log if "checksum" in line} - there)
    if not lost:
        return ""
    count = "1 epoch is" if len(lost) == 1 else f"{len(lost)} epochs are"
    return f"{count} no longer stored ({_ranges(lost)}); starts, ends and cuts are."


def _ranges(numbers: Sequence[int]) -> str:
    """[1, 2, 3, 7] as "1-3, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
