"""What a class feels while a run trains: drag, slider release, page open, live update, with 1, 8 and 30 sessions on the run.

The sessions are connections without browsers (`visitors`), so that a laptop's drawing is not charged to the server; one real
Chromium drags, releases and opens pages among them. Server, training, sessions and browser share this machine.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import server
from bench.measure import Arm, Effort, Line, Lines, Said
from bench.server import Server
from bench.visitors import Visitors
from core.publish.example import EXAMPLE
from core.spec import PruningSpec, RunSpec
from core.store import Store

NAME = "pages"
ALONE = "an epoch, nobody watching"
SETTLE = 3  # seconds
WORD = "of training images right"

# From a pointer's move to the frame that can begin once the stage has painted it, in ms.
DRAG = """async (root, percents) => {
  const frame = () => new Promise(requestAnimationFrame);
  const slider = root.querySelector('[data-testid=stage-slider]');
  const track = root.querySelector('.deck-track').getBoundingClientRect();
  const took = [];
  for (const percent of percents) {
    const begin = await frame(), clientX = track.left + track.width * percent / 100;
    const at = { pointerId: 1, clientX, clientY: track.top + 5, bubbles: true };
    slider.dispatchEvent(new PointerEvent('pointermove', at));
    do { await frame(); } while (root.dataset.painted !== String(percent));
    took.push(await frame() - begin);
  }
  return took;
}"""


@dataclass(frozen=True)
class Watched:
    """One phase: seconds of each epoch, from each epoch's end to its being shown, of each rerun of the fragment asked for."""

    epochs: tuple[float, ...]
    late: tuple[float, ...]
    waits: tuple[float, ...]


def lines(effort: Effort) -> Lines:
    """One run under way, watched by more and more sessions."""
    if reason := server.missing():
        yield Said(NAME, f"Pages: left out, {reason}")
        return
    dataset, epochs = effort.data().name, 4 if effort.quick else 10
    counts = (2,) if effort.quick else (1, 8, 30)
    yield Said(NAME, f"Pages, while a run of {dataset} trains here at full width, watched by so many sessions")
    with Server(timed=True) as running, server.page() as page:
        running.wait()
        spec = started(running, page, dataset)
        yield from _of_the_hand(running, spec, page)
        alone = watched(running, spec, 0, epochs)
        for count in counts:
            who = f"{count} session{'s' if count > 1 else ''}"
            most = count == max(counts) and not effort.quick
            with visiting(running, spec, count) as visitors:
                phase = watched(running, spec, count, epochs, visitors)
                yield Line(
                    NAME, Arm(f"an epoch, {who}", phase.epochs), Arm(ALONE, alone.epochs),
                    "at least 0.83 (20 % slower)" if most else "",
                )  # fmt: skip
                wanted = "at most 1 s" if most else ""
                yield Line(NAME, Arm(f"live update: epoch stored to shown, {who}", phase.late), wanted=wanted)
                yield Line(NAME, Arm(f"a rerun of the live part, waiting for news included, {who}", phase.waits))
                yield from _of_the_browser(running, page, who, 1 if effort.quick else 5)


# -- one phase, also for `bench.scale` -------------------------------------------------------------------------------


def started(running: Server, page, dataset: str) -> RunSpec:
    """Presses Start for a run without end or cut, so that only the watchers make a difference between epochs."""
    spec = RunSpec(
        dataset=dataset, max_epochs=10_000, target_accuracy=1.0, learning_rate=1e-4,
        pruning=PruningSpec(start_accuracy=1.0),
    )  # fmt: skip
    page.goto(running.url(f"?{_choice(dataset)}"))
    page.get_by_role("button", name="Start").first.click()
    page.get_by_text(WORD).first.wait_for()
    _wait_epochs(running.store, spec.key(), 3)
    return spec


def _choice(dataset: str) -> str:
    return f"dataset={dataset}&epochs=10000&target=100.0&rate=0.0001&start=100.0"


def visiting(running: Server, spec: RunSpec, count: int) -> Visitors:
    """So many sessions that show the run."""
    return Visitors(running.port, f"{_choice(spec.dataset)}&run={spec.key()}", count)


def watched(running: Server, spec: RunSpec, count: int, epochs: int, visitors: Visitors | None = None) -> Watched:
    """The next `epochs` epochs, after a moment to settle, in which all visitors come to see the run as it is."""
    store, key = running.store, spec.key()
    time.sleep(SETTLE)
    if visitors:
        _wait(lambda: all(one.epochs for one in visitors.seen), "all visitors to be there")
        newest = len(_seconds(store, key)) + 1
        _wait(lambda: all(max(dict(one.epochs)) >= newest for one in visitors.seen), "all visitors to see what is new")
    first, heard = len(_seconds(store, key)), [len(one.waits) for one in visitors.seen] if visitors else []
    _wait_epochs(store, key, first + epochs)
    seconds, late, waits = _seconds(store, key)[first : first + epochs], [], []
    if visitors:
        time.sleep(SETTLE)  # so that the last of them is shown to everybody
        for one, before in zip(visitors.seen, heard, strict=True):
            waits += one.waits[before:]
            late += _late(store, key, range(first + 1, first + epochs + 1), dict(one.epochs))
    return Watched(tuple(seconds), tuple(late), tuple(waits))


def _seconds(store: Store, key: str) -> list[float]:
    """Training seconds of every epoch so far."""
    return [line["seconds"] for line in store.log(key) if line["kind"] == "EpochEnded"]


def _wait_epochs(store: Store, key: str, count: int, patience: float = 300) -> None:
    _wait(lambda: len(_seconds(store, key)) >= count, f"{count} epochs", patience)


def _wait(there: Callable[[], bool], what: str, patience: float = 300) -> None:
    until = time.monotonic() + patience
    while not there():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(0.1)


def _late(store: Store, key: str, epochs: range, shown: dict[int, float]) -> list[float]:
    """For each epoch the seconds from its file's being in place to the first sight of it, or of a later one."""
    late = []
    for epoch in epochs:
        stored = (store.root / "runs" / key / f"epoch-{epoch:03d}.safetensors").stat().st_mtime
        sights = [when for number, when in shown.items() if number >= epoch]
        if not sights:
            raise RuntimeError(f"epoch {epoch} was never shown")
        late.append(max(0.0, min(sights) - stored))
    return late


# -- with a real browser ---------------------------------------------------------------------------------------------


def _of_the_hand(running: Server, spec: RunSpec, page) -> Lines:
    """Pause, step, go on: from the click until the page says so."""
    curves = page.get_by_test_id("curves")
    seconds = [_timed(page, "Pause", lambda: page.get_by_text("paused").first.wait_for())]
    yield Line(NAME, Arm("pause, to the page's answer", tuple(seconds)))
    points = int(curves.get_attribute("data-points"))
    more = page.locator(f"[data-testid=curves][data-points='{points + 1}']")
    yield Line(NAME, Arm("step, to the new point, training included", (_timed(page, "Step", more.wait_for),)))
    page.wait_for_timeout(1000 * SETTLE)
    going = _timed(page, "Go on", lambda: page.get_by_text("training ·").first.wait_for())
    yield Line(NAME, Arm("go on, to the page's answer", (going,)))
    page.goto("about:blank")


def _timed(page, button: str, answered) -> float:
    began = time.perf_counter()
    page.get_by_role("button", name=button).first.click()
    answered()
    return time.perf_counter() - began


def _of_the_browser(running: Server, page, who: str, times: int) -> Lines:
    opening = []
    for _ in range(times):
        page.goto("about:blank")
        began = time.perf_counter()
        page.goto(running.url("slider"))
        page.locator("[data-testid=stage][data-painted]:not(.waiting)").wait_for()
        opening.append(time.perf_counter() - began)
    yield Line(NAME, Arm(f"page open, to the slider's first frame, {who}", tuple(opening)))
    page.wait_for_timeout(1000 * SETTLE)
    track = page.locator(".deck-track").bounding_box()
    page.mouse.move(track["x"], track["y"] + track["height"] / 2)
    page.mouse.down()
    steps = page.get_by_test_id("stage").evaluate(DRAG, list(range(2, 98, 8 if times < 5 else 2)))
    page.mouse.up()
    yield Line(NAME, Arm(f"drag, a step to the next free frame, {who}", tuple(ms / 1000 for ms in steps)))
    yield Line(NAME, Arm(f"slider release, to the server and back, {who}", tuple(_released(running, page, times))))
    page.goto("about:blank")


def _released(running: Server, page, times: int) -> list[float]:
    """A key on the epoch slider of the shipped run: the server sends another moment's curves and board."""
    run = next(run for run in Store(EXAMPLE).runs() if run.spec and run.spec.pruning)
    page.goto(running.url(f"?run={run.key}"))
    board, last, before = "[data-testid=board-canvas][data-epoch='{}']", run.epochs[-1], run.epochs[-2]
    page.locator(board.format(last)).wait_for()
    page.wait_for_timeout(1000 * SETTLE)
    slider, took = page.get_by_test_id("stMain").get_by_role("slider").first, []
    keys = itertools.cycle((("ArrowLeft", before), ("ArrowRight", last)))
    for key, epoch in itertools.islice(keys, 2 * times):
        began = time.perf_counter()
        slider.press(key)
        page.locator(board.format(epoch)).wait_for()
        took.append(time.perf_counter() - began)
        page.wait_for_timeout(300)
    return took
