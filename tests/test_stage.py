"""The stage's blob against the masks, the network and the atlas it is made of; what a browser derives from it, derived here."""

import dataclasses
import json
import math

import numpy as np
import pytest
from blobs import unpack
from small import digits, there_and_back

from core import atlas, criteria, datasets, experiment, masks, recipe, spectra
from core.atlas.artifacts import AtlasOf
from core.criteria import Evidence
from core.masks import ByHand, timetable
from core.masks.timetable import PERCENTS
from core.network import Network
from core.spec import RunSpec
from core.store import Store
from core.store.snapshot import Snapshot, TrainingState
from core.views import scene, slider

CUT = digits()
WHOLE = digits(None, hidden=(24, 16, 12))
ONE_LAYER = digits(None, hidden=(20,), max_epochs=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for spec in (CUT, WHOLE, ONE_LAYER):
            list(experiment.run(spec, store))
    return store


def scores_of(moment: Snapshot, criterion: str, draw=0) -> list[np.ndarray]:
    network = moment.state.network()
    images = np.random.default_rng(1).random((50, network.weights[0].shape[1]), dtype=np.float32)
    given = Evidence(network, moment.fired, moment.seen, images, network.weights, np.random.default_rng(draw))
    return criteria.scores(criterion, given)


def atlas_of(spec, moment, criterion="activation-frequency", scope="global", draw=0, data=None, **options):
    data, scores = data or datasets.load(spec.dataset), scores_of(moment, criterion, draw)
    choice = AtlasOf(spec.key(), moment.epoch, criterion, scope, draw)
    return atlas.build(choice, moment.state.network(), scores, data, **options)


def shown(spec, moment, criterion="activation-frequency", scope="global", controls=(), **options):
    made = atlas_of(spec, moment, criterion, scope, **options)
    return *unpack(slider.blob(spec, moment, made, controls)), made


def moment_of(network: Network, data: datasets.Dataset) -> Snapshot:
    """A stored moment of any network, counted on some training images."""
    kept = tuple(weight != 0 for weight in network.weights)
    fired = tuple((active > 0).sum(axis=0) for active in network.activations(data.x_train[:300]))
    state = TrainingState(network.weights, network.biases, kept, fired, 300)
    by_class, sizes = [], np.bincount(data.y_valid, minlength=len(data.class_names))
    for active in network.activations(data.x_valid):
        by_class.append(np.stack([(active[data.y_valid == c] > 0).sum(axis=0) for c in range(len(sizes))]))
    values = tuple(spectra.spectrum(weight).values for weight in network.weights[:-1])
    return Snapshot(3, network.weights, state, fired, 300, recipe.State(), tuple(by_class), sizes, (values,))


def at_random(sizes, seed=0) -> Network:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(u, i)) * np.sqrt(2 / i) for i, u in zip(sizes, sizes[1:], strict=False)]
    return Network(weights, [0.1 * rng.normal(size=units) for units in sizes[1:]])


# -- what goes when --------------------------------------------------------------------------------------------------


def derived(own: list[np.ndarray]) -> list[np.ndarray]:
    """When each weight is really gone, as the browser finds it: at its own turn or with its source, the earlier of the two."""
    gone, source = [], None
    for mine in own:
        now = mine if source is None else np.where(mine == 0, 0, np.minimum(mine, source[None, :]))
        gone.append(now)
        source = now.max(axis=1)
    return gone


def every_moment():
    return [
        (spec, name, scope) for spec in (CUT, WHOLE, ONE_LAYER) for name in criteria.names() for scope in masks.SCOPES
    ]


@pytest.mark.parametrize("spec, criterion, scope", every_moment())
def test_what_the_browser_derives_is_what_choose_cuts(store, spec, criterion, scope):
    moment = store.snapshot(spec.key())
    network, scores = moment.state.network(), scores_of(moment, criterion)
    header, arrays, _ = shown(spec, moment, criterion, scope)
    layers = range(len(network.hidden))
    assert all(about["block"] == [1, 1] for about in header["layers"])
    gone = derived([arrays[f"own_{layer}"] for layer in layers])
    goes = [arrays[f"goes_{layer}"] for layer in layers]
    first = [arrays[f"first_{layer}"] for layer in layers]
    before = [weight != 0 for weight in network.weights]
    for percent in PERCENTS:
        kept = masks.choose(scores, network, percent / 100, scope).kept
        for layer in layers:
            np.testing.assert_array_equal(gone[layer] > percent, kept[layer], f"{percent} %, layer {layer}")
            np.testing.assert_array_equal(goes[layer] > percent, kept[layer].any(axis=1))
            complete = before[layer].any(axis=1) & (kept[layer] == before[layer]).all(axis=1)
            np.testing.assert_array_equal(first[layer] > percent, complete)
        assert arrays["zeros"][percent] == sum(int((~mask).sum()) for mask in kept)
        assert arrays["alive"][percent].tolist() == [int(mask.any(axis=1).sum()) for mask in kept[:-1]]
    for layer, weight in enumerate(network.weights[:-1]):
        order, score = arrays[f"order_{layer}"].astype(int), arrays[f"score_{layer}"]
        assert sorted(order) == list(range(weight.shape[0]))
        dead = ~weight.any(axis=1)
        assert not dead[order[: (~dead).sum()]].any()
        living = order[: (~dead).sum()]
        assert (np.diff(goes[layer][living].astype(int)) >= 0).all()
        expected = scores[layer]
        if expected.ndim == 2:
            there = weight != 0
            expected = (expected * there).sum(axis=1) / np.maximum(1, there.sum(axis=1))
        np.testing.assert_allclose(score, expected, rtol=1e-5, atol=1e-7)
        if scores[layer].ndim == 1 and layer == 0:
            assert (np.diff(score[living]) >= 0).all()
            assert header["layers"][layer]["mean"] == pytest.approx(scores[layer][~dead].mean())
            assert header["layers"][layer]["std"] == pytest.approx(scores[layer][~dead].std())


def test_the_magnitude_pictures_beside_are_magnitudes_own(store):
    moment = store.snapshot(WHOLE.key())
    network, control = moment.state.network(), atlas_of(WHOLE, moment, "magnitude")
    header, arrays, _ = shown(WHOLE, moment, controls=[control])
    assert header["magnitude"] is True
    gone = derived([arrays[f"magnitude_own_{layer}"] for layer in range(3)])
    for percent in PERCENTS:
        kept = masks.choose([np.abs(w) for w in network.weights[:-1]], network, percent / 100).kept
        for ours, mask in zip(gone, kept, strict=False):
            np.testing.assert_array_equal(ours > percent, mask)


def test_a_weight_criterions_layers_have_no_mean_and_deviation(store):
    header, _, _ = shown(WHOLE, store.snapshot(WHOLE.key()), "wanda")
    assert header["per"] == "weight" and {about["mean"] for about in header["layers"]} == {None}


# -- figures ---------------------------------------------------------------------------------------------------------

FIGURES = {
    "uint32": "correct valid_correct zeros zeros_hidden pca_correct svd_correct multiply_adds shrunk_multiply_adds "
    "shrunk_bytes sparse_bytes confusion",
    "uint16": "alive way_out rank",
    "float32": "test_loss valid_loss stable effective nuclear spectral frobenius dense_ms shrunk_ms",
}


@pytest.mark.parametrize("spec", [CUT, WHOLE, ONE_LAYER], ids=RunSpec.label)
def test_every_figure_is_the_atlases(store, spec):
    moment = store.snapshot(spec.key())
    header, arrays, made = shown(spec, moment, "magnitude")
    for kind, names in FIGURES.items():
        for name in names.split():
            assert arrays[name].dtype == kind, name
            np.testing.assert_array_equal(arrays[name], getattr(made, name).astype(kind), name)
    for layer, about in enumerate(header["layers"]):
        codes = arrays[f"spectrum_{layer}"].astype(float)
        assert arrays[f"spectrum_{layer}"].dtype == np.uint16 and len(codes) == 101
        for percent in (0, 33, 80, 100):
            values = np.where(codes[percent] == 0, 0, about["top"] * 10 ** (-4 * (65535 - codes[percent]) / 65534))
            np.testing.assert_allclose(values, made.values(layer, percent), rtol=1e-9)
            cut = masks.choose(scores_of(moment, "magnitude"), moment.state.network(), percent / 100)
            exact = np.linalg.svd(cut.apply(moment.state.network()).weights[layer], compute_uv=False)
            np.testing.assert_allclose(values, exact, rtol=0, atol=1e-4 * about["top"])
        uncut = spectra.spectrum(moment.state.network().weights[layer])
        assert about["tolerance"] == pytest.approx(uncut.tolerance, rel=1e-4)


def test_the_header_says_whose_moment_it_is_and_how_much_there_is(store):
    moment, data = store.snapshot(WHOLE.key()), datasets.load("digits")
    header, arrays, made = shown(WHOLE, moment, "activation-frequency", "layer")
    expected = {
        "run": WHOLE.key(), "epoch": moment.epoch, "dataset": "digits", "criterion": "activation-frequency",
        "scope": "layer", "per": "neuron", "draw": 0, "seen": moment.seen, "test_images": len(data.y_test),
        "valid_images": len(data.y_valid), "classes": list(data.class_names), "image_shape": [8, 8],
        "class_sizes": np.bincount(data.y_test).tolist(), "coarse": list(range(0, 101, 10)), "batch": made.batch,
        "weights": 64 * 24 + 24 * 16 + 16 * 12 + 12 * 10, "hidden_weights": 64 * 24 + 24 * 16 + 16 * 12,
        "dense_multiply_adds": 64 * 24 + 24 * 16 + 16 * 12 + 12 * 10, "start": 0, "start_achieved": 0.0,
        "dense_bytes": 4 * (64 * 24 + 24 * 16 + 16 * 12 + 12 * 10 + 24 + 16 + 12 + 10), "notes": [], "controls": [],
        "magnitude": False, "run_label": WHOLE.label(),
    }  # fmt: skip
    assert {name: header[name] for name in expected} == expected
    assert header["criterion_help"] == criteria.get("activation-frequency").help and header["criterion_label"]
    for layer, (inputs, units) in enumerate([(64, 24), (24, 16), (16, 12)]):
        about = header["layers"][layer]
        assert (about["name"], about["inputs"], about["units"]) == (f"Hidden {layer + 1}", inputs, units)
        assert (about["rows"], about["columns"]) == arrays[f"weight_{layer}"].shape == (units, inputs)
    named = unpack(slider.blob(WHOLE, moment, made, label="Watched in class"))[0]
    assert named["run_label"] == "Watched in class"


def test_weights_are_drawn_with_nought_in_the_middle_and_counts_are_the_runs(store):
    for spec in (WHOLE, CUT):
        moment = store.snapshot(spec.key())
        _, arrays, _ = shown(spec, moment)
        for layer, weight in enumerate(moment.state.network().weights[:-1]):
            picture = arrays[f"weight_{layer}"].astype(int) - 128
            np.testing.assert_array_equal(np.sign(picture), np.sign(weight))
            scale = np.quantile(np.abs(weight), 0.999)
            expected = np.clip(weight / scale * 127, -127, 127)
            assert np.abs(picture - expected).max() <= 1  # half a step of rounding, or the sign kept visible
            np.testing.assert_array_equal(arrays[f"fired_{layer}"], moment.fired[layer])
            share = moment.fired_by_class[layer] / moment.class_sizes[:, None]
            np.testing.assert_allclose(arrays[f"by_class_{layer}"] / 255, share, atol=0.5 / 255 + 1e-9)
            assert arrays[f"by_class_{layer}"].shape == (10, weight.shape[0])


# -- where the slider starts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [0.0, 0.004, 0.05, 0.5, 0.6, 0.796, 0.8, 0.92])
def test_the_slider_starts_where_the_network_stands(wanted):
    data = datasets.load("digits")
    whole = at_random((64, 40, 30, 10))
    cut = masks.choose([np.abs(weight) for weight in whole.weights[:-1]], whole, wanted).apply(whole)
    moment = moment_of(cut, data)
    for criterion in ("magnitude", "activation-frequency"):
        header, arrays, _ = shown(WHOLE, moment, criterion)
        assert header["start_achieved"] == pytest.approx(cut.sparsity(), abs=1e-9)
        assert header["start"] == math.floor(100 * cut.sparsity() + 1e-9)
        zeros = arrays["zeros"].astype(int)
        assert (zeros[: header["start"] + 1] == zeros[0]).all() and zeros[header["start"] + 1] > zeros[0]


def dead(network: Network, *layers: int) -> Network:
    """With those layers' weights all zero, and, as every cut here leaves it, all that read from them."""
    first = min(layers)
    return Network([w * (layer < first) for layer, w in enumerate(network.weights)], network.biases)


def test_a_network_with_a_dead_layer_is_shown_and_said():
    data = datasets.load("digits")
    moment = moment_of(dead(at_random((64, 40, 30, 10)), 1), data)
    header, arrays, _ = shown(WHOLE, moment)
    assert any("Hidden layer 2 is dead in the stored network" in note for note in header["notes"])
    assert not arrays["goes_1"].any() and not arrays["first_1"].any() and not arrays["own_1"].any()
    assert header["layers"][1]["mean"] is None and header["layers"][1]["top"] == 0
    assert header["start"] == math.floor(100 * header["start_achieved"])
    assert (arrays["alive"][:, 1] == 0).all() and len(set(arrays["correct"].sum(axis=1).tolist())) == 1


def test_a_network_of_which_nothing_is_left_is_shown_too():
    moment = moment_of(dead(at_random((64, 12, 8, 10)), 0), datasets.load("digits"))
    for criterion in ("activation-frequency", "magnitude"):
        header, arrays, _ = shown(WHOLE, moment, criterion)
        assert (header["start"], header["start_achieved"]) == (99, 1.0)
        assert (arrays["zeros"] == header["weights"]).all() and not arrays["multiply_adds"].any()
        assert len(header["notes"]) == 2


def test_notes_say_when_nothing_was_counted_and_what_the_run_keeps(store):
    moment = dataclasses.replace(
        store.snapshot(WHOLE.key()), seen=0, fired=tuple(np.zeros(units, int) for units in (24, 16, 12))
    )
    header, _, _ = shown(WHOLE, moment)
    assert header["seen"] == 0 and any("Nothing was counted yet" in note for note in header["notes"])
    assert not any("Nothing was counted" in note for note in shown(WHOLE, moment, "magnitude")[0]["notes"])
    header, _, _ = shown(WHOLE, store.snapshot(WHOLE.key()), redundancy="released", min_units=3)
    assert any("released" in note for note in header["notes"])
    assert any("At least 3 neurons" in note for note in header["notes"])


# -- one answer to everything ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("criterion", ["magnitude", "activation-frequency", "inactivity"])
def test_where_a_cut_network_answers_one_class_the_blob_says_which_and_nowhere_else(seed, criterion):
    data, rng = datasets.load("digits"), np.random.default_rng(seed)
    net = at_random((64, *(int(width) for width in rng.integers(4, 30, rng.integers(1, 4))), 10), seed)
    moment = moment_of(net, data)
    _, arrays, atlas = shown(WHOLE, moment, criterion)
    table = timetable.with_own(atlas.own, moment.state.network(), atlas.redundancy)
    for percent, answer in enumerate(arrays["answer"]):
        cut = table.masks(percent).apply(moment.state.network())
        said = np.unique(np.concatenate([cut.predict(data.x_valid), cut.predict(data.x_test)]))
        assert (answer != slider.SEVERAL) == (said.size == 1)
        assert said.size > 1 or said[0] == answer


def test_a_class_without_test_images_may_be_the_one_answer(monkeypatch):
    data = datasets.load("digits")
    keep = data.y_test != 3
    less = dataclasses.replace(data, x_test=data.x_test[keep], y_test=data.y_test[keep])
    monkeypatch.setattr(datasets, "load", lambda name: less)
    net = dead(at_random((64, 12, 8, 10)), 0)
    biases = [*net.biases[:-1], np.eye(10, dtype=np.float32)[3]]
    _, arrays, _ = shown(WHOLE, moment_of(Network(net.weights, biases), less))
    assert (arrays["answer"] == 3).all() and not arrays["correct"].any()


# -- images ----------------------------------------------------------------------------------------------------------


def test_top_images_are_the_top_activations(store):
    moment, data = store.snapshot(WHOLE.key()), datasets.load("digits")
    header, arrays, _ = shown(WHOLE, moment)
    pool = arrays["pool"]
    assert pool.shape == (200, 64) and header["pool_note"] == "of 200 test images, the first 20 of each class"
    assert np.bincount(arrays["pool_label"]).tolist() == [20] * 10
    for label in range(10):
        found = data.x_test[data.y_test == label][:20]
        np.testing.assert_allclose(pool[arrays["pool_label"] == label] / 255, found, atol=0.5 / 255 + 1e-6)
    images = np.concatenate([data.x_test[data.y_test == label][:20] for label in range(10)])
    network, signal = moment.state.network(), images
    for layer, (weight, bias) in enumerate(zip(network.weights[:-1], network.biases, strict=False)):
        signal = np.maximum(signal @ weight.T + bias, 0)
        top, value = arrays[f"top_{layer}"], arrays[f"top_value_{layer}"]
        assert top.shape == value.shape == (weight.shape[0], 6)
        for unit in range(weight.shape[0]):
            assert len(set(top[unit].tolist())) == 6
            np.testing.assert_allclose(value[unit], np.sort(signal[:, unit])[::-1][:6], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(value[unit], signal[top[unit].astype(int), unit], rtol=1e-5, atol=1e-6)


def test_features_that_are_no_picture_have_no_pool(store, monkeypatch):
    data = dataclasses.replace(datasets.load("digits"), image_shape=None)
    monkeypatch.setattr(datasets, "load", lambda name: data)
    header, arrays, _ = shown(WHOLE, store.snapshot(WHOLE.key()))
    assert header["image_shape"] is None and header["pool_note"] == ""
    assert "pool" not in arrays and "top_0" not in arrays


# -- controls, wide layers, size -------------------------------------------------------------------------------------


def test_controls_are_those_that_are_stored(store):
    moment = store.snapshot(WHOLE.key())
    magnitude = atlas_of(WHOLE, moment, "magnitude")
    draws = [atlas_of(WHOLE, moment, "random-matched", draw=draw) for draw in range(5)]
    header, arrays, _ = shown(WHOLE, moment, controls=[magnitude, *draws])
    assert [(one["name"], one["draws"]) for one in header["controls"]] == [("magnitude", 1), ("random-matched", 5)]
    assert arrays["control_magnitude"].shape == (1, 101) and arrays["control_random-matched"].shape == (5, 101)
    np.testing.assert_array_equal(arrays["control_magnitude"][0], magnitude.correct.sum(axis=1))
    for row, draw in zip(arrays["control_random-matched"], draws, strict=True):
        np.testing.assert_array_equal(row, draw.correct.sum(axis=1))
    header, arrays, _ = shown(WHOLE, moment, controls=draws[:2])
    assert [(one["name"], one["draws"]) for one in header["controls"]] == [("random-matched", 2)]
    assert header["magnitude"] is False and "magnitude_own_0" not in arrays
    header, arrays, _ = shown(WHOLE, moment, "magnitude", controls=[magnitude, draws[0]])
    assert [one["name"] for one in header["controls"]] == ["random-matched"]  # nobody is his own control
    assert header["magnitude"] is False and "control_magnitude" not in arrays
    assert shown(WHOLE, moment, "random-matched", controls=draws)[0]["controls"] == []


def few(name: str, images=60) -> datasets.Dataset:
    """The data set with so few images that an atlas of a large network takes no time; the blob is as large as ever."""
    data = datasets.load(name)
    cut = {part: getattr(data, part)[:images] for part in ("x_valid", "y_valid", "x_test", "y_test")}
    return dataclasses.replace(data, **cut)


def test_layers_too_wide_for_the_eye_are_pooled_and_it_is_said():
    network, spec = at_random((64, 4001, 51, 10)), digits(None, hidden=(4001, 51))
    moment = moment_of(network, datasets.load("digits"))
    control = atlas_of(spec, moment, "magnitude", data=few("digits"))
    header, arrays, made = shown(spec, moment, "taylor", controls=[control], data=few("digits"))
    for layer, (weight, about) in enumerate(zip(network.weights[:-1], header["layers"], strict=False)):
        high, wide = about["block"]
        assert high > 1 and wide > 1
        shape = math.ceil(weight.shape[0] / high), math.ceil(weight.shape[1] / wide)
        assert (about["rows"], about["columns"]) == shape == arrays[f"weight_{layer}"].shape
        scale = np.quantile(np.abs(weight), 0.999)
        for row, column in np.random.default_rng(0).integers(0, shape, (300, 2)).tolist() + [
            [shape[0] - 1, shape[1] - 1]
        ]:
            block = np.s_[row * high : (row + 1) * high, column * wide : (column + 1) * wide]
            assert arrays[f"own_{layer}"][row, column] == made.own[layer][block].max()
            assert arrays[f"magnitude_own_{layer}"][row, column] == control.own[layer][block].max()
            largest = np.abs(weight[block]).max()
            drawn = abs(int(arrays[f"weight_{layer}"][row, column]) - 128)
            assert abs(drawn - min(127, 127 * largest / scale)) <= 1
        np.testing.assert_array_equal(arrays[f"goes_{layer}"], made.goes[layer])  # neurons are never pooled
    assert sum(about["rows"] * about["columns"] for about in header["layers"]) <= slider.MOST_PIXELS


def test_the_papers_network_with_all_its_controls_is_at_most_a_megabyte_and_a_half():
    data = datasets.load("mnist-mini")
    moment, spec = moment_of(at_random((784, 300, 200, 100, 50, 10)), data), RunSpec(pruning=None)
    made, magnitude = (
        atlas_of(spec, moment, name, data=few("mnist-mini")) for name in ("activation-frequency", "magnitude")
    )
    draws = [
        dataclasses.replace(made, choice=dataclasses.replace(made.choice, criterion="random-matched", draw=draw))
        for draw in range(5)
    ]
    blob = slider.blob(spec, moment, made, [magnitude, *draws])
    header, arrays = unpack(blob)
    assert len(blob) <= 1_500_000
    assert {"pool", "top_3", "magnitude_own_0", "control_random-matched"} <= set(arrays)
    assert all(about["block"] == [1, 1] for about in header["layers"])


# -- neurons chosen by hand ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [CUT, WHOLE, ONE_LAYER], ids=RunSpec.label)
@pytest.mark.parametrize("criterion", ["activation-frequency", "magnitude"])
@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("options", [{}, {"redundancy": "released", "min_units": 2}], ids=["full", "released"])
def test_by_hand_is_counted_on_the_network_that_choose_gives(store, spec, criterion, scope, options):
    moment, data = store.snapshot(spec.key()), datasets.load("digits")
    network, scores = moment.state.network(), scores_of(moment, criterion)
    made = atlas_of(spec, moment, criterion, scope, **options)
    last = len(network.hidden) - 1
    hands = (
        masks.NOBODY,
        ByHand(killed=((0, 1), (0, 2), (last, 5))),
        ByHand(spared=((0, 0), (last, 3), (last, 4))),
        ByHand(tuple((0, unit) for unit in range(10)), ((0, 3), (0, 15), (last, 7))),
    )
    for hand in hands:
        for percent in (0, 30, 62, 90, 100):
            found = slider.by_hand(network, made, data, percent, hand)
            cut = masks.choose(scores, network, percent / 100, scope, by_hand=hand, **options)
            weights = [weight * kept for weight, kept in zip(network.weights, cut.kept, strict=True)]
            signal = data.x_test
            for weight, bias in zip(weights[:-1], network.biases, strict=False):
                signal = np.maximum(signal @ weight.T + bias, 0)
            right = int(((signal @ weights[-1].T + network.biases[-1]).argmax(axis=1) == data.y_test).sum())
            assert found["percent"] == percent and round(found["accuracy"] * len(data.y_test)) == right
            zeros = [int((weight == 0).sum()) for weight in weights]
            assert found["achieved"] == pytest.approx(sum(zeros) / sum(weight.size for weight in weights))
            assert found["achieved_hidden"] == pytest.approx(
                sum(zeros[:-1]) / sum(weight.size for weight in weights[:-1])
            )
            assert found["alive"] == [int((weight != 0).any(axis=1).sum()) for weight in weights[:-1]]
            if hand == masks.NOBODY:
                assert sum(zeros) == made.zeros[percent] and right == made.correct[percent].sum()
    with pytest.raises(ValueError, match="there is no neuron 99 in hidden layer 1"):
        slider.by_hand(network, made, data, 50, ByHand(killed=((0, 99),)))
    assert json.dumps(found)  # it goes to the browser


def test_two_blobs_of_the_same_are_the_same_but_for_times(store):
    moment = store.snapshot(CUT.key())
    made = atlas_of(CUT, moment)
    assert slider.blob(CUT, moment, made) == slider.blob(CUT, moment, there_and_back(made.choice, made))
    assert slider.blob(CUT, moment, made)[:4] == scene.pack(*_parts(slider.blob(CUT, moment, made)))[:4]


def _parts(blob: bytes) -> tuple[dict, dict]:
    header, arrays = unpack(blob)
    return {name: value for name, value in header.items() if name != "arrays"}, arrays
