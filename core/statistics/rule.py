"""What is fixed before the first run: seeds, margin, level, and when seeds may be added."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.statistics.words import MOST, listed, percent

METHODS = {
    "t": "Student's t intervals (they suppose that the differences are roughly normal)",
    "bca": "BCa bootstrap intervals (Efron 1987; they suppose no shape, but are too narrow with few seeds)",
}
POWER = 0.8  # "about n more seeds" are enough in this share of cases, if mean and spread stay as they are


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
                f"If it can't be told yet, seeds may be added, but only up to {listed(later, 'or')}, and nothing is "
                f"decided in between. Each look spends a part of the {self.level * 100:g} %: {self.spent[first] * 100:.3g} "
                f"% at {first} seeds, {self.spent[later[0]] * 100:.3g} % at each later one. A verdict once given stands."
            )
        else:
            lines.append("No seeds are added later.")
        lines.append(f"'About n more seeds': enough in {POWER * 100:g} of 100 cases, if mean and spread stay as seen.")
        return "\n\n".join(lines)
