"""The job board: one worker process per key, a queue, many watchers.

The board is shared by all sessions of a server. Its one lock guards the table of jobs and the queue; it is held for moments
only, never while a process is started, written to or waited for by anyone but the board itself. A Job is immutable: the reader
thread of a worker puts a new one in the old one's place, so a page may look at any time and sees one consistent state.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core import datasets
from core.artifacts import Artifact, Sources, plain
from core.artifacts.kept import Artifacts
from core.datasets.places import cannot_write
from core.jobs import processes, turns
from core.jobs.job import Job, after
from core.jobs.processes import Forked
from core.jobs.turns import Work
from core.spec import RunSpec
from core.store import Store, branching

ABSENT_SECONDS = 30.0  # an owner whose browser was not seen for so long may be replaced
WATCHED_SECONDS = 10.0
ANSWER_SECONDS = 0.25  # how long a command waits for its worker's answer; it is obeyed either way


class JobError(ValueError):
    """The board refuses; the text says why and what to do."""


def _need_torch(what: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise JobError(
            f"PyTorch is not installed here, so {what}; what is stored can still be opened. "
            "Install it with: pip install torch"
        )


class JobBoard:
    """Starts, queues, steers and reports work on the store in `root`; artifacts are also read in roots `behind` it. At most
    PRUNING_MAX_WORKERS (default: cores − 1, at least 1) processes run at once."""

    def __init__(self, root: str | os.PathLike = "cache", behind: Sequence[str | os.PathLike] = ()):
        self.store = Store(root)
        self.artifacts, self._behind = Artifacts(root, *behind), [str(one) for one in behind]
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)  # notified when a worker has said something
        self._work: list[Work] = []
        self._watchers: dict[str, float] = {}
        self._turns = itertools.count(1)
        self._names: dict[str, str] = {}  # stand-in -> the visitor it was
        self._closed = False  # what waits in the queue stays there

    @property
    def max_workers(self) -> int:
        """How many may train at once. Raises JobError on a bad PRUNING_MAX_WORKERS."""
        text = os.environ.get("PRUNING_MAX_WORKERS", "")
        if not text:
            return max(1, (os.cpu_count() or 2) - 1)
        if not text.isdecimal() or int(text) < 1:
            raise JobError(f"PRUNING_MAX_WORKERS is {text!r}: give a whole number, 1 or more")
        return int(text)

    # -- looking -----------------------------------------------------------------------------------------------------

    def job(self, key: str) -> Job | None:
        """The newest job that trains, or trained, the run `key`, also when it went on as a branch."""
        with self._lock:
            work = self._find(key)
            return work.job if work else None

    def jobs(self) -> list[Job]:
        """Every job since the server started, oldest first."""
        with self._lock:
            return [work.job for work in self._work]

    def ahead(self, key: str) -> list[Job]:
        """What a job that waits in the queue waits for: who trains now, then who waits in front of it."""
        with self._lock:
            work = self._find(key)
            return turns.ahead(self._work, work) if work and work.job.state == "queued" else []

    def seen(self, key: str, visitor: str) -> None:
        """A page that shows the run `key` calls this at every look: it keeps the run watched and the owner present."""
        with self._lock:
            self._watchers[key] = time.monotonic()
            work = self._find(key)
            if work:
                work.seen[self._name(visitor)] = time.monotonic()

    def watched(self, key: str) -> bool:
        """Whether a page has shown the run within the last seconds."""
        return time.monotonic() - self._watchers.get(key, -WATCHED_SECONDS) < WATCHED_SECONDS

    def watchers(self, key: str) -> int:
        """How many visitors' pages have shown the live run `key` within the last seconds."""
        with self._lock:
            work, now = self._find(key), time.monotonic()
            return sum(now - at < WATCHED_SECONDS for at in work.seen.values()) if work else 0

    def may_command(self, key: str, visitor: str) -> bool:
        """Whether pause, step and stop are this visitor's: who started the run, or anyone once that browser is gone."""
        with self._lock:
            work = self._find(key)
            return self.owns(key, visitor) or bool(work) and self._owner_gone(work)

    def owns(self, key: str, visitor: str) -> bool:
        """Whether this visitor started the run, or took it over."""
        with self._lock:
            work = self._find(key)
            return bool(work) and work.job.owner == self._name(visitor)

    def introduce(self, stand_in: str, visitor: str) -> None:
        """What `stand_in` started, or still starts, is `visitor`'s: the same person under the name that lasts. A button that
        was drawn before the introduction may be pressed after it, in the stand-in's name."""
        with self._lock:
            self._names[stand_in] = visitor
            for work in self._work:
                if work.job.owner == stand_in:
                    work.job = replace(work.job, owner=visitor)
                    work.seen[visitor] = time.monotonic()

    def news(self, key: str) -> int:
        """A number that grows whenever there is more to see of the job `key` than how far its epoch is."""
        with self._lock:
            work = self._find(key)
            return work.news if work else 0

    def wait_for_news(self, key: str, known: int, seconds: float) -> None:
        """Returns as soon as `news` is not the `known` number any more, at the latest after so many seconds."""
        with self._lock:
            self._changed.wait_for(lambda: self.news(key) != known, seconds)

    # -- acting ------------------------------------------------------------------------------------------------------

    def start(self, spec: RunSpec, owner: str, *, pause_at_cuts: bool = False, pace: float = 0.0) -> Job:
        """Starts the run, or resumes it, or joins it if it is under way. Raises ValueError on what cannot run."""
        _need_torch("nothing can be trained")
        if not datasets.available(spec.dataset):
            datasets.load(spec.dataset)  # raises the sentence that says what to do
        task = {"task": "run", "spec": spec.to_dict(), "root": str(self.store.root)}
        job = Job(spec.key(), "run", owner, spec.label(), parent=spec.parent, pause_at_cuts=pause_at_cuts, pace=pace)
        return self._add(job, task | {"pause_at_cuts": pause_at_cuts, "pace": pace, "asks": True})

    def download(self, dataset: str, owner: str) -> Job:
        """Starts the download of a data set, or joins it."""
        job = Job(f"download-{dataset}", "download", owner, f"download of {dataset}")
        return self._add(job, {"task": "download", "dataset": dataset, "root": str(self.store.root)})

    def make(self, wanted: Sequence[Artifact], sources: Sources, owner: str, *, key: str | None = None) -> Job:
        """Starts making the artifacts that are not whole, or joins the live job `key`, that of the first unless given. Raises
        ValueError where a network that one of them is made of is missing."""
        first = wanted[0]
        label = first.label(sources.open(first.run))
        runs = {run for one in wanted for run, _ in one.made_of(sources)}
        told = {
            "artifacts": [plain(one) for one in wanted],
            "sources": {run: str(sources.store(run).root) for run in sorted(runs)},
            "behind": self._behind,
        }
        return self.work("artifacts", key or first.job, label, owner, kind=first.kind, trains=first.trains, **told)

    def work(
        self, task: str, key: str, label: str, owner: str, *, kind: str = "", trains: bool = True, **values: Any
    ) -> Job:
        """Starts what `core.jobs.worker` names `task`, or joins the live job `key`. One job of each kind works at a time,
        beside the runs that train. `trains`: it needs PyTorch. `values`: plain JSON for the task."""
        if trains:
            _need_torch("this cannot be computed")
        told = {"task": task, "key": key, "root": str(self.store.root)} | values
        return self._add(Job(key, kind or task, owner, label), told)

    def command(self, key: str, visitor: str, command: str, **values: Any) -> None:
        """Sends one command to the worker of `key`. Raises JobError if it is not live or not this visitor's."""
        with self._lock:
            visitor = self._name(visitor)
            work = self._find(key)
            if work is None or not work.job.live:
                raise JobError("this run is not being trained now: press Start or Resume first")
            if work.job.owner != visitor and not self._owner_gone(work):
                raise JobError(
                    "this run was started in another browser, and pause, step and stop are its own; you can watch it, "
                    "or change the seed and start a run of your own"
                )
            if work.job.owner != visitor:
                work.job = replace(work.job, owner=visitor)
            if command == "stop" and work.process is None:
                work.becomes(replace(work.job, state="stopped", text="taken out of the queue", place=0))
                self._number_queue()
                return
            if work.process is None and command not in ("pause-at-cuts", "pace"):
                raise JobError(
                    "this run still waits in the queue: only Stop, the pace and the switch work before it trains"
                )
            if command == "pause-at-cuts":
                work.job = replace(work.job, pause_at_cuts=bool(values["on"]))
                work.task["pause_at_cuts"] = bool(values["on"])
            if command == "pace":
                work.job = replace(work.job, pace=float(values["seconds"]))
                work.task["pace"] = float(values["seconds"])
            before = work.job
            self._send(work, {"command": command} | values)
            # Waiting lets the lock go; the page that sent the command then shows the answer at once.
            if command in ("pause", "resume", "next-cut", "stop"):
                self._changed.wait_for(lambda: work.job.state != before.state, ANSWER_SECONDS)
            elif command == "step":  # a short epoch is over, and held again, by then

                def stepped() -> bool:
                    return work.job.held and (work.job.epoch, work.job.share) != (before.epoch, before.share)

                self._changed.wait_for(stepped, ANSWER_SECONDS)

    def prune(self, key: str, visitor: str, epoch: int, ratio: float) -> str:
        """Cuts the run by hand: the one under way at the end of its epoch, a stored one at the end of `epoch`. It goes on as
        a branch; returns the key to watch. Raises ValueError where there is nothing to cut."""
        job = self.job(key)
        live = job is not None and job.live and job.key == key
        log = [line for line in self.store.log(key) if live or line.get("epoch", epoch + 1) <= epoch]
        zero = max((line["achieved"] for line in log if line["kind"] == "Pruned"), default=0.0)
        if ratio <= zero:
            raise JobError(
                f"{zero * 100:.1f} % of the weights are zero already: choose a ratio above that, {ratio * 100:g} % cuts nothing"
            )
        if live:
            self.command(key, visitor, "prune", ratio=ratio)
            return key
        return self.start(branching.branch(self.store, key, epoch, ratio), visitor).key

    def delete(self, key: str) -> None:
        """Deletes a stored run. Raises StoreError or JobError if it is running, watched or a parent."""
        job = self.job(key)
        if job and job.live and job.key == key:
            raise JobError("this run is being trained now: stop it first, then delete it")
        if self.watched(key):
            raise JobError(
                "this run is being watched on a page: open another run there, or leave that page and wait "
                f"{WATCHED_SECONDS:.0f} seconds, then delete it"
            )
        self.store.delete(key)
        self.artifacts.delete(key)

    def close(self) -> None:
        """Ends every worker; what they stored stays and can be resumed."""
        with self._lock:
            self._closed = True
            processes = [work.process for work in self._work if work.process and work.process.poll() is None]
            for work in self._work:
                if work.process and work.process.stdin and not work.process.stdin.closed:
                    try:
                        work.process.stdin.close()
                    except OSError:
                        pass  # it is gone already
        for process in processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- inside, with the lock held ----------------------------------------------------------------------------------

    def _find(self, key: str) -> Work | None:
        newest_first = self._work[::-1]
        exact = (work for work in newest_first if work.job.key == key)
        return next(exact, None) or next((work for work in newest_first if key in work.job.trail), None)

    def _name(self, visitor: str) -> str:
        return self._names.get(visitor, visitor)

    def _owner_gone(self, work: Work) -> bool:
        return time.monotonic() - work.seen.get(work.job.owner, -ABSENT_SECONDS) >= ABSENT_SECONDS

    def _add(self, job: Job, task: dict[str, Any]) -> Job:
        with self._lock:
            self.max_workers  # noqa: B018  a bad setting is refused before anything is queued
            job = replace(job, owner=self._name(job.owner))
            known = self._find(job.key)
            if known and known.job.live and known.job.key == job.key:
                return known.job
            now = time.monotonic()
            work = Work(replace(job, since=now), task, seen={job.owner: now}, turn=next(self._turns))
            self._work = [other for other in self._work if other.job.live or other.job.key != job.key] + [work]
            self._pump()
            return work.job

    def _pump(self) -> None:
        """Starts what may start, and lets go on what may: runs up to max_workers, and beside them one job of every other kind,
        so that nobody who moves the slider waits for a training to end."""
        for kind in {work.job.kind for work in self._work}:
            room = (self.max_workers if kind == "run" else 1) - turns.taken(self._work, kind)
            for work in turns.waiting(self._work, kind):
                if room > 0:
                    self._launch(work) if work.process is None else self._let_in(work)
                    room -= work.placed
        self._number_queue()

    def _number_queue(self) -> None:
        for kind in {work.job.kind for work in self._work}:
            for place, work in enumerate(turns.waiting(self._work, kind), start=1):
                work.job = replace(work.job, place=place)

    def _let_in(self, work: Work) -> None:
        work.placed = True
        work.becomes(replace(work.job, state="starting", place=0))
        self._send(work, {"command": "let in", "number": work.wish})

    def _launch(self, work: Work) -> None:
        try:
            logs = self.store.root / "logs"
            logs.mkdir(parents=True, exist_ok=True)
            work.log = logs / f"{work.job.key}.log"
            errors = open(work.log, "wb")  # noqa: SIM115  handed to the child, closed below
        except OSError as error:
            text = cannot_write(self.store.root, error, "then start again")
            work.becomes(replace(work.job, state="failed", place=0, text=text))
            return
        with errors:
            work.process = processes.start(errors)
        work.placed = True
        work.becomes(replace(work.job, state="starting", place=0))
        self._send(work, work.task)
        threading.Thread(target=self._read, args=(work, work.process), daemon=True).start()

    def _hear(self, work: Work, said: dict[str, Any]) -> None:
        """What a worker says changes its job; a run that is held gives its place to the next, and one that asks to go on gets
        one if there is one."""
        was = work.job
        if said["say"] != "asks":
            work.becomes(after(was, said))
            if work.job.held and not self._closed:
                work.placed = False
                self._pump()
            return
        work.wish, work.turn = said["number"], next(self._turns)
        work.becomes(replace(was, state="queued"))
        if not self._closed:
            self._pump()
        if work.placed:
            work.job = was  # at once: nobody need see that it asked

    def _send(self, work: Work, message: dict[str, Any]) -> None:
        if work.process is None or work.process.stdin is None:
            return
        try:
            work.process.stdin.write(json.dumps(message) + "\n")
            work.process.stdin.flush()
        except (OSError, ValueError):
            pass  # it has just ended; the reader thread says how

    # -- one thread per worker ---------------------------------------------------------------------------------------

    def _read(self, work: Work, process: subprocess.Popen | Forked) -> None:
        for line in process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue  # a torn last line of a process that was killed
            with self._lock:
                self._hear(work, said)
                work.news += said["say"] != "progress"
                self._changed.notify_all()
        code = process.wait()
        process.stdout.close()
        with self._lock:
            if process.stdin and not process.stdin.closed:
                try:
                    process.stdin.close()
                except OSError:
                    pass  # nothing was left to flush
            if work.job.live:
                advice = "press Resume to go on from its last epoch" if work.job.kind == "run" else "ask for it again"
                what = "training" if work.job.kind == "run" else "working"
                text = f"the {what} process ended unexpectedly (exit code {code}); {advice}"
                work.becomes(replace(work.job, state="failed", place=0, text=text))
            work.news += 1
            self._changed.notify_all()
            if not self._closed:
                self._pump()
