"""One card per claim of the paper: what is compared with what, over seeds, and what follows by the rule.

Rows of runs in (see `results`), `statistics.Card`s out. Which comparisons a card makes is fixed here, before any result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core import statistics
from core.arithmetic import UNRECORDED
from core.statistics import Arm, Card, Claim, Rule, Share, Source
from core.statistics.mcnemar import REDUCTIONS, RETRAINED
from core.statistics.words import UNKNOWN

METHOD, FRESH_TARGET, FRESH_EPOCHS = "activation-frequency", "fresh-small, same target", "fresh-small, same epochs"
NAMES = {
    METHOD: "pruning by activation frequency",
    "magnitude": "pruning by magnitude",
    "random-matched": "pruning as many random neurons per layer",
    "random-weights": "pruning random weights",
    FRESH_TARGET: "a fresh network of the final widths (same target)",
    FRESH_EPOCHS: "a fresh network of the final widths (same epochs)",
}
# Claim 1: as good a guide as magnitude, and better than no guide at all.
COMPARED = (("not worse", "magnitude"), *(("more accurate", arm) for arm in list(NAMES)[2:]))
INACTIVITY = "inactivity"  # the direction of the count in the released code
DIRECTIONS = {METHOD: NAMES[METHOD], INACTIVITY: "pruning the busiest neurons (as released)"}
# The controls that copy what the count in the text's direction left; beside the other direction their names say so.
COPIED = {
    "random-matched": "pruning as many random neurons per layer as activation frequency prunes",
    FRESH_TARGET: "a fresh network of the widths that activation frequency leaves (same target)",
    FRESH_EPOCHS: "a fresh network of the widths that activation frequency leaves (same epochs)",
}
CLAIMS = {
    "pruning": "Activation frequency is a good guide to what can be pruned",
    "low-rank": "Pruned layers have low rank, beyond their width",
    "pca": "At the same rank, the pruned network beats PCA",
    "penalty": "Each cut acts like a nuclear-norm penalty",
}
REQUESTED, ACHIEVED = "requested", "achieved"
NEAR = 0.002  # how near an achieved share of zeros comes to the one that is matched
MATCHINGS = {
    REQUESTED: "the same ratio is asked of every arm",
    ACHIEVED: f"what is asked of an arm is adjusted until what it achieves is within {100 * NEAR:g} points",
}
END, CUT = "test_accuracy", "cut_accuracy"
MEASURED = {END: "at its end, retrained after the last cut", CUT: "right after the last cut, without retraining"}
WHOLE = (FRESH_TARGET, FRESH_EPOCHS)  # networks of which nothing is cut
Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What all runs of a card share. ratio: of all weights, 0..1. budget: as in PruningSpec. matched: one of MATCHINGS.
    length: epochs that every run is trained, whatever its accuracy; None: each to the same target."""

    dataset: str
    ratio: float
    rounds: int = 5
    budget: str = "total"
    matched: str = REQUESTED
    length: int | None = None

    @classmethod
    def of_row(cls, row: Row) -> Setting:
        """The setting that a row belongs to; columns that it does not have are at their defaults."""
        more = {name: row[name] for name in ("budget", "matched", "length") if row.get(name)}
        return cls(row["dataset"], row["ratio"], row["rounds"], **more)

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """The rows of this setting."""
        return [row for row in rows if Setting.of_row(row) == self]

    def ladder(self, rows: Iterable[Row]) -> list[Row]:
        """The rows of this setting at every ratio."""
        return [row for row in rows if replace(Setting.of_row(row), ratio=self.ratio) == self]

    def columns(self) -> Row:
        """What a row says of its setting."""
        return asdict(self) | {"length": self.length or ""}


def settings(rows: Iterable[Row]) -> list[Setting]:
    """The settings that there are rows of, in order."""
    return sorted({Setting.of_row(row) for row in rows}, key=lambda s: (s.ratio, s.dataset, str(s)))


def collapsed(row: Row) -> bool:
    """Whether the run diverged, died, or gives one answer to everything; it stays in its arm with what it reaches."""
    return row.get("ended") in ("diverged", "dead") or bool(row.get("constant"))


def missed(row: Row) -> bool:
    """Whether the run trained well and yet never made all its cuts: it is no result at the ratio that was asked. Rows of
    before cuts were counted are told by the share of zeros of a run that did not reach its target."""
    if row["arm"] in (*WHOLE, "no pruning") or row[END] == "" or collapsed(row):
        return False
    if told := row.get("cuts"):
        made, _, planned = told.partition("/")
        return int(made) < int(planned)
    asked = row.get("requested", "") or 100 * row["ratio"]
    return row.get("ended") in ("epoch limit reached", "early stopping") and row["zero"] < asked - 100 * NEAR


def entered(rows: Iterable[Row]) -> list[Row]:
    """Those that are results at the ratio that was asked: they have one, and missed no cut."""
    return [row for row in rows if row[END] != "" and not missed(row)]


def arm(rows: Sequence[Row], name: str, column: str = END, words: str = "") -> Arm:
    """One arm's values by seed; a run that collapsed has its accuracy like any other, one that missed cuts is left out."""
    mine = [row for row in entered(rows) if row["arm"] == name and row.get(column, "") != ""]
    return Arm(
        words or NAMES.get(name, name),
        {row["seed"]: row[column] for row in mine},
        {row["seed"]: source(row) for row in mine},
    )


def source(row: Row) -> Source:
    """What a row's run was made on; rows from before it was noted are of no recorded family."""
    return Source(row["device"], row["versions"], row["data"], row.get("family") or UNRECORDED)


def questions(
    claim: str,
    rows: Sequence[Row],
    method: str = METHOD,
    arms: Iterable[str] | None = None,
    measured: str = END,
) -> list[Claim | Share]:
    """What a card asks of the rows of one setting. `method`: which direction of the count claim 1 is about, one of DIRECTIONS.
    `arms`: the arms that the rows are planned to have, where that is not all; claim 1 then asks about those alone. `measured`:
    which accuracy of a pruned network is compared, one of MEASURED; without retraining claim 1 leaves out networks of which
    nothing is cut. Raises ValueError on what is none of CLAIMS, DIRECTIONS or MEASURED."""
    if claim not in CLAIMS:
        raise ValueError(f"{claim!r} is no claim: allowed are {', '.join(CLAIMS)}")
    if method not in DIRECTIONS:
        raise ValueError(f"{method!r} is no direction of the count: allowed are {', '.join(DIRECTIONS)}")
    if measured not in MEASURED:
        raise ValueError(f"{measured!r} is no accuracy of a run: allowed are {', '.join(MEASURED)}")
    images = next((row["images"] for row in rows if row[END] != ""), None)
    if claim == "pruning":
        names = {} if method == METHOD else COPIED
        asked = [
            (kind, other, _telling(rows, method, other))
            for kind, other in COMPARED
            if (arms is None or other in arms) and not (measured == CUT and other in WHOLE)
        ]
        return [
            Claim(
                kind,
                arm(telling, method, measured, DIRECTIONS[method]),
                arm(telling, other, measured, names.get(other, "")),
                images=images,
            )
            for kind, other, telling in asked
        ]
    first = arm(rows, METHOD, measured)
    if claim == "pca":
        names = [
            (kept, f"{words}{' after retraining' if kept.endswith(RETRAINED) else ''}") for kept, words in _reductions()
        ]
        return [
            Claim("more accurate", first, arm(rows, METHOD, column.replace("-", "_"), words), images=images)
            for column, words in names
        ]
    column, what = {
        "low-rank": ("low_rank", "the rank of most layers is lower after a cut than width and chance explain"),
        "penalty": ("penalty", "the cuts act like a penalty on the sum of the singular values"),
    }[claim]
    mine = [row for row in rows if row["arm"] == METHOD and row[column]]
    return [Share(what, {row["seed"]: UNKNOWN if missed(row) or collapsed(row) else row[column] for row in mine})]


def _telling(rows: Sequence[Row], first: str, second: str) -> list[Row]:
    """The rows of seeds in which not both arms collapsed: one guess beside another says nothing of either arm."""
    fallen = [{row["seed"] for row in rows if row["arm"] == name and collapsed(row)} for name in (first, second)]
    return [row for row in rows if row["seed"] not in fallen[0] & fallen[1]]


def _reductions() -> list[tuple[str, str]]:
    return [(name + tail, words) for tail in ("", RETRAINED) for name, words in REDUCTIONS.items()]


def card(claim: str, rows: Sequence[Row], rule: Rule | None = None) -> Card:
    """The card of a claim for the rows of one setting."""
    return statistics.judge(questions(claim, rows), rule or Rule())
