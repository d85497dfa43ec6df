"""Constant, dead, collapsed: against autograd and a network's own answers, over runs drawn at random; and who is blamed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from small import assert_same, digits, network

from core import collapse, datasets, experiment
from core.events import EpochEnded, Finished, Pruned
from core.network import Network
from core.spec import PenaltySpec, PruningSpec, RunSpec
from core.store import Store

SEEDS = range(24)
torch.set_num_threads(1)  # as where it trains: with two, a busy second core stalls the first


def at_random(seed: int) -> RunSpec:
    """Cut hard, trained fast, narrow: most of these collapse."""
    rng = np.random.default_rng(seed)
    plan = PruningSpec(
        ratio=float(rng.choice([0.9, 0.95, 0.98, 0.99])), rounds=int(rng.integers(1, 5)), start_accuracy=0.3,
        criterion=str(rng.choice(["activation-frequency", "magnitude", "inactivity", "random-weights"])),
    )  # fmt: skip
    widths = tuple(int(width) for width in rng.integers(4, 30, rng.integers(1, 5)))
    return RunSpec(
        dataset="digits", target_accuracy=0.9, hidden=widths, learning_rate=float(10 ** rng.uniform(-1.3, 0.8)),
        pruning=plan, max_epochs=14, seed=seed,
        batch_size=int(rng.choice([16, 32])), optimizer="adam" if seed % 8 == 7 else "sgd",
    )  # fmt: skip


def learns(net: Network, kept) -> bool:
    """By autograd, over groups of training images: whether any living hidden weight has a gradient."""
    data = datasets.load("digits")
    weights = [torch.tensor(weight, requires_grad=True) for weight in net.weights]
    for x, y in zip(np.array_split(data.x_train, 40), np.array_split(data.y_train, 40), strict=True):
        signal = torch.tensor(x)
        for layer, (weight, bias) in enumerate(zip(weights, net.biases, strict=True)):
            signal = signal @ weight.T + torch.tensor(bias)
            signal = torch.relu(signal) if layer < len(weights) - 1 else signal
        loss = torch.nn.functional.cross_entropy(signal, torch.tensor(y), reduction="sum")
        for gradient, mask in zip(torch.autograd.grad(loss, weights)[:-1], kept, strict=False):
            if (gradient.numpy()[mask] != 0).any():
                return True
    return False


@cache
def stored(root: str, seed: int) -> tuple[Store, RunSpec]:
    store, spec = Store(root), at_random(seed)
    list(experiment.run(spec, store))
    return store, spec


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("collapse"))


def final(spec: RunSpec, store: Store | None = None) -> Finished:
    return list(experiment.run(spec, store))[-1]


# What the words mean


@pytest.mark.parametrize("seed", range(60))
def test_dead_is_what_autograd_finds_no_gradient_in(seed):
    """Small networks with many zeros and low biases: about half are dead."""
    rng = np.random.default_rng(seed)
    widths = [64, *rng.integers(1, 6, rng.integers(1, 5)), 10]
    net = network(seed, widths, zeros=rng.choice([0.0, 0.5, 0.9]))
    biases = [bias - np.float32(rng.choice([0, 1, 4, 20])) for bias in net.biases]
    net = Network(net.weights, biases)
    kept = [weight != 0 for weight in net.weights]
    data = datasets.load("digits")
    layer = collapse.dead_layer(net, kept, data.x_train, data.y_train)
    assert (layer is None) == learns(net, kept)
    if layer is not None:  # everything from there on is the same for all images
        behind = net.activations(data.x_train)[layer - 1 :]
        assert any(not part.any() or (part == part[0]).all() for part in behind) or not any(m.any() for m in kept[:-1])


def test_about_half_of_those_are_dead():
    dead = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        widths = [64, *rng.integers(1, 6, rng.integers(1, 5)), 10]
        net = network(seed, widths, zeros=rng.choice([0.0, 0.5, 0.9]))
        net = Network(net.weights, [bias - np.float32(rng.choice([0, 1, 4, 20])) for bias in net.biases])
        dead += not learns(net, [weight != 0 for weight in net.weights])
    assert 15 <= dead <= 45


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_names_what_is_constant_and_ends_at_the_first_death(root, seed):
    store, spec = stored(root, seed)
    data, events = datasets.load("digits"), store.events(spec.key())
    ended = next((event for event in events if isinstance(event, Finished)), None)
    for event in events:
        if isinstance(event, EpochEnded | Pruned):
            moment = store.snapshot(spec.key(), event.epoch)
            net = moment.before_cut() if isinstance(event, EpochEnded) else moment.state.network()
            assert event.answer == collapse.only_answer(net.predict(data.x_valid))
    last = store.open(spec.key()).last_epoch
    for epoch in range(1, last + 1):
        state = store.snapshot(spec.key(), epoch).state
        if all(np.isfinite(weight).all() for weight in state.weights):
            alive = learns(state.network(), state.kept)
            assert alive or epoch == last, f"dead at the end of epoch {epoch}, and trained on"
            if epoch == last:
                assert (ended.outcome in ("dead", "diverged")) == (not alive)
    constant = collapse.only_answer(ended.network.predict(data.x_valid))
    assert (constant is not None) == any(word in ended.reason for word in ("same answer", "to everything", "became"))
    if constant is not None and "to everything" in ended.reason:
        assert f"answers {constant} to everything: guessing is 10 %" in ended.reason


def test_of_those_runs_many_die_some_recover_and_some_are_sound(root):
    found = [stored(root, seed) for seed in SEEDS]
    ends = [store.events(spec.key())[-1].outcome for store, spec in found]
    answers = [[line.get("answer") for line in store.log(spec.key())] for store, spec in found]
    assert ends.count("dead") >= 8 and ends.count("epoch limit reached") + ends.count("target reached") >= 6
    recovered = [any(a is not None for a in of[:-2]) and of[-2] is None for of in answers]
    assert sum(recovered) >= 2


def test_a_network_of_one_neuron_a_layer_that_no_image_lights_ends_as_dead():
    spec = RunSpec(
        hidden=(100, 10, 10), seed=2, max_epochs=25, learning_rate=0.05, pruning=PruningSpec(ratio=0.99, rounds=3)
    )
    events = list(experiment.run(spec))
    end, last = events[-1], events[-2]
    assert end.outcome == "dead" and "hidden layer 3" in end.reason and "cut less" in end.reason
    assert last.answer is not None and f"answers {last.answer} to everything: guessing is 10 %" in end.reason


# Who did it


def plain(**changes) -> RunSpec:
    values = {"dataset": "digits", "hidden": (32, 16), "learning_rate": 0.1, "batch_size": 16, "max_epochs": 5}
    return RunSpec(**values | {"pruning": None} | changes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pruning", [None, PruningSpec(start_accuracy=0.0)])
def test_a_penalty_that_kills_is_blamed_as_the_penalty(pruning, seed):
    rng = np.random.default_rng(seed)
    widths = tuple(int(width) for width in rng.integers(8, 40, rng.integers(2, 4)))
    strength = 1.0 if seed == 0 else float(rng.uniform(0.5, 5))
    spec = plain(seed=seed, hidden=widths, pruning=pruning, penalty=PenaltySpec(strength=strength))
    reason = final(spec).reason
    assert "the penalty took its weights" in reason and f"a smaller λ than {strength:g} helps" in reason
    assert "cut less" not in reason and "learning rate" not in reason


@pytest.mark.parametrize("strength", [None, 1e-7])
@pytest.mark.parametrize("seed", range(6))
def test_a_learning_rate_that_kills_is_blamed_as_the_learning_rate(seed, strength):
    """Also beside a penalty that is too weak to have done it."""
    rate = float(np.random.default_rng(seed).uniform(2, 8))
    spec = plain(seed=seed, learning_rate=rate, penalty=strength and PenaltySpec(strength=strength))
    end = final(spec)
    assert end.outcome in ("dead", "diverged") and f"a smaller learning rate than {rate:g} helps" in end.reason
    assert "λ" not in end.reason and "cut" not in end.reason


@pytest.mark.parametrize("seed", range(8))
def test_a_cut_that_kills_is_blamed_as_the_cut(seed):
    plan = PruningSpec(ratio=0.99, rounds=1, start_accuracy=0.4, criterion=["magnitude", "inactivity"][seed % 2])
    reason = final(plain(seed=seed, pruning=plan, max_epochs=9)).reason
    if "same answer" in reason or "to everything" in reason:
        assert "cut less" in reason and "learning rate" not in reason and "λ" not in reason


def test_what_helps_helps():
    """The remedies, followed."""
    assert "penalty" not in final(plain(penalty=PenaltySpec(strength=0.001))).reason
    assert final(plain(learning_rate=0.05)).outcome == "epoch limit reached"
    killed = PruningSpec(ratio=0.99, rounds=1, start_accuracy=0.4)
    assert "minimum of neurons" in final(plain(pruning=killed)).reason
    assert "everything" not in final(plain(pruning=replace(killed, min_units=6))).reason


# What it costs, and what it leaves alone


def test_a_run_that_is_sound_is_never_looked_through(monkeypatch):
    monkeypatch.setattr(collapse, "dead_layer", None)  # would fail if it were asked
    assert final(digits()).outcome in ("target reached", "epoch limit reached")


def test_a_network_that_learns_shows_it_in_the_first_images(monkeypatch):
    data, net = datasets.load("digits"), network(1, (64, 12, 8, 10))
    asked, activations = [], Network.activations
    monkeypatch.setattr(Network, "activations", lambda self, x: asked.append(len(x)) or activations(self, x))
    assert collapse.dead_layer(net, [w != 0 for w in net.weights], data.x_train, data.y_train) is None
    assert asked == [collapse.FIRST]


@pytest.mark.parametrize("seed", [4, 9, 20, 21])
def test_a_run_stopped_on_its_way_dies_in_the_same_epoch_and_words(root, seed, store):
    whole, spec = stored(root, seed)
    for event in experiment.run(spec, store):
        if isinstance(event, EpochEnded):
            break  # torn off before it is stored or right after; what follows is made again
    end = final(spec, store)
    assert end.reason == whole.events(spec.key())[-1].reason
    assert_same(end.network.weights, whole.network(spec.key()).weights)
    assert store.snapshot(spec.key()).to_bytes() == whole.snapshot(spec.key()).to_bytes()


def test_the_log_of_a_sound_run_says_nothing_of_answers(made):
    lines = made.log(digits().key())
    assert lines and not any("answer" in line for line in lines)
    assert b"fallen" not in made.snapshot(digits().key()).to_bytes()
