"""The page "One slider" through app.py, without a browser: what it shows, builds, starts and refuses."""

import pytest
import streamlit as st
from small import digits
from streamlit.testing.v1 import AppTest
from visiting import PAGES, StandIn, again, arrive, button, said
from waiting import wait_until

from core import criteria
from core.atlas.artifacts import AtlasOf
from core.jobs import JobBoard, JobError
from core.jobs.job import Job
from core.spec import RunSpec
from pages.explore import atlases
from pages.shared import asked, elements, services

TRAINED = RunSpec(pruning=None).key()


class Stage(StandIn):
    """Stands in for the stage and its feed: keeps what they were given, and speaks up once for a person."""

    def __init__(self):
        super().__init__()
        self.wish = None

    def draw(self, blob, *, key, on_ask):
        self.blobs.append(blob)
        if self.wish:
            wish, self.wish = self.wish, None
            st.session_state["stage"] = {"ask": wish}
            on_ask()


@pytest.fixture
def stage(monkeypatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(elements, "stage", stage.draw)
    monkeypatch.setattr(elements, "feed", stage.hear)
    return stage


def visit(**link: str) -> AppTest:
    return arrive("slider", **link)


def built(app: AppTest, stage: Stage) -> AppTest:
    """Waits until all that the page has asked for is there, as its fragment would."""
    wait_until(lambda: not any(job.live for job in services.board().jobs()), what="the worker")
    return again(app)


def wish(app: AppTest, stage: Stage, **values) -> dict:
    stage.wish = values
    again(app)
    again(app)
    return stage.news[-1]


def test_the_first_visit_shows_the_shipped_network_and_builds_nothing(cache, stage):
    app = visit()
    header = stage.header
    assert (header["run"], header["criterion"], header["start"]) == (TRAINED, "activation-frequency", 0)
    assert [one["draws"] for one in header["controls"]] == [1, 5] and header["magnitude"]
    assert services.board().jobs() == [] and not (cache.root / "runs").exists()
    assert [box.label for box in app.sidebar.selectbox] == [
        "Network",
        "Criterion: what goes first",
        "Scope: what is ranked",
    ]
    [mark] = [mark for mark in stage.news[-1]["marks"] if mark["kind"] == "rounds"]
    assert mark["achieved"] == pytest.approx(0.8, abs=1e-3) and mark["accuracy"] == pytest.approx(
        services.example().result(RunSpec().key()).test_accuracy
    )


def test_every_criterion_is_in_the_menu_with_its_help(cache, stage):
    box = visit().sidebar.selectbox(key="slider criterion")
    assert len(box.options) == len(criteria.names())
    assert all(criteria.get(name).help.split("\n")[0][:40] in box.help for name in criteria.names())


def test_an_atlas_that_is_missing_is_built_with_progress_and_then_shown(with_runs, stage, gates):
    job = gates.hold(AtlasOf(digits().key(), 3, "inactivity", "layer").job)
    app = visit(run=digits().key(), by="inactivity", epoch="3", scope="layer")
    assert stage.header["title"].startswith("The atlas of this network by “Inactivity")
    assert "Building the atlas" in stage.news[-1]["job"]["text"]
    gates.open(job)
    built(app, stage)
    header = stage.header
    assert (header["run"], header["epoch"], header["criterion"], header["scope"]) == (
        digits().key(),
        3,
        "inactivity",
        "layer",
    )
    assert [one["draws"] for one in header["controls"]] == [1, 5] and stage.news[-1]["job"] is None
    jobs = len(services.board().jobs())
    again(app)
    assert len(services.board().jobs()) == jobs  # nothing is built twice


def test_the_slider_of_a_pruned_run_starts_where_it_stands(with_runs, stage):
    built(visit(run=digits().key()), stage)
    assert stage.header["start"] == 60 and stage.header["start_achieved"] == pytest.approx(0.6, abs=0.01)


def test_the_link_restores_the_choice_and_keeps_what_the_browser_wrote(cache, stage):
    app = visit(run=TRAINED, by="magnitude", cut="66", layer="2", neuron="17")
    assert stage.header["criterion"] == "magnitude" and not stage.header["magnitude"]
    link = {name: app.query_params[name] for name in app.query_params}
    wanted = {
        "run": TRAINED,
        "epoch": "20",
        "by": "magnitude",
        "scope": "global",
        "cut": "66",
        "layer": "2",
        "neuron": "17",
    }
    assert link == wanted


@pytest.mark.parametrize(
    "link, sentence",
    [
        ({"run": "0123456789abcdef"}, "run = '0123456789abcdef', which is not possible: that run is not stored here"),
        ({"epoch": "999"}, "epoch = '999', which is not possible: no such epoch"),
        ({"epoch": "x"}, "epoch = 'x', which is not possible: no such epoch"),
        ({"by": "beauty"}, "by = 'beauty', which is not possible: allowed are activation-frequency, magnitude"),
        ({"scope": "galaxy"}, "allowed are global, layer"),
    ],
)
def test_a_wrong_link_is_told_and_something_is_shown(cache, stage, link, sentence):
    visit(**link)
    assert sentence in stage.news[-1]["said"] and stage.header["run"] == TRAINED


def test_neurons_by_hand_are_counted_on_the_server(cache, stage):
    app = visit()
    answer = wish(app, stage, what="hand", id=7, percent=30, killed=[[3, 0], [0, 5]], spared=[[1, 2]])["hand"]
    counted = atlases.by_hand(AtlasOf(TRAINED, 20), 30, ((0, 5), (3, 0)), ((1, 2),))
    assert answer == {"id": 7, **counted} and 0 < answer["accuracy"] < 1
    assert wish(app, stage, what="hand", id=8, percent=30, killed=[], spared=[])["hand"] is None
    assert "no neuron 999" in wish(app, stage, what="hand", id=9, percent=30, killed=[[0, 999]], spared=[])["said"]


def test_prune_here_and_retrain_makes_a_branch_that_can_be_opened_and_undone(with_runs, stage):
    parent = digits(seed=1)
    app = built(visit(run=parent.key()), stage)
    news = wish(app, stage, what="branch", percent=80, killed=[], spared=[])
    assert news["said"] == ""
    branch = parent.branch(
        services.board().store.open(parent.key()).last_epoch, 0.8, criterion="activation-frequency", scope="global"
    )
    built(app, stage)
    stored = services.board().store.open(branch.key())
    assert stored.finished and stored.parent == parent.key()
    [mark] = [mark for mark in stage.news[-1]["marks"] if mark["kind"] == "branch"]
    assert mark["key"] == branch.key() and mark["achieved"] == pytest.approx(0.8, abs=0.02)
    assert "Cut by hand to 80 % at epoch" in said(app)
    button(app, "Open").click()
    built(again(app), stage)
    assert stage.header["run"] == branch.key() and stage.header["start"] >= 80
    assert stage.header["epoch"] == stored.last_epoch
    button(app, "Back to the network that this one was cut from").click()
    again(app)
    assert stage.header["run"] == parent.key()
    wait_until(lambda: not services.board().watched(branch.key()), what="the watch to end")
    button(app, "Undo").click()
    again(app)
    assert not (with_runs.root / "runs" / branch.key()).exists() and "Cut by hand" not in said(app)


def test_a_branch_that_cannot_be_is_refused_in_a_sentence(with_runs, stage):
    app = built(visit(run=digits().key()), stage)

    def told(percent: int) -> str:
        return wish(app, stage, what="branch", percent=percent, killed=[], spared=[])["said"]

    assert "60.0 % of the weights are zero already: move the slider above that" in told(40)
    assert "Nothing is left to train at 100 %" in told(100)


def test_a_branch_of_the_start_weights_is_refused(with_runs, stage):
    app = built(visit(run=digits().key(), epoch="0"), stage)
    news = wish(app, stage, what="branch", percent=70, killed=[], spared=[])
    assert "choose an epoch from 1" in news["said"]


def test_training_on_after_cuts_fills_the_second_curve(with_runs, stage):
    app = built(visit(run=digits(seed=1).key(), epoch="2"), stage)
    news = wish(app, stage, what="retrain", epochs=1)
    assert news["retrained"]["epochs"] == 1
    built(app, stage)
    found = stage.news[-1]["retrained"]
    assert len(found["points"]) >= 5 and not found["busy"]
    assert "give 1..50" in wish(app, stage, what="retrain", epochs=99)["said"]


def test_a_nonsensical_wish_is_refused_and_breaks_nothing(cache, stage):
    app = visit()
    assert wish(app, stage, what="hand", percent="many")["said"]


def test_work_that_failed_is_said_and_not_begun_again_by_itself(with_runs, stage, monkeypatch):
    def refused(*_, **__):
        raise JobError("PyTorch is not installed here, so no atlas can be built")

    monkeypatch.setattr(JobBoard, "make", refused)
    app = visit(run=digits().key())
    assert "PyTorch is not installed here" in stage.header["problem"]
    button(app, "Try again").click()
    again(app)
    assert "PyTorch is not installed here" in stage.news[-1]["said"]


def test_a_damaged_atlas_is_built_again(with_runs, stage):
    choice = AtlasOf(digits(seed=1).key(), 1)
    built(visit(run=choice.run, epoch="1"), stage)
    [file] = services.board().artifacts.find(choice, asked.sources()).files
    file.write_bytes(file.read_bytes()[:-100])
    assert asked.value(choice) is None
    built(visit(run=choice.run, epoch="1"), stage)
    assert asked.there(choice) and stage.header["run"] == choice.run


def test_lecture_mode_shows_the_stage_alone(cache, stage):
    app = visit(lecture="1")
    assert stage.header["run"] == TRAINED and "lecture" in app.query_params
    assert not app.main.button


def test_with_nothing_stored_at_all_it_says_what_to_do(cache, stage, monkeypatch, tmp_path):
    monkeypatch.setattr(services, "EXAMPLE", tmp_path / "none")
    assert "Nothing is stored yet" in said(visit())


def test_further_criteria_stand_beside_the_chosen_one_and_in_the_link(with_runs, stage):
    app = built(visit(run=digits(seed=1).key(), epoch="2", beside="wanda,beauty"), stage)
    assert [one["name"] for one in stage.header["controls"]] == ["magnitude", "random-matched", "wanda"]
    assert "'beauty' is none of" in stage.news[-1]["said"] and app.query_params["beside"] == "wanda"
    app.sidebar.multiselect(key="slider beside").set_value(["wanda", "apoz"])
    built(again(app), stage)
    assert [one["name"] for one in stage.header["controls"]] == ["magnitude", "random-matched", "wanda", "apoz"]
    jobs = services.board().jobs()
    assert all(job.state == "finished" for job in jobs) and len(jobs) == 2  # only what was missing was built
    app.sidebar.selectbox(key="slider criterion").set_value("wanda")
    built(again(app), stage)
    assert stage.header["criterion"] == "wanda"
    assert [one["name"] for one in stage.header["controls"]] == ["magnitude", "random-matched", "apoz"]


def test_what_was_chosen_is_there_again_after_a_visit_to_another_page(with_runs, stage):
    app = built(visit(run=digits(seed=1).key(), epoch="2", by="inactivity", scope="layer", beside="apoz"), stage)
    wanted = {name: stage.header[name] for name in ("run", "epoch", "criterion", "scope", "controls")}
    app.switch_page(PAGES["compare"])
    again(app)
    app.switch_page(PAGES["slider"])
    again(app)
    assert {name: stage.header[name] for name in wanted} == wanted


def test_the_menu_of_networks_tells_them_apart_by_their_first_words(with_runs, stage):
    options = visit().sidebar.selectbox(key="slider run").options
    assert len({option[:48] for option in options}) == len(options)


def test_the_atlas_is_shown_as_soon_as_it_is_there_and_its_controls_when_they_are(with_runs, stage, gates):
    parent = digits(seed=1)
    choice = AtlasOf(parent.key(), 3)
    job = gates.hold(choice.job, 1)
    app = visit(run=parent.key(), epoch="3")
    wait_until(lambda: atlases.there(choice), what="the atlas")
    again(app)
    assert stage.header["criterion"] == "activation-frequency" and stage.header["controls"] == []
    gates.open(job)
    built(app, stage)
    assert [one["draws"] for one in stage.header["controls"]] == [1, 5]


def test_prune_here_answers_beside_its_button_and_in_every_session(with_runs, stage, monkeypatch, gates):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", "1")
    board, parent = services.board(), digits(seed=1)
    app = built(visit(run=parent.key(), epoch="3"), stage)
    gates.hold(digits(seed=9).key(), 1)
    before = board.start(digits(seed=9), "ann")
    branch = board.start(parent.branch(3, 0.7), "me").key
    app.session_state["branch started"] = branch
    again(app)
    told = stage.news[-1]["branch"]
    assert (
        told.startswith("Cut by hand to 70 % at epoch 3: it waits in the queue, at place 1, behind")
        and before.label in told
    )
    assert "The branch waits in the queue, at place 1" in said(again(visit(run=parent.key(), epoch="3")))
    board.command(before.key, "ann", "stop")
    wait_until(lambda: board.job(branch).state == "finished", what="the branch")
    again(app)
    assert "Test accuracy" in stage.news[-1]["branch"] and stage.news[-1]["branch"].endswith(
        "Watch, open and compare it below."
    )
    monkeypatch.setattr("core.jobs.WATCHED_SECONDS", 0.0)
    board.delete(branch)  # the folder of runs is shared with other tests
    again(app)
    assert stage.news[-1]["branch"] == "Cut by hand to 70 % at epoch 3: it is gone."


def test_training_on_after_cuts_that_another_session_asked_for_is_shown(with_runs, stage, monkeypatch):
    choice = AtlasOf(digits(seed=1).key(), 3)
    app = built(visit(run=choice.run, epoch="3"), stage)
    assert stage.news[-1]["retrained"] is None
    theirs = Job(atlases.curve_of(choice, 2).job, "curve", "ann", "training on", state="building", share=0.5)
    monkeypatch.setattr(services.board(), "jobs", lambda: [theirs])
    again(app)
    assert stage.news[-1]["retrained"]["epochs"] == 2
