"""Every page on a telephone: nothing is wider than the screen, no words lie on others, what is dragged has room, and the
browser has nothing to complain of. And what moves by itself, where a person wants less motion."""

import pytest
from serving import Visitor, visits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TELEPHONE = {"width": 390, "height": 844}
# Each page, and what there is to see on it when it is drawn.
PAGES = {
    "": "[data-testid=board-canvas]",
    "runs": "[data-testid=stDataFrame]",
    "compare": "[data-testid=board-canvas] >> nth=1",
    "slider": ".stage .view.cost svg text >> nth=0",
    "slider?lecture=1": ".stage.lecture .view.who canvas >> visible=true",
    "spectra": ".film svg text >> nth=0",
    "contest": ".contest svg text >> nth=0",
    "penalty": ".penalty svg text >> nth=0",
    "judge": ".judge svg text >> nth=0",
}
# What else a page shows in its place.
CHOICES = {"judge": ".judge .tabs button", "slider?lecture=1": ".stage [data-part=viewSwitch] button"}
IDLE = """() => document.querySelector('[data-testid="stApp"]').dataset.testScriptState === "notRunning" """

# What is wrong with what is seen, in words. Tables lie in boxes that scroll by themselves: what is in those is left out.
FAULTS = """() => {
  const faults = [];
  for (const one of [document.documentElement, document.querySelector('[data-testid="stMain"]')])
    if (one.scrollWidth > one.clientWidth) faults.push(`${one.tagName} is ${one.scrollWidth} px wide`);
  const every = (selector, within = document) => [
    ...within.querySelectorAll(selector),
    ...[...within.querySelectorAll("*")].filter((e) => e.shadowRoot).flatMap((e) => every(selector, e.shadowRoot)),
  ];
  const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".said");
  const scrolls = (e) => {
    for (let box = e.parentElement; box && !box.matches(".element"); box = box.parentElement)
      if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return true;
    return false;
  };
  const roots = every(".element, .claim");
  for (const root of roots) {
    const inside = [root, ...root.querySelectorAll("*")].filter((e) => seen(e) && !scrolls(e));
    for (const e of inside) {
      const { left, right, width } = e.getBoundingClientRect();
      if (width && (left < -0.5 || right > innerWidth + 0.5))
        faults.push(`${e.tagName} ${e.getAttribute("class")} reaches from ${left} to ${right}: ${e.textContent.slice(0, 40)}`);
    }
    const words = new Map([["page", []]]); // of each drawing, and of all that is no drawing: text and where it is
    for (const e of inside) {
      const drawing = e.ownerSVGElement;
      for (const node of e.childNodes) {
        if (node.nodeType !== 3 || !node.data.trim() || (drawing && e.tagName !== "text")) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const list = words.get(drawing || "page") || words.set(drawing, []).get(drawing);
        for (const box of drawing ? [e.getBoundingClientRect()] : range.getClientRects()) list.push([node, box]);
      }
    }
    for (const list of words.values()) list.forEach(([text, a], i) => list.slice(0, i).forEach(([other, b]) => {
      if (text === other) return; // one sentence, on two lines
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1.5 && down > 0.3 * Math.min(a.height, b.height))
        faults.push(`“${text.data.trim()}” lies on “${other.data.trim()}”`);
    }));
  }
  const dragged = '.element [role=slider], .element input[type=range], [data-testid="stMain"] [data-testid="stSlider"]';
  for (const e of every(dragged).filter(seen)) {
    const { width } = (e.matches(".grip") ? e.parentElement : e).getBoundingClientRect(); // a grip is dragged over its picture
    if (width < 200) faults.push(`what is dragged is ${width} px wide: ${e.getAttribute("class")}`);
  }
  return faults;
}"""


WATCH_WORDS = """(place) => new MutationObserver(() => swept(place.textContent)).observe(
  place, { childList: true, characterData: true, subtree: true })"""


class Caller(Visitor):
    """A visitor with a telephone, to whom any word on the console is one too many."""

    def __init__(self, page, server):
        super().__init__(page, server)
        self.sweep = []

    def _note(self, message) -> None:
        super()._note(message)
        if message.type == "warning" and "/_stcore/" not in message.location["url"]:
            self.errors.append(message.text)

    def opens(self, path: str) -> None:
        self.visit(path)
        self.until(lambda: self.page.locator(PAGES[path]).count(), f"what is seen on “{path}”")
        self.page.wait_for_function(IDLE)

    def is_content(self) -> None:
        """Waits until the picture is right, since it may still be being laid out; else says what is wrong."""
        found = []

        def right() -> bool:
            found[:] = self.page.evaluate(FAULTS)
            return not found

        try:
            self.until(right, "a page without faults")
        except AssertionError:
            raise AssertionError(f"{self.page.url}: {found}") from None


@pytest.fixture
def callers(chromium, server):
    with visits(Caller, chromium, server) as make:
        yield make


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "live")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_fits_a_telephone(callers, theme, path):
    ann = callers(TELEPHONE, color_scheme=theme)
    ann.opens(path)
    ann.is_content()
    for choice in ann.page.locator(CHOICES.get(path, "[data-none]")).all():
        choice.click()
        ann.is_content()
    for wide in (360, 768):
        ann.page.set_viewport_size({"width": wide, "height": 844})
        ann.opens(path)
        ann.is_content()


def test_less_motion_makes_the_sweep_a_few_steps(callers):
    ann = callers()
    ann.page.emulate_media(reduced_motion="reduce")
    ann.page.expose_function("swept", lambda words: ann.sweep.append(int(words.split()[0])))
    ann.opens("slider")
    ann.page.get_by_test_id("stage-ratio").evaluate(WATCH_WORDS)
    ann.page.get_by_test_id("stage-play").click()
    ann.until(lambda: len(set(ann.sweep)) >= 3, "three steps of the sweep")
    ann.page.get_by_test_id("stage-play").click()
    assert sorted(set(ann.sweep))[:3] == [10, 20, 30]
