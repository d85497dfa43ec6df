"""Arms compared over seeds: paired differences, their intervals, and verdicts by a rule that is fixed before looking.

Numbers in, a Decision in words out. A rule states seeds, margin, level and when seeds may be added; `Rule.text` says it in
words made of those numbers. A question is a Claim on two arms or a Share of runs; `judge` answers all questions of a card.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.special as special
import scipy.stats as stats

from core.arithmetic import UNRECORDED
from core.claims.verdicts import FAILS, HOLDS, MOST, percent
from core.statistics.paired import holm

OPEN = "can't tell yet"
WORDS = (HOLDS, FAILS, OPEN)
METHODS = {
    "t": "Student's t intervals (they suppose that the differences are roughly normal)",
    "bca": "BCa bootstrap intervals (Efron 1987; they suppose no shape, but are too narrow with few seeds)",
}
POWER = 0.8  # "about n more seeds" are enough in this share of cases, if mean and spread stay as they are
RESAMPLES = 9_999  # of the bootstrap
EXACT = 40  # up to so many seeds the sign-flip test counts every flip
MOST_SEEDS = 10_000  # beyond this no number of seeds is named
SAME = 1e-9  # differences that lie so close together, relative to their size, are one value


class Unpaired(ValueError):
    """The runs cannot be compared by seed; the message is a sentence for the page."""


# -- the rule ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is fixed before the first run. seeds: needed for a first verdict. margin: in the unit of what is compared,
    accuracy points unless said otherwise. level: the share of cards that may carry a wrong word. method: "t" or "bca".
    growth: when seeds may be added, in multiples of `seeds`. start: the first seed. Raises ValueError on anything else."""

    seeds: int = 10
    margin: float = 0.5
    level: float = 0.05
    method: str = "t"
    growth: tuple[float, ...] = (1.5, 2, 3)
    start: int = 0

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} came: give one of {', '.join(METHODS)}")
        if not (isinstance(self.seeds, int) and self.seeds >= 2):
            raise ValueError(f"{self.seeds!r} seeds came: a verdict over seeds needs at least 2")
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"a margin of {self.margin} came: it is a number, 0 or more")
        if not 0 < self.level < 0.5:
            raise ValueError(f"a level of {self.level} came: it lies between 0 and 0.5")
        if any(later <= earlier for earlier, later in zip(self.looks, self.looks[1:], strict=False)):
            raise ValueError(f"looks at {self.looks} seeds came: each later look needs more seeds than the one before")

    @property
    def looks(self) -> tuple[int, ...]:
        """At how many seeds a verdict may be given."""
        return (self.seeds, *(math.ceil(self.seeds * factor) for factor in self.growth))

    @property
    def spent(self) -> dict[int, float]:
        """Look -> its part of the level: half of it at the first, the rest in equal parts. They add up to the level."""
        first, *later = self.looks
        if not later:
            return {first: self.level}
        return {first: self.level / 2} | {look: self.level / 2 / len(later) for look in later}

    def upto(self, look: int) -> range:
        """The seeds of a look: the first ones, whichever finish first."""
        return range(self.start, self.start + look)

    @property
    def text(self) -> str:
        """The whole rule, as it stands on a page."""
        points, first, last = f"{self.margin:g} points", self.start, self.start + self.seeds - 1
        sure = "So at most" if self.method == "t" else "The aim, which BCa intervals miss with few seeds: at most"
        lines = [
            f"Arms are compared seed by seed: one seed gives both the same order of images and, where their "
            "shapes agree, the same start weights. "
            f"A verdict needs seeds {first} to {last} of both arms, {self.seeds} pairs, a number fixed before looking. "
            "Runs from different devices, versions or data are never paired.",
            f"A difference of up to {points} counts as none unless a comparison names its own margin: 'better' means by "
            f"more than the margin, 'as good as' means neither is better, 'not worse' means better or as good. ({points} = "
            f"{self.margin * 100:g} of 10,000 test images.)",
            f"A claim holds if the whole interval of the mean difference lies where the claim is true, and fails if the "
            f"whole interval lies where it is not; else it can't be told yet. The intervals are {METHODS[self.method]}. "
            f"A share of runs counts as most if its exact interval (Clopper and Pearson 1934) lies above {percent(MOST)}.",
            "With several comparisons on a card each interval is widened by Holm's method (1979), and a card holds if all "
            f"of its comparisons hold. {sure} {self.level * 100:g} of 100 cards carry a wrong word (holds where "
            "the claim is false, fails where it is true), all comparisons and all looks together, as far as the intervals "
            "cover what they say.",
        ]
        if len(self.looks) > 1:
            first, *later = self.looks
            lines.append(
                f"If it can't be told yet, seeds may be added, but only up to {_listed(later, 'or')}, and nothing is "
                f"decided in between. Each look spends a part of the {self.level * 100:g} %: {self.spent[first] * 100:.3g} "
                f"% at {first} seeds, {self.spent[later[0]] * 100:.3g} % at each later one. A verdict once given stands."
            )
        else:
            lines.append("No seeds are added later.")
        lines.append(f"'About n more seeds': enough in {POWER * 100:g} of 100 cases, if mean and spread stay as seen.")
        return "\n\n".join(lines)


# -- arms -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """What a run was made on. Two runs are paired only if versions, data and family are the same, and where the family is
    unrecorded the device too. data: the data set's fingerprint. family: `arithmetic.family`, whose numbers they are."""

    device: str
    versions: str
    data: str
    family: str = UNRECORDED

    @classmethod
    def of(cls, done: Mapping[str, Any], fingerprint: str) -> Source:
        """From what `Store.provenance` gives for a finished run, and the fingerprint of its data."""
        versions = ", ".join(f"{name} {number}" for name, number in sorted(done["versions"].items()))
        device = " ".join(str(done[name]) for name in ("device", "device_name", "number_type") if name in done)
        family = str(done.get("family", UNRECORDED))
        return cls(device, f"{versions}, engine {done.get('engine', '?')}", fingerprint, family)

    def unlike(self, other: Source) -> tuple[str, str, str] | None:
        """What keeps runs of the two apart, and what each has of it; None where nothing does."""
        names = {"family": "arithmetics", "versions": "versions", "data": "data"}
        if self.family == UNRECORDED:
            names = {"device": "devices"} | names
        for name, what in names.items():
            if getattr(self, name) != getattr(other, name):
                return what, getattr(self, name), getattr(other, name)
        return None


@dataclass(frozen=True)
class Arm:
    """One way of doing it. name: as a sentence says it. values: seed -> what is compared (test accuracy in percent, a rank).
    sources: seed -> what that run was made on."""

    name: str
    values: Mapping[int, float]
    sources: Mapping[int, Source]


def shared(first: Arm, second: Arm) -> tuple[int, ...]:
    """The seeds that both arms have, ascending."""
    return tuple(sorted(first.values.keys() & second.values.keys()))


def pair(first: Arm, second: Arm, seeds: Iterable[int] | None = None, rule: Rule | None = None) -> Paired:
    """The differences first − second on these seeds, on all seeds of either arm if None. Raises Unpaired, with a sentence,
    if a seed is missing in one of them, a value is not finite, or a pair differs in arithmetic, versions or data."""
    rule = rule or Rule()
    seeds = sorted(first.values.keys() | second.values.keys() if seeds is None else set(seeds))
    if not seeds:
        raise Unpaired(f"No seed has run yet for {first.name} and {second.name}.")
    for arm in (first, second):
        if missing := [seed for seed in seeds if seed not in arm.values]:
            raise Unpaired(f"{_start(_are(missing, f' of {arm.name}'))} missing.")
        for seed in seeds:
            if not math.isfinite(arm.values[seed]):
                raise Unpaired(f"Seed {seed} of {arm.name} has no finite value ({arm.values[seed]}).")
            if seed not in arm.sources:
                raise Unpaired(f"Seed {seed} of {arm.name} does not say what it was made on.")
    for seed in seeds:
        if apart := first.sources[seed].unlike(second.sources[seed]):
            what, mine, other = apart
            raise Unpaired(
                f"Seed {seed} of {first.name} and of {second.name} come from different {what} ({mine}; {other}), so they are "
                "not paired."
            )
    if len({first.sources[seed].data for seed in seeds}) > 1:
        raise Unpaired(f"The seeds of {first.name} come from different data, so they are not compared together.")
    differences = np.array([first.values[seed] - second.values[seed] for seed in seeds], float)
    return Paired(tuple(seeds), differences, rule.level, rule.method)


@dataclass(frozen=True, eq=False)
class Paired:
    """Differences by seed, `(n,)` float64, n >= 1, in the unit of the values. low, high: the interval of their mean at
    1 − level, infinite with one seed. Where all differences are one value there is no spread to go by, and the exact sign
    test takes over: its interval is that value, or everything where n is too small for the level."""

    seeds: tuple[int, ...]
    differences: np.ndarray
    level: float = 0.05
    method: str = "t"

    @property
    def n(self) -> int:
        return len(self.differences)

    @cached_property
    def center(self) -> float:
        return float(np.mean(self.differences))

    @property
    def mean(self) -> float:
        return self.center

    @cached_property
    def sd(self) -> float:
        """Between seeds, n − 1 in the denominator; NaN with one seed, exactly 0 where all are one value."""
        if self.n < 2:
            return math.nan
        if np.ptp(self.differences) <= SAME * max(1.0, float(np.max(np.abs(self.differences)))):
            return 0.0
        return float(np.std(self.differences, ddof=1))

    @property
    def low(self) -> float:
        return self.interval()[0]

    @property
    def high(self) -> float:
        return self.interval()[1]

    def interval(self, level: float | None = None) -> tuple[float, float]:
        """Where the true mean lies with confidence 1 − level (Student 1908, or Efron 1987)."""
        level = self.level if level is None else level
        if self.n < 2 or (self.sd == 0 and 2.0 ** (1 - self.n) >= level):
            return -math.inf, math.inf
        if self.sd == 0:
            return self.center, self.center
        if self.method == "bca":
            means, bias, pull = self._bootstrap
            moved = bias + special.ndtri(np.array([level / 2, 1 - level / 2]))
            low, high = np.quantile(means, special.ndtr(bias + moved / (1 - pull * moved)))
            return float(low), float(high)
        reach = float(special.stdtrit(self.n - 1, 1 - level / 2)) * self.sd / math.sqrt(self.n)
        return self.center - reach, self.center + reach

    def chance(self, line: float = 0.0) -> float:
        """The two-sided p of a true mean at `line`: the level at which the interval just touches it."""
        if self.n < 2:
            return 1.0
        if self.sd == 0:
            same = abs(self.center - line) <= SAME * max(1.0, abs(line))
            return 1.0 if same else 2.0 ** (1 - self.n)
        if self.method == "bca":
            return self._chance_by_bootstrap(line)
        return float(2 * special.stdtr(self.n - 1, -abs(self.center - line) * math.sqrt(self.n) / self.sd))

    def flips(self, line: float = 0.0) -> float:
        """The exact two-sided p of the sign-flip test (Fisher 1935): the share of all 2^n ways to flip the signs of the
        differences from `line` that give a mean at least as far from it. Never below 2^(1 − n). Above EXACT seeds 99,999
        flips are drawn."""
        moved = self.differences - line
        tolerance = SAME * float(np.sum(np.abs(moved)))
        far = abs(float(np.sum(moved))) - tolerance
        if far <= 0:
            return 1.0
        if self.n > EXACT:
            signs = np.random.default_rng(0).integers(0, 2, (99_999, self.n)) * 2 - 1
            return float((1 + np.count_nonzero(np.abs(signs @ moved) >= far)) / 100_000)
        left, right = (_sums(half) for half in np.array_split(moved, 2))
        right.sort()
        above = len(right) - np.searchsorted(right, far - left, "left")  # as many lie below −far
        return float(2 * above.sum() / 2.0**self.n)

    def power(self, n: int, region: tuple[float, float], level: float) -> float:
        """How often n seeds would decide on which side of the region's ends the true mean lies, if mean and spread are what
        they are here. By the noncentral t distribution, for both methods."""
        low, high = (self.center - region[0], region[1] - self.center)
        within = low > 0 and high > 0
        gaps = [gap for gap in (low, high) if math.isfinite(gap) and (within or gap < 0)]
        return max(0.0, 1 - sum(1 - self._beyond(n, abs(gap), level) for gap in gaps)) if gaps else 0.0

    def _beyond(self, n: int, gap: float, level: float) -> float:
        if not self.sd:
            return float(gap > 0 and 2.0 ** (1 - n) < level)
        shift = math.sqrt(n) * gap / self.sd
        return 1.0 if shift > 30 else float(1 - special.nctdtr(n - 1, shift, special.stdtrit(n - 1, 1 - level / 2)))

    @cached_property
    def _bootstrap(self) -> tuple[np.ndarray, float, float]:
        """The resampled means, ascending, and BCa's two corrections: for bias and for skew (Efron 1987)."""
        rng = np.random.default_rng(0)
        drawn = stats.bootstrap((self.differences,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng)
        means = np.sort(drawn.bootstrap_distribution)
        sides = np.searchsorted(means, self.center, "left") + np.searchsorted(means, self.center, "right")
        far = self.differences - self.center
        return means, float(special.ndtri(sides / (2 * len(means)))), float(np.sum(far**3) / 6 / np.sum(far**2) ** 1.5)

    def _chance_by_bootstrap(self, line: float) -> float:
        """By halving: the largest level whose interval still holds the line, not below 2 / (RESAMPLES + 1)."""
        low, high = 2 / (RESAMPLES + 1), 1.0
        for _ in range(40):
            middle = (low + high) / 2
            left, right = self.interval(middle)
            low, high = (middle, high) if left <= line <= right else (low, middle)
        return high


def _sums(values: np.ndarray) -> np.ndarray:
    """The sums of all sign flips, `(2^n,)`."""
    found = np.zeros(1)
    for value in values:
        found = np.concatenate((found + value, found - value))
    return found


# -- coverage ---------------------------------------------------------------------------------------------------------

SHAPES: dict[str, tuple[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]]] = {
    "normal": ("the differences are normal", lambda rng, size: rng.standard_normal(size)),
    "skewed": ("they are strongly skewed (exponential)", lambda rng, size: rng.exponential(size=size) - 1),
    "heavy": ("they have heavy tails (t, 3 degrees of freedom)", lambda rng, size: rng.standard_t(3, size)),
    "collapse": (
        "one run in ten collapses, ten standard deviations down",
        lambda rng, size: rng.standard_normal(size) - 10 * (rng.random(size) < 0.1) + 1,
    ),
}  # true mean 0


@functools.lru_cache(maxsize=256)
def coverage(
    n: int, method: str = "t", level: float = 0.05, shape: str = "normal", repeats: int = 4_000, seed: int = 0
) -> float:
    """The simulated share of intervals over n seeds that hold the true mean; nominal is 1 − level. method: "t", "bca" or,
    to see why not, "percentile" (1,000 resamples each). Its own standard error is about 0.4 points. Kept in memory: t takes
    milliseconds, a bootstrap about a second. Raises ValueError on an unknown method or shape or fewer than 2 seeds."""
    if method not in (*METHODS, "percentile") or shape not in SHAPES or n < 2:
        raise ValueError(
            f"{method!r}, {shape!r} and {n} seeds came: give t, bca or percentile, one of {', '.join(SHAPES)}, 2 or more"
        )
    rng = np.random.default_rng(seed)
    drawn = SHAPES[shape][1](rng, (repeats, n))
    if method == "t":
        reach = special.stdtrit(n - 1, 1 - level / 2) * drawn.std(axis=1, ddof=1) / math.sqrt(n)
        return float(np.mean(np.abs(drawn.mean(axis=1)) <= reach))
    held = 0
    for part in np.array_split(drawn, max(1, repeats // 500)):  # one draw of resamples a part, to stay small in memory
        found = stats.bootstrap(
            (part,), np.mean, axis=-1, n_resamples=1_000, batch=100, confidence_level=1 - level, rng=rng,
            method="BCa" if method == "bca" else "percentile",
        ).confidence_interval  # fmt: skip
        held += np.count_nonzero((found.low <= 0) & (found.high >= 0))
    return float(held / repeats)


def coverage_text(n: int, method: str = "t", level: float = 0.05) -> str:
    """What `coverage` gives for every shape, as a page prints it."""
    found = [f"{100 * coverage(n, method, level, shape):.1f} % if {words}" for shape, (words, _) in SHAPES.items()]
    return (
        f"Simulated 4,000 times each: over {n} seeds the {_confidence(level)} interval holds the true mean in "
        f"{_listed(found, 'and')}."
    )


# -- questions --------------------------------------------------------------------------------------------------------

ABOVE, BELOW, WITHIN, NOT_BELOW, NOT_ABOVE = "above", "below", "within", "not below", "not above"
_QUALITY = {ABOVE: "better than", BELOW: "worse than", WITHIN: "as good as"}
_ACCURACY = {ABOVE: "more accurate than", BELOW: "less accurate than", WITHIN: "as accurate as"}
_HEIGHT = {ABOVE: "higher than", BELOW: "lower than", WITHIN: "as high as"}
KINDS = {
    "better": (ABOVE, _QUALITY),
    "not worse": (NOT_BELOW, _QUALITY),
    "as good": (WITHIN, _QUALITY),
    "worse": (BELOW, _QUALITY),
    "more accurate": (ABOVE, _ACCURACY),
    "higher": (ABOVE, _HEIGHT),
    "lower": (BELOW, _HEIGHT),
}


def _region(name: str, margin: float) -> tuple[float, float]:
    """Where the true difference lies if it is `name`; the ends themselves belong to neither side."""
    return {
        ABOVE: (margin, math.inf),
        BELOW: (-math.inf, -margin),
        WITHIN: (-margin, margin),
        NOT_BELOW: (-margin, math.inf),
        NOT_ABOVE: (-math.inf, margin),
    }[name]


@dataclass(frozen=True)
class Claim:
    """`first` is `kind` (one of KINDS) compared with `second`, by more than the margin; "as good": neither is better by more
    than the margin (two one-sided tests, Schuirmann 1987); "not worse": not worse by more than it. margin: the rule's if
    None; 0 asks for any difference. unit: of the values; the rule's margin is in points, so any other unit needs its own.
    images: test images behind an accuracy, to give differences in images too. Raises ValueError on what does not fit."""

    kind: str
    first: Arm
    second: Arm
    margin: float | None = None
    unit: str = "points"
    images: int | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"claim {self.kind!r} came: give one of {', '.join(KINDS)}")
        if self.margin is None and self.unit != "points":
            raise ValueError(f"the rule's margin is in points: a comparison in {self.unit} needs a margin of its own")
        if self.margin is not None and not (math.isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"a margin of {self.margin} came: it is a number, 0 or more")

    @property
    def seeds(self) -> tuple[int, ...]:
        return shared(self.first, self.second)

    def evidence(self, seeds: Iterable[int], rule: Rule) -> Paired:
        return pair(self.first, self.second, seeds, rule)

    def region(self, rule: Rule) -> tuple[float, float]:
        margin = rule.margin if self.margin is None else self.margin
        if self.kind == "as good" and not margin:
            raise ValueError("nothing can be shown to be exactly as good: give a margin above 0")
        return _region(KINDS[self.kind][0], margin)

    def text(self, rule: Rule, place: str = "") -> str:
        """The claim in words, or another `place` of the true difference (ABOVE, …)."""
        margin = rule.margin if self.margin is None else self.margin
        own, words = KINDS[self.kind]
        place = place or own
        negated = {NOT_BELOW: BELOW, NOT_ABOVE: ABOVE}.get(place)
        says = f"not {words[negated]}" if negated else words[place]
        tail = f" to within {margin:g} {self.unit}" if place == WITHIN else f" by more than {margin:g} {self.unit}"
        return f"{self.first.name} is {says} {self.second.name}{tail if margin else ''}"

    def shown(self, rule: Rule, side: tuple[float, float], safe: tuple[float, float]) -> str:
        """What the evidence shows, in words: the true difference is in `side`, of which an end is the claim's margin, or in a
        narrower place if the interval `safe` says so."""
        margin = rule.margin if self.margin is None else self.margin
        places = {name: _region(name, margin) for name in (ABOVE, BELOW, WITHIN, NOT_BELOW, NOT_ABOVE)}
        proven = [name for name, place in places.items() if inside(safe, place) or side == place]
        return self.text(rule, proven[0])

    def besides(self, rule: Rule, safe: tuple[float, float]) -> str:
        """A sentence where a difference is sure, but not that it exceeds the margin; else ""."""
        margin = rule.margin if self.margin is None else self.margin
        small = any(inside(safe, place) for place in ((0, math.inf), (-math.inf, 0)))
        large = any(inside(safe, _region(name, margin)) for name in (ABOVE, BELOW))
        return " A difference as such is shown: the interval leaves out 0." if small and not large else ""

    def measured(self, evidence: Paired, low: float, high: float, level: float) -> str:
        """The mean difference with its n and interval."""
        size = amount(evidence.mean, self.unit, self.images)
        spread = (
            "too few seeds for an interval"
            if math.isinf(low)
            else f"{_confidence(level)} interval {signed(low)} to {signed(high)}"
        )
        return f"the mean difference is {size} over {_plural(evidence.n, 'seed')} ({spread})"


@dataclass(frozen=True, eq=False)
class Counted:
    """Runs of which each has a verdict of its own. holds: those whose verdict is "holds"; unknown: those that can't tell,
    which count for whichever side it hurts."""

    n: int
    holds: int
    unknown: int = 0

    @property
    def center(self) -> float:
        return (self.holds + self.unknown / 2) / self.n

    def interval(self, level: float) -> tuple[float, float]:
        """The share of all such runs, exact (Clopper and Pearson 1934)."""
        most = self.holds + self.unknown
        low = special.betaincinv(self.holds, self.n - self.holds + 1, level / 2) if self.holds else 0.0
        high = special.betaincinv(most + 1, self.n - most, 1 - level / 2) if most < self.n else 1.0
        return float(low), float(high)

    def chance(self, line: float = MOST) -> float:
        """The two-sided p of a true share of `line`: twice the smaller tail of the binomial distribution."""
        above = special.bdtrc(self.holds - 1, self.n, line) if self.holds else 1.0
        below = special.bdtr(self.holds + self.unknown, self.n, line)
        return float(min(1.0, 2 * min(above, below)))

    def power(self, n: int, region: tuple[float, float], level: float) -> float:
        """As for Paired: how often n runs would decide, if the true share is the one seen."""
        counts = np.arange(n + 1.0)
        if self.center > region[0]:
            least = np.count_nonzero(
                2 * special.bdtrc(counts, n, region[0]) >= level
            )  # the last count that decides nothing
            return float(special.bdtrc(least, n, self.center)) if least < n else 0.0
        most = np.count_nonzero(2 * special.bdtr(counts, n, region[0]) < level) - 1
        return float(special.bdtr(most, n, self.center)) if most >= 0 else 0.0


@dataclass(frozen=True)
class Share:
    """The claim that something is true of most runs (more than MOST of them). what: as a sentence says it ("the rank is lower
    than chance explains"). words: seed -> that run's own verdict; "holds" counts, "in part" and "fails" do not."""

    what: str
    words: Mapping[int, str]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted(self.words))

    def evidence(self, seeds: Iterable[int], rule: Rule) -> Counted:
        seeds = list(seeds)
        if missing := [seed for seed in seeds if seed not in self.words]:
            raise Unpaired(f"{_start(_are(missing))} missing.")
        if not seeds:
            raise Unpaired("No run has a verdict yet.")
        words = [self.words[seed] for seed in seeds]
        return Counted(len(words), words.count(HOLDS), sum(word.startswith("can't tell") for word in words))

    def region(self, rule: Rule) -> tuple[float, float]:
        return MOST, math.inf

    def text(self, rule: Rule) -> str:
        return f"in most runs {self.what}"

    def shown(self, rule: Rule, side: tuple[float, float], safe: tuple[float, float]) -> str:
        return f"in {'most' if side[0] == MOST else 'fewer than half of the'} runs {self.what}"

    def besides(self, rule: Rule, safe: tuple[float, float]) -> str:
        return ""

    def measured(self, evidence: Counted, low: float, high: float, level: float) -> str:
        unknown = f", {evidence.unknown} can't tell" if evidence.unknown else ""
        return (
            f"that is so in {evidence.holds} of {_plural(evidence.n, 'run')}{unknown} ({_confidence(level)} interval "
            f"{percent(low)} to {percent(high)})"
        )


def inside(interval: tuple[float, float], region: tuple[float, float]) -> bool:
    return region[0] < interval[0] and interval[1] < region[1]


# -- verdicts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Decision:
    """What the rule says on one question.

    word: one of WORDS. more: how many more seeds are needed, about; None where it is decided, or where no number that the
    rule allows would do. look: the number of seeds at which it was decided or last looked at, None before the first look.
    evidence: of that look (before it, of the seeds there are), None if there is none. low, high: its interval at 1 − level,
    widened for the card and the look, so that it excludes the margin exactly where a word is given. chance, corrected: p at
    the margin, and after Holm; decided if corrected is below what this look may spend. sentence: for a student.
    """

    question: Claim | Share
    word: str
    sentence: str
    more: int | None = None
    look: int | None = None
    evidence: Paired | Counted | None = None
    low: float = -math.inf
    high: float = math.inf
    level: float = math.nan
    chance: float = 1.0
    corrected: float = 1.0

    @property
    def headline(self) -> str:
        """The word, with what is missing for one."""
        return headline(self.word, self.more)


@dataclass(frozen=True, eq=False)
class Card:
    """The answers on all questions of one card: holds if all hold, fails if one fails, else can't tell yet."""

    word: str
    sentence: str
    more: int | None
    decisions: tuple[Decision, ...]
    rule: Rule

    @property
    def headline(self) -> str:
        return headline(self.word, self.more)


def headline(word: str, more: int | None) -> str:
    """ "can't tell yet (about 5 more seeds)"."""
    return f"{word} (about {more:,} more {'seed' if more == 1 else 'seeds'})" if word == OPEN and more else word


def judge(questions: Sequence[Claim | Share], rule: Rule | None = None) -> Card:
    """The card's verdict, with one decision per question, in their order.

    Only the first seeds count, as many as the look asks for: runs that finish early must not be looked at alone. Each look
    makes a two-sided test of every question at its margin, corrected by Holm (1979) over all questions of the card (those
    without data count as p = 1) and held against its part of the level. So at most `level` of cards err: over looks by
    Bonferroni; over questions by Holm, and that the side is right too by Shaffer (1980, Annals of Statistics 8: 1342),
    proven for independent comparisons and simulated in the tests for those that share an arm. Pass every question that
    the card will hold, also those without runs so far. Raises ValueError on an empty card.
    """
    rule = rule or Rule()
    if not questions:
        raise ValueError("no question came: a card asks at least one")
    latest: dict[int, Decision] = {}
    for look in rule.looks:
        for i, decision in _look(questions, rule, look).items():
            if i not in latest or latest[i].word == OPEN:  # a verdict once given stands
                latest[i] = decision
    return _card(tuple(latest.get(i) or _waiting(question, rule) for i, question in enumerate(questions)), rule)


def _look(questions: Sequence[Claim | Share], rule: Rule, look: int) -> dict[int, Decision]:
    """Place of a question -> the decision at this look, for those that have all its seeds."""
    evidence = {i: found for i, question in enumerate(questions) if (found := _evidence(question, rule, look))}
    chances = [
        _chance(evidence[i], question.region(rule)) if i in evidence else 1.0 for i, question in enumerate(questions)
    ]
    corrected, spent = holm(chances), rule.spent[look]
    decided = [i for i in sorted(evidence, key=chances.__getitem__) if corrected[i] < spent]
    found = {}
    for i, seen in evidence.items():
        share = 1 / (len(questions) - (decided.index(i) if i in decided else len(decided)))  # of the level, by Holm
        low, high = seen.interval(spent * share)
        numbers = {"look": look, "evidence": seen, "low": low, "high": high, "level": spent * share}
        numbers |= {"chance": chances[i], "corrected": corrected[i]}
        words = _settled if i in decided else _open
        word, sentence, more = words(questions[i], rule, look, seen, share, spent / len(questions))
        found[i] = Decision(questions[i], word, sentence, more, **numbers)
    return found


def _evidence(question: Claim | Share, rule: Rule, look: int) -> Paired | Counted | None:
    """None where seeds are missing or must not be paired."""
    try:
        return question.evidence(rule.upto(look), rule)
    except Unpaired:
        return None


def _chance(evidence: Paired | Counted, region: tuple[float, float]) -> float:
    """The level at which the interval just clears all ends of the region, from inside or from outside."""
    return max(evidence.chance(end) for end in region if math.isfinite(end))


def _settled(
    question: Claim | Share, rule: Rule, look: int, seen: Paired | Counted, share: float, safe: float
) -> tuple[str, str, None]:
    """Word and sentence where the interval is on one side. safe: the level at which intervals hold for all questions and all
    margins at once, so that more may be said than was asked."""
    low, high = question.region(rule)
    level = rule.spent[look] * share
    measured = question.measured(seen, *seen.interval(level), level)
    side = (-math.inf, low) if seen.center < low else (high, math.inf) if seen.center > high else (low, high)
    shown = question.shown(rule, side, seen.interval(safe))
    sentence = f"{_start(shown)}: {measured}.{question.besides(rule, seen.interval(safe))}"
    return HOLDS if side == (low, high) else FAILS, sentence, None


def _open(
    question: Claim | Share, rule: Rule, look: int, seen: Paired | Counted, share: float, safe: float
) -> tuple[str, str, int | None]:
    """Word, sentence and how many more seeds, where the interval lies on both sides."""
    level = rule.spent[look] * share
    measured = question.measured(seen, *seen.interval(level), level)
    first = f"It can't be told yet whether {question.text(rule)}: {measured}."
    first += question.besides(rule, seen.interval(safe))
    region, later = question.region(rule), [each for each in rule.looks if each > look]
    for next_look in later:
        missing = _missing(question, rule, next_look)
        if not missing and (reason := _refusal(question, rule.upto(next_look), rule)):
            return OPEN, f"{first} {reason}", None
        if seen.power(next_look, region, rule.spent[next_look] * share) >= POWER:
            more = len(missing)
            sentence = f"About {_plural(more, 'more seed')} should tell, if mean and spread stay as they are."
            return OPEN, f"{first} {sentence}", more
    last = rule.looks[-1]
    needed = _needed(seen, region, rule.spent[last] * share, last)
    count = f"About {needed:,} seeds in all" if needed else f"More than {MOST_SEEDS:,} seeds"
    return OPEN, f"{first} {count} would be needed to tell, and the rule stops at {last}.", None


def _needed(seen: Paired | Counted, region: tuple[float, float], level: float, least: int) -> int | None:
    """The smallest number of seeds, `least` or more, that decides in POWER of all cases; None beyond MOST_SEEDS."""
    low, high = least - 1, least
    while seen.power(high, region, level) < POWER:
        if high >= MOST_SEEDS:
            return None
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen.power(middle, region, level) >= POWER else (middle, high)
    return high


def _missing(question: Claim | Share, rule: Rule, look: int) -> list[int]:
    return sorted(set(rule.upto(look)) - set(question.seeds))


def _refusal(question: Claim | Share, seeds: Iterable[int], rule: Rule) -> str:
    """Why these seeds cannot be used, "" if they can."""
    try:
        question.evidence(seeds, rule)
    except Unpaired as reason:
        return str(reason)
    return ""


def _waiting(question: Claim | Share, rule: Rule) -> Decision:
    """Before the first look."""
    missing, seeds = _missing(question, rule, rule.seeds), question.seeds
    first = f"It can't be told yet whether {question.text(rule)}: "
    if not seeds:
        return Decision(question, OPEN, f"{first}no seed has run yet, the rule asks for {rule.seeds}.", len(missing))
    if reason := _refusal(question, seeds, rule):
        return Decision(question, OPEN, f"{first}{reason[0].lower()}{reason[1:]}", len(missing) or None)
    seen = question.evidence(seeds, rule)
    low, high = seen.interval(rule.level)
    measured = question.measured(seen, low, high, rule.level)
    sentence = f"{first}{_are(missing)} missing of the {rule.seeds} that the rule asks for. So far {measured}."
    return Decision(question, OPEN, sentence, len(missing), None, seen, low, high, rule.level)


def _card(decisions: tuple[Decision, ...], rule: Rule) -> Card:
    by_word = {word: [each for each in decisions if each.word == word] for word in WORDS}
    word = FAILS if by_word[FAILS] else OPEN if by_word[OPEN] else HOLDS
    mores = [each.more for each in by_word[OPEN]]
    more = max(mores) if word == OPEN and all(mores) else None
    if len(decisions) == 1:
        return Card(word, decisions[0].sentence, more, decisions, rule)
    if word == HOLDS:
        return Card(word, f"All {len(decisions)} parts hold.", None, decisions, rule)
    ends = {HOLDS: ("holds", "hold"), FAILS: ("fails", "fail"), OPEN: ("can't be told yet", "can't be told yet")}
    counts = [f"{len(found)} {ends[each][len(found) > 1]}" for each, found in by_word.items() if found]
    sentence = f"Of {len(decisions)} parts {_listed(counts, 'and')}. {by_word[word][0].sentence}"
    return Card(word, sentence, more, decisions, rule)


# -- words ------------------------------------------------------------------------------------------------------------


def amount(value: float, unit: str = "points", images: int | None = None) -> str:
    """ "+0.10 points = 10 of 10,000 test images"; a difference in images only for points and where `images` is given."""
    size = f"{signed(value)} {unit}"
    if unit != "points" or not images:
        return size
    count = abs(value) * images / 100
    shown = f"{count:,.1f}".removesuffix(".0") if count < 10 else f"{count:,.0f}"
    return f"{size} = {shown} of {images:,} test images"


def signed(value: float) -> str:
    """Two decimals and a sign, none at zero."""
    shown = f"{value:+,.2f}".replace("-", "−")
    return shown[1:] if shown[1:] == "0.00" else shown


def _confidence(level: float) -> str:
    return f"{100 * (1 - level):.3g} %"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _are(seeds: Sequence[int], tail: str = "") -> str:
    """ "seed 3 is", "seeds 3, 5 and 7 are", "seeds 3 to 9 are"; the tail comes before the verb."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}{tail} is"
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"seeds {seeds[0]} to {seeds[-1]}{tail} are"
    return f"seeds {_listed(seeds, 'and')}{tail} are"


def _listed(words: Sequence[Any], last: str) -> str:
    words = [str(word) for word in words]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" {last} {words[-1]}"


def _start(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
