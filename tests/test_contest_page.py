"""The page "The PCA contest" through app.py, without a browser: what it trains, works out, tells and refuses."""

import numpy as np
import pytest
from small import digits
from streamlit.testing.v1 import AppTest
from visiting import StandIn, again, arrive, button, said
from waiting import wait_until

from core import datasets, experiment
from core.claims import pca, reductions
from core.claims.budgets import ARMS
from core.spec import RunSpec
from pages.shared import asked, elements, services


class Picture(StandIn):
    """Stands in for the element and its feed: keeps what they were given."""

    def draw(self, blob, *, key, on_matching):
        self.blobs.append(blob)


@pytest.fixture
def picture(monkeypatch) -> Picture:
    picture = Picture()
    monkeypatch.setattr(elements, "contest", picture.draw)
    monkeypatch.setattr(elements, "feed", picture.hear)
    return picture


def visit(**link: str) -> AppTest:
    return arrive("contest", **link)


def worked(app: AppTest) -> AppTest:
    wait_until(lambda: not any(job.live for job in services.board().jobs()), what="the worker")
    return again(app)


def verdict(app: AppTest) -> str:
    return "\n".join(str(element.proto) for element in app.main.get("html"))


def test_a_missing_twin_is_trained_the_contest_held_and_the_factors_retrained(with_runs, picture):
    key = digits().key()
    app = visit(run=key)
    assert "standard twin" in picture.header["title"] and "is missing" in picture.header["title"]
    button(app, "Train the standard twin").click()
    again(app)
    assert services.board().job(digits(None).key()) is not None
    worked(app)  # the twin is there: the contest begins by itself
    assert services.board().job(f"contest-{key}") is not None
    worked(app)
    assert picture.header["run"] == key and picture.header["retrained"] == {}
    assert "retrained" in verdict(app) or "retraining" in verdict(app)
    button(app, "Retrain the factors: same rank").click()
    again(app)
    with pytest.raises(StopIteration):
        button(app, "Retrain the factors: same rank")
    worked(app)
    made = picture.header["retrained"]["rank"]
    assert sorted(made) == sorted(ARMS)
    labels = datasets.load("digits").y_test
    for arm in ARMS:
        stored = asked.value(reductions.RetrainedOf(key, "rank", arm))
        assert made[arm]["test"][-1] == pytest.approx(np.mean(stored.answers == labels))
    jobs = len(services.board().jobs())
    again(app)
    assert len(services.board().jobs()) == jobs  # nothing is done twice


def test_the_link_chooses_the_matching_and_its_verdict(with_runs, picture):
    list(experiment.run(digits(None), with_runs))
    worked(visit(run=digits().key()))
    for name, words in (
        ("numbers", "same stored numbers"),
        ("multiply-adds", "same multiply-adds"),
        ("nonsense", "same rank"),
    ):
        assert f"At the {words} per layer" in verdict(visit(run=digits().key(), match=name))
    app = visit(run=digits().key(), match="numbers")
    assert button(app, "Retrain the factors: same stored numbers")


def test_a_run_that_is_unfinished_or_never_cut_is_told(with_runs, picture):
    visit(run=digits(seed=2).key())
    assert "not finished" in picture.header["title"] and services.board().jobs() == []
    list(experiment.run(digits({"start_accuracy": 0.9}, max_epochs=1), with_runs))
    never = digits({"start_accuracy": 0.9}, max_epochs=1)
    list(experiment.run(pca.twin(never), with_runs))
    app = worked(visit(run=never.key()))
    assert "never cut" in picture.header["title"]
    button(app, "Try again").click()
    app = worked(again(app))
    assert "never cut" in picture.header["title"]


def test_a_run_under_way_is_followed_and_its_contest_begins_at_its_end(cache, picture, gates):
    list(experiment.run(digits(None), cache))
    key = gates.hold(digits().key(), 1)
    services.board().start(digits(), "me")
    wait_until(
        lambda: cache.open(key).epochs if (cache.root / "runs" / key).is_dir() else None, what="the first moment"
    )
    app = visit(run=key)
    assert "still training" in picture.header["title"] and "contest" in picture.header["title"]
    gates.open(key)
    worked(app)
    worked(app)
    assert picture.header["run"] == key


def test_damaged_files_are_made_again(with_runs, picture):
    list(experiment.run(digits(None), with_runs))
    key = digits().key()
    contest, arm = pca.ContestOf(key), reductions.RetrainedOf(key, "rank", "pca")
    worked(visit(run=key))
    services.board().artifacts.ensure(arm, asked.sources())
    for one in (arm, contest):
        [file] = services.board().artifacts.find(one, asked.sources()).files
        file.write_bytes(b"nothing")
        assert asked.value(one) is None
    app = worked(visit(run=key))
    assert picture.header["run"] == key and asked.there(contest)
    assert button(app, "Retrain the factors: same rank")


def test_jobs_are_told_while_they_work(with_runs, picture, gates):
    list(experiment.run(digits(None), with_runs))
    key = digits().key()
    held = gates.hold(f"contest-{key}"), gates.hold(f"factors-{key}-numbers", 2)
    app = visit(run=key)
    assert "The contest is being held" in picture.news[-1]["words"]
    gates.open(held[0])
    worked(app)
    wanted = reductions.of_matching(key, "numbers")
    asked.start(wanted, "me")
    wait_until(lambda: asked.value(wanted[0]), what="a first arm")
    again(app)
    assert "retrained" in picture.news[-1]["job"]["text"]
    gates.open(held[1])
    worked(app)
    assert picture.news[-1]["job"] is None and picture.news[-1]["live"] == {}


def test_the_menu_has_the_page(cache, picture):
    app = visit()
    assert RunSpec().key() in str(app.query_params["run"])
    assert "not decided yet" in verdict(app).lower() or picture.header.get("curve")
    assert said(app) is not None
