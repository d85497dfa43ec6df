"""A run as a film of its singular values: every stored moment, just before and just after each cut, with what to compare it to.

References for each layer: itself at the start; the bulk of a random matrix of its living size and variance (Marchenko and
Pastur); and for each cut, random cuts of the same size. For a finished run the film is kept on the shelf, so that it still has
all epochs when the run itself has been thinned.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from core import spectra
from core.atlas.shelf import Shelf
from core.claims import equivalence, standing, verdicts
from core.claims.verdicts import CutOfLayer
from core.masks import chance
from core.spec import RunSpec
from core.statistics.words import Verdict
from core.store import Store
from core.store.snapshot import Glance
from core.views import scene

FILE = "film-1.npz"  # its name on the shelf; the number grows when the format changes
FIGURES = ("rank", "stable_rank", "effective_rank", "spectral", "frobenius", "nuclear")
MOST_VALUES = 1_500_000  # in a blob; beyond it, epochs between the cuts are left out
NEXT = 3  # epochs after a cut that are never left out: does the rank come back?
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


# -- making it --------------------------------------------------------------------------------------------------------


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
    draws = equivalence.draw(store, spec, key, epoch)
    shapes = [weight.shape for weight in store.network(key, epoch).weights[:-1]]
    values = tuple(np.stack([each.mean(0), each.min(0), each.max(0)]).astype(np.float32) for each in draws)
    figures = tuple(np.array([_figures(one, shape) for one in each]) for each, shape in zip(draws, shapes, strict=True))
    return Chance(epoch, values, figures)


def _figures(values: np.ndarray, shape: tuple[int, int]) -> list[float]:
    spectrum = spectra.from_values(values, shape)
    return [getattr(spectrum, name) for name in FIGURES]


# -- keeping it -------------------------------------------------------------------------------------------------------


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


def load(shelf: Shelf, key: str) -> Film | None:
    """The film on the shelf; None where there is none, or where it cannot be read."""
    content = shelf.read(key, FILE)
    try:
        found = from_bytes(content) if content else None
    except ValueError:
        return None
    return found if found and found.key == key else None


def keep(store: Store, shelf: Shelf, key: str) -> Film:
    """The film of the run, put on the shelf where it holds more than what lies there. Raises StoreError where it cannot be
    written."""
    known = load(shelf, key)
    film = shoot(store, key, known)
    put(shelf, film, known)
    return film


def put(shelf: Shelf, film: Film, known: Film | None) -> None:
    """Puts the film on the shelf unless it holds no more than the `known` one that lies there."""
    if known is None or [m.checksum for m in known.moments] != [m.checksum for m in film.moments]:
        shelf.write(film.key, FILE, to_bytes(film))
    elif len(known.chances) < len(film.chances):
        shelf.write(film.key, FILE, to_bytes(film))


# -- what it says -----------------------------------------------------------------------------------------------------


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


# -- what the browser gets ---------------------------------------------------------------------------------------------


def blob(spec: RunSpec, film: Film, log: Log, *, label: str, finished: bool) -> bytes:
    """The film as `scene.pack` has it.

    Singular values of all moments and layers lie one after the other in `values`, zeros at their ends left out: those of
    moment m and layer l from `place[m · L + l]` to the next place. Figures are `(moments, layers)`. `bulk` holds Marchenko and
    Pastur's values for variance 1, `bulk_of` which of them belongs to a moment and layer. `random_values` are mean, least and
    most of each layer for each cut in `header["cuts"]` whose `random` is true; `random_figures` `(cuts, layers, 6, 3)`.
    """
    shown, note = _shown(film)
    cuts = _cuts(spec, film, shown, log, finished)
    figures = np.array([[_figures_of(moment, layer, film) for layer in range(len(film.shapes))] for moment in shown])
    figures = figures.reshape(len(shown), len(film.shapes), len(FIGURES) + 1)
    values, place = _ragged(
        [moment.values[layer] if moment.values else () for moment in shown for layer in range(len(film.shapes))]
    )
    bulks = sorted({live for moment in shown for live in moment.live})
    bulk, bulk_place = _ragged([_unit_bulk(*live) for live in bulks])
    known = [film.chance(cut["epoch"]) for cut in cuts]
    random, random_place = _ragged(
        [row for one in known for layer in range(len(film.shapes)) for row in (one.values[layer] if one else ((),) * 3)]
    )
    arrays = {
        "epoch": np.array([moment.epoch for moment in shown], np.uint16),
        "stage": np.array([moment.stage for moment in shown], np.uint16),
        "values": values,
        "place": place,
        "tolerance": figures[..., -1].astype(np.float32),
        **{name: figures[..., i].astype(np.float32) for i, name in enumerate(FIGURES)},
        "live": np.array([moment.live for moment in shown], np.uint16),  # (moments, layers, 2): rows, columns
        "bulk": bulk,
        "bulk_place": bulk_place,
        "bulk_of": np.array([bulks.index(live) for moment in shown for live in moment.live], np.uint16),
        "random_values": random,
        "random_place": random_place,
        "random_figures": _random_figures(known, len(film.shapes)),
    }
    lines = [line for line in log if line["kind"] == "EpochEnded"]
    header = {
        "run": film.key,
        "label": label,
        "title": scene.sentence(spec, log),
        "layers": [
            {"name": f"Hidden {layer + 1}", "units": rows, "inputs": columns}
            for layer, (rows, columns) in enumerate(film.shapes)
        ],
        "moments": len(shown),
        "cuts": cuts,
        "last_epoch": lines[-1]["epoch"] if lines else 0,
        "finished": finished,
        "drops": _drops(film, shown, cuts),
        "randoms": all(known),
        "notes": [text for text in (missing(film, log), note) if text],
        "draws": chance.DRAWS,
    }
    return scene.pack(header, arrays)


def _shown(film: Film) -> tuple[list[Moment], str]:
    """The moments that fit into a blob, and a sentence on those that do not."""
    per_moment = max(1, sum(min(shape) for shape in film.shapes))
    cuts = set(film.cut_epochs())
    epochs = film.epochs()
    most = max(2, MOST_VALUES // per_moment)
    if len(film.moments) <= most:
        return list(film.moments), ""
    following = {
        epochs[i + k]
        for i, epoch in enumerate(epochs)
        if epoch in cuts
        for k in range(1, NEXT + 1)
        if i + k < len(epochs)
    }
    always = cuts | following | {epochs[0], epochs[-1]}
    step = -(-(len(epochs)) // max(1, most - len(always)))
    chosen = always | set(epochs[::step])
    left = [moment for moment in film.moments if moment.epoch in chosen]
    return left, f"The layers are large: between cuts, one epoch in {step} is shown."


def _cuts(spec: RunSpec, film: Film, shown: Sequence[Moment], log: Log, finished: bool) -> list[dict[str, Any]]:
    places = {(moment.epoch, moment.stage): place for place, moment in enumerate(shown)}
    epochs = film.cut_epochs()
    found = []
    for number, epoch in enumerate(epochs):
        lines = [line for line in log if line["kind"] == "Pruned" and line["epoch"] == epoch]
        rounds = ["by hand" if line["round"] is None else str(line["round"]) for line in lines]
        after = max(stage for at, stage in places if at == epoch)
        following = epochs[number + 1] if number + 1 < len(epochs) else None
        later = places[following, 0] if following is not None else len(shown) - 1
        if later <= places[epoch, after] or not shown[later].values:
            later = None
        end = f"at the end, epoch {shown[-1].epoch}" if finished else f"so far, epoch {shown[-1].epoch}"
        found.append(
            {
                "epoch": epoch,
                "name": f"cut {' and '.join(rounds)}" if rounds else "cut",
                "before": places[epoch, 0],
                "after": places[epoch, after],
                "later": later,
                "later_words": f"before the next cut, epoch {following}" if following is not None else end,
                "achieved": lines[-1]["achieved"] if lines else None,
                "accuracy_before": lines[0]["accuracy_before"] if lines else None,
                "accuracy_after": lines[-1]["accuracy_after"] if lines else None,
                "random": film.chance(epoch) is not None,
            }
        )
    return found


def _drops(film: Film, shown: Sequence[Moment], cuts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each figure, all layers added up, from the start to the last moment: what training did before the first cut, what the
    cuts did (and what random cuts would have), what training did after them. None where a part is not known."""
    if not cuts:
        return []
    at = {
        place: _sums(film, shown[place]) for cut in cuts for place in (0, cut["before"], cut["after"], len(shown) - 1)
    }
    random = [film.chance(cut["epoch"]) for cut in cuts]
    found = []
    for i, name in enumerate(FIGURES):
        start, first, end = at[0][i], at[cuts[0]["before"]][i], at[len(shown) - 1][i]
        took = sum(at[cut["after"]][i] - at[cut["before"]][i] for cut in cuts)
        chances = [
            sum(layer[:, i].mean() for layer in one.figures) - at[cut["before"]][i] if one else np.nan
            for one, cut in zip(random, cuts, strict=True)
        ]
        parts = {"start": start, "training": first - start, "cuts": took, "random": sum(chances)}
        parts |= {"back": end - first - took, "end": end}
        found.append({"name": name} | {part: float(v) if np.isfinite(v) else None for part, v in parts.items()})
    return found


def _sums(film: Film, moment: Moment) -> np.ndarray:
    return np.sum([_figures_of(moment, layer, film)[:-1] for layer in range(len(film.shapes))], axis=0)


def _figures_of(moment: Moment, layer: int, film: Film) -> list[float]:
    if not moment.values:
        return [np.nan] * (len(FIGURES) + 1)
    spectrum = spectra.from_values(moment.values[layer], film.shapes[layer])
    return [*(getattr(spectrum, name) for name in FIGURES), spectrum.tolerance]


def _ragged(lists: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of values as one, zeros at their ends left out, and where each begins; one place more than lists."""
    cut = [np.trim_zeros(np.asarray(values, np.float32), "b") for values in lists]
    place = np.concatenate([[0], np.cumsum([values.size for values in cut])]) if cut else np.zeros(1)
    return (np.concatenate(cut) if cut else np.zeros(0, np.float32)), place.astype(np.uint32)


@lru_cache(maxsize=512)
def _unit_bulk(rows: int, columns: int) -> np.ndarray:
    return spectra.marchenko_pastur(rows, columns, 1.0).astype(np.float32)


def _random_figures(known: Sequence[Chance | None], layers: int) -> np.ndarray:
    found = np.full((len(known), layers, len(FIGURES), 3), np.nan, np.float32)
    for place, one in enumerate(known):
        for layer, figures in enumerate(one.figures if one else ()):
            found[place, layer] = np.stack([figures.mean(0), figures.min(0), figures.max(0)], axis=1)
    return found
