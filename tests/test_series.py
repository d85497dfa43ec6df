"""Steps made several at a time against steps made one by one; on a GPU, where they are a graph, against plain calls."""

import dataclasses

import numpy as np
import pytest
import torch
from small import assert_same, digits

from core import datasets, masks
from core.arithmetic import ARITHMETICS
from core.experiment import series, training
from core.experiment.series import Series, Windows
from core.experiment.training import Trainer

DATA = datasets.load("digits")
SHAPE = {"batch_size": 13, "hidden": (24, 16), "pruning": None}  # 1,294 images: 99 whole steps and one of 7
RATES = {"sgd": 0.05, "adam": 0.003}
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: graphs can only be captured on one")


def cut(state, seed, ratio=0.6):
    network = state.network()
    neurons = masks.choose([np.random.default_rng(seed).random(units) for units in network.hidden], network, ratio / 2)
    state = state.with_kept(neurons.kept)
    return state.with_kept(masks.choose([np.abs(w) for w in state.weights[:-1]], state.network(), ratio).kept)


def stack(count, optimizer="sgd", seed=0):
    """Networks that differ in seed, mask and learning rate."""
    rates = [RATES[optimizer] / (1 + place % 5) for place in range(count)]
    specs = [
        digits(**SHAPE, optimizer=optimizer, seed=seed + place, learning_rate=rate) for place, rate in enumerate(rates)
    ]
    return specs, [cut(training.start(spec, DATA), spec.seed) for spec in specs]


def train(specs, states, device="cpu", epochs=2, **options):
    """The trainer after some epochs, with a cut of the first network of a stack of one between them, and its shares."""
    trainer, shares = Trainer(DATA, specs, states, device, **options), []
    for epoch in range(1, epochs + 1):
        shares.append(list(trainer.epoch(epoch)))
        if epoch < epochs and len(specs) == 1:
            trainer.load([cut(trainer.states()[0], 5, 0.8)])
    return trainer, shares


def arrays(trainer):
    states = trainer.states()
    return [array for s in states for group in (s.weights, s.biases, s.moments, s.fired, s.kept) for array in group] + [
        np.array([(s.steps, s.seen, m.accuracy, m.loss) for s, m in zip(states, trainer.measured, strict=True)])
    ]


def one_by_one(monkeypatch):
    monkeypatch.setattr(training, "series", Series)


def in_windows(monkeypatch):
    monkeypatch.setattr(training, "series", Windows)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("optimizer", RATES)
def test_windows_give_the_same_bits_as_steps_one_by_one(monkeypatch, optimizer, count, arithmetic):
    specs, states = stack(count, optimizer)
    specs = [dataclasses.replace(spec, arithmetic=arithmetic) for spec in specs]
    plain, _ = train(specs, states)
    in_windows(monkeypatch)
    windows, shares = train(specs, states)
    assert_same(arrays(windows), arrays(plain))
    assert windows.states()[0].steps == 200
    for part in shares:  # 100 steps: told of after 32, 64 and 96 at the latest a window later
        assert len(part) == 4 and part == sorted(part) and part[-1] == 1
        assert all(0 <= share * 100 - due < series.AT_ONCE for share, due in zip(part, (32, 64, 96), strict=False))


def test_an_epoch_in_windows_can_be_left_and_made_again(monkeypatch):
    in_windows(monkeypatch)
    specs, states = stack(2, "adam")
    whole, _ = train(specs, states)
    again = Trainer(DATA, specs, states, "cpu")
    next(iter(again.epoch(1)))
    again.load(states)
    for epoch in (1, 2):
        list(again.epoch(epoch))
    assert_same(arrays(again), arrays(whole))


@pytest.mark.parametrize("rows, repeats, length", [(32, 40, 4), (32, 3, 3), (8192, 40, 2), (100_000, 2, 1)])
def test_a_window_fits_the_epoch_and_the_memory(rows, repeats, length):
    trainer = Trainer(DATA, *stack(1), "cpu")
    assert Windows(trainer._parameters, trainer._products, trainer._images, rows, repeats).length == length


def test_a_cpu_makes_its_steps_one_by_one():
    trainer = Trainer(DATA, *stack(1), "cpu")
    assert type(series.series(trainer._parameters, trainer._products, trainer._images, 13, 99)) is Series


def test_float32_products_are_not_rounded_to_tf32():
    assert not torch.backends.cuda.matmul.allow_tf32 and torch.get_float32_matmul_precision() == "highest"


@gpu
@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("optimizer", RATES)
def test_a_graph_gives_the_same_bits_as_plain_calls_on_the_same_gpu(monkeypatch, optimizer, count):
    specs, states = stack(count, optimizer)
    graph, _ = train(specs, states, "cuda")
    assert {type(room) for room in graph._rooms.values()} == {Windows, Series}  # the last, short batch is no graph
    again, _ = train(specs, states, "cuda")
    assert_same(arrays(again), arrays(graph))
    one_by_one(monkeypatch)
    plain, _ = train(specs, states, "cuda")
    assert_same(arrays(plain), arrays(graph))


@gpu
@pytest.mark.parametrize("optimizer", RATES)
def test_a_hundred_steps_on_a_gpu_equal_those_on_the_cpu(optimizer):
    specs, states = stack(1, optimizer)
    ours, theirs = (train(specs, states, device, epochs=1)[0] for device in ("cuda", "cpu"))
    for one, other in zip(arrays(ours), arrays(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 if one.dtype == np.float32 else 2)


@gpu
@pytest.mark.parametrize("count", [8, 64])
@pytest.mark.parametrize("optimizer", RATES)
def test_a_stack_on_a_gpu_equals_its_networks_alone(optimizer, count):
    specs, states = stack(count, optimizer)
    together, _ = train(specs, states, "cuda", epochs=1)
    for place, state in enumerate(together.states()):
        if place % 7 == 0:
            alone = train([specs[place]], [states[place]], "cuda", epochs=1, shrink=False)[0].states()[0]
            for one, other in zip((*state.weights, *state.biases), (*alone.weights, *alone.biases), strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
