"""What is asked of arms or of runs, and how much of an answer there is: Claim on pairs, Share of runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.special as special

from core.statistics.pairs import Arm, Paired, Unpaired, pair, shared
from core.statistics.rule import Rule
from core.statistics.words import HOLDS, MOST, amount, are, confidence, percent, plural, signed, start

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


def place_of(name: str, margin: float) -> tuple[float, float]:
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
        return place_of(KINDS[self.kind][0], margin)

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
        places = {name: place_of(name, margin) for name in (ABOVE, BELOW, WITHIN, NOT_BELOW, NOT_ABOVE)}
        proven = [name for name, place in places.items() if inside(safe, place) or side == place]
        return self.text(rule, proven[0])

    def besides(self, rule: Rule, safe: tuple[float, float]) -> str:
        """A sentence where a difference is sure, but not that it exceeds the margin; else ""."""
        margin = rule.margin if self.margin is None else self.margin
        small = any(inside(safe, place) for place in ((0, math.inf), (-math.inf, 0)))
        large = any(inside(safe, place_of(name, margin)) for name in (ABOVE, BELOW))
        return " A difference as such is shown: the interval leaves out 0." if small and not large else ""

    def measured(self, evidence: Paired, low: float, high: float, level: float) -> str:
        """The mean difference with its n and interval."""
        size = amount(evidence.mean, self.unit, self.images)
        spread = (
            "too few seeds for an interval"
            if math.isinf(low)
            else f"{confidence(level)} interval {signed(low)} to {signed(high)}"
        )
        return f"the mean difference is {size} over {plural(evidence.n, 'seed')} ({spread})"


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

    def p_value(self, line: float = MOST) -> float:
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
            raise Unpaired(f"{start(are(missing))} missing.")
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
            f"that is so in {evidence.holds} of {plural(evidence.n, 'run')}{unknown} ({confidence(level)} interval "
            f"{percent(low)} to {percent(high)})"
        )


def inside(interval: tuple[float, float], region: tuple[float, float]) -> bool:
    return region[0] < interval[0] and interval[1] < region[1]
