"""Keys on the keyboard, with the focus on everything that can have it; and what a press on Start leaves on the screen."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from serving import Visitor, visits
from small import digits
from visiting import asking_for

from core import experiment
from core.spec import RunSpec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

STILL = RunSpec(dataset="digits", hidden=(24, 16), learning_rate=1e-6)  # weights hardly move: no cut, no target
PAGES = Path(__file__).parents[1] / "pages"
# Everything that can have the focus, also within our own elements: tag, type, role and name (without numbers, which change).
FOCUSABLE = """() => {
  const found = [];
  const walk = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true })) found.push(one);
      if (one.shadowRoot) walk(one.shadowRoot);
    }
  };
  walk(document);
  globalThis.focusable = found;
  const name = (one) => (one.ariaLabel || one.textContent || "").replace(/[0-9]+/g, "").slice(0, 30);
  return found.map((one) => [one.tagName, one.type || "", one.getAttribute("role") || "", name(one)]);
}"""


class Typist(Visitor):
    """A visitor with a keyboard."""

    def focuses(self, unless):
        """Gives the focus to one thing after the other that can have it and is not `unless`; yields what it is: tag, type,
        role and name. Looks anew each time, since a page that moves puts other nodes in their place."""
        tried = set()
        while True:
            now = [tuple(one) for one in self.page.evaluate(FOCUSABLE)]
            place = next((i for i, one in enumerate(now) if one not in tried and not unless(one)), None)
            if place is None:
                return
            tried.add(now[place])
            if self.page.evaluate("(i) => (focusable[i].focus(), focusable[i].matches(':focus'))", place):
                yield now[place]

    def job(self) -> str:
        """What the line on the run says first: "paused", "training", …"""
        found = re.search(r"\b(paused|training|held at a cut) · epoch", self.page.inner_text("body"))
        return found[1] if found else ""


@pytest.fixture
def visitors(chromium, server):
    with visits(Typist, chromium, server) as make:
        yield make


def test_start_leaves_what_was_shown_until_the_run_has_begun(visitors, server):
    ann = visitors()
    server.gates.hold(replace(STILL, seed=1).key(), 1)
    ann.visit(f"?{asking_for(replace(STILL, seed=1))}")
    ann.sees("An example that ships with the explorer")
    board = ann.page.get_by_test_id("board-canvas")
    board.wait_for()
    example = board.get_attribute("data-run")
    for name in ("board-canvas", "curves-svg"):
        ann.page.get_by_test_id(name).evaluate("element => { element.known = true; }")
    ann.press("Start")
    ann.until(lambda: board.get_attribute("data-run") not in (None, example), "the new run on the board")
    for name in ("board-canvas", "curves-svg"):
        assert ann.page.get_by_test_id(name).evaluate("element => element.known === true"), name
    ann.press("Stop")
    ann.stopped()


def typed(one: tuple[str, ...]) -> bool:
    """Whether one types into it; a list that is closed is none."""
    tag, kind, role, _ = one
    return tag == "TEXTAREA" or tag == "INPUT" and kind in ("text", "number", "search") and role != "combobox"


def test_a_runs_shortcuts_work_wherever_the_focus_is_but_in_a_field(visitors, server):
    ann = visitors()
    server.gates.hold(STILL.key(), 1)
    ann.visit(f"?{asking_for(STILL)}")
    ann.sees("An example that ships with the explorer")
    ann.press("Start")
    ann.until(lambda: ann.button("Pause").is_enabled(), "the owner's buttons")
    ann.press("Pause")
    ann.until(lambda: ann.job() == "paused", "the hold")
    options = ann.page.get_by_role("option")
    tried, state = set(), "paused"
    for one in ann.focuses(unless=lambda one: one[0] == "A"):  # in the menu it is as on a button
        tried.add(one[:3])
        ann.page.keyboard.press("p")
        if typed(one):
            ann.page.keyboard.press("Backspace")
            continue
        state = "training" if state == "paused" else "paused"
        ann.until(lambda state=state: ann.job() == state, f"{state} by a key on {one}")
        assert options.count() == 0, f"a key on {one} opened a list"
    assert {
        ("INPUT", "range", ""),
        ("INPUT", "checkbox", "switch"),
        ("INPUT", "text", "combobox"),
        ("INPUT", "text", ""),
    } <= tried
    assert ann.job() == state  # typing changed nothing
    if state == "training":  # a page that is drawn anew each moment closes its lists
        ann.press("Pause")
        state = "paused"
        ann.until(lambda: ann.job() == state, "the hold")
    box = ann.page.get_by_role("combobox", name="Pace")
    box.press("ArrowDown")
    options.first.wait_for()
    ann.page.keyboard.press("p")  # an open list is searched
    ann.until(lambda: box.input_value() == "p", "the letter in the list's search")
    assert ann.job() == state
    ann.page.keyboard.press("Escape")
    ann.page.keyboard.press("x")
    ann.stopped()


def own(one: tuple[str, ...]) -> bool:
    """Whether the arrows are its own."""
    tag, _, role, _ = one
    plain = tag in ("A", "BUTTON", "SUMMARY", "MAIN") and role not in ("tab", "slider", "radio")
    return not plain


def test_the_arrows_move_the_film_unless_they_are_the_focused_controls_own(visitors, server):
    spec = digits(seed=31, max_epochs=9, target_accuracy=0.95)
    list(experiment.run(spec, server.store))
    ann = visitors()
    ann.visit(f"spectra?run={spec.key()}&at=4")
    film = ann.page.get_by_test_id("film")
    ann.until(lambda: film.count() and film.get_attribute("data-at"), "the film")
    at, forth, tried = int(film.get_attribute("data-at")), True, set()
    for one in ann.focuses(unless=own):
        tried.add(one[0])
        ann.page.keyboard.press("Alt+ArrowUp")  # a browser's own
        ann.page.keyboard.press("ArrowRight" if forth else "ArrowLeft")
        at, forth = at + (1 if forth else -1), not forth
        ann.until(lambda at=at: int(film.get_attribute("data-at")) == at, f"moment {at} by a key on {one}")
    assert {"A", "BUTTON"} <= tried
    before = film.get_attribute("data-at")
    for _ in ann.focuses(unless=lambda one: not own(one) or one[0] != "INPUT"):
        ann.page.keyboard.press("ArrowLeft")
    ann.page.keyboard.press("Escape")
    assert film.get_attribute("data-at") == before


def test_the_keys_of_lecture_mode_work_wherever_the_focus_is(visitors):
    ann = visitors()
    ann.visit("slider?lecture=1")
    stage = ann.page.get_by_test_id("stage")
    ann.until(lambda: stage.count() and stage.get_attribute("data-painted"), "the stage")
    tried = []
    for one in ann.focuses(unless=typed):
        tried.append(one[0])
        number = len(tried) % 6 + 1
        ann.page.keyboard.press(str(number))
        ann.until(
            lambda number=number: stage.evaluate("root => root.stage.state.view") == number,
            f"view {number} by a key on {one}",
        )
    assert "BUTTON" in tried


@pytest.mark.parametrize("file", sorted(PAGES.rglob("*.js")), ids=lambda file: file.stem)
def test_every_handler_of_keys_asks_the_one_function(file):
    text = file.read_text("utf-8")
    handlers = text.count('addEventListener("keydown"')
    asks = len(re.findall(r"\bis(?:Plain|Free)\(", text))
    assert asks >= handlers - text.count('"keydown", stepped') + ('"keydown", stepped' in text)
    assert file.name == "shared.js" or not re.search(r"event\.(?:ctrlKey|metaKey|altKey)|isContentEditable", text)
