"""How verdicts and numbers are said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HOLDS, IN_PART, FAILS, UNKNOWN = "holds", "in part", "fails", "can't tell"
OPEN = "can't tell yet"  # as long as seeds can still be added
WORDS = (HOLDS, FAILS, OPEN)
MOST = 0.5  # what is said of cases or runs holds if it is true of more than this share of them


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


@dataclass(frozen=True)
class Verdict:
    """word: one of WORDS. sentence: what was found, for a student. rule: how the word is chosen."""

    word: str
    sentence: str
    rule: str


def headline(word: str, more: int | None) -> str:
    """ "can't tell yet (about 5 more seeds)"."""
    return f"{word} (about {more:,} more {'seed' if more == 1 else 'seeds'})" if word == OPEN and more else word


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


def confidence(level: float) -> str:
    return f"{100 * (1 - level):.3g} %"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def are(seeds: Sequence[int], tail: str = "") -> str:
    """ "seed 3 is", "seeds 3, 5 and 7 are", "seeds 3 to 9 are"; the tail comes before the verb."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}{tail} is"
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"seeds {seeds[0]} to {seeds[-1]}{tail} are"
    return f"seeds {listed(seeds, 'and')}{tail} are"


def listed(words: Sequence[Any], last: str) -> str:
    words = [str(word) for word in words]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" {last} {words[-1]}"


def start(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
