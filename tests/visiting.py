"""Visits to the pages through app.py, without a browser."""

import json
import re
from pathlib import Path
from urllib.parse import urlencode

from streamlit.testing.v1 import AppTest

from core.spec import RunSpec
from pages.shared import link
from pages.watch import sidebar

REPOSITORY = Path(__file__).parents[1]
PAGES = {
    Path(path).stem: path for path in re.findall(r'st\.Page\("([^"]+)"', (REPOSITORY / "app.py").read_text("utf-8"))
}


def asking_for(spec: RunSpec) -> str:
    """The link with which the sidebar asks for the spec."""
    return urlencode(link.words(sidebar.RULES, sidebar.choice_of(spec)))


def visit(page: str = "live", **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=250)
    for name, text in query.items():
        app.query_params[name] = text
    app.run()
    if page != "live":
        app.switch_page(PAGES[page]).run()
    assert not app.exception, app.exception
    return app


def button(app: AppTest, label: str):
    return next(one for one in app.button if one.label == label)


def said(app: AppTest) -> str:
    """Everything in words on the page."""
    kinds = (app.markdown, app.info, app.warning, app.error, app.caption, app.title)
    return "\n".join(element.value for kind in kinds for element in kind)


def arrive(page: str, **query: str) -> AppTest:
    """A visit that begins at the page, as a link does; drawn twice, as the browser's introduction brings about."""
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=250)
    app.switch_page(PAGES[page])
    for name, text in query.items():
        app.query_params[name] = text
    return again(again(app))


def again(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception
    return app


class StandIn:
    """In place of an element of the pages: keeps the blobs it would draw, and the news it would hear."""

    def __init__(self):
        self.blobs, self.news = [], []

    def hear(self, news, *, key):
        self.news.append(news)

    @property
    def header(self) -> dict:
        length = int.from_bytes(self.blobs[-1][:4], "little")
        return json.loads(self.blobs[-1][4 : 4 + length])
