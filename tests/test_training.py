"""Training against torch's own autograd and optimisers; counting against a recount; stacks, shrinking, determinism."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small import assert_same, digits, network

from core import criteria, datasets, masks
from core.criteria import Evidence
from core.experiment import training
from core.experiment.training import Trainer
from core.network import Network

DATA = datasets.load("digits")
HUNDRED = {"batch_size": 13, "hidden": (24, 16), "pruning": None}  # 1,294 images: 99 whole steps and one of 7


def cut(state, ratio, seed=0):
    """The state with `ratio` of its weights cut: half by neuron, half by weight, so that some neurons die."""
    rng = np.random.default_rng(seed)
    network = state.network()
    neurons = masks.choose([rng.random(units) for units in network.hidden], network, ratio / 2)
    state = state.with_kept(neurons.kept)
    chosen = masks.choose([np.abs(w) for w in state.weights[:-1]], state.network(), ratio)
    return state.with_kept(chosen.kept)


def train(specs, states, epochs=1, data=DATA, **options) -> Trainer:
    trainer = Trainer(data, specs, states, "cpu", **options)
    for epoch in range(1, epochs + 1):
        for _ in trainer.epoch(epoch):
            pass
    return trainer


def by_autograd(spec, state, data=DATA, epoch=1):
    """The same epoch by torch.optim and autograd: parameters afterwards, running accuracy and loss, firing counts."""
    weights = [torch.tensor(w, requires_grad=True) for w in state.weights]
    biases = [torch.tensor(b, requires_grad=True) for b in state.biases]
    kept = [torch.tensor(k) for k in state.kept]
    kind = torch.optim.Adam if spec.optimizer == "adam" else torch.optim.SGD
    optimizer = kind([*weights, *biases], lr=spec.learning_rate)
    order = training.stream(spec.seed, epoch, "shuffle").permutation(len(data.x_train))
    right, total, fired = 0, 0.0, [np.zeros(b.numel(), np.int64) for b in biases[:-1]]
    for first in range(0, len(order), spec.batch_size):
        rows = order[first : first + spec.batch_size]
        signal, labels = torch.tensor(data.x_train[rows]), torch.tensor(data.y_train[rows])
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            signal = torch.nn.functional.linear(signal, weight, bias)
            if layer < len(fired):
                signal = signal.relu()
                fired[layer] += (signal > 0).sum(0).numpy()
        loss = torch.nn.functional.cross_entropy(signal, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for weight, mask in zip(weights, kept, strict=True):
                weight *= mask
        right += int((signal.argmax(1) == labels).sum())
        total += float(loss.detach()) * len(rows)
    return [p.detach().numpy() for p in (*weights, *biases)], right / len(order), total / len(order), fired


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.05), ("adam", 0.003)])
@pytest.mark.parametrize("ratio", [0.0, 0.7])
def test_a_hundred_steps_equal_autograd(optimizer, rate, ratio):
    spec = digits(**HUNDRED, optimizer=optimizer, learning_rate=rate)
    state = training.start(spec, DATA)
    state = cut(state, ratio) if ratio else state
    trainer = train([spec], [state], shrink=False)
    after = trainer.states()[0]
    assert after.steps == 100
    parameters, accuracy, loss, fired = by_autograd(spec, state)
    for ours, theirs in zip((*after.weights, *after.biases), parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert trainer.measured[0].accuracy == pytest.approx(accuracy, abs=1.5 / len(DATA.x_train))
    assert trainer.measured[0].loss == pytest.approx(loss, rel=1e-5)
    assert after.seen == len(DATA.x_train)
    for ours, theirs in zip(after.fired, fired, strict=True):
        assert abs(ours - theirs).max() <= 1  # an activation of 1e-8 may fall on either side of zero


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_masked_weight_stays_zero_and_its_kept_neighbours_move(optimizer):
    spec = digits(**HUNDRED, optimizer=optimizer, learning_rate=0.01)
    state = cut(training.start(spec, DATA), 0.6)
    after = train([spec], [state], epochs=2).states()[0]
    for kept, before, weight in zip(state.kept, state.weights, after.weights, strict=True):
        assert not weight[~kept].any()
        assert (weight != before)[kept].mean() > 0.5
    assert_same(after.kept, state.kept)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.05), ("adam", 0.003)])
def test_leaving_dead_neurons_out_changes_nothing_that_lives(optimizer, rate):
    spec = digits(**HUNDRED, optimizer=optimizer, learning_rate=rate)
    state = cut(training.start(spec, DATA), 0.75)
    assert any((~alive).any() for alive in state.network().alive())
    shrunk, whole = (train([spec], [state], shrink=shrink).states()[0] for shrink in (True, False))
    for ours, theirs in zip((*shrunk.weights, *shrunk.biases), (*whole.weights, *whole.biases), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    for ours, theirs, alive in zip(shrunk.fired, whole.fired, state.network().alive(), strict=True):
        np.testing.assert_array_equal(ours[alive], theirs[alive])
    assert shrunk.weights[0].shape == whole.weights[0].shape == (24, 64)


def test_the_counts_of_a_neuron_that_left_are_frozen():
    spec = digits(**HUNDRED)
    state = train([spec], [training.start(spec, DATA)]).states()[0]
    dead = cut(state, 0.75)
    after = train([spec], [dead]).states()[0]
    for before, now, alive in zip(state.fired, after.fired, dead.network().alive(), strict=True):
        np.testing.assert_array_equal(now[~alive], before[~alive])
        assert (now[alive] > before[alive]).any()
    assert after.seen == 2 * len(DATA.x_train)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_stack_of_two_equals_two_runs_of_one(optimizer):
    specs = [
        digits(**HUNDRED, optimizer=optimizer, seed=seed, learning_rate=rate) for seed, rate in ((0, 0.01), (1, 0.02))
    ]
    states = [cut(training.start(spec, DATA), 0.5, seed) for seed, spec in enumerate(specs)]
    both = train(specs, states)
    valid = both.evaluate(by_class=True)
    for place, (spec, state) in enumerate(zip(specs, states, strict=True)):
        alone = train([spec], [state], shrink=False)
        for a, b in (("weights", 1e-5), ("biases", 1e-5), ("moments", 1e-5)):
            for ours, theirs in zip(getattr(both.states()[place], a), getattr(alone.states()[0], a), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=b)
        for ours, theirs in zip(both.states()[place].fired, alone.states()[0].fired, strict=True):
            assert abs(ours - theirs).max() <= 1
        assert both.measured[place].accuracy == pytest.approx(alone.measured[0].accuracy, abs=1e-3)
        assert both.measured[place].loss == pytest.approx(alone.measured[0].loss, abs=1e-4)
        other = alone.evaluate(by_class=True)[0]
        assert valid[place].accuracy == pytest.approx(other.accuracy) and valid[place].loss == pytest.approx(
            other.loss, abs=1e-5
        )


def test_a_stack_must_fit_together():
    one, two = digits(**HUNDRED), digits(**HUNDRED | {"batch_size": 16})
    states = [training.start(one, DATA)] * 2
    with pytest.raises(ValueError, match="must share their widths, batch size, optimiser"):
        Trainer(DATA, [one, two], states, "cpu")


def recount(net: Network, x) -> tuple[list[np.ndarray], float]:
    """How often each hidden neuron is > 0, in float64; and how near to zero any pre-activation comes."""
    signal, fired, nearest = x.astype(float), [], np.inf
    for weight, bias in zip(net.weights[:-1], net.biases[:-1], strict=True):
        signal = signal @ weight.T.astype(float) + bias
        fed = signal[:, weight.any(axis=1)]
        nearest = min(nearest, abs(fed).min(initial=np.inf))
        signal = np.maximum(signal, 0)
        fired.append((signal > 0).sum(0))
    return fired, nearest


@pytest.mark.parametrize("name, seed", [("digits", 0), ("mnist-mini", 0)])
@pytest.mark.parametrize("ratio", [0.0, 0.6])
def test_while_weights_stand_still_the_counts_equal_an_independent_recount(name, seed, ratio):
    data = datasets.load(name)
    spec = digits(dataset=name, hidden=(32, 16), learning_rate=1e-30, batch_size=32, pruning=None, seed=seed)
    state = training.start(spec, data)
    biases = tuple(np.linspace(-0.1, 0.1, b.size, dtype=np.float32) for b in state.biases)  # no pre-activation at 0
    state = replace(cut(state, ratio) if ratio else state, biases=biases)
    trainer = train([spec], [state], epochs=2, data=data)
    after = trainer.states()[0]
    for ours, theirs in zip((*after.weights, *after.biases), (*state.weights, *state.biases), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    fired, nearest = recount(state.network(), data.x_train)
    assert nearest > 1e-7, "a pre-activation so near to zero that rounding decides: choose another seed"
    assert after.seen == 2 * len(data.x_train)
    for ours, theirs, alive in zip(after.fired, fired, state.network().alive(), strict=True):
        np.testing.assert_array_equal(ours[alive], 2 * theirs[alive])
        assert not ours[~alive].any()  # no input, no activation to count


def test_validation_equals_the_network_in_numpy_and_who_fires_for_which_class():
    spec = digits(**HUNDRED)
    trainer = train([spec], [cut(training.start(spec, DATA), 0.5)])
    net = trainer.states()[0].network()
    measured = trainer.evaluate(by_class=True)[0]
    assert measured.accuracy == pytest.approx(net.accuracy(DATA.x_valid, DATA.y_valid))
    logits = net.forward(DATA.x_valid).astype(float)
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert measured.loss == pytest.approx(-log[np.arange(len(log)), DATA.y_valid].mean(), rel=1e-5)
    for ours, active, alive in zip(measured.fired_by_class, net.activations(DATA.x_valid), net.alive(), strict=True):
        expected = np.array([(active[DATA.y_valid == digit] > 0).sum(0) for digit in range(10)])
        assert ours.shape == expected.shape and abs(ours - expected)[:, alive].max() <= 1
    assert trainer.evaluate()[0].fired_by_class is None


def test_the_sample_of_32_is_seeded_and_counts_the_weights_at_the_end_of_the_epoch():
    spec = digits({"counting": "sample-32"})
    trainer = train([spec], [training.start(spec, DATA)])
    after = trainer.states()[0]
    rows = training.stream(spec.seed, 1, "sample-32").choice(len(DATA.x_train), 32, replace=False)
    assert after.seen == 32 and len(set(rows)) == 32
    for ours, active in zip(after.fired, after.network().activations(DATA.x_train[rows]), strict=True):
        np.testing.assert_array_equal(ours, (active > 0).sum(0))
    plain = train([digits()], [training.start(spec, DATA)]).states()[0]
    assert_same(plain.weights, after.weights)  # counting otherwise changes no training


def test_the_same_spec_twice_is_bit_identical_and_another_seed_is_not():
    spec = digits()
    one, two = (train([spec], [training.start(spec, DATA)], epochs=2).states()[0] for _ in range(2))
    assert_same((*one.weights, *one.biases, *one.fired), (*two.weights, *two.biases, *two.fired))
    other = digits(seed=1)
    assert not np.array_equal(training.start(other, DATA).weights[0], training.start(spec, DATA).weights[0])


def test_an_epoch_reports_its_share_and_can_be_left_and_made_again():
    spec = digits(batch_size=4)
    trainer = Trainer(DATA, [spec], [training.start(spec, DATA)], "cpu")
    shares = list(trainer.epoch(1))
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 5
    whole = trainer.states()[0]
    again = Trainer(DATA, [spec], [training.start(spec, DATA)], "cpu")
    next(iter(again.epoch(1)))
    again.load([training.start(spec, DATA)])
    list(again.epoch(1))
    assert_same(again.states()[0].weights, whole.weights)


def test_start_weights_are_glorot_uniform_and_biases_zero():
    spec = digits(hidden=(200, 100))
    state = training.start(spec, DATA)
    for weight in state.weights:
        limit = np.sqrt(6 / sum(weight.shape))
        assert abs(weight).max() <= limit and weight.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert not any(bias.any() for bias in state.biases) and all(kept.all() for kept in state.kept)
    assert state.seen == 0 and state.moments == ()
    assert len(training.start(digits(optimizer="adam"), DATA).moments) == 2 * 6


def test_gradients_equal_a_finite_difference():
    net = network(0, (6, 5, 4, 3))
    rng = np.random.default_rng(0)
    x, y = rng.random((9, 6), dtype=np.float32), rng.integers(0, 3, 9)
    found = training.gradients(net, x, y)
    assert [g.shape for g in found] == [w.shape for w in net.weights]

    def loss(weights):
        signal = x.astype(float)
        for layer, (weight, bias) in enumerate(zip(weights, net.biases, strict=True)):
            signal = signal @ weight.T + bias
            signal = np.maximum(signal, 0) if layer < 2 else signal
        return -(signal - np.log(np.exp(signal).sum(1, keepdims=True)))[np.arange(9), y].mean()

    for layer, place in ((0, (1, 2)), (1, (0, 3)), (2, (2, 1))):
        sides = []
        for step in (1e-6, -1e-6):
            weights = [w.astype(float) for w in net.weights]
            weights[layer][place] += step
            sides.append(loss(weights))
        assert found[layer][place] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-4)


def test_calibration_is_a_seeded_sample_of_training_images():
    spec = digits()
    x, y = training.calibration(spec, DATA, 3)
    again, _ = training.calibration(spec, DATA, 3)
    assert len(x) == len(y) == min(training.CALIBRATION, len(DATA.x_train)) and np.array_equal(x, again)
    assert not np.array_equal(x, training.calibration(spec, DATA, 4)[0])


def test_an_unknown_device_is_refused_in_words(monkeypatch):
    with pytest.raises(ValueError, match="device 'abacus' is not available on this computer: allowed are .*cpu"):
        training.pick_device("abacus")
    monkeypatch.setenv("PRUNING_DEVICE", "abacus")
    with pytest.raises(ValueError, match="'abacus' is not available"):
        training.pick_device()
    assert training.pick_device("cpu") == "cpu"


@pytest.mark.parametrize("name", criteria.names())
def test_every_criterion_can_be_trained_on(name):
    spec = digits({"criterion": name})
    state = train([spec], [training.start(spec, DATA)]).states()[0]
    x, y = training.calibration(spec, DATA, 1)
    given = Evidence(
        state.network(), state.fired, state.seen, x, training.gradients(state.network(), x, y), np.random.default_rng(0)
    )
    chosen = masks.choose(criteria.scores(name, given), state.network(), 0.5)
    after = train([spec], [state.with_kept(chosen.kept)]).states()[0]
    assert after.network().sparsity() >= 0.5 - 1e-3


# -- factors: two matrices in a row without a ReLU between them ---------------------------------------------------------


def factored(spec, rank, seed=0):
    """A network of the spec whose hidden layers are products of two factors, as the state that trains."""
    state, rng = training.start(spec, DATA), np.random.default_rng(seed)
    weights, biases = [], []
    for weight, bias in zip(state.weights[:-1], state.biases[:-1], strict=True):
        u, values, v = np.linalg.svd(weight, full_matrices=False)
        root = np.sqrt(values[:rank])
        weights += [(root[:, None] * v[:rank]).astype("f"), (u[:, :rank] * root).astype("f")]
        biases += [np.zeros(rank, "f"), bias + rng.normal(0, 0.1, bias.shape).astype("f")]
    weights, biases = [*weights, state.weights[-1]], [*biases, state.biases[-1]]
    everything = tuple(np.ones(weight.shape, bool) for weight in weights)
    fired = tuple(np.zeros(len(bias), np.int64) for bias in biases[:-1])
    moments = [np.zeros_like(p) for p in [*weights, *biases] for _ in range(2)] if state.moments else []
    return replace(
        state, weights=tuple(weights), biases=tuple(biases), kept=everything, fired=fired, moments=tuple(moments)
    )


LINEAR = (True, False, True, False)


def factors_by_autograd(spec, state):
    weights = [torch.tensor(w, requires_grad=True) for w in state.weights]
    biases = [torch.tensor(b, requires_grad=place % 2 == 1 or place == 4) for place, b in enumerate(state.biases)]
    trained = [*weights, *(bias for bias in biases if bias.requires_grad)]
    optimizer = (torch.optim.Adam if spec.optimizer == "adam" else torch.optim.SGD)(trained, lr=spec.learning_rate)
    order = training.stream(spec.seed, 1, "shuffle").permutation(len(DATA.x_train))
    for first in range(0, len(order), spec.batch_size):
        rows = order[first : first + spec.batch_size]
        signal = torch.tensor(DATA.x_train[rows])
        for layer in range(0, 4, 2):
            product = weights[layer + 1] @ weights[layer]
            signal = torch.relu(signal @ product.T + biases[layer + 1])
        signal = signal @ weights[4].T + biases[4]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(signal, torch.tensor(DATA.y_train[rows])).backward()
        optimizer.step()
    return [weight.detach().numpy() for weight in weights], [bias.detach().numpy() for bias in biases]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_factors_train_like_the_product_by_autograd(optimizer, count):
    rate = 0.003 if optimizer == "adam" else 0.1
    spec = replace(digits(**HUNDRED), optimizer=optimizer, learning_rate=rate)
    states = [factored(spec, 5, seed) for seed in range(count)]
    trainer = train([spec] * count, states, linear=LINEAR)
    for state, ours in zip(states, trainer.states(), strict=True):
        weights, biases = factors_by_autograd(spec, state)
        for one, other in zip([*ours.weights, *ours.biases], [*weights, *biases], strict=True):
            assert np.abs(one - other).max() < 2e-4
        for layer in (0, 2):
            assert not ours.biases[layer].any() and not ours.fired[layer].any()
            assert ours.fired[layer + 1].any()
            assert np.linalg.matrix_rank(ours.weights[layer + 1] @ ours.weights[layer]) == 5


def test_factors_are_evaluated_as_their_product():
    spec = digits(**HUNDRED)
    state = factored(spec, 5)
    measured = Trainer(DATA, [spec], [state], "cpu", linear=LINEAR).evaluate()[0]
    products = [state.weights[1] @ state.weights[0], state.weights[3] @ state.weights[2], state.weights[4]]
    whole = Network(products, [state.biases[1], state.biases[3], state.biases[4]])
    assert measured.accuracy == pytest.approx(whole.accuracy(DATA.x_valid, DATA.y_valid), abs=1e-6)
