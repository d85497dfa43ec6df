"""`python -m core.jobs.worker`: trains or downloads in a process of its own, steered by lines of JSON.

In, one object a line: first the task, {"task": "run", "spec": {...}, "root": "cache"} or {"task": "download", "dataset":
"mnist"}, then commands: {"command": "pause" | "resume" | "step" | "next-cut" | "stop" | "prune" | "pause-at-cuts" | "pace" |
"let in", ...}. Out: what changed, {"say": "state" | "progress" | "epoch" | "key" | "notice" | "asks" | "done" | "stopped" |
"failed", ...}. What the run *is* stands in the store; the lines only say that it moved. When the input ends, the one who asked
is gone, and the worker stops at once: what is stored is stored, and the run can go on later.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from core.gates import LOOK_SECONDS, Gate
from core.jobs import steering
from core.jobs.steering import Steering

if TYPE_CHECKING:
    from core.artifacts import Artifact

NICE = 10


def run_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """One run, and the branches that people make of it on the way. Raises what experiment.run raises."""
    from core import experiment
    from core.artifacts import Sources
    from core.artifacts.kept import Artifacts
    from core.claims.spectral_history import HistoryOf
    from core.events import Finished, Notice
    from core.spec import RunSpec
    from core.store import Store, branching

    store = Store(task["root"])
    spec = RunSpec.from_dict(task["spec"])
    steer = Steering(
        inbox,
        say,
        pause_at_cuts=task.get("pause_at_cuts", False),
        pace=task.get("pace", 0.0),
        asks=task.get("asks", False),
    )
    say("state", state="training", epoch=0)
    while True:
        last = None
        for event in experiment.run(spec, store, steer):
            last = event
            if isinstance(event, Notice):
                say("notice", text=event.text)
        if steer.prune_to is None or steer.stopping:
            if isinstance(last, Finished):
                with contextlib.suppress(ValueError):  # the run is whole without it, and it can be made again
                    Artifacts(task["root"]).ensure(HistoryOf(spec.key()), Sources(store))
                say("done", reason=last.reason)
            else:
                say("stopped", epoch=last.epoch)
            return
        # A cut that was asked for in the run's last epoch comes too: the branch is cut there and trains on.
        epoch = store.open(spec.key()).last_epoch if isinstance(last, Finished) else last.epoch
        try:
            spec = branching.branch(store, spec.key(), epoch, steer.prune_to)
        except ValueError as error:  # it ended there, and nothing trains on from it
            say("notice", text=f"It was not cut: {error}")
            steer.prune_to = None
            continue  # the end that is stored comes at once
        steer.branch_taken(epoch)
        say("key", key=spec.key())


def download_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """One data set, from its mirrors into the cache."""
    from core import datasets

    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if not inbox.empty():
            order = inbox.get_nowait()
            if order is None or order.get("command") == "stop":
                raise KeyboardInterrupt
        if time.monotonic() - last > steering.SAY_EVERY:
            last = time.monotonic()
            say("progress", epoch=0, share=done / total if total else 0.0)

    say("state", state="downloading", epoch=0)
    try:
        datasets.download(task["dataset"], progress)
    except KeyboardInterrupt:
        say("stopped", epoch=0)
    else:
        say("done", reason=f"{task['dataset']} is downloaded")


class _Progress:
    """For a piece of work that only says how far it is: hears the share done of the piece under way, answers whether to go on.
    Once it has said no it keeps to it. done: how many pieces are done, of how many. made: so many results are there; the gate
    of the job `key`, if it has one, lets no more be made than it says."""

    def __init__(self, inbox: queue.Queue, say, pieces: int = 1, *, key: str | None = None):
        self._inbox, self._say, self._last, self._gate = inbox, say, 0.0, Gate(key)
        self.done, self.made, self._pieces, self.stopped = 0, 0, max(1, pieces), False

    def __call__(self, share: float) -> bool:
        while True:
            if time.monotonic() - self._last > steering.SAY_EVERY:
                self._last = time.monotonic()
                self._say("progress", epoch=0, share=round((self.done + share) / self._pieces, 3))
            if not self.stopped and not self._inbox.empty():
                order = self._inbox.get_nowait()
                self.stopped = order is None or order.get("command") == "stop"
            if self.stopped or not self._gate.shut(self.made):
                return not self.stopped
            time.sleep(LOOK_SECONDS)

    def end(self, reason: str) -> None:
        """Says how it ended: stopped by hand, or done, with the reason."""
        if self.stopped:
            self._say("stopped", epoch=0)
        else:
            self._say("done", reason=reason)


def artifacts_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """Artifacts, one after the other; what is whole already is left as it is. What is made of each so far is kept at once."""
    from core.artifacts import Sources, asked
    from core.artifacts.kept import Artifacts
    from core.claims import kinds  # noqa: F401  so that all are known
    from core.store import Store, files

    sources = Sources(
        Store(task["root"]), {run: Store(root, ships=run != files.bare(run)) for run, root in task["sources"].items()}
    )
    artifacts = Artifacts(task["root"], *task["behind"])
    wanted = [one for one in map(asked, task["artifacts"]) if not artifacts.there(one, sources)]
    going = _Progress(inbox, say, len(wanted), key=task.get("key"))
    say("state", state="building", epoch=0)

    def put(one: Artifact, began: list, value: Any) -> None:
        artifacts.put(one, sources, value, began)
        if artifacts.get(one, sources) is None:
            raise ValueError("what was made cannot be read back from cache/atlases: look whether that disk is sound")
        going.made += 1
        say("made", number=going.made)

    for one in wanted:
        one.make(sources, artifacts.get(one, sources), functools.partial(put, one, sources.told_of(one)), going)
        if going.stopped:
            break
        going.done += 1
    artifacts.keep_within(sources.own.quota)
    going.end("all that was asked for is made")


def sweep_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """Runs of several arms and seeds on all cores; each is a kept row as soon as it ends, one that failed too."""
    from core.artifacts.kept import Artifacts
    from core.judge import study
    from core.judge.study import Study
    from core.store import Store

    asked = Study.from_dict(task["study"])
    hears, lock, share = _Progress(inbox, say), threading.Lock(), 0.0

    def going() -> bool:  # asked by the thread of every lane
        with lock:
            return hears(share)

    say("state", state="building", epoch=0)
    for now in study.collect(Store(task["root"]), Artifacts(task["root"]), asked, going=going):
        with lock:
            share = now.share
            say("epoch", epoch=now.there + now.pieces, cut=False)
    hears.end("all runs of the set are there")


TASKS = {
    "run": run_task,
    "download": download_task,
    "artifacts": artifacts_task,
    "sweep": sweep_task,
}


def main() -> None:
    if hasattr(os, "setpriority"):
        os.setpriority(
            os.PRIO_PROCESS, 0, NICE
        )  # Windows: the parent starts this process with a lower priority class instead
    output = sys.stdout
    sys.stdout = sys.stderr  # nothing but our own lines may reach the pipe

    def say(kind: str, **values: Any) -> None:
        output.write(json.dumps({"say": kind} | values) + "\n")
        output.flush()

    inbox: queue.Queue = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            if line.strip():
                inbox.put(json.loads(line))
        inbox.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        task = inbox.get()
        if task is not None:
            TASKS[task["task"]](task, inbox, say)
    except ValueError as error:
        say("failed", text=str(error))
    except BrokenPipeError:
        os._exit(1)  # the asker is gone; nobody is left to tell
    except Exception as error:
        traceback.print_exc()
        say("failed", text=f"an unexpected error ended the run ({type(error).__name__}: {error}); it can be resumed")


if __name__ == "__main__":
    main()
