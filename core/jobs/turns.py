"""Whose turn it is on the job board: what has a place, what waits for one, and behind whom.

A place is the right to use a core. Who trains or computes has one; a run that is held has given its own back, though its
process stays, and asks for one again when it is to go on. Who asked first is first.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.jobs.job import Job
from core.jobs.processes import Forked


@dataclass(eq=False)
class Work:
    """The board's own record of a job: what to send, and the process.

    seen: visitor -> when last seen. news: how often its worker has said more than how far the epoch is. placed: it has a place.
    turn: smaller for who asked earlier. wish: the number under which a run that was held has asked to go on.
    """

    job: Job
    task: dict[str, Any]
    process: subprocess.Popen | Forked | None = None
    log: Path | None = None
    seen: dict[str, float] = field(default_factory=dict)
    news: int = 0
    placed: bool = False
    turn: int = 0
    wish: int = 0

    def becomes(self, job: Job) -> None:
        """From now on the job is this; notes since when its state is what it is."""
        self.job = job if job.state == self.job.state else replace(job, since=time.monotonic())


def taken(all_work: Iterable[Work], kind: str) -> int:
    """How many jobs of a kind have a place."""
    return sum(work.placed and work.job.live for work in all_work if work.job.kind == kind)


def waiting(all_work: Iterable[Work], kind: str) -> list[Work]:
    """The jobs of a kind that wait for a place, whose turn comes first first."""
    queued = (work for work in all_work if work.job.kind == kind and work.job.state == "queued")
    return sorted(queued, key=lambda work: work.turn)


def ahead(all_work: Iterable[Work], behind: Work) -> list[Job]:
    """What comes before a job that waits: who has the places, then who waits in front of it."""
    all_work, kind = list(all_work), behind.job.kind
    placed = [work.job for work in all_work if work.job.kind == kind and work.placed and work.job.live]
    return placed + [work.job for work in waiting(all_work, kind) if work.turn < behind.turn]
