"""The element `ladder` in a real Chromium, by itself: what is on the screen is what the blob says, and can be read."""

import importlib.util
import re

import pytest
import streamlit as st
from blobs import unpack
from serving import DESKTOP, LAPTOP, TEXTS
from test_agreement_browser import INSIDE, letters, mount  # noqa: F401
from test_ladder import ARMS, rows

from core.judge.questions import METHOD
from core.views import judge, sparsity
from pages.shared import elements

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

MARKS = "marks => marks.map((m) => [m.dataset.arm, Number(m.dataset.ratio), Number(m.dataset.mean ?? m.dataset.value)])"
PLACES = """marks => marks.map((mark) => {
  const { x, y, width, height } = mark.getBBox();
  return [mark.dataset.arm, Number(mark.dataset.ratio), x + width / 2, y + height / 2];
})"""


@pytest.fixture(scope="module")
def source() -> dict:
    """The element's html, css and js, as it is registered."""
    kept = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st.components.v2, "component", lambda name, **parts: kept.setdefault(name, parts))
        found = importlib.util.spec_from_file_location("elements_again", elements.__file__)
        found.loader.exec_module(importlib.util.module_from_spec(found))
    return kept["pruning_ladder"]


def packed(**changes) -> bytes:
    return sparsity.blob(rows(**changes), "mnist", 5)


def marks(page, plot="curves"):
    return page.get_by_test_id(f"ladder-{plot}").locator("path.spot")


def reading(page) -> str:
    return page.get_by_test_id("ladder-reading").inner_text()


def label(page, arm: str):
    return page.get_by_test_id("ladder-labels").locator(f'button[data-arm="{arm}"]')


def places(page, plot="curves") -> dict:
    return {(arm, ratio): (x, y) for arm, ratio, x, y in marks(page, plot).evaluate_all(PLACES)}


def in_words(point: dict) -> str:
    return f"{point['mean']:.2f}\u202f% right ({point['low']:.2f} to {point['high']:.2f})"


def test_every_mean_and_every_seed_is_drawn_where_it_came_out(mount):  # noqa: F811
    blob = packed()
    header, page = unpack(blob)[0], mount(blob)
    drawn = [(arm["name"], point) for arm in header["arms"] for point in arm["points"]]
    assert sorted(marks(page).evaluate_all(MARKS)) == sorted([arm, one["ratio"], one["mean"]] for arm, one in drawn)
    dots = page.get_by_test_id("ladder-curves").locator("circle.dot").evaluate_all(MARKS)
    assert sorted(dots) == sorted([arm, one["ratio"], y] for arm, one in drawn for _, _, y in one["seeds"])
    high = "dots => dots.map((d) => [Number(d.dataset.value), -Number(d.getAttribute('cy'))])"
    seeds = page.get_by_test_id("ladder-curves").locator("circle.dot").evaluate_all(high)
    assert [value for value, _ in sorted(seeds, key=lambda one: one[1])] == sorted(value for value, _ in seeds)
    at = places(page)
    across = [at[METHOD, ratio][0] for ratio in (50, 75, 87.5, 93.75, 96.875)]
    steps = [b - a for a, b in zip(across, across[1:], strict=False)]
    assert max(steps) - min(steps) < 2 and min(steps) > 40  # halving what is left is one step
    assert at["random-weights", 96.875][0] > at[METHOD, 96.875][0] + 3  # it overshot, and stands there
    assert at["magnitude", 50][1] < at["magnitude", 96.875][1] - 10
    means = {arm["name"]: arm["points"][-1]["mean"] for arm in header["arms"]}
    ends = sorted(means, key=means.get)
    assert sorted(means, key=lambda arm: -at[arm, 96.875][1]) == ends  # higher is more accurate
    assert page.get_by_test_id("ladder-sentence").inner_text() == header["sentence"]


def test_requested_against_achieved_stands_beside_its_diagonal(mount):  # noqa: F811
    blob = packed()
    header, page = unpack(blob)[0], mount(blob)
    assert page.get_by_test_id("ladder-overshoot").inner_text() == header["overshoot"]
    [line] = page.get_by_test_id("ladder-asked").locator("line.diagonal").all()
    x1, x2, y1, y2 = (float(line.get_attribute(name)) for name in ("x1", "x2", "y1", "y2"))
    above = {
        place: y1 + (x - x1) / (x2 - x1) * (y2 - y1) - y for place, (x, y) in places(page, "asked").items()
    }  # of the diagonal, in px
    assert {arm for arm, _ in above} == {METHOD, "magnitude", "random-weights"}  # nothing is cut in the others
    assert abs(above[METHOD, 50]) < 1 and above["random-weights", 96.875] > 4
    words = page.get_by_test_id("ladder-asked").locator("text").all_text_contents()
    assert judge.SHORT[header["furthest"]["name"]] in words


def test_a_point_is_read_by_pointer_and_by_key_with_n_and_interval(mount):  # noqa: F811
    blob = packed()
    header, page = unpack(blob)[0], mount(blob)
    points = header["arms"][0]["points"]
    assert reading(page).startswith("n = 10 seeds.") and header["interval"] in reading(page)
    x, y = places(page)[METHOD, 96.875]
    page.get_by_test_id("ladder-curves").hover(position={"x": x, "y": y})
    assert reading(page).startswith("Activation frequency, asked 96.875\u202f%, achieved 96.8")
    assert in_words(points[-1]) in reading(page) and "n = 10" in reading(page) and "32 times smaller" in reading(page)
    page.mouse.move(1, 1)
    assert reading(page).startswith("n = 10 seeds.")
    page.get_by_test_id("ladder-curves").focus()
    told = set()
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
        told.add(reading(page))
    flat = header["baseline"]
    assert any(words.startswith(f"No pruning: {in_words(flat)}") for words in told)
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    column = page.get_by_test_id("ladder-curves").locator(".spot.here")
    assert column.count() == 1 and page.get_by_test_id("ladder-asked").locator(".spot.here").count() <= 1
    page.keyboard.press("Escape")
    assert reading(page).startswith("n = 10 seeds.")
    label(page, METHOD).hover()
    assert all(in_words(one) in reading(page) for one in points)


def test_a_name_hides_its_arm_and_the_rest_gets_the_room(mount):  # noqa: F811
    page = mount(packed())
    before = places(page)
    label(page, "random-weights").click()
    after = places(page)
    assert label(page, "random-weights").get_attribute("aria-pressed") == "false"
    assert {arm for arm, _ in after} == {arm for arm, _ in before} - {"random-weights"}
    assert {arm for arm, _ in places(page, "asked")} == {METHOD, "magnitude"}
    for arm in ARMS:
        if arm != "random-weights":
            label(page, arm).focus()
            page.keyboard.press("Enter")
    assert page.get_by_text("every arm is hidden").is_visible() and marks(page).count() == 0
    page.get_by_role("button", name="Show all arms").click()
    assert places(page) == before


def test_the_table_has_every_arm_at_every_ratio(mount):  # noqa: F811
    made = rows()
    next(row for row in made if row["arm"] == METHOD)["test_accuracy"] = ""
    blob = sparsity.blob(made, "mnist", 5)
    header, page = unpack(blob)[0], mount(blob)
    page.get_by_text("In figures").click()
    shown = [row.locator("th, td").all_inner_texts() for row in page.get_by_test_id("ladder-table").locator("tr").all()]
    flat, *cells = shown[1:]
    assert flat[1:3] == ["no pruning", "10"] and flat[7] == f"{header['baseline']['mean']:.2f}"
    wanted = [
        (point, arm) for at in header["ratios"] for arm in header["arms"] for point in arm["points"]
        if point["ratio"] == at["share"]
    ]  # fmt: skip
    for row, (point, arm) in zip(cells, wanted, strict=True):
        assert row[:4] == [f"{point['ratio']:g}", arm["short"], str(point["n"]), "1" if point["failed"] else ""]
        assert row[7:9] == [f"{point['mean']:.2f}", f"{point['low']:.2f} to {point['high']:.2f}"]
        assert row[5] == f"{'drawn at ' if arm['whole'] else ''}{point['x']['share']:.2f}"
    assert cells[0][2:4] == ["9", "1"] and page.get_by_test_id("ladder-failed").inner_text() == header["failed"][0]


def test_one_ratio_stands_side_by_side_and_one_seed_has_no_mean(mount):  # noqa: F811
    page = mount(packed(ratios=(0.8,)))
    across = sorted(x for x, _ in places(page).values())
    assert len(across) == 4 and min(b - a for a, b in zip(across, across[1:], strict=False)) > 30
    assert "one ratio makes no curve" in page.get_by_test_id("ladder-notes").inner_text()
    assert page.locator("path.band, path.curve:not(button *)").count() == 0
    lone = mount(packed(seeds=1))
    assert marks(lone).count() == 0 and lone.locator("circle.dot.lone").count() == 4 * 7
    nothing = mount(sparsity.blob([], "mnist", 5))
    assert "is there yet" in nothing.get_by_test_id("ladder-sentence").inner_text()
    assert not nothing.get_by_test_id("ladder-curves").is_visible()


@pytest.mark.parametrize("viewport", [DESKTOP, LAPTOP], ids=["hall", "laptop"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_screen_and_can_be_read(mount, viewport, theme):  # noqa: F811
    for changes in ({"arms": tuple(judge.SHORT)}, {"ratios": (0.8,)}):
        page = mount(packed(**changes), viewport, theme)
        element = page.get_by_test_id("ladder")
        least = 22 if viewport is DESKTOP else 16
        assert not [(words, size) for words, size in element.evaluate(TEXTS) if size < least - 0.01]
        assert element.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
        for plot in ("curves", "asked"):
            assert page.get_by_test_id(f"ladder-{plot}").evaluate(INSIDE)
        boxes = [one.bounding_box() for one in page.get_by_test_id("ladder-labels").locator("button").all()]
        edge = element.bounding_box()
        assert all(box["x"] + box["width"] <= edge["x"] + edge["width"] + 1 for box in boxes)
        tops = sorted(box["y"] for box in boxes)
        assert min(b - a for a, b in zip(tops, tops[1:], strict=False)) >= boxes[0]["height"] - 1
        assert re.search(r"\d", page.get_by_test_id("ladder-curves").get_attribute("aria-label"))
