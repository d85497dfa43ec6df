"""Places on the job board: a held run makes room for the next, asks for a place before it goes on, and says behind whom."""

import random

import pytest
from holding import Gates
from small import digits
from waiting import wait_until

from core.jobs import JobBoard, turns
from core.jobs.job import HELD, Job
from core.jobs.turns import Work

STILL = {"learning_rate": 1e-6, "max_epochs": 50}  # weights hardly move: no cut comes and no target is reached


@pytest.fixture
def board(tmp_path, monkeypatch, gates):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", "1")
    board = JobBoard(tmp_path / "cache")
    yield board
    board.close()


def start(gates: Gates, board: JobBoard, owner: str, seed: int) -> str:
    """A run that goes no further than its first epoch until its gate is moved."""
    spec = digits(seed=seed, **STILL)
    gates.hold(spec.key(), 1)
    return board.start(spec, owner).key


def becomes(board: JobBoard, key: str, *states: str) -> Job:
    def there():
        job = board.job(key)
        assert job.state != "failed", job.text
        return job if job.state in states else None

    return wait_until(there, what=f"{states}; it is {board.job(key).state}")


def trains(board: JobBoard, key: str) -> None:
    becomes(board, key, "training")


def held(board: JobBoard, key: str, owner: str) -> None:
    board.command(key, owner, "pause")
    becomes(board, key, *HELD)


@pytest.mark.parametrize("order", ["resume", "step", "next-cut", "prune"])
def test_a_held_run_makes_room_and_waits_for_a_place_before_it_goes_on(gates, board, order):
    ann, bob = start(gates, board, "ann", 1), start(gates, board, "bob", 2)
    trains(board, ann)
    assert board.job(bob).state == "queued" and [job.key for job in board.ahead(bob)] == [ann]
    held(board, ann, "ann")
    trains(board, bob)
    assert board.ahead(bob) == board.ahead(ann) == []
    values = {"ratio": 0.5} if order == "prune" else {}
    gates.hold(ann, 2 if order == "step" else 1)
    board.command(ann, "ann", order, **values)
    waits = becomes(board, ann, "queued")
    assert waits.live and not waits.held and waits.place == 1 and waits.epoch
    assert [(job.key, job.state) for job in board.ahead(ann)] == [(bob, "training")]
    held(board, bob, "bob")  # now it is the other one that makes room
    if order == "step":
        becomes(board, ann, *HELD)
    elif order == "prune":
        wait_until(lambda: board.job(ann).key != ann and board.job(ann).held, what="the branch, held again")
    else:
        trains(board, ann)
    assert board.job(ann).place == 0


def test_a_wish_to_go_on_can_be_taken_back_and_one_that_waits_can_be_stopped(gates, board):
    ann, bob = start(gates, board, "ann", 1), start(gates, board, "bob", 2)
    trains(board, ann)
    held(board, ann, "ann")
    trains(board, bob)
    board.command(ann, "ann", "resume")
    becomes(board, ann, "queued")
    board.command(ann, "ann", "pause-at-cuts", on=True)
    board.command(ann, "ann", "pace", seconds=0.5)
    assert board.job(ann).pause_at_cuts and board.job(ann).pace == 0.5
    board.command(ann, "ann", "pause")
    assert becomes(board, ann, *HELD).place == 0
    board.command(ann, "ann", "resume")
    becomes(board, ann, "queued")
    board.command(ann, "ann", "stop")
    becomes(board, ann, "stopped")
    assert board.job(bob).state == "training" and board.store.open(ann).epochs


def test_who_asked_first_goes_on_first_and_a_held_run_that_ends_takes_nothing_away(gates, board):
    ann, bob, eve = (start(gates, board, name, seed) for seed, name in enumerate(("ann", "bob", "eve")))
    trains(board, ann)
    held(board, ann, "ann")
    trains(board, bob)
    board.command(ann, "ann", "resume")
    becomes(board, ann, "queued")
    assert (board.job(eve).place, board.job(ann).place) == (1, 2)  # eve asked before ann asked again
    assert [job.key for job in board.ahead(ann)] == [bob, eve]
    board.command(bob, "bob", "stop")
    trains(board, eve)
    held(board, eve, "eve")
    trains(board, ann)
    board.command(eve, "eve", "stop")
    becomes(board, eve, "stopped")
    assert board.job(ann).state == "training"


def test_with_nobody_waiting_a_held_run_goes_on_as_ever_and_since_tells_the_time(gates, board):
    ann = start(gates, board, "ann", 1)
    trains(board, ann)
    for _ in range(3):
        held(board, ann, "ann")
        since = board.job(ann).since
        board.command(ann, "ann", "resume")
        trains(board, ann)
        assert board.job(ann).since > since > 0


def test_there_are_never_more_at_work_than_places_whatever_is_pressed(gates, board, monkeypatch):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", "2")
    dice = random.Random(13)
    keys = [start(gates, board, f"owner {seed}", seed) for seed in range(4)]
    for _ in range(60):
        key = dice.choice(keys)
        if not board.job(key).live:
            continue
        order = dice.choice(("pause", "resume", "step", "resume"))
        if next(one for one in board._work if one.job.key == key).process:  # before that only Stop works
            if order == "step":
                gates.hold(key, board.job(key).epoch + 1)
            board.command(key, f"owner {keys.index(key)}", order)
        assert turns.taken(board._work, "run") <= 2
        assert sum(job.state == "training" for job in board.jobs()) <= 2
    for seed, key in enumerate(keys):
        board.command(key, f"owner {seed}", "stop")
    wait_until(lambda: not any(job.live for job in board.jobs()), what="the end of all")


def work(key: str, state: str, turn: int, *, placed: bool = False, kind: str = "run") -> Work:
    return Work(Job(key, kind, "ann", key, state=state), {}, placed=placed, turn=turn)


def test_the_queue_is_in_the_order_of_asking_and_each_kind_has_its_own():
    a, b, c = work("a", "training", 1, placed=True), work("b", "queued", 5), work("c", "queued", 3)
    d, e = work("d", "paused", 2), work("e", "building", 4, placed=True, kind="atlas")
    everything = [a, b, c, d, e]
    assert turns.waiting(everything, "run") == [c, b]
    assert [job.key for job in turns.ahead(everything, b)] == ["a", "c"]
    assert turns.taken(everything, "run") == turns.taken(everything, "atlas") == 1
