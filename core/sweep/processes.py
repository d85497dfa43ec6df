"""Trains many specs in worker processes of this machine.

joblib hands the specs to n lanes, and every lane has one process of its own (loky), so a process that dies takes nobody
else's run along and it is known whose run it was: that run is taken up once more, from its last stored epoch, in a new
process; if that dies too, it is a failed row. One thread a process: a second one changes last bits and stalls.
"""

from __future__ import annotations

import concurrent.futures
import os
import queue
import re
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from core.events import Finished
from core.spec import RunSpec
from core.store import Store

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")}
CHANCES = 2  # how often a run may kill its process
LOOK_SECONDS = 0.2  # between two questions whether to go on
Going = Callable[[], bool]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one spec: `finished`, or the `reason`, a sentence, why there is no result. `stored`: it was there
    before."""

    spec: RunSpec
    finished: Finished | None
    reason: str | None = None
    stored: bool = False


def size(n_jobs: int) -> int:
    """How many processes `n_jobs` means: -1 one per core, -2 one fewer. Raises ValueError on what is no such number."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise ValueError(f"{n_jobs!r} jobs are not possible: give 1 or more, or -1 for one per core")
    return n_jobs if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + n_jobs)


def train(specs: Sequence[RunSpec], store: Store | None, n_jobs: int, going: Going) -> Iterator[Outcome]:
    """Yields an Outcome for each of the distinct specs, in the order in which they end. Left early, or told by `going` to
    stop, it ends its processes; what they stored stays."""
    crew = _Crew(min(size(n_jobs), len(specs)), None if store is None else str(store.root), going)
    calls = (joblib.delayed(crew.train)(spec) for spec in specs)
    lanes = joblib.Parallel(crew.size, backend="threading", return_as="generator_unordered", batch_size=1)
    yield from streamed(lanes(calls), crew.close)


def streamed(answers: Generator[Any], close: Callable[[], None]) -> Generator[Any]:
    """What joblib answers, to its end or until a `Left`; then, or when nobody wants more of it, `close()`."""
    try:
        for answer in answers:  # noqa: UP028  `yield from` would close the answers first
            yield answer
    except Left:
        pass
    finally:
        close()
        with warnings.catch_warnings(category=UserWarning, action="ignore"):  # that work is under way is no news
            answers.close()


class Left(Exception):
    """The sweep was told to stop."""


class _Crew:
    """`size` lanes, each with a worker process that is started when it is first needed."""

    def __init__(self, size: int, root: str | None, going: Going):
        self.size, self._root, self._going = size, root, going
        self._lock = threading.RLock()  # guards `_made` and `_closed`; held where processes are started
        self._made: list[ProcessPoolExecutor] = []
        self._closed = False
        self._idle: queue.SimpleQueue[ProcessPoolExecutor] = queue.SimpleQueue()
        for _ in range(size):
            self._idle.put(self._new())

    def train(self, spec: RunSpec) -> Outcome:
        """Called by one thread a lane."""
        for _ in range(CHANCES):
            pool = self._idle.get()
            try:
                pool, future = self._submitted(pool, spec)
                return Outcome(spec, *self._answer(future))
            except BrokenProcessPool as error:
                death, pool = _signal(error), self._new()
            except Exception as error:
                if self._closed or isinstance(error, Left):
                    raise
                return Outcome(spec, None, f"its process gave no answer ({type(error).__name__}: {error})")
            finally:
                self._idle.put(pool)
        return Outcome(
            spec,
            None,
            f"the process that trained it died twice{death}: most often memory runs out, so try fewer jobs at once or a "
            "smaller network; what it stored is kept",
        )

    def _submitted(self, pool: ProcessPoolExecutor, spec: RunSpec):
        with self._lock:
            try:
                future = self._handed_over(pool, spec)
            except BrokenProcessPool:  # it died between two runs, which is nobody's fault
                pool = self._new()
                future = self._handed_over(pool, spec)
            return pool, future

    def _handed_over(self, pool: ProcessPoolExecutor, spec: RunSpec) -> concurrent.futures.Future:
        if self._closed:
            raise Left
        future = pool.submit(trained, spec, self._root)
        while not (future.running() or future.done()):  # moments; a thread of loky's fails if it is ended before that
            time.sleep(0.001)
        return future

    def _answer(self, future: concurrent.futures.Future) -> tuple[Finished | None, str | None]:
        while True:
            try:
                return future.result(LOOK_SECONDS)
            except concurrent.futures.TimeoutError:
                if not self._going():
                    self._closed = True
                    raise Left from None

    def _new(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._closed:
                raise Left
            self._made.append(
                ProcessPoolExecutor(max_workers=1, env=ONE_THREAD, initializer=_follow, initargs=(os.getpid(),))
            )
            return self._made[-1]

    def close(self) -> None:
        """Ends every process, also in the midst of a run."""
        with self._lock:
            self._closed = True
        for pool in self._made:
            pool.shutdown(wait=True, kill_workers=True)


def _signal(error: BrokenProcessPool) -> str:
    """ " (SIGKILL)", of loky's message; "" where it names none."""
    found = re.search(r"exit codes of the workers are \{(\w+)", str(error))
    return f" ({found[1]})" if found else ""


# -- in the worker process -------------------------------------------------------------------------------------------


def _follow(asker: int) -> None:
    """This process ends with the one that asked for it, however that ends, and leaves Ctrl-C to it. What is stored is whole
    at every instant, so a run may end anywhere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == asker:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def trained(spec: RunSpec, root: str | None) -> tuple[Finished | None, str | None]:
    """The run's end, or in a sentence why there is none. `root`: the store's folder, None for no store."""
    from core import experiment  # torch is needed only where something is trained

    last = None
    try:
        for event in experiment.run(spec, Store(root) if root else None):
            last = event
    except ValueError as error:
        return None, str(error)
    except Exception as error:
        traceback.print_exc()
        return None, f"an unexpected error ended the run ({type(error).__name__}: {error}); what it stored is kept"
    return last, None
