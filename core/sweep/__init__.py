"""Many specs at once: a grid of them, what is stored first, the others as they end. Also `python -m core.sweep`.

Specs are trained by worker processes of this machine (`crew`), on a GPU as stacks of networks (`stacks`), or by a Dask cluster
(`cluster`) where DASK_SCHEDULER_ADDRESS names one. However a sweep ends, killed too, nothing that is stored is lost or trained
again: asked once more, it goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import numbers
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from core.events import Finished
from core.spec import PenaltySpec, PruningSpec, RunSpec, widths_of
from core.store import Store
from core.sweep import dask, processes
from core.sweep.processes import Outcome

NO_PRUNING = "no pruning"
QUICK = ("activation-frequency", "magnitude", "random-matched", "inactivity")
PLAN = tuple(field.name for field in fields(PruningSpec))
RUN = tuple(field.name for field in fields(RunSpec) if field.name not in ("pruning", "hand_cuts", "parent"))
BAR = 20  # characters


class SweepError(ValueError):
    """Some runs of a sweep failed; the text says which and why."""


# -- what to run -----------------------------------------------------------------------------------------------------


def grid(**axes: Any) -> list[RunSpec]:
    """Every combination of the values given for fields of RunSpec and PruningSpec, each spec once, seed by seed.

    An axis is one value or several in a list; one that is left out stays at its default. The criterion None, or "no pruning",
    is the unpruned twin: whatever else is said of pruning makes no difference to it. Raises ValueError, with what is allowed,
    on a name or a value that cannot be, and on combinations that contradict themselves.
    """
    if unknown := [name for name in axes if name not in RUN + PLAN]:
        raise ValueError(f"{unknown[0]!r} is nothing that a grid varies: allowed are {', '.join(RUN + PLAN)}")
    names = sorted(axes, key=lambda name: name != "seed")  # the first pairs of a seed are there early
    specs = []
    for values in itertools.product(*(_values(name, axes[name]) for name in names)):
        run = dict(zip(names, values, strict=True))
        plan = {name: run.pop(name) for name in PLAN if name in run}
        pruned = plan.get("criterion", PruningSpec.criterion) not in (None, NO_PRUNING)
        pruning = PruningSpec(
            **plan if pruned else plan | {"criterion": PruningSpec.criterion}
        )  # checks the rest of it too
        specs.append(RunSpec(**run, pruning=pruning if pruned else None))
    return list(dict.fromkeys(specs))


def _values(name: str, axis: Any) -> list[Any]:
    one = axis is None or isinstance(axis, (str, bytes, numbers.Number, PenaltySpec))
    widths = name == "hidden" and not one and all(isinstance(width, numbers.Number) for width in axis)
    values = [tuple(axis)] if widths and len(axis) else [axis] if one else list(axis)
    if not values:
        raise ValueError(f"{name} has no value: give at least one, or leave it out for its default")
    return values


# -- running it ------------------------------------------------------------------------------------------------------


def outcomes(
    specs: Sequence[RunSpec], store: Store | None = None, n_jobs: int = -1, going: Callable[[], bool] = lambda: True
) -> Iterator[Outcome]:
    """Yields one Outcome per distinct spec: what is stored first, then the others in the order in which they end.

    A run that fails is an Outcome with its reason, also one whose process dies twice. `n_jobs`: processes, -1 for one per
    core; a cluster knows its own. `going`, asked several times a second (with a cluster: at each Outcome), maybe from another
    thread, answers False to end the sweep here. Raises ValueError before anything runs where nothing can be.
    """
    processes.size(n_jobs)
    if store is not None:
        store.quota  # noqa: B018  a bad setting is told before the training
    missing: list[RunSpec] = []
    for spec in dict.fromkeys(specs):
        try:
            finished = None if store is None else store.result(spec.key())
        except ValueError as error:  # its data are not here
            yield Outcome(spec, None, str(error))
            continue
        if finished is None:
            missing.append(spec)
        else:
            yield Outcome(spec, finished, stored=True)
    if not missing or not going():
        return
    if address := dask.address():
        yield from dask.train(missing, store, address, going)
        return
    for outcome in _stacked(missing, store, going):
        missing.remove(outcome.spec)
        yield outcome
    if missing and going():
        yield from processes.train(missing, store, n_jobs, going)


def _stacked(specs: list[RunSpec], store: Store | None, going: Callable[[], bool]) -> Iterator[Outcome]:
    """Those of the specs that a GPU trains as stacks. Where there can be none torch, which takes seconds, is not loaded."""
    asked = os.environ.get("PRUNING_DEVICE")
    driver = Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None
    if asked == "cuda" or (not asked and driver):
        from core.sweep import stacks

        if stacks.wanted():
            yield from stacks.train(tuple(specs), store, going)


def run_many(
    specs: Sequence[RunSpec], store: Store | None = None, n_jobs: int = -1
) -> Iterator[tuple[RunSpec, Finished]]:
    """Yields `(spec, its last event)` as runs finish, stored ones first. `n_jobs` processes; -1: one per core.

    Stopping the iterator loses nothing that is stored: asked again, it goes on where it stopped. Runs that fail hold up no
    other: they are left out, and after the last one SweepError says which they were and why.
    """
    failed = []
    for outcome in outcomes(specs, store, n_jobs):
        if outcome.finished is None:
            failed.append(outcome)
        else:
            yield outcome.spec, outcome.finished
    if failed:
        raise SweepError(_listed(failed))


def _listed(failed: list[Outcome]) -> str:
    lines = [f"{len(failed)} run{'s' if len(failed) > 1 else ''} failed:"]
    return "\n".join([*lines, *(f"  {outcome.spec.label()}: {outcome.reason}" for outcome in failed)])


# -- without the page ------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all is stored; 1: some runs failed; 2: what was asked cannot be; 130: stopped by Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m core.sweep",
        description="Trains every combination and stores it. Stop it with Ctrl-C and start it again as you like: what is "
        "stored is not trained again. Without arguments: the quick set.",
    )
    parser.add_argument("--datasets", nargs="+", default=["mnist-mini"])
    parser.add_argument("--criteria", nargs="+", default=list(QUICK), help=f'also "{NO_PRUNING}"')
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.8])
    parser.add_argument("--rounds", nargs="+", type=int, default=[5])
    parser.add_argument("--seeds", nargs="+", default=["0-9"], help="such as 0-9, or 0 3 5-7")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="any other field of a run, such as max_epochs=50 or hidden=300-100",
    )
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one per core")
    parser.add_argument("--cache", default=os.environ.get("PRUNING_CACHE", "cache"))
    options = parser.parse_args(arguments)
    try:
        more = _settings(options.set)
        axes = {"dataset": options.datasets, "ratio": options.ratios, "rounds": options.rounds} | more
        specs = grid(seed=_seeds(options.seeds), **axes, criterion=options.criteria)
        return _sweep(specs, Store(options.cache), options.jobs)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _sweep(specs: list[RunSpec], store: Store, jobs: int) -> int:
    began, told, trained, failed = time.monotonic(), 0, 0, []
    _say(f"{len(specs)} runs, into {store.root}/")
    with _interruption() as interrupted:
        sweep = outcomes(specs, store, jobs, lambda: not interrupted.is_set())
        try:
            for told, outcome in enumerate(sweep, start=1):
                trained += not outcome.stored
                if outcome.finished is None:
                    failed.append(outcome)
                    result = f"failed: {outcome.reason}"
                else:
                    result = f"{outcome.finished.test_accuracy * 100:.2f} %, {outcome.finished.outcome}"
                    result += " (stored)" if outcome.stored else ""
                each = (time.monotonic() - began) / trained if trained else None
                _say(f"{progress(told, len(specs), each)}  {outcome.spec.label()}: {result}")
        except KeyboardInterrupt:
            sweep.close()
        if interrupted.is_set():
            _say(f"stopped, {told - len(failed)} of {len(specs)} are stored: the same command goes on from here")
            return 130
    if failed:
        _say(_listed(failed))
    return 1 if failed else 0


@contextlib.contextmanager
def _interruption() -> Iterator[threading.Event]:
    """Notes a Ctrl-C besides raising it: one that comes while Python collects garbage or calls a library back is swallowed."""
    interrupted = threading.Event()

    def note(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    mine = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, note) if mine else None
    try:
        yield interrupted
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)


def progress(done: int, total: int, each: float | None) -> str:
    """How far it is, in one line; `each`: seconds that every further run takes, None where nobody knows."""
    filled = BAR * done // total
    text = f"[{'#' * filled}{'.' * (BAR - filled)}] {done:{len(str(total))}} of {total} {100 * done // total:3} %"
    if each is None or done == total:
        return text
    left = each * (total - done)
    for name, seconds in (("h", 3600), ("min", 60)):
        if left >= 1.5 * seconds:
            return f"{text}, about {left / seconds:.0f} {name} left"
    return f"{text}, about {left:.0f} s left"


def _seeds(texts: Sequence[str]) -> list[int]:
    """["0-2", "7"] as [0, 1, 2, 7]."""
    seeds: list[int] = []
    for text in texts:
        first, _, last = text.partition("-")
        last = last or first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise ValueError(f"seeds {text!r} are not possible: give a number, or a range such as 0-9")
        seeds += range(int(first), int(last) + 1)
    return seeds


def _settings(texts: Sequence[str]) -> dict[str, list[Any]]:
    """["budget=total", "budget=increment"] as {"budget": ["total", "increment"]}. Values are JSON, or words; widths also as
    labels spell them, 300-100."""
    settings: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} sets nothing: give NAME=VALUE, such as max_epochs=50")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        if name == "hidden" and not isinstance(read, list):  # a single width is a number to JSON
            read = widths_of(value)
        settings.setdefault(name, []).append(read)
    return settings


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
