"""Artifacts: written whole, read back alike, found by the networks they are made of, and never more than they may take."""

import io
import json
import os
import random
import shutil
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
from small import assert_same, digits

from core import experiment
from core.artifacts import Artifact, Sources, asked, codec, kinds, plain
from core.artifacts.kept import SHARE, Artifacts
from core.atlas import Atlas, Curve, Point
from core.atlas.artifacts import AtlasOf, CurveOf
from core.claims import kinds as every
from core.claims import pca, penalty_search, reductions
from core.claims.penalty_search import Search, Try
from core.claims.random_cuts import RandomCuts, RandomCutsOf
from core.claims.spectral_history import HistoryOf
from core.store import Store, StoreError, files

KEY, TWIN = digits().key(), digits(None).key()
EPOCH = 4


def run(store: Store, *specs) -> Store:
    for spec in specs:
        list(experiment.run(spec, store))
    return store


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Store:
    """A pruned run and its twin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        return run(Store(tmp_path_factory.mktemp("stored")), digits(), digits(None))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Store:
    """Runs of the same keys as another computer may have made them: in truth those of another seed."""
    store = Store(tmp_path_factory.mktemp("other"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for spec, name in ((digits(), KEY), (digits(None), TWIN)):
            run(store, replace(spec, seed=5))
            (store.root / "runs" / replace(spec, seed=5).key()).rename(store.root / "runs" / name)
            (store.root / "runs" / name / "spec.json").write_text(json.dumps(spec.to_dict()))
    return store


def cut_epochs(store: Store) -> list[int]:
    return [line["epoch"] for line in store.log(KEY) if line["kind"] == "Pruned"]


def wanted(store: Store) -> list[Artifact]:
    """One of every kind."""
    return [
        AtlasOf(KEY, EPOCH, "magnitude"), CurveOf(KEY, EPOCH, epochs=1), HistoryOf(KEY),
        RandomCutsOf(KEY, cut_epochs(store)[1]), pca.ContestOf(KEY), reductions.RetrainedOf(KEY, "rank", "svd"),
        penalty_search.SearchOf(KEY),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def made(stored, tmp_path_factory) -> tuple[Artifacts, dict[Artifact, object]]:
    """All of them, made and kept."""
    artifacts, sources = Artifacts(tmp_path_factory.mktemp("made")), Sources(stored)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        return artifacts, {one: artifacts.ensure(one, sources) for one in wanted(stored)}


def parts_of(one: Artifact, value) -> tuple[str, dict]:
    header, arrays = one.pack(value)
    return json.dumps(header), arrays


def assert_alike(one: Artifact, value, other) -> None:
    (header, arrays), (other_header, others) = parts_of(one, value), parts_of(one, other)
    assert header == other_header and list(arrays) == list(others)
    assert_same(arrays.values(), others.values())


# -- what every kind promises ------------------------------------------------------------------------------------------


def test_every_kind_is_known_and_none_is_made_twice(stored, made):
    artifacts, values = made
    assert {type(one) for one in values} == set(every.ALL) == set(kinds().values())
    assert len({one.job for one in values}) == len({kind for kind in kinds()}) == len(every.ALL)
    sources = Sources(stored)
    assert all(artifacts.there(one, sources) for one in values)
    written = {one: artifacts.find(one, sources) for one in values}
    for one in values:
        assert artifacts.ensure(one, sources, lambda share: pytest.fail("made again")) is not None
    assert written == {one: artifacts.find(one, sources) for one in values}


def test_it_is_made_again_from_plain_values(made):
    for one in made[1]:
        assert asked(json.loads(json.dumps(plain(one)))) == one


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "artifact None is unknown: allowed are atlas, contest"),
        ({"kind": "film", "run": "abc"}, "artifact 'film' is unknown"),
        ({"kind": "contest"}, "not an artifact of the kind contest"),
        ({"kind": "contest", "run": "abc", "more": 1}, "not an artifact of the kind contest"),
        ({"kind": "atlas", "run": "../abc", "epoch": 1}, "not the key of a run"),
        ({"kind": "atlas", "run": "abc", "epoch": -1}, "epoch -1 is not allowed"),
        ({"kind": "curve", "run": "abc", "epoch": 1, "epochs": 51}, "give 1..50"),
        ({"kind": "factors", "run": "abc", "matching": "size", "arm": "pca"}, "matching 'size' is unknown"),
        ({"kind": "factors", "run": "abc", "matching": "rank", "arm": "nmf"}, "reduction 'nmf' is unknown"),
    ],
)
def test_what_is_no_artifact_is_refused_in_a_sentence(values, says):
    with pytest.raises(ValueError, match=says):
        asked(values)


def test_a_kind_says_its_word_once():
    with pytest.raises(AssertionError, match="two artifacts are called atlas"):

        @dataclass(frozen=True)
        class Second(HistoryOf):
            kind = "atlas"


@pytest.mark.parametrize("damage", ["shorter", "empty", "nonsense", "an array more", "the header", "gone"])
def test_what_is_damaged_is_taken_for_absent_and_made_again(stored, made, tmp_path, damage):
    sources = Sources(stored)
    for one, value in made[1].items():
        artifacts = Artifacts(tmp_path)
        artifacts.put(one, sources, value)
        [file] = artifacts.find(one, sources).files
        content = file.read_bytes()
        header, arrays = codec.unpacked(content)
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(
                {
                    "shorter": content[:-100],
                    "empty": b"",
                    "nonsense": b"PK\x03\x04 nothing",
                    "an array more": resaved(content, more=np.ones(3)),
                    "the header": resaved(content, header={**header, codec.CHECKSUM: "0" * 64}),
                }[damage]
            )
        assert artifacts.get(one, sources) is None and not artifacts.there(one, sources), one
        artifacts.put(one, sources, value)
        assert_alike(one, artifacts.get(one, sources), value)


def test_a_byte_that_changed_makes_no_other_value(stored, made, tmp_path):
    """Anywhere in the file: what it holds comes back as it was, or not at all."""
    artifacts, sources, dice, refused = Artifacts(tmp_path), Sources(stored), random.Random(7), 0
    for one, value in made[1].items():
        artifacts.put(one, sources, value)
        [file] = artifacts.find(one, sources).files
        content = file.read_bytes()
        for turn in range(12):
            place = dice.randrange(len(content))
            file.write_bytes(content[:place] + bytes([content[place] ^ dice.randrange(1, 256)]) + content[place + 1 :])
            os.utime(file, (turn + 1, turn + 1))
            found = artifacts.get(one, sources)
            refused += found is None
            if found is not None:
                assert_alike(one, found, value)
    assert refused > 40


def resaved(content: bytes, header=None, **more) -> bytes:
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files} | more
    if header is not None:
        arrays[codec.HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    changed = io.BytesIO()
    np.savez_compressed(changed, **arrays)
    return changed.getvalue()


def test_a_file_of_more_than_it_may_hold_is_not_unpacked(monkeypatch):
    content = codec.packed({}, {"zeros": np.zeros(2**20, np.uint8)})
    assert len(content) < 5000 and codec.unpacked(content)[1]["zeros"].size == 2**20
    monkeypatch.setattr(codec, "MOST_BYTES", 2**19)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(ValueError, match="MB are allowed|not a stored artifact"):
        codec.unpacked(content)


@pytest.mark.parametrize("seed", range(5))
def test_the_codec_gives_back_what_it_was_given(seed):
    rng = np.random.default_rng(seed)
    kinds_of = (np.uint8, np.uint16, np.int64, np.float32, np.float64, bool)
    arrays = {}
    for place in range(rng.integers(1, 9)):
        shape = tuple(rng.integers(0, 5, rng.integers(0, 4)))
        arrays[f"{'group.' * (place % 2)}{place}"] = rng.normal(size=shape).astype(rng.choice(kinds_of))
        if arrays and rng.random() < 0.5:
            arrays[f"turned {place}"] = np.asfortranarray(rng.normal(size=(3, 4)).T)
    header = {"words": ["ä", None, True], "numbers": {"one": 0.1 + seed, "nan": float("nan")}}
    back, others = codec.unpacked(codec.packed(header, arrays))
    assert json.dumps(back) == json.dumps(header) and list(others) == list(arrays)
    assert_same([np.ascontiguousarray(one) for one in arrays.values()], others.values())
    assert not any(one.flags.writeable for one in others.values())


def test_no_pickle_is_read():
    file = io.BytesIO()
    np.savez_compressed(file, bad=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="not a stored artifact"):
        codec.unpacked(file.getvalue(), checked=False)


# -- whose it is -------------------------------------------------------------------------------------------------------


def test_two_networks_with_one_key_never_share_one(stored, other, made, tmp_path):
    """In one folder, in any order, as two servers with one cache would: each finds what was made of its own."""
    here, there, dice = Sources(stored), Sources(other), random.Random(3)
    artifacts, values = Artifacts(tmp_path), made[1]
    of_others = {one: Artifacts(tmp_path / "of the other").ensure(one, there) for one in values}
    turns = [
        (one, sources, value) for sources, found in ((here, values), (there, of_others)) for one, value in found.items()
    ]
    dice.shuffle(turns)
    kept: set[tuple[Artifact, int]] = set()
    for one, sources, value in turns:
        artifacts.put(one, sources, value)
        kept.add((one, id(sources)))
        for each in values:
            for place, found in ((here, values), (there, of_others)):
                got = artifacts.get(each, place)
                assert (got is not None) == ((each, id(place)) in kept)
                if got is not None:
                    assert_alike(each, got, found[each])
    for one in values:
        assert parts_of(one, values[one])[1].keys() != () and values[one] is not of_others[one]


def test_what_was_made_with_another_twin_is_not_taken(stored, other, made, tmp_path):
    """The contest of this pruned network with a standard network that another computer trained."""
    mixed = Sources(stored, {TWIN: other})
    artifacts = Artifacts(tmp_path)
    for one in (pca.ContestOf(KEY), reductions.RetrainedOf(KEY, "rank", "svd")):
        artifacts.put(one, Sources(stored), made[1][one])
        assert artifacts.there(one, Sources(stored)) and not artifacts.there(one, mixed)
    alone = Store(tmp_path / "alone")
    shutil.copytree(stored.root / "runs" / KEY, alone.root / "runs" / KEY)
    assert artifacts.there(
        pca.ContestOf(KEY), Sources(alone)
    )  # the twin was deleted since: what was made with it stands


def test_what_was_begun_with_one_network_is_not_kept_for_another_of_its_name(stored, other, tmp_path):
    """The run is made anew while something is made of it."""
    for one in wanted(stored)[:4]:
        store, artifacts = Store(tmp_path / one.kind), Artifacts(tmp_path / one.kind)
        shutil.copytree(stored.root / "runs", store.root / "runs")
        sources = Sources(store)

        def meanwhile(share: float, store=store) -> bool:
            if store.log(KEY) == stored.log(KEY):
                shutil.rmtree(store.root / "runs")
                shutil.copytree(other.root / "runs", store.root / "runs")
            return True

        class Late(type(one)):
            def make(self, sources, known, put, progress):
                found = []
                super().make(sources, known, found.append, progress)
                meanwhile(1.0)
                put(found[-1])

        with pytest.raises(StoreError, match="was made anew meanwhile|is not stored"):
            artifacts.ensure(Late(**{name: value for name, value in plain(one).items() if name != "kind"}), sources)
        assert not list(artifacts.root.glob("*/*"))


def test_thinning_a_run_loses_nothing_that_was_made_of_it(stored, made, tmp_path):
    store = Store(tmp_path)
    shutil.copytree(stored.root / "runs", store.root / "runs")
    assert store.thin(KEY) > 0
    at_a_cut = [one for one in made[1] if getattr(one, "epoch", None) != EPOCH or EPOCH in cut_epochs(stored)]
    assert len(at_a_cut) >= 5
    for one in at_a_cut:
        assert made[0].there(one, Sources(store))


def test_an_artifact_under_the_name_of_another_is_not_served(stored, tmp_path):
    artifacts, sources = Artifacts(tmp_path), Sources(stored)
    one, two = RandomCutsOf(KEY, cut_epochs(stored)[0]), RandomCutsOf(KEY, cut_epochs(stored)[1])
    artifacts.ensure(one, sources)
    [file] = artifacts.find(one, sources).files
    artifacts.ensure(two, sources)
    [named] = artifacts.find(two, sources).files
    os.replace(file, named)
    assert artifacts.get(two, sources) is None


def test_another_version_is_not_taken(stored, made, tmp_path, monkeypatch):
    artifacts, sources, one = Artifacts(tmp_path), Sources(stored), HistoryOf(KEY)
    artifacts.put(one, sources, made[1][one])
    monkeypatch.setattr(HistoryOf, "version", 2)
    assert artifacts.get(one, sources) is None
    artifacts.put(one, sources, made[1][one])
    assert artifacts.there(one, sources) and len(list((tmp_path / "atlases").glob("*/*"))) == 2


def test_what_is_kept_behind_is_read_and_never_written(stored, made, tmp_path):
    behind = made[0].root.parent
    before = sorted(file.stat().st_mtime_ns for file in behind.rglob("*"))
    artifacts, sources = Artifacts(tmp_path, behind), Sources(stored)
    for one, value in made[1].items():
        assert_alike(one, artifacts.get(one, sources), value)
    artifacts.put(HistoryOf(KEY), sources, made[1][HistoryOf(KEY)])
    assert before == sorted(file.stat().st_mtime_ns for file in behind.rglob("*"))
    assert artifacts.find(HistoryOf(KEY), sources).files[0].is_relative_to(tmp_path)


def test_a_part_of_a_value_is_kept_and_gone_on_from(stored, tmp_path):
    """Every kind that is made part by part: stopped after the first parts, it goes on and ends alike."""
    sources = Sources(stored)
    for one in (CurveOf(KEY, EPOCH, epochs=1), penalty_search.SearchOf(KEY)):
        artifacts = Artifacts(tmp_path / one.kind)

        def some(share: float, artifacts=artifacts, one=one) -> bool:
            part = artifacts.get(one, sources)
            return not (part and (part.points if one.kind == "curve" else part.tries))

        assert artifacts.ensure(one, sources, some) is None
        part = artifacts.get(one, sources)
        assert part is not None and not one.whole(part) and not artifacts.there(one, sources)
        whole = artifacts.ensure(one, sources)
        assert one.whole(whole) and artifacts.there(one, sources)
        made, so_far = (one.pack(each)[0].get("points") or one.pack(each)[0]["tries"] for each in (whole, part))
        assert made[: len(so_far)] == so_far and len(made) > len(so_far)


# -- files of before there was one codec -------------------------------------------------------------------------------


def old_npz(header: dict | None, arrays: dict) -> bytes:
    file = io.BytesIO()
    told = {} if header is None else {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    np.savez_compressed(file, **told, **arrays)
    return file.getvalue()


def as_before(one: Artifact, value, randoms: dict[int, RandomCuts]) -> dict[str, bytes]:
    """The files that the explorer wrote of it before, by name."""
    header, arrays = one.pack(value)
    if isinstance(one, AtlasOf):
        return {f"{one.name}-v1.npz": old_npz(header | {"choice": asdict(one)}, arrays)}
    if isinstance(one, CurveOf):
        name = f"epoch-{one.epoch:03d}-{one.criterion}-{one.scope}-{one.draw}-v1-then-{one.epochs}.json"
        return {name: json.dumps(header["points"]).encode()}
    if isinstance(one, pca.ContestOf):
        return {"contest-v1.npz": old_npz(header, arrays)}
    if isinstance(one, reductions.RetrainedOf):
        return {f"factors-{one.matching}-{one.arm}-v1.npz": old_npz(header, arrays)}
    if isinstance(one, penalty_search.SearchOf):
        return {"strength-v1.json": json.dumps(header | {"version": 1}).encode()}
    history = one.pack(value)[1] if isinstance(one, HistoryOf) else {"shapes": np.zeros((2, 2), np.int64)}
    film = dict(history) | {"key": np.array(KEY), "chances": np.array(list(randoms), np.int64)}
    for layer in range(2):
        film[f"chance_values_{layer}"] = np.array([each.values[layer] for each in randoms.values()], np.float32)
        film[f"chance_figures_{layer}"] = np.array([each.figures[layer] for each in randoms.values()], np.float64)
    described = {
        epoch: [
            None if np.isnan(away) else {"distance": away, "values": mean.tolist()}
            for mean, away in zip(each.mean, each.distance, strict=True)
        ]
        for epoch, each in randoms.items()
    }
    cuts = json.dumps({"version": 1, "cuts": described}).encode()
    return {"film-1.npz": old_npz(None, film), "random-cuts-v1.json": cuts}


def put_as_before(folder, one, value, stored) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    randoms = {value.epoch: value} if isinstance(value, RandomCuts) else {}
    for name, content in as_before(one, value, randoms).items():
        (folder / name).write_bytes(content)


def same_but_for(one: Artifact, value):
    """What the old files do not tell."""
    return Curve(None, value.points) if isinstance(value, Curve) else value


@pytest.mark.parametrize("place", range(7))
def test_files_of_the_old_kind_are_still_read(stored, made, tmp_path, place):
    one, value = list(made[1].items())[place]
    cache = Store(tmp_path)
    shutil.copytree(stored.root / "runs", cache.root / "runs")
    put_as_before(cache.root / "atlases" / KEY, one, value, stored)
    found = Artifacts(cache.root).find(one, Sources(cache))
    assert found.old
    assert_alike(one, Artifacts(cache.root).get(one, Sources(cache)), same_but_for(one, value))
    for file in found.files:
        file.write_bytes(file.read_bytes()[:-30])
    assert Artifacts(cache.root).get(one, Sources(cache)) is None  # damaged


def test_old_files_are_of_the_run_in_whose_folder_they_lie(stored, other, made, tmp_path):
    """`<key>` of the run made here, from its end on, or of the one that ships while there is no other; `<key>@shipped` of
    that."""
    one = pca.ContestOf(KEY)
    value, cache = made[1][one], Store(tmp_path / "cache")
    artifacts, ships = Artifacts(cache.root, other.root), Sources(cache, {KEY: other, TWIN: other})
    put_as_before(cache.root / "atlases" / KEY, one, value, stored)
    assert artifacts.get(one, ships) is not None  # no run is here: it was made of the one that ships
    shutil.copytree(stored.root / "runs", cache.root / "runs")
    here = Sources(cache)
    assert artifacts.get(one, ships) is None and artifacts.get(one, here) is not None
    [file] = artifacts.find(one, here).files
    os.utime(file, (1, 1))  # older than the run that is here now
    assert artifacts.get(one, here) is None and artifacts.get(one, ships) is None
    put_as_before(cache.root / "atlases" / f"{KEY}{files.SHIPPED}", one, value, stored)
    assert artifacts.get(one, here) is None and artifacts.get(one, ships) is not None


# -- the folder --------------------------------------------------------------------------------------------------------


def test_what_is_longest_unchanged_goes_first(stored, made, tmp_path):
    artifacts, sources = Artifacts(tmp_path), Sources(stored)
    atlas = made[1][AtlasOf(KEY, EPOCH, "magnitude")]
    choices = [AtlasOf(KEY, epoch) for epoch in range(3)]
    for age, choice in enumerate(choices):
        artifacts.put(choice, sources, Atlas(**{**vars(atlas), "choice": choice}))
        [file] = artifacts.find(choice, sources).files
        os.utime(file, (age + 1, age + 1))
    size = file.stat().st_size
    artifacts.keep_within(int(2.5 * size / SHARE))
    assert [artifacts.there(choice, sources) for choice in choices] == [False, True, True]


def test_a_runs_artifacts_go_with_it_and_those_of_the_one_that_ships_stay(stored, other, made, tmp_path):
    artifacts, here, ships = Artifacts(stored.root), Sources(stored), Sources(stored, {KEY: other, TWIN: other})
    one = HistoryOf(KEY)
    try:
        artifacts.put(one, here, made[1][one])
        artifacts.put(one, ships, made[1][one])
        artifacts.delete("other"), artifacts.delete("../atlases")
        assert artifacts.there(one, here) and artifacts.there(one, ships)
        artifacts.delete(KEY)
        assert not artifacts.there(one, here) and artifacts.there(one, ships)
    finally:
        shutil.rmtree(artifacts.root, ignore_errors=True)


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(stored, made, tmp_path):
    (tmp_path / "atlases").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        Artifacts(tmp_path).put(HistoryOf(KEY), Sources(stored), made[1][HistoryOf(KEY)])


def test_files_of_other_kinds_lie_beside_them(stored, made, tmp_path):
    artifacts, sources, one = Artifacts(tmp_path), Sources(stored), HistoryOf(KEY)
    assert artifacts.read(KEY, "rows.json") is None and artifacts.written(KEY, "rows.json") == 0
    artifacts.put(one, sources, made[1][one])
    artifacts.write(KEY, "rows.json", b"one")
    assert artifacts.read(KEY, "rows.json") == b"one" and artifacts.written(KEY, "rows.json") > 0
    assert artifacts.read("abd", "rows.json") is None and artifacts.there(one, sources)
    artifacts.delete(KEY)
    assert artifacts.read(KEY, "rows.json") is None


@pytest.mark.parametrize("run, name", [("../x", "a"), ("abc", "../a"), ("abc", ""), ("abc", ".hidden"), ("abc", "a/b")])
def test_no_name_leads_out_of_the_runs_folder(tmp_path, run, name):
    with pytest.raises(ValueError, match="no name of a file"):
        Artifacts(tmp_path).write(run, name, b"")


def test_of_runs_that_are_not_there_nothing_is_found_and_nothing_kept(stored, tmp_path):
    artifacts, sources = Artifacts(tmp_path), Sources(stored)
    for one in (
        AtlasOf("abc", 0),
        AtlasOf(KEY, 99),
        HistoryOf("abc"),
        pca.ContestOf(TWIN + "0"),
        RandomCutsOf(KEY, 99),
    ):
        assert artifacts.get(one, sources) is None and artifacts.find(one, sources) is None
        with pytest.raises(ValueError):
            artifacts.ensure(one, sources)


def test_points_are_whole_when_all_that_can_be_are_there():
    one = CurveOf(KEY, 2)
    assert not one.whole(Curve(None, (Point(20, 0.2, 0.9),))) and not one.whole(Curve((20, 80), (Point(20, 0.2, 0.9),)))
    assert one.whole(Curve((20,), (Point(20, 0.2, 0.9),))) and one.whole(Curve(()))


def test_a_search_is_whole_when_it_is_over():
    one, first = penalty_search.SearchOf(KEY), Try(0.0, "a", 1.0, 0.9, 0.0, (3,), ((1.0,),))
    assert not one.whole(Search(1.0, 2, 50, (first,)))
    assert one.whole(Search(1.0, 2, 50, (first,), found=0)) and one.whole(Search(1.0, 2, 50, problem="none"))
