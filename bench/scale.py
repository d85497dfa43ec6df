"""`python -m bench.scale`: time and memory as the width, K, the number of stored runs and of sessions grow. Writes a CSV, and
with `--plot` a picture. About ten minutes on two cores; `--quick` only shows that it runs; `--only width K` measures some."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from bench import growth, plot, report, server
from bench.growth import Point
from bench.measure import Effort

PARTS = ("width", "K", "stored runs", "sessions")
WIDTHS = tuple(2**power for power in range(6, 13))
STACKS = {"cpu": (1, 2, 4, 8, 16, 32, 64), "cuda": (1, 2, 4, 8, 16, 32, 64, 128, 256)}
RUNS = (1, 10, 30, 100, 300)
SESSIONS = (0, 1, 8, 15, 30)


def measured(part: str, quick: bool) -> Iterator[Point]:
    """The points of one part, as they come."""
    if part == "width":
        for units in WIDTHS[:2] if quick else WIDTHS:
            yield from growth.alone(growth.width, units, 320 if quick else growth.IMAGES)
    elif part == "K":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        for count in (1, 2) if quick else STACKS[device]:
            yield from growth.alone(growth.stack, count, device, 320 if quick else growth.IMAGES)
    elif part == "stored runs":
        yield from growth.stored((1, 3) if quick else RUNS)
    elif reason := server.missing():
        report.say(f"  left out: {reason}")
    else:
        yield from growth.sessions((0, 2) if quick else SESSIONS, Effort(quick=quick).data().name, 4 if quick else 15)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest sizes only")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--csv", type=Path, default=Path("scale.csv"), help="where the figures are written; scale.csv")
    parser.add_argument("--plot", type=Path, help="where the picture is written, SVG, such as docs/scale.svg")
    parser.add_argument("--from", dest="known", type=Path, help="plots this CSV and measures nothing")
    options = parser.parse_args(arguments)
    if options.known:
        points = read(options.known)
    else:
        about, points = report.machine(), []
        report.say(report.heading(about))
        for part in [part for part in PARTS if part in (options.only or PARTS)]:
            report.say(f"\n{part}")
            for point in measured(part, options.quick):
                report.say(f"  {point.size:6,}  {point.figure:32} {point.value:12,.2f} {point.unit}")
                points.append(point)
                report.write(options.csv, [vars(one) | about for one in points], [*vars(point), *about])
    if options.plot:
        options.plot.write_text(plot.picture(points), "utf-8")


def read(file: Path) -> list[Point]:
    """The points of a CSV that this command wrote."""
    with open(file, encoding="utf-8", newline="") as lines:
        return [
            Point(row["part"], int(row["size"]), row["figure"], float(row["value"]), row["unit"])
            for row in csv.DictReader(lines)
        ]


if __name__ == "__main__":
    main()
