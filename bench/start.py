"""From `streamlit run app.py` to the first page usable, in a browser that is open already, against an app of one line; and
from Start to the first epoch, of a worker that is forked and of one that is a fresh process."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from bench import server
from bench.measure import Arm, Effort, Line, Lines, Said, interleaved
from bench.server import Server
from core.jobs import JobBoard, processes
from core.spec import RunSpec

NAME = "start"
OURS, BARE = "streamlit run app.py, to its first page", "an app of one line"
ONE_LINE = 'import streamlit as st; st.markdown("usable")'
WANTED = "under 4 s"
FORKED, FRESH = "Start to the first epoch, forked worker", "the same, a fresh process"


def lines(effort: Effort) -> Lines:
    """From nothing to the first page, and from Start to the first epoch."""
    yield from _of_the_page(effort)
    yield from _of_a_run(effort)


def _of_a_run(effort: Effort) -> Lines:
    if not processes.FORKS:
        yield Said(NAME, "Workers are fresh processes here: this system cannot fork safely")
        return
    yield Said(NAME, "Start: the default run (MNIST mini), from the button's call to its first epoch in the store")
    made: list[JobBoard] = []

    def board() -> JobBoard:
        for one in made:
            one.close()  # the run before is over: outside of the time
        made.append(JobBoard(tempfile.mkdtemp(dir=folder)))
        return made[-1]

    with tempfile.TemporaryDirectory() as folder:
        arms = {name: partial(_first_epoch, name == FORKED) for name in (FORKED, FRESH)}
        timed = interleaved(arms, 1 if effort.quick else effort.rounds, dict.fromkeys(arms, board))
        board()
    yield Line(NAME, timed[FORKED], timed[FRESH])


def _first_epoch(forks: bool, board: JobBoard) -> None:
    spec, was = RunSpec(max_epochs=1), processes.FORKS
    processes.FORKS = forks
    try:
        board.start(spec, "bench")
    finally:
        processes.FORKS = was
    while not any(line["kind"] == "EpochEnded" for line in board.store.log(spec.key())):
        time.sleep(0.005)


def _of_the_page(effort: Effort) -> Lines:
    """Pairs of processes, after one of each that warms the files. Usable: the button Start is there and the curves drawn."""
    yield Said(NAME, "Start: from the command to the first page usable, warm; pairs of processes")
    if reason := server.missing():
        yield Said(NAME, f"Left out: {reason}")
        return
    seconds: dict[str, list[float]] = {OURS: [], BARE: []}
    holds = None
    with tempfile.TemporaryDirectory() as folder, server.page() as page:
        bare = Path(folder) / "one_line.py"
        bare.write_text(ONE_LINE, "utf-8")
        for turn in range(1 + (1 if effort.quick else max(3, effort.few))):
            for name, script in ((OURS, "app.py"), (BARE, bare)):
                with Server(script) as running:
                    running.wait()
                    page.goto(running.url())
                    if name == OURS:
                        page.get_by_role("button", name="Start").first.wait_for()
                        page.locator("[data-testid=curves]:not([data-points='0'])").wait_for()
                        holds = holds_torch(running.process.pid)
                    else:
                        page.get_by_text("usable").wait_for()
                    took = time.perf_counter() - running.began
                    page.goto("about:blank")
                if turn or effort.quick:
                    seconds[name].append(took)
    yield Line(NAME, *(Arm(name, tuple(values)) for name, values in seconds.items()), wanted=WANTED)
    words = {True: "has loaded torch", False: "has not loaded torch", None: "cannot be looked into here"}
    yield Said(NAME, f"With its first page open, the process of the pages {words[holds]} (wanted: not until it must)")


def holds_torch(pid: int) -> bool | None:
    """Whether that process has PyTorch's library in its memory; None where the system does not say."""
    try:
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text("utf-8")
    except OSError:
        return None
