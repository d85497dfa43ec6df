"""A sweep of eight runs in processes of their own, against the same runs one after another in this one."""

from __future__ import annotations

import os
import tempfile
import time

from bench.measure import Arm, Effort, Line, Lines, Said
from core import experiment, sweep
from core.spec import RunSpec
from core.store import Store

NAME = "sweep"
OURS, IN_TURN = "a sweep of 8 runs, one process a core", "the 8 runs one after another"


def lines(effort: Effort) -> Lines:
    """Four criteria, two seeds; every epoch stored. The start of the processes is in the time, as it is in a sweep's."""
    small = {"dataset": "digits", "hidden": (32, 16), "max_epochs": 2} if effort.quick else {"max_epochs": 15}
    specs = sweep.grid(criterion=list(sweep.QUICK), seed=[0, 1], **small)
    cores, rounds = os.cpu_count() or 1, 1 if effort.quick else 2
    yield Said(
        NAME, f"{len(specs)} runs of {specs[0].dataset}, at most {specs[0].max_epochs} epochs each; {cores} cores"
    )
    seconds: dict[str, list[float]] = {OURS: [], IN_TURN: []}
    for _ in range(rounds):
        for name, work in ((OURS, _swept), (IN_TURN, _in_turn)):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                work(specs, Store(folder))
                seconds[name].append(time.perf_counter() - began)
    timed = [Arm(name, tuple(values)) for name, values in seconds.items()]
    yield Line(NAME, *timed, wanted=f"towards {cores}, one a core")


def _swept(specs: list[RunSpec], store: Store) -> None:
    assert len(list(sweep.run_many(specs, store))) == len(specs)


def _in_turn(specs: list[RunSpec], store: Store) -> None:
    for spec in specs:
        for _ in experiment.run(spec, store, device="cpu"):
            pass
