"""The store: nothing damaged is trusted, nothing damaged is fatal, a full disk is a sentence, space is given back."""

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import digits

from core import experiment
from core import store as stores
from core.events import Finished, Pruned, Started
from core.store import Store, StoreError

REPOSITORY = Path(__file__).parents[1]
SPEC = digits(max_epochs=4)
LONG = digits({"ratio": 0.5, "rounds": 1}, max_epochs=7, target_accuracy=0.999)


def train(spec, store):
    return list(experiment.run(spec, store))


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A cache that holds SPEC and LONG, each trained once."""
    root = tmp_path_factory.mktemp("kept") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for spec in (SPEC, LONG):
            train(spec, Store(root))
    return root


@pytest.fixture
def store(kept, tmp_path) -> Store:
    """A copy of `kept` to damage."""
    return Store(shutil.copytree(kept, tmp_path / "cache"))


@pytest.fixture
def folder(store) -> Path:
    return store.root / "runs" / SPEC.key()


def test_a_run_is_the_four_kinds_of_files_and_no_draft_is_left(folder):
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["done.json", *(f"epoch-{e:03d}.safetensors" for e in range(5)), "events.jsonl", "spec.json"]


def test_the_list_of_runs(store):
    runs = store.runs()
    assert [run.key for run in runs] == [LONG.key(), SPEC.key()]  # the one that changed last first
    run = runs[1]
    assert run.spec == SPEC and run.label == SPEC.label() and run.finished and run.problem is None
    assert run.epochs == (0, 1, 2, 3, 4) and run.last_epoch == 4 and run.parent is None
    assert run.size == sum(file.stat().st_size for file in (store.root / "runs" / SPEC.key()).iterdir())
    assert store.size() == sum(run.size for run in runs)
    assert run.reason.startswith(("epoch limit reached", "target reached"))


def test_an_empty_cache_has_no_runs(tmp_path):
    nothing = Store(tmp_path / "nowhere")
    assert nothing.runs() == [] and nothing.size() == 0 and not (tmp_path / "nowhere").exists()


def test_what_is_not_there_is_said(store):
    with pytest.raises(StoreError, match="no run '0000' is stored here: it may have been deleted"):
        store.open("0000")
    assert store.events("0000") == []
    with pytest.raises(StoreError, match="no stored moment yet"):
        store.snapshot("0000")
    with pytest.raises(StoreError, match=r"epoch 99 of run \w+ is not stored: stored are 0-4"):
        store.snapshot(SPEC.key(), 99)


@pytest.mark.parametrize("key", ["../runs", "", "a/b", "..", "a b"])
def test_a_name_that_is_no_key_never_reaches_the_disk(store, key):
    with pytest.raises(StoreError, match="is not the name of a run"):
        store.open(key)
    with pytest.raises(StoreError, match="is not the name of a run"):
        store.delete(key)


def test_any_epoch_can_be_asked_for(store):
    key = SPEC.key()
    for epoch in range(5):
        fired, seen = store.counts(key, epoch)
        assert seen == epoch * 1294 and all((count <= seen).all() for count in fired)
        assert store.network(key, epoch).hidden == SPEC.hidden
    assert store.network(key).weights[0].tobytes() == store.network(key, 4).weights[0].tobytes()


def test_the_log_is_read_without_arrays_and_its_version_changes_when_it_does(store, folder):
    version = store.version(SPEC.key())
    kinds = [line["kind"] for line in store.log(SPEC.key())]
    assert kinds[0] == "Started" and kinds[-1] == "Finished" and "Pruned" in kinds
    assert store.version(SPEC.key()) == version
    os.utime(folder / "events.jsonl", ns=(1, 1))
    assert store.version(SPEC.key()) != version


# Damage


def lines_of(folder) -> list[bytes]:
    return (folder / "events.jsonl").read_bytes().splitlines(keepends=True)


def test_a_torn_last_line_is_dropped_and_the_run_made_whole_again(store, folder):
    whole = store.log(SPEC.key())
    (folder / "events.jsonl").write_bytes(b"".join(lines_of(folder))[:-10])
    (folder / "done.json").unlink()
    assert store.log(SPEC.key()) == whole[:-1]
    assert not store.open(SPEC.key()).finished
    events = train(SPEC, store)
    assert "torn; it is dropped and made again" in events[0].text
    assert [line | {"crc": 0} for line in store.log(SPEC.key())] == [line | {"crc": 0} for line in whole]


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_flipped_bit_in_the_log_drops_what_follows_and_no_more(store, folder, number):
    whole, weights = store.log(SPEC.key()), store.network(SPEC.key()).weights[0].tobytes()
    lines = lines_of(folder)
    position = lines[number].index(b'": ') + 4
    lines[number] = lines[number][:position] + bytes([lines[number][position] ^ 1]) + lines[number][position + 1 :]
    (folder / "events.jsonl").write_bytes(b"".join(lines))
    assert store.log(SPEC.key()) == whole[: number % len(whole)]
    assert isinstance(train(SPEC, store)[-1], Finished)
    for ours, theirs in zip(store.log(SPEC.key()), whole, strict=True):
        assert {k: v for k, v in ours.items() if k not in ("seconds", "crc")} == {
            k: v for k, v in theirs.items() if k not in ("seconds", "crc")
        }
    assert store.network(SPEC.key()).weights[0].tobytes() == weights


@pytest.mark.parametrize("content", [b"", b"\n\n", b"null\n", b"[]\n", b"\xff\xfe\n", b'{"kind": "Started"}\n'])
def test_a_log_of_something_else_is_an_empty_log(store, folder, content):
    (folder / "events.jsonl").write_bytes(content)
    assert store.log(SPEC.key()) == [] and store.events(SPEC.key()) == []
    assert store.open(SPEC.key()).epochs == () and not store.open(SPEC.key()).finished
    assert isinstance(train(SPEC, store)[-1], Finished)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "another file"])
def test_a_damaged_snapshot_is_refused_in_words(store, folder, damage):
    file = folder / "epoch-002.safetensors"
    content = file.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
    other = (folder / "epoch-001.safetensors").read_bytes()
    file.write_bytes({"truncated": content[:middle], "empty": b"", "flipped": flipped, "another file": other}[damage])
    with pytest.raises(
        StoreError, match=r"the stored epoch 2 of run \w+ is damaged: choose another, or delete the run"
    ):
        store.network(SPEC.key(), 2)
    assert store.network(SPEC.key(), 3).hidden == SPEC.hidden


@pytest.mark.parametrize("content", ["", "{", "[1]", "5", '{"sede": 3}', '{"hidden": [0]}', '{"dataset": "gone"}'])
def test_a_damaged_spec_is_listed_with_its_problem_and_written_again(store, folder, content):
    (folder / "spec.json").write_text(content)
    os.utime(folder, ns=(2, 2))
    run = Store(store.root).open(SPEC.key())
    assert run.spec is None and run.problem.startswith(f"the run {SPEC.key()} cannot be opened: ")
    assert len(Store(store.root).runs()) == 2
    fresh = Store(store.root)
    assert isinstance(train(SPEC, fresh)[-1], Finished)
    assert json.loads((folder / "spec.json").read_text()) == SPEC.to_dict()


def test_without_done_json_a_run_is_unfinished_and_ends_again_without_training(store, folder, monkeypatch):
    reason, weights = store.open(SPEC.key()).reason, store.network(SPEC.key()).weights[0].tobytes()
    (folder / "done.json").unlink()
    assert not store.open(SPEC.key()).finished and store.provenance(SPEC.key()) is None
    monkeypatch.setattr(experiment.Trainer, "epoch", None)
    final = train(SPEC, store)[-1]
    assert final.reason == reason and final.network.weights[0].tobytes() == weights
    assert store.open(SPEC.key()).finished and store.provenance(SPEC.key())["reason"] == reason


def test_a_damaged_done_json_is_no_error(store, folder):
    (folder / "done.json").write_text("{")
    assert store.provenance(SPEC.key()) is None and store.open(SPEC.key()).finished


def test_files_that_vanish_while_the_folder_is_read_are_no_error(store, folder, monkeypatch):
    draft = folder / ".epoch-005.safetensors.0badcafe"
    draft.write_bytes(b"x" * 50)
    stat = Path.stat

    def gone(self, **options):
        if self.name == draft.name:
            raise FileNotFoundError(errno.ENOENT, "renamed since", str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", gone)
    assert store.open(SPEC.key()).last_epoch == 4


def test_a_folder_that_vanishes_while_runs_are_listed_is_left_out(store, folder, monkeypatch):
    opened = Store.open

    def late(self, key):
        if key == SPEC.key():
            shutil.rmtree(folder, ignore_errors=True)
        return opened(self, key)

    monkeypatch.setattr(Store, "open", late)
    assert [run.key for run in store.runs()] == [LONG.key()]


def test_reading_needs_no_torch_and_takes_no_lock(store):
    code = (
        "import sys; from core.store import Store; store = Store(sys.argv[1]); run = store.runs()[0]\n"
        "store.events(run.key); store.network(run.key); print('torch' in sys.modules)"
    )
    with store.claim(LONG.key()), store.claim(SPEC.key()):
        done = subprocess.run(
            [sys.executable, "-c", code, str(store.root)], cwd=REPOSITORY, capture_output=True, text=True, timeout=250
        )
    assert done.stdout.strip() == "False", done.stderr


# Writing


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


SENTENCE = r"the folder cache/ cannot be written \(No space left on device\): free some space or make it writable"


@pytest.mark.parametrize("where", ["write_bytes", "mkdir", "log", "lock"])
def test_a_full_disk_is_a_sentence_and_what_is_stored_is_kept(store, monkeypatch, where):
    key = LONG.key()
    (store.root / "runs" / key / "done.json").unlink()
    (store.root / "runs" / key / "epoch-007.safetensors").unlink()
    if where == "log":
        real = open
        monkeypatch.setattr(
            stores,
            "open",
            lambda path, mode: full() if str(path).endswith("jsonl") else real(path, mode),
            raising=False,
        )
    elif where == "lock":
        monkeypatch.setattr(stores.filelock.FileLock, "acquire", full)
    else:
        monkeypatch.setattr(Path, where, full)
    with pytest.raises(StoreError, match=SENTENCE):
        train(LONG, store)
    monkeypatch.undo()
    monkeypatch.setenv("PRUNING_DEVICE", "cpu")
    assert not list((store.root / "runs" / key).glob(".*"))  # no draft is left
    assert store.snapshot(key, 6).epoch == 6
    assert isinstance(train(LONG, store)[-1], Finished)


def test_a_read_only_cache_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=r"cannot be written \(Permission denied\).*make it writable"):
        train(SPEC, Store(tmp_path / "cache"))
    (tmp_path / "file").write_text("a file where the cache should be")
    monkeypatch.undo()
    with pytest.raises(StoreError, match=r"the folder file/ cannot be written"):
        train(SPEC, Store(tmp_path / "file"))


def test_only_one_holds_the_lock_and_it_is_free_when_its_holder_dies(store):
    key = SPEC.key()
    assert not store.is_claimed(key)
    with store.claim(key):
        assert store.is_claimed(key) and Store(store.root).claim(key) is None
    assert not store.is_claimed(key)
    code = (
        "import os, signal, sys; from core.store import Store\n"
        "lock = Store(sys.argv[1]).claim(sys.argv[2]); print(lock is not None, flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(store.root), key],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "True\n"
    assert store.is_claimed(key)
    holder.kill()
    holder.communicate(timeout=250)
    assert not store.is_claimed(key)


# Space


def test_thinning_keeps_the_start_the_end_and_those_around_a_cut(store):
    key = LONG.key()
    cut = next(event.epoch for event in store.events(key) if isinstance(event, Pruned))
    before = store.size()
    events = len(store.events(key))
    freed = store.thin(key)
    assert freed > 0 and store.size() == before - freed
    assert set(store.open(key).epochs) == {0, cut - 1, cut, cut + 1, 7}
    assert len(store.events(key)) == events and store.open(key).finished
    assert store.thin(key) == 0
    with pytest.raises(StoreError, match="epoch 6 of run .* is not stored: stored are 0-"):
        store.snapshot(key, 6)


def test_the_quota_thins_what_changed_longest_ago_first(store, monkeypatch):
    assert store.quota == 2 * 2**30 and store.keep_within_quota() == 0
    for key, when in ((SPEC.key(), 3), (LONG.key(), 2)):
        for file in [*(store.root / "runs" / key).iterdir(), store.root / "runs" / key]:
            os.utime(file, ns=(when, when))
    monkeypatch.setenv("PRUNING_CACHE_GB", str((store.size() - 10) / 2**30))
    epochs = store.open(SPEC.key()).epochs
    assert store.keep_within_quota() > 0
    assert len(store.open(LONG.key()).epochs) < 8 and store.open(SPEC.key()).epochs == epochs
    monkeypatch.setenv("PRUNING_CACHE_GB", "a lot")
    with pytest.raises(StoreError, match="PRUNING_CACHE_GB is 'a lot': give a number of gigabytes, such as 2"):
        store.keep_within_quota()


def test_a_deleted_run_is_gone(store, folder):
    store.delete(SPEC.key())
    assert not folder.exists() and [run.key for run in store.runs()] == [LONG.key()]
    assert [file.name for file in (store.root / "runs").iterdir()] == [LONG.key()]
    store.delete(SPEC.key())  # twice is no error


def test_what_is_running_or_a_parent_is_not_deleted(store, folder):
    with store.claim(SPEC.key()), pytest.raises(StoreError, match="being trained now: stop it first, then delete it"):
        Store(store.root).delete(SPEC.key())
    branch = SPEC.branch(2, 0.7)
    store.resume(branch)
    with pytest.raises(
        StoreError, match=r"the parent of 1 other \(.*cut by hand to 70 % at epoch 2\): delete the branch"
    ):
        store.delete(SPEC.key())
    assert folder.is_dir()
    store.delete(branch.key())
    store.delete(SPEC.key())
    assert not folder.exists()


def test_deleting_a_parents_copy_leaves_the_branchs_moments(store):
    branch = SPEC.branch(3, 0.7)
    store.resume(branch)
    shutil.rmtree(store.root / "runs" / SPEC.key())
    assert store.snapshot(branch.key(), 2).epoch == 2


def test_resuming_what_is_finished_changes_nothing(store, folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    point = store.resume(SPEC)
    assert isinstance(point.events[0], Started) and isinstance(point.events[-1], Finished) and point.notices == ()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_runs_with_other_specs_do_not_mix(store):
    other = replace(SPEC, seed=1)
    assert store.resume(other).moment is None
    assert np.array_equal(store.network(SPEC.key()).weights[0], store.network(SPEC.key(), 4).weights[0])


# -- from store to store ---------------------------------------------------------------------------------------------


def test_a_run_is_taken_in_from_another_store_bit_by_bit(store, tmp_path):
    other, key = Store(tmp_path / "other"), SPEC.key()
    assert other.result(key) is None and store.result(key).test_accuracy == store.events(key)[-1].test_accuracy
    assert other.take_in(key, store.files(key)) is True
    assert other.files(key) == store.files(key) and len(other.files(key)) == 8 and not other.is_claimed(key)
    assert [entry.name for entry in (other.root / "runs").iterdir()] == [key]


def test_an_unfinished_run_gives_way_to_a_finished_one_and_a_finished_one_to_none(store, folder, tmp_path):
    files, key = store.files(SPEC.key()), SPEC.key()
    (folder / "done.json").unlink()
    (folder / "epoch-004.safetensors").unlink()
    assert store.result(key) is None and store.take_in(key, files) is True and store.files(key) == files
    assert store.take_in(key, files | {"done.json": b"{}"}) is False and store.files(key) == files
    other = Store(tmp_path / "other")
    with other.claim(key):  # somebody trains it there now
        assert other.take_in(key, files) is False and not other.runs()


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.pop("done.json"),
        lambda files: files.pop("spec.json"),
        lambda files: files.pop("epoch-004.safetensors"),
        lambda files: files.update({"epoch-002.safetensors": b"half"}),
        lambda files: files.update({"events.jsonl": files["events.jsonl"][:-9]}),
        lambda files: files.update({"spec.json": json.dumps(LONG.to_dict()).encode()}),
        lambda files: files.update({"done.json": b"{"}),
        lambda files: files.update({"../../done.json": b"{}"}),
        lambda files: files.update({"notes.txt": b""}),
    ],
)
def test_what_is_not_a_sound_finished_run_is_not_taken_in(store, tmp_path, change):
    files, other = store.files(SPEC.key()), Store(tmp_path / "other")
    change(files)
    with pytest.raises(StoreError, match="not stored"):
        other.take_in(SPEC.key(), files)
    assert list((other.root / "runs").iterdir()) == [] and not other.is_claimed(SPEC.key())


def test_a_failed_taking_in_leaves_what_was_there(store, folder, monkeypatch):
    files, key = store.files(SPEC.key()), SPEC.key()
    (folder / "done.json").unlink()
    before, real = store.files(key), os.replace

    def full(source, target):
        if Path(target) == folder and "unfinished" not in str(source):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="cannot be written"):
        store.take_in(key, files)
    assert store.files(key) == before and not store.is_claimed(key)
