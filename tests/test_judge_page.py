"""The page "Judge" through app.py, without a browser: what is shown, kept in the link, started, stopped, told and refused."""

import dataclasses
import importlib.util

import pytest
from blobs import unpack
from small import digits
from streamlit.testing.v1 import AppTest
from test_judgement import rows
from visiting import again, arrive, button, said
from waiting import wait_until

from core import cards, judgement, results
from core.cards import INACTIVITY, METHOD, Setting
from core.job import Job
from core.judgement import HERE, SHIPPED, Kept, Quick
from core.shelf import Shelf
from pages.parts import elements, judging, services

SETTINGS = [Setting("digits", 0.6, 3), Setting("digits", 0.9, 3), Setting("mnist", 0.6, 3)]
SMALL = Quick("digits", 0.6, 3, seeds=(0, 1, 2))
START = "Run it here: the quick set"


@pytest.fixture
def shown(monkeypatch) -> list:
    """Stands in for the element: the headers of the blobs that it was given, read as the browser reads them."""
    shown = []
    monkeypatch.setattr(elements, "judge", lambda blob, *, key, on_claim: shown.append(unpack(blob)[0]))
    return shown


@pytest.fixture
def several(cache, monkeypatch, tmp_path):
    """Shipped rows of three settings, of 3, 10 and 10 seeds."""
    made = [row for n, at in zip((3, 10, 10), SETTINGS, strict=True) for row in rows(n, at)]
    (tmp_path / "runs.csv").write_text(judgement.table(made), "utf-8")
    monkeypatch.setattr(results, "FILE", tmp_path / "runs.csv")
    return made


@pytest.fixture
def small(monkeypatch):
    """A quick set of runs of half a second each."""
    monkeypatch.setattr(judging, "QUICK", SMALL)
    wanted = [(arm, dataclasses.replace(digits({"criterion": arm}), seed=s)) for s in SMALL.seeds for arm in SMALL.arms]
    monkeypatch.setattr(Quick, "specs", lambda self: wanted)
    return wanted


def choose(app: AppTest, label: str, value: str) -> AppTest:
    next(one for one in app.sidebar.selectbox if one.label == label).select(value)
    return again(app)


def link(app: AppTest) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in app.query_params.items()}


def labels(app: AppTest) -> list[str]:
    return [one.label for one in app.main.button]


def test_the_first_visit_shows_the_shipped_rows_as_shipped(cache, shown):
    app = arrive("judge")
    shipped = results.shipped()
    at = cards.settings(shipped)[0]
    assert shown[-1] == unpack(judgement.blob(shipped, at))[0]
    assert shown[-1]["provenance"].startswith("These results ship with the project")
    assert not app.error and not app.warning and START in labels(app)
    assert not (cache.root / "atlases").exists()  # looking writes nothing


def test_each_switch_changes_what_is_shown_and_stands_in_the_link(several, shown):
    app = arrive("judge")
    assert shown[-1]["key"] == "shipped digits 0.6 3 activation-frequency"
    choose(app, "Weights zero at the end", "90")
    assert shown[-1]["key"] == "shipped digits 0.9 3 activation-frequency"
    choose(app, "Data set", "mnist")
    assert shown[-1]["key"] == "shipped mnist 0.6 3 activation-frequency"
    choose(app, "Claim 1: which neurons go", INACTIVITY)
    assert shown[-1] == unpack(judgement.blob(results.shipped(), SETTINGS[2], method=INACTIVITY))[0]
    assert link(app) == {
        "claim": "pruning", "results": SHIPPED, "data": "mnist", "ratio": "60", "rounds": "3", "count": INACTIVITY,
    }  # fmt: skip
    choose(app, "Results", HERE)
    assert shown[-1]["made"] == HERE and shown[-1]["provenance"].endswith("no run is there yet.")


def test_a_link_is_restored_and_nonsense_in_it_is_told(several, shown):
    app = arrive("judge", claim="pca", data="mnist", count=INACTIVITY)
    assert shown[-1]["key"] == "shipped mnist 0.6 3 inactivity" and shown[-1]["open"] == "pca" and not app.warning
    app = arrive("judge", claim="nothing", ratio="abc", results="x" * 200)
    assert "The link asks for what is not here" in said(app) and "“abc”" in said(app)
    assert shown[-1]["key"] == "shipped digits 0.6 3 activation-frequency" and shown[-1]["open"] == "pruning"
    assert "x" * 31 not in said(app)


def test_without_shipped_rows_the_page_says_so_and_the_quick_set_is_there(cache, shown, monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FILE", tmp_path / "none.csv")
    app = arrive("judge")
    assert "No results ship with this copy" in said(app) and START in labels(app)
    assert all(card["word"] == "can't tell yet" for card in shown[-1]["cards"])


def test_the_quick_set_runs_and_each_of_its_runs_comes_onto_the_page(cache, shown, small):
    app = arrive("judge")
    button(app, START).click()
    again(app)
    assert shown[-1]["made"] == HERE and "Stop" in labels(app)
    assert services.board().job(judging.KEY).kind == "sweep"
    counts = []

    def over() -> bool:
        again(app)
        counts.append(sum(arm["n"] for one in shown[-1]["panels"] for arm in one["arms"]))
        return counts[-1] == 12 and not services.board().job(judging.KEY).live

    wait_until(over, 120, what="twelve runs")
    assert counts == sorted(counts) and len(set(counts)) > 3, counts
    again(app)
    assert shown[-1]["job"] is None and START not in labels(app) and "Stop" not in labels(app)
    pruning, *others = shown[-1]["cards"]
    assert pruning["headline"] == "can't tell yet (about 7 more seeds)"
    assert [one["n"] for one in pruning["decisions"]] == [3, 3]
    assert all(not card["asked"] and "alone" in card["sentence"] for card in others)
    assert {row["arm"] for row in judgement.kept(Shelf(cache.root)).rows} == set(SMALL.arms)


def keep(cache, made, **more) -> None:
    content = judgement.json.dumps(dataclasses.asdict(Kept(tuple(made), **{"asked": 12, **more})))
    Shelf(cache.root).write(judgement.SHELF, judgement.FILE, content.encode())


def test_what_is_stored_comes_at_once_and_the_rest_can_be_gone_on_with(cache, shown, small):
    keep(cache, [row for row in rows(2, SMALL.setting) if row["arm"] in SMALL.arms])
    app = arrive("judge", results=HERE)
    assert "Go on with the quick set (8 of 12 runs are there)" in labels(app)
    assert [one["n"] for one in shown[-1]["cards"][0]["decisions"]] == [2, 2]


def test_a_whole_set_is_one_click_away_from_the_shipped_rows(cache, shown, small):
    keep(cache, [row for row in rows(3, SMALL.setting) if row["arm"] in SMALL.arms])
    app = arrive("judge")
    assert shown[-1]["made"] == SHIPPED and START not in labels(app)
    button(app, "Show the quick set that ran here").click()
    again(app)
    assert shown[-1]["made"] == HERE and "Show the quick set that ran here" not in labels(app)


def test_a_failed_run_is_told_with_its_reason(cache, shown, small):
    bad = judgement._failed(digits(), "magnitude", SMALL.setting, "the process that trained it died twice")
    keep(cache, [bad])
    app = arrive("judge", results=HERE)
    assert shown[-1]["failed"] == ["Seed 0 of magnitude failed: the process that trained it died twice."]
    assert START in labels(app)


def test_progress_is_told_in_words_and_stop_is_the_starters_own(cache, shown, small, monkeypatch):
    live = Job(judging.KEY, "sweep", "somebody else", "quick", state="building")
    monkeypatch.setattr(services.board(), "job", lambda key: live)
    app = arrive("judge", results=HERE)
    assert shown[-1]["job"] == {"text": "The quick set begins: 12 runs on all cores of this computer", "share": 0.0}
    assert button(app, "Stop").disabled
    keep(cache, [row for row in rows(1, SMALL.setting) if row["arm"] in SMALL.arms], trained=4, seconds=60.0)
    again(app)
    assert shown[-1]["job"] == {"text": "4 of 12 runs are there, about 2 minutes left", "share": pytest.approx(1 / 3)}
    queued = dataclasses.replace(live, state="queued", place=2)
    monkeypatch.setattr(services.board(), "job", lambda key: queued)
    again(app)
    assert shown[-1]["job"]["text"] == "The quick set waits in the queue, at place 2"
    ended = dataclasses.replace(live, state="failed", text="the folder cache/ cannot be written")
    monkeypatch.setattr(services.board(), "job", lambda key: ended)
    again(app)
    assert "The folder cache/ cannot be written." in said(app) and shown[-1]["job"] is None


def test_without_torch_the_set_is_refused_in_a_sentence(cache, shown, small, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    app = arrive("judge")
    button(app, START).click()
    again(app)
    assert "PyTorch is not installed here" in said(app)


def test_rows_and_script_are_there_to_take_away(several, shown):
    app = arrive("judge", claim="low-rank")
    downloads = {one.proto.label for one in app.get("download_button")}
    assert downloads == {"These rows as CSV", "This card as a Python script"}
    app = arrive("judge", results=HERE)
    assert not app.get("download_button")  # nothing is there yet


def test_the_method_of_the_switch_is_one_that_the_cards_know():
    assert set(judging.COUNTS) == set(cards.DIRECTIONS) and METHOD in judging.COUNTS
