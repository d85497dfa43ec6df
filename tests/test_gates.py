"""Gates: a run and other work go as far as a file says and wait there, hearing what is commanded, and no number changes."""

import queue
import random
import threading

import pytest
from small import assert_same, digits
from waiting import wait_until

from core import experiment
from core.events import EpochEnded, Stopped
from core.gates import Gate
from core.jobs import worker
from core.jobs.worker import Steering
from core.store import Store


def epochs(store: Store, key: str) -> int:
    return sum(line["kind"] == "EpochEnded" for line in store.log(key)) if (store.root / "runs" / key).is_dir() else 0


class Going:
    """Commands that never interfere, and count how often they are asked."""

    asked, stop = 0, False

    def during(self, epoch: int, share: float) -> bool:
        self.asked += 1
        return not self.stop

    def between(self, epoch: int, cut: bool) -> bool:
        return not self.stop


def in_a_thread(spec, store, commands=None) -> tuple[threading.Thread, list]:
    events = []
    thread = threading.Thread(target=lambda: events.extend(experiment.run(spec, store, commands)), daemon=True)
    thread.start()
    return thread, events


def waits(commands: Going) -> None:
    """Until it was asked some more, as only a run that waits is without a new epoch."""
    before = commands.asked
    wait_until(lambda: commands.asked > before + 20, what="the run to wait at its gate")


def test_a_run_goes_as_far_as_its_gate_and_ends_with_the_numbers_of_one_that_was_never_held(store, gates, tmp_path):
    spec, commands = digits(), Going()
    key = gates.hold(spec.key())
    thread, events = in_a_thread(spec, store, commands)
    for held in (0, *sorted(random.Random(12).sample(range(1, 6), 3))):
        gates.hold(key, held)
        wait_until(lambda held=held: commands.asked and epochs(store, key) == held, what=f"epoch {held}")
        waits(commands)
        assert epochs(store, key) == held
    gates.open(key)
    thread.join(60)
    alone = Store(tmp_path / "alone")
    unheld = list(experiment.run(spec, alone))
    assert [type(event) for event in events] == [type(event) for event in unheld]
    assert_same(store.network(key).weights, alone.network(key).weights)


def test_a_run_of_few_steps_an_epoch_waits_too(store, gates):
    spec, commands = digits(None, batch_size=1294, max_epochs=5), Going()
    key = gates.hold(spec.key(), 2)
    thread, _ = in_a_thread(spec, store, commands)
    wait_until(lambda: epochs(store, key) == 2, what="two epochs")
    waits(commands)
    assert epochs(store, key) == 2
    commands.stop = True
    thread.join(60)


def test_a_run_that_is_resumed_waits_at_its_gate_again(store, gates):
    spec = digits()
    key = gates.hold(spec.key(), 3)
    for _ in range(2):
        commands = Going()
        thread, events = in_a_thread(spec, store, commands)
        wait_until(lambda: epochs(store, key) == 3, what="three epochs")
        waits(commands)
        commands.stop = True
        thread.join(60)
        assert isinstance(events[-1], Stopped) and epochs(store, key) == 3
    gates.hold(key, 4)
    assert [event.epoch for event in experiment.run(spec, store, Until(4)) if isinstance(event, EpochEnded)][-1] == 4


class Until(Going):
    def __init__(self, epoch: int):
        self._last = epoch

    def between(self, epoch: int, cut: bool) -> bool:
        return epoch < self._last


@pytest.mark.parametrize("command", ["stop", "pause", "step", "next-cut"])
def test_a_run_at_its_gate_obeys(store, gates, command):
    spec, inbox, said = digits() if command == "next-cut" else digits(None), queue.Queue(), []
    key = gates.hold(spec.key(), 1)
    steering = Steering(inbox, lambda kind, **values: said.append((kind, values)))
    thread, events = in_a_thread(spec, store, steering)
    wait_until(lambda: epochs(store, key) == 1, what="an epoch")
    inbox.put({"command": command})
    wait_until(inbox.empty, what="the command to be heard")
    if command == "stop":
        thread.join(60)
        assert isinstance(events[-1], Stopped)
        return
    states = lambda: [values["state"] for kind, values in said if kind == "state"]  # noqa: E731
    if command != "pause":
        assert states() == []
        gates.open(key)
    held = {"pause": "paused", "step": "paused", "next-cut": "held at a cut"}[command]
    wait_until(lambda: states() == [held], what=held)
    assert command != "step" or epochs(store, key) == 2
    inbox.put({"command": "stop"})
    thread.join(60)


@pytest.mark.parametrize("pieces", [1, 4])
def test_other_work_waits_with_so_many_results_and_can_be_stopped(gates, pieces):
    inbox = queue.Queue()
    going = worker._Progress(inbox, lambda *_, **__: None, pieces, key=gates.hold("atlas", pieces))
    for _ in range(pieces):
        assert going(0.5) is True
        going.made += 1
    answers = []
    thread = threading.Thread(target=lambda: answers.append(going(0.0)), daemon=True)
    thread.start()
    thread.join(0.2)
    assert answers == []
    inbox.put({"command": "stop"})
    thread.join(60)
    assert answers == [False] and going.stopped


def test_without_the_variable_or_a_file_nothing_is_held_and_nonsense_is_told(gates, monkeypatch):
    gates.hold("one", 3)
    assert [Gate("one").shut(done) for done in (0, 2, 3, 4)] == [False, False, True, True]
    assert not Gate("another").shut(99) and not Gate(None).shut(99)
    for text in ("", "x", "-1", "1.5"):
        (gates.folder / "one").write_text(text)
        with pytest.raises(ValueError, match="write a whole number, 0 or more, or delete it"):
            Gate("one").shut(0)
    monkeypatch.delenv("PRUNING_GATES")
    assert not Gate("one").shut(99)
