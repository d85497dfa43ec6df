"""`python -m bench`: how fast it is here. Each line is a ratio against a named alternative, taken in turns: how many times as
long the alternative takes, median and spread; above 1 we are faster. Times are for this machine; compare only what stands in
one table. `--quick` only shows that it runs; `--only epoch cuts` runs some sections."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Sequence
from pathlib import Path

import threadpoolctl
import torch

from bench import report
from bench.measure import Effort, Said

# Sections that take the machine for themselves, with the processes and threads that they say, come after those on one thread.
ON_ONE_THREAD = ("epoch", "run", "cuts", "penalty", "inference", "arithmetic")
WITH_MORE = ("atlas", "sweep", "gpu", "start", "pages")
SECTIONS = ON_ONE_THREAD + WITH_MORE


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything, on little data")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of epochs; what takes longer takes fewer")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=SECTIONS, help=f"some of: {', '.join(SECTIONS)}")
    parser.add_argument("--csv", type=Path, default=Path("bench.csv"), help="where the table is written; bench.csv")
    options = parser.parse_args(arguments)
    effort = Effort(1 if options.quick else options.rounds, options.quick)
    about, rows, began = report.machine(), [], time.perf_counter()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    report.say(report.heading(about))
    for name in [name for name in SECTIONS if name in (options.only or SECTIONS)]:
        section = importlib.import_module(f"bench.{name}")
        with threadpoolctl.threadpool_limits(1 if name in ON_ONE_THREAD else None):
            for one in section.lines(effort):
                report.say(f"\n{one.text}" if isinstance(one, Said) else report.told(one))
                rows.append(report.row(one, about))
                report.write(options.csv, rows)
    report.say(f"\n{time.perf_counter() - began:.0f} s; {len(rows)} lines are in {options.csv}")


if __name__ == "__main__":
    main()
