"""What is told of folders: files beside the data sets that are none, and places that cannot be written."""

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
from small import digits
from visiting import button, said, visit

from core import datasets, experiment
from core.artifacts.kept import Artifacts
from core.datasets import downloads, places
from core.datasets.formats import IDX_NAMES
from core.store import Store, StoreError
from pages.shared import session


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("PRUNING_DATA", str(folder))
    return folder


# Files beside the data sets


@pytest.mark.parametrize(
    "name",
    [
        "train.csv",
        "numbers.CSV",
        "mnist.pkl.gz",
        "x.npy",
        "images.zip",
        "Mine.NPZ",
        "train-images.idx3-ubyte",
        "data.mat",
        "data",
    ],
)
def test_a_file_that_is_no_data_set_is_named(folder, name):
    assert places.overlooked() == ""
    (folder / name).write_bytes(b"1,2,3\n")
    assert f"Not read in the folder PRUNING_DATA: {name}. " in places.overlooked()
    assert datasets.overlooked() == places.overlooked() and Path(name).stem not in datasets.names()


def test_what_nobody_takes_for_a_data_set_is_not_named(folder):
    for name in ("README", "readme.txt", "LICENSE", ".DS_Store", "notes.md", "prepare.py", "mine.npz", *IDX_NAMES):
        (folder / name).write_bytes(b"")
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"")
    for place in ("mnist", "papers", ".git"):
        (folder / place).mkdir()
    (folder / "mnist" / f"{IDX_NAMES[0]}.gz").write_bytes(b"")
    (folder / "papers" / "one.pdf").write_bytes(b"")
    assert places.overlooked() == ""


def test_many_files_are_counted_and_a_folder_of_pictures_is_named_as_one(folder):
    for number in range(5):
        (folder / f"part-{number}.csv").write_bytes(b"")
    (folder / "cats").mkdir()
    (folder / "cats" / "1.png").write_bytes(b"")
    assert ": cats/, part-0.csv, part-1.csv and 3 more. " in places.overlooked()


def test_the_advice_for_a_table_makes_a_data_set_of_it(folder, monkeypatch):
    rng = np.random.default_rng(0)
    table = np.column_stack([np.arange(40) % 3, rng.integers(0, 256, (40, 6))])
    np.savetxt(folder / "train.csv", table, "%d", delimiter=",", header="label,pixels")
    code = re.search("`([^`]+)`", places.overlooked())[1]
    read = np.loadtxt(folder / "train.csv", delimiter=",").astype(np.uint8)
    scope = {"numpy": np, "name": folder / "table.npz", "x_train": read[:30, 1:], "y_train": read[:30, 0]}
    exec(code, scope | {"x_test": read[30:, 1:], "y_test": read[30:, 0]})
    assert len(datasets.load("table").y_test) == 10


def test_another_spelling_of_npz_is_told_to_be_renamed(folder):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 3
    np.savez(folder / "Mine.npz", x_train=rng.random((40, 6)), y_train=y, x_test=rng.random((40, 6)), y_test=y)
    (folder / "Mine.npz").rename(folder / "Mine.NPZ")
    new = re.search(r"Rename it to (.+)\.$", places.overlooked())[1]
    (folder / "Mine.NPZ").rename(folder / new)
    assert places.overlooked() == "" and len(datasets.load("Mine").y_test) == 40


def test_a_data_folder_that_is_not_there_or_may_not_be_listed_is_told(folder, monkeypatch):
    monkeypatch.setenv("PRUNING_DATA", str(folder / "gone"))
    assert places.overlooked().startswith("The folder PRUNING_DATA cannot be read (No such file or directory): ")
    monkeypatch.delenv("PRUNING_DATA")
    assert places.overlooked() == ""


# On the page


def test_the_sidebar_says_what_is_odd_of_the_chosen_data_and_what_is_not_read(cache, folder, monkeypatch):
    monkeypatch.setenv("PRUNING_DATA", str(folder))
    rng = np.random.default_rng(0)
    for name, y in (("sound", rng.permutation(np.arange(300) % 3)), ("Sorted", np.arange(300) // 100)):
        x = rng.integers(0, 256, (300, 16), dtype=np.uint8)
        np.savez(folder / f"{name}.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (folder / "train.csv").write_bytes(b"")
    (folder / "my broken.npz").write_bytes(b"PK")
    app = visit()
    captions = " ".join(caption.value for caption in app.sidebar.caption)
    assert "Not read in the folder PRUNING_DATA: train.csv." in captions and "sorted" not in captions
    app.sidebar.selectbox(key="choose dataset").set_value("Sorted").run()
    assert "the training file is sorted by class" in " ".join(caption.value for caption in app.sidebar.caption)
    app.sidebar.selectbox(key="choose dataset").set_value("sound").run()
    assert "sorted by class" not in " ".join(caption.value for caption in app.sidebar.caption)
    app.sidebar.selectbox(key="choose dataset").set_value("my broken").run()
    assert [box.value for box in app.sidebar.warning][0].startswith("my broken.npz cannot be read (")
    button(app, "Start").click().run()
    assert not app.exception and "My broken" not in said(app)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a*b*.npz cannot be read", r"a\*b\*.npz cannot be read"),
        ("my_own_file.npz and PRUNING_DATA", "my_own_file.npz and PRUNING_DATA"),
        ("_x_.npz", r"\_x\_.npz"),
        ("$a$.npz", r"\$a\$.npz"),
        (":red[hot].npz: save `x = x * 2`", r"\:red\[hot\].npz: save `x = x * 2`"),
        ("#1.npz: it holds NaN", r"\#1.npz: it holds NaN"),
    ],
)
def test_a_name_is_shown_as_it_is_and_code_as_code(text, shown):
    assert session.literal(text) == shown


@pytest.mark.parametrize("name", ["mine", "Mine", "my own", "ünder", "a.b", "mnist-2", "_x"])
def test_a_sentence_that_begins_with_a_file_or_a_data_set_keeps_its_case(folder, name):
    (folder / f"{name}.npz").write_bytes(b"")
    with pytest.raises(ValueError) as refusal:
        datasets.load(name)
    assert session.sentence(str(refusal.value)).startswith(f"{name}.npz cannot be read")
    assert session.sentence(f"{name} is gone") == f"{name} is gone."
    assert session.sentence("the folder is gone") == "The folder is gone."


# Places that cannot be written


def refused(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


WAY_OUT = r"cannot be written \(Read-only file system\): .*, or set PRUNING_CACHE to another folder, then "


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("ran"))
    list(experiment.run(digits(max_epochs=3, pruning=None), store))
    return store


@pytest.mark.parametrize(
    ("call", "act"),
    [
        ((os, "replace"), lambda store, key: store.delete(key)),
        ((Path, "mkdir"), lambda store, key: store.claim(key)),
        ((Path, "unlink"), lambda store, key: store.thin(key)),
        ((Path, "write_bytes"), lambda store, key: store._write(store.root / "any", b"")),
        ((os, "replace"), lambda store, key: store._set_aside(store.root / "runs" / key / "done.json")),
        ((os, "replace"), lambda store, key: store.take_in("0" * 16, {"spec.json": b"{}"})),
        ((Path, "mkdir"), lambda store, key: Artifacts(store.root).write(key, "film", b"")),
        ((Path, "unlink"), lambda store, key: Artifacts(store.root).keep_within(0)),
    ],
    ids=["delete", "claim", "thin", "write", "set aside", "take in", "artifacts", "quota of the artifacts"],
)
def test_every_refused_write_names_the_setting_that_helps(ran, monkeypatch, call, act):
    key = ran.runs()[0].key
    Artifacts(ran.root).write(key, "curve", b"bytes")
    monkeypatch.setattr(*call, refused)
    with pytest.raises(StoreError, match=WAY_OUT):
        act(ran, key)


def test_a_refused_download_names_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(
        downloads.DownloadFailed, match="Read-only file system.*set PRUNING_CACHE to another folder, or put"
    ):
        datasets.download("mnist")


def test_free_space_in_a_folder_that_cannot_be_written_is_a_sentence(with_runs, monkeypatch):
    monkeypatch.setattr(
        Store, "thin", lambda self, key: (_ for _ in ()).throw(self._cannot_write(OSError(30, "Read-only")))
    )
    app = visit("runs")
    button(app, "Free space").click().run()
    assert not app.exception and "set PRUNING_CACHE to another folder" in said(app)
