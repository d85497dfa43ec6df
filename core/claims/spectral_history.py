"""A run as a film of its singular values: every stored moment, just before and just after each cut, with what to compare it to.

References for each layer: itself at the start; the bulk of a random matrix of its living size and variance (Marchenko and
Pastur); and for each cut, random cuts of the same size. For a finished run the film is kept, so that it still has
all epochs when the run itself has been thinned.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core import spectra
from core.claims import penalty, standing, verdicts
from core.claims.verdicts import CutOfLayer
from core.spec import RunSpec
from core.statistics.words import Verdict
from core.store import Store
from core.store.artifacts import Artifacts
from core.store.snapshot import Glance

FILE = "film-1.npz"  # its name among the artifacts; the number grows when the format changes
FIGURES = ("rank", "stable_rank", "effective_rank", "spectral", "frobenius", "nuclear")
MEAN, LEAST, MOST = range(3)
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
class Chance:
    """What random cuts of the same size as those of `epoch` leave. values: per hidden layer `(3, min(units, inputs))` float32:
    mean, least and most over the draws. figures: per hidden layer `(draws, 6)` float64, in the order of FIGURES."""

    epoch: int
    values: Values
    figures: Values


@dataclass(frozen=True, eq=False)
class Film:
    """All that is known of the run's singular values. shapes: `(units, inputs)` per hidden layer. moments: oldest first.
    chances: by epoch of a cut, those that were worked out so far. objection: why no claim can be judged on the run, "" where it
    can; it is of the run as it was when the film was shot, and no part of its file."""

    key: str
    shapes: tuple[tuple[int, int], ...] = ()
    moments: tuple[Moment, ...] = ()
    chances: tuple[Chance, ...] = ()
    objection: str = ""

    def with_chances(self, chances: Sequence[Chance]) -> Film:
        """The film with further random cuts beside the real ones."""
        by_epoch = {one.epoch: one for one in (*self.chances, *chances)}
        return replace(self, chances=tuple(by_epoch[epoch] for epoch in sorted(by_epoch)))

    def chance(self, epoch: int) -> Chance | None:
        """What random cuts leave in place of those of `epoch`; None while that is not known."""
        return next((one for one in self.chances if one.epoch == epoch), None)

    def epochs(self) -> tuple[int, ...]:
        """The epochs that the film has."""
        return tuple(dict.fromkeys(moment.epoch for moment in self.moments))

    def cut_epochs(self) -> tuple[int, ...]:
        """The epochs with a cut whose singular values are known before and after it."""
        return tuple(dict.fromkeys(moment.epoch for moment in self.moments if moment.stage and moment.values))

    def at(self, epoch: int, stage: int = -1) -> Moment:
        """The moment at a stage of an epoch, its last one by default."""
        return [moment for moment in self.moments if moment.epoch == epoch][stage]


def shoot(store: Store, key: str, known: Film | None = None) -> Film:
    """The film of the run as it is now. What `known` already has is not read again; what the run no longer has is kept from it
    as long as the log still speaks of that very moment. Raises StoreError if there is no such run."""
    lines = [line for line in store.log(key) if "checksum" in line]
    checksums = {line["epoch"]: line["checksum"] for line in lines}
    old = [moment for moment in (known.moments if known else ()) if checksums.get(moment.epoch) == moment.checksum]
    found, shapes = list(old), known.shapes if known else ()
    alive = _alive_after(store.log(key))
    for checksum, glance in store.glances(key, {moment.epoch: moment.checksum for moment in old}):
        shapes = glance.shapes
        found += _moments(glance, checksum, alive.get(glance.epoch, ()))
    found.sort(key=lambda moment: (moment.epoch, moment.stage))
    cut = {moment.epoch for moment in old if moment.stage}
    chances = tuple(one for one in (known.chances if known else ()) if one.epoch in cut)
    return Film(key, shapes, tuple(found), chances, standing.objection(store, key))


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


def random_cuts(store: Store, spec: RunSpec, key: str, epoch: int) -> Chance:
    """What random cuts of the same size as those of `epoch` leave; the same for the same run. Takes a second. Raises
    StoreError where that moment is not stored."""
    draws = penalty.draw(store, spec, key, epoch)
    shapes = [weight.shape for weight in store.network(key, epoch).weights[:-1]]
    values = tuple(np.stack([each.mean(0), each.min(0), each.max(0)]).astype(np.float32) for each in draws)
    figures = tuple(np.array([_figures(one, shape) for one in each]) for each, shape in zip(draws, shapes, strict=True))
    return Chance(epoch, values, figures)


def _figures(values: np.ndarray, shape: tuple[int, int]) -> list[float]:
    spectrum = spectra.from_values(values, shape)
    return [getattr(spectrum, name) for name in FIGURES]


def to_bytes(film: Film) -> bytes:
    """The film's file, an .npz without pickle."""
    arrays: dict[str, np.ndarray] = {
        "moments": np.array([(one.epoch, one.stage, one.checksum, bool(one.values)) for one in film.moments], np.int64),
        "shapes": np.array(film.shapes, np.int64),
        "live": np.array([one.live for one in film.moments], np.int64),
        "chances": np.array([one.epoch for one in film.chances], np.int64),
    }
    for layer in range(len(film.shapes)):
        known = [one.values[layer] for one in film.moments if one.values]
        arrays[f"values_{layer}"] = np.array(known, np.float32)
        arrays[f"chance_values_{layer}"] = np.array([one.values[layer] for one in film.chances], np.float32)
        arrays[f"chance_figures_{layer}"] = np.array([one.figures[layer] for one in film.chances], np.float64)
    file = io.BytesIO()
    np.savez_compressed(file, key=np.array(film.key), **arrays)
    return file.getvalue()


def from_bytes(content: bytes) -> Film:
    """The film in a file's content. Raises ValueError if it is not one."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        shapes = tuple((int(rows), int(columns)) for rows, columns in arrays["shapes"])
        layers = range(len(shapes))
        moments, seen = [], 0
        for (epoch, stage, checksum, has), live in zip(arrays["moments"], arrays["live"], strict=True):
            values = tuple(arrays[f"values_{layer}"][seen] for layer in layers) if has else ()
            seen += bool(has)
            widths = tuple((int(rows), int(columns)) for rows, columns in live)
            moments.append(Moment(int(epoch), int(stage), values, widths, int(checksum)))
        chances = [
            Chance(
                int(epoch),
                tuple(arrays[f"chance_values_{layer}"][place] for layer in layers),
                tuple(arrays[f"chance_figures_{layer}"][place] for layer in layers),
            )
            for place, epoch in enumerate(arrays["chances"])
        ]
        return Film(str(arrays["key"]), shapes, tuple(moments), tuple(chances))
    except Exception as error:  # whatever a damaged zip archive makes NumPy raise
        raise ValueError(f"not a film of a run: {error}") from error


def load(artifacts: Artifacts, key: str) -> Film | None:
    """The film that is kept; None where there is none, or where it cannot be read."""
    content = artifacts.read(key, FILE)
    try:
        found = from_bytes(content) if content else None
    except ValueError:
        return None
    return found if found and found.key == key else None


def keep(store: Store, artifacts: Artifacts, key: str) -> Film:
    """The film of the run, kept where it holds more than what is kept. Raises StoreError where it cannot be
    written."""
    known = load(artifacts, key)
    film = shoot(store, key, known)
    put(artifacts, film, known)
    return film


def put(artifacts: Artifacts, film: Film, known: Film | None) -> None:
    """Keeps the film unless it holds no more than the `known` one that is kept."""
    if known is None or [m.checksum for m in known.moments] != [m.checksum for m in film.moments]:
        artifacts.write(film.key, FILE, to_bytes(film))
    elif len(known.chances) < len(film.chances):
        artifacts.write(film.key, FILE, to_bytes(film))


def of_cut(film: Film, epoch: int) -> list[CutOfLayer]:
    """The layers that the cuts of `epoch` made narrower, beside random cuts; [] while those are not known."""
    known = film.chance(epoch)
    if known is None:
        return []
    before, after, found = film.at(epoch, 0), film.at(epoch), []
    for layer, (live_out, live_in) in enumerate(after.live):
        if (live_out, live_in) == before.live[layer] or not live_out:
            continue  # as wide as before, or gone altogether: neither has a rank to speak about
        now = spectra.from_values(after.values[layer], film.shapes[layer])
        stable, effective = (known.figures[layer][:, FIGURES.index(name)] for name in ("stable_rank", "effective_rank"))
        found.append(
            CutOfLayer(layer, now.rank, live_out, live_in, now.stable_rank, now.effective_rank, stable, effective)
        )
    return found


def verdict(film: Film, objection: str = "") -> Verdict | None:
    """Whether the cuts leave lower rank than the live width and random cuts explain; None while a random cut is missing.
    objection: why the run is none to judge, of a film that was read and not shot, which cannot know."""
    objection = objection or film.objection
    if lacking(film) and not objection:
        return None
    return verdicts.low_rank([layer for epoch in film.cut_epochs() for layer in of_cut(film, epoch)], objection)


def lacking(film: Film) -> list[int]:
    """The epochs of cuts beside which no random cuts stand yet."""
    return [epoch for epoch in film.cut_epochs() if film.chance(epoch) is None]


def waiting(film: Film) -> str:
    """How many of the random cuts are there, as a sentence."""
    cuts = len(film.cut_epochs())
    return f"Random cuts of the same size are being worked out: {cuts - len(lacking(film))} of {cuts} cuts."


def missing(film: Film, log: Log) -> str:
    """Which epochs of the run the film lacks, as a sentence; "" where it lacks none."""
    there = set(film.epochs())
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
