"""One piece of work as the pages see it, and how it changes with what its worker says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

LIVE = ("queued", "starting", "training", "paused", "held at a cut", "downloading", "building")
HELD = ("paused", "held at a cut")


@dataclass(frozen=True)
class Job:
    """One piece of work as the pages see it.

    key: the run's key now (a cut by hand changes it: `trail` holds the earlier ones). state: one of LIVE, or "finished",
    "stopped", "failed". place: in the queue, from 1; 0 when not queued. epoch and share: what is being trained. text: the
    reason it ended. notices: what a person should know besides, such as a damaged file that was set aside. parent: of a branch.
    since: when its state began, by `time.monotonic`.
    """

    key: str
    kind: str
    owner: str
    label: str
    state: str = "queued"
    place: int = 0
    epoch: int = 0
    share: float = 0.0
    text: str = ""
    notices: tuple[str, ...] = ()
    trail: tuple[str, ...] = ()
    pause_at_cuts: bool = False
    pace: float = 0.0
    parent: str | None = None
    since: float = 0.0

    @property
    def live(self) -> bool:
        """Whether it is queued or has a process."""
        return self.state in LIVE

    @property
    def held(self) -> bool:
        """Whether it waits for a person."""
        return self.state in HELD


def after(job: Job, said: dict[str, Any]) -> Job:
    """The job after its worker said something."""
    kind = said["say"]
    if kind == "state":
        return replace(job, state=said["state"], place=0, epoch=said["epoch"] or job.epoch)
    if kind == "progress":
        return replace(job, epoch=said["epoch"], share=said["share"])
    if kind == "epoch":
        return replace(job, epoch=said["epoch"], share=1.0)
    if kind == "made":
        return replace(job, epoch=said["number"])
    if kind == "key":
        return replace(job, key=said["key"], parent=job.key, trail=(*job.trail, job.key))
    if kind == "notice":
        return replace(job, notices=(*job.notices, said["text"]))
    if kind == "stopped":
        return replace(job, state="stopped", place=0, epoch=said["epoch"], text="stopped by hand: it can be resumed")
    ended = {"done": "finished", "failed": "failed"}
    return replace(job, state=ended[kind], text=said.get("reason") or said.get("text", ""))
