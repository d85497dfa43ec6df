"""Trains many specs on a Dask cluster, through joblib's backend for it.

Chosen by DASK_SCHEDULER_ADDRESS in the environment of whoever starts the program, never by a visitor: Dask unpickles what it
is sent. No disk is shared: a worker trains into a store of its own and sends the run's folder back as bytes, and this
machine's store takes it in. A worker needs this project on its PYTHONPATH, the same packages and data, and one thread
(`dask worker --nthreads 1`). Dask itself gives the runs of a worker that died to the others, from their start.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import joblib
import threadpoolctl

from core.events import Finished
from core.spec import RunSpec
from core.store import Store, StoreError
from core.sweep import processes
from core.sweep.processes import Going, Outcome

ADDRESS = "DASK_SCHEDULER_ADDRESS"
CONNECT_SECONDS = 10


class ClusterError(ValueError):
    """The cluster cannot be used; the text says why and what to do."""


class _Lost(Exception):
    """Worker after worker died with this run, or one that was on them too."""


def address() -> str | None:
    """Where the scheduler is; None where the environment names none."""
    return os.environ.get(ADDRESS) or None


def train(specs: Sequence[RunSpec], store: Store | None, address: str, going: Going) -> Iterator[Outcome]:
    """Yields an Outcome for each of the distinct specs, in the order in which they end; `going` is asked at each. Raises
    ClusterError where the cluster cannot be reached or is gone."""
    with _connected(address) as client:
        backend = _backend(client)
        lost: list[RunSpec] = []
        yield from _streamed(backend, specs, store, going, lost)
        # Dask blames whatever was on a worker that died. Alone, only the guilty die again.
        for spec in lost if going() else ():
            again: list[RunSpec] = []
            yield from _streamed(backend, [spec], store, going, again)
            if again:
                yield Outcome(
                    spec,
                    None,
                    "the Dask workers that trained it died again and again, also with nothing else on the cluster: most "
                    "often memory runs out, so give a worker more or try a smaller network",
                )


def _streamed(
    backend: Any, specs: Sequence[RunSpec], store: Store | None, going: Going, lost: list[RunSpec]
) -> Iterator[Outcome]:
    by_key = {spec.key(): spec for spec in specs}
    far = _shipped()
    calls = (joblib.delayed(far)(key, spec.to_dict(), store is not None) for key, spec in by_key.items())
    try:
        # All at once, so that a worker that joins late has something to do. One run a batch.
        parallel = joblib.Parallel(backend=backend, return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        answers = parallel(calls)
    except TimeoutError:
        raise ClusterError(
            f"the Dask cluster that {ADDRESS} names has no worker: start one with: dask worker --nthreads 1 …"
        ) from None

    with contextlib.closing(processes.streamed(_unless_gone(answers), lambda: None)) as told:
        for key, finished, reason, files in told:
            if isinstance(reason, _Lost):
                lost.append(by_key[key])
            else:
                yield _taken_in(Outcome(by_key[key], finished, reason), store, files)
            if not going():
                return


def _unless_gone(answers: Generator[Any]) -> Generator[Any]:
    try:
        yield from answers
    except concurrent.futures.CancelledError:
        raise ClusterError(
            "the Dask scheduler is gone in mid-sweep: what came from it is stored; start it, then the sweep again"
        ) from None


def _shipped() -> Callable[..., Any]:
    """What workers call. A function inside a function travels by value: one that named this project would end any worker that
    cannot import it, where this one gives an error that can be told."""

    def far(key: str, values: dict[str, Any], wanted: bool) -> Any:
        import importlib

        try:
            return importlib.import_module("core.sweep.dask").over_the_wire(key, values, wanted)
        except ImportError as error:
            reason = f"a Dask worker cannot import this project ({error}): put its folder on the worker's PYTHONPATH"
        except Exception as error:
            reason = f"an unexpected error ended the run on a Dask worker ({type(error).__name__}: {error})"
        return key, None, reason, None

    return far


def _taken_in(outcome: Outcome, store: Store | None, files: dict[str, bytes] | None) -> Outcome:
    if store is None or files is None:
        return outcome
    try:
        store.take_in(outcome.spec.key(), files)
        store.keep_within_quota()
    except StoreError as error:
        return Outcome(outcome.spec, None, str(error))
    return outcome


def over_the_wire(
    key: str, values: dict[str, Any], wanted: bool
) -> tuple[str, Finished | None, str | None, dict[str, bytes] | None]:
    """On a Dask worker: the key, the run's end or why there is none, and, where they are `wanted`, the files of its folder.
    `values`: the spec as a dict."""
    threadpoolctl.threadpool_limits(1)  # for good: a worker may have been started with more
    try:
        spec = RunSpec.from_dict(values)
        here = spec.key()
    except ValueError as error:
        return key, None, f"on a Dask worker: {error}", None
    if here != key:
        reason = (
            f"a Dask worker has other images under the name {spec.dataset}, or another version of this program: give it the "
            "same files (PRUNING_DATA) and the same checkout"
        )
        return key, None, reason, None
    from distributed import get_worker

    # Dask clears away what a worker that was killed leaves in its own folder.
    with tempfile.TemporaryDirectory(dir=get_worker().local_directory) as root:
        finished, reason = processes.trained(spec, root if wanted else None)
        files = Store(root).files(key) if wanted and finished else None
    return key, finished, reason, files


def _connected(address: str) -> Any:
    """A client of the scheduler, to be used in a `with`."""
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError(
            f"{ADDRESS} is set but Dask is not installed: pip install distributed, or unset it to train on this machine"
        ) from None
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}): start one with: dask scheduler, or unset "
            f"{ADDRESS} to train on this machine"
        ) from None


def _backend(client: Any) -> Any:
    """joblib's Dask backend without two traps: it waits for ever for a task that failed without an answer, and a cluster of
    one core makes joblib train here, in this process."""
    from distributed import KilledWorker
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def effective_n_jobs(self, n_jobs):
            return max(2, super().effective_n_jobs(n_jobs))

        def submit(self, func, callback=None):
            future = super().submit(func, callback)
            ((_, (key, *_), _),) = func.items

            def failed(done) -> None:
                if (error := done.exception()) is not None:
                    line = str(error).partition("\n")[0]
                    unable = f"the Dask cluster could not run it ({type(error).__name__}: {line}): see the logs of its workers"
                    callback([(key, None, _Lost() if isinstance(error, KilledWorker) else unable, None)])

            future.add_done_callback(failed)
            return future

    return Backend(client=client, wait_for_workers_timeout=CONNECT_SECONDS)
