"""Points of `bench.scale` as one SVG: a panel for time and one for memory per part, both axes logarithmic, lines named beside
their ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.growth import Point

WIDE, HIGH, LEFT, TOP, NAMES, FOOT = 560, 300, 64, 40, 190, 46
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")  # Okabe and Ito 2008
DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2")
TITLES = {
    "width": "neurons per hidden layer",
    "K": "networks in a stack, K",
    "stored runs": "stored runs",
    "sessions": "sessions",
}


def picture(points: Sequence[Point]) -> str:
    """The whole picture; text is dark on white in any theme."""
    panels = list(dict.fromkeys((point.part, point.unit) for point in points))
    rows = math.ceil(len(panels) / 2)
    body = [f'<rect width="{2 * WIDE}" height="{rows * HIGH}" fill="#fff"/>']
    for place, (part, unit) in enumerate(panels):
        shown = [point for point in points if (point.part, point.unit) == (part, unit)]
        at = f"translate({place % 2 * WIDE} {place // 2 * HIGH})"
        body.append(f'<g transform="{at}">{_panel(part, unit, shown)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDE} {rows * HIGH}" font-family="sans-serif" '
        f'font-size="13" fill="#222">{"".join(body)}</svg>\n'
    )


def _panel(part: str, unit: str, points: Sequence[Point]) -> str:
    sizes = sorted({point.size for point in points})
    low, high = min(point.value for point in points), max(point.value for point in points)
    bottom, top = math.floor(math.log10(max(low, 1e-3))), math.ceil(math.log10(max(high, 1e-3)))
    top = max(top, bottom + 1)
    first, last = (math.log2(1 + size) for size in (sizes[0], sizes[-1]))  # 1 + : nobody is a number of sessions too

    def x(size: int) -> float:
        share = (math.log2(1 + size) - first) / (last - first) if last > first else 0.5
        return LEFT + share * (WIDE - LEFT - NAMES)

    def y(value: float) -> float:
        share = (math.log10(max(value, 1e-3)) - bottom) / (top - bottom)
        return HIGH - FOOT - share * (HIGH - FOOT - TOP)

    title = f"{'time, ms' if unit == 'ms' else f'memory, {unit}'}, by {TITLES[part]}"
    parts = [f'<text x="{LEFT}" y="22" font-weight="600">{escape(title)}</text>']
    for power in range(bottom, top + 1):
        at = y(10**power)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDE - NAMES}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{10**power:,g}</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.1f}" y="{HIGH - FOOT + 18}" text-anchor="middle">{size}</text>')
    parts.append(f'<text x="{(LEFT + WIDE - NAMES) / 2}" y="{HIGH - 8}" text-anchor="middle">{TITLES[part]}</text>')
    figures = list(dict.fromkeys(point.figure for point in points))
    ends = _apart([y([p for p in points if p.figure == figure][-1].value) for figure in figures])
    for place, (figure, name_at) in enumerate(zip(figures, ends, strict=True)):
        of = [(x(point.size), y(point.value)) for point in points if point.figure == figure]
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in of)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in of]
        parts.append(f'<text x="{WIDE - NAMES + 8}" y="{name_at + 4:.1f}" fill="{colour}">{escape(figure)}</text>')
    return "".join(parts)


def _apart(heights: Sequence[float], least: float = 16) -> list[float]:
    """The heights, moved so that no two names overlap, in the same order."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    moved, floor = list(heights), -math.inf
    for place in order:
        moved[place] = floor = max(heights[place], floor + least)
    over = max(0.0, floor - (HIGH - FOOT)) if order else 0.0
    return [height - over for height in moved]
