"""The worker: orders obeyed at the right moment (with a stand-in for the pipe), and one real process from end to end."""

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small import digits
from waiting import wait_until

from core import experiment
from core.jobs import worker
from core.jobs.steering import Steering
from core.store import Store

REPOSITORY = Path(__file__).parents[1]


class Said(list):
    """Stands in for the pipe: keeps what was said."""

    def __call__(self, kind, **values):
        self.append((kind, values))

    def states(self) -> list[str]:
        return [values["state"] for kind, values in self if kind == "state"]


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr("core.jobs.steering.SAY_EVERY", 0.0)
    return Said()


def steering(said: Said, *orders, **options) -> tuple[Steering, queue.Queue]:
    inbox = queue.Queue()
    for order in orders:
        inbox.put({"command": order} if isinstance(order, str) else order)
    return Steering(inbox, said, **options), inbox


class Held:
    """A call that is expected to block, in a thread of its own, until an order comes."""

    def __init__(self, call):
        self.answers = []
        self._thread = threading.Thread(target=lambda: self.answers.append(call()), daemon=True)
        self._thread.start()

    def wait_for(self, said: Said, state: str, times: int = 1) -> None:
        wait_until(lambda: said.states().count(state) >= times, 10, what=state)
        assert self.answers == []

    def answer(self) -> bool:
        self._thread.join(10)
        assert self.answers, "it is still held"
        return self.answers[0]


# Orders


def test_without_orders_all_goes_on_and_is_told(said):
    steer, _ = steering(said)
    assert steer.during(3, 0.25) and steer.between(3, False) and steer.between(4, True)
    assert said == [
        ("progress", {"epoch": 3, "share": 0.25}),
        ("epoch", {"epoch": 3, "cut": False}),
        ("epoch", {"epoch": 4, "cut": True}),
    ]


def test_progress_is_not_told_at_every_batch(monkeypatch):
    monkeypatch.setattr("core.jobs.steering.SAY_EVERY", 3600.0)
    said = Said()
    steer, _ = steering(said)
    assert all(steer.during(1, share / 100) for share in range(100)) and said == []


def test_pause_holds_in_mid_epoch_until_resumed(said):
    steer, inbox = steering(said, "pause")
    held = Held(lambda: steer.during(2, 0.5))
    held.wait_for(said, "paused")
    inbox.put({"command": "resume"})
    assert held.answer() is True
    assert said.states() == ["paused", "training"]
    assert steer.during(2, 0.6) and steer.between(2, False)  # and nothing holds any more


def test_step_from_mid_epoch_ends_that_epoch_and_holds(said):
    steer, inbox = steering(said, "pause")
    held = Held(lambda: steer.during(2, 0.5))
    held.wait_for(said, "paused")
    inbox.put({"command": "step"})
    assert held.answer() is True
    assert steer.during(2, 0.9)
    held = Held(lambda: steer.between(2, False))
    held.wait_for(said, "paused", 2)
    # From a boundary, one more whole epoch.
    inbox.put({"command": "step"})
    assert held.answer() is True
    assert steer.during(3, 0.1) and steer.during(3, 0.9)
    held = Held(lambda: steer.between(3, False))
    held.wait_for(said, "paused", 3)
    inbox.put({"command": "resume"})
    assert held.answer() is True
    assert steer.between(4, False)


def test_a_step_while_it_trains_holds_at_the_end_of_the_epoch(said):
    steer, inbox = steering(said, "step")
    assert steer.during(5, 0.2)
    held = Held(lambda: steer.between(5, False))
    held.wait_for(said, "paused")
    inbox.put({"command": "stop"})
    assert held.answer() is False


def test_a_step_asked_before_the_first_batch_makes_one_epoch(said):
    steer, inbox = steering(said)
    inbox.put({"command": "step"})
    assert steer.during(1, 0.0)
    Held(lambda: steer.between(1, False)).wait_for(said, "paused")


def test_next_cut_goes_on_to_a_cut_and_holds_there_once(said):
    steer, inbox = steering(said, "next-cut")
    assert steer.during(1, 0.1) and steer.between(1, False) and steer.between(2, False)
    held = Held(lambda: steer.between(3, True))
    held.wait_for(said, "held at a cut")
    inbox.put({"command": "resume"})
    assert held.answer() is True
    assert steer.between(4, True)  # the next one is not held


def test_pause_takes_back_next_cut_and_step(said):
    steer, inbox = steering(said, "next-cut", "step", "pause")
    held = Held(lambda: steer.during(1, 0.1))
    held.wait_for(said, "paused")
    inbox.put({"command": "resume"})
    assert held.answer() is True
    assert steer.between(1, True) and steer.between(2, False)


def test_hold_at_cuts_holds_at_each_until_it_is_switched_off(said):
    steer, inbox = steering(said, pause_at_cuts=True)
    assert steer.between(1, False)
    for times in (1, 2):
        held = Held(lambda: steer.between(2, True))
        held.wait_for(said, "held at a cut", times)
        inbox.put({"command": "resume"})
        assert held.answer() is True
    inbox.put({"command": "pause-at-cuts", "on": False})
    assert steer.during(3, 0.5) and steer.between(3, True)
    inbox.put({"command": "pause-at-cuts", "on": True})
    assert steer.during(4, 0.5)
    Held(lambda: steer.between(4, True)).wait_for(said, "held at a cut", 3)


def test_pace_waits_between_epochs_and_hears_orders_meanwhile(said):
    steer, inbox = steering(said, pace=3600.0)
    held = Held(lambda: steer.between(1, False))
    wait_until(lambda: said, 10)
    inbox.put({"command": "pause"})
    held.wait_for(said, "paused")
    inbox.put({"command": "resume"})
    wait_until(lambda: "training" in said.states(), 10)
    assert held.answers == []  # resumed, the rest of the hour is still to come
    inbox.put({"command": "pace", "seconds": 0})
    assert held.answer() is True
    assert steer.between(2, False)


@pytest.mark.parametrize("order", ["stop", None], ids=["stop", "the asker is gone"])
def test_stop_and_the_end_of_the_input_end_it_wherever_it_is(said, order):
    message = order and {"command": order}
    for call, state in (("during", "paused"), ("between", "paused")):
        steer, inbox = steering(said)
        inbox.put(message)
        assert getattr(steer, call)(1, 0) is False and steer.stopping
        steer, inbox = steering(said, "pause")
        said.clear()
        held = Held(lambda steer=steer, call=call: getattr(steer, call)(1, 0))
        held.wait_for(said, state)
        inbox.put(message)
        assert held.answer() is False
        assert said.states() == ["paused"]  # it never said that it trains again
    steer, inbox = steering(said, pace=3600.0)
    held = Held(lambda: steer.between(1, False))
    inbox.put(message)
    assert held.answer() is False


@pytest.mark.parametrize("order", ["resume", "step", "next-cut", "prune"])
def test_a_run_that_was_held_asks_for_a_place_and_a_pause_takes_the_wish_back(said, order):
    steer, inbox = steering(said, "pause", asks=True)
    wish = {"command": order} | ({"ratio": 0.7} if order == "prune" else {})
    held = Held(lambda: steer.during(2, 0.5))
    held.wait_for(said, "paused")
    inbox.put(wish)
    wait_until(lambda: ("asks", {"number": 1}) in said, 10, what="the wish to go on")
    inbox.put({"command": "pause-at-cuts", "on": True})  # heard while it waits
    inbox.put({"command": "pause"})
    held.wait_for(said, "paused", 2)
    assert steer.prune_to is None and steer.pause_at_cuts
    inbox.put({"command": "let in", "number": 1})  # that came too late
    inbox.put(wish)
    wait_until(lambda: ("asks", {"number": 2}) in said, 10, what="the second wish")
    inbox.put({"command": "let in", "number": 1})
    assert held.answers == [] and "training" not in said.states()
    inbox.put({"command": "let in", "number": 2})
    assert held.answer() is True
    assert said.states() == ["paused", "paused", "training"]
    assert (steer.prune_to == 0.7) == (order == "prune")


@pytest.mark.parametrize("order", ["stop", None], ids=["stop", "the asker is gone"])
def test_a_run_that_waits_for_its_place_can_be_stopped(said, order):
    steer, inbox = steering(said, "pause", "resume", "pause", asks=True)
    held = Held(lambda: steer.between(2, False))
    held.wait_for(said, "paused")
    inbox.put({"command": "resume"})
    wait_until(lambda: ("asks", {"number": 1}) in said, 10, what="the wish to go on")
    inbox.put(order and {"command": order})
    assert held.answer() is False and steer.stopping and "training" not in said.states()


def test_a_cut_by_hand_while_it_trains_comes_at_the_end_of_the_epoch(said):
    steer, inbox = steering(said, {"command": "prune", "ratio": 0.7})
    assert steer.during(4, 0.5) is True and steer.prune_to == 0.7
    assert steer.between(4, False) is False and not steer.stopping
    steer.branch_taken(4)
    assert steer.prune_to is None and steer.during(4, 0.5)
    assert steer.between(4, True) is True  # it was not held, so it is not held now


@pytest.mark.parametrize("call", ["during", "between"])
def test_a_cut_by_hand_while_it_is_held_is_held_again_right_after(said, call):
    steer, inbox = steering(said, "pause")
    held = Held(lambda: getattr(steer, call)(4, 0))
    held.wait_for(said, "paused")
    inbox.put({"command": "prune", "ratio": 0.7})
    assert held.answer() is (call == "during")
    if call == "during":
        assert steer.during(4, 0.9) is True  # to the end of the epoch, without holding
        assert steer.between(4, False) is False
    steer.branch_taken(4)
    assert steer.during(4, 0.5) is True
    again = Held(lambda: steer.between(4, True))
    again.wait_for(said, "held at a cut")
    inbox.put({"command": "resume"})
    assert again.answer() is True


# A run and its branches, in this process


def run_task(tmp_path, said, *orders, **options) -> Store:
    inbox = queue.Queue()
    for order in orders:
        inbox.put(order)
    worker.run_task({"spec": digits().to_dict(), "root": str(tmp_path)} | options, inbox, said)
    return Store(tmp_path)


def test_a_task_tells_its_end_and_stores_what_the_engine_makes(tmp_path, said):
    store = run_task(tmp_path, said)
    kinds = [kind for kind, _ in said]
    assert kinds[0] == "state" and kinds[-1] == "done"
    run = store.open(digits().key())
    assert run.finished and said[-1][1]["reason"] == run.reason
    told = [values["epoch"] for kind, values in said if kind == "epoch"]
    assert told == list(range(1, run.last_epoch))  # the last one ends the run, and "done" says it


def test_a_task_that_is_told_to_prune_goes_on_as_a_branch(tmp_path, said):
    store = run_task(tmp_path, said, {"command": "prune", "ratio": 0.3})
    branch = digits().branch(1, 0.3)
    assert ("key", {"key": branch.key()}) in said and said[-1][0] == "done"
    assert store.open(branch.key()).finished and not store.open(digits().key()).finished
    by_hand = [line for line in store.log(branch.key()) if line["kind"] == "Pruned" and line["round"] is None]
    assert [line["epoch"] for line in by_hand] == [1]


def test_stop_wins_over_a_cut_by_hand(tmp_path, said):
    store = run_task(tmp_path, said, {"command": "prune", "ratio": 0.3}, {"command": "stop"})
    assert said[-1][0] == "stopped" and [run.key for run in store.runs()] == [digits().key()]


# The process


def test_the_process_speaks_json_lines_obeys_and_stops_when_its_input_ends(tmp_path):
    spec = digits(max_epochs=3)
    process = subprocess.Popen(
        [sys.executable, "-m", "core.jobs.worker"],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    orders = [
        {"task": "run", "spec": spec.to_dict(), "root": str(tmp_path / "cache"), "pause_at_cuts": False, "pace": 0.0},
        {"command": "pause"}, {"command": "step"}, {"command": "resume"},
    ]  # fmt: skip
    process.stdin.write("\n".join(map(json.dumps, orders)) + "\n\n")
    process.stdin.flush()
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1]["say"] in ("done", "failed"):
            break
    assert process.wait(timeout=250) == 0
    process.stdin.close()
    assert (process.stdout.read(), process.stderr.read()) == ("", "")
    process.stdout.close()
    process.stderr.close()
    assert lines[0] == {"say": "state", "state": "training", "epoch": 0}
    assert lines[-1]["say"] == "done" and lines[-1]["reason"].startswith("epoch limit reached")
    store = Store(tmp_path / "cache")
    ours = list(experiment.run(spec))[-1].network
    for theirs, own in zip(store.network(spec.key()).weights, ours.weights, strict=True):
        assert theirs.tobytes() == own.tobytes()


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"task": "run", "spec": {"dataset": "cats"}, "root": "nowhere"}, "unknown data set 'cats'"),
        ({"task": "dance"}, "an unexpected error ended the run (KeyError: 'dance'); it can be resumed"),
    ],
    ids=["a bad spec", "a bug"],
)
def test_the_process_says_why_it_failed(tmp_path, task, sentence):
    done = subprocess.run(
        [sys.executable, "-m", "core.jobs.worker"], cwd=tmp_path, input=json.dumps(task) + "\n", capture_output=True,
        text=True, timeout=250, env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
    )  # fmt: skip
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["say"] == "failed" and sentence in last["text"]


def test_the_process_ends_at_once_when_nobody_asks():
    command = [sys.executable, "-m", "core.jobs.worker"]
    done = subprocess.run(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, timeout=250)
    assert (done.returncode, done.stdout) == (0, b"")
