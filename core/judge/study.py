"""A set of runs made on this computer to answer the Judge's questions: what is asked, its rows as they come, kept.

`Study` says what is asked; its defaults are the quick set of a class. `collect` trains what is missing and keeps the rows.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import joblib

from core.artifacts import Artifact
from core.artifacts.kept import Artifacts
from core.claims import pca
from core.judge import questions, results
from core.judge.questions import ACHIEVED, METHOD, NEAR, Row, Setting
from core.spec import RunSpec
from core.statistics import Rule
from core.store import Store
from core.sweep import QUICK, outcomes

FILE = "runs-v2.json"
TRIES = 6  # how often what is asked of an arm is adjusted until what it achieves agrees
FRESH = questions.WHOLE
ARMS = (*results.CRITERIA, *results.BASELINES, results.NO_PRUNING, *FRESH)
# 80, 85 and 90 % are the paper's; beyond it networks 2, 4, 8, 16 and 32 times smaller.
RATIOS = (0.5, 0.75, 0.8, 0.85, 0.875, 0.9, 0.9375, 0.96875)
Place = tuple[float, str, int]  # ratio, arm, seed


@dataclass(frozen=True)
class Study:
    """What a set of runs is made of. ratios: the first is that of the cards. seeds: so many, from 0. more: claims 2 to 4 are
    put to the test too, which takes further work on every run. Raises ValueError with what is allowed."""

    dataset: str = "mnist-mini"
    ratios: tuple[float, ...] = (0.8,)
    rounds: int = 5
    budget: str = "total"
    matched: str = questions.REQUESTED
    length: int | None = None
    seeds: int = Rule.seeds
    arms: tuple[str, ...] = QUICK
    more: bool = False

    def __post_init__(self):
        unknown = [arm for arm in self.arms if arm not in ARMS]
        if unknown or not self.arms:
            came = repr(unknown[0]) if unknown else "no arm"
            raise ValueError(f"{came} came: give one or more of {', '.join(ARMS)}")
        if needs_method := [arm for arm in self.arms if arm in FRESH and METHOD not in self.arms]:
            raise ValueError(
                f"{needs_method[0]!r} copies the widths that {METHOD} leaves: add {METHOD}, or leave it out"
            )
        if self.more and not {METHOD, results.NO_PRUNING} <= set(self.arms):
            raise ValueError(f"claims 2 to 4 are about {METHOD} beside {results.NO_PRUNING!r}: add both to the arms")
        if self.matched not in questions.MATCHINGS:
            raise ValueError(
                f"{self.matched!r} is no way to match ratios: allowed are {', '.join(questions.MATCHINGS)}"
            )
        if not self.ratios or not isinstance(self.seeds, int) or self.seeds < 1:
            raise ValueError(f"{len(self.ratios)} ratios and {self.seeds!r} seeds came: give at least one of each")
        for ratio in self.ratios:
            results.specs(self.setting_at(ratio), 0)  # checks the rest

    @property
    def setting(self) -> Setting:
        """What the runs of the cards share."""
        return self.setting_at(self.ratios[0])

    def setting_at(self, ratio: float) -> Setting:
        return Setting(self.dataset, ratio, self.rounds, self.budget, self.matched, self.length)

    @property
    def name(self) -> str:
        """Its folder among the artifacts: the same for all studies that differ only in numbers of seeds, ratios and arms."""
        return f"study{_short(asdict(self.setting_at(RATIOS[0])))}"

    @property
    def key(self) -> str:
        """The name of the job that makes it."""
        return f"set{_short(asdict(self))}"

    def places(self) -> list[Place]:
        """Every row that is wanted: seed by seed, so that the first pairs are there early."""
        return [(ratio, arm, seed) for seed in range(self.seeds) for ratio in self.ratios for arm in self.arms]

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Those of the rows that belong to it."""
        wanted, settings = set(self.places()), {self.setting_at(ratio) for ratio in self.ratios}
        return [row for row in rows if place_of(row) in wanted and Setting.of_row(row) in settings]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Study:
        """Of the plain values that `asdict` gives, lists in place of tuples."""
        return cls(**values | {name: tuple(values[name]) for name in ("ratios", "arms")})


def _short(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def place_of(row: Row) -> Place:
    return row["ratio"], row["arm"], row["seed"]


# -- what is kept -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """The rows of a study and of those like it, as they are kept. asked: how many rows the last go wanted, of which
    `there` are there; trained: runs of that go so far, in `seconds`. pieces, of_pieces: work done for claims 2 to 4."""

    rows: tuple[Row, ...] = field(default=())
    asked: int = 0
    there: int = 0
    trained: int = 0
    seconds: float = 0.0
    pieces: int = 0
    of_pieces: int = 0

    @property
    def left(self) -> float | None:
        """Seconds until all rows are there, by this go's own pace; None while nobody knows."""
        return self.seconds / self.trained * (self.asked - self.there) if self.trained else None

    @property
    def share(self) -> float:
        """The share done, 0..1, a row and a piece of work counted alike."""
        return (self.there + self.pieces) / max(1, self.asked + self.of_pieces)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        done = f"{self.there} of {self.asked} runs are there"
        if self.there == self.asked and self.of_pieces:
            return f"{done}; claims 2 to 4: {self.pieces} of {self.of_pieces} pieces of work done"
        if self.left is None:
            return f"{done}; how long the rest takes is known after the first one"
        minutes = self.left / 60
        return f"{done}, about {f'{minutes:.0f} minutes' if minutes >= 1.5 else f'{self.left:.0f} seconds'} left"


def kept(artifacts: Artifacts, study: Study) -> Kept:
    """What is kept; nothing where there is nothing, or nothing that can be read."""
    try:
        values = json.loads(artifacts.read(study.name, FILE) or b"{}")
        needed = {"arm", "seed", "ratio", "test_accuracy", "key"}
        rows = tuple(row for row in values.pop("rows", ()) if needed <= row.keys())
        return Kept(rows, **values)
    except (ValueError, TypeError, AttributeError):
        return Kept()


# -- making it --------------------------------------------------------------------------------------------------------


def collect(
    store: Store, artifacts: Artifacts, study: Study, n_jobs: int = -1, going: Callable[[], bool] = lambda: True
) -> Iterator[Kept]:
    """Trains what is missing; every run that ends becomes a kept row at once, one that fails too, with its reason.
    Yields what is kept after each. What is stored comes first and is not trained again. Rows of other seeds, ratios and arms
    of a like study stay."""
    made = _Collection(store, artifacts, study, n_jobs, going)
    for now in made.collect():
        artifacts.write(study.name, FILE, json.dumps(asdict(now)).encode())
        yield now


class _Collection:
    def __init__(self, store: Store, artifacts: Artifacts, study: Study, n_jobs: int, going: Callable[[], bool]):
        self.store, self.artifacts, self.study, self.n_jobs, self.going = store, artifacts, study, n_jobs, going
        self.wanted = study.places()
        known = {place_of(row): row for row in kept(artifacts, study).rows}
        again = {place for place in self.wanted if place in known and known[place]["test_accuracy"] == ""}
        self.rows = {place: row for place, row in known.items() if place not in again}
        self.specs: dict[Place, RunSpec] = {}  # of the rows made in this go
        self.began, self.trained, self.seconds = time.monotonic(), 0, 0.0
        self.pieces = self.of_pieces = 0

    def now(self) -> Kept:
        there = sum(place in self.rows for place in self.wanted)
        counts = (len(self.wanted), there, self.trained, self.seconds, self.pieces, self.of_pieces)
        return Kept(tuple(self.rows.values()), *counts)

    def collect(self) -> Iterator[Kept]:
        study = self.study
        firsts, fresh = {}, []
        for place in self.wanted:
            ratio, arm, seed = place
            if arm in FRESH:
                fresh.append(place)
            else:
                firsts[place] = results.specs(study.setting_at(ratio), seed)[arm]
        yield from self._matched(firsts) if study.matched == ACHIEVED else self._trained(firsts)
        yield from self._trained(dict(self._of_fresh(fresh)))
        yield self.now()  # fresh networks of which there can be none are rows too
        if study.more and self.going():
            yield from self._more()

    def _trained(
        self, specs: dict[Place, RunSpec], keep: Callable[[Place, RunSpec], bool] | None = None
    ) -> Iterator[Kept]:
        """`keep` says whether a run that ended becomes a row already; without it all do."""
        places: dict[RunSpec, list[Place]] = {}
        for place, spec in specs.items():
            places.setdefault(spec, []).append(place)  # at several ratios the unpruned network is one run
        for outcome in outcomes(list(places), self.store, self.n_jobs, self.going):
            if not outcome.stored:
                self.trained, self.seconds = self.trained + 1, time.monotonic() - self.began
            for place in places[outcome.spec]:
                if outcome.finished is None:
                    self._fail(place, outcome.reason or "no reason was given")
                elif keep is None or keep(place, outcome.spec):
                    self._put(place, outcome.spec)
            yield self.now()

    def _put(self, place: Place, spec: RunSpec) -> None:
        ratio, arm, _ = place
        self.specs[place] = spec
        if not (place in self.rows and self.rows[place]["key"] == spec.key()):
            self.rows[place] = results.row(self.store, self.artifacts, arm, spec, self.study.setting_at(ratio))

    def _fail(self, place: Place, reason: str) -> None:
        self.rows[place] = failed(place, self.study.setting_at(place[0]), reason)

    # ---- achieved ratios matched ----

    def _matched(self, specs: dict[Place, RunSpec]) -> Iterator[Kept]:
        """What is asked is adjusted, run by run, until what is achieved is near. No accuracy is looked at."""
        tried: dict[Place, list[tuple[float, float]]] = {place: [] for place in specs}

        def near(place: Place, spec: RunSpec) -> bool:
            if spec.pruning is None:
                return True
            achieved = self.store.network(spec.key()).sparsity()
            tried[place].append((spec.pruning.ratio, achieved))
            return abs(achieved - place[0]) <= NEAR

        left = specs
        for _ in range(TRIES):
            yield from self._trained(left, near)
            left = {place: _adjusted(spec, place[0], tried[place]) for place, spec in left.items() if self._open(place)}
            if not left or not self.going():
                return
        for place in left:
            asked, got = min(tried[place], key=lambda pair: abs(pair[1] - place[0]))
            self._fail(
                place,
                f"{100 * place[0]:g} % zero was to be achieved; the nearest in {TRIES} tries is {100 * got:.2f} %, where "
                f"{100 * asked:.2f} % is asked",
            )
        yield self.now()

    def _open(self, place: Place) -> bool:
        return place not in self.rows

    # ---- fresh networks ----

    def _of_fresh(self, places: list[Place]) -> Iterator[tuple[Place, RunSpec]]:
        for place in places:
            ratio, arm, seed = place
            method = self.specs.get((ratio, METHOD, seed))
            copies = results.fresh(self.store, method) if method else {}
            if copies:
                yield place, copies[arm]
            elif self.going():
                what = "lost a whole layer" if method else "has no result"
                self._fail(place, f"the pruned network whose widths it copies {what}")

    # ---- claims 2 to 4 ----

    def _more(self) -> Iterator[Kept]:
        work = list(self._work())
        self.of_pieces = len(work)
        yield self.now()
        done = joblib.Parallel(self.n_jobs, return_as="generator_unordered", pre_dispatch="n_jobs")(
            joblib.delayed(_piece)(place, str(self.store.root), group) for place, group in work if self.going()
        )
        for place, problem in done:
            self.pieces += 1
            if problem is None:
                ratio, arm, _ = place
                self.rows[place] = results.row(
                    self.store, self.artifacts, arm, self.specs[place], self.study.setting_at(ratio)
                )
            yield self.now()

    def _work(self) -> Iterator[tuple[Place, list[Artifact]]]:
        """What claims 2 to 4 need. A contest comes before the reductions that it is about."""
        mine = [place for place in self.wanted if place in self.specs]
        for contests in (False, True):
            for place in mine:
                ratio, arm, seed = place
                if contests and (ratio, results.NO_PRUNING, seed) not in self.specs:
                    continue
                both = results.of_claims(self.store, arm, self.specs[place])
                yield from ((place, group) for group in both if isinstance(group[0], pca.OfTwins) == contests)


def _adjusted(spec: RunSpec, wanted: float, tried: list[tuple[float, float]]) -> RunSpec:
    """The spec that asks for more or less: between two tries that enclose what is wanted, else by what is missing."""
    below = max((pair for pair in tried if pair[1] <= wanted), default=None)
    above = min((pair for pair in tried if pair[1] > wanted), default=None)
    if below and above and above[1] > below[1]:
        ratio = below[0] + (above[0] - below[0]) * (wanted - below[1]) / (above[1] - below[1])
    else:
        asked, got = tried[-1]
        ratio = asked + wanted - got
    return replace(spec, pruning=replace(spec.pruning, ratio=round(min(0.99, max(0.0, ratio)), 6)))


def _piece(place: Place, root: str, group: list[Artifact]) -> tuple[Place, str | None]:
    """In a process of its own: makes what is asked for, or says in a sentence why it cannot be."""
    try:
        results.ensure(root, group)
    except ValueError as error:
        return place, str(error)
    return place, None


def failed(place: Place, setting: Setting, reason: str) -> Row:
    """The row of a run without a result."""
    _, arm, seed = place
    nothing = {"requested": "", "test_accuracy": "", "cut_accuracy": "", "images": 0, "epochs": 0, "key": ""}
    return setting.columns() | {"arm": arm, "seed": seed, "ended": reason} | nothing
