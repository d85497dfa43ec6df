"""What the live elements draw agrees with what is stored: the blob's format, every array of the board, the words."""

import math
from dataclasses import replace

import numpy as np
import pytest
from blobs import unpack
from small import digits

from core import criteria, datasets, experiment
from core.criteria import Evidence
from core.spec import HandCut, PruningSpec, RunSpec
from core.store import Store, StoreError
from core.views import scene

BY_WEIGHT = digits({"criterion": "magnitude"}, seed=1)
BY_HAND = replace(digits(seed=2), hand_cuts=(HandCut(epoch=3, ratio=0.5),))
ONE_LAYER = digits(hidden=(12,), max_epochs=3)
EIGHT_LAYERS = digits(hidden=(12, 11, 10, 9, 8, 7, 6, 5), max_epochs=3)
UNPRUNED = replace(digits(max_epochs=2), pruning=None)
DIVERGED = digits(learning_rate=1e9)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for spec in (digits(), BY_WEIGHT, BY_HAND, ONE_LAYER, EIGHT_LAYERS, UNPRUNED, DIVERGED):
            list(experiment.run(spec, store))
    return store


def drawn(store: Store, spec: RunSpec, epoch: int, **options):
    return unpack(scene.board(store, spec, spec.key(), epoch, **options))


def moments(store: Store, *specs: RunSpec):
    """(spec, epoch) for every stored moment of the runs."""
    return [(spec, epoch) for spec in specs for epoch in store.open(spec.key()).epochs]


def cuts(store: Store, spec: RunSpec) -> list[dict]:
    return [line for line in store.log(spec.key()) if line["kind"] == "Pruned"]


# The format


def test_what_is_packed_comes_back():
    arrays = {
        "odd": np.arange(7, dtype=np.uint8),
        "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "none": np.zeros(0, np.uint16),
        "last": np.array([[1.5]], np.float32),
    }
    header, back = unpack(scene.pack({"title": "é 80 %"}, arrays))
    assert header["title"] == "é 80 %" and list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_what_json_does_not_know_is_refused_when_packed():
    with pytest.raises(ValueError, match="JSON"):
        scene.pack({"loss": math.nan}, {})


# The board


@pytest.mark.parametrize("spec", [digits(), BY_WEIGHT, BY_HAND, ONE_LAYER, EIGHT_LAYERS, UNPRUNED], ids=RunSpec.label)
def test_states_and_counts_are_those_of_the_stored_masks(store, spec):
    key = spec.key()
    for epoch in store.open(key).epochs:
        header, arrays = drawn(store, spec, epoch)
        moment = store.snapshot(key, epoch)
        network = moment.state.network()
        newest = [cut["epoch"] for cut in cuts(store, spec) if cut["epoch"] <= epoch][-1:]
        before = store.snapshot(key, newest[0]).before_cut().alive() if newest else network.alive()
        assert (header["run"], header["epoch"], len(header["layers"])) == (key, epoch, len(spec.hidden))
        layers = zip(header["layers"], network.alive(), network.with_way_out(), before, strict=True)
        for layer, (about, alive, way_out, was_alive) in enumerate(layers):
            state = arrays[f"state_{layer}"]
            assert (about["units"], about["alive"]) == (spec.hidden[layer], int(alive.sum()))
            assert about["way_out"] == int(way_out.sum())
            np.testing.assert_array_equal(np.isin(state, (scene.ALIVE, scene.NO_WAY_OUT)), alive)
            np.testing.assert_array_equal(state == scene.NO_WAY_OUT, alive & ~way_out)
            np.testing.assert_array_equal(state == scene.NEWEST_DEAD, ~alive & was_alive)
            np.testing.assert_array_equal(state == scene.OLDER_DEAD, ~alive & ~was_alive)
            # The share: of the weights that come from living units, those that are left.
            fed = network.alive()[layer - 1] if layer else np.ones(moment.trained[0].shape[1], bool)
            kept = moment.state.kept[layer][:, fed]
            expected = kept.sum(axis=1) / fed.sum() if fed.any() else np.zeros(len(kept))
            np.testing.assert_allclose(arrays[f"share_{layer}"] / 255, expected, atol=0.5 / 255 + 1e-9)
            assert about["live_in"] == int(fed.sum())


def test_the_newest_dead_stay_the_newest_until_the_next_cut(store):
    spec = digits()
    first, second = (cut["epoch"] for cut in cuts(store, spec)[:2])
    now = {epoch: drawn(store, spec, epoch)[1]["state_0"] for epoch in (first - 1, first, second - 1, second)}
    assert not (now[first - 1] == scene.NEWEST_DEAD).any()
    np.testing.assert_array_equal(now[second - 1] == scene.NEWEST_DEAD, now[first] == scene.NEWEST_DEAD)
    np.testing.assert_array_equal(now[second] == scene.OLDER_DEAD, now[first] == scene.NEWEST_DEAD)


def test_firing_is_what_was_counted_on_a_scale_of_the_layer(store):
    for spec, epoch in moments(store, digits(), EIGHT_LAYERS):
        header, arrays = drawn(store, spec, epoch)
        fired, seen = store.counts(spec.key(), epoch)
        moment = store.snapshot(spec.key(), epoch)
        for layer, counts in enumerate(fired):
            frequency = counts / max(1, seen)
            np.testing.assert_allclose(arrays[f"frequency_{layer}"], frequency, rtol=1e-6)
            about, rate = header["layers"][layer], arrays[f"rate_{layer}"]
            shown = moment.before_cut().alive()[layer]
            assert about["low_rate"] == pytest.approx(frequency[shown].min() if shown.any() else 0)
            assert about["high_rate"] == pytest.approx(frequency[shown].max() if shown.any() else 0)
            if about["high_rate"] > about["low_rate"]:
                assert rate[shown].min() == 0 and rate[shown].max() == 255
                order = np.argsort(frequency[shown], kind="stable")
                assert (np.diff(rate[shown][order].astype(int)) >= 0).all()
        if seen == 0:
            assert header["fired_note"] == "nothing is counted yet"


def test_firing_by_class_is_the_share_of_validation_images(store):
    spec = digits()
    data = datasets.load("digits")
    epoch = store.open(spec.key()).last_epoch
    header, arrays = drawn(store, spec, epoch)
    network = store.snapshot(spec.key(), epoch).before_cut()
    assert header["classes"] == list(data.class_names)
    for layer, (active, alive) in enumerate(zip(network.activations(data.x_valid), network.alive(), strict=True)):
        for digit in range(10):
            expected = (active[data.y_valid == digit] > 0).mean(axis=0) * alive  # the cut ones are not counted
            np.testing.assert_allclose(arrays[f"by_class_{layer}"][digit] / 255, expected, atol=0.01)


@pytest.mark.parametrize("spec", [digits(), BY_WEIGHT, BY_HAND], ids=lambda spec: spec.label())
def test_the_order_is_a_permutation_next_to_go_first_dead_last(store, spec):
    for epoch in store.open(spec.key()).epochs:
        _, arrays = drawn(store, spec, epoch)
        moment = store.snapshot(spec.key(), epoch)
        network = moment.state.network()
        scores = criteria.scores(spec.pruning.criterion, Evidence(network, moment.fired, moment.seen))
        for layer, (score, alive) in enumerate(zip(scores, network.alive(), strict=True)):
            order = arrays[f"order_{layer}"]
            assert sorted(order) == list(range(spec.hidden[layer]))
            assert alive[order[: alive.sum()]].all() and not alive[order[alive.sum() :]].any()
            if score.ndim == 1:
                assert (np.diff(score[order[: alive.sum()]]) >= 0).all()


def test_in_a_cut_by_neurons_the_front_of_the_order_before_goes(store):
    """What activation-frequency cuts in a layer is the head of the order that the board shows before the cut."""
    spec = digits()
    for cut in cuts(store, spec):
        _, arrays = drawn(store, spec, cut["epoch"])
        moment = store.snapshot(spec.key(), cut["epoch"])
        alive_before, alive_after = moment.before_cut().alive()[0], moment.state.network().alive()[0]
        gone = np.flatnonzero(alive_before & ~alive_after)
        assert set(arrays["before_order_0"][: len(gone)]) == set(gone)


@pytest.mark.parametrize("spec", [digits(), BY_HAND], ids=lambda spec: spec.label())
def test_a_cut_brings_the_moment_before_it_and_only_a_cut_does(store, spec):
    at = {cut["epoch"] for cut in cuts(store, spec)}
    for epoch in store.open(spec.key()).epochs:
        header, arrays = drawn(store, spec, epoch)
        before = [name for name in arrays if name.startswith("before_")]
        assert bool(before) == (epoch in at) == (header["cut"] is not None)
        if epoch not in at:
            continue
        uncut = store.snapshot(spec.key(), epoch).before_cut()
        for layer, (alive, way_out) in enumerate(zip(uncut.alive(), uncut.with_way_out(), strict=True)):
            about, state = header["layers"][layer], arrays[f"before_state_{layer}"]
            assert (about["before_alive"], about["before_way_out"]) == (int(alive.sum()), int(way_out.sum()))
            np.testing.assert_array_equal(state == scene.OLDER_DEAD, ~alive)
            values = np.linalg.svd(uncut.weights[layer], compute_uv=False)
            np.testing.assert_allclose(arrays[f"before_values_{layer}"], values, atol=1e-4)
            assert sorted(arrays[f"before_order_{layer}"]) == list(range(spec.hidden[layer]))
            share = np.count_nonzero(uncut.weights[layer], axis=1) / uncut.weights[layer].shape[1]
            if layer == 0:
                np.testing.assert_allclose(arrays["before_share_0"] / 255, share, atol=0.003)
        here = [cut for cut in cuts(store, spec) if cut["epoch"] == epoch]
        told = header["cut"]
        assert (told["accuracy_before"], told["accuracy_after"]) == (
            here[0]["accuracy_before"],
            here[-1]["accuracy_after"],
        )
        network = store.network(spec.key(), epoch)
        assert told["achieved"] == pytest.approx(network.sparsity())
        assert header["zero"]["achieved_hidden"] == pytest.approx(network.hidden_sparsity())


def test_singular_values_and_ranks_are_those_of_the_matrices(store):
    for spec, epoch in moments(store, digits(), ONE_LAYER, EIGHT_LAYERS):
        header, arrays = drawn(store, spec, epoch)
        now, start = store.network(spec.key(), epoch), store.network(spec.key(), 0)
        for layer, about in enumerate(header["layers"]):
            for name, weight in (("values", now.weights[layer]), ("start_values", start.weights[layer])):
                expected = np.linalg.svd(weight, compute_uv=False)
                np.testing.assert_allclose(arrays[f"{name}_{layer}"], expected, atol=1e-4)
            assert about["rank"] == np.linalg.matrix_rank(now.weights[layer])
            assert about["start_rank"] == np.linalg.matrix_rank(start.weights[layer])
            assert about["nuclear"] == pytest.approx(arrays[f"values_{layer}"].sum(), rel=1e-4)


@pytest.mark.parametrize("spec", [digits(), ONE_LAYER, EIGHT_LAYERS], ids=lambda spec: f"{len(spec.hidden)} layers")
def test_pictures_are_the_weights_and_linear_back_projections(store, spec):
    epoch = store.open(spec.key()).last_epoch
    assert not [name for name in drawn(store, spec, epoch)[1] if name.startswith("picture")]
    header, arrays = drawn(store, spec, epoch, pictures=True)
    assert header["image_shape"] == [8, 8]
    network = store.network(spec.key(), epoch)
    through = np.eye(64, dtype=np.float32)
    for layer, weight in enumerate(network.weights[:-1]):
        through = weight @ through
        picture = arrays[f"picture_{layer}"]
        assert picture.shape == (spec.hidden[layer], 64)
        assert (picture[through == 0] == 128).all()
        scale = np.quantile(np.abs(through), scene.PICTURE_QUANTILE) or 1.0
        inside = np.abs(through) < 0.99 * scale
        np.testing.assert_allclose((picture[inside] - 128.0) / 127 * scale, through[inside], atol=scale / 100)
        assert (picture[through > scale] == 255).all()


def test_a_board_is_small_enough_for_a_class(store):
    spec = digits()
    assert len(scene.board(store, spec, spec.key(), 1)) < 10_000


def test_an_unpruned_run_and_an_epoch_that_is_not_stored(store):
    header, arrays = drawn(store, UNPRUNED, 2)
    assert header["cut"] is None and header["zero"] is None and header["criterion_label"] == "firing frequency"
    assert all((arrays[f"state_{layer}"] == scene.ALIVE).all() for layer in range(2))
    with pytest.raises(StoreError, match="epoch 99 of run .* is not stored: stored are 0-2"):
        scene.board(store, UNPRUNED, UNPRUNED.key(), 99)


def test_data_without_an_image_has_no_pictures(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    flat = {"x_train": rng.random((200, 6)), "y_train": np.arange(200) % 3, "x_test": rng.random((20, 6))}
    np.savez(tmp_path / "table.npz", **flat, y_test=np.arange(20) % 3)
    monkeypatch.setenv("PRUNING_DATA", str(tmp_path))
    spec = RunSpec(dataset="table", hidden=(7, 5), max_epochs=1, pruning=PruningSpec(start_accuracy=0.0, rounds=1))
    store = Store(tmp_path / "cache")
    list(experiment.run(spec, store))
    header, arrays = drawn(store, spec, 1, pictures=True)
    assert header["image_shape"] is None and header["classes"] == ["0", "1", "2"]
    assert not [name for name in arrays if name.startswith("picture")]
    assert header["layers"][0]["live_in"] == 6


# A diverged run


def test_a_diverged_run_is_drawn_with_what_is_left_of_it(store):
    log = store.log(DIVERGED.key())
    epoch = store.open(DIVERGED.key()).last_epoch
    blob = scene.curves(DIVERGED, DIVERGED.key(), log, title="x", finished=True)
    header, _ = unpack(blob)  # which fails on a NaN
    assert None in header["train_loss"] + header["valid_loss"]
    for pictures in (False, True):
        header, arrays = drawn(store, DIVERGED, epoch, pictures=pictures)
        assert "values_0" not in arrays and "rank" not in header["layers"][0]
        assert sorted(arrays["order_0"]) == list(range(24))
    assert scene.sentence(DIVERGED, log).startswith("Diverged: the loss became ")


# The curves


def test_the_curves_hold_the_log(store):
    spec = digits()
    log = store.log(spec.key())
    header, arrays = unpack(scene.curves(spec, spec.key(), log, title="words", finished=False))
    assert arrays == {} and (header["title"], header["run"], header["target"]) == ("words", spec.key(), spec.target)
    epochs = [line for line in log if line["kind"] == "EpochEnded"]
    for name in ("epoch", "train_accuracy", "valid_accuracy", "train_loss", "valid_loss"):
        assert header[name] == [line[name] for line in epochs]
    assert [cut["round"] for cut in header["cuts"]] == [1, 2, 3]
    assert {"epoch", "requested", "achieved", "achieved_hidden", "accuracy_before", "accuracy_after"} <= set(
        header["cuts"][0]
    )
    assert header["shown_epoch"] == epochs[-1]["epoch"] and header["thresholds"] == []


def test_the_thresholds_shown_are_those_to_come(store):
    spec = digits()
    log = store.log(spec.key())
    third = [place for place, line in enumerate(log) if line["kind"] == "Pruned"][2]
    for part, left in ((log[:1], 3), (log[:third], 1), (log[: third + 1], 0)):
        header, _ = unpack(scene.curves(spec, spec.key(), part, title="", finished=False))
        assert header["thresholds"] == pytest.approx([0.6, 0.7, 0.8][3 - left :])
    header, _ = unpack(scene.curves(spec, spec.key(), log[:1], title="", shown_epoch=0, finished=True))
    assert header["thresholds"] == [] and header["epoch"] == [] and header["shown_epoch"] == 0


def test_achieved_is_the_last_cuts(store):
    log = store.log(digits().key())
    assert scene.achieved([]) == scene.achieved(log[:1]) == 0
    assert scene.achieved(log) == pytest.approx(store.network(digits().key()).sparsity())


# In words


def epoch(number, accuracy):
    return {"kind": "EpochEnded", "epoch": number, "train_accuracy": accuracy}


def cut(number, round_number):
    return {"kind": "Pruned", "epoch": number, "round": round_number}


START = {"kind": "Started"}
THREE = digits()  # cuts at 60, 70 and 80 %, target 90 %


@pytest.mark.parametrize(
    ("spec", "log", "words"),
    [
        (THREE, [], "Nothing has been trained yet."),
        (THREE, [START], "The start weights are drawn; the first epoch is under way."),
        (THREE, [START, epoch(1, 0.413)], "Epoch 1: 41.3 % of training images right; next cut at 60.0 %."),
        (
            THREE, [START, epoch(1, 0.65), cut(1, 1)],
            "Epoch 1: 65.0 % of training images right; cut 1 of 3 just made; next cut at 70.0 %.",
        ),
        (
            THREE, [START, epoch(1, 0.65), cut(1, 1), epoch(2, 0.66)],
            "Epoch 2: 66.0 % of training images right; next cut at 70.0 %.",
        ),
        (
            THREE, [START, epoch(1, 0.65), cut(1, None)],
            "Epoch 1: 65.0 % of training images right; cut by hand just made; next cut at 60.0 %.",
        ),
        (
            THREE, [START, epoch(1, 0.9), cut(1, 1), cut(1, 2), cut(1, 3), epoch(2, 0.8)],
            "Epoch 2: 80.0 % of training images right; all cuts are made, trains on to 90 %.",
        ),
        (UNPRUNED, [START, epoch(1, 0.5)], "Epoch 1: 50.0 % of training images right; trains on to 90 %."),
        (
            THREE, [START, epoch(1, 0.5), {"kind": "Finished", "reason": "target reached: x", "test_accuracy": 0.905}],
            "Target reached: x. Test accuracy 90.5 %.",
        ),
    ],
)  # fmt: skip
def test_one_sentence_says_what_is_happening(spec, log, words):
    assert scene.sentence(spec, log) == words


def test_epochs_to_go_extends_the_trend_and_stays_within_the_limit():
    spec = digits(max_epochs=100)
    halving = [epoch(number, 1 - 0.8 / 2**number) for number in range(1, 4)]  # errors 0.4, 0.2, 0.1: the target is 0.1
    assert scene.epochs_to_go(spec, []) is scene.epochs_to_go(spec, halving[:2]) is None
    slower = [epoch(number, 1 - 0.8 * 0.9**number) for number in range(1, 9)]
    expected = math.ceil(math.log(0.1 / (0.8 * 0.9**8)) / math.log(0.9))
    assert scene.epochs_to_go(spec, slower) == expected
    assert scene.epochs_to_go(spec, halving) <= 1  # there already
    assert scene.epochs_to_go(digits(max_epochs=10), slower) is None  # the limit comes before the target
    stuck = [epoch(number, 0.5) for number in range(1, 9)]
    assert scene.epochs_to_go(spec, stuck) is None  # no trend towards it
    assert scene.epochs_to_go(spec, [*slower, cut(8, 1), epoch(9, 0.5)]) is None  # a cut begins a new trend


def test_epochs_to_go_is_sane_all_along_a_run(store):
    for spec in (digits(), UNPRUNED, DIVERGED):
        log = store.log(spec.key())
        for end in range(len(log)):
            left = scene.epochs_to_go(spec, log[:end])
            done = max((line.get("epoch", 0) for line in log[:end]), default=0)
            assert left is None or 0 <= left <= spec.max_epochs - done


def test_the_sentence_says_what_comes_next_where_no_accuracy_does():
    epoch = {"kind": "EpochEnded", "epoch": 3, "train_accuracy": 0.981}
    cut = {"kind": "Pruned", "epoch": 3, "round": 1}
    at_once = RunSpec(pruning=PruningSpec(schedule="trained", rounds=2))
    assert scene.sentence(at_once, [epoch]).endswith("next cut at 98.0 %.")
    assert scene.sentence(at_once, [epoch, cut]).endswith(
        "cut 1 of 2 just made; next cut at the end of the next epoch."
    )
    back = RunSpec(pruning=PruningSpec(rounds=1, rewind=True), ending="epochs", max_epochs=30)
    assert scene.sentence(back, [epoch, cut]).endswith(
        "what is left began again at its start weights, trains on to epoch 30."
    )


def test_one_answer_to_everything_is_named_while_the_run_goes_on():
    line = {"kind": "EpochEnded", "epoch": 3, "train_accuracy": 0.1, "valid_accuracy": 0.1}
    assert scene.sentence(digits(), [line | {"answer": 8}]) == (
        "Epoch 3: 10.0 % of training images right; it answers 8 to everything: guessing is 10 %; next cut at 60.0 %."
    )
    cut = {"kind": "Pruned", "epoch": 3, "round": 1}
    said = scene.sentence(digits(), [line, cut | {"answer": 0}])
    assert "cut 1 of 3 just made; it answers 0 to everything: guessing is 10 %; next cut" in said
    assert "everything" not in scene.sentence(digits(), [line | {"answer": 8}, cut])
