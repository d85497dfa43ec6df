"""The job board: one process a key, a queue, commands and whose they are, branches by hand, what ends badly."""

import importlib.util
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from small import digits
from waiting import wait_until

from core import atlas, datasets, experiment, jobs, masks
from core.artifacts import Sources
from core.atlas.artifacts import AtlasOf, CurveOf
from core.jobs import JobBoard, JobError
from core.jobs.job import HELD, Job
from core.store import Store, StoreError

UNHINDERED = not hasattr(os, "geteuid") or os.geteuid() == 0
STILL = {"learning_rate": 1e-6}  # weights hardly move: no cut comes and no target is reached


@pytest.fixture
def board(tmp_path, monkeypatch, gates):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", "1")
    board = JobBoard(tmp_path / "cache")
    yield board
    board.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Store:
    """A store that holds the uninterrupted run of `digits()`."""
    store = Store(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        list(experiment.run(digits(), store))
    return store


def state(board: JobBoard, key: str) -> str:
    return board.job(key).state


def wait_for_state(board: JobBoard, key: str, *states: str) -> Job:
    def there():
        job = board.job(key)
        assert job.state in states or job.state != "failed", job.text
        return job if job.state in states else None

    return wait_until(there, what=f"{states}")


def epochs(board: JobBoard, key: str) -> list[int]:
    return [line["epoch"] for line in board.store.log(key) if line["kind"] == "EpochEnded"]


def wait_for_epochs(board: JobBoard, key: str, count: int) -> None:
    wait_until(lambda: len(epochs(board, key)) == count, what=f"{count} epochs")


def assert_same_end(one: Store, other: Store, key: str) -> None:
    for a, b in zip(one.network(key).weights, other.network(key).weights, strict=True):
        assert a.tobytes() == b.tobytes()


def cuts(store: Store, key: str) -> list[dict]:
    return [line for line in store.log(key) if line["kind"] == "Pruned"]


# One process a key, a queue


def test_a_run_starts_is_joined_and_ends_as_it_would_in_this_process(board, whole, gates):
    key = gates.hold(digits().key())
    job = board.start(digits(), "ann")
    assert (job.key, job.owner, job.state, job.live, job.kind) == (key, "ann", "starting", True, "run")
    assert board.start(digits(), "bob").owner == "ann"  # joined: still one job, and hers
    assert [one.key for one in board.jobs()] == [key]
    gates.open(key)
    ended = wait_for_state(board, key, "finished")
    assert ended.text == whole.open(key).reason and not ended.live
    assert_same_end(board.store, whole, key)
    assert board.job("unknown") is None


def test_what_finds_no_room_queues_and_says_its_place(board, gates):
    first, second, third = (digits(seed=seed) for seed in (1, 2, 3))
    gates.hold(first.key(), 1), gates.hold(third.key(), 1)
    assert board.start(first, "ann").state == "starting"
    assert [board.start(spec, "ann").place for spec in (second, third)] == [1, 2]
    wait_for_epochs(board, first.key(), 1)
    assert state(board, second.key()) == "queued" and not (board.store.root / "runs" / second.key()).exists()
    with pytest.raises(JobError, match="waits in the queue.*only Stop"):
        board.command(second.key(), "ann", "pause")
    board.command(second.key(), "ann", "stop")
    left = board.job(second.key())
    assert (left.state, left.text, left.place) == ("stopped", "taken out of the queue", 0)
    assert board.job(third.key()).place == 1
    board.command(first.key(), "ann", "stop")
    wait_for_state(board, third.key(), "training")
    assert state(board, first.key()) == "stopped" and board.job(third.key()).place == 0


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_bad_number_of_workers_is_refused_with_a_sentence(board, monkeypatch, text):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", text)
    with pytest.raises(JobError, match=f"PRUNING_MAX_WORKERS is '{text}': give a whole number, 1 or more"):
        board.start(digits(), "ann")
    assert board.jobs() == []


def test_without_a_setting_one_core_is_left_free(board, monkeypatch):
    monkeypatch.delenv("PRUNING_MAX_WORKERS")
    for cores, workers in ((8, 7), (1, 1), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert board.max_workers == workers


def test_close_leaves_no_process_and_what_is_stored_stays(board, gates):
    spec = digits()
    gates.hold(spec.key(), 1)
    board.start(spec, "ann")
    wait_for_epochs(board, spec.key(), 1)
    process = board._work[0].process
    board.close()
    assert process.returncode is not None
    assert board.store.open(spec.key()).last_epoch == 1 and not board.store.open(spec.key()).finished
    assert not board.store.is_claimed(spec.key())


# Commands


def test_pause_step_go_on_and_stop_are_answered(board, gates):
    spec = digits(**STILL)
    key = gates.hold(spec.key(), 1)
    board.start(spec, "ann")
    wait_for_epochs(board, key, 1)
    board.command(key, "ann", "pause")
    held = wait_for_state(board, key, "paused")
    assert held.held and held.live and len(epochs(board, key)) == 1
    gates.hold(key, 5)
    board.command(key, "ann", "step")
    wait_until(lambda: len(epochs(board, key)) == 2 and board.job(key).held, what="one step")
    board.command(key, "ann", "step")
    wait_until(lambda: len(epochs(board, key)) == 3 and board.job(key).held, what="another step")
    board.command(key, "ann", "resume")
    wait_for_epochs(board, key, 5)
    board.command(key, "ann", "stop")
    ended = wait_for_state(board, key, "stopped")
    assert ended.text == "stopped by hand: it can be resumed" and not board.store.open(key).finished
    with pytest.raises(JobError, match="not being trained now: press Start or Resume"):
        board.command(key, "ann", "pause")


def test_the_switch_holds_at_each_cut_and_next_cut_at_one(board, whole):
    key = digits().key()
    assert board.start(digits(), "ann", pause_at_cuts=True, pace=0.01).pause_at_cuts
    wait_for_state(board, key, "held at a cut")
    assert len(cuts(board.store, key)) == 1
    board.command(key, "ann", "resume")
    wait_until(lambda: len(cuts(board.store, key)) == 2 and state(board, key) == "held at a cut", what="cut 2")
    board.command(key, "ann", "pause-at-cuts", on=False)
    board.command(key, "ann", "pace", seconds=0)
    assert board.job(key).pause_at_cuts is False and board.job(key).pace == 0
    board.command(key, "ann", "next-cut")
    wait_until(lambda: len(cuts(board.store, key)) == 3 and state(board, key) == "held at a cut", what="cut 3")
    board.command(key, "ann", "resume")
    wait_for_state(board, key, "finished")
    assert_same_end(board.store, whole, key)  # holding changes no number


def test_a_strangers_commands_are_refused_until_the_owner_is_gone(board, monkeypatch, gates):
    spec = digits()
    key = gates.hold(spec.key())
    board.start(spec, "session")
    board.introduce("session", "ann")
    assert board.job(key).owner == "ann"
    wait_for_state(board, key, "training")
    for command in ("pause", "step", "stop", "next-cut"):
        with pytest.raises(JobError, match="started in another browser, and pause, step and stop are its own"):
            board.command(key, "bob", command)
    with pytest.raises(JobError, match="started in another browser"):
        board.prune(key, "bob", 1, 0.5)
    assert board.may_command(key, "ann") and not board.may_command(key, "bob")
    monkeypatch.setattr(jobs, "ABSENT_SECONDS", 0.0)
    assert board.may_command(key, "bob") and board.owns(key, "ann") and not board.owns(key, "bob")
    board.command(key, "bob", "pause")  # her browser is gone: he takes over
    assert board.job(key).owner == "bob" and board.owns(key, "bob") and not board.owns("unknown", "bob")
    wait_for_state(board, key, *HELD)
    monkeypatch.setattr(jobs, "ABSENT_SECONDS", 30.0)
    board.seen(key, "bob")
    assert not board.may_command(key, "ann") and not board.may_command("unknown", "ann")


def test_what_is_asked_for_in_a_stand_ins_name_is_the_visitors_also_after_the_introduction(board, gates):
    board.introduce("session", "ann")
    spec = digits()
    gates.hold(spec.key())
    assert board.start(spec, "session").owner == "ann"  # by a button that was drawn before
    assert board.may_command(spec.key(), "ann") and board.may_command(spec.key(), "session")
    assert not board.may_command(spec.key(), "bob")
    board.seen(spec.key(), "session")
    assert board.watchers(spec.key()) == 1
    wait_for_state(board, spec.key(), "training")
    board.command(spec.key(), "session", "stop")
    assert board.job(spec.key()).owner == "ann"


# Cuts by hand


def test_a_cut_by_hand_turns_a_live_run_into_a_branch(board, gates):
    spec = digits(**STILL)
    key = gates.hold(spec.key(), 1)
    board.start(spec, "ann")
    wait_for_epochs(board, key, 1)
    board.command(key, "ann", "pause")
    wait_for_state(board, key, "paused")
    gates.open(key)
    assert board.prune(key, "ann", 0, 0.5) == key  # held: it is cut at the end of the epoch, then held again
    wait_until(lambda: board.job(key).key != key and board.job(key).held, what="the branch")
    job = board.job(key)
    assert job.trail == (key,) and board.job(job.key) is job
    branch = board.store.open(job.key)
    cut = cuts(board.store, job.key)[-1]
    assert branch.parent == key and not board.store.open(key).finished
    assert branch.last_epoch == cut["epoch"] and cut["round"] is None
    assert cut["achieved"] == pytest.approx(0.5, abs=0.02)
    assert branch.spec == spec.branch(cut["epoch"], 0.5)
    assert cuts(board.store, key) == []  # the run it comes from stays as it is
    with pytest.raises(JobError, match=r"% of the weights are zero already: choose a ratio above that, 30 % cuts"):
        board.prune(job.key, "ann", cut["epoch"], 0.3)
    with pytest.raises(StoreError, match="parent"):
        board.delete(key)
    with pytest.raises(JobError, match="being trained now: stop it first"):
        board.delete(job.key)


def test_a_cut_by_hand_in_the_last_epoch_is_not_lost(board, gates):
    spec = digits(max_epochs=3, **STILL)
    key = gates.hold(spec.key(), 2)
    board.start(spec, "ann")
    wait_for_epochs(board, key, 2)
    board.command(key, "ann", "pause")
    wait_for_state(board, key, "paused")
    gates.open(key)
    board.prune(key, "ann", 2, 0.5)  # the run goes on to the end of its last epoch
    wait_until(lambda: board.job(key).key != key and board.job(key).held, what="the branch")
    board.command(key, "ann", "resume")
    ended = wait_for_state(board, key, "finished")
    assert ended.trail == (key,) and cuts(board.store, ended.key)[-1]["round"] is None


def test_a_cut_by_hand_of_a_stored_run_starts_a_branch_at_the_epoch_shown(board, whole):
    board.store = Store(whole.root)
    key = digits().key()
    first = cuts(whole, key)[0]
    with pytest.raises(JobError, match="zero already"):
        board.prune(key, "ann", first["epoch"], first["achieved"])
    branch = board.prune(key, "ann", first["epoch"], 0.7)
    wait_for_state(board, branch, "finished")
    assert whole.open(branch).parent == key
    by_hand = [cut for cut in cuts(whole, branch) if cut["round"] is None]
    assert [cut["epoch"] for cut in by_hand] == [first["epoch"]]
    assert by_hand[0]["achieved"] == pytest.approx(0.7, abs=0.02)
    assert all(line["kind"] != "Pruned" or line["round"] for line in whole.log(key))
    board.delete(branch)


# What ends badly


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_is_reported_and_the_run_resumes_bit_identical(board, whole, gates):
    key = gates.hold(digits().key(), 2)
    board.start(digits(), "ann")
    wait_for_epochs(board, key, 2)
    os.kill(board._work[0].process.pid, signal.SIGKILL)
    failed = wait_until(lambda: board.job(key) if not board.job(key).live else None)
    assert failed.state == "failed"
    assert failed.text.startswith("the training process ended unexpectedly (exit code -9); press Resume to go on")
    assert not board.store.open(key).finished
    gates.open(key)
    assert board.start(digits(), "bob").owner == "bob"
    wait_for_state(board, key, "finished")
    assert_same_end(board.store, whole, key)
    assert [job.state for job in board.jobs()] == ["finished"]  # the failed one made room for the new one


def test_a_run_that_cannot_be_is_told_in_the_engines_words(board):
    spec = digits(batch_size=5000)
    board.start(spec, "ann")
    ended = wait_until(lambda: board.job(spec.key()) if not board.job(spec.key()).live else None)
    assert ended.state == "failed"
    assert ended.text.startswith(
        "batch_size 5000 is larger than the 1,294 training images of digits: give one in 1..1294"
    )


def test_without_torch_nothing_starts_and_the_sentence_says_what_to_do(board, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    with pytest.raises(
        JobError, match="PyTorch is not installed here.*what is stored can still be opened.*pip install"
    ):
        board.start(digits(), "ann")
    assert board.jobs() == []


def test_a_missing_data_set_is_refused_with_what_is_there(board, monkeypatch, tmp_path):
    monkeypatch.setenv("PRUNING_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="mnist is not on this computer; here are mnist-mini, digits; press download"):
        board.start(replace(digits(), dataset="mnist"), "ann")


@pytest.mark.skipif(UNHINDERED, reason="to root and on Windows a folder's permissions forbid nothing")
def test_a_read_only_cache_is_told_in_a_sentence(board):
    board.store.root.mkdir()
    board.store.root.chmod(0o500)
    try:
        assert_cannot_write(board)
    finally:
        board.store.root.chmod(0o700)


def test_a_cache_that_is_a_file_is_told_in_a_sentence_and_blocks_no_other(board):
    board.store.root.write_text("not a folder")
    assert_cannot_write(board)


def assert_cannot_write(board: JobBoard) -> None:
    for seed in (0, 1):
        job = board.start(digits(seed=seed), "ann")
        assert job.state == "failed" and not job.live
        assert job.text.startswith("the folder cache/ cannot be written (")
        assert job.text.endswith(
            "free some space or make it writable, or set PRUNING_CACHE to another folder, then start again"
        )


def test_a_notice_and_a_torn_line_of_the_worker_are_survived(board, whole):
    """A damaged snapshot: the run says so and goes on."""
    spec = digits()
    store, key = board.store, spec.key()
    for source in (whole.root / "runs" / key).iterdir():
        if source.name != "done.json":
            goal = store.root / "runs" / key / source.name
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(source.read_bytes())
    last = store.root / "runs" / key / f"epoch-{whole.open(key).last_epoch:03d}.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    board.start(spec, "ann", pause_at_cuts=True)
    ended = wait_for_state(board, key, "finished")
    assert any("was damaged; it is set aside" in notice for notice in ended.notices)
    assert last.with_name(last.name + ".damaged").is_file()
    assert_same_end(store, whole, key)


def test_watchers_are_counted_while_they_look(board, monkeypatch):
    monkeypatch.setattr(board, "_launch", lambda work: None)  # it stays in the queue
    key = board.start(digits(seed=11), "ann").key
    for visitor in ("ann", "bob", "bob", "eve"):
        board.seen(key, visitor)
    assert board.watchers(key) == 3 and board.watchers("unknown") == 0
    monkeypatch.setattr(jobs, "WATCHED_SECONDS", 0.0)
    assert board.watchers(key) == 0


# Deleting


def test_news_are_waited_for_and_progress_within_an_epoch_is_none(board, gates):
    key = gates.hold(digits(**STILL).key(), 1)
    board.start(digits(**STILL), "ann")
    wait_until(lambda: board.job(key).epoch == 2, what="progress within the second epoch")
    known = board.news(key)
    gates.hold(key, 2)
    board.wait_for_news(key, known, 60)
    assert board.news(key) == known + 1
    assert len(epochs(board, key)) == 2  # it is in the store by then
    wait_until(lambda: board.job(key).epoch == 3, what="progress within the third epoch")
    assert board.news(key) == known + 1
    board.command(key, "ann", "pause")
    wait_for_state(board, key, *HELD)
    known, began = board.news(key), time.monotonic()
    board.wait_for_news(key, known, 0.2)
    assert board.news(key) == known and time.monotonic() - began >= 0.2
    os.kill(board._work[0].process.pid, signal.SIGKILL)
    board.wait_for_news(key, known, 60)
    assert state(board, key) == "failed" and board.news(key) > known
    assert board.news("unknown") == 0
    board.wait_for_news("unknown", 1, 60)  # at once


def test_a_watched_run_is_not_deleted_and_one_left_alone_is(board, whole, monkeypatch):
    board.store = Store(whole.root)
    spec = digits(seed=9, max_epochs=1)
    list(experiment.run(spec, board.store))
    board.seen(spec.key(), "ann")
    assert board.watched(spec.key()) and not board.watched("unknown")
    with pytest.raises(JobError, match="being watched on a page: open another run there"):
        board.delete(spec.key())
    monkeypatch.setattr(jobs, "WATCHED_SECONDS", 0.0)
    board.delete(spec.key())
    assert not (whole.root / "runs" / spec.key()).exists()


# Downloads


def test_a_download_runs_as_a_job_and_a_failed_one_says_why(board, monkeypatch, tmp_path):
    """The mirrors are out of reach: an address that refuses at once stands in for the network."""
    monkeypatch.setenv("PRUNING_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    job = board.download("mnist", "ann")
    assert (job.key, job.kind, job.label) == ("download-mnist", "download", "download of mnist")
    assert board.download("mnist", "bob").owner == "ann"
    ended = wait_until(lambda: j if not (j := board.job("download-mnist")).live else None, 120, what="an answer")
    assert ended.state == "failed" and "mnist" in ended.text and "unexpected" not in ended.text
    assert not datasets.available("mnist")


def test_a_job_never_changes_under_a_page(board):
    job = board.start(digits(max_epochs=1), "ann")
    with pytest.raises(AttributeError):
        job.state = "finished"
    wait_for_state(board, job.key, "finished")
    assert job.state == "starting" and board.job(job.key) is not job
    assert np.isfinite(board.store.network(job.key).weights[0]).all()


# What the stage asks for


class Of:
    """What the board makes of the runs of another store, as `whole` is."""

    def __init__(self, board, store):
        self.board, self.sources = board, Sources(board.store, {digits().key(): store})

    def make(self, *wanted, owner="ann"):
        return self.board.make(wanted, self.sources, owner)

    def get(self, one):
        return self.board.artifacts.get(one, self.sources)


def test_an_atlas_is_built_beside_a_running_training_and_is_kept(board, whole, gates):
    """The only place for a run is taken, and whoever moves the slider does not wait for it."""
    long = digits(None)
    gates.hold(long.key())
    board.start(long, "ann")
    choices = [AtlasOf(digits().key(), 4, name) for name in ("activation-frequency", "magnitude")]
    gates.hold(choices[0].job)
    job = Of(board, whole).make(*choices, owner="bob")
    assert job.kind == "atlas" and job.state == "starting" and "atlas of digits" in job.label
    assert Of(board, whole).make(*choices, owner="cat").owner == "bob"  # joined
    gates.open(job.key)
    wait_for_state(board, choices[0].job, "finished")
    assert board.job(long.key()).live
    assert [Of(board, whole).get(choice).choice for choice in choices] == choices


def test_a_second_atlas_waits_for_the_first_and_says_its_place(board, whole, gates):
    first, second = AtlasOf(digits().key(), 3), AtlasOf(digits().key(), 4)
    gates.hold(first.job)
    Of(board, whole).make(first)
    waiting = Of(board, whole).make(second)
    assert (waiting.state, waiting.place) == ("queued", 1)
    gates.open(first.job)
    wait_for_state(board, second.job, "finished")
    assert Of(board, whole).get(first) and Of(board, whole).get(second)


def test_training_on_after_cuts_fills_its_curve_point_by_point(board, whole):
    made, curve = Of(board, whole), CurveOf(digits().key(), 2, epochs=1)
    key = made.make(curve).key
    first = wait_until(lambda: (found := made.get(curve)) and found.points, what="the first point")
    assert len(first) < 5
    wait_for_state(board, key, "finished")
    found = made.get(curve)
    assert {point.percent for point in found.points} == set(found.percents) <= set(atlas.TRAINED_ON)
    assert len(found.points) > 5
    assert made.make(curve).key == key  # what is there is not trained again
    wait_for_state(board, key, "finished")
    assert made.get(curve) == found


@pytest.mark.parametrize("epochs", [0, 51, 1.5, True])
def test_training_on_for_an_impossible_time_is_refused(epochs):
    with pytest.raises(ValueError, match=r"give 1\.\.50"):
        CurveOf(digits().key(), 2, epochs=epochs)


def test_an_atlas_of_a_run_that_is_not_there_is_refused_at_once_and_of_an_epoch_in_the_job(board, whole):
    with pytest.raises(StoreError, match="no run"):
        Of(board, whole).make(AtlasOf("abc", 0))
    choice = AtlasOf(digits().key(), 99)
    Of(board, whole).make(choice)
    ended = wait_until(lambda: (job := board.job(choice.job)).state == "failed" and job, what="the refusal")
    assert "epoch 99" in ended.text


def test_a_deleted_run_takes_its_atlases_along(board):
    board.start(digits(), "ann")
    wait_for_state(board, digits().key(), "finished")
    choice = AtlasOf(digits().key(), 2)
    Of(board, board.store).make(choice)
    wait_for_state(board, choice.job, "finished")
    board.delete(digits().key())
    assert not list((board.store.root / "atlases").iterdir())


def test_a_branch_of_the_stage_cuts_what_the_stage_showed(board, whole):
    """From a store that is not the board's own, as the shipped example is: the run is made again up to the cut."""
    parent = digits()
    branch = parent.branch(5, 0.8, criterion="magnitude", scope="layer", killed=[(0, 1)])
    board.start(branch, "ann")
    wait_for_state(board, branch.key(), "finished")
    cut = cuts(board.store, branch.key())[-1]
    network = whole.network(parent.key(), 5)
    by_hand = masks.ByHand(killed=((0, 1),))
    scores = [np.abs(weight) for weight in network.weights[:-1]]
    wanted = masks.choose(scores, network, 0.8, "layer", by_hand=by_hand)
    assert cut["achieved"] == pytest.approx(wanted.achieved) and board.store.open(branch.key()).parent == parent.key()
    for stays, expected in zip(board.store.snapshot(branch.key(), 5).state.kept, wanted.kept, strict=True):
        np.testing.assert_array_equal(stays, expected)
