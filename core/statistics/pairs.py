"""Two arms seed by seed: their differences, the interval of the mean, and the chance of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.special as special
import scipy.stats as stats

from core.arithmetic import UNRECORDED
from core.statistics.rule import Rule
from core.statistics.words import are, start

RESAMPLES = 9_999  # of the bootstrap
EXACT = 40  # up to so many seeds the sign-flip test counts every flip
SAME = 1e-9  # differences that lie so close together, relative to their size, are one value


class Unpaired(ValueError):
    """The runs cannot be compared by seed; the message is a sentence for the page."""


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
            raise Unpaired(f"{start(are(missing, f' of {arm.name}'))} missing.")
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

    def p_value(self, line: float = 0.0) -> float:
        """The two-sided p of a true mean at `line`: the level at which the interval just touches it."""
        if self.n < 2:
            return 1.0
        if self.sd == 0:
            same = abs(self.center - line) <= SAME * max(1.0, abs(line))
            return 1.0 if same else 2.0 ** (1 - self.n)
        if self.method == "bca":
            return self._p_by_bootstrap(line)
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

    def _p_by_bootstrap(self, line: float) -> float:
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
