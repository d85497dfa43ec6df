"""Numbers typed into the fields of a real browser."""

import pytest
from serving import Visitor, visits

pytestmark = pytest.mark.browser


@pytest.fixture
def visitors(chromium, server):
    with visits(Visitor, chromium, server) as make:
        yield make


def test_a_comma_typed_into_a_number_is_a_decimal_comma(visitors):
    eve = visitors()
    eve.visit("?dataset=digits")
    eve.sees("An example that ships with the explorer")
    eve.page.locator("summary", has_text="More settings").evaluate("element => element.click()")
    rate = eve.page.get_by_role("textbox", name="Learning rate")
    for typed, linked in (("0,05", "rate=0.05"), ("5e-1", "rate=0.5"), ("0.25", "rate=0.25")):
        rate.fill("")
        rate.press_sequentially(typed)
        rate.press("Enter")
        eve.until(lambda linked=linked: eve.page.url.endswith(linked), "the number in the link")
    rate.fill("")
    rate.press_sequentially("1,000")
    rate.press("Enter")
    eve.sees("This cannot be run: Learning rate: '1,000' may be read in two ways: write 1 or 1000.")
    eve.until(lambda: eve.button("Start").is_disabled(), "Start to wait")
    ratio = eve.page.get_by_role("textbox", name="Prune to, %")
    ratio.fill("")
    ratio.press_sequentially("92,5")
    ratio.press("Enter")
    eve.until(lambda: eve.button("Prune now to 92.5 %").is_visible(), "the number on the button")
