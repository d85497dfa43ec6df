"""Which of two networks is better, from the very images on which they differ; corrected where several are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special

SURE = 0.05  # a difference counts if equals would show it less often than this
REDUCTIONS = {"pca": "PCA of the weights", "svd": "truncated SVD", "aware": "the activation-aware reduction"}
RETRAINED = "-retrained"
ARMS = ("pruned", *REDUCTIONS, *(name + RETRAINED for name in REDUCTIONS))


@dataclass(frozen=True)
class Pair:
    """The pruned network against one other arm, both on the same `images`. ahead: images that only the pruned network gets
    right; behind: that only the arm does. p_value: the exact two-sided p of McNemar's test; corrected: by Holm over all
    arms."""

    arm: str
    images: int
    ahead: int
    behind: int
    p_value: float
    corrected: float

    @property
    def lead(self) -> int:
        """How many images more the pruned network gets right; negative where it gets fewer."""
        return self.ahead - self.behind

    @property
    def points(self) -> float:
        """The lead in percentage points."""
        return 100 * self.lead / self.images

    @property
    def better(self) -> bool:
        """The pruned network is better than the arm, and not by chance."""
        return self.lead > 0 and self.corrected < SURE

    @property
    def worse(self) -> bool:
        """The arm is better than the pruned network, and not by chance."""
        return self.lead < 0 and self.corrected < SURE

    @property
    def retrained(self) -> bool:
        return self.arm.endswith(RETRAINED)

    @property
    def label(self) -> str:
        """The arm in words."""
        return REDUCTIONS[self.arm.removesuffix(RETRAINED)] + (", retrained" if self.retrained else "")


def pairs(right: Mapping[str, np.ndarray]) -> tuple[Pair, ...]:
    """The pruned network against every other arm, in the order of ARMS. `right`: per arm `(n,)` bool, which test images it
    gets right; "pruned" must be there. Raises ValueError on unknown arms or arms that did not answer the same images."""
    strange = [name for name in right if name not in ARMS]
    if strange or "pruned" not in right:
        raise ValueError(
            f"the arms {', '.join(right) or '(none)'} came: give 'pruned' and any of {', '.join(ARMS[1:])}"
        )
    answers = {name: np.asarray(right[name], bool) for name in ARMS if name in right}
    pruned = answers.pop("pruned")
    if pruned.ndim != 1 or not pruned.size or any(each.shape != pruned.shape for each in answers.values()):
        shapes = ", ".join(f"{name} {np.shape(each)}" for name, each in right.items())
        raise ValueError(f"answers of these shapes came: {shapes}; all arms answer the same images, at least one, (n,)")
    counts = [(np.count_nonzero(pruned & ~each), np.count_nonzero(~pruned & each)) for each in answers.values()]
    p_values = [mcnemar(*count) for count in counts]
    return tuple(
        Pair(name, pruned.size, int(ahead), int(behind), p_value, corrected)
        for name, (ahead, behind), p_value, corrected in zip(answers, counts, p_values, holm(p_values), strict=True)
    )


def mcnemar(ahead: int, behind: int) -> float:
    """The exact two-sided p of McNemar's test (1947): how often equals differ by `ahead` against `behind` images, which only
    one of the two gets right, or by more. 1 where they never differ. Raises ValueError on negative counts."""
    if ahead < 0 or behind < 0:
        raise ValueError(f"{ahead} against {behind} images came: counts are 0 or more")
    return float(min(1.0, 2 * scipy.special.bdtr(min(ahead, behind), ahead + behind, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for their number (Holm 1979), in the order in which they came."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected
