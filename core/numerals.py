"""Numbers as people write them, 0.05, 0,05 or 5e-2, and as a person reads them: 0.6 rather than 0.6000000000000001."""

import re
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]{1,6})?")
_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")  # 1,000 is a thousand to some and one to others
PLACES = 12  # significant digits that a float's arithmetic leaves sound


def read(text: str, low: float, high: float, *, whole: bool = False, percent: bool = False) -> float | int:
    """The number that the text says, with a decimal point or a decimal comma; an int where it has to be `whole`, the share
    where the text says `percent`.

    Raises ValueError, a sentence without its full stop, on what is no number, may be two, or is outside low..high.
    """
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    allowed = f"{write(100 * low if percent else low)}..{write(100 * high if percent else high)}"
    if not plain:
        raise ValueError(f"no number is given: allowed are {allowed}")
    if _GROUPS.fullmatch(plain):
        short, long = write(float(plain.replace(",", ".", 1).replace(",", ""))), plain.replace(",", "")
        other = f"{short} or " if plain.count(",") == 1 and not whole else ""
        raise ValueError(f"{plain!r} may be read in two ways: write {other}{long}")
    if not _NUMBER.fullmatch(plain):
        example = "12" if whole else "0.05, 0,05 or 5e-2"
        raise ValueError(f"{plain[:40]!r} is not a number: write one in {allowed} like {example}")
    exact = plain.replace(",", ".")
    value = _share(exact) if percent else float(exact)
    if not low <= value <= high:
        raise ValueError(f"{plain[:40]} is outside {allowed}")
    if not whole:
        return value
    if Decimal(exact) != int(Decimal(exact)):
        raise ValueError(f"{plain[:40]} is not a whole number: write one in {allowed}")
    return int(Decimal(exact))


def exact(value: float | int, *, percent: bool = False) -> str:
    """The shortest text that `read` gives back as this very number."""
    short = write(100 * value if percent else value)
    if (_share(short) if percent else float(short)) == value:
        return short
    return str(Decimal(repr(value)).scaleb(2 if percent else 0)).lower()


def _share(text: str) -> float:
    """The hundredth part, to the last bit: 0.999 of "99.9", where 99.9 / 100 gives 0.9990000000000001."""
    digits, _, power = text.lower().partition("e")
    return float(f"{digits}e{int(power or 0) - 2}")


def write(value: float | int) -> str:
    """The shortest text for the number that a person would write; `read` gives the number back up to PLACES digits."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:.{PLACES}g}"
    if "e" not in text:
        return text
    digits, power = text.split("e")
    return f"{digits}e{int(power)}"
