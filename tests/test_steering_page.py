"""The page of a run under way, steered from several places: it says what the run does, not what a session remembers."""

import itertools
import random

import pytest
from holding import Gates
from small import digits
from visiting import PAGES, again, button, said, visit
from waiting import wait_until

from core.jobs.job import HELD
from pages.shared import queued, services
from pages.watch import controls

STILL = {"learning_rate": 1e-6, "max_epochs": 50}  # weights hardly move: no cut comes and no target is reached
WAYS = list(itertools.product((True, False), (*controls.PACES.values(), 0.2)))


@pytest.fixture(autouse=True)
def one_place(cache, monkeypatch):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", "1")


def start(gates: Gates, seed: int, owner: str = "me", **steering) -> str:
    """A run that has its first moment, and goes no further than its first epoch."""
    board, spec = services.board(), digits(seed=seed, **STILL)
    gates.hold(spec.key(), 1)
    key = board.start(spec, owner, **steering).key
    wait_until(lambda: board.job(key).state == "queued" or board.store.log(key), what="its first moment")
    return key


def held(key: str, owner: str = "me") -> None:
    services.board().command(key, owner, "pause")
    wait_until(lambda: services.board().job(key).state in HELD, what="the hold")


def switches(app) -> tuple[bool, str]:
    toggle = next(one for one in app.toggle if one.label == "Hold at cuts")
    return toggle.value, next(one for one in app.selectbox if one.label == "Pace").value


@pytest.mark.parametrize(("cuts", "pace"), WAYS)
def test_the_switches_show_what_the_run_does_in_any_session(gates, cuts, pace):
    key = start(gates, 1, pause_at_cuts=cuts, pace=pace)
    held(key)
    app = visit(run=key)
    assert switches(app) == (cuts, controls._pace_name(pace))
    app.switch_page(PAGES["runs"]).run()
    app.switch_page(PAGES["live"]).run()
    assert switches(again(app)) == (cuts, controls._pace_name(pace))


def test_what_is_switched_in_one_session_is_seen_in_another_and_is_the_runs_own(gates):
    dice, board = random.Random(6), services.board()
    first, second = start(gates, 1), start(gates, 2)
    held(first)
    wait_until(lambda: board.store.log(second), what="the other run's first moment")
    held(second)
    app = visit(run=first)
    for _ in range(6):
        key = dice.choice((first, second))
        cuts, pace = dice.choice(WAYS)
        board.command(key, "me", "pause-at-cuts", on=cuts)
        board.command(key, "me", "pace", seconds=pace)
        app.session_state["watching"] = key
        assert switches(again(app)) == (cuts, controls._pace_name(pace))
    board.command(key, "me", "stop")
    wait_until(lambda: not board.job(key).live, what="its end")
    assert switches(again(app)) == controls.NEXT  # of this session's own next run nothing was said yet


def test_what_was_switched_before_start_is_still_there_after_another_page():
    app = visit()
    next(one for one in app.toggle if one.label == "Hold at cuts").set_value(True).run()
    next(one for one in app.selectbox if one.label == "Pace").set_value("1 epoch a second").run()
    app.switch_page(PAGES["runs"]).run()
    app.switch_page(PAGES["live"]).run()
    assert switches(again(app)) == (True, "1 epoch a second")


def test_a_held_run_has_words_and_no_bar(gates):
    key = start(gates, 1)
    held(key)
    app = visit(run=key)
    assert "paused · epoch" in said(app) and not app.get("progress")


def test_who_waits_reads_behind_whom_and_what_to_do_and_a_held_run_that_it_waits_to_go_on(gates, monkeypatch):
    board = services.board()
    first, second = start(gates, 1, "ann"), start(gates, 2, "bob")
    app = visit(run=second)
    words = said(app)
    assert "Waiting in the queue, at place 1" in words and queued.MAY in words
    assert f"**{board.job(first).label}** has trained for less than a minute" in words
    button(app, "Watch it").click().run()
    assert app.session_state["watching"] == first
    held(first, "ann")
    wait_until(lambda: board.store.log(second), what="the next run, which began")
    board.command(first, "ann", "resume")
    wait_until(lambda: board.job(first).state == "queued", what="the wish to go on")
    label = board.job(second).label
    assert f"To go on it waits in the queue, at place 1, behind {label}, which has trained" in said(again(app))
    monkeypatch.setattr("core.jobs.ABSENT_SECONDS", 0.0)
    third = start(gates, 3, "eve")
    app = visit(run=third)
    assert queued.ORPHAN in said(app) and "has waited to go on for less than a minute" in said(app)


@pytest.mark.parametrize(("seconds", "words"), [(0, "less than a minute"), (59.9, "less than a minute"), (60, "1 min"),
                                                (7199, "119 min"), (7200, "2 hours")])  # fmt: skip
def test_a_wait_is_told_in_words_that_seldom_change(seconds, words):
    assert queued._long(seconds) == words
