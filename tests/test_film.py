"""A run as a film: what the blob says is what the stored networks are, also where the run was thinned, goes on, or broke."""

from dataclasses import replace

import numpy as np
import pytest
from blobs import unpack
from small import assert_same, digits, there_and_back

from core import experiment, spectra
from core.artifacts import Sources, codec
from core.artifacts.kept import Artifacts
from core.claims import random_cuts, spectral_history, verdicts
from core.claims.spectral_history import FIGURES, HistoryOf
from core.spec import HandCut
from core.store import Store, StoreError, snapshot
from core.views import spectral_history as spectral_history_view


def finished(store: Store, **changes) -> str:
    spec = digits(**changes)
    list(experiment.run(spec, store))
    return spec.key()


def shot(store: Store, key: str, **more) -> tuple[spectral_history.History, dict, dict]:
    """The film of a stored run, and its blob as the browser reads it."""
    made = spectral_history.collect(store, key)
    return made, *blobbed(store, key, made, **more)


def blobbed(store: Store, key: str, made: spectral_history.History) -> tuple[dict, dict]:
    run = store.open(key)
    return unpack(spectral_history_view.blob(run.spec, made, store.log(key), label=run.label, finished=run.finished))


def matrices(store: Store, key: str) -> list[list[np.ndarray]]:
    """The hidden layers' matrices at every moment, straight from the snapshots; one cut an epoch at most."""
    found = []
    for epoch in store.open(key).epochs:
        moment = store.snapshot(key, epoch)
        found.append(list(moment.before_cut().weights[:-1]))
        if moment.cuts:
            found.append(list(moment.state.network().weights[:-1]))
    return found


def of(arrays: dict, m: int, layer: int, layers: int) -> np.ndarray:
    place = arrays["place"]
    return arrays["values"][place[m * layers + layer] : place[m * layers + layer + 1]]


def test_every_moment_of_the_blob_is_what_numpy_finds_in_the_stored_networks(made):
    key = digits().key()
    _, header, arrays = shot(made, key)
    moments = matrices(made, key)
    assert header["moments"] == len(moments) == len(arrays["epoch"]) and len(header["layers"]) == 2
    for m, layers in enumerate(moments):
        for layer, weight in enumerate(layers):
            values = np.linalg.svd(weight.astype(np.float64), compute_uv=False)
            sent = of(arrays, m, layer, 2)
            assert (
                np.allclose(sent, values[: sent.size], atol=1e-5 * values[0])
                and (values[sent.size :] < 1e-6 * values[0]).all()
            )
            assert arrays["rank"][m, layer] == np.linalg.matrix_rank(weight)
            assert arrays["spectral"][m, layer] == pytest.approx(np.linalg.norm(weight, 2), rel=1e-5)
            assert arrays["frobenius"][m, layer] == pytest.approx(np.linalg.norm(weight), rel=1e-5)
            assert arrays["nuclear"][m, layer] == pytest.approx(np.linalg.norm(weight, "nuc"), rel=1e-5)
            assert arrays["stable_rank"][m, layer] == pytest.approx((values**2).sum() / values[0] ** 2, rel=1e-4)
            shares = values[values > 1e-7 * values[0]] / values.sum()
            assert arrays["effective_rank"][m, layer] == pytest.approx(
                np.exp(-(shares * np.log(shares)).sum()), rel=1e-4
            )
            live = [np.count_nonzero(weight.any(axis=1)), np.count_nonzero(weight.any(axis=0))]
            assert list(arrays["live"][m, layer]) == live
            tolerance = values[0] * max(weight.shape) * np.finfo("f4").eps
            assert arrays["tolerance"][m, layer] == pytest.approx(tolerance, rel=1e-4)


def test_cuts_say_where_they_stand_and_what_followed(made):
    key = digits().key()
    _, header, arrays = shot(made, key)
    lines = [line for line in made.log(key) if line["kind"] == "Pruned"]
    assert [cut["epoch"] for cut in header["cuts"]] == [line["epoch"] for line in lines] and len(lines) == 3
    assert [cut["name"] for cut in header["cuts"]] == ["cut 1", "cut 2", "cut 3"]
    for cut, line in zip(header["cuts"], lines, strict=True):
        assert arrays["epoch"][cut["before"]] == arrays["epoch"][cut["after"]] == line["epoch"]
        assert (arrays["stage"][cut["before"]], arrays["stage"][cut["after"]]) == (0, 1)
        assert (cut["accuracy_before"], cut["accuracy_after"]) == (line["accuracy_before"], line["accuracy_after"])
        assert not cut["random"]
    for cut, following in zip(header["cuts"], header["cuts"][1:], strict=False):
        assert cut["later"] in (following["before"], None)
        assert (cut["later"] is None) == (following["before"] <= cut["after"])
    last = header["cuts"][-1]
    assert last["later"] in (header["moments"] - 1, None) and header["notes"] == []


def test_the_bulk_is_marchenko_and_pasturs_for_the_living_block(made):
    key = digits().key()
    _, header, arrays = shot(made, key)
    for m, layers in enumerate(matrices(made, key)):
        for layer, weight in enumerate(layers):
            out, inputs = (int(n) for n in arrays["live"][m, layer])
            which = arrays["bulk_of"][2 * m + layer]
            unit = arrays["bulk"][arrays["bulk_place"][which] : arrays["bulk_place"][which + 1]]
            variance = (weight.astype(float) ** 2).sum() / (out * inputs)
            wanted = spectra.marchenko_pastur(out, inputs, variance)
            assert np.allclose(unit * arrays["frobenius"][m, layer] / np.sqrt(out * inputs), wanted, rtol=1e-4)


@pytest.fixture(scope="module")
def with_randoms(made) -> spectral_history.History:
    return beside(made, digits(), spectral_history.collect(made, digits().key()))


def beside(store, spec, history) -> spectral_history.History:
    """With random cuts beside its own."""
    return history.with_randoms(random_cuts.drawn(store, spec, spec.key(), epoch) for epoch in history.cut_epochs())


def draws_of(store, spec, epoch):
    return random_cuts.draw(spec, store.snapshot(spec.key(), epoch))


def test_random_cuts_stand_beside_the_real_ones(made, with_randoms):
    key = digits().key()
    header, arrays = blobbed(made, key, with_randoms)
    assert header["randoms"] and all(cut["random"] for cut in header["cuts"])
    place, row = arrays["random_place"], 0
    for c, cut in enumerate(header["cuts"]):
        draws = draws_of(made, digits(), cut["epoch"])
        for layer, values in enumerate(draws):
            for wanted in (values.mean(0), values.min(0), values.max(0)):
                sent = arrays["random_values"][place[row] : place[row + 1]]
                assert np.allclose(sent, wanted[: sent.size]) and not wanted[sent.size :].any()
                row += 1
            shape = made.network(key).weights[layer].shape
            for i, name in enumerate(FIGURES):
                each = [getattr(spectra.from_values(one, shape), name) for one in values]
                assert arrays["random_figures"][c, layer, i] == pytest.approx(
                    [np.mean(each), min(each), max(each)], rel=1e-5
                )
    live = arrays["live"][[cut["after"] for cut in header["cuts"]]].min(axis=2)
    assert (arrays["random_figures"][:, :, 0, 2] <= live + 1).all()  # at most a neuron that the real cut took in part


def test_the_parts_of_the_drop_add_up(made, with_randoms):
    header, arrays = blobbed(made, digits().key(), with_randoms)
    assert [drop["name"] for drop in header["drops"]] == list(FIGURES)
    for i, drop in enumerate(header["drops"]):
        together = drop["start"] + drop["training"] + drop["cuts"] + drop["back"]
        assert together == pytest.approx(drop["end"]) == pytest.approx(arrays[drop["name"]][-1].sum(), rel=1e-5)
        change = [arrays[drop["name"]][cut["after"]] - arrays[drop["name"]][cut["before"]] for cut in header["cuts"]]
        assert drop["cuts"] == pytest.approx(np.sum(change), rel=1e-4, abs=1e-4)
        mean = arrays["random_figures"][:, :, i, 0].sum(axis=1)
        before = [arrays[drop["name"]][cut["before"]].sum() for cut in header["cuts"]]
        assert drop["random"] == pytest.approx((mean - before).sum(), rel=1e-4, abs=1e-4)


def test_what_is_judged_is_what_the_stored_networks_are(made, with_randoms):
    key, judged = digits().key(), []
    for epoch in with_randoms.cut_epochs():
        moment = made.snapshot(key, epoch)
        draws = draws_of(made, digits(), epoch)
        wanted = verdicts.layers_of_cut(moment.before_cut(), moment.state.kept, draws)
        found = spectral_history.of_cut(with_randoms, epoch)
        assert [(one.layer, one.rank, one.live_out, one.live_in) for one in found] == [
            (one.layer, one.rank, one.live_out, one.live_in) for one in wanted
        ]
        for one, other in zip(found, wanted, strict=True):
            assert (one.stable, one.effective) == pytest.approx((other.stable, other.effective), rel=1e-4)
            assert np.allclose(one.random_stable, other.random_stable)
            assert np.allclose(one.random_effective, other.random_effective)
        judged += wanted
    assert spectral_history.verdict(with_randoms) == verdicts.low_rank(judged)
    partly = replace(with_randoms, randoms=with_randoms.randoms[:1])
    assert spectral_history.verdict(partly) is None and spectral_history.lacking(partly) == list(
        with_randoms.cut_epochs()[1:]
    )
    assert "1 of 3 cuts" in spectral_history.waiting(partly)


def test_a_history_that_was_kept_outlives_the_thinning_of_its_run(store, tmp_path):
    key = finished(store, max_epochs=9, target_accuracy=0.999, learning_rate=0.02)
    artifacts, sources, one = Artifacts(tmp_path), Sources(store), HistoryOf(key)
    whole = artifacts.ensure(one, sources)
    before = spectral_history_view.blob(digits(), whole, store.log(key), label="", finished=True)
    assert store.thin(key) > 0
    stored = set(store.open(key).epochs)
    bare = spectral_history.collect(store, key)
    assert set(bare.epochs()) == stored < set(whole.epochs())
    lost = sorted(set(whole.epochs()) - stored)
    text = spectral_history.missing(bare, store.log(key))
    assert text.startswith(f"{len(lost)} epoch" if len(lost) > 1 else "1 epoch") and str(lost[0]) in text
    assert spectral_history.missing(bare, store.log(key)) in blobbed(store, key, bare)[0]["notes"]
    again = spectral_history.collect(store, key, artifacts.get(one, sources))
    assert spectral_history_view.blob(digits(), again, store.log(key), label="", finished=True) == before
    assert spectral_history.missing(again, store.log(key)) == ""
    version = artifacts.find(one, sources)
    artifacts.ensure(one, sources)
    assert artifacts.find(one, sources) == version  # nothing new: nothing written


def test_a_history_is_the_same_after_it_was_stored(with_randoms):
    again = there_and_back(HistoryOf(with_randoms.key), with_randoms)
    assert (again.key, again.shapes) == (with_randoms.key, with_randoms.shapes)
    for one, other in zip(again.moments, with_randoms.moments, strict=True):
        assert (one.epoch, one.stage, one.live, one.checksum) == (other.epoch, other.stage, other.live, other.checksum)
        assert_same(one.values, other.values)


def test_a_history_grows_with_its_run_and_reads_only_what_is_new(store, monkeypatch):
    spec, key, read = digits(), digits().key(), []
    real = Store.glances

    def noted(self, key, known=()):
        for checksum, glance in real(self, key, dict(known)):
            read.append(glance.epoch)
            yield checksum, glance

    monkeypatch.setattr(Store, "glances", noted)
    known = None
    for event in experiment.run(spec, store):
        if getattr(event, "epoch", None) is not None:
            known = spectral_history.collect(store, key, known)
            assert known.epochs() == store.open(key).epochs
    known = spectral_history.collect(store, key, known)
    assert sorted(read) == list(store.open(key).epochs)
    fresh = spectral_history.collect(store, key)
    assert same(known, fresh)


def test_a_moment_that_was_made_again_is_read_again(made):
    key = digits().key()
    whole = spectral_history.collect(made, key)
    cut = whole.cut_epochs()[1]
    stale = [replace(m, values=(), checksum=m.checksum + 1) if m.epoch == cut else m for m in whole.moments]
    again = spectral_history.collect(made, key, replace(whole, moments=tuple(stale)))
    assert same(again, whole)


def same(one, other) -> bool:
    pairs = (HistoryOf(history.key).pack(history)[1] for history in (one, other))
    return codec.packed({}, next(pairs)) == codec.packed({}, next(pairs))


def test_a_run_that_diverged_has_moments_without_values(store):
    key = finished(store, learning_rate=1e9)
    made, header, arrays = shot(store, key)
    assert not made.moments[-1].values and made.moments[0].values
    assert np.isnan(arrays["rank"][-1]).all() and np.isnan(arrays["nuclear"][-1]).all()
    assert not of(arrays, header["moments"] - 1, 0, 2).size and header["cuts"] == []
    assert there_and_back(HistoryOf(key), made).moments[-1].values == ()


def test_a_layer_that_died_has_rank_0_and_is_not_judged(store):
    plan = {"criterion": "inactivity", "ratio": 0.97, "rounds": 1, "start_accuracy": 0.5}
    key = finished(store, pruning=plan, hidden=(24, 4))
    assert "died" in store.open(key).reason
    made, header, arrays = shot(store, key)
    dead = [layer for layer in range(2) if not arrays["live"][-1, layer, 0]]
    assert dead and not arrays["rank"][-1, dead].any() and not arrays["nuclear"][-1, dead].any()
    spec = store.open(key).spec
    full = beside(store, spec, made)
    assert not {one.layer for epoch in full.cut_epochs() for one in spectral_history.of_cut(full, epoch)} & set(dead)
    assert spectral_history.verdict(full).word and blobbed(store, key, full)[0]["cuts"][0]["later"] is None


def test_one_hidden_layer_and_no_pruning(store):
    key = finished(store, hidden=(12,), pruning=None, max_epochs=2)
    made, header, arrays = shot(store, key)
    assert header["cuts"] == header["drops"] == [] and header["moments"] == 3
    assert arrays["rank"].shape == (3, 1) and arrays["random_figures"].shape == (0, 1, 6, 3)
    assert spectral_history.verdict(made).word == verdicts.UNKNOWN


def test_two_cuts_of_one_epoch_are_one_with_a_moment_between(store):
    key = finished(store)
    epoch = next(line["epoch"] for line in store.log(key) if line["kind"] == "Pruned")
    branch = digits().branch(**vars(HandCut(epoch=epoch, ratio=0.5)))
    list(experiment.run(branch, store))
    made, header, arrays = shot(store, branch.key())
    cut = header["cuts"][0]
    assert cut["name"] == "cut 1 and by hand" and cut["after"] == cut["before"] + 2
    between = [line["alive"] for line in store.log(branch.key()) if line["kind"] == "Pruned"][0]
    assert list(arrays["live"][cut["before"] + 1, :, 0]) == between
    assert list(arrays["live"][cut["before"] + 1, :, 1]) == [64, between[0]]
    assert random_cuts.drawn(store, branch, branch.key(), epoch).epoch == epoch and made.at(epoch).stage == 2


def test_a_weight_criterion_counts_rows_and_columns_that_it_emptied(store):
    key = finished(store, pruning={"criterion": "random-weights", "ratio": 0.9}, hidden=(16, 8))
    _, _, arrays = shot(store, key)
    weight = store.network(key).weights[0]
    assert list(arrays["live"][-1, 0]) == list(spectra.live(weight)) and not weight.any(axis=0).all()


def test_large_layers_leave_epochs_out_between_cuts_and_say_so(made, monkeypatch):
    key = digits().key()
    whole, header, arrays = shot(made, key)
    monkeypatch.setattr(spectral_history_view, "MOST_VALUES", 40 * (header["moments"] - 1))
    monkeypatch.setattr(spectral_history_view, "NEXT", 0)
    fewer, fewer_arrays = blobbed(made, key, whole)
    assert fewer["moments"] < header["moments"] and "one epoch in" in fewer["notes"][-1]
    cuts = {cut["epoch"] for cut in header["cuts"]}
    assert cuts | {0, whole.epochs()[-1]} <= set(fewer_arrays["epoch"].tolist())
    for cut, same in zip(fewer["cuts"], header["cuts"], strict=True):
        assert fewer_arrays["epoch"][cut["after"]] == arrays["epoch"][same["after"]]
        assert (fewer_arrays["rank"][cut["after"]] == arrays["rank"][same["after"]]).all()


def test_a_glance_agrees_with_the_whole_snapshot(made):
    key = digits().key()
    glances = dict((glance.epoch, glance) for _, glance in made.glances(key))
    assert tuple(glances) == made.open(key).epochs
    packed = 0
    for epoch, glance in glances.items():
        moment = made.snapshot(key, epoch)
        packed += b"packed." in moment.to_bytes()
        assert glance.shapes == tuple(weight.shape for weight in moment.trained[:-1])
        for mine, theirs in zip(glance.spectra, moment.spectra, strict=True):
            assert_same(mine, theirs)
        before, after = (network.weights[:-1] for network in (moment.before_cut(), moment.state.network()))
        assert glance.live == (tuple(map(spectra.live, before)), tuple(map(spectra.live, after)))
    assert 0 < packed < len(glances)  # both forms of the file were read


@pytest.mark.parametrize("content", [b"", b"12345678", bytes(64), b"\x02\0\0\0\0\0\0\0{}"])
def test_a_glance_at_something_else_is_refused(content):
    with pytest.raises(ValueError, match="not a snapshot"):
        snapshot.glance(content)


def test_damaged_moments_are_passed_over_and_an_unknown_run_is_refused(store):
    key = finished(store)
    file = store.root / "runs" / key / "epoch-001.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    made = spectral_history.collect(store, key)
    assert 1 not in made.epochs() and "(1)" in spectral_history.missing(made, store.log(key))
    with pytest.raises(StoreError):
        spectral_history.collect(store, "../x")
