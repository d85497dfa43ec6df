"""The PCA contest in a real Chromium on a real server: what is drawn is compared with the networks themselves."""

import re
import shutil

import numpy as np
import pytest
from serving import DESKTOP, LAPTOP, Visitor, server_on, times_a_plain_page, visits
from small import digits

from core import datasets, experiment
from core.artifacts import Sources
from core.artifacts.kept import Artifacts
from core.claims import factors, pca, reductions, retraining
from core.claims.budgets import ARMS, MATCHINGS
from core.publish.example import EXAMPLE
from core.spec import RunSpec
from core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

KEY, TWIN = RunSpec().key(), RunSpec(pruning=None).key()  # the runs that ship
LABELS = {"pca": "PCA", "svd": "SVD", "aware": "Activation-aware"}
MATCHED = {"rank": "Same rank", "numbers": "Same stored numbers", "multiply-adds": "Same multiply-adds"}

# All texts in sight: words and size in CSS px.
TEXTS = """(root) => {
  const found = [], walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || element.closest('.said, title') || !element.checkVisibility()) continue;
    const scale = element.ownerSVGElement ? element.getScreenCTM().a : 1;
    found.push([walk.currentNode.data.trim(), parseFloat(getComputedStyle(element).fontSize) * scale]);
  }
  return found;
}"""

# Pairs of texts of one plot that lie over each other, and texts that stick out of the page.
CLASHES = """(root) => {
  const found = [];
  const seen = [...root.querySelectorAll('svg text')].filter((e) => e.checkVisibility());
  const boxes = seen.map((e) => [e, e.getBoundingClientRect()]);
  for (const [e, a] of boxes) {
    if (a.right > innerWidth + 1 || a.left < -1) found.push([e.textContent, 'out']);
    for (const [f, b] of boxes) {
      if (e === f || e.ownerSVGElement !== f.ownerSVGElement || e.compareDocumentPosition(f) & 2) continue;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (wide > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6) found.push([e.textContent, f.textContent]);
    }
  }
  for (const e of root.querySelectorAll('section, table, .duel-way')) {
    if (e.scrollWidth > e.clientWidth + 2) found.push([e.className, 'overflows']);
  }
  return found;
}"""


class Judge(Visitor):
    """A visitor of the page "The PCA contest"."""

    def open(self, link: str = f"run={KEY}") -> None:
        self.visit(f"contest?{link}")
        self.shown()

    def shown(self) -> None:
        self.page.locator("[data-testid=contest][data-ready=true][data-stop]").wait_for()

    @property
    def root(self):
        return self.page.get_by_test_id("contest")

    @property
    def chart(self):
        return self.page.get_by_test_id("contest-chart")

    def match(self, name: str) -> None:
        self.root.locator(f".tools [data-value='{name}']").first.click()
        self.page.get_by_test_id("verdict").get_by_text(f"At the {MATCHED[name].lower()}").wait_for()

    def stop(self) -> dict:
        """Where the cursor stands: the row of each arm."""
        return self.root.evaluate("root => root.contest.stop")

    def table(self) -> dict[str, list[str]]:
        rows = (
            self.page.get_by_test_id("contest-table")
            .locator("tbody tr")
            .evaluate_all(
                "rows => rows.map(row => [row.dataset.network, [...row.querySelectorAll('td')].map(cell => cell.textContent)])"
            )
        )
        return {name: [cell.replace("\u202f", "").replace(",", "") for cell in cells] for name, cells in rows}

    def figures(self, name: str) -> None:
        self.root.locator(f".duel-table [data-value='{name}']").click()

    def against(self, arm: str) -> None:
        self.root.locator(f"[data-part=against] [data-value='{arm}']").click()

    def digits(self, way: str) -> tuple[str, list[str]]:
        box = self.page.get_by_test_id(f"contest-only-{way}")
        return box.locator("h3").inner_text(), box.locator("li:not(.heads)").evaluate_all(
            "all => all.map(one => one.title)"
        )


@pytest.fixture(scope="module")
def held() -> pca.Contest:
    example = Store(EXAMPLE)
    return pca.build(pca.twins(Sources(example), KEY))


def keep(server, artifact, value) -> None:
    """Puts it where the server looks before it looks at what ships."""
    Artifacts(server.cache).put(artifact, Sources(server.store, {KEY: Store(EXAMPLE), TWIN: Store(EXAMPLE)}), value)


def begun(held: pca.Contest, matching: str, arm: str, **so_far) -> factors.Retrained:
    """A reduction whose training has not begun; `so_far`: other fields."""
    place, row = ARMS.index(arm), held.row(matching, arm)
    values = {
        "run": KEY, "matching": matching, "arm": arm, "epochs": 44, "ranks": held.ranks[row], "true": held.true[place, row],
        "numbers": held.costs(arm)[row].astype(np.uint32), "test": np.array([0.5]), "valid": np.array([0.5]),
        "answers": held.answers[place, row],
    }  # fmt: skip
    return factors.Retrained(**values | so_far)


def without_retraining(server, held: pca.Contest) -> None:
    """Hides the retrained reductions that ship behind such as have not begun."""
    for matching in MATCHINGS:
        for one in reductions.of_matching(KEY, matching):
            keep(server, one, begun(held, matching, one.arm))


@pytest.fixture(scope="module")
def stocked(server, held):
    """The server keeps the contest of the shipped run, and at the same rank its reductions trained on for show."""
    data = datasets.load("mnist-mini")
    keep(server, pca.ContestOf(KEY), held)
    without_retraining(server, held)
    for place, one in enumerate(reductions.of_matching(KEY, "rank")):
        answers = held.answers[place, held.curve[-1]]
        curve = np.array([0.5, np.mean(answers == data.y_test)])
        keep(server, one, begun(held, "rank", one.arm, epochs=1, test=curve, valid=curve, answers=answers))
    return server


@pytest.fixture
def visitors(chromium, stocked):
    with visits(Judge, chromium, stocked) as make:
        yield make


def test_the_first_paint_takes_no_more_than_three_times_that_of_a_plain_page(visitors):
    line = "[data-testid=contest-chart] path.line"
    assert times_a_plain_page(visitors, f"contest?run={KEY}", lambda ann: ann.page.locator(line).first.wait_for()) < 3


def test_every_figure_of_the_table_is_the_contests(visitors, held):
    ann, data = visitors(), datasets.load("mnist-mini")
    ann.open()
    for name in MATCHINGS:
        ann.match(name)
        for kind in MATCHINGS:
            ann.figures(kind)
            table = ann.table()
            right = held.right(data.y_test, name)
            wanted = [layer.budget(kind) for layer in held.layers]
            assert table["Pruned"] == [
                f"{100 * right['pruned'].mean():.2f}%",
                f"{held.pruned_valid / 10:.1f}%",
                *map(str, [*wanted, sum(wanted)]),
            ]
            for a, arm in enumerate(ARMS):
                row = held.row(name, arm)
                assert table[LABELS[arm]][0] == f"{100 * right[arm].mean():.2f}%"
                assert table[LABELS[arm]][1] == f"{held.valid_correct[a, row] / 10:.1f}%"
                if kind == "rank":
                    pairs = [(int(k), int(true)) for k, true in zip(held.ranks[row], held.true[a, row], strict=True)]
                    pairs.append((sum(k for k, _ in pairs), sum(true for _, true in pairs)))
                    cells = [str(k) if k == true else f"{k} → {true}" for k, true in pairs]
                else:
                    cells = [str(cost) for cost in [*held.costs(arm)[row], held.costs(arm)[row].sum()]]
                assert table[LABELS[arm]][2:] == cells
    assert [name for name in table if "retrained" in name] == []  # none at the same multiply-adds
    ann.match("rank")
    assert ann.table()["SVD, retrained"][0] == f"{100 * np.mean(held.standard == data.y_test):.2f}%"


def test_the_cursor_goes_by_click_drag_and_keys_and_sends_nothing(visitors, held):
    ann, data, frames = visitors(), datasets.load("mnist-mini"), []
    ann.page.on("websocket", lambda socket: socket.on("framesent", lambda _: frames.append(1)))
    ann.open()
    ann.until(lambda: ann.page.get_by_test_id("stStatusWidget").count() == 0, "rest")
    ann.page.wait_for_load_state("networkidle")
    sent = len(frames)

    def true():
        rows, table = ann.stop()["rows"], ann.table()
        for a, arm in enumerate(ARMS):
            answers = held.answers[a, rows[arm]]
            assert table[LABELS[arm]][0] == f"{100 * np.mean(answers == data.y_test):.2f}%"
            assert table[LABELS[arm]][2].split(" ")[0] == str(held.ranks[rows[arm], 0])
        return ann.stop()["sum"]

    began = true()
    assert began == sum(layer.rank for layer in held.layers)
    box = ann.chart.bounding_box()
    ann.page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 100)
    ann.until(lambda: ann.stop()["sum"] < began, "the click")
    clicked = true()
    ann.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 100)
    ann.page.mouse.down()
    ann.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 100, steps=12)
    ann.page.mouse.up()
    ann.until(lambda: ann.stop()["sum"] > began, "the drag")
    assert true() > clicked
    ann.chart.focus()
    ann.page.keyboard.press("Home")
    ann.until(lambda: ann.stop()["rows"]["svd"] == held.curve[0], "Home")
    true()
    for _ in range(3):
        ann.page.keyboard.press("ArrowRight")
    ann.until(lambda: ann.stop()["rows"]["svd"] == held.curve[3], "three arrows")
    true()
    ann.page.keyboard.press("End")
    ann.until(lambda: ann.stop()["rows"]["svd"] == held.curve[-1], "End")
    true()
    assert str(held.ranks[held.curve[-1], 0]) in ann.chart.get_attribute("aria-valuetext")
    assert len(frames) == sent


def test_the_digits_are_those_on_which_the_two_part(visitors, held):
    ann, data = visitors(), datasets.load("mnist-mini")
    ann.open()
    mine = held.pruned == data.y_test
    ann.chart.focus()
    for arm in ARMS:
        ann.against(arm)
        for key in ("Home", "End"):
            ann.page.keyboard.press("Tab")
            ann.chart.focus()
            ann.page.keyboard.press(key)
            row = held.curve[0] if key == "Home" else held.curve[-1]
            ann.until(lambda row=row: ann.stop()["rows"]["svd"] == row, key)
            answers = held.answers[ARMS.index(arm), row]
            theirs = answers == data.y_test
            for way, only in (("pruned", mine & ~theirs), ("other", theirs & ~mine)):
                title, images = ann.digits(way)
                assert f": {only.sum():,} of 2,000 test images" in title
                first = np.flatnonzero(only)[:6]
                assert images == [
                    f"Test image {i} is {data.y_test[i]}. The pruned network says {held.pruned[i]}, "
                    f"{LABELS[arm]} says {answers[i]}."
                    for i in first
                ]
    picture = ann.page.get_by_test_id("contest-only-pruned").locator("canvas").first
    ink = picture.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)")
    image = int(re.search(r"Test image (\d+)", ann.digits("pruned")[1][0])[1])
    shade = np.array(ink, float)
    shade = (shade - shade[0]) / (np.abs(shade - shade[0]).max() or 1)
    assert np.corrcoef(np.abs(shade), data.x_test[image])[0, 1] > 0.99


def test_where_they_first_differ_is_told_and_can_be_jumped_to(visitors, held):
    ann, labels = visitors(), datasets.load("mnist-mini").y_test
    ann.open()
    for arm in ARMS:
        ann.against(arm)
        for name, find in (("lost", held.first_lost), ("behind", held.first_behind)):
            row = find(arm, labels)
            ann.root.locator(f"[data-jump={name}]").click()
            ann.until(lambda arm=arm, row=row: ann.stop()["rows"][arm] == row, name)
            assert "/".join(map(str, held.ranks[row])) in ann.page.get_by_test_id("contest-story").inner_text()


def test_retrained_reductions_are_marks_rows_and_digits(visitors, held):
    ann = visitors()
    ann.open()
    assert (
        ann.root.locator(".mark.triangle[data-mark]").count() == 3
        and ann.root.locator(".mark.ring[data-mark]").count() == 3
    )
    ann.match("numbers")
    assert ann.root.locator(".mark.triangle[data-mark]").count() == 0
    assert ann.root.locator("[data-part=against] [data-value=after]").is_disabled()
    ann.match("rank")
    ann.root.locator("[data-part=against] [data-value=after]").click()
    ann.until(lambda: "PCA, retrained" in ann.digits("other")[0], "its digits")
    assert ann.page.get_by_test_id("stMain").get_by_role("button", name="Retrain the factors").count() == 0


def test_switching_keeps_the_element_and_the_link_restores_all(visitors):
    ann = visitors()
    ann.open()
    ann.root.evaluate("root => { root.mine = 1; }")
    ann.match("numbers")
    ann.chart.focus()
    for _ in range(4):
        ann.page.keyboard.press("ArrowLeft")
    ann.until(lambda: "at=" in ann.page.url and "match=numbers" in ann.page.url, "the link")
    assert ann.root.evaluate("root => root.mine") == 1
    kept, reading = ann.stop(), ann.page.get_by_test_id("contest-reading").inner_text()
    bob = visitors(LAPTOP)
    bob.open(ann.page.url.split("?")[1])
    assert bob.stop() == kept and bob.page.get_by_test_id("contest-reading").inner_text() == reading
    bob.page.get_by_test_id("verdict").get_by_text("At the same stored numbers").wait_for()


def test_who_comes_back_finds_picture_and_verdict_of_one_matching(visitors):
    ann = visitors()
    ann.open()
    ann.match("numbers")
    ann.page.get_by_test_id("stSidebarNav").get_by_text("Stored runs").click()
    ann.sees("runs. This computer")
    ann.page.get_by_test_id("stSidebarNav").get_by_text("The PCA contest").click()
    ann.shown()
    pressed = ann.root.locator("[data-part=matching] [aria-pressed=true]").inner_text()
    ann.page.get_by_test_id("verdict").get_by_text(f"At the {pressed.lower()}").wait_for()


@pytest.mark.parametrize("viewport", [DESKTOP, LAPTOP], ids=["1920", "1366"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_in_both_sizes_and_themes(visitors, viewport, scheme):
    ann = visitors(viewport, color_scheme=scheme)
    ann.open()
    for name in MATCHINGS:
        ann.match(name)
        least = 18 if viewport is DESKTOP else 13.5
        assert [text for text in ann.root.evaluate(TEXTS) if text[1] < least] == []
        assert ann.root.evaluate(CLASHES) == []


def test_a_contest_is_held_and_the_factors_retrained_while_one_looks_on(chromium, tmp_path):
    """On a server that has only the runs: nothing is re-made in the browser, from the first visit to the last epoch."""
    with server_on(tmp_path / "cache") as server, visits(Judge, chromium, server) as make:
        for folder in (EXAMPLE / "runs").iterdir():
            shutil.copytree(folder, server.cache / "runs" / folder.name)
        ann = make()
        # digits: the twin is missing, the contest takes a second
        list(experiment.run(digits(), server.store))
        ann.visit(f"contest?run={digits().key()}")
        ann.page.locator("[data-testid=contest][data-ready=false]").get_by_text("is missing").wait_for()
        ann.root.evaluate("root => { root.mine = 1; }")
        ann.press("Train the standard twin")
        ann.shown()
        assert ann.root.evaluate("root => [root.mine, root.contest.memory.of]") == [1, digits().key()]
        ann.chart.focus()
        ann.page.keyboard.press("Home")
        ann.until(lambda: ann.root.evaluate("root => root.contest.memory.stop") == 0, "Home")
        ann.press("Retrain the factors: same rank")
        ann.page.get_by_test_id("contest-table").get_by_text("SVD, retrained").wait_for()
        ann.until(lambda: ann.root.locator(".mark.triangle[data-mark]").count() == 3, "all marks")
        ann.until(lambda: "epoch" not in ann.page.get_by_test_id("contest-table").inner_text(), "the end")
        # The cursor stands where it was put, whatever came.
        assert ann.root.evaluate("root => [root.mine, root.contest.memory.stop]") == [1, 0]
        both = pca.twins(Sources(server.store), digits().key())
        *_, last = [one for one in retraining.arms(both, "rank", ("svd",))]
        assert ann.table()["SVD, retrained"][0] == f"{100 * last.test[-1]:.2f}%"


def test_epochs_of_the_retraining_are_seen_as_they_come(chromium, tmp_path, held):
    with server_on(tmp_path / "cache") as server, visits(Judge, chromium, server) as make:
        keep(server, pca.ContestOf(KEY), held)
        without_retraining(server, held)
        ann = make()
        ann.open()
        ann.root.evaluate("root => { root.mine = 1; }")
        job = server.gates.hold(f"factors-{KEY}-rank", 1)
        ann.press("Retrain the factors: same rank")
        for epoch in range(4):
            server.gates.hold(job, epoch + 1)  # epoch 0 is there before any training
            ann.page.get_by_test_id("contest-table").get_by_text(f"epoch {epoch} of 44").first.wait_for()
        ann.page.locator("[data-testid=contest] .job:not([hidden])").get_by_text("being retrained").wait_for()
        assert ann.root.evaluate("root => root.mine") == 1
