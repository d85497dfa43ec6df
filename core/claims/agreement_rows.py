"""Comparisons of two cuts as rows: what ships in core/data/agreement is read here, and changed network by network.

`networks.csv` has a row for every network, with what it was made on; a file per data set and ratio has the comparisons. All of
them are counts of weights per hidden layer, "a/b/c/d", from which every index follows.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import criteria
from core.masks.overlap import Overlap
from core.spec import RunSpec

FOLDER = Path(__file__).parents[1] / "data" / "agreement"
NETWORKS = "networks.csv"
CRITERIA, NUMBERED, MATCHED, SAMPLES, RANDOM = "criteria", "numbered", "matched", "samples", "draws"
QUESTIONS = {
    CRITERIA: "two criteria on one network",
    NUMBERED: "one criterion on two networks, neuron 7 of one beside neuron 7 of the other",
    MATCHED: "one criterion on two networks, neurons paired by the correlation of their activations",
    SAMPLES: "one criterion on one network, looking at two samples of training images",
    RANDOM: "one random criterion on one network, drawn twice",
}
COLUMNS = "question seed other first second images draws cut_first cut_second shared alike".split()
Row = dict[str, Any]


# -- what is compared ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Two cuts of one question. seed: of the network; other: of the second network where there is one. images: how many
    each cut looked at, draws: which samples or draws, such as "0-2". alike: mean correlation of the paired neurons, per
    hidden layer."""

    question: str
    seed: int
    first: str
    second: str
    overlap: Overlap
    other: int | None = None
    images: int | None = None
    draws: str = ""
    alike: tuple[float, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """All comparisons of a data set at a ratio. networks: one row a network, with what it was made on."""

    dataset: str
    ratio: float
    networks: tuple[dict[str, str], ...]
    comparisons: tuple[Comparison, ...]

    def of(self, question: str) -> list[Comparison]:
        return [one for one in self.comparisons if one.question == question]


# -- the rows that ship -------------------------------------------------------------------------------------------------


def shipped(dataset: str, ratio: float, folder: Path | None = None) -> Agreement | None:
    """What ships for the data set and ratio (or lies in `folder`); None where nothing does."""
    folder = folder or FOLDER
    networks = tuple(row for row in _read(folder / NETWORKS) if _is(row, dataset, ratio))
    sizes = {int(row["seed"]): _numbers(row["sizes"]) for row in networks}
    known = criteria.names()
    made = [
        _comparison(row, sizes)
        for row in _read(folder / file_name(dataset, ratio))
        if int(row["seed"]) in sizes and row["first"] in known and row["second"] in known
    ]
    return Agreement(dataset, ratio, networks, tuple(made)) if made else None


def written(dataset: str, ratio: float) -> int:
    """When the shipped rows were last written, in ns; 0 where there are none. For caches."""
    files = (FOLDER / NETWORKS, FOLDER / file_name(dataset, ratio))
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def content(dataset: str, ratio: float) -> str:
    """The shipped comparisons as they lie in their file, CSV."""
    return (FOLDER / file_name(dataset, ratio)).read_text("utf-8")


def file_name(dataset: str, ratio: float) -> str:
    return f"{dataset}-{100 * ratio:g}.csv"


def _is(row: dict[str, str], dataset: str, ratio: float) -> bool:
    return row["dataset"] == dataset and abs(float(row["ratio"]) - ratio) < 1e-9


def _read(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with open(file, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _numbers(text: str, kind: type = int) -> tuple:
    return tuple(kind(part) for part in text.split("/")) if text else ()


def text(numbers: Iterable[Any]) -> str:
    return "/".join(map(str, numbers))


def _comparison(row: dict[str, str], sizes: dict[int, tuple[int, ...]]) -> Comparison:
    counted = (_numbers(row[name]) for name in ("cut_first", "cut_second", "shared"))
    return Comparison(
        row["question"],
        int(row["seed"]),
        row["first"],
        row["second"],
        Overlap(sizes[int(row["seed"])], *counted),
        int(row["other"]) if row["other"] else None,
        int(row["images"]) if row["images"] else None,
        row["draws"],
        _numbers(row["alike"], float),
    )


def _row(one: Comparison) -> Row:
    counted = {"cut_first": one.overlap.first, "cut_second": one.overlap.second, "shared": one.overlap.shared}
    return {
        "question": one.question,
        "seed": one.seed,
        "other": "" if one.other is None else one.other,
        "first": one.first,
        "second": one.second,
        "images": one.images or "",
        "draws": one.draws,
        **{name: text(numbers) for name, numbers in counted.items()},
        "alike": text(f"{value:.3f}" for value in one.alike),
    }


def _write(file: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """As a whole or not at all: a command that is stopped leaves the file as it was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    with open(draft, "w", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    os.replace(draft, file)


class Rows:
    """The rows of one data set and ratio in a folder, changed network by network. One process writes at a time."""

    def __init__(self, dataset: str, ratio: float, folder: Path):
        self.dataset, self.ratio, self.folder = dataset, ratio, folder
        self.file = folder / file_name(dataset, ratio)

    def has(self, spec: RunSpec, other: RunSpec | None = None) -> bool:
        """All of the network is there, made from this very run and with every criterion that there is now; with `other`, the
        comparisons of the two."""
        for one in (spec, other) if other else (spec,):
            row = next((row for row in self._networks() if int(row["seed"]) == one.seed), None)
            if row is None or row["key"] != one.key():
                return False
        question, beside = (MATCHED, str(other.seed)) if other else (CRITERIA, "")
        mine = [
            row for row in _read(self.file)
            if (row["question"], row["seed"], row["other"]) == (question, str(spec.seed), beside)
        ]  # fmt: skip
        return {row[name] for row in mine for name in ("first", "second")} == set(criteria.names())

    def put(self, row: Row, made: Iterable[Comparison]) -> None:
        """A network's row and its comparisons, in place of all that was known of its seed. The row is written last: only what
        is whole counts as there."""
        seed = str(row["seed"])
        self._keep([_row(each) for each in made], lambda row: seed not in (row["seed"], row["other"]))
        others = [
            row for row in _read(self.folder / NETWORKS)
            if not (_is(row, self.dataset, self.ratio) and row["seed"] == seed)
        ]  # fmt: skip
        rows = sorted([*others, row], key=lambda row: (row["dataset"], float(row["ratio"]), int(row["seed"])))
        _write(self.folder / NETWORKS, rows, list(row))

    def put_between(self, made: Iterable[Comparison]) -> None:
        """The comparisons of two networks that are there."""
        rows = [_row(each) for each in made]
        pair = rows[0]["seed"], rows[0]["other"]
        self._keep(rows, lambda row: (row["seed"], row["other"]) != tuple(map(str, pair)))

    def _networks(self) -> list[dict[str, str]]:
        return [row for row in _read(self.folder / NETWORKS) if _is(row, self.dataset, self.ratio)]

    def _keep(self, rows: list[Row], stays: Callable[[Row], bool]) -> None:
        order = list(QUESTIONS)
        everything = [*(row for row in _read(self.file) if stays(row)), *rows]
        everything.sort(key=lambda row: (order.index(row["question"]), int(row["seed"])))
        _write(self.file, everything, COLUMNS)
