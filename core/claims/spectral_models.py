"""Models of what a cut did to a layer's singular values, and how much of the change each leaves unexplained.

A penalty on the sum of the singular values acts by soft threshold: every value falls by the same amount, not below zero. So
"the cut is equivalent to a penalty" says: a soft threshold describes the change, and better than the plain alternatives. All
descriptions are given the sum of the values after the cut (the nuclear norm) and nothing else.

To add one, write one function below "The models"; verdict, table, page and legend read what it says of itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

UNCHANGED = 1e-5  # a change below this share of the values' norm is rounding: values are stored in float32


Fit = Callable[[np.ndarray, float], tuple[float | int, np.ndarray]]


@dataclass(frozen=True)
class Model:
    """A model of a cut. words: in a legend. phrase: in a sentence. short: in a narrow column. parameter: what its number is
    called, "" where it has none. help: what it does. fit: `(before (m,), nuclear) -> (number, new values (m,))`; None for the
    random cut, whose values are drawn."""

    name: str
    words: str
    phrase: str
    short: str
    parameter: str
    help: str
    fit: Fit | None


_REGISTRY: dict[str, Model] = {}


def model(name: str, words: str, phrase: str, *, short: str = "", parameter: str = "") -> Callable[[Fit], Fit]:
    """Registers a model of a cut; its docstring is what pages say of it."""

    def register(fit: Fit) -> Fit:
        _REGISTRY[name] = Model(name, words, phrase, short or name, parameter, inspect.cleandoc(fit.__doc__ or ""), fit)
        return fit

    return register


RANDOM = Model(
    "random", "random cut", "a random cut of the same size", "random", "",
    "as many neurons (or weights) taken from each layer, but any: the mean of the draws", None,
)  # fmt: skip


def models() -> list[Model]:
    """All of them, in the order in which pages show them; the random cut is the last."""
    return [*_REGISTRY.values(), RANDOM]


@dataclass(frozen=True, eq=False)
class Description:
    """One model of a cut. values: the `(m,)` float64 singular values that it gives. distance: what it leaves unexplained,
    ‖values − after‖ / ‖before − after‖: 0 is exact, 1 no better than "nothing happened". parameter: the model's number, None
    for the random cut."""

    parameter: float | int | None
    values: np.ndarray
    distance: float


@dataclass(frozen=True, eq=False)
class Likeness:
    """What one cut did to one layer, next to the models of it.

    descriptions: by the model's name, in the order of `models`. That of the random cut has the mean of the draws for its
    values, and the median of their distances for its distance. nuclear_before, nuclear_after: the sum of the values. grew:
    the sum rose in the cut, which no penalty can do; soft and hard then say that nothing happened.
    """

    descriptions: Mapping[str, Description]
    nuclear_before: float
    nuclear_after: float

    @property
    def soft(self) -> Description:
        return self.descriptions["soft"]

    @property
    def random(self) -> Description:
        return self.descriptions[RANDOM.name]

    def with_random(self, known: Description) -> Likeness:
        """The same with another random cut."""
        return replace(self, descriptions={**self.descriptions, RANDOM.name: known})

    @property
    def grew(self) -> bool:
        return self.nuclear_after > self.nuclear_before


def soft(values: np.ndarray, nuclear: float) -> tuple[float, np.ndarray]:
    """`(τ, max(values − τ, 0))` with the τ >= 0 at which the new values sum to `nuclear`; `values` `(m,)`, largest first.

    Raises ValueError where `nuclear` is negative or above the values' sum, or the values are not as they should be.
    """
    values = _checked(values, nuclear)
    if not values.size:
        return 0.0, values
    sums = np.cumsum(values)
    numbers = np.arange(1, values.size + 1)
    # With τ at value number k the ones above it keep sums[k] − k · value[k], which grows with k: the last k at which this
    # is below `nuclear` says how many stay above the threshold.
    above = max(1, int(np.count_nonzero(sums - numbers * values < nuclear)))
    threshold = float(np.clip((sums[above - 1] - nuclear) / above, 0, values[0]))
    return threshold, np.maximum(values - threshold, 0)


def hard(values: np.ndarray, nuclear: float) -> tuple[int, np.ndarray]:
    """`(rank, new values)`: the largest stay whole, the next is reduced to what is then left of `nuclear`, the rest are 0.
    `rank` counts the ones that are left, the reduced one included. Raises ValueError as `soft` does."""
    values = _checked(values, nuclear)
    sums = np.cumsum(values)
    new = np.clip(nuclear - (sums - values), 0, values)
    return int(np.count_nonzero(new)), new


def scaled(values: np.ndarray, nuclear: float) -> tuple[float, np.ndarray]:
    """`(factor, factor · values)` with the sum `nuclear`, which may be larger than before; factor 1 for a list of zeros.
    Raises ValueError where `nuclear` is negative, or above 0 for a list of zeros."""
    values = _checked(values, nuclear, may_grow=True)
    total = float(values.sum())
    if total == 0 and nuclear > 0:
        raise ValueError(f"a sum of {nuclear:g} came for values that are all zero: no factor makes it")
    factor = float(nuclear) / total if total else 1.0
    return factor, factor * values


# -- The models -------------------------------------------------------------------------------------------------------


@model("soft", "soft threshold", "a soft threshold", parameter="τ")
def _soft(before: np.ndarray, nuclear: float) -> tuple[float, np.ndarray]:
    """every singular value less τ, none below 0: one proximal step of a nuclear-norm penalty"""
    return soft(before, min(nuclear, float(before.sum())))


@model("hard", "hard rank cut", "dropping the smallest values", parameter="rank")
def _hard(before: np.ndarray, nuclear: float) -> tuple[int, np.ndarray]:
    """the largest stay whole, the others go"""
    return hard(before, min(nuclear, float(before.sum())))


@model("scaling", "plain scaling", "shrinking all by one factor", short="scaled", parameter="×")
def _scaling(before: np.ndarray, nuclear: float) -> tuple[float, np.ndarray]:
    """every singular value times one factor"""
    return scaled(before, nuclear) if before.any() else (1.0, before)


# -- What they leave unexplained ---------------------------------------------------------------------------------------


def compare(before: np.ndarray, after: np.ndarray, random: np.ndarray) -> Likeness | None:
    """The Likeness of a cut that took the singular values `before` to `after`, both `(m,)`, largest first; None where they
    did not change. `random`: `(draws, m)`, after random cuts of the same size (see chance.cuts). Raises ValueError on shapes
    that do not fit or values that are not singular values."""
    after = np.asarray(after, np.float64)
    nuclear = float(after.sum())
    before, after = _checked(before, nuclear, may_grow=True), _checked(after, nuclear, may_grow=True)
    random = np.asarray(random, np.float64)
    if after.shape != before.shape or random.ndim != 2 or random.shape[1:] != before.shape or not len(random):
        raise ValueError(
            f"{before.shape} values before, {after.shape} after and {random.shape} after random cuts came: give (m,), (m,) and "
            "(draws, m), at least one draw"
        )
    change = float(np.linalg.norm(before - after))
    if change <= UNCHANGED * float(np.linalg.norm(before)):
        return None

    def describe(parameter: float | int | None, values: np.ndarray) -> Description:
        return Description(parameter, values, float(np.linalg.norm(values - after)) / change)

    away = np.linalg.norm(random - after, axis=1) / change
    found = {one.name: describe(*one.fit(before, nuclear)) for one in models() if one.fit is not None}
    found[RANDOM.name] = Description(None, random.mean(axis=0), float(np.median(away)))
    return Likeness(found, float(before.sum()), nuclear)


def _checked(values: np.ndarray, nuclear: float, may_grow: bool = False) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise ValueError(f"singular values come as one list, but an array of shape {values.shape} came")
    if not np.isfinite(values).all() or (values < 0).any() or (np.diff(values) > 0).any():
        raise ValueError("singular values are finite, 0 or more and come largest first: these do not")
    total = float(values.sum())
    # Rounding of a sum, as large as it may be: a caller who asks for the values' own sum is not refused.
    slack = 1e-9 * total
    if not nuclear >= 0:
        raise ValueError(f"the sum {nuclear:g} came: a sum of singular values is 0 or more")
    if nuclear > total + slack and not may_grow:
        raise ValueError(f"the sum {nuclear:g} came, but the values sum to {total:g}: shrinking cannot add to it")
    return values
