"""Links: every page by its address, on a server that has just started and on one that has not, with the app under a path of its
own and without; every link that a page shows; and Back, which takes one press to where one was."""

import random
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from serving import DESKTOP, Visitor, server_on, visits
from small import digits
from visiting import asking_for

from core import experiment
from core.spec import RunSpec
from core.store import Store
from pages.shared import services

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Each page: what is seen on it and on no other, and what its address says once it is drawn.
PAGES = {
    "": ("text=An example that ships with the explorer", r"^$"),
    "runs": ("text=Tick a row on its left edge", r"^(run=\w+)?$"),
    "compare": ("text=Two runs side by side", r"(?=.*\ba=\w+)(?=.*\bb=\w+)"),
    "slider": ("[data-testid=stage-slider]", r"(?=.*\brun=\w+)(?=.*\bcut=\d+)"),
    "spectra": ("h1:has-text('low-rank')", r"\brun=\w+"),
    "contest": ("[data-testid=contest]", r"(?=.*\brun=\w+)(?=.*\bmatch=\w+)"),
    "penalty": ("[data-testid=penalty]", r"\brun=\w+"),
    "judge": ("h1:has-text('Which of the paper')", r"\bclaim=\w+"),
}
MENU = "[data-testid=stSidebarNavLink]"
STILL = RunSpec(dataset="digits", hidden=(24, 16), learning_rate=1e-6)  # weights hardly move: no cut, no target


class Walker(Visitor):
    """A visitor who goes from page to page."""

    @property
    def at(self) -> str:
        """The page the address names."""
        return urlsplit(self.page.url).path.removeprefix(urlsplit(self._server.url()).path)

    @property
    def says(self) -> str:
        """What the address says of the page."""
        return urlsplit(self.page.url).query

    def is_on(self, path: str) -> str:
        """Waits for the page, and for its address to name what it shows; gives the address."""
        sign, said = PAGES[path]
        self.page.locator(sign).first.wait_for()
        self.until(lambda: self.at == path and re.search(said, self.says), f"the address of “{path}”")
        assert self.page.get_by_text("Page not found").count() == 0
        return self.page.url

    def goes_to(self, path: str) -> str:
        self.page.locator(MENU).nth(list(PAGES).index(path)).click()
        return self.is_on(path)

    def came_to(self, address: str) -> None:
        """Waits for the very address, and for what is seen there."""
        self.until(lambda: self.page.url == address, f"{address} again")
        self.is_on(self.at)

    def links(self) -> set[str]:
        """Where all links of the page lead."""
        return set(self.page.locator("a[href]").evaluate_all("links => links.map((link) => link.href)"))

    def board_of(self, key: str) -> None:
        board = self.page.get_by_test_id("board-canvas")
        self.until(lambda: board.count() and board.get_attribute("data-run") == key, "the run on the board")

    def ticks(self, *rows: int) -> None:
        table = self.page.get_by_test_id("stDataFrame")
        table.wait_for()
        self.page.locator(PAGES["runs"][0]).wait_for()
        box = table.bounding_box()
        for row in rows:
            self.page.mouse.click(box["x"] + 18, box["y"] + 18 + 35 * (row + 1))


@pytest.fixture(scope="module", params=["", "lectures/pruning"], ids=["root", "prefix"])
def house(request, tmp_path_factory):
    """A server under each path, with two runs of its own."""
    cache = tmp_path_factory.mktemp("cache")
    for seed in (0, 1):
        list(experiment.run(digits(seed=seed), Store(cache)))
    with server_on(cache, request.param) as server:
        yield server


@pytest.fixture
def walkers(chromium, house):
    with visits(Walker, chromium, house) as make:
        yield make


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "live")
def test_the_first_visit_of_a_fresh_server_may_be_to_any_page(chromium, tmp_path, path):
    prefix = random.Random(path).choice(["", "x"])
    with server_on(tmp_path / "cache", prefix) as cold, visits(Walker, chromium, cold) as make:
        ann = make(DESKTOP, fresh=True)
        ann.page.goto("about:blank")
        ann.visit(path)
        ann.until(lambda: ann.page.locator(MENU).count() == len(PAGES), "the menu")
        ann.page.locator(PAGES[path][0]).first.wait_for()
        ann.until(lambda: ann.page.get_by_role("dialog").count() == 0, "no word of a page not found")
        ann.is_on(path)
        ann.page.go_back()
        ann.until(lambda: ann.page.url == "about:blank", "where one was before")


def test_back_takes_one_press_to_where_one_was(walkers, house):
    ann, way = walkers(fresh=True), list(PAGES)
    random.Random(house.prefix).shuffle(way)
    ann.page.goto("about:blank")
    ann.visit(way[0])
    addresses = [ann.is_on(way[0]), *(ann.goes_to(path) for path in way[1:])]
    for address in reversed(addresses[:-1]):
        ann.page.go_back()
        ann.came_to(address)
    for address in addresses[1:]:
        ann.page.go_forward()
        ann.came_to(address)
    for address in reversed(addresses[:-1]):
        ann.page.go_back()
        ann.came_to(address)
    ann.page.go_back()
    ann.until(lambda: ann.page.url == "about:blank", "where one was before")


def test_every_link_of_every_page_leads_to_a_page(walkers, house):
    ann, bob, seen = walkers(), walkers(), set()
    ann.visit()
    for path in PAGES:
        ann.goes_to(path)
        links = ann.links()
        assert {house.url(one) for one in PAGES} <= {link.split("?")[0] for link in links}
        assert all(link.startswith(house.url()) for link in links)
        seen |= {link for link in links if "?" in link}
    lectures = [link for link in seen if "lecture=1" in link]
    assert len(lectures) == 1
    for link in sorted(seen):
        bob.page.goto(link)
        bob.is_on(bob.at)
        if link in lectures:
            bob.page.locator(".stage.lecture").wait_for()


@pytest.mark.parametrize("house", ["lectures/pruning"], indirect=True)
def test_buttons_that_lead_elsewhere_lead_back_in_one_press(walkers, house):
    ann, here = walkers(), [run.key for run in house.store.runs()]
    ann.visit("runs")
    listed = ann.is_on("runs")
    ann.ticks(0)
    ann.press("Open")
    ann.until(lambda: ann.at == "" and ann.linked() in here, "the run in the link")
    first = ann.page.url
    ann.press("Drag one slider over this network")
    ann.until(lambda: ann.at == "slider" and ann.linked() == urlsplit(first).query.split("run=")[1], "its slider")
    ann.is_on("slider")
    ann.page.go_back()
    ann.until(lambda: ann.page.url == first, "the run again")
    ann.button("Drag one slider over this network").wait_for()
    ann.page.go_back()
    ann.until(lambda: ann.at == "runs", "the list again")
    ann.page.locator(PAGES["runs"][0]).wait_for()
    assert ann.page.url == listed


@pytest.mark.parametrize("house", ["lectures/pruning"], indirect=True)
def test_come_back_to_a_page_shows_what_it_showed_and_not_what_was_looked_at_since(walkers):
    ann = walkers()
    ann.visit("runs")
    ann.is_on("runs")
    shown = []
    for row in (0, 1):
        ann.ticks(row)
        ann.press("Open")
        ann.until(lambda: ann.at == "" and ann.linked() and ann.page.url not in shown, "the run in the link")
        ann.board_of(ann.linked())
        shown.append(ann.page.url)
        ann.goes_to("runs")
    for address in reversed(shown):
        ann.until(lambda: ann.at == "runs", "the list")
        ann.page.go_back()
        ann.until(lambda address=address: ann.page.url == address, "the run that was opened here")
        ann.board_of(ann.linked())
        assert ann.page.url == address
        ann.page.go_back()


@pytest.mark.parametrize("house", ["lectures/pruning"], indirect=True)
def test_the_pair_side_by_side_is_in_its_link(walkers, house):
    ann, bob = walkers(), walkers()
    ann.visit("runs")
    ann.is_on("runs")
    ann.ticks(1, 2)
    ann.press("Side by side")
    pair = parse_qs(urlsplit(ann.is_on("compare")).query)
    listed = [run.key for run in house.store.runs()] + [run.key for run in services.example().runs()]
    assert (pair["a"], pair["b"]) == ([listed[1]], [listed[2]])
    bob.page.goto(ann.page.url)
    assert bob.is_on("compare") == ann.page.url
    for name in "AB":
        chosen = [one.page.get_by_role("combobox", name=f"Run {name}").input_value() for one in (ann, bob)]
        assert chosen[0] == chosen[1]


@pytest.mark.parametrize("house", ["lectures/pruning"], indirect=True)
def test_whoever_joins_the_run_under_way_has_its_link(walkers, house):
    ann, bob = walkers(), walkers()
    house.gates.hold(STILL.key(), 1)
    ann.visit(f"?{asking_for(STILL)}")
    ann.press("Start")
    ann.until(lambda: ann.linked(), "the run in the link")
    ann.until(lambda: ann.button("Pause").is_enabled(), "the run under way")
    ann.press("Pause")
    ann.button("Go on").wait_for()  # held: nothing else than the press makes the page draw itself anew
    bob.visit()
    bob.press("Watch the run under way")
    bob.until(lambda: bob.linked() == ann.linked(), "the same run in the other's link")
    bob.sees("Started in another browser: you are watching")
    ann.press("Stop")
    ann.stopped()
