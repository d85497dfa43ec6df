"""The page "Against a penalty" through app.py, without a browser: what it works out, keeps, tells and refuses."""

import importlib.util
from dataclasses import replace

import pytest
from blobs import unpack
from small import digits
from streamlit.testing.v1 import AppTest
from visiting import again, arrive, button, said
from waiting import wait_until

from core import experiment
from core.claims import penalty, random_cuts
from core.claims.penalty_search import Search, SearchOf, Try
from core.claims.random_cuts import RandomCutsOf
from core.jobs import JobBoard
from core.jobs.job import Job
from core.spec import RunSpec
from pages.shared import asked, elements, services

FIND = "Find the λ that ends with the same nuclear norm"


class Pictures(dict):
    """Stands in for the two elements: keeps the last blob that each was given, read as the browser reads it."""

    def drawn(self, name: str):
        def draw(blob, *, key):
            self[name] = unpack(blob)[0]

        return draw


@pytest.fixture
def pictures(monkeypatch) -> Pictures:
    pictures = Pictures()
    for name in ("penalty", "strength"):
        monkeypatch.setattr(elements, name, pictures.drawn(name))
    return pictures


def visit(**link: str) -> AppTest:
    return arrive("penalty", **link)


def verdict(app: AppTest) -> str:
    return next(one.proto.body for one in app.get("html") if "verdict" in one.proto.body)


def in_peace() -> None:
    """Waits until no random cuts are being drawn."""
    wait_until(lambda: not any(job.live for job in services.board().jobs()), what="the random cuts")


def of_the_cuts(run: str, cuts) -> list[RandomCutsOf]:
    return random_cuts.of_cuts(run, [cut.epoch for cut in cuts])


def jobs(monkeypatch, *pretended: Job) -> None:
    """The board has these, and whatever else it has."""
    board, known = services.board(), {job.key: job for job in pretended}
    real = JobBoard.job
    monkeypatch.setattr(board, "job", lambda key: known.get(key) or real(board, key))


def labels(app: AppTest) -> list[str]:
    return [one.label for one in app.main.button]


def test_the_shipped_run_is_shown_with_all_that_ships_of_it_and_nothing_is_worked_out(cache, pictures):
    app = visit()
    run = pictures["penalty"]
    assert run["run"] == RunSpec().key() and all(cut["drawn"] for cut in run["cuts"]) and len(run["cuts"]) == 5
    assert 'data-word=""' not in verdict(app)
    found = pictures["strength"]
    assert found["found"] is not None and len(found["networks"]) == 3
    assert FIND not in labels(app) and not app.error
    assert not (cache.root / "runs").exists() and not services.board().jobs()  # looking makes nothing


def test_random_cuts_come_after_the_first_paint_and_are_kept(with_runs, pictures):
    key = digits().key()
    app = visit(run=key)
    first = pictures["penalty"]
    assert [cut["name"] for cut in first["cuts"]] == ["cut 1 of 3", "cut 2 of 3", "cut 3 of 3"]
    in_peace()
    again(app)
    assert all(cut["drawn"] for cut in pictures["penalty"]["cuts"])
    assert "Random cuts of the same size are being drawn" not in verdict(app)
    cuts = penalty.cuts(with_runs, digits(), key)
    assert len(cuts) == 3 and all(map(asked.there, of_the_cuts(key, cuts)))


def test_a_damaged_file_of_random_cuts_is_drawn_again(with_runs, pictures):
    key = digits().key()
    visit(run=key)
    in_peace()
    wanted = of_the_cuts(key, penalty.cuts(with_runs, digits(), key))
    for one in wanted[:2]:
        [file] = services.board().artifacts.find(one, asked.sources()).files
        file.write_bytes(b"{")
    assert [asked.there(one) for one in wanted] == [False, False, True]
    app = visit(run=key)
    in_peace()
    again(app)
    assert all(cut["drawn"] for cut in pictures["penalty"]["cuts"])


def test_random_cuts_that_cannot_be_drawn_are_told_and_can_be_tried_again(with_runs, pictures, cache):
    in_the_way = cache.root / "atlases"
    in_the_way.write_text("no folder")
    app = visit(run=digits(seed=1).key())
    in_peace()
    again(app)
    assert "The random cuts cannot be drawn: " in said(app) and "cannot be written" in said(app)
    assert "No verdict without the random cuts." in verdict(app)
    assert not any(cut["drawn"] for cut in pictures["penalty"]["cuts"])
    in_the_way.unlink()
    button(app, "Try again").click()
    again(app)
    in_peace()
    again(app)
    assert all(cut["drawn"] for cut in pictures["penalty"]["cuts"]) and not app.error


def test_a_run_that_is_not_finished_has_its_cuts_but_no_search(with_runs, pictures):
    app = visit(run=digits(seed=2).key())
    in_peace()
    assert button(app, FIND).disabled and "not finished" in button(app, FIND).help
    again(app)
    assert all(cut["drawn"] for cut in pictures["penalty"]["cuts"])


def test_a_run_that_made_no_cut_says_so(cache, pictures):
    spec = digits({"start_accuracy": 0.9}, max_epochs=1)
    list(experiment.run(spec, cache))
    app = visit(run=spec.key())
    assert pictures["penalty"]["title"] == "No cut of this run is stored."
    assert "no cut yet" in verdict(app)


def test_a_run_deleted_since_is_told(with_runs, pictures, monkeypatch):
    app = visit(run=digits().key())
    in_peace()
    look = services.look_into(with_runs, "0" * 16)
    monkeypatch.setattr(services, "look", lambda key, moving: look)
    again(app)
    assert "is gone: choose another one." in said(app)


def test_without_torch_a_search_is_refused_in_a_sentence(with_runs, pictures, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    app = visit(run=digits().key())
    in_peace()
    button(again(app), FIND).click()
    again(app)
    assert "PyTorch is not installed here" in said(app)


def test_a_search_that_failed_says_why_and_can_be_tried_again(with_runs, pictures, monkeypatch):
    key, begun = digits().key(), []
    failed = Job(SearchOf(key).job, "strength", "me", "search", state="failed", text="training with λ = 1 diverged")
    jobs(monkeypatch, failed)
    visit(run=key)
    in_peace()
    monkeypatch.setattr(services.board(), "make", lambda wanted, *_, **__: begun.append(wanted) or failed)
    app = visit(run=key)
    assert "Training with λ = 1 diverged." in said(app) and FIND not in labels(app)
    button(app, "Try again").click()
    again(app)
    assert begun == [[SearchOf(key)]]
    in_peace()


def test_a_search_under_way_shows_its_tries_and_how_far_it_is(with_runs, pictures, monkeypatch):
    key = digits().key()
    values = tuple(tuple(float(n) for n in range(min(shape), 0, -1)) for shape in ((24, 64), (16, 24)))
    one = Try(0.0, "a" * 16, sum(map(sum, values)), 0.9, 0.0, (24, 16), values)
    artifacts = services.board().artifacts
    artifacts.put(SearchOf(key), asked.sources(), Search(100.0, 7, 50, (one,)))
    live = Job(SearchOf(key).job, "strength", "me", "search", state="building", share=0.25)
    jobs(monkeypatch, live)
    app = visit(run=key)
    shown = pictures["strength"]
    assert shown["job"] == {"text": "Try 2 is being trained", "share": 0.25} and len(shown["tries"]) == 1
    assert button(app, "Stop the search").disabled  # it was started in another browser
    jobs(monkeypatch, replace(live, state="queued", place=2))
    again(app)
    assert pictures["strength"]["job"]["text"] == "The search waits in the queue, at place 2"
    jobs(monkeypatch)
    again(app)
    assert "Go on with the search" in labels(app) and pictures["strength"]["job"] is None
    [file] = artifacts.find(SearchOf(key), asked.sources()).files
    file.write_bytes(b"damaged")
    again(app)
    assert FIND in labels(app) and pictures["strength"]["tries"] == []
    in_peace()
