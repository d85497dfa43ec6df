"""What is allowed of a value, said once: a spec checks by it, links and controls are read and written by it.

A rule can `check` a value that a program gives, `read` the text of a link or a control, and `write` what `read` gives back.
What is not allowed raises ValueError: what came, what is allowed.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core import numerals

YES, NO = ("True", "yes", "1"), ("False", "no", "0")


@dataclass(frozen=True)
class Rule:
    """label, help: in words, for a control. link: its name in links, where that is not the field's."""

    label: str = ""
    help: str = ""
    link: str = ""

    def check(self, name: str, value: Any) -> Any:
        """`value`, which goes by `name`, as a plain Python value."""
        return value

    def read(self, text: str) -> Any:
        return text

    def write(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, kw_only=True)
class OneOf(Rule):
    """One of `choices`, each with what it means, or what gives their names. refusal: the sentence on anything else;
    otherwise: what a link is told in place of all that is allowed."""

    choices: Mapping[str, str] | Callable[[], Iterable[str]]
    refusal: str = "{name} {value!r} is unknown: allowed are {allowed}"
    otherwise: str = ""

    @property
    def options(self) -> list[str]:
        return list(self.choices() if callable(self.choices) else self.choices)

    def check(self, name: str, value: Any) -> str:
        if value not in (options := self.options):
            raise ValueError(self.refusal.format(name=name, value=value, allowed=", ".join(options)))
        return str(value)

    def read(self, text: str) -> Any:
        if text not in (options := self.options):
            raise ValueError(self.otherwise or f"allowed are {', '.join(options)}")
        return text


class Partly(ValueError):
    """What came is allowed but for some of it; `rest`: what is."""

    def __init__(self, text: str, rest: list[str]):
        super().__init__(text)
        self.rest = rest


@dataclass(frozen=True, kw_only=True)
class Several(OneOf):
    """Some of `choices`, at least one, as a list. between: what stands between two of them in a text."""

    between: str = ","

    def read(self, text: str) -> list[str]:
        parts, options = text.split(self.between), self.options
        if unknown := [part for part in parts if part not in options]:
            rest = [part for part in parts if part in options]
            raise Partly(f"{unknown[0][:40]!r} is none of {', '.join(options)}", rest)
        return parts

    def write(self, value: Iterable[str]) -> str:
        return self.between.join(value)


@dataclass(frozen=True, kw_only=True)
class Switch(Rule):
    """True or False."""

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} {value!r} is not True or False")
        return value

    def read(self, text: str) -> bool:
        if text not in YES + NO:
            raise ValueError("allowed are True, False")
        return text in YES


@dataclass(frozen=True, kw_only=True)
class Number(Rule):
    """A number in low..high. percent: a share of 0..1, which people read and write as percent. none: the text for None, where
    that is allowed. dragged: a hand finds it on a scale; else it is typed."""

    low: float
    high: float
    percent: bool = False
    none: str | None = None
    dragged: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int)

    def check(self, name: str, value: Any) -> float | int | None:
        if value is None and self.none is not None:
            return None
        allowed, a = f"{self.low}..{self.high}", "a whole" if self.whole else "a"
        if isinstance(value, bool) or not isinstance(value, numbers.Integral if self.whole else numbers.Real):
            raise ValueError(f"{name} {value!r} is not {a} number: give one in {allowed}")
        if not self.low <= value <= self.high:  # NaN fails too; before float(), which 10**400 would overflow
            raise ValueError(f"{name} {value} is outside {allowed}")
        return int(value) if self.whole else float(value)

    def read(self, text: str) -> float | int | None:
        value = numerals.read(text, self.low, self.high, whole=self.whole, percent=self.percent)
        return None if self.none == numerals.exact(value) and "e" not in text.lower() else value

    def write(self, value: float | int | None) -> str:
        if value is None:
            return str(self.none)
        text = numerals.exact(value, percent=self.percent)
        return f"{text}e0" if text == self.none else text  # the number, and not what stands for None
