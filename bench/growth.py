"""What grows with what: the measurements behind `python -m bench.scale`, each a list of Points.

Width and K are measured in a process of their own each, so that the memory is that of one size alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.publish.example import EXAMPLE
from core.spec import RunSpec
from core.store import Store

IMAGES = 3200  # a hundred batches of 32
REPEATS = 3


@dataclass(frozen=True)
class Point:
    """One figure at one size. part: what grows, such as "width"; figure: what is measured; unit: "ms" or "MB"."""

    part: str
    size: int
    figure: str
    value: float
    unit: str = "ms"


def alone(work: Callable, *arguments) -> list[Point]:
    """What `work` gives in a fresh process, with one point more: the most memory that it ever held."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_with_memory, work, *arguments).result()


def _with_memory(work: Callable, *arguments) -> list[Point]:
    points = work(*arguments)
    unit = 1024 if sys.platform != "darwin" else 1  # ru_maxrss is in KB on Linux, in bytes on macOS
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return [*points, Point(points[0].part, points[0].size, "memory", most, "MB")]


def median(work: Callable[[], object], repeats: int = REPEATS, warm: bool = True) -> float:
    """Milliseconds."""
    if warm:
        work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


# -- the network -----------------------------------------------------------------------------------------------------


def width(units: int, images: int = IMAGES) -> list[Point]:
    """Two hidden layers of that width on 784 inputs: a step, its matrix products alone, a cut at 80 %, its spectra."""
    import threadpoolctl

    from bench import peers
    from core import criteria, masks, spectra
    from core.criteria import Evidence
    from core.experiment import training

    data, spec = _images(images), RunSpec(hidden=(units, units), pruning=None)
    state = training.start(spec, data)
    trainer = training.Trainer(data, [spec], [state], "cpu")
    steps = images // spec.batch_size
    sizes = (784, units, units, 10)
    limit = peers.products(data.x_train, data.y_train, sizes, spec.batch_size, 0.01, in_first=True)
    network = state.network()
    evidence = Evidence(network, tuple(np.arange(count) for count in spec.hidden), images)
    cut = masks.choose(criteria.scores("magnitude", evidence), network, 0.8).apply(network)
    few = 1 if units > 1024 else REPEATS
    with threadpoolctl.threadpool_limits(1):
        found = {
            "a training step": median(lambda: _epoch(trainer), few) / steps,
            "its matrix products alone": median(limit, few) / steps,
            "one cut by magnitude": median(
                lambda: masks.choose(criteria.scores("magnitude", evidence), network, 0.8).apply(network), few
            ),
            "spectra after the cut": median(
                lambda: [spectra.spectrum(weight) for weight in cut.weights[:-1]], few, warm=units < 1024
            ),
        }
    return [Point("width", units, figure, value) for figure, value in found.items()]


def stack(count: int, device: str, images: int = IMAGES) -> list[Point]:
    """So many networks of the default shape, trained as one stack: a step of all, and that over K."""
    from core.experiment import training

    data = _images(images)
    specs = [RunSpec(seed=seed, pruning=None) for seed in range(count)]
    trainer = training.Trainer(data, specs, [training.start(spec, data) for spec in specs], device)
    took = median(lambda: _epoch(trainer)) / (images // specs[0].batch_size)
    return [Point("K", count, "a step of the stack", took), Point("K", count, "a step per network", took / count)]


def _images(count: int):
    from core import datasets

    data, rng = datasets.load("mnist-mini"), np.random.default_rng(0)
    # Every input is lit, so that the arrays are as wide as they are said to be.
    return replace(data, x_train=rng.random((count, 784), np.float32), y_train=rng.integers(0, 10, count))


def _epoch(trainer) -> None:
    for _ in trainer.epoch(1):
        pass


# -- what is stored --------------------------------------------------------------------------------------------------


def stored(counts: tuple[int, ...]) -> Iterator[Point]:
    """The list of so many runs, copies of the one that ships: read by a process that has not seen them, then again, and on
    the page, by a session that opens it on a server that has just started and by the next one."""
    from bench.server import Server
    from bench.visitors import opened

    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            fill(Store(folder), count)
            yield Point("stored runs", count, "list, first time", median(lambda: Store(folder).runs(), warm=False))
            store = Store(folder)
            yield Point("stored runs", count, "list, again", median(store.runs))
        with Server() as running:
            fill(running.store, count)
            running.wait()
            opened(running.port, says="Start")  # what a server does once, for its first visitor
            took = [1000 * opened(running.port, "runs", says="Stored runs") for _ in range(1 + REPEATS)]
        yield Point("stored runs", count, "page, first time", took[0])
        yield Point("stored runs", count, "page, again", statistics.median(took[1:]))


def fill(store: Store, count: int) -> None:
    """Puts `count` finished runs into the store: the shipped one under other seeds, its snapshots linked, not copied."""
    shipped = next(run for run in Store(EXAMPLE).runs() if run.spec and run.spec.pruning)
    source = EXAMPLE / "runs" / shipped.key
    for seed in range(1, count + 1):
        spec = replace(shipped.spec, seed=seed)
        folder = Path(store.root) / "runs" / spec.key()
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps(spec.to_dict()), "utf-8")
        for file in source.iterdir():
            if file.suffix == ".safetensors":
                try:
                    os.link(file, folder / file.name)
                except OSError:  # another file system
                    (folder / file.name).write_bytes(file.read_bytes())
            elif file.name != "spec.json":
                (folder / file.name).write_bytes(file.read_bytes())


# -- who is watching -------------------------------------------------------------------------------------------------


def sessions(counts: tuple[int, ...], dataset: str, epochs: int) -> Iterator[Point]:
    """A run under way with so many sessions on it: the epoch, how late an update is, the server's memory. Needs a browser."""
    from bench import pages, server

    with server.Server() as running, server.page() as page:
        running.wait()
        spec = pages.started(running, page, dataset)
        page.goto("about:blank")
        for count in counts:
            with pages.visiting(running, spec, count) as visitors:
                phase = pages.watched(running, spec, count, epochs, visitors if count else None)
                yield Point("sessions", count, "an epoch", 1000 * statistics.median(phase.epochs))
                if count:
                    yield Point("sessions", count, "an update is late, median", 1000 * statistics.median(phase.late))
                    yield Point("sessions", count, "an update is late, at most", 1000 * max(phase.late))
                if (held := memory(running.process.pid)) is not None:
                    yield Point("sessions", count, "memory of the server", held, "MB")


def memory(pid: int) -> float | None:
    """MB that the process holds; None where the system does not say."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return None
