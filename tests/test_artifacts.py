"""Artifacts: atlases and curves are written whole, read back alike, and never take more room than they may."""

import os

import pytest
from small import evidence, network

from core import atlas, criteria, datasets
from core.atlas import Choice, kept
from core.atlas.kept import Point
from core.store import StoreError
from core.store.artifacts import SHARE, Artifacts


@pytest.fixture(scope="module")
def made():
    data = datasets.load("digits")
    net = network(sizes=(64, 5, 4, 10))
    return atlas.build(Choice("abc", 2), net, criteria.scores("activation-frequency", evidence(net)), data)


def test_an_atlas_comes_back_as_it_was_put(tmp_path, made):
    artifacts = Artifacts(tmp_path)
    assert (
        not kept.has(artifacts, made.choice)
        and kept.get(artifacts, made.choice) is None
        and not kept.version(artifacts, made.choice)
    )
    kept.put(artifacts, made)
    assert kept.has(artifacts, made.choice) and kept.version(artifacts, made.choice) > 0
    assert kept.get(artifacts, made.choice).to_bytes() == made.to_bytes()
    assert kept.get(artifacts, Choice("abc", 3)) is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nothing", None])
def test_a_damaged_atlas_is_taken_for_absent(tmp_path, made, damage):
    artifacts = Artifacts(tmp_path)
    kept.put(artifacts, made)
    [file] = (tmp_path / "atlases" / "abc").iterdir()
    file.write_bytes(damage if damage is not None else file.read_bytes()[:-100])
    assert kept.get(artifacts, made.choice) is None


def test_an_atlas_under_another_name_is_not_served(tmp_path, made):
    artifacts = Artifacts(tmp_path)
    kept.put(artifacts, made)
    [file] = (tmp_path / "atlases" / "abc").iterdir()
    os.replace(file, file.with_name(f"{Choice('abc', 3).name}.npz"))
    assert kept.get(artifacts, Choice("abc", 3)) is None


def test_points_come_back_by_percent_and_a_second_one_replaces_the_first(tmp_path):
    artifacts, choice = Artifacts(tmp_path), Choice("abc", 2)
    assert kept.points(artifacts, choice, 2) == []
    for percent, accuracy in ((80, 0.1), (20, 0.9), (80, 0.5)):
        kept.add_point(artifacts, choice, 2, Point(percent, percent / 100, accuracy))
    assert kept.points(artifacts, choice, 2) == [Point(20, 0.2, 0.9), Point(80, 0.8, 0.5)]
    assert kept.points(artifacts, choice, 3) == []


def test_what_is_longest_unchanged_goes_first(tmp_path, made):
    artifacts = Artifacts(tmp_path)
    choices = [Choice("abc", epoch) for epoch in range(3)]
    for age, choice in enumerate(choices):
        kept.put(artifacts, atlas.Atlas(**{**vars(made), "choice": choice}))
        os.utime(tmp_path / "atlases" / "abc" / f"{choice.name}.npz", (age, age))
    size = len(made.to_bytes())
    artifacts.keep_within(int(2.5 * size / SHARE))
    assert [kept.has(artifacts, choice) for choice in choices] == [False, True, True]


def test_a_runs_atlases_go_with_it(tmp_path, made):
    artifacts = Artifacts(tmp_path)
    kept.put(artifacts, made)
    artifacts.delete("other"), artifacts.delete("../atlases")
    assert kept.has(artifacts, made.choice)
    artifacts.delete("abc")
    assert not kept.has(artifacts, made.choice)


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(tmp_path, made):
    (tmp_path / "atlases").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        kept.put(Artifacts(tmp_path), made)


def test_files_of_other_kinds_lie_beside_the_atlases_and_go_with_the_run(tmp_path, made):
    artifacts = Artifacts(tmp_path)
    assert artifacts.read("abc", "film.npz") is None and artifacts.written("abc", "film.npz") == 0
    kept.put(artifacts, made)
    artifacts.write("abc", "film.npz", b"one")
    assert artifacts.read("abc", "film.npz") == b"one" and artifacts.written("abc", "film.npz") > 0
    artifacts.write("abc", "film.npz", b"two")
    assert artifacts.read("abc", "film.npz") == b"two" and artifacts.read("abd", "film.npz") is None
    assert kept.get(artifacts, made.choice) is not None
    artifacts.delete("abc")
    assert artifacts.read("abc", "film.npz") is None


@pytest.mark.parametrize("run, name", [("../x", "a"), ("abc", "../a"), ("abc", ""), ("abc", ".hidden"), ("abc", "a/b")])
def test_no_name_leads_out_of_the_runs_folder(tmp_path, run, name):
    with pytest.raises(ValueError, match="no name of a file"):
        Artifacts(tmp_path).write(run, name, b"")
