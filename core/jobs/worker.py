"""`python -m core.jobs.worker`: trains or downloads in a process of its own, steered by lines of JSON.

In, one object a line: first the task, {"task": "run", "spec": {...}, "root": "cache"} or {"task": "download", "dataset":
"mnist"}, then commands: {"command": "pause" | "resume" | "step" | "next-cut" | "stop" | "prune" | "pause-at-cuts" | "pace" |
"let in", ...}. Out: what changed, {"say": "state" | "progress" | "epoch" | "key" | "notice" | "asks" | "done" | "stopped" |
"failed", ...}. What the run *is* stands in the store; the lines only say that it moved. When the input ends, the one who asked
is gone, and the worker stops at once: what is stored is stored, and the run can go on later.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import Any

from core.gates import LOOK_SECONDS, Gate
from core.jobs import steering
from core.jobs.steering import Steering

NICE = 10


def run_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """One run, and the branches that people make of it on the way. Raises what experiment.run raises."""
    from core import experiment
    from core.claims import spectral_history
    from core.events import Finished, Notice
    from core.spec import RunSpec
    from core.store import Store, branching
    from core.store.artifacts import Artifacts

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
                with contextlib.suppress(ValueError):  # the run is whole without its film, which can be made again
                    spectral_history.keep(store, Artifacts(task["root"]), spec.key())
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


class _Going:
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


def atlas_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """Atlases of one stored network, one after the other; what is there already is left as it is."""
    from core.atlas import Choice, kept, surveys
    from core.store import Store
    from core.store.artifacts import Artifacts

    store, artifacts = Store(task["source"]), Artifacts(task["root"], of=task["source"])
    choices = [choice for choice in (Choice(**values) for values in task["choices"]) if not kept.has(artifacts, choice)]
    going = _Going(inbox, say, len(choices), key=task.get("key"))
    say("state", state="building", epoch=0)
    for choice in choices:
        made = surveys.survey(store, choice, going)
        if made is None:
            break
        kept.put(artifacts, made)
        going.done = going.made = going.done + 1
        say("epoch", epoch=going.done, cut=False)
    artifacts.keep_within(Store(task["root"]).quota)
    going.end("the atlases are built")


def retrain_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """The curve "cut once, then n epochs of training", point by point."""
    from core.atlas import TRAINED_ON, Choice, kept, surveys
    from core.store import Store
    from core.store.artifacts import Artifacts

    store, artifacts = Store(task["source"]), Artifacts(task["root"], of=task["source"])
    choice, epochs = Choice(**task["choice"]), task["epochs"]
    there = {point.percent for point in kept.points(artifacts, choice, epochs)}
    left = tuple(percent for percent in TRAINED_ON if percent not in there)
    say("state", state="building", epoch=0)
    going = _Going(inbox, say, key=task.get("key"))
    for number, point in enumerate(surveys.points(store, choice, epochs, left, going), start=1):
        kept.add_point(artifacts, choice, epochs, point)
        going.made = number
        say("epoch", epoch=number, cut=False)
    going.end("the curve is complete")


def contest_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """The PCA contest of a pruned run and its twin."""
    from core.claims import pca
    from core.store import Store
    from core.store.artifacts import Artifacts

    say("state", state="building", epoch=0)
    both = pca.pair(Store(task["source"]), task["run"], Store(task["twin_source"]))
    going = _Going(inbox, say, key=task.get("key"))
    made = pca.build(both, going)
    if made is not None:
        artifacts = Artifacts(task["root"], of=task["source"])
        artifacts.write(task["run"], pca.NAME, made.to_bytes())
        artifacts.keep_within(Store(task["root"]).quota)
    going.end("the contest is held")


def factors_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """The reductions of a contest at one matching, trained on with their rank held; what is complete is left as it is."""
    from core.claims import factors, pca, retraining
    from core.store import Store
    from core.store.artifacts import Artifacts

    artifacts, run, matching = Artifacts(task["root"], of=task["source"]), task["run"], task["matching"]
    say("state", state="building", epoch=0)
    both = pca.pair(Store(task["source"]), run, Store(task["twin_source"]))
    left = tuple(arm for arm in pca.ARMS if not factors.complete(artifacts.read(run, factors.name(matching, arm))))
    going = _Going(inbox, say, key=task.get("key"))
    for number, one in enumerate(retraining.arms(both, matching, left, going), start=1):
        artifacts.write(run, factors.name(matching, one.arm), one.to_bytes())
        going.made = number
    going.end("the reductions are trained on")


def strength_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """The penalty whose network ends with a pruned run's nuclear norm: every try is kept as soon as it is made."""
    from core.claims import penalty_search
    from core.store import Store
    from core.store.artifacts import Artifacts

    store, artifacts = Store(task["root"]), Artifacts(task["root"], of=task["source"])
    hears = _Going(inbox, say, key=task.get("key"))

    def going(search: penalty_search.Search, share: float) -> bool:
        if len(search.tries) > hears.made:
            hears.made = len(search.tries)
            artifacts.write(task["run"], penalty_search.NAME, search.to_bytes())
            store.thin(search.tries[-1].key)  # its start and its end are all that is ever looked at
            say("epoch", epoch=hears.made, cut=False)
        return hears(share)

    say("state", state="building", epoch=0)
    found = penalty_search.search(store, Store(task["source"]), task["run"], going)
    if found is not None:
        artifacts.write(task["run"], penalty_search.NAME, found.to_bytes())
        artifacts.keep_within(store.quota)
    hears.end("the search for λ is over")


def sweep_task(task: dict[str, Any], inbox: queue.Queue, say) -> None:
    """Runs of several arms and seeds on all cores; each is a kept row as soon as it ends, one that failed too."""
    from core.judge import study
    from core.judge.study import Study
    from core.store import Store
    from core.store.artifacts import Artifacts

    asked = Study.from_dict(task["study"])
    hears, lock, share = _Going(inbox, say), threading.Lock(), 0.0

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
    "atlas": atlas_task,
    "retrain": retrain_task,
    "contest": contest_task,
    "factors": factors_task,
    "strength": strength_task,
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
