"""The page "Against a penalty", in a real Chromium on a real server: what is on the screen is what the core says, live too."""

import re

import numpy as np
import pytest
from serving import DESKTOP, LAPTOP, TEXTS, Visitor, times_a_plain_page, visits
from small import digits

from core import experiment
from core.artifacts import Sources
from core.artifacts.kept import Artifacts
from core.claims import penalty, random_cuts, spectral_models
from core.claims.penalty_search import SearchOf
from core.publish.example import EXAMPLE
from core.spec import RunSpec
from core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SHIPPED = RunSpec().key()
SPEC = digits(seed=31)
LIVE = digits(seed=33, max_epochs=40, target_accuracy=1.0)
MODELS = ("soft", "hard", "scaling", "random")
FIND, STOP, GO_ON = "Find the λ that ends with the same nuclear norm", "Stop the search", "Go on with the search"

# One line of a plot as values: its points, read off by two grid lines and the words beside them.
VALUES = """(box, kind) => {
  const lines = [...box.querySelectorAll('.plot-grid, .plot-zero')].map((line) => Number(line.getAttribute('y1')));
  const words = [...box.querySelectorAll('svg > g:first-child text[text-anchor=end]')].map((text) => Number(text.textContent));
  const [y0, y1, v0, v1] = [lines[0], lines.at(-1), words[0], words[lines.length - 1]];
  const path = box.querySelector(`path[data-kind=${kind}]`);
  if (!path) return null;
  const points = path.getAttribute('d').slice(1).split(/[ML]/).map((point) => Number(point.split(' ')[1]));
  return points.map((y) => v0 + ((y - y0) * (v1 - v0)) / (y1 - y0));
}"""


class Judge(Visitor):
    """A visitor of the page on the penalty."""

    @property
    def cuts(self):
        return self.page.get_by_test_id("penalty")

    @property
    def search(self):
        return self.page.get_by_test_id("strength")

    def data(self, name: str, of=None) -> str:
        return (of or self.cuts).get_attribute(f"data-{name}") or ""

    def open(self, key: str, more: str = "") -> None:
        self.visit(f"penalty?run={key}{more}")
        self.until(lambda: self.cuts.count() and self.data("run") == key, "the cuts of the run")

    def is_drawn(self) -> None:
        self.until(lambda: self.data("drawn") == self.data("cuts") != "", "all random cuts")
        self.until(lambda: self.word(), "the verdict")

    def word(self) -> str:
        return self.page.get_by_test_id("verdict").get_attribute("data-word")

    @property
    def tabs(self):
        return self.page.get_by_test_id("penalty-steps").get_by_role("tab")

    def has_tries(self, count: int) -> None:
        self.until(lambda: self.data("tries", self.search) == str(count), f"try {count} of the search")

    def shows(self, number: int) -> None:
        self.until(lambda: self.data("cut") == str(number), f"cut {number}; it is {self.data('cut')}")
        assert [tab.get_attribute("aria-selected") for tab in self.tabs.all()].index("true") == number - 1
        assert f"cut={number}" in self.page.url or number == 1

    def line(self, kind: str, layer: int = 0) -> list[float] | None:
        return self.cuts.locator(".spectrum").nth(layer).evaluate(VALUES, kind)

    def rows(self, of=None) -> list[list[str]]:
        rows = (of or self.cuts).locator("tbody tr").all()
        return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]

    def mark(self) -> None:
        """Marks the elements' nodes, so that `same_nodes` knows them again."""
        for place in self._nodes():
            place.evaluate("element => { element.known = true; }")

    def same_nodes(self) -> bool:
        return all(place.evaluate("element => element.known === true") for place in self._nodes())

    def _nodes(self) -> tuple:
        return (
            self.cuts,
            self.search,
            self.page.get_by_test_id("penalty-dots"),
            self.page.get_by_test_id("strength-search"),
        )


@pytest.fixture
def judges(chromium, server):
    with visits(Judge, chromium, server) as make:
        yield make


@pytest.fixture(scope="module")
def stored(server) -> str:
    """A finished run of the server's own."""
    list(experiment.run(SPEC, server.store))
    return SPEC.key()


def compared(store: Store, spec: RunSpec) -> tuple[list, list]:
    """The cuts of a run and, per cut, the likeness of each layer."""
    run = penalty.cuts(store, spec, spec.key())
    return run, [penalty.compare(cut, random_cuts.drawn(store, spec, spec.key(), cut.epoch).random) for cut in run]


def rounded(share: float) -> str:
    return f"{share * 100:.0f}\u202f%"


# Cuts


def test_the_first_visit_shows_the_shipped_run_its_verdict_and_how_that_is_decided(judges):
    ann = judges()
    ann.visit()
    ann.page.get_by_role("link", name="Against a penalty").click()
    ann.until(lambda: ann.cuts.count() and ann.data("run") == SHIPPED, "the shipped run")
    ann.is_drawn()
    ann.until(lambda: ann.linked() == SHIPPED, "its name in the link")
    assert ann.tabs.count() == 5
    run, likenesses = compared(Store(EXAMPLE), RunSpec())
    verdict = penalty.verdict(
        run, {c.epoch: tuple(one and one.random for one in found) for c, found in zip(run, likenesses, strict=True)}
    )
    assert ann.word() == verdict.word
    ann.sees(verdict.sentence)
    ann.page.get_by_text("How this is decided").click()
    ann.sees(re.compile(re.escape(verdict.rule[:60])))


def test_with_results_stored_the_first_paint_takes_no_more_than_three_times_that_of_a_plain_page(judges, server):
    first = judges()
    first.open(SHIPPED)
    first.is_drawn()
    painted = lambda ann: ann.cuts.locator("path[data-kind=now]").first.wait_for()  # noqa: E731
    assert times_a_plain_page(judges, f"penalty?run={SHIPPED}", painted) < 3
    assert server.process.poll() is None


def test_every_figure_of_every_cut_is_the_cores(judges, server, stored):
    ann = judges()
    ann.open(stored)
    ann.is_drawn()
    run, likenesses = compared(server.store, SPEC)
    for c, (cut, found) in enumerate(zip(run, likenesses, strict=True)):
        ann.tabs.nth(c).click()
        ann.shows(c + 1)
        words = ann.tabs.nth(c).inner_text()
        assert (
            f"Cut {c + 1}" in words
            and f"epoch {cut.epoch}" in words
            and f"{cut.zero[1] * 100:.0f}\u202f% zero" in words
        )
        for layer, (row, likeness) in enumerate(zip(ann.rows(), found, strict=True)):
            assert row[0] == f"Hidden {layer + 1}" and float(row[1]) == pytest.approx(
                likeness.soft.parameter, rel=0.006
            )
            distances = {name: one.distance for name, one in likeness.descriptions.items()}
            assert [cell.strip() for cell in row[2:6]] == [rounded(distances[name]) for name in MODELS]
            marked = ann.cuts.locator("tbody tr").nth(layer).locator("td.nearest")
            assert marked.count() == 1 and marked.inner_text() == rounded(min(distances.values()))
            assert row[6] == f"{likeness.nuclear_before:.1f} → {likeness.nuclear_after:.1f}"
            assert row[7] == f"{cut.alive[0][layer]} → {cut.alive[1][layer]}"
            for name, distance in distances.items():
                mark = ann.cuts.locator(f"path[data-at='{name} {c} {layer}']")
                assert float(mark.get_attribute("data-distance")) == pytest.approx(distance, abs=1e-6)


def test_the_plots_draw_the_drop_and_the_values_themselves_linear_and_log(judges, server, stored):
    ann = judges()
    ann.open(stored)
    ann.is_drawn()
    run, likenesses = compared(server.store, SPEC)
    before, after, likeness = run[0].before[0], run[0].after[0], likenesses[0][0]
    models = {name: one.values for name, one in likeness.descriptions.items()}
    top = float(before[0])
    for kind, values in ({"now": after} | models).items():
        assert np.allclose(ann.line(kind), before - values, atol=0.015 * top), kind
    assert ann.line("before") is None
    ann.cuts.get_by_role("button", name="values", exact=True).click()
    for kind, values in ({"now": after, "before": before} | models).items():
        shown = ann.line(kind)
        there = np.asarray(values)[: len(shown)]
        assert np.allclose(shown, there, atol=0.015 * top) and np.all(np.asarray(values)[len(shown) :] < 0.01 * top), (
            kind
        )
    linear = ann.cuts.locator(".spectrum").first.locator("path[data-kind=soft]").get_attribute("d")
    ann.cuts.get_by_role("button", name="log", exact=True).click()
    assert ann.cuts.locator(".spectrum").first.locator("path[data-kind=soft]").get_attribute("d") != linear
    ann.cuts.get_by_role("button", name="drop", exact=True).click()
    assert not ann.cuts.get_by_role("group", name="Scale", exact=True).is_visible()  # a drop of 0 has no logarithm


def test_a_cut_is_chosen_by_tab_keys_and_dot_and_the_link_restores_it(judges, stored):
    ann = judges()
    ann.open(stored)
    ann.is_drawn()
    ann.shows(1)
    ann.tabs.first.focus()
    ann.page.keyboard.press("ArrowRight")
    ann.shows(2)
    assert ann.tabs.nth(1).evaluate("tab => tab.getRootNode().activeElement === tab")
    ann.page.keyboard.press("End")
    ann.shows(3)
    ann.page.keyboard.press("ArrowRight")
    ann.shows(3)
    ann.page.keyboard.press("Home")
    ann.shows(1)
    dots = ann.page.get_by_test_id("penalty-dots")
    ann.cuts.locator("path[data-at='soft 1 0']").click()
    ann.shows(2)
    dots.focus()
    ann.page.keyboard.press("ArrowDown")
    ann.shows(3)
    sentence = ann.page.get_by_test_id("penalty-sees").inner_text()
    assert sentence.startswith("Cut 3 of 3, at epoch ")
    ann.page.reload()
    ann.until(lambda: ann.cuts.count() and ann.data("cut") == "3", "the cut of the link")
    assert ann.linked() == stored
    bob = judges()
    bob.open(stored, "&cut=2")
    bob.shows(2)
    for nonsense in ("0", "x", "-1", "99"):
        bob.open(stored, f"&cut={nonsense}")
        assert 1 <= int(bob.data("cut")) <= 3


def test_each_line_can_be_switched_off_and_on(judges, stored):
    ann = judges()
    ann.open(stored)
    ann.is_drawn()
    keys = ann.cuts.get_by_role("group", name="Lines of the plots")
    for kind, words in ((one.name, one.words) for one in spectral_models.models()):
        button = keys.get_by_role("button", name=words)
        assert button.get_attribute("aria-pressed") == "true" and ann.line(kind) is not None
        button.press("Enter")
        assert button.get_attribute("aria-pressed") == "false" and ann.line(kind) is None
    keys.get_by_role("button", name="soft threshold").click()
    assert ann.line("soft") is not None and ann.line("hard") is None
    ann.tabs.nth(1).click()
    assert ann.line("hard") is None  # stays off on another cut


# The search for λ


def test_a_search_is_made_of_tries_that_come_into_the_same_element(judges, server, stored):
    ann, bob = judges(), judges(LAPTOP)
    ann.open(stored)
    bob.open(stored)
    ann.is_drawn()
    bob.is_drawn()
    ann.mark()
    job = server.gates.hold(f"strength-{stored}", 1)
    ann.page.get_by_role("button", name=FIND).click()
    for tries in (1, 2):
        server.gates.hold(job, tries)
        ann.has_tries(tries)
        ann.sees(f"Try {tries + 1} is being trained")
    server.gates.open(job)
    seen = []

    def found() -> bool:
        seen.append(int(ann.data("tries", ann.search) or 0))
        return ann.data("found", ann.search) != ""

    ann.until(found, "the λ that is searched for")
    assert seen == sorted(seen), seen
    assert ann.same_nodes()
    ann.until(lambda: not ann.page.get_by_test_id("strength-job").is_visible(), "the end of the search")
    assert ann.page.get_by_role("button", name=FIND).count() == 0
    search = Artifacts(server.cache).get(SearchOf(stored), Sources(server.store))
    discs = ann.search.locator("circle.try")
    nuclear = [float(disc.get_attribute("data-nuclear")) for disc in discs.all()]
    assert nuclear == pytest.approx([one.nuclear for one in search.tries])
    heights = [float(disc.get_attribute("cy")) for disc in discs.all()]
    assert np.corrcoef(nuclear, heights)[0, 1] < -0.9999 or len(set(nuclear)) < 3
    goal = float(ann.search.locator("line.goal").get_attribute("y1"))
    assert abs(heights[search.found] - goal) < 4
    for row, end in zip(ann.rows(ann.search), (None, search.tries[search.found], search.tries[0]), strict=True):
        if end is None:
            network = server.store.network(stored)
            accuracy, zero = server.store.log(stored)[-1]["test_accuracy"], network.sparsity()
            alive, total = (
                [int(one.sum()) for one in network.alive()],
                sum(np.linalg.norm(w, "nuc") for w in network.weights[:-1]),
            )
        else:
            accuracy, zero, alive, total = end.test_accuracy, end.zero, end.alive, end.nuclear
        assert float(row[1].rstrip("\u202f%")) == pytest.approx(100 * accuracy, abs=0.051)
        assert float(row[2].rstrip("\u202f%")) == pytest.approx(100 * zero, abs=0.051)
        assert row[3] == f"{sum(alive)} of 40" and float(row[4]) == pytest.approx(total, abs=0.06)
    ann.sees(re.compile(r"ends with a nuclear norm of .* the same within 1 %"))
    assert bob.data("found", bob.search) == ""  # it did not move there: nothing polls where nothing was asked for
    bob.page.reload()
    bob.until(lambda: bob.data("found", bob.search) == str(search.found), "the result, at once, for another visitor")
    assert bob.page.get_by_role("button", name=FIND).count() == 0


def test_a_search_that_is_stopped_keeps_its_tries_and_goes_on(judges, server):
    spec = digits(seed=32)
    list(experiment.run(spec, server.store))
    ann = judges()
    ann.open(spec.key())
    for tries in (1, 2):
        job = server.gates.hold(f"strength-{spec.key()}", tries)
        ann.page.get_by_role("button", name=FIND if tries == 1 else GO_ON).click()
        ann.has_tries(tries)
        ann.sees(f"Try {tries + 1} is being trained")
        ann.page.get_by_role("button", name=STOP).click()
        ann.page.get_by_role("button", name=GO_ON).wait_for()
        assert ann.data("tries", ann.search) == str(tries) and ann.data("found", ann.search) == ""
    server.gates.open(job)


# While the run is trained


def test_the_cuts_of_a_run_under_way_come_into_the_same_element(judges, server):
    ann = judges()
    key = server.gates.hold(LIVE.key(), 1)
    ann.starts(LIVE)
    ann.until(lambda: server.epochs(key) == 1, "the first epoch")
    ann.page.get_by_role("link", name="Against a penalty").click()
    server.trains_to_cut(key, 1)
    ann.until(lambda: ann.cuts.count() and ann.data("run") == key and ann.data("cuts") == "1", "the first cut")
    assert ann.linked() == key
    ann.mark()
    for cut in (2, 3):
        server.trains_to_cut(key, cut)
        ann.until(lambda cut=cut: ann.data("cuts") == ann.data("cut") == str(cut), f"cut {cut}, which is followed")
    ann.tabs.first.click()
    ann.shows(1)
    assert ann.page.get_by_role("button", name=FIND).is_disabled()
    ann.until(lambda: ann.data("drawn") == "3", "its random cuts")
    assert ann.same_nodes() and ann.data("cut") == "1"
    ann.visit(f"?run={key}")
    ann.press("Stop")
    ann.stopped()


def test_a_run_that_has_no_cut_yet_and_one_that_diverged_say_so(judges, server):
    spec = digits(seed=34, learning_rate=1e6, max_epochs=3)
    list(experiment.run(spec, server.store))
    ann = judges()
    ann.visit(f"penalty?run={spec.key()}")
    ann.sees("The network of this run diverged")
    assert ann.page.get_by_role("button", name=FIND).count() == 0
    ann.until(lambda: ann.word() == "can't tell", "the verdict")


# Looks


@pytest.mark.parametrize("viewport", [DESKTOP, LAPTOP], ids=["hall", "laptop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen_and_can_be_read(judges, stored, viewport, scheme):
    ann = judges(viewport, color_scheme=scheme)
    ann.open(stored)
    ann.is_drawn()
    least = 18 if viewport is DESKTOP else 16
    for element in (ann.cuts, ann.search):
        small = [(words, size) for words, size in element.evaluate(TEXTS) if size < least]
        assert not small
        assert element.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
    assert ann.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    names = ann.cuts.evaluate(
        "root => [...root.querySelectorAll('svg[role=img]')].map((one) => one.getAttribute('aria-label'))"
    )
    assert all(names) and len(names) == 3
