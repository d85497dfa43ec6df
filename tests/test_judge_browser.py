"""The page "Judge", in a real Chromium on a real server: what is on the screen is what the core says, live too."""

import dataclasses
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from blobs import unpack
from serving import DESKTOP, LAPTOP, TEXTS, Visitor, times_a_plain_page, visits
from test_judgement import assert_prints, rows, run

from core.artifacts.kept import Artifacts
from core.judge import questions, results, study
from core.judge.questions import CLAIMS, INACTIVITY, Setting
from core.judge.study import Kept, Study
from core.views import judge
from core.views.judge import HERE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

AT = Setting("mnist", 0.8, 5)
STOP = "Stop"
SET = Study("digits", (0.5,), length=2)
LINK = f"?results={HERE}&data=digits&ratios=50&length=length&epochs=2"
GO_ON = re.compile(r"Go on with this set \(\d+ of 40 runs are there\)")

INSIDE = """svg => [...svg.querySelectorAll('text')].every((text) => {
  const { x, width } = text.getBBox();
  return x >= -2 && x + width <= svg.clientWidth + 2;
})"""


class Reader(Visitor):
    """A visitor of the page Judge."""

    @property
    def element(self):
        return self.page.get_by_test_id("judge")

    @property
    def tabs(self):
        return self.page.get_by_test_id("judge-tabs").get_by_role("tab")

    @property
    def figure(self):
        return self.page.get_by_test_id("judge-figure")

    def data(self, name: str) -> str:
        return (self.element.get_attribute(f"data-{name}") or "") if self.element.count() else ""

    def open(self, link: str = "") -> None:
        self.visit(f"judge{link}")
        self.until(lambda: self.data("key"), "the cards")

    def sign(self, name: str) -> str:
        return self.page.get_by_test_id(f"judge-{name}").inner_text()

    def rows(self) -> list[list[str]]:
        found = self.page.get_by_test_id("judge-table").locator("tbody tr").all()
        return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in found]

    def points(self) -> list[tuple[str, int, float]]:
        every = "dots => dots.map((dot) => [dot.dataset.arm, Number(dot.dataset.seed), Number(dot.dataset.value)])"
        return [tuple(one) for one in self.figure.locator("circle.dot").evaluate_all(every)]

    def pick(self, label: str, option: str) -> None:
        self.page.get_by_test_id("stSidebar").get_by_label(label).first.click()
        self.page.get_by_role("option", name=option).click()


@pytest.fixture
def readers(chromium, server):
    with visits(Reader, chromium, server) as make:
        yield make


def header(**more) -> dict:
    return unpack(judge.blob(results.shipped(), AT, **more))[0]


def signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{abs(value):.2f}"


def assert_shows(ann: Reader, found: dict, claim: str) -> None:
    """Words, sentences, points and figures on the screen are those of the blob's card."""
    card = next(one for one in found["cards"] if one["name"] == claim)
    assert ann.sign("word")[2:] == f"{card['headline'][0].upper()}{card['headline'][1:]}."
    assert ann.sign("sentence").startswith(card["sentence"])
    if card["kind"] == "shares":
        for row, one in zip(ann.rows(), card["decisions"], strict=True):
            assert row[:4] == [one["arm"], str(one["n"]), str(one["holds"]), str(one["unknown"])]
        return
    drawn = [(arm["name"], seed, value) for arm in card["arms"] for seed, value in arm["points"]]
    drawn += [
        (arm["name"], seed, value)
        for arm, one in zip(card["arms"][1:], card["decisions"], strict=True)
        for seed, value in one["points"]
    ]
    assert sorted(ann.points()) == sorted(drawn)
    for sentence in (one["sentence"] for one in card["decisions"]):
        assert sentence in ann.sign("parts")
    for i, (row, arm) in enumerate(zip(ann.rows(), card["arms"], strict=True)):
        assert row[:3] == [arm["short"], str(arm["n"]), f"{arm['mean']:.2f}"]
        assert row[3] == f"{arm['low']:.2f} to {arm['high']:.2f}"
        if i:
            one = card["decisions"][i - 1]
            assert row[4] == str(one["n"]) and row[5].startswith(signed(one["mean"]))
            assert row[6].startswith(f"{signed(one['low'])} to {signed(one['high'])} (")


def test_the_first_paint_of_the_shipped_results_comes_soon_and_says_that_they_ship(readers):
    ann = readers()
    ann.open()
    assert times_a_plain_page(readers, "judge", lambda one: one.figure.locator("circle.dot").first.wait_for()) < 3
    found = header()
    assert ann.sign("made") == f"{found['setting']}. {found['provenance']}"
    assert "ship with the project" in ann.sign("made") and "torch" in ann.sign("made")
    words = [tab.get_attribute("data-word") for tab in ann.tabs.all()]
    assert words == [card["word"] for card in found["cards"]] and len(words) == 4


def test_every_card_shows_the_cores_figures_and_a_link_restores_it(readers):
    ann, found = readers(), header()
    ann.open()
    for i, claim in enumerate(CLAIMS):
        ann.tabs.nth(i).click()
        ann.until(lambda claim=claim: ann.data("claim") == claim, claim)
        assert_shows(ann, found, claim)
        ann.until(lambda claim=claim: f"claim={claim}" in ann.page.url, "the claim in the link")
    ann.tabs.nth(3).press("ArrowLeft")
    ann.until(lambda: "claim=pca" in ann.page.url, "the third card, by key")
    bob = readers(LAPTOP)
    bob.visit(ann.page.url.split("/", 3)[3])
    bob.until(lambda: bob.data("claim") == "pca", "the card of the link")
    assert_shows(bob, found, "pca")


def test_a_switch_changes_the_card_in_the_same_element(readers):
    ann = readers()
    ann.open()
    ann.element.evaluate("element => { element.known = true; }")
    ann.pick("Claim 1: which neurons go", "busiest go (released code)")
    ann.until(lambda: INACTIVITY in ann.data("key"), "the other direction")
    assert_shows(ann, header(method=INACTIVITY), "pruning")
    assert "busiest" in ann.tabs.first.inner_text().lower()
    assert ann.element.evaluate("element => element.known === true")
    ann.until(lambda: f"count={INACTIVITY}" in ann.page.url, "the switch in the link")
    ann.page.reload()
    ann.until(lambda: INACTIVITY in ann.data("key"), "the switch of the link")


def test_a_seed_is_read_by_pointer_and_keys_and_the_rule_opens(readers):
    ann, found = readers(), header()
    ann.open()
    arms = found["cards"][0]["arms"]
    ann.figure.focus()
    ann.page.keyboard.press("ArrowRight")
    ann.page.keyboard.press("ArrowRight")
    assert ann.sign("reading").startswith(f"Seed 1: activation frequency {arms[0]['points'][1][1]:.2f}, magnitude ")
    assert ann.figure.locator("path.seed.here").count() == 1
    ann.page.keyboard.press("Escape")
    assert ann.sign("reading").startswith("n = 10 seeds.")
    ann.page.get_by_text("The rule, fixed before the results").click()
    for words in (*found["rule"], found["coverage"]):
        ann.sees(words)
    every = ann.page.get_by_test_id("judge-all").locator("circle.dot").count()
    assert every == sum(len(arm["points"]) for one in found["panels"] for arm in one["arms"])


def test_what_is_taken_away_is_what_is_shown(readers, tmp_path):
    ann, found = readers(), header()
    ann.open()

    def saved(name: str) -> str:
        with ann.page.expect_download() as download:
            ann.page.get_by_role("button", name=name).click()
        return str(download.value.path())

    assert results.shipped(saved("These rows as CSV")) == AT.of(results.shipped())
    script = Path(saved("This card as a Python script")).read_text("utf-8")
    assert_prints(run(script, tmp_path), found["cards"][0])
    picture = ElementTree.parse(saved("Figure as SVG")).getroot()
    words = " ".join("".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text"))
    assert found["cards"][0]["title"] in words and found["provenance"] in words and found["setting"] in words
    circles = list(picture.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == len(ann.points()) and all("fill:rgb" in one.get("style") for one in circles)
    assert Path(saved("as PNG")).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def missed(reader) -> int:
    """How often the page says of a run that it missed its cuts: two epochs are too few for any."""
    return reader.page.inner_text("body").count("missed cuts") + reader.element.inner_text().count("missed cuts")


def test_a_set_streams_onto_the_page_and_can_be_stopped_and_gone_on_with(readers, server):
    ann, bob = readers(), readers(LAPTOP)
    bob.open(LINK)
    ann.open(LINK)
    ann.element.evaluate("element => { element.known = true; }")
    runs = [results.specs(SET.setting_at(ratio), seed)[arm].key() for ratio, arm, seed in SET.places()]
    for key in runs:
        server.gates.hold(key)
    ann.press("Run it here: this set of 40 runs")
    ann.sees("This set begins")
    assert ann.sign("word").startswith("? Can't tell yet")
    for there, key in enumerate(runs[:3], start=1):
        server.gates.open(key)
        ann.sees(re.compile(rf"^{there} of 40 runs are there, about .* left$"))
        ann.until(lambda there=there: missed(ann) >= there, f"run {there}")
    assert ann.element.evaluate("element => element.known === true")
    ann.press(STOP)
    ann.page.get_by_role("button", name=GO_ON).wait_for()
    assert len(study.kept(Artifacts(server.cache), SET).rows) == 3
    bob.until(lambda: missed(bob) >= 3, "the same in the other browser")
    ann.press("Go on with this set")
    ann.sees(re.compile("^3 of 40 runs are there"))
    server.gates.open(runs[3])
    ann.until(lambda: missed(ann) >= 4, "the fourth run")
    ann.press(STOP)
    ann.page.get_by_role("button", name=GO_ON).wait_for()
    assert len(study.kept(Artifacts(server.cache), SET).rows) == 4


def test_a_whole_quick_set_is_judged_and_rows_of_two_devices_are_not_paired(readers, server):
    quick = Study()
    made = [row for row in rows(at=quick.setting) if row["arm"] in quick.arms]

    def keep() -> None:
        content = json.dumps(dataclasses.asdict(Kept(tuple(made), 40, 40)))
        Artifacts(server.cache).write(quick.name, study.FILE, content.encode())

    keep()
    ann = readers()
    ann.open(f"?results={HERE}")
    assert_shows(ann, unpack(judge.blob(made, quick.setting, HERE, arms=quick.arms))[0], "pruning")
    assert ann.page.get_by_role("button", name="Run it here").count() == 0
    ann.tabs.nth(1).click()
    ann.sees("This set of runs asks claim 1 alone")
    assert not ann.figure.is_visible()
    next(row for row in made if row["arm"] == "magnitude")["device"] = "cuda"
    keep()
    ann.open(f"?results={HERE}")
    ann.sees(re.compile("come from different devices"))
    assert questions.METHOD in {arm for arm, *_ in ann.points()}


@pytest.mark.parametrize("viewport", [DESKTOP, LAPTOP], ids=["hall", "laptop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen_and_can_be_read(readers, viewport, scheme):
    ann = readers(viewport, color_scheme=scheme)
    for claim in ("pruning", "pca", "penalty"):
        ann.open(f"?claim={claim}")
        small = [
            (words, size) for words, size in ann.element.evaluate(TEXTS) if size < (18 if viewport is DESKTOP else 16)
        ]
        assert not small
        assert ann.element.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
        assert ann.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        for picture in (ann.figure, ann.page.get_by_test_id("judge-all")):
            assert picture.evaluate(INSIDE)
        box = ann.figure.bounding_box()
        assert box["y"] + box["height"] < viewport["height"] + 1  # verdicts and figure without scrolling
