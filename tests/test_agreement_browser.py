"""The element `agreement` in a real Chromium, by itself: what is on the screen is what the blob says, and can be read."""

import base64
import importlib.util
from pathlib import Path

import pytest
import streamlit as st
from blobs import unpack
from serving import DESKTOP, LAPTOP, TEXTS

from core.claims import agreement_rows
from core.judge.questions import METHOD
from core.views import agreement
from pages.shared import elements

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

MOUNT = """async ([script, bytes]) => {
  await document.fonts.load('1em "Source Sans"');
  const element = await import(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const parentElement = document.getElementById('host');
  const nobody = () => {};
  element.default({ parentElement, data: Uint8Array.from(bytes), setStateValue: nobody, setTriggerValue: nobody });
}"""
INSIDE = """svg => [...svg.querySelectorAll('text')].every((text) => {
  const { x, width } = text.getBBox();
  return x >= -2 && x + width <= svg.clientWidth + 2;
})"""
CONTRAST = """cells => Math.min(...cells.map((cell) => {
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (colour) => colour.match(/\\d+/g).slice(0, 3)
    .reduce((sum, v, i) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][i], 0);
  const style = getComputedStyle(cell);
  const [a, b] = [style.color, style.backgroundColor].map(light).sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}))"""
THEMES = {"light": ("#31333f", "#ffffff"), "dark": ("#fafafa", "#0e1117")}


@pytest.fixture(scope="module")
def source() -> dict:
    """The element's html, css and js, as it is registered."""
    kept = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st.components.v2, "component", lambda name, **parts: kept.setdefault(name, parts))
        found = importlib.util.spec_from_file_location("elements_again", elements.__file__)
        found.loader.exec_module(importlib.util.module_from_spec(found))
    return kept["pruning_agreement"]


@pytest.fixture(scope="module")
def letters() -> str:
    """The font that pages of Streamlit have: widths are its."""
    [font] = (Path(st.__file__).parent / "static" / "static" / "media").glob("SourceSansVF-Upright*.woff2")
    return base64.b64encode(font.read_bytes()).decode()


@pytest.fixture(scope="module")
def blob() -> bytes:
    return agreement.blob(agreement_rows.shipped("mnist-mini", 0.8))


@pytest.fixture
def mount(chromium, source, letters):
    """Mounts the element on a page of its own; at the end no page has met an error."""
    opened, errors = [], []

    def make(content: bytes, viewport=DESKTOP, theme="light"):
        page = chromium.new_page(viewport=viewport)
        opened.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        text, back = THEMES[theme]
        wide = round(
            0.75 * viewport["width"] if viewport is DESKTOP else 0.67 * viewport["width"]
        )  # beside the sidebar
        font = f"@font-face {{ font-family: 'Source Sans'; src: url(data:font/woff2;base64,{letters}) }}"
        style = f"{font} #host {{ --st-text-color: {text}; --st-background-color: {back}; width: {wide}px }} {source['css']}"
        page.set_content(f'<!doctype html><style>{style}</style><div id="host">{source["html"]}</div>')
        page.evaluate(MOUNT, [source["js"], list(content)])
        return page

    yield make
    for page in opened:
        page.close()
    assert errors == []


def cells(page) -> list[list[str]]:
    rows = page.get_by_test_id("agreement-matrix").locator("tbody tr").all()
    return [row.locator("td").all_inner_texts() for row in rows]


def two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def test_the_table_says_what_the_blob_says_in_every_layer(mount, blob):
    header, page = unpack(blob)[0], mount(blob)
    assert page.get_by_test_id("agreement-title").inner_text() == header["title"]
    names = [one["name"] for one in header["criteria"]]
    assert names.index("magnitude") == sum(one["per"] == "neuron" for one in header["criteria"])
    for view in header["views"]:
        page.get_by_role("button", name=view["name"]).click()
        shown = cells(page)
        for a, b, seen in view["pairs"]:
            assert (shown[a][b], shown[b][a]) == (two(seen["mean"]), two(seen["chance"])), (view["name"], a, b)
            told = "level" in page.locator(f'[data-cell="{a},{b}"]').get_attribute("class")
            assert told is not seen["differs"]
        assert [shown[i][i] for i in range(len(names))] == [f"{100 * view['cut'][n]['mean']:.0f}\u202f%" for n in names]
        dots = page.get_by_test_id("agreement-samples").locator("circle.dot")
        drawn = dots.evaluate_all(
            "dots => dots.map((d) => [d.dataset.arm, Number(d.dataset.images), Number(d.dataset.value)])"
        )
        assert drawn == [
            [name, images, one["mean"]]
            for name, found in view["samples"]
            for images, one in zip(header["images"], found, strict=True)
        ]
        for mark, question in (("path.mean", "matched"), ("circle.numbered", "numbered")):
            marks = page.get_by_test_id("agreement-networks").locator(mark)
            drawn = marks.evaluate_all("marks => marks.map((m) => [m.dataset.arm, Number(m.dataset.value)])")
            assert drawn == [[name, one["mean"]] for name, one in view[question] if one]


def test_n_interval_and_chance_are_read_by_pointer_and_by_key(mount, blob):
    header, page = unpack(blob)[0], mount(blob)
    names = [one["name"] for one in header["criteria"]]
    a, b = names.index(METHOD), names.index("magnitude")
    seen = next(one[2] for one in header["views"][0]["pairs"] if one[:2] == [a, b])
    words = (
        f"Activation frequency and magnitude: J = {seen['mean']:.3f} (95\u202f% interval {seen['low']:.3f} to "
        f"{seen['high']:.3f}, n = 10), chance {seen['chance']:.3f}"
    )
    reading = page.get_by_test_id("agreement-reading")
    page.locator(f'[data-cell="{a},{b}"]').hover()
    assert reading.inner_text().startswith(words)
    page.mouse.move(1, 1)
    assert "Point at a cell" in reading.inner_text()
    page.get_by_test_id("agreement-matrix").focus()
    for _ in range(b):
        page.keyboard.press("ArrowRight")
    assert reading.inner_text().startswith(words) and page.locator("td.here").count() == 2
    page.keyboard.press("Home")
    assert reading.inner_text().startswith("Activation frequency cuts 80.")
    page.get_by_test_id("agreement-samples").focus()
    page.keyboard.press("End")
    found = header["views"][0]["samples"][0][1][2]
    note = page.get_by_test_id("agreement-samples-note").inner_text()
    assert note.startswith(f"2,048 images: APoZ J = {found['mean']:.3f} (95\u202f% interval") and "chance" in note
    page.get_by_test_id("agreement-networks").focus()
    page.keyboard.press("ArrowDown")
    matched = dict(header["views"][0]["matched"])[METHOD]
    note = page.get_by_test_id("agreement-networks-note").inner_text()
    assert note.startswith(f"Activation frequency, paired: J = {matched['mean']:.3f}") and "n = 5" in note


def test_a_layer_that_nobody_cuts_and_a_single_network_are_said(mount):
    from test_agreement import comparison  # two layers, of which the second is never cut

    alone = agreement_rows.Agreement(
        "digits", 0.6, ({"date": "d", "device": "cpu", "versions": "v", "seed": "0"},), (comparison(0, 30),)
    )
    page = mount(agreement.blob(alone))
    page.get_by_role("button", name="Hidden 2").click()
    assert cells(page) == [["0\u202f%", "–"], ["–", "0\u202f%"]]
    page.locator('[data-cell="0,1"]').hover()
    assert "neither cuts anything here" in page.get_by_test_id("agreement-reading").inner_text()
    page.get_by_role("button", name="All hidden layers").click()
    page.locator('[data-cell="0,1"]').hover()
    assert "n = 1, too few for an interval" in page.get_by_test_id("agreement-reading").inner_text()
    assert "No two networks" in page.get_by_test_id("agreement-networks").text_content()


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("viewport", [DESKTOP, LAPTOP], ids=["hall", "laptop"])
def test_it_fits_and_can_be_read(mount, blob, viewport, theme):
    page = mount(blob, viewport, theme)
    element = page.get_by_test_id("agreement")
    assert not [found for found in element.evaluate(TEXTS) if found[1] < (22 if viewport is DESKTOP else 16) - 0.01]
    assert element.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
    table = page.get_by_test_id("agreement-matrix")
    assert table.evaluate("table => table.parentElement.scrollWidth <= table.parentElement.clientWidth + 1")
    for cell in table.locator("th").all():
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1"), cell.inner_text()
    for figure in ("samples", "networks"):
        assert page.get_by_test_id(f"agreement-{figure}").evaluate(INSIDE)
    beside, under = (page.get_by_test_id(f"agreement-{name}").bounding_box()["y"] for name in ("samples", "networks"))
    assert (beside == under) is (viewport is DESKTOP)
    assert table.locator("td[style]").evaluate_all(CONTRAST) > 4.5
    assert table.bounding_box()["y"] + table.bounding_box()["height"] < viewport["height"]
