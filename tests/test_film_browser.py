"""The film of a run's singular values, in a real Chromium on a real server: what is on the screen is what the core says."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from serving import DESKTOP, LAPTOP, SECONDS, TEXTS, Visitor, visits
from small import digits
from waiting import wait_until

from core import experiment, spectra
from core.artifacts import Sources
from core.artifacts.kept import Artifacts
from core.claims import random_cuts, spectral_history
from core.claims.spectral_history import History, HistoryOf
from core.publish.example import EXAMPLE
from core.spec import RunSpec
from core.store import Store
from pages.claims import histories

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAGES = Path(__file__).parents[1] / "pages"
SHIPPED = RunSpec().key()
LIVE = digits(seed=25, learning_rate=0.02, max_epochs=40, target_accuracy=1.0)
SPEC = digits(seed=21, max_epochs=9, target_accuracy=0.95)

# Puts the element up, takes it down and puts it up again, as Streamlit may; how many groups of buttons it has each time.
AGAIN = """async ({ js, html }) => {
  const { default: mount } = await import(URL.createObjectURL(new Blob([js], { type: "text/javascript" })));
  const parentElement = document.body.appendChild(document.createElement("div"));
  parentElement.innerHTML = html;
  const counts = [];
  for (let time = 0; time < 2; time++) {
    const close = mount({ parentElement, data: null, setStateValue() {}, setTriggerValue() {} });
    counts.push(parentElement.querySelectorAll(".switch").length);
    close();
  }
  return counts;
}"""

# Calls for one element as Streamlit makes them under load: a clean-up right after its call says that a newer one overtook it.
OVERTAKEN = """async (js) => {
  const { default: mount } = await import(URL.createObjectURL(new Blob([js], { type: "text/javascript" })));
  const parentElement = document.body.appendChild(document.createElement("div"));
  parentElement.innerHTML = "<p></p>";
  const stays = () => new Promise((done) => setTimeout(done, 20));
  globalThis.told = [];
  const call = (data) => mount({ parentElement, data, setStateValue() {}, setTriggerValue() {} });
  const first = call("overtaken");
  const second = call("new");
  first(); // in their order: nothing is taken back
  await stays();
  call("late")(); // made after a newer one: that is shown again
  await stays();
  const third = call("newest");
  await stays();
  second(); // long over
  third(); // the end
  call("again");
  return told;
}"""
RECORDER = """export default keepMounted("p", () => {
  told.push("made");
  return { show: (data) => told.push(data), close: () => told.push("closed") };
});"""


class Viewer(Visitor):
    """A visitor of the page on low rank."""

    @property
    def film(self):
        return self.page.get_by_test_id("film")

    @property
    def scrubber(self):
        return self.page.get_by_test_id("film-scrubber")

    def data(self, name: str) -> str:
        return self.film.get_attribute(f"data-{name}") or ""

    @property
    def at(self) -> int:
        return int(self.data("at") or -1)

    @property
    def moments(self) -> int:
        return int(self.data("moments"))

    def open(self, key: str, **link) -> None:
        self.visit("spectra?" + "&".join(f"{name}={value}" for name, value in {"run": key, **link}.items()))
        self.until(lambda: self.film.count() and self.data("run") == key and self.data("at") != "", "the film")

    def settled(self) -> None:
        """Waits until the page of live runs is drawn: what is pressed while it still draws itself can be lost."""
        self.sees("An example that ships with the explorer")
        self.page.get_by_test_id("board-canvas").wait_for()

    def has_randoms(self, count: int) -> None:
        self.until(lambda: int(self.data("randoms")) >= count, f"{count} random cuts")

    def goes_to(self, m: int) -> None:
        self.until(lambda: self.at == m, f"moment {m}; it is {self.at}")

    def choose(self, group: str, words: str) -> None:
        self.film.get_by_role("group", name=group, exact=True).get_by_role("button", name=words, exact=True).click()
        self.frame()

    def layer_words(self) -> list[str]:
        """What stands over each layer's plot."""
        return self.film.locator(".spectrum > h3 + p").all_inner_texts()

    def lines(self, layer: int = 0) -> dict[str, str]:
        """By kind the path of each line that is drawn in a layer's plot."""
        paths = self.film.locator(".spectrum").nth(layer).locator("path[data-kind]").all()
        return {path.get_attribute("data-kind"): path.get_attribute("d") for path in paths}

    def rows(self, name: str) -> list[list[str]]:
        """The cells of a table's body."""
        rows = self.page.get_by_test_id(name).locator("tbody tr").all()
        return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]

    def row_texts(self, name: str) -> list[list[str]]:
        """The same where the table is folded away."""
        rows = self.page.get_by_test_id(name).locator("tbody tr").all()
        return [[cell.text_content() for cell in row.locator("th, td").all()] for row in rows]


@pytest.fixture
def viewers(chromium, server):
    with visits(Viewer, chromium, server) as make:
        yield make


@pytest.fixture(scope="module")
def stored(server) -> str:
    """A finished run of the server's own."""
    list(experiment.run(SPEC, server.store))
    return SPEC.key()


def word(name: str, value: float) -> str:
    """As the page writes a figure."""
    if name == "rank":
        return str(round(value))
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def figure(made: History, m: int, layer: int, name: str) -> float:
    return getattr(spectra.from_values(made.moments[m].values[layer], made.shapes[layer]), name)


def over_plots(made: History, m: int) -> list[str]:
    """What has to stand over each layer's plot at moment m."""
    live = made.moments[m].live
    return [
        f"rank {figure(made, m, layer, 'rank'):.0f} · live {inputs} × {out}" for layer, (out, inputs) in enumerate(live)
    ]


def test_the_first_visit_shows_the_shipped_run_and_its_verdict(viewers):
    ann = viewers()
    ann.visit()
    ann.settled()
    ann.page.get_by_role("link", name="Low rank").click()
    ann.until(lambda: ann.film.count() and ann.data("run") == SHIPPED, "the shipped run's film")
    assert ann.linked() == SHIPPED
    store = Store(EXAMPLE)
    made = spectral_history.judged(Artifacts(EXAMPLE), Sources(store), SHIPPED)
    assert ann.moments == len(made.moments)
    ann.has_randoms(5)
    ann.until(lambda: ann.page.get_by_test_id("verdict").get_attribute("data-word") == "fails", "the verdict")
    ann.page.get_by_text("How this is decided").click()
    ann.sees(re.compile("right after one cut that made it narrower"))
    assert (
        ann.data("epoch") == str(made.cut_epochs()[-1])
        and "after cut 5" in ann.page.get_by_test_id("film-now").inner_text()
    )
    assert ann.layer_words() == over_plots(made, ann.at)


def test_keys_pointer_marks_and_buttons_move_through_the_moments(viewers, server, stored):
    made = spectral_history.collect(server.store, stored)
    ann = viewers()
    ann.open(stored)
    last = len(made.moments) - 1
    cuts = [m for m, moment in enumerate(made.moments) if moment.stage]
    ann.goes_to(cuts[-1])  # it begins right after the last cut
    ann.page.keyboard.press("ArrowLeft")  # nothing has the focus: the film listens all the same
    ann.goes_to(cuts[-1] - 1)
    assert "before cut 3" in ann.page.get_by_test_id("film-now").inner_text()
    for m in (0, cuts[0], last):
        ann.scrubber.press("Home")
        ann.goes_to(0)
        for _ in range(m):
            ann.scrubber.press("ArrowRight")
        ann.goes_to(m)
        assert ann.layer_words() == over_plots(made, m)
        assert ann.scrubber.get_attribute("aria-valuenow") == str(m)
    ann.scrubber.press("ArrowRight")
    ann.goes_to(last)
    for wanted in reversed([0, *cuts]):
        ann.scrubber.press("PageUp")
        ann.goes_to(wanted)
    for wanted in (*cuts, last):
        ann.page.get_by_role("button", name="cut ▸").click()
        ann.goes_to(wanted)
    ann.page.get_by_test_id("film-cut-2").click()
    ann.goes_to(cuts[1])
    box = ann.page.locator(".film-track").bounding_box()
    ann.page.mouse.click(box["x"] + box["width"] * 0.995, box["y"] + box["height"] / 2)
    ann.goes_to(last)
    chart = ann.film.locator(".chart svg").first
    chart.press("Home")
    ann.goes_to(0)


def test_it_plays_to_the_end_and_stops_where_it_is_told(viewers, server, stored):
    ann = viewers()
    ann.open(stored, at=0)
    ann.goes_to(0)
    ann.page.get_by_label("speed").select_option("8")
    ann.film.locator("h2").first.click()  # away from the menu
    # The page itself notes each moment it shows: who asks from outside can be slower than the film.
    ann.film.evaluate(
        """(film) => {
          window.shown = [];
          const note = () => window.shown.push(Number(film.dataset.at));
          new MutationObserver(note).observe(film, { attributeFilter: ["data-at"] });
        }"""
    )
    ann.page.keyboard.press(" ")
    ann.until(lambda: ann.at == ann.moments - 1, "the end of the film")
    seen = ann.page.evaluate("() => window.shown")
    assert seen == sorted(seen) and len(set(seen)) > ann.moments / 3
    ann.until(lambda: ann.page.get_by_test_id("film-play").get_attribute("aria-pressed") == "false", "the stop")
    ann.page.get_by_label("speed").select_option("1")
    ann.page.get_by_test_id("film-play").click()  # from the end it begins anew
    ann.until(lambda: ann.at < 3, "the beginning")
    ann.page.get_by_test_id("film-play").click()
    stopped = ann.at
    ann.page.evaluate("() => new Promise((done) => setTimeout(done, 1500))")  # more than a step
    assert ann.at == stopped


def test_what_is_read_off_the_plots_is_what_the_core_says(viewers, server, stored):
    made = spectral_history.collect(server.store, stored)
    m = next(m for m, moment in enumerate(made.moments) if moment.stage)
    ann = viewers()
    ann.open(stored, at=f"{made.moments[m].epoch}.1")
    ann.has_randoms(3)
    ann.goes_to(m)
    chance = random_cuts.drawn(server.store, SPEC, stored, made.moments[m].epoch)
    for layer in range(2):
        plot = ann.film.locator(".spectrum").nth(layer)
        plot.locator("svg").press("Home")
        now, before, start = (made.moments[i].values[layer][0] for i in (m, m - 1, 0))
        told = plot.locator("p.faint").inner_text()
        for name, value in (
            ("now", now),
            ("before", before),
            ("start", start),
            ("random cut", chance.values[layer][0][0]),
        ):
            said = float(re.search(rf"{name} ([\d.]+)", told)[1])
            assert said == pytest.approx(value, rel=6e-3), (name, told)
        plot.locator("svg").press("Escape")
        told = plot.locator("p.faint").inner_text()
        stable, effective = (figure(made, m, layer, name) for name in ("stable_rank", "effective_rank"))
        means = [
            chance.figures[layer][:, spectral_history.FIGURES.index(name)].mean()
            for name in ("stable_rank", "effective_rank")
        ]
        one, two, three, four = (word("", value) for value in (stable, means[0], effective, means[1]))
        assert told == f"stable {one} (random {two}), effective {three} ({four})"
    assert set(ann.lines()) == {"now", "start", "before", "random", "bulk", "after"}

    # The changes, absolute and relative, from before the cut and from the start.
    for show, against in (("absolute change", "from before the cut"), ("relative change", "from the start")):
        ann.choose("What is drawn", show)
        ann.choose("Change from", against)
        base = made.moments[m - 1 if "cut" in against else 0].values[0]
        change = made.moments[m].values[0][0] - base[0]
        plot = ann.film.locator(".spectrum").first
        plot.locator("svg").press("Home")
        told = plot.locator("p.faint").inner_text().replace("−", "-")
        said = float(re.search(r"now ([+-]?[\d.]+)", told)[1])
        wanted = change if "absolute" in show else 100 * change / base[0]
        assert said == pytest.approx(wanted, rel=6e-3, abs=0.51 if "relative" in show else 1e-3), told


def test_the_tables_hold_the_cores_figures(viewers, server, stored):
    made = spectral_history.collect(server.store, stored)
    ann = viewers()
    ann.open(stored)
    ann.has_randoms(3)
    epochs = made.cut_epochs()
    full = made.with_randoms(random_cuts.drawn(server.store, SPEC, stored, epoch) for epoch in epochs)
    found = ann.row_texts("film-table")
    assert len(found) == 2 * len(epochs)
    for c, epoch in enumerate(epochs):
        before = next(m for m, moment in enumerate(made.moments) if moment.epoch == epoch)
        later_epoch = epochs[c + 1] if c + 1 < len(epochs) else made.moments[-1].epoch
        following = next(m for m, moment in enumerate(made.moments) if moment.epoch == later_epoch)
        for layer in range(2):
            row = found[2 * c + layer]
            out, inputs = made.moments[before + 1].live[layer]
            assert row[1] == f"Hidden {layer + 1}" and row[2].endswith(f"{inputs} × {out}")
            for i, name in enumerate(("rank", "stable_rank", "effective_rank")):
                random = full.random(epoch).figures[layer][:, i].mean()
                wanted = [figure(made, before, layer, name), figure(made, before + 1, layer, name), random]
                later = word(name, figure(made, following, layer, name)) if following > before + 1 else "–"
                assert row[3 + 4 * i : 7 + 4 * i] == [*(word(name, value) for value in wanted), later]
    rank = ann.rows("film-drop")[0]
    together = [sum(figure(made, m, layer, "rank") for layer in range(2)) for m in (0, len(made.moments) - 1)]
    assert (rank[1], rank[-1]) == tuple(str(value) for value in together)
    ann.choose("Figures in the tables", "norms")
    ann.until(lambda: ann.rows("film-drop")[0][0] == "spectral norm", "the norms")


def test_log_and_linear_and_lines_switched_off(viewers, stored):
    ann = viewers()
    ann.open(stored)
    linear = ann.lines()["now"]
    ann.choose("Scale", "log")
    ann.until(lambda: ann.lines()["now"] != linear, "the log scale")
    ann.choose("Scale", "linear")
    ann.until(lambda: ann.lines()["now"] == linear, "the linear scale again")
    key = ann.film.locator(".plot-keys button[data-kind=start]")
    key.click()
    ann.until(lambda: "start" not in ann.lines(), "the line to go")
    assert key.get_attribute("aria-pressed") == "false"
    key.click()
    ann.until(lambda: "start" in ann.lines(), "the line to come back")
    ann.choose("Figure over time", "nuclear norm")
    ann.sees("Nuclear norm over the epochs")


def test_a_link_brings_back_what_was_seen(viewers, server, stored):
    made = spectral_history.collect(server.store, stored)
    epoch = made.cut_epochs()[0]
    ann = viewers()
    ann.open(stored)
    ann.page.get_by_test_id("film-cut-1").click()
    ann.choose("What is drawn", "relative change")
    ann.choose("Figure over time", "stable rank")
    ann.until(lambda: f"at={epoch}.1" in ann.page.url and "show=relative" in ann.page.url, "the link")
    bob = viewers()
    bob.page.goto(ann.page.url)
    bob.until(lambda: bob.film.count() and bob.data("run") == stored, "the film")
    bob.goes_to(ann.at)
    bob.sees("Stable rank over the epochs")
    pressed = bob.film.get_by_role("group", name="What is drawn").locator("[aria-pressed=true]")
    assert pressed.inner_text() == "relative change"
    assert bob.layer_words() == ann.layer_words()
    assert bob.linked() == stored and f"at={epoch}.1" in bob.page.url  # the page has not overwritten it
    carl = viewers()
    carl.visit("spectra?run=0123456789abcdef")
    carl.sees("which is not possible: that run is not stored here")
    carl.until(lambda: carl.film.count() and carl.data("run") == SHIPPED, "the shipped run")


def test_a_run_is_followed_while_it_trains_and_the_element_stays(viewers, server):
    ann, asked = viewers(), []
    ann.page.on("websocket", lambda socket: socket.on("framesent", lambda _: asked.append(time.monotonic())))
    key = server.gates.hold(LIVE.key(), 1)
    ann.starts(LIVE)
    ann.until(lambda: server.epochs(key) == 1, "the first epoch")
    ann.page.get_by_role("link", name="Low rank").click()
    ann.until(lambda: ann.film.count() and ann.data("run") == key and ann.data("at"), "its film")
    parts = [ann.film, ann.scrubber, ann.film.locator(".spectrum svg").first, ann.film.locator(".chart svg").first]
    for part in parts:
        part.evaluate("element => { element.known = true; }")
    for _ in range(2):
        first = ann.moments
        server.trains(key, 1)
        ann.until(lambda first=first: ann.moments > first, "the film to grow")
        ann.goes_to(ann.moments - 1)  # it follows the end
    server.trains_to_cut(key, 1)
    ann.has_randoms(1)
    ann.until(lambda: ann.page.get_by_test_id("verdict").get_attribute("data-word"), "a verdict")
    ann.sees("The run is still training")
    ann.scrubber.press("Home")
    ann.goes_to(0)
    there = ann.moments
    server.trains(key, 1)
    ann.until(lambda: ann.moments > there, "the film to grow on")
    assert ann.at == 0  # who looks at the start is left there
    assert all(part.evaluate("element => element.known === true") for part in parts)
    server.gates.open(key)
    wait_until(lambda: server.store.open(key).finished, SECONDS / 1000, what="the run's end")
    ann.until(lambda: ann.moments == len(spectral_history.collect(server.store, key).moments), "all of its moments")
    artifacts, sources = Artifacts(server.cache), Sources(server.store)
    kept = wait_until(lambda: artifacts.get(HistoryOf(key), sources), what="the history among the artifacts")
    assert len(kept.moments) == ann.moments
    ann.until(lambda: time.monotonic() - asked[-1] > 4 * histories.LIVE_SECONDS, "the end of its questions")
    assert all(part.evaluate("element => element.known === true") for part in parts)


def test_a_thinned_run_that_was_never_filmed_says_what_it_lacks(viewers, server):
    spec = digits(seed=22, max_epochs=9, target_accuracy=0.999, learning_rate=0.02)
    list(experiment.run(spec, server.store))
    server.store.thin(spec.key())
    ann = viewers()
    ann.open(spec.key())
    ann.sees(re.compile(r"epochs? (is|are) no longer stored"))
    ann.until(
        lambda: ann.moments == len(spectral_history.collect(server.store, spec.key()).moments),
        "the moments that are left",
    )


def test_runs_without_cuts_and_runs_that_diverged(viewers, server):
    plain, wild = digits(seed=23, pruning=None, max_epochs=2), digits(seed=24, learning_rate=1e9)
    for spec in (plain, wild):
        list(experiment.run(spec, server.store))
    ann = viewers()
    ann.open(plain.key())
    ann.sees("Can't tell")
    ann.sees("No cut was made so far.")
    ann.scrubber.press("Home")
    ann.goes_to(0)
    bob = viewers()
    bob.open(wild.key())
    bob.scrubber.press("End")
    bob.goes_to(bob.moments - 1)
    bob.sees("diverged: no singular values")


def test_an_element_put_up_again_in_the_same_nodes_is_there_once(viewers):
    ann = viewers()
    ann.page.goto("about:blank")
    scripts = [PAGES / name for name in ("shared/shared.js", "shared/plots/plots.js", "claims/film/film.js")]
    values = {
        "js": "\n".join(file.read_text("utf-8") for file in scripts),
        "html": (PAGES / "claims/film/film.html").read_text("utf-8"),
    }
    counts = ann.page.evaluate(AGAIN, values)
    assert counts[0] == counts[1] > 0


def test_a_call_that_was_overtaken_does_not_close_the_picture_of_the_next(viewers):
    ann = viewers()
    ann.page.goto("about:blank")
    told = ann.page.evaluate(OVERTAKEN, (PAGES / "shared/shared.js").read_text("utf-8") + RECORDER)
    assert told == ["made", "overtaken", "new", "late", "new", "newest", "closed", "made", "again"]


@pytest.mark.parametrize("viewport", [LAPTOP, DESKTOP], ids=lambda size: f"{size['width']}x{size['height']}")
def test_it_fits_the_screen_and_can_be_read(viewers, stored, viewport):
    ann = viewers(viewport)
    for key, count in ((SHIPPED, 4), (stored, 2)):
        ann.open(key)
        ann.has_randoms(3)
        assert ann.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        texts = ann.film.evaluate(TEXTS)
        least = 16 if viewport is LAPTOP else 18
        assert len(texts) > 40 and [words for words, size in texts if size < least] == []
        plots = [plot.bounding_box() for plot in ann.film.locator(".spectrum").all()]
        assert len(plots) == count and len({round(box["y"]) for box in plots}) == 1  # side by side, on the first screen
        assert max(box["y"] + box["height"] for box in plots) <= viewport["height"]
        widths = [
            plot.evaluate("box => box.scrollWidth - box.clientWidth") for plot in ann.film.locator(".plot-box").all()
        ]
        assert np.max(widths) <= 1
