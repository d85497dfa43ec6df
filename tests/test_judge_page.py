"""The page "Judge" through app.py, without a browser: what is shown, kept in the link, started, stopped, told and refused."""

import dataclasses
import importlib.util
import json

import pytest
import streamlit as st
from blobs import unpack
from streamlit.testing.v1 import AppTest
from test_judgement import rows
from visiting import again, arrive, button, said
from waiting import wait_until

from core.artifacts.kept import Artifacts
from core.jobs.job import Job
from core.judge import questions, results, study
from core.judge.questions import CUT, INACTIVITY, METHOD, Setting
from core.judge.study import Kept, Study
from core.sweep import NO_PRUNING
from core.views import judge, judge_export
from core.views.judge import HERE, SHIPPED
from pages.judge import asking, judging
from pages.shared import elements, services

SETTINGS = [Setting("digits", 0.6, 3), Setting("digits", 0.9, 3), Setting("mnist", 0.6, 3)]
SMALL = Study("digits", (0.5,), 5, length=2, seeds=3)
LINK = {"results": HERE, "data": "digits", "ratios": "50", "length": "length", "epochs": "2", "seeds": "3"}  # the same
START, START_SMALL = "Run it here: the quick set of 40 runs", "Run it here: this set of 12 runs"


@pytest.fixture
def shown(monkeypatch) -> list:
    """Stands in for the element: the headers of the blobs that it was given, read as the browser reads them."""
    shown = []
    monkeypatch.setattr(elements, "judge", lambda blob, *, key, on_claim: shown.append(unpack(blob)[0]))
    monkeypatch.setattr(elements, "ladder", lambda blob, *, key: unpack(blob))
    return shown


@pytest.fixture
def several(cache, monkeypatch, tmp_path):
    """Shipped rows of three settings, of 3, 10 and 10 seeds."""
    made = [row for n, at in zip((3, 10, 10), SETTINGS, strict=True) for row in rows(n, at)]
    (tmp_path / "runs.csv").write_text(judge_export.table(made), "utf-8")
    monkeypatch.setattr(results, "FILE", tmp_path / "runs.csv")
    return made


def choose(app: AppTest, label: str, value: str) -> AppTest:
    next(one for one in app.sidebar.selectbox if one.label == label).select(value)
    return again(app)


def link(app: AppTest) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in app.query_params.items()}


def key(at: Setting, method: str = METHOD) -> str:
    return unpack(judge.blob([], at, method=method))[0]["key"]


def labels(app: AppTest) -> list[str]:
    return [one.label for one in app.main.button]


def test_the_first_visit_shows_the_shipped_rows_as_shipped(cache, shown):
    app = arrive("judge")
    shipped = results.shipped()
    at = Setting("mnist", 0.8, 5)
    assert shown[-1] == unpack(judge.blob(shipped, at))[0]
    assert shown[-1]["provenance"].startswith("These results ship with the project")
    assert not app.error and not app.warning and START in labels(app)
    assert not (cache.root / "atlases").exists()  # looking writes nothing


def test_each_switch_changes_what_is_shown_and_stands_in_the_link(several, shown):
    app = arrive("judge", data="digits")
    assert shown[-1]["key"] == key(SETTINGS[0])
    choose(app, "Weights zero at the end", "90")
    assert shown[-1]["key"] == key(SETTINGS[1])
    choose(app, "Data set", "mnist")
    assert shown[-1]["key"] == key(SETTINGS[2])
    choose(app, "Claim 1: which neurons go", INACTIVITY)
    assert shown[-1] == unpack(judge.blob(results.shipped(), SETTINGS[2], method=INACTIVITY))[0]
    assert link(app) == {
        "claim": "pruning", "results": SHIPPED, "data": "mnist", "ratio": "60", "rounds": "3", "count": INACTIVITY,
    }  # fmt: skip
    choose(app, "Results", HERE)
    assert shown[-1]["made"] == HERE and shown[-1]["provenance"].endswith("no run is there yet.")


def test_rows_that_do_not_say_what_was_right_after_the_last_cut_offer_only_the_end(several, shown):
    app = arrive("judge", measured=CUT)
    assert app.sidebar.selectbox(key="judge measured").options == [
        "yes: at the end of the run (all that these rows hold)"
    ]
    assert f"The link asks for measured = '{CUT}', which is not possible: allowed are {questions.END}" in said(app)
    results.FILE.write_text(judge_export.table([row | {CUT: 90.0} for row in several]), "utf-8")
    app = arrive("judge", measured=CUT)
    assert shown[-1]["setting"].endswith(questions.MEASURED[CUT]) and not app.warning


def test_a_link_is_restored_and_nonsense_in_it_is_told(several, shown):
    app = arrive("judge", claim="pca", data="mnist", count=INACTIVITY)
    assert shown[-1]["key"] == key(SETTINGS[2], INACTIVITY) and shown[-1]["open"] == "pca" and not app.warning
    app = arrive("judge", claim="nothing", ratio="abc", results="x" * 200)
    for name in ("claim = 'nothing'", "ratio = 'abc'", "results = 'xxx"):
        assert f"The link asks for {name}" in said(app)
    assert shown[-1]["key"] == key(SETTINGS[2]) and shown[-1]["open"] == "pruning"  # MNIST, where it ships
    assert "x" * 31 not in said(app)


def test_a_first_run_that_the_browser_overtakes_loses_nothing_of_the_link(cache, shown, monkeypatch):
    drawn, draw = [], st.multiselect

    def overtaken(label, *args, **options):
        drawn.append(label)
        if len(drawn) == 2:  # the first run ends within the switches
            st.rerun()
        return draw(label, *args, **options)

    monkeypatch.setattr(st, "multiselect", overtaken)
    app = arrive("judge", **LINK)
    assert link(app).items() >= LINK.items() and button(app, START_SMALL)
    # A browser too slow to draw the first run learns the switches from the second; what it does not learn, it reports empty.
    assert all(
        one.proto.set_value for one in [*app.sidebar.multiselect, *app.sidebar.selectbox, *app.sidebar.text_input]
    )
    assert app.sidebar.toggle[0].proto.set_value


def test_without_shipped_rows_the_page_says_so_and_the_quick_set_is_there(cache, shown, monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FILE", tmp_path / "none.csv")
    app = arrive("judge")
    assert "No results ship with this copy" in said(app) and START in labels(app)
    assert shown[-1]["made"] == HERE and shown[-1]["cards"][0]["word"] == "can't tell yet"


def test_a_set_of_ones_own_runs_and_each_of_its_runs_comes_onto_the_page(cache, shown, gates):
    places = SMALL.places()
    held = [gates.hold(results.specs(SMALL.setting_at(ratio), seed)[arm].key()) for ratio, arm, seed in places]
    app = arrive("judge", **LINK)
    assert not app.warning and shown[-1]["setting"] == judge.label(SMALL.setting)
    button(app, START_SMALL).click()
    again(app)
    assert shown[-1]["made"] == HERE and "Stop" in labels(app)
    assert services.board().job(SMALL.key).kind == "sweep"

    def count() -> int:
        again(app)
        missed = sum("missed cuts" in told for told in shown[-1]["failed"])  # two epochs are too few for any
        return missed + sum(arm["n"] for one in shown[-1]["panels"] for arm in one["arms"])

    for number, run in enumerate(held, start=1):
        assert count() == number - 1
        gates.open(run)
        wait_until(lambda number=number: count() == number, 120, what=f"run {number}")
    wait_until(lambda: not services.board().job(SMALL.key).live, what="the end")
    again(app)
    assert shown[-1]["job"] is None and START_SMALL not in labels(app) and "Stop" not in labels(app)
    pruning, *others = shown[-1]["cards"]
    assert pruning["word"] == "can't tell yet" and [one["n"] for one in pruning["decisions"]] == [0, 0]
    assert len(shown[-1]["failed"]) == 12 and "is no result at that ratio" in shown[-1]["failed"][0]
    assert all(not card["asked"] and "alone" in card["sentence"] for card in others)
    assert {row["arm"] for row in study.kept(Artifacts(cache.root), SMALL).rows} == set(SMALL.arms)


def keep(cache, made, **more) -> None:
    content = json.dumps(dataclasses.asdict(Kept(tuple(made), **{"asked": 12, "there": len(made), **more})))
    Artifacts(cache.root).write(SMALL.name, study.FILE, content.encode())


def of_small(seeds: int) -> list:
    return [row for row in rows(seeds, SMALL.setting) if row["arm"] in SMALL.arms]


def test_what_is_stored_comes_at_once_and_the_rest_can_be_gone_on_with(cache, shown):
    keep(cache, of_small(2))
    app = arrive("judge", **LINK)
    assert "Go on with this set (8 of 12 runs are there)" in labels(app)
    assert [one["n"] for one in shown[-1]["cards"][0]["decisions"]] == [2, 2]


def test_rows_that_come_while_the_page_is_drawn_are_on_it_the_next_time(cache, shown, monkeypatch):
    read, written = judging._rows, []

    def meanwhile(made, asked):
        found = read(made, asked)
        if made == HERE and not written:
            written.append(keep(cache, of_small(2)))
        return found

    keep(cache, of_small(1))
    monkeypatch.setattr(judging, "_rows", meanwhile)
    app = arrive("judge", **LINK)
    assert written
    again(app)
    assert shown[-1]["cards"][0]["decisions"][0]["n"] == 2


def test_a_whole_set_is_one_click_away_from_the_shipped_rows_and_the_link_keeps_its_assumptions(cache, shown):
    keep(cache, of_small(3))
    app = arrive("judge", **LINK)
    assert {name: link(app)[name] for name in LINK} == LINK
    choose(app, "Results", SHIPPED)
    assert shown[-1]["made"] == SHIPPED and START not in labels(app)
    button(app, "Show this set, which ran here").click()
    again(app)
    assert shown[-1]["made"] == HERE and shown[-1]["cards"][0]["decisions"][0]["n"] == 3


def test_a_failed_run_is_told_with_its_reason(cache, shown):
    keep(cache, [study.failed((0.5, "magnitude", 0), SMALL.setting, "the process that trained it died twice")])
    app = arrive("judge", **LINK)
    assert shown[-1]["failed"] == ["Seed 0 of magnitude failed: the process that trained it died twice."]
    assert START_SMALL in labels(app)


def test_progress_is_told_in_words_and_stop_is_the_starters_own(cache, shown, monkeypatch):
    live = Job(SMALL.key, "sweep", "somebody else", "quick", state="building")

    def told(job: Job) -> None:
        monkeypatch.setattr(services.board(), "job", lambda key: job if key == SMALL.key else None)

    told(live)
    app = arrive("judge", **LINK)
    assert shown[-1]["job"] == {"text": "This set begins: 12 runs on all cores of this computer", "share": 0.0}
    assert button(app, "Stop").disabled
    keep(cache, of_small(1), trained=4, seconds=60.0)
    again(app)
    assert shown[-1]["job"] == {"text": "4 of 12 runs are there, about 2 minutes left", "share": pytest.approx(1 / 3)}
    told(dataclasses.replace(live, state="queued", place=2))
    again(app)
    assert shown[-1]["job"]["text"] == "This set waits in the queue, at place 2"
    told(dataclasses.replace(live, state="failed", text="the folder cache/ cannot be written"))
    again(app)
    assert "The folder cache/ cannot be written." in said(app) and shown[-1]["job"] is None


def test_every_assumption_is_a_switch_and_what_cannot_be_is_a_sentence(cache, shown):
    app = arrive("judge", results=HERE)
    app.sidebar.multiselect(key="judge ratios").set_value(["50", "96.875"])
    app.sidebar.multiselect(key="judge arms").set_value([METHOD, "magnitude", questions.FRESH_TARGET])
    app.sidebar.toggle(key="judge more").set_value(True)
    again(app)
    for label, value in (
        ("Ratios that are the same", questions.ACHIEVED),
        ("Budget", "increment"),
        ("Each run is trained", "length"),
        ("Rounds of pruning", "10"),
        ("The cards are about", "96.875"),
        ("Retrained after the last cut", CUT),
        ("Seeds", "15"),
    ):
        choose(app, label, value)
    app.sidebar.text_input(key="judge epochs").set_value("25")
    again(app)
    assert app.session_state["judge study"]["arms"] == [METHOD, "magnitude", questions.FRESH_TARGET, NO_PRUNING]
    at = Setting("mnist-mini", 0.96875, 10, "increment", questions.ACHIEVED, 25)
    assert shown[-1]["setting"] == f"{judge.label(at)}, {questions.MEASURED[CUT]}"
    assert "Run it here: this set of 120 runs" in labels(app) and not app.warning  # 2 ratios, 4 arms, 15 seeds
    app.sidebar.toggle(key="judge more").set_value(False)
    app.sidebar.multiselect(key="judge arms").set_value([questions.FRESH_TARGET])
    again(app)
    assert "This set of runs is not possible" in said(app) and "copies the widths" in said(app)
    assert not [label for label in labels(app) if label.startswith("Run it here")]


def test_one_of_the_shipped_runs_is_made_again_beside_what_ships(cache, shown, monkeypatch, tmp_path):
    spec = results.specs(SMALL.setting, 0)["magnitude"]
    row = of_small(1)[1] | {"requested": 50.0, "arm": "magnitude", "seed": 0, "test_accuracy": 12.5, "key": spec.key()}
    row |= {"widths": "300/200/100/50", "epochs": 2}
    (tmp_path / "runs.csv").write_text(judge_export.table([row]), "utf-8")
    monkeypatch.setattr(results, "FILE", tmp_path / "runs.csv")
    app = arrive("judge")
    assert "Ships: **12.50 %**" in said(app)
    button(app, "Train it here").click()
    again(app)
    wait_until(lambda: "Here: **" in said(again(app)), 60, what="the result")
    accuracy = 100 * services.board().store.events(spec.key())[-1].test_accuracy
    assert f"Here: **{accuracy:.2f} %**" in said(app) and "It differs by" in said(app)


def test_without_torch_the_set_is_refused_in_a_sentence(cache, shown, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    app = arrive("judge")
    button(app, START).click()
    again(app)
    assert "PyTorch is not installed here" in said(app)


def test_rows_and_script_are_there_to_take_away(several, shown):
    app = arrive("judge", claim="low-rank")
    mine = {"These rows as CSV", "This card as a Python script"}
    assert mine <= {one.proto.label for one in app.get("download_button")}
    app = arrive("judge", results=HERE)
    assert not mine & {one.proto.label for one in app.get("download_button")}  # nothing is there yet


def test_the_method_of_the_switch_is_one_that_the_cards_know():
    assert set(asking.COUNTS) == set(questions.DIRECTIONS) and set(asking.MEASURED) == set(questions.MEASURED)
