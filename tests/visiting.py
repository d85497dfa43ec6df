"""Visits to the pages through app.py, without a browser."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

REPOSITORY = Path(__file__).parents[1]
FILES = [
    path.relative_to(REPOSITORY) for path in sorted(REPOSITORY.glob("pages/*/*.py")) if path.parent.name != "parts"
]
PAGES = {path.stem: str(path) for path in FILES}


def visit(page: str = "live", **link: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    for name, text in link.items():
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
