"""Accuracy against achieved sparsity: the rows of one data set at every ratio there is, as one blob that the page draws.

Each arm has one point a ratio, where its networks came out and not where they were asked to: the mean of the achieved share
and the mean accuracy over seeds, with n, the interval and every seed's own pair. Beside it: requested against achieved.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core import statistics
from core.judge import questions
from core.judge.questions import METHOD, NEAR, WHOLE, Row, Setting
from core.judge.results import NO_PRUNING
from core.statistics import Paired, Rule
from core.views import judge, scene
from core.views.judge import SHORT

SETTING = {field.name for field in dataclasses.fields(Setting)}
SOURCE = {"device": "devices", "versions": "versions", "data": "data"}


def blob(rows: Iterable[Row], dataset: str, rounds: int, rule: Rule | None = None, **same: Any) -> bytes:
    """What the page draws of the rows of a data set and a number of rounds, at all their ratios.

    rows: as `results.shipped` gives them; `requested` (in %) may be missing or "", it is then the ratio. rule: its level and
    its kind of interval. same: what else the rows share, fields of `Setting` (budget, matched, length) or columns, where one
    that a row lacks holds "". Shares and accuracies are in %. Raises ValueError on a share outside 0..100, on a run that came
    twice with two results, and on a column of `same` that no row has.
    """
    rows, rule = list(rows), rule or Rule()
    mine = _chosen(rows, dataset, rounds, same)
    for row in judge.ran(mine):
        _check(row)
    ran = questions.entered(mine)
    pruned = [row for row in ran if row["arm"] != NO_PRUNING]
    arms = [_arm(name, pruned, mine, rule) for name in _names([*pruned, *filter(questions.missed, mine)])]
    ratios = sorted({_asked(row) for row in pruned})
    furthest = _furthest(arms)
    kept, left_out = _unpruned([row for row in ran if row["arm"] == NO_PRUNING])
    seeds = {row["seed"]: row["test_accuracy"] for row in kept}
    baseline = _named(NO_PRUNING) | _mean(seeds, rule) | {"seeds": [[seed, None, y] for seed, y in seeds.items()]}
    header = {
        "key": " ".join([dataset, str(rounds), *(f"{name}={value}" for name, value in sorted(same.items()))]),
        "title": f"{judge.dataset(dataset)}, {_count(rounds, 'round')} of pruning, {_count(len(ratios), 'ratio')}",
        "sentence": _seen(arms, rule),
        "ratios": [_x(ratio) for ratio in ratios],
        "arms": arms,
        "baseline": baseline if seeds else None,
        "overshoot": _overshoot(arms, furthest),
        "furthest": {"name": furthest[0]["name"], "ratio": furthest[1]["ratio"]} if furthest else None,
        "notes": [note for note in (*_notes(arms, ratios), _sources(pruned), left_out) if note],
        "interval": f"{100 * (1 - rule.level):g} % {statistics.METHODS[rule.method].split(' (')[0]}",
        "failed": [f"{100 * row['ratio']:g} %: {told}" for row in mine if (told := judge.failed(row))],
    }
    return scene.pack(header, {})


def _chosen(rows: Sequence[Row], dataset: str, rounds: int, same: dict[str, Any]) -> list[Row]:
    for name, value in same.items():
        if rows and value != "" and name not in SETTING and not any(name in row for row in rows):
            raise ValueError(f"column {name!r} is in none of the rows: they have {', '.join(rows[0])}")
    wanted = {"dataset": dataset, "rounds": rounds} | same
    found: dict[tuple, Row] = {}
    for row in rows:
        at = Setting.of_row(row)
        if any(
            (getattr(at, name) if name in SETTING else row.get(name, "")) != value for name, value in wanted.items()
        ):
            continue
        place = row["ratio"], row["arm"], row["seed"]
        before = found.setdefault(place, row)
        if before is not row and any(
            before.get(name, "") != row.get(name, "") for name in ("test_accuracy", "zero", "key")
        ):
            raise ValueError(
                f"seed {row['seed']} of {row['arm']} at {100 * row['ratio']:g} % came twice, with two results: give one, or "
                "name the column that tells them apart"
            )
    return list(found.values())


def _check(row: Row) -> None:
    for name, what in (("test_accuracy", "test accuracy"), ("zero", "share of zero weights")):
        value = row.get(name, "")
        if not (isinstance(value, (int, float)) and 0 <= value <= 100):
            place = f"seed {row['seed']} of {row['arm']} at {100 * row['ratio']:g} %"
            raise ValueError(f"{place} has the {what} {value!r}: it is a number in 0..100 %")


# -- one arm ----------------------------------------------------------------------------------------------------------


def _names(rows: Sequence[Row]) -> list[str]:
    """The arms of the rows, in the order of `judgement.SHORT`."""
    known = list(SHORT)
    return sorted(
        {row["arm"] for row in rows}, key=lambda name: (known.index(name) if name in known else len(known), name)
    )


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "short": SHORT.get(name, name), "whole": name in WHOLE}


def _asked(row: Row) -> float:
    """The rung that the run belongs to, in %; rounded, so that 0.29 and 29 % are one."""
    return round(100 * row["ratio"], 6)


def _requested(row: Row) -> float:
    """What the run was asked for, in %: where achieved ratios are matched it is not the rung."""
    told = row.get("requested", "")
    return _asked(row) if told in ("", None) else float(told)


def _arm(name: str, ran: Sequence[Row], every: Sequence[Row], rule: Rule) -> dict[str, Any]:
    points = []
    for ratio in sorted({_asked(row) for row in ran if row["arm"] == name}):
        here = [row for row in ran if _asked(row) == ratio]
        lost = [row for row in every if row["test_accuracy"] == "" or questions.missed(row)]
        failed = [row for row in lost if (row["arm"], _asked(row)) == (name, ratio)]
        points.append(_point(name, ratio, here, rule) | {"failed": len(failed)})
    # A run that missed cuts is no result at the ratio that was asked: it stands alone, at what it achieved.
    astray = [row for row in every if row["arm"] == name and questions.missed(row)]
    points += [_point(name, row["zero"], [row], rule) | {"failed": 0} for row in astray]
    points.sort(key=lambda point: point["ratio"])
    return _named(name) | {"points": points}


def _point(name: str, ratio: float, here: Sequence[Row], rule: Rule) -> dict[str, Any]:
    """One arm at one ratio. here: the rows of all arms at it."""
    mine = sorted((row for row in here if row["arm"] == name), key=lambda row: row["seed"])
    places = {row["seed"]: _place(row, here) for row in mine}
    known = [place for place in places.values() if place is not None]
    asked, zero = [_requested(row) for row in mine], [row["zero"] for row in mine]
    x = float(np.mean(known)) if known else None
    return {
        "ratio": ratio,
        "requested": _spread(asked),
        "zero": _spread(zero),
        "placed": len(known),
        "x": None if x is None else _x(x),
        "seeds": [[row["seed"], places[row["seed"]], row["test_accuracy"]] for row in mine],
    } | _mean({row["seed"]: row["test_accuracy"] for row in mine}, rule)


def _place(row: Row, here: Sequence[Row]) -> float | None:
    """Where a run stands on the axis, in %: its own share of zeros; a fresh small network stands where the run of its seed
    came out whose widths it has, and nowhere if that run is missing or has other widths."""
    if row["arm"] not in WHOLE:
        return row["zero"]
    twins = [one for one in here if one["arm"] == METHOD and one["seed"] == row["seed"]]
    return next((one["zero"] for one in twins if one.get("widths", "") == row.get("widths", "")), None)


def _x(share: float) -> dict[str, Any]:
    """A place on the axis: the share of zeros in %, and how many times smaller what is left is; None where nothing is left."""
    return {"share": share, "times": 100 / (100 - share) if share < 100 else None}


def _spread(values: Sequence[float]) -> list[float]:
    return [min(values), float(np.mean(values)), max(values)]


def _mean(values: dict[int, float], rule: Rule) -> dict[str, Any]:
    """Mean accuracy with n and the interval; no mean without an interval, so none of one seed."""
    if not values:
        return {"n": 0, "mean": None, "low": None, "high": None}
    seeds = sorted(values)
    seen = Paired(tuple(seeds), np.array([values[seed] for seed in seeds], float), rule.level, rule.method)
    low, high = seen.interval()
    if not (math.isfinite(low) and math.isfinite(high)):
        return {"n": seen.n, "mean": None, "low": None, "high": None}
    return {"n": seen.n, "mean": seen.mean, "low": low, "high": high}


def _unpruned(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """The networks without pruning, which are the same at every ratio: each seed once. If some were made elsewhere, those of
    the source with most seeds, and a sentence on the others."""
    groups: dict[tuple, dict[int, Row]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row["ratio"]):
        groups[_source(row)].setdefault(row["seed"], row)
    if not groups:
        return [], ""
    most = max(groups, key=lambda source: len(groups[source]))
    kept = [row for _, row in sorted(groups[most].items())]
    count = _count(len(kept), "seed")
    others = f"The line without pruning is of the {count} made on {_told(most)}; others are left out."
    return kept, others if len(groups) > 1 else ""


# -- what is said -----------------------------------------------------------------------------------------------------


def _seen(arms: Sequence[dict[str, Any]], rule: Rule) -> str:
    """What the figure shows of the paper's method, from its first ratio to its last."""
    if not arms:
        return "No pruned run of this data set and number of rounds is there yet."
    arm = next((one for one in arms if one["name"] == METHOD), arms[0])
    ends = [point for point in (arm["points"][0], arm["points"][-1]) if point["mean"] is not None and point["x"]]
    if not ends:
        return f"{_start(arm['short'])} has no mean with an interval yet, only single seeds."
    first, *rest = ends if len(arm["points"]) > 1 else ends[:1]
    said = f"{_start(arm['short'])} has {_right(first, ' of the test images right', rule)} of the weights zero"
    return f"{said}, and {_right(rest[0], '', rule)} zero." if rest else f"{said}."


def _right(point: dict[str, Any], what: str, rule: Rule) -> str:
    spread = f"{100 * (1 - rule.level):g} % interval {point['low']:.2f} to {point['high']:.2f}, n = {point['n']}"
    return f"{point['mean']:.2f} %{what} ({spread}) with {point['x']['share']:.2f} %"


def _notes(arms: Sequence[dict[str, Any]], ratios: Sequence[float]) -> list[str]:
    notes = []
    if len(ratios) == 1:
        notes.append(
            f"All runs were asked for {ratios[0]:g} %: one ratio makes no curve. The arms stand side by side, in the order of "
            "their names, so that each can be seen; what they achieved stands in the table."
        )
    if whole := [point for arm in arms if arm["whole"] for point in arm["points"]]:
        notes.append(
            "The fresh small networks are whole, no weight of theirs is zero: they stand where the run by activation frequency "
            "came out whose widths they have."
        )
        if lost := sum(point["n"] - point["placed"] for point in whole):
            notes.append(f"Of {_count(lost, 'fresh network')} that run is missing, so their own place is not known.")
    return notes


def _off(point: dict[str, Any]) -> float:
    """How much more is zero than was asked for, in points, in the mean over seeds."""
    return point["zero"][1] - point["requested"][1]


def _furthest(arms: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The arm and its point that came out furthest from what was asked; None if nothing was cut, or all came near it."""
    points = [(arm, point) for arm in arms if not arm["whole"] for point in arm["points"]]
    most = max(points, key=lambda pair: abs(_off(pair[1])), default=None)
    return most if most and abs(_off(most[1])) > 100 * NEAR else None


def _overshoot(arms: Sequence[dict[str, Any]], furthest: tuple[dict[str, Any], dict[str, Any]] | None) -> str:
    if furthest is None:
        every = f"Every arm achieved what was asked, to within {100 * NEAR:g} points in the mean over seeds."
        return every if any(not arm["whole"] for arm in arms) else ""
    arm, point = furthest
    low, _, high = point["zero"]
    between = f"{low:.2f} %" if low == high else f"{low:.2f} to {high:.2f} %"
    way = "More than asked for, most of all" if _off(point) > 0 else "Less than asked for, least of all"
    return (
        f"{way} {arm['short']}: asked {round(point['requested'][1], 3):g} %, achieved {between} over "
        f"{_count(point['n'], 'seed')}."
    )


def _source(row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(name, "")) for name in SOURCE)


def _told(source: Sequence[str]) -> str:
    device, versions, data = source
    return f"{device} with {versions} on data {data}"


def _sources(rows: Sequence[Row]) -> str:
    """A sentence where the rows of one ratio were made on something else than those of another, or of the same; else ""."""
    ratios: dict[tuple, set[float]] = defaultdict(set)
    for row in rows:
        ratios[_source(row)].add(_asked(row))
    if len(ratios) < 2:
        return ""
    differ = [what for i, what in enumerate(SOURCE.values()) if len({source[i] for source in ratios}) > 1]
    places = [
        f"{_listed(sorted(at))} % on {_told(source)}" for source, at in sorted(ratios.items(), key=lambda i: min(i[1]))
    ]
    return f"These runs come from different {' and '.join(differ)}, so a step in a line may be theirs: {'; '.join(places)}."


def _listed(numbers: Sequence[float]) -> str:
    *first, last = (f"{number:g}" for number in numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _start(words: str) -> str:
    return words[0].upper() + words[1:]
