"""Numbers as people write and read them."""

import math

import numpy as np
import pytest

from core import numerals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.05", 0.05), ("0,05", 0.05), ("5e-2", 0.05), ("5E-2", 0.05), (",05", 0.05), (".05", 0.05), (" 0,05 ", 0.05),
        ("5,0e-2", 0.05), ("0,001", 0.001), ("0,100", 0.1), ("80", 80), ("80,", 80), ("80.", 80), ("1.000", 1), ("12,5", 12.5),
        ("1,25", 1.25), ("1000,5", 1000.5), ("+3", 3), ("−3", -3), ("-0,5", -0.5), ("1e3", 1000), ("007", 7),
    ],
)  # fmt: skip
def test_a_number_is_read(text, value):
    assert numerals.read(text, -1e6, 1e6) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no number is given: allowed are 0..100"),
        ("  ", "no number is given"),
        ("fast", "'fast' is not a number: write one in 0..100 like 0.05, 0,05 or 5e-2"),
        ("1.234,5", "is not a number"), ("1,234.5", "is not a number"), ("1,2,3", "is not a number"),
        ("1 000", "is not a number"),
        ("0x10", "is not a number"), ("nan", "is not a number"), ("inf", "is not a number"), ("1_0", "is not a number"),
        ("٣", "is not a number"), ("½", "is not a number"), ("5e", "is not a number"), ("--5", "is not a number"),
        ("5 %", "is not a number"), (",", "is not a number"), ("e5", "is not a number"),
        ("1,000", "'1,000' may be read in two ways: write 1 or 1000"),
        ("12,345", "may be read in two ways: write 12.345 or 12345"),
        ("1,234,567", "may be read in two ways: write 1234567"),
        ("101", "101 is outside 0..100"), ("-1", "-1 is outside 0..100"), ("1e999", "1e999 is outside 0..100"),
        ("1" * 400, "is outside 0..100"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ValueError) as refusal:
        numerals.read(text, 0, 100)
    assert sentence in str(refusal.value) and len(str(refusal.value)) < 150


def test_a_whole_number_stays_exact_and_a_broken_one_is_refused():
    assert [numerals.read(text, 0, 2**60, whole=True) for text in ("12", "12,0", "1e3", str(2**60 - 1))] == [
        12, 12, 1000, 2**60 - 1,
    ]  # fmt: skip
    assert type(numerals.read("1e3", 0, 2**60, whole=True)) is int
    for text in ("2,5", "2.5", "5e-2"):
        with pytest.raises(ValueError, match="is not a whole number"):
            numerals.read(text, 0, 100, whole=True)
    with pytest.raises(ValueError, match="'1,000' may be read in two ways: write 1000$"):
        numerals.read("1,000", 0, 5000, whole=True)


def test_what_is_written_is_read_again_with_a_point_or_a_comma():
    rng = np.random.default_rng(0)
    for value in 10.0 ** rng.uniform(-12, 12, 500):
        short = float(f"{value:.{rng.integers(1, 13)}g}")
        text = numerals.write(short)
        assert numerals.read(text, 0, 1e13) == short
        comma = text.replace(".", ",")
        try:
            assert numerals.read(comma, 0, 1e13) == short
        except ValueError as refusal:  # 12,345 alone is doubtful
            assert "two ways" in str(refusal)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"), (3 * 0.2, "0.6"), (0.01, "0.01"), (80.0, "80"), (1e12, "1e12"), (1e-7, "1e-7"), (4096, "4096"),
        (2**32 - 1, "4294967295"), (99.9, "99.9"), (100 * 0.07, "7"), (1 - 0.9, "0.1"), (0.0, "0"), (1e6, "1000000"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_a_person_would(value, text):
    assert numerals.write(value) == text and math.isclose(float(text), value, rel_tol=1e-11, abs_tol=1e-15)
