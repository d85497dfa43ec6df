"""The figures that stand on axes: round steps, each as short as it is, whatever the range."""

import random
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
PAGES = Path(__file__).parents[1] / "pages"
SHARED = (PAGES / "shared" / "shared.js").read_text("utf-8")


@pytest.fixture(scope="module")
def graded(chromium):
    """(ranges) -> for each [low, high, wanted] the words on its axis."""
    page = chromium.new_page()
    body = f"(ranges) => {{ {SHARED}; return ranges.map((range) => ticks(...range).map(axisWord)); }}"
    yield lambda ranges: page.evaluate(body, ranges)
    page.close()


def test_steps_that_a_computer_cannot_write_exactly_are_written_as_a_person_would(graded):
    assert graded([[0, 1, 5], [0, 0.7, 7], [-0.3, 0.3, 6], [0, 3, 3]]) == [
        ["0", "0.2", "0.4", "0.6", "0.8", "1"],
        ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"],
        ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"],
        ["0", "1", "2", "3"],
    ]


def test_no_range_has_a_figure_of_many_digits(graded):
    rng = random.Random(0)
    ranges = []
    for _ in range(2000):
        size = 10 ** rng.uniform(-4, 5)
        low = rng.choice([0, rng.uniform(-1, 1) * size])
        ranges.append([low, low + size, rng.randint(2, 12)])
    for (low, high, _), words in zip(ranges, graded(ranges), strict=True):
        values = [float(word) for word in words]
        assert words and values == sorted(values) and len(set(words)) == len(words)
        slack = 1e-6 * (high - low)
        assert low - slack <= values[0] and values[-1] <= high + slack
        steps = {round((b - a) / (high - low), 6) for a, b in zip(values, values[1:], strict=False)}
        assert len(steps) <= 1, "the steps are as long as each other"
        for word in words:
            assert re.fullmatch(r"-?[0-9]+(\.[0-9]{1,6})?|-?[0-9.]+e-?[0-9]+", word) and len(word) <= 9, word


def test_every_axis_uses_the_one_formatter():
    """A float that is put on a picture as it is may show sixteen digits."""
    raw = re.compile(
        r'"text-anchor": "(?:end|middle)"[^)]*\}, String\((?!i \+ 1|p\b)|map\(String\)|\(v\) => String\(v\)|`\$\{v\}`'
    )
    found = {file.name: raw.findall(file.read_text("utf-8")) for file in PAGES.rglob("*.js")}
    assert not {name: words for name, words in found.items() if words}
