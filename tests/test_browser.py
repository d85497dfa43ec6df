"""What a person sees, in a real Chromium on a real server: runs start, move, hold, are cut by hand, shared, found again."""

import random
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
from serving import DESKTOP, LAPTOP, Server, Visitor, visits
from small import digits
from streamlit.proto.BackMsg_pb2 import BackMsg
from visiting import asking_for
from waiting import wait_until

from core import experiment
from core.spec import PruningSpec, RunSpec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Weights hardly move: no cut, no target.
STILL = RunSpec(dataset="digits", hidden=(24, 16), learning_rate=1e-6)
# On mnist-mini, a first cut within an epoch or two.
CUTS = RunSpec(hidden=(60, 40, 20), learning_rate=0.05, pruning=PruningSpec(start_accuracy=0.5))

# Counts the cells whose foot is not of the colour of the dead, and reads one cell's: as pages/shared/board/cells.js says.
FEET = """(root, cells) => {
  const canvas = root.querySelector('[data-testid=board-canvas]'), ctx = canvas.getContext('2d'), ratio = devicePixelRatio;
  return cells.map(([layer, unit]) => {
    const { x, y, w, h } = root.cellRect(layer, unit);
    const [r, g, b] = ctx.getImageData(Math.floor((x + w / 2) * ratio), Math.floor((y + h - 1.5) * ratio), 1, 1).data;
    return `rgb(${r}, ${g}, ${b})` !== canvas.dataset.dead;
  });
}"""


class Watcher(Visitor):
    """A visitor of the pages on which a run is watched."""

    @property
    def curves(self):
        return self.page.get_by_test_id("curves")

    @property
    def canvas(self):
        return self.page.get_by_test_id("board-canvas")

    @property
    def points(self) -> int:
        return int(self.curves.get_attribute("data-points"))

    @property
    def epoch(self) -> int:
        return int(self.canvas.get_attribute("data-epoch") or -1)

    @property
    def run(self) -> str:
        return self.canvas.get_attribute("data-run")

    def wait_for_points(self, count: int) -> None:
        self.curves.wait_for()
        self.until(lambda: self.points >= count, f"{count} points on the curve")

    def start(self, spec: RunSpec) -> str:
        """Opens the link to the spec, presses Start, and waits for the first points; gives the run's key."""
        self.starts(spec)
        self.until(lambda: self.canvas.count() and self.run == spec.key(), "the run on the board")
        self.wait_for_points(1)
        return spec.key()

    def held(self, server: Server, key: str) -> None:
        """Holds the run that waits at its gate with the page's own button, and takes the gate away."""
        self.until(lambda: self.button("Pause").is_enabled(), "the owner's buttons")
        self.press("Pause")
        self.sees(re.compile(r"^paused · epoch \d+"))
        server.gates.open(key)

    def tick_newest(self, count: int) -> None:
        """Goes to the list of runs and ticks the first rows: the newest."""
        self.page.get_by_role("link", name="Stored runs").click()
        table = self.page.get_by_test_id("stDataFrame")
        table.wait_for()
        self.sees("Tick a row on its left edge")
        box = table.bounding_box()
        for row in range(1, count + 1):
            self.page.mouse.click(box["x"] + 18, box["y"] + 18 + 35 * row)

    def mark(self) -> None:
        """Marks the elements' nodes, so that `same_nodes` knows them again."""
        for place in (self.curves, self.canvas, self.page.get_by_test_id("curves-svg")):
            place.evaluate("element => { element.known = true; }")

    def same_nodes(self) -> bool:
        places = (self.curves, self.canvas, self.page.get_by_test_id("curves-svg"))
        return all(place.evaluate("element => element.known === true") for place in places)

    def alive(self) -> list[int]:
        """The words over the board: how many of each layer are alive."""
        words = self.page.locator("[data-testid^=layer-alive-]").all_text_contents()
        return [int(word.split(" of ")[0]) for word in words]

    def cells_alive(self, cells: list[tuple[int, int]]) -> list[bool]:
        """For each (layer, unit) whether the pixel at its foot is not the colour of the dead."""
        return self.page.get_by_test_id("board").evaluate(FEET, cells)


@pytest.fixture
def visitors(chromium, server):
    with visits(Watcher, chromium, server) as make:
        yield make


def drawn_at_random(alive, seed: int, count: int = 60) -> list[tuple[int, int]]:
    cells = [(layer, unit) for layer, units in enumerate(alive) for unit in range(len(units))]
    return random.Random(seed).sample(cells, min(count, len(cells)))


def test_a_newcomer_who_only_presses_start_sees_training_and_not_the_example(visitors, server):
    eve = visitors()
    eve.visit()
    eve.sees("An example that ships with the explorer")
    eve.canvas.wait_for()
    own = server.gates.hold(RunSpec(arithmetic="native").key(), 2)
    assert own != eve.run, "the example's name is not that of a run in another arithmetic"
    eve.press("Start")
    eve.until(lambda: eve.linked() == own, "the run in the link: the example's spec in this computer's arithmetic")
    eve.sees(re.compile(r"Epoch 2: .* of training images right"))
    assert not server.store.open(own).finished
    eve.press("Stop")
    eve.stopped()


def test_the_examples_run_made_here_in_its_own_arithmetic_takes_its_place(visitors, server):
    eve, bob = visitors(), visitors()
    example = server.gates.hold(RunSpec().key(), 1)
    eve.visit("?arithmetic=portable")
    eve.sees("An example that ships with the explorer")
    eve.canvas.wait_for()
    assert eve.run == example
    eve.press("Start")
    eve.until(lambda: eve.linked() == example, "the run in the link: the very spec of the example")
    eve.until(lambda: server.epochs(example) == 1, "its first epoch")
    eve.press("Stop")
    eve.stopped()
    bob.visit()
    bob.sees("The example’s run, made here")  # as on every other page
    bob.until(lambda: bob.canvas.count() and bob.epoch == server.store.open(example).last_epoch, "the run made here")
    server.store.delete(example)  # for the other tests the example is the one that ships again


def test_first_visit_start_and_a_curve_that_grows_in_place(visitors, server):
    ann = visitors(fresh=True)
    ann.visit()
    ann.sees("An example that ships with the explorer")
    ann.canvas.wait_for()
    ann.until(lambda: ann.epoch > 10, "the example's board")
    ann.wait_for_points(11)
    assert all(0 < alive for alive in ann.alive())
    assert ann.button("Start").is_enabled() and ann.linked() is None
    example = ann.run
    ann.page.get_by_role("textbox", name="Seed").fill("7")
    ann.page.keyboard.press("Enter")
    ann.until(lambda: "seed=7" in ann.page.url, "the choice in the link")
    key = server.gates.hold(RunSpec(seed=7, arithmetic="native").key(), 1)
    ann.press("Start")
    ann.until(lambda: ann.linked() == key, "the run in the link")
    ann.until(lambda: ann.canvas.count() and ann.run == key != example, "the run on the board")
    ann.wait_for_points(1)
    ann.mark()
    before = ann.points
    server.trains(key, 3)
    ann.wait_for_points(before + 3)
    assert ann.same_nodes()
    assert ann.epoch <= server.epochs(key)

    # Reloaded, the page shows the run where it is, and the visitor is still its owner.
    ann.page.reload()
    ann.wait_for_points(before + 3)
    ann.until(lambda: ann.linked() == ann.run == key, "the same run")
    ann.until(lambda: ann.button("Pause").is_enabled(), "the owner's buttons")
    ann.page.keyboard.press("p")
    ann.sees(re.compile(r"paused · epoch \d+ of at most 200"))

    # A second browser sees the same run, and it move; its controls are not this visitor's.
    bob = visitors()
    bob.visit(f"?run={key}")
    bob.sees("Started in another browser: you are watching")
    bob.until(lambda: bob.canvas.count() and bob.run == key, "the run on the other browser")
    for name in ("Go on", "Step", "Next cut", "Stop", "Prune now"):
        assert bob.button(name).is_disabled()
    held = bob.points
    server.gates.open(key)
    ann.press("Step")
    bob.wait_for_points(held + 1)
    ann.wait_for_points(held + 1)
    assert ann.points == bob.points == server.epochs(key)
    ann.press("Stop")
    ann.stopped()
    bob.until(lambda: bob.button("Resume").is_enabled(), "the end of the run on the other browser")
    assert not server.store.open(key).finished


@pytest.mark.parametrize("busy", [False, True], ids=["right behind the click", "taken for one with the click"])
def test_a_click_on_the_menu_that_crosses_a_timer_leaves_no_blank_page(visitors, busy):
    ann, held, crossed = visitors(fresh=True), [], []

    def through(line) -> None:
        server = line.connect_to_server()

        def forward(message: bytes) -> None:
            asked = BackMsg.FromString(message)
            if asked.rerun_script.fragment_id:
                held.append(message)
                return
            if busy and held:  # the server works on one question when the click and the next one come
                server.send(held[0])
            server.send(message)
            while held:  # right behind the click: what the page that is left has asked before
                server.send(held.pop())
                crossed.append(asked.rerun_script.page_script_hash)

        line.on_message(forward)

    ann.page.route_web_socket(re.compile("_stcore/stream"), through)
    ann.visit()
    ann.sees("An example that ships with the explorer")
    ann.until(lambda: held, "a question of the page's own")
    ann.page.get_by_role("link", name="Stored runs").click()
    ann.page.get_by_test_id("stDataFrame").wait_for()
    ann.page.wait_for_timeout(500)  # until what was asked is answered
    ann.page.get_by_test_id("stDataFrame").wait_for()
    assert crossed and ann.page.url.endswith("/runs")


def test_next_cut_holds_before_and_after_agree_with_the_masks_and_a_cut_by_hand_goes_on(visitors, server):
    ann = visitors()
    key = server.gates.hold(CUTS.key())
    ann.starts(CUTS)
    ann.held(server, key)
    ann.press("Next cut")
    ann.sees("held at a cut")
    ann.until(lambda: ann.canvas.count() and ann.epoch == server.epochs(key), "the cut on the board")
    moment = server.store.snapshot(key, ann.epoch)
    assert moment.cuts == 1
    ann.page.get_by_text("zero (").first.wait_for()
    sides = {"after": moment.state.network().alive(), "before": moment.before_cut().alive()}
    assert sum(map(np.sum, sides["after"])) < sum(map(np.sum, sides["before"]))
    for side, alive in sides.items():
        ann.press(side)
        ann.until(lambda alive=alive: ann.alive() == [int(units.sum()) for units in alive], f"the board {side} the cut")
        for order in ("natural", "by score"):
            ann.press(order)
            cells = drawn_at_random(alive, seed=len(side))
            assert ann.cells_alive(cells) == [bool(alive[layer][unit]) for layer, unit in cells]
    ann.press("after")

    # One neuron looked at: its words are what the store counted.
    fired, seen = server.store.counts(key, ann.epoch)
    dead = int(np.flatnonzero(~sides["after"][0])[0]) if not sides["after"][0].all() else 0
    rect = ann.page.get_by_test_id("board").evaluate("(root, unit) => root.cellRect(0, unit)", dead)
    ann.canvas.click(position={"x": rect["x"] + rect["w"] / 2, "y": rect["y"] + rect["h"] / 2})
    inspector = ann.page.get_by_test_id("inspector")
    told = inspector.inner_text()
    assert f"Hidden 1 · neuron {dead}" in told
    assert f"{100 * fired[0][dead] / seen:.1f}\u202f%" in told
    assert ("cut just now" in told) == (not sides["after"][0][dead])

    # The mosaic, then a cut by hand: the same elements show the branch.
    ann.press("first-layer mosaic")
    ann.press("neurons")
    ann.mark()
    ann.press("Prune now to 90 %")
    ann.until(lambda: ann.linked() != key and ann.run == ann.linked(), "the branch")
    branch = ann.linked()
    assert ann.same_nodes()
    ann.sees("Go on")  # it was held, so it is held again at the cut by hand
    assert server.store.open(branch).parent == key
    by_hand = [line for line in server.store.log(branch) if line["kind"] == "Pruned"][-1]
    assert by_hand["round"] is None and by_hand["achieved"] == pytest.approx(0.9, abs=0.02)
    ann.until(lambda: ann.epoch == by_hand["epoch"], "the cut by hand on the board")
    alive = server.store.network(branch, by_hand["epoch"]).alive()
    ann.until(lambda: ann.alive() == [int(units.sum()) for units in alive], "the board after it")
    cells = drawn_at_random(alive, seed=3)
    assert ann.cells_alive(cells) == [bool(alive[layer][unit]) for layer, unit in cells]
    server.gates.hold(branch, by_hand["epoch"] + 2)
    ann.press("Go on")
    ann.until(lambda: server.epochs(branch) == by_hand["epoch"] + 2, "the branch to train on")
    ann.press("Stop")
    ann.stopped()


def test_a_stored_run_is_opened_scrubbed_and_replayed(visitors, server):
    spec = digits(seed=5)
    list(experiment.run(spec, server.store))
    key, last = spec.key(), server.store.open(spec.key()).last_epoch
    ann = visitors()
    ann.visit()
    ann.tick_newest(1)
    ann.until(lambda: ann.button("Open").is_enabled(), "the ticked row")
    ann.press("Open")
    ann.until(lambda: ann.canvas.count() and ann.epoch == last, "the run's end")
    ann.until(lambda: ann.run == ann.linked() == key and ann.points == last, "the stored run")
    slider = ann.page.get_by_role("slider", name="Epoch")
    slider.press("ArrowLeft")
    ann.until(lambda: ann.epoch == last - 1, "the epoch before")
    alive = server.store.network(key, last - 1).alive()
    assert ann.alive() == [int(units.sum()) for units in alive]
    ann.mark()
    slider.press("Home")
    ann.until(lambda: ann.epoch == 0, "the start")
    seen = [0]

    def moved() -> bool:
        if ann.epoch != seen[-1]:
            seen.append(ann.epoch)
        return seen[-1] == last

    ann.press("Replay")
    ann.until(moved, "the replay's end")
    assert seen == sorted(seen) and len(seen) > last / 2
    assert ann.same_nodes()


def test_two_runs_side_by_side_and_one_deleted_after_a_question(visitors, server):
    older, newer = (digits(seed=seed, max_epochs=2) for seed in (10, 11))
    for spec in (older, newer):
        list(experiment.run(spec, server.store))
    ann = visitors()
    ann.visit()
    ann.canvas.wait_for()  # what is pressed while the page draws itself can be lost
    ann.tick_newest(2)
    ann.until(lambda: ann.button("Side by side").is_enabled(), "two ticked rows")
    ann.press("Side by side")
    ann.sees("Two runs side by side")
    ann.page.locator(".js-plotly-plot").wait_for()
    ann.until(
        lambda: ann.canvas.count() == 2 and all(c.get_attribute("data-run") for c in ann.canvas.all()), "two boards"
    )
    assert [canvas.get_attribute("data-run") for canvas in ann.canvas.all()] == [newer.key(), older.key()]
    ann.tick_newest(1)
    ann.until(lambda: ann.button("Delete …").is_enabled(), "the ticked row")
    ann.press("Delete …")
    dialog = ann.page.get_by_role("dialog")
    dialog.get_by_text(newer.label()).wait_for()
    assert (server.cache / "runs" / newer.key()).is_dir()  # not before the answer
    dialog.get_by_role("button", name="Delete for good").click()
    ann.until(lambda: not (server.cache / "runs" / newer.key()).exists(), "the run to go")
    assert (server.cache / "runs" / older.key()).is_dir()


def test_a_diverged_run_is_shown_with_its_reason(visitors, server):
    ann = visitors()
    key = ann.starts(replace(STILL, learning_rate=1e9))
    ann.sees(re.compile("^Diverged: the loss became"))
    ann.until(lambda: ann.canvas.count() and ann.epoch == server.store.open(key).last_epoch, "its last moment")


@pytest.mark.parametrize("viewport", [LAPTOP, DESKTOP], ids=lambda size: f"{size['width']}x{size['height']}")
def test_every_page_fits_the_screen(visitors, server, viewport):
    ann = visitors(viewport)
    for path, sign in (("", "An example that ships"), ("runs", "Stored runs"), ("compare", "side by side")):
        ann.visit(path)
        ann.sees(re.compile(sign))
        overflow = ann.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"/{path} is {overflow} px wider than the screen"
        assert ann.page.get_by_text("Exception").count() == 0
        if not path:
            ann.until(lambda: ann.canvas.count() and ann.epoch > 0, "the example")
            for element in (ann.button("Start"), ann.button("Stop"), ann.curves):
                box = element.bounding_box()
                assert box["x"] >= 0 and box["x"] + box["width"] <= viewport["width"]
                assert box["y"] + min(box["height"], 60) <= viewport["height"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_after_the_server_was_killed_the_run_is_found_and_goes_on(visitors, server):
    ann = visitors()
    key = server.gates.hold(STILL.key(), 1)
    ann.start(STILL)
    ann.pace("1 in 3 seconds")
    ann.sees(re.compile(r"\d+ min at most, to the epoch limit"))
    ann.pace("full speed")
    server.trains(key, 1)
    ann.wait_for_points(2)
    assert ann.strangers == [] and ann.errors == []
    server.kill()
    wait_until(lambda: not server.store.is_claimed(key), what="the worker to end with its server")
    ann.page.goto("about:blank")
    server.start()
    ann.errors.clear()  # that the line was cut is an error of its own
    stored = server.epochs(key)
    server.gates.hold(key, stored + 3)
    ann.visit(f"?{asking_for(STILL)}&run={key}")
    ann.until(lambda: ann.canvas.count() and ann.run == key and ann.points >= stored, "the run as it was left")
    assert not server.store.open(key).finished
    ann.press("Resume")
    ann.wait_for_points(stored + 3)
    assert ann.run == key and ann.button("Pause").is_enabled()
    ann.press("Stop")
    ann.stopped()
