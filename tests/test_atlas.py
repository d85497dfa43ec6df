"""The atlas against a direct way that shares no code with it: mask applied, forward pass, numpy.linalg.svd, scikit-learn's PCA.

`Direct` below is that way, written out. Masks alone come from `masks.choose`, which has tests of its own.
"""

import dataclasses
import functools
import io

import numpy as np
import pytest
import threadpoolctl
from sklearn.decomposition import PCA
from small import digits, there_and_back

from core import atlas, criteria, datasets, experiment, lowrank, masks
from core.artifacts import codec
from core.atlas import COARSE, Atlas, grid
from core.atlas.artifacts import AtlasOf
from core.criteria import Evidence
from core.datasets import Dataset
from core.network import Network
from core.spec import RunSpec

LOOKED_AT = (0, 1, 25, 50, 80, 95, 99, 100)
RUN = "0123456789abcdef"
CLOSE = 1e-5  # two top logits nearer than this may swap with the order of a sum
CLOSE_LOW_RANK = 1e-4  # the products of two factors round otherwise than the product of the whole


# -- the direct way --------------------------------------------------------------------------------------------------


def logits_of(weights, biases, x):
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = np.maximum(x @ weight.T + bias, np.float32(0))
    return x @ weights[-1].T + biases[-1]


class Answers:
    """Counts of one set of images, and of those whose two top logits lie within `close` of each other."""

    def __init__(self, logits, labels, classes, close):
        self.said = logits.argmax(axis=1)
        self.labels, self.classes = labels, classes
        two = np.sort(logits.astype(np.float64), axis=1)[:, -2:]
        self.doubtful = np.bincount(labels[two[:, 1] - two[:, 0] <= close], minlength=classes)
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.loss = -log_shares[np.arange(len(labels)), labels].mean()

    def right_by_class(self):
        return np.array([np.sum((self.said == c) & (self.labels == c)) for c in range(self.classes)])

    def confusion(self):
        table = np.zeros((self.classes, self.classes), int)
        np.add.at(table, (self.labels, self.said), 1)
        return table


class Direct:
    """One network cut once at one ratio: whatever the atlas says of it, found the plain way."""

    def __init__(self, network, kept, data):
        self.network, self.data = network, data
        self.weights = [
            np.where(mask, weight, np.float32(0)) for weight, mask in zip(network.weights, kept, strict=True)
        ]
        self.classes = len(data.class_names)

    def answers(self, part):
        x, y = (self.data.x_test, self.data.y_test) if part == "test" else (self.data.x_valid, self.data.y_valid)
        return Answers(logits_of(self.weights, self.network.biases, x), y, self.classes, CLOSE)

    def zeros(self):
        return [int((weight == 0).sum()) for weight in self.weights]

    def alive(self):
        return [(weight != 0).any(axis=1) for weight in self.weights[:-1]]

    def way_out(self):
        paths = np.ones((1, self.classes), bool)  # is there a way from the unit to any output?
        found = []
        for weight in self.weights[:0:-1]:
            paths = (paths.astype(int) @ (weight != 0).astype(int)) > 0
            found.append(paths[0])
        return [fed & out for fed, out in zip(self.alive(), found[::-1], strict=True)]

    def shrunk_widths(self):
        """Units left when those without a weight in, or without a weight out, are taken away until there are none."""
        there = [np.ones(weight.shape[0], bool) for weight in self.weights[:-1]]
        while True:
            before = sum(int(units.sum()) for units in there)
            for layer in range(len(there)):
                sources = there[layer - 1] if layer else np.ones(self.weights[0].shape[1], bool)
                goals = there[layer + 1] if layer + 1 < len(there) else np.ones(self.classes, bool)
                reads = (self.weights[layer] != 0)[:, sources].any(axis=1)
                is_read = (self.weights[layer + 1] != 0)[goals].any(axis=0)
                there[layer] &= reads & is_read
            if before == sum(int(units.sum()) for units in there):
                return [self.weights[0].shape[1], *(int(units.sum()) for units in there), self.classes]

    def low_rank(self, ranks, rebuild):
        """Answers of the *uncut* network with each hidden layer's matrix rebuilt at a rank."""
        weights = [rebuild(layer, k) for layer, k in enumerate(ranks)] + [self.network.weights[-1]]
        logits = logits_of(weights, self.network.biases, self.data.x_test)
        return Answers(logits, self.data.y_test, self.classes, CLOSE_LOW_RANK)


class LowRank:
    """The uncut network's matrices at any rank: by scikit-learn's PCA, inputs being its observations, and by numpy's SVD."""

    def __init__(self, network):
        self.fitted, self.decomposed, self.weights = [], [], network.weights[:-1]
        for weight in self.weights:
            with np.errstate(invalid="ignore", divide="ignore"):  # a matrix without variance has no shares of it
                self.fitted.append(PCA(svd_solver="full").fit(weight.T.astype(np.float64)))
            self.decomposed.append(np.linalg.svd(weight.astype(np.float64), full_matrices=False))

    def pca(self, layer, k):
        kernel = self.weights[layer].T.astype(np.float64)
        fitted = self.fitted[layer]
        codes = (kernel - fitted.mean_) @ fitted.components_[:k].T
        return (codes @ fitted.components_[:k] + fitted.mean_).T.astype(np.float32)

    def svd(self, layer, k):
        left, values, right = self.decomposed[layer]
        return ((left[:, :k] * values[:k]) @ right[:k]).astype(np.float32)


def assert_nearly_same_counts(found, expected, doubtful, about):
    assert (np.abs(np.asarray(found, int) - expected) <= doubtful).all(), (about, found, expected, doubtful)


def assert_atlas_is_direct(made: Atlas, scores, network, data, scope="global", min_units=0, redundancy="full"):
    """Everything in `made` at the percents looked at, and all counts of zeros on the coarse grid of them."""
    low_rank = LowRank(network)
    doubtful_images = 0
    for percent in LOOKED_AT:
        kept = masks.choose(scores, network, percent / 100, scope, min_units, redundancy=redundancy).kept
        direct = Direct(network, kept, data)
        zeros = direct.zeros()
        assert (made.zeros[percent], made.zeros_hidden[percent]) == (sum(zeros), sum(zeros[:-1])), percent
        assert made.alive[percent].tolist() == [int(fed.sum()) for fed in direct.alive()], percent
        assert made.way_out[percent].tolist() == [int(way.sum()) for way in direct.way_out()], percent
        for goes, fed in zip(made.goes, direct.alive(), strict=True):
            np.testing.assert_array_equal(goes > percent, fed)
        total, rows = sum(w.size for w in network.weights), sum(len(b) for b in network.biases)
        assert made.multiply_adds[percent] == total - sum(zeros)
        widths = direct.shrunk_widths()
        products = sum(a * b for a, b in zip(widths, widths[1:], strict=False))
        assert made.shrunk_multiply_adds[percent] == products
        assert made.shrunk_bytes[percent] == 4 * (products + sum(widths[1:]))
        # Values and column numbers, one row pointer a row and one more a matrix, biases.
        sparse = 4 * (total - sum(zeros)) * 2 + 4 * (rows + len(network.weights)) + 4 * rows
        assert made.sparse_bytes[percent] == sparse

        test, valid = direct.answers("test"), direct.answers("valid")
        doubtful_images += int(test.doubtful.sum())
        assert_nearly_same_counts(made.correct[percent], test.right_by_class(), test.doubtful, percent)
        right = valid.right_by_class().sum()
        assert_nearly_same_counts(made.valid_correct[percent], right, valid.doubtful.sum(), percent)
        assert made.test_loss[percent] == pytest.approx(test.loss, rel=1e-5)
        assert made.valid_loss[percent] == pytest.approx(valid.loss, rel=1e-5)
        if percent in COARSE:
            table = made.confusion[COARSE.index(percent)]
            difference = np.abs(table - test.confusion()).sum(axis=1)
            assert (difference <= 2 * test.doubtful).all(), percent
            np.testing.assert_array_equal(table.sum(axis=1), np.bincount(data.y_test, minlength=len(table)))

        ranks = []
        for layer, (weight, uncut) in enumerate(zip(direct.weights[:-1], network.weights, strict=False)):
            values = np.linalg.svd(weight, compute_uv=False).astype(np.float64)
            top = float(np.linalg.norm(uncut, 2))
            np.testing.assert_allclose(
                made.values(layer, percent), values, rtol=0, atol=1e-4 * top, err_msg=str(percent)
            )
            ranks.append(int(np.linalg.matrix_rank(weight)))
            assert made.rank[percent, layer] == ranks[-1], (percent, layer)
            for ours, kind in ((made.spectral, 2), (made.frobenius, "fro"), (made.nuclear, "nuc")):
                expected = np.linalg.norm(weight.astype(np.float64), kind)
                assert ours[percent, layer] == pytest.approx(expected, rel=1e-5, abs=1e-6 * top)
            energy, shares = (values**2).sum(), values[values > 0] / max(values.sum(), 1e-300)
            stable = energy / values[0] ** 2 if values[0] else 0
            effective = np.exp(-(shares * np.log(shares)).sum()) if values[0] else 0
            assert made.stable[percent, layer] == pytest.approx(stable, rel=1e-4)
            assert made.effective[percent, layer] == pytest.approx(effective, rel=1e-4)
        for ours, rebuild in ((made.pca_correct, low_rank.pca), (made.svd_correct, low_rank.svd)):
            reduced = direct.low_rank(ranks, rebuild)
            doubtful = int(reduced.doubtful.sum())
            doubtful_images += doubtful
            assert_nearly_same_counts(ours[percent], reduced.right_by_class().sum(), doubtful, (percent, ranks))
    assert doubtful_images <= 3 * len(LOOKED_AT) * max(1, 0.01 * len(data.y_test)), "too many to say anything"


# -- networks --------------------------------------------------------------------------------------------------------


def seen_by(network: Network, data: Dataset, seed=0) -> Evidence:
    """All that a criterion may ask for; counts and images are of training images."""
    images = data.x_train[:500]
    fired = [(active > 0).sum(axis=0) for active in network.activations(images)]
    rng = np.random.default_rng(seed)
    gradients = [rng.normal(size=weight.shape).astype(np.float32) for weight in network.weights]
    return Evidence(network, fired, len(images), images, gradients, rng)


@functools.cache
def trained(hidden=(40, 30, 20), dataset="digits", epochs=6) -> Network:
    spec = digits(None, hidden=hidden, max_epochs=epochs, target_accuracy=0.99)
    if dataset != "digits":
        spec = RunSpec(dataset=dataset, hidden=hidden, max_epochs=epochs, pruning=None)
    *_, finished = experiment.run(spec)
    return finished.network


def at_random(hidden, features=64, classes=10, seed=0) -> Network:
    """Weights and biases of a size that keeps logits near 1."""
    rng, sizes = np.random.default_rng(seed), (features, *hidden, classes)
    weights = [rng.normal(size=(u, i)) * np.sqrt(2 / i) for i, u in zip(sizes, sizes[1:], strict=False)]
    return Network(weights, [0.1 * rng.normal(size=units) for units in sizes[1:]])


def cut(network: Network, criterion: str, ratio: float) -> Network:
    scores = criteria.scores(criterion, seen_by(network, datasets.load("digits")))
    return masks.choose(scores, network, ratio).apply(network)


def with_a_dead_layer() -> Network:
    network = trained()
    weights = [weight * (layer not in (1, 2)) for layer, weight in enumerate(network.weights)]
    return Network(weights, network.biases)


def with_idle_neurons() -> Network:
    """Neurons of every layer without a weight in, or none out, their other weights still there."""
    network = trained()
    weights = [weight.copy() for weight in network.weights]
    for layer in range(3):
        weights[layer][[1, 7]] = 0
        weights[layer + 1][:, 11] = 0
    return Network(weights, network.biases)


def near_the_tolerance() -> Network:
    """A first layer with a third of its singular values near the largest, a third above what rank looks at, a third below."""
    network = at_random((36, 20))
    left, _, right = np.linalg.svd(network.weights[0].astype(np.float64), full_matrices=False)
    tolerance = 64 * np.finfo(np.float32).eps
    third = np.linspace(1, 0.5, 12)
    first = (left * np.concatenate([third, 10 * tolerance * third, 0.03 * tolerance * third])) @ right
    return Network([first, *network.weights[1:]], network.biases)


def built(criterion, network, data, scope="global", **options) -> tuple[Atlas, list[np.ndarray]]:
    scores = criteria.scores(criterion, seen_by(network, data))
    return atlas.build(AtlasOf(RUN, 3, criterion, scope), network, scores, data, **options), scores


# -- Must show 1 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", criteria.names())
@pytest.mark.parametrize("scope", masks.SCOPES)
def test_the_atlas_of_every_criterion_is_the_direct_way(criterion, scope):
    network, data = trained(), datasets.load("digits")
    made, scores = built(criterion, network, data, scope)
    assert_atlas_is_direct(made, scores, network, data, scope)


ODD_NETWORKS = {
    "cut to 60 % by neurons": lambda: cut(trained(), "activation-frequency", 0.6),
    "cut to 60 % by weights": lambda: cut(trained(), "magnitude", 0.6),
    "a dead layer": with_a_dead_layer,
    "idle neurons": with_idle_neurons,
    "one hidden layer": lambda: trained((32,)),
    "1,024 wide": lambda: at_random((1024, 24)),
    "one neuron wide": lambda: at_random((1, 1, 5)),
    "values near the tolerance": near_the_tolerance,
    "cut to the last weight": lambda: cut(trained(), "magnitude", 1),
}


@pytest.mark.parametrize("about", ODD_NETWORKS)
@pytest.mark.parametrize("criterion", ["activation-frequency", "magnitude"])
def test_the_atlas_of_odd_networks_is_the_direct_way(about, criterion):
    network, data = ODD_NETWORKS[about](), datasets.load("digits")
    if network.hidden[0] > 1000:
        data = dataclasses.replace(data, x_test=data.x_test[:60], y_test=data.y_test[:60])
    made, scores = built(criterion, network, data)
    assert_atlas_is_direct(made, scores, network, data)


@pytest.mark.parametrize("criterion", ["activation-frequency", "inactivity-weight"])
@pytest.mark.parametrize(
    "redundancy, min_units, scope", [("released", 0, "global"), ("full", 2, "layer"), ("released", 3, "layer")]
)
def test_redundancy_and_the_minimum_of_the_run_are_the_atlases_too(criterion, redundancy, min_units, scope):
    data = datasets.load("digits")
    for network in (trained(), with_idle_neurons()):
        options = {"redundancy": redundancy, "min_units": min_units}
        made, scores = built(criterion, network, data, scope, **options)
        assert (made.redundancy, made.min_units) == (redundancy, min_units)
        assert_atlas_is_direct(made, scores, network, data, scope, **options)


@pytest.mark.parametrize("criterion", ["activation-frequency", "magnitude"])
def test_the_atlas_of_the_papers_network_is_the_direct_way(criterion):
    data = datasets.load("mnist-mini")
    network = trained((300, 200, 100, 50), "mnist-mini", 4)
    assert len(data.y_test) == 2000 and network.accuracy(data.x_test, data.y_test) > 0.5
    made, scores = built(criterion, network, data)
    assert_atlas_is_direct(made, scores, network, data)


def test_one_batch_or_several_make_no_difference(monkeypatch):
    network, data = trained(), datasets.load("digits")
    whole, _ = built("magnitude", network, data)
    monkeypatch.setattr(atlas, "CHUNK", 50)
    parts, _ = built("magnitude", network, data)
    assert len(data.x_test) > 3 * 50
    for field in dataclasses.fields(Atlas):
        one, two = getattr(whole, field.name), getattr(parts, field.name)
        if field.name in ("test_loss", "valid_loss"):
            np.testing.assert_allclose(one, two, rtol=1e-6)
        elif isinstance(one, np.ndarray) and not field.name.endswith("_ms"):
            np.testing.assert_array_equal(one, two, field.name)


def test_times_are_there_for_the_coarse_grid_and_scores_are_kept():
    network, data = trained(), datasets.load("digits")
    for criterion in ("apoz", "wanda"):
        made, scores = built(criterion, network, data)
        assert made.dense_ms.shape == made.shrunk_ms.shape == (11,)
        assert (made.dense_ms > 0).all() and (made.shrunk_ms > 0).all()
        assert made.batch == min(1024, len(data.x_test)) and made.machine
        for ours, score in zip(made.scores, scores, strict=True):
            np.testing.assert_allclose(ours, score if score.ndim == 1 else score.mean(axis=1), rtol=1e-5)


def test_ranks_in_any_order_give_the_same_counts():
    network, data = trained(), datasets.load("digits")
    whole = [lowrank.principal(weight.T) for weight in network.weights[:-1]]
    ranks = np.random.default_rng(0).integers(0, [41, 31, 21], (30, 3))
    rising = np.array(sorted(ranks.tolist()))
    found = {}
    for order in (ranks, rising, rising[::-1]):
        right = grid.low_rank_right(network, whole, order, data.x_test, data.y_test)
        for row, count in zip(order.tolist(), right, strict=True):
            assert found.setdefault(tuple(row), count) == count


# -- building it -----------------------------------------------------------------------------------------------------


def crowd(images=6500, features=16) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.random((images, features), dtype=np.float32)
    y = rng.integers(0, 3, images)
    return Dataset("crowd", x[:400], y[:400], x[:400], y[:400], x, y, None, ("a", "b", "c"), 0.9, "")


def test_two_processes_build_the_same_atlas_but_for_its_times():
    network, data = at_random((20, 12), 16, 3), crowd()
    assert len(data.x_test) > 3 * atlas.CHUNK  # parts may come back in any order
    with threadpoolctl.threadpool_limits(1):
        one, _ = built("activation-frequency-weight", network, data)
        two, _ = built("activation-frequency-weight", network, data, n_jobs=2)
    for field in dataclasses.fields(Atlas):
        ours, theirs = getattr(one, field.name), getattr(two, field.name)
        if field.name.endswith("_ms"):
            assert ours.shape == theirs.shape
        elif isinstance(ours, tuple):
            assert all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(ours, theirs, strict=True))
        elif isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes(), field.name
        else:
            assert ours == theirs


def test_parts_that_come_back_in_another_order_change_no_bit(monkeypatch):
    network, data = at_random((20, 12), 16, 3), crowd()
    straight, _ = built("magnitude", network, data)
    in_order = atlas._each
    monkeypatch.setattr(atlas, "_each", lambda parts, jobs: reversed(list(in_order(parts, jobs))))
    turned, _ = built("magnitude", network, data)
    for name in ("correct", "test_loss", "valid_loss", "confusion", "pca_correct", "svd_correct", "rank"):
        assert getattr(straight, name).tobytes() == getattr(turned, name).tobytes(), name


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_who_says_stop_gets_no_atlas(n_jobs):
    network, data = trained(), datasets.load("digits")
    heard = []

    def progress(share: float) -> bool:
        heard.append(share)
        return len(heard) < 2

    made, _ = built("magnitude", network, data, n_jobs=n_jobs, progress=progress)
    assert made is None and len(heard) == 2


def test_progress_grows_from_nothing_to_nearly_one():
    heard = []
    built("magnitude", trained(), datasets.load("digits"), progress=lambda share: heard.append(share) or True)
    assert heard == sorted(heard) and heard[0] > 0 and 0.9 < heard[-1] < 1 and len(heard) > 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_a_diverged_network_is_refused_in_words(bad):
    """Infinite weights, infinite biases, and weights just finite whose answers are not."""
    network, data = trained(), datasets.load("digits")
    scores = [np.ones(units) for units in network.hidden]
    diverged = [Network(network.weights, [bias + np.float32(bad) for bias in network.biases])]
    for layer in (0, 1, 3):
        weights = [weight.copy() for weight in network.weights]
        weights[layer][:3] = bad
        diverged.append(Network(weights, network.biases))
    for each in diverged:
        with pytest.raises(ValueError, match="this network diverged, .* choose an earlier epoch, or another run"):
            atlas.build(AtlasOf(RUN, 3), each, scores, data)


def test_large_weights_alone_are_no_divergence():
    network, data = trained(), datasets.load("digits")
    large = Network([1e6 * weight for weight in network.weights], network.biases)
    made, scores = built("magnitude", large, data)
    assert_atlas_is_direct(made, scores, large, data)


# -- the file --------------------------------------------------------------------------------------------------------


@functools.cache
def small_atlas() -> Atlas:
    return built("random-neurons", trained((12, 8)), datasets.load("digits"), "layer", min_units=1)[0]


def assert_equal_atlases(one: Atlas, other: Atlas) -> None:
    for field in dataclasses.fields(Atlas):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        assert type(ours) is type(theirs), field.name
        pairs = [(ours, theirs)] if not isinstance(ours, tuple) else zip(ours, theirs, strict=True)
        for a, b in pairs:
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), field.name
            else:
                assert a == b, field.name


def test_what_is_written_comes_back_bit_for_bit():
    made = small_atlas()
    back = there_and_back(made.choice, made)
    assert_equal_atlases(made, back)
    assert back.choice == AtlasOf(RUN, 3, "random-neurons", "layer") and back.min_units == 1
    with pytest.raises(ValueError, match="read-only"):
        back.correct[0, 0] = 1


def test_more_than_ten_layers_come_back_in_their_order():
    network = at_random((3,) * 12, 64)
    made, _ = built("magnitude", network, datasets.load("digits"))
    assert_equal_atlases(made, there_and_back(made.choice, made))


def test_any_damage_is_refused_or_harmless():
    """A changed or missing byte anywhere: either it is refused with the one error, or it was padding and nothing changed."""
    made = small_atlas()
    content = codec.packed(*made.choice.pack(made))
    rng = np.random.default_rng(0)
    places = [*range(0, 120), *range(len(content) - 400, len(content)), *rng.integers(0, len(content), 500).tolist()]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        _refused_or_same(bytes(damaged), made)
    for length in (0, 1, 4, 22, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError, match="not a stored artifact"):
            codec.unpacked(content[:length])


def _refused_or_same(content: bytes, made: Atlas) -> None:
    try:
        back = made.choice.unpack(*codec.unpacked(content))
    except ValueError as error:
        assert str(error).startswith("not a stored artifact: ")
    else:
        assert_equal_atlases(made, back)


def other_files():
    def npz(**arrays):
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    single = io.BytesIO()
    np.save(single, np.arange(3))
    words = np.frombuffer(b'{"choice": {"run": "../../etc", "epoch": 0}}', np.uint8)
    pickled = io.BytesIO()
    np.savez(pickled, header=np.array([{}], dtype=object))
    deep = np.frombuffer(b"[" * 100_000 + b"]" * 100_000, np.uint8)
    return [
        b"",
        b"PK\x03\x04",
        b"{}",
        single.getvalue(),
        pickled.getvalue(),
        npz(),
        npz(header=np.arange(3)),
        npz(numbers=np.arange(3)),
        npz(header=words),
        npz(header=np.frombuffer(b"[1, 2]", np.uint8)),
        npz(header=deep),
    ]


@pytest.mark.parametrize("content", other_files(), ids=range(len(other_files())))
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match="not a stored artifact"):
        codec.unpacked(content)


@pytest.mark.parametrize("top", [1.0, 37.5, 1e-6, 1e6])
def test_coded_values_are_good_to_a_ten_thousandth(top):
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [top * 10 ** rng.uniform(-6, 0, 20_000), [0, top, top * 1e-4, top * 1.0001e-4, top * 0.9e-4]]
    )
    back = atlas.decoded(atlas.coded(values, top), top)
    assert np.abs(back - values).max() <= 1e-4 * top
    near = values >= 1e-4 * top
    assert (np.abs(back - values)[near] <= 1e-4 * values[near]).all() and (back[values < 0.99e-4 * top] == 0).all()
    assert atlas.decoded(atlas.coded(np.array([top, 0]), top), top).tolist() == [pytest.approx(top, rel=1e-12), 0]
    assert (np.diff(atlas.coded(np.sort(values), top).astype(int)) >= 0).all()


def test_a_layer_of_noughts_is_coded_as_noughts():
    assert not atlas.coded(np.zeros((3, 4), np.float32), 0.0).any()
    assert not atlas.decoded(np.zeros((3, 4), np.uint16), 0.0).any()


# -- which one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"criterion": "best"}, "unknown criterion 'best': allowed are activation-frequency"),
        ({"scope": "all"}, "scope 'all' is unknown: allowed are global, layer"),
        ({"run": "../../etc"}, "'../../etc' is not the key of a run"),
        ({"run": ""}, "'' is not the key of a run"),
        ({"run": "a/b"}, "is not the key of a run"),
        ({"run": None}, "None is not the key of a run"),
        ({"epoch": -1}, "epoch -1 is not allowed: give a whole number from 0"),
        ({"epoch": 1.5}, "epoch 1.5 is not allowed"),
        ({"epoch": True}, "epoch True is not allowed"),
        ({"epoch": "3"}, "epoch '3' is not allowed"),
        ({"draw": -1, "criterion": "random-matched"}, "draw -1 is not allowed"),
        ({"draw": 2}, "activation-frequency draws nothing at random: only draw 0 is there, not 2"),
        ({"draw": 1, "criterion": "magnitude"}, "magnitude draws nothing at random"),
    ],
)
def test_nonsense_is_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        AtlasOf(**{"run": RUN, "epoch": 3} | arguments)


def test_every_choice_has_a_file_name_of_its_own():
    choices = [
        AtlasOf(RUN, epoch, name, scope, draw)
        for epoch in (0, 3, 12)
        for name in criteria.names()
        for scope in masks.SCOPES
        for draw in (range(3) if "rng" in criteria.get(name).needs else (0,))
    ]
    assert len({choice.name for choice in choices}) == len(choices)
    assert all(set(choice.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for choice in choices)
