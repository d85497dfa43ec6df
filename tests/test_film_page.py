"""The page "Low rank" through app.py, without a browser: which run it shows, what it keeps, what it says when work fails."""

import pytest
from blobs import unpack
from small import digits
from streamlit.testing.v1 import AppTest
from visiting import PAGES, REPOSITORY, again, arrive, button, said
from waiting import wait_until

from core.claims.random_cuts import RandomCutsOf
from core.claims.spectral_history import HistoryOf
from core.spec import RunSpec
from core.store import Store
from pages.claims import histories
from pages.shared import asked, elements, services

SHIPPED = RunSpec().key()


@pytest.fixture
def shown(monkeypatch) -> list[dict]:
    """The headers of the blobs that the page sends to the browser, one after the other."""
    headers = []
    monkeypatch.setattr(elements, "film", lambda blob, *, key: headers.append(unpack(blob)[0]))
    return headers


def in_peace(app: AppTest) -> AppTest:
    """Once no worker works any more."""
    wait_until(lambda: not any(job.live for job in services.board().jobs()), what="the random cuts")
    return again(app)


def visit(**link: str) -> AppTest:
    return arrive("spectra", **link)


def linked(app: AppTest) -> dict[str, str]:
    return {name: one if isinstance(one, str) else one[0] for name, one in app.query_params.items()}


def test_the_first_visit_shows_the_shipped_run(cache, shown):
    app = visit()
    assert shown[-1]["run"] == SHIPPED and len(shown[-1]["cuts"]) == 5
    assert linked(app) == {"run": SHIPPED}
    assert not (cache.root / "runs").exists()


def test_a_link_names_the_run_and_what_else_it_says_is_the_browsers(with_runs, shown):
    app = visit(run=digits(seed=1).key(), at="3.1", show="relative")
    assert shown[-1]["run"] == digits(seed=1).key()
    assert linked(app) == {"run": digits(seed=1).key(), "at": "3.1", "show": "relative"}
    app.sidebar.selectbox(key="claims run").select(digits(seed=0).key())
    again(app)
    assert shown[-1]["run"] == digits(seed=0).key() and linked(app) == {"run": digits(seed=0).key()}


def test_a_link_without_a_run_keeps_its_choices(cache, shown):
    assert linked(visit(show="relative")) == {"run": SHIPPED, "show": "relative"}


def test_a_link_to_a_run_that_is_not_here_says_so_until_another_is_chosen(with_runs, shown):
    app = visit(run="0123456789abcdef")
    assert "not stored here" in said(app) and shown[-1]["run"] == SHIPPED
    app.sidebar.selectbox(key="claims run").select(digits(seed=0).key())
    assert "not stored here" not in said(again(app))


def test_the_watched_run_is_shown_also_when_another_is_watched_later(with_runs, shown):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=250)
    app.session_state["watching"] = digits(seed=1).key()
    app.switch_page(PAGES["spectra"])
    again(again(app))
    assert shown[-1]["run"] == digits(seed=1).key()
    app.switch_page(PAGES["runs"])
    again(app)
    app.session_state["watching"] = digits(seed=0).key()
    app.switch_page(PAGES["spectra"])
    again(app)
    assert shown[-1]["run"] == digits(seed=0).key()


def test_the_choice_outlives_a_visit_to_another_page(with_runs, shown):
    app = visit()
    app.sidebar.selectbox(key="claims run").select(digits(seed=1).key())
    again(app)
    app.switch_page(PAGES["slider"])
    again(app)
    app.switch_page(PAGES["spectra"])
    again(app)
    assert shown[-1]["run"] == digits(seed=1).key()


def test_the_page_paints_before_the_random_cuts_and_judges_after(with_runs, shown, gates):
    first = with_runs.log(digits().key())
    epoch = next(line["epoch"] for line in first if line["kind"] == "Pruned")
    job = gates.hold(RandomCutsOf(digits().key(), epoch).job, 1)
    app = visit(run=digits().key())
    wait_until(lambda: services.board().job(job).epoch == 1, what="the first of them")
    again(app)
    assert not shown[-1]["randoms"] and "1 of 3 cuts" in _verdict(app)
    gates.open(job)
    in_peace(app)
    assert shown[-1]["randoms"] and "How this is decided" in _verdict(app)
    assert [job.kind for job in services.board().jobs()] == ["random-cuts"]


def test_what_is_kept_is_not_worked_out_again(with_runs, shown):
    in_peace(visit(run=digits().key()))
    begun = services.board().jobs()
    histories._read.clear()
    visit(run=digits().key())
    assert shown[-1]["randoms"] and services.board().jobs() == begun


def test_a_finished_runs_history_is_kept_by_its_worker(cache, shown):
    services.board().start(digits(), "me")
    wait_until(lambda: services.board().job(digits().key()).state == "finished", what="the run")
    kept = asked.value(HistoryOf(digits().key()))
    assert kept.epochs() == services.board().store.open(digits().key()).epochs


def test_work_that_fails_says_why_and_can_be_tried_again(with_runs, shown, cache):
    in_the_way = cache.root / "atlases"
    in_the_way.write_text("no folder")
    app = in_peace(visit(run=digits().key()))
    assert "The random cuts cannot be drawn: " in said(app) and "cannot be written" in said(app)
    assert "No verdict" in _verdict(app) and len(services.board().jobs()) == 1
    in_the_way.unlink()
    button(app, "Try again").click()
    app = in_peace(again(app))
    assert shown[-1]["randoms"] and "cannot be drawn" not in said(app)


def test_freeing_space_keeps_the_histories(with_runs, shown, made):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=250)
    app.switch_page(PAGES["runs"])
    again(again(app))
    thinned = []
    Store.thin, real = (lambda self, key: thinned.append(key) or 0), Store.thin
    try:
        button(app, "Free space").click()
        again(app)
    finally:
        Store.thin = real
    assert digits().key() in thinned
    assert asked.value(HistoryOf(digits().key())).epochs() == made.open(digits().key()).epochs


def _verdict(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html") if "verdict" in element.proto.body)
