"""The penalty's steps against torch's autograd and singular value decomposition, and in training."""

import dataclasses

import numpy as np
import pytest
import torch
from small import assert_same, digits

from core import datasets, experiment, recipe
from core.experiment.penalty import Penalty
from core.experiment.products import Native, Portable
from core.experiment.step import Parameters
from core.experiment.training import Trainer, start
from core.spec import PenaltySpec, RunSpec
from core.store import Store

SHAPES = [(9, 9), (30, 7), (7, 30), (1, 8), (8, 1)]
CPU = torch.device("cpu")
PORTABLE, NATIVE = Portable(), Native(single=False)


def full(shape, seed=0) -> torch.Tensor:
    """Full rank, condition 10."""
    rng = np.random.default_rng(seed)
    u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    return torch.tensor((u * np.linspace(1, 0.1, len(v))) @ v, dtype=torch.float32)


def deficient(shape, rank, seed=0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(shape[0], rank)), rng.normal(size=(rank, shape[1]))
    return torch.tensor(left @ right, dtype=torch.float32)


def shrunk(weight, length, **how) -> torch.Tensor:
    """In the portable arithmetic, which differs from the native one by rounding only."""
    lengths = torch.tensor([length], dtype=torch.float64)
    made, other = (
        Penalty([PenaltySpec(**how)], kind, CPU).shrunk(weight[None], lengths) for kind in (PORTABLE, NATIVE)
    )
    torch.testing.assert_close(made, other, rtol=1e-5, atol=1e-6)
    return made[0]


def weights_of(count, weighting) -> torch.Tensor:
    return torch.arange(1.0, count + 1) if weighting == "index" else torch.ones(count)


def by_svd(weight, thresholds) -> torch.Tensor:
    u, values, v = torch.linalg.svd(weight.double(), full_matrices=False)
    return (u * (values - thresholds).clamp_min(0)) @ v


@pytest.mark.parametrize("weighting", ["equal", "index"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_subgradient_is_autograds_on_full_rank(shape, weighting):
    weight = full(shape).requires_grad_()
    (torch.linalg.svdvals(weight) * weights_of(min(shape), weighting)).sum().backward()
    step = weight.detach() - shrunk(weight.detach(), 1e-3, method="gradient", weighting=weighting)
    assert torch.allclose(step / 1e-3, weight.grad, atol=1e-4 * float(weight.grad.abs().max()) + 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_short_proximal_step_is_that_gradient_too(shape):
    weight = full(shape).requires_grad_()
    torch.linalg.svdvals(weight).sum().backward()
    step = weight.detach() - shrunk(weight.detach(), 1e-3)
    assert torch.allclose(step / 1e-3, weight.grad, atol=1e-4 * float(weight.grad.abs().max()) + 1e-4)


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("method", ["gradient", "proximal"])
def test_where_singular_values_are_zero_nothing_is_added(method, rank):
    weight = deficient((12, 9), rank)
    step = (weight - shrunk(weight, 1e-3, method=method)) / 1e-3
    u, values, v = torch.linalg.svd(weight.double(), full_matrices=False)
    assert torch.allclose(step.double(), u[:, :rank] @ v[:rank], atol=1e-3)
    assert torch.isfinite(step).all()


@pytest.mark.parametrize("weighting", ["equal", "index"])
@pytest.mark.parametrize("length", [0.0, 0.05, 0.3, 5.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_proximal_step_soft_thresholds_the_singular_values(shape, length, weighting):
    weight = full(shape)
    expected = by_svd(weight, length * weights_of(min(shape), weighting))
    assert torch.allclose(shrunk(weight, length, weighting=weighting).double(), expected, atol=1e-6)


def test_the_proximal_step_is_the_best_there_is():
    """Nothing near it has a smaller penalty plus half the squared distance."""
    weight, length = full((8, 5)), 0.2
    best = shrunk(weight, length).double()

    def cost(matrix):
        return length * torch.linalg.svdvals(matrix).sum() + 0.5 * ((matrix - weight) ** 2).sum()

    rng = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(50):
            assert cost(best + size * torch.randn(8, 5, generator=rng)) > cost(best)


def test_a_stack_shrinks_each_network_by_its_own_strength_and_only_where_it_is_on():
    weights = torch.stack([full((6, 4), seed) for seed in range(3)])
    hidden, output = weights.clone(), torch.ones(3, 2, 4)
    mask = (torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(1)) > 0.3).float()
    parameters = Parameters(
        [hidden.mul_(mask), output], [torch.zeros(3, 4)] * 2, [mask, None], torch.tensor([0.1, 0.2, 0.1]), [], 0
    )
    before = hidden.clone()
    penalty = Penalty([PenaltySpec(strength=strength) for strength in (1.0, 0.5, 1.0)], PORTABLE, CPU)
    penalty.take(parameters, 3, [True, True, False])
    for k, length in enumerate((0.1 * 1.0 * 3, 0.2 * 0.5 * 3, 0.0)):
        expected = by_svd(before[k], length) * mask[k]
        assert torch.allclose(hidden[k].double(), expected.double(), atol=1e-6)
    assert (output == 1).all()
    assert (hidden[mask == 0] == 0).all()


def test_stacks_with_different_kinds_of_penalty_are_refused():
    with pytest.raises(ValueError, match="strength"):
        Penalty([PenaltySpec(), PenaltySpec(every=7)], PORTABLE, CPU)
    data, spec = datasets.load("digits"), digits()
    with pytest.raises(ValueError, match="either every network"):
        specs = [spec, dataclasses.replace(spec, penalty=PenaltySpec())]
        Trainer(data, specs, [start(spec, data)] * 2)


# -- in training -----------------------------------------------------------------------------------------------------


def trained(spec: RunSpec, on=None, **how) -> list[np.ndarray]:
    data = datasets.load(spec.dataset)
    trainer = Trainer(data, [spec], [start(spec, data)], **how)
    for _ in trainer.epoch(1, on):
        pass
    return trainer.states()[0].weights


def by_hand(spec: RunSpec, steps_between: int) -> list[np.ndarray]:
    """One epoch with autograd and torch's own decomposition: the same batches, a penalty step after every N and at the end."""
    from core.experiment.training import stream

    data = datasets.load(spec.dataset)
    state = start(spec, data)
    weights = [torch.tensor(w, requires_grad=True) for w in state.weights]
    biases = [torch.tensor(b, requires_grad=True) for b in state.biases]
    order = stream(spec.seed, 1, "shuffle").permutation(len(data.x_train))
    batches = [order[i : i + spec.batch_size] for i in range(0, len(order), spec.batch_size)]
    owed = 0
    for place, rows in enumerate(batches, start=1):
        signal = torch.tensor(data.x_train[rows])
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            signal = signal @ weight.T + bias
            signal = torch.relu(signal) if layer < len(weights) - 1 else signal
        loss = torch.nn.functional.cross_entropy(signal, torch.tensor(data.y_train[rows]))
        gradients = torch.autograd.grad(loss, [*weights, *biases])
        owed += 1
        with torch.no_grad():
            for parameter, gradient in zip([*weights, *biases], gradients, strict=True):
                parameter -= spec.learning_rate * gradient
            if owed == steps_between or place == len(batches):
                for weight in weights[:-1]:
                    weight.copy_(by_svd(weight, spec.learning_rate * spec.penalty.strength * owed))
                owed = 0
    return [weight.detach().numpy() for weight in weights]


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_an_epoch_with_the_penalty_against_autograd_by_hand(every):
    spec = digits(pruning=None, penalty=PenaltySpec(strength=0.02, every=every))
    for ours, theirs in zip(trained(spec), by_hand(spec, every), strict=True):
        assert np.abs(ours - theirs).max() < 1e-4
    plain = trained(dataclasses.replace(spec, penalty=None))
    assert np.linalg.norm(trained(spec)[0], "nuc") < 0.95 * np.linalg.norm(plain[0], "nuc")


def test_off_it_trains_as_without():
    spec = digits(pruning=None, penalty=PenaltySpec(strength=0.5))
    plain = trained(dataclasses.replace(spec, penalty=None))
    for off, without in zip(trained(spec, [False]), plain, strict=True):
        assert np.allclose(off, without, atol=1e-6)
    nothing = dataclasses.replace(spec, penalty=PenaltySpec(strength=0.0))
    for off, without in zip(trained(nothing), plain, strict=True):
        assert np.allclose(off, without, atol=1e-5)


def test_weights_of_inputs_that_are_always_dark_are_shrunk_too():
    data = datasets.load("digits")
    dark = ~data.x_train.any(axis=0)
    assert dark.any(), "digits have corners that are never lit"
    spec = digits(pruning=None, penalty=PenaltySpec(strength=0.5))
    before = np.linalg.norm(start(spec, data).weights[0][:, dark])
    assert np.linalg.norm(trained(spec)[0][:, dark]) < 0.9 * before


def test_windows_of_graphs_end_where_a_penalty_step_is_due():
    from core.experiment.series import AT_ONCE, Windows

    data, spec = datasets.load("digits"), digits()
    trainer = Trainer(data, [spec], [start(spec, data)])
    for every in (1, 2, 3, 4, 6, 50, 51):
        windows = Windows(trainer._parameters, trainer._products, trainer._images, 16, 40, every)
        assert every % windows.length == 0 and windows.length == max(n for n in range(1, AT_ONCE + 1) if every % n == 0)


def test_a_pruned_and_penalised_run_keeps_its_zeros_and_resumes_to_the_same_bits(tmp_path):
    spec = digits(penalty=PenaltySpec(strength=0.01, every=5, switching="alternate-epochs"))
    whole, part = Store(tmp_path / "whole"), Store(tmp_path / "part")
    *_, finished = experiment.run(spec, whole)
    for event in experiment.run(spec, part):
        if getattr(event, "epoch", 0) == 3:
            break
    *_, resumed = experiment.run(spec, part)
    assert_same(finished.network.weights, resumed.network.weights)
    kept = whole.snapshot(spec.key()).state.kept
    assert not all(mask.all() for mask in kept)
    for weight, mask in zip(finished.network.weights, kept, strict=True):
        assert (weight[~mask] == 0).all()
    *_, plain = experiment.run(dataclasses.replace(spec, penalty=None))
    assert np.abs(plain.network.weights[0] - finished.network.weights[0]).max() > 1e-3


def test_the_released_switching_is_on_in_every_other_epoch_after_the_accuracy():
    spec = RunSpec(pruning=None, penalty=PenaltySpec(switching="alternate-epochs"))
    state, on = recipe.State(), []
    for epoch, accuracy in enumerate((0.3, 0.69, 0.72, 0.6, 0.8, 0.9, 0.9), start=1):
        on.append(recipe.penalised(spec, state, epoch))
        state = recipe.after_epoch(spec, state, epoch, accuracy, 1.0, 1.0).state
    assert on == [False, False, False, True, False, True, False]
    always = RunSpec(pruning=None, penalty=PenaltySpec())
    assert recipe.penalised(always, recipe.State(), 1)
    assert not recipe.penalised(RunSpec(), recipe.State(penalised_from=1), 1)


@pytest.mark.parametrize("method", ["proximal", "gradient"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [*SHAPES, (64, 30), (16, 200)])
def test_weights_beyond_numbers_stay_so_and_leave_the_other_networks_alone(shape, bad, method):
    sound = full(shape)
    broken = sound.clone()
    broken[0, 0] = bad
    penalty = Penalty([PenaltySpec(method=method), PenaltySpec(method=method)], PORTABLE, CPU)
    lengths = torch.tensor([0.1, 0.1], dtype=torch.float64)
    first, second = penalty.shrunk(torch.stack([broken, sound]), lengths)
    assert torch.isnan(first).all() and torch.equal(second, shrunk(sound, 0.1, method=method))


@pytest.mark.parametrize("seed", range(24))
def test_whatever_diverges_with_a_penalty_ends_as_diverged_with_its_epoch(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(int(width) for width in rng.integers(1, 40, rng.integers(1, 4)))
    penalty = PenaltySpec(
        strength=float(10 ** rng.uniform(-6, 3)),
        every=int(rng.integers(1, 30)),
        method=["proximal", "gradient"][seed % 2],
    )
    rate = float(10 ** rng.uniform(1, 12))
    spec = digits(
        None if seed % 3 else {}, hidden=widths, learning_rate=rate, penalty=penalty, seed=seed, max_epochs=4,
        optimizer=["sgd", "sgd", "adam"][seed % 3],
    )  # fmt: skip
    final = list(experiment.run(spec))[-1]
    if not all(np.isfinite(weight).all() for weight in final.network.weights):
        assert final.outcome == "diverged" and "in epoch" in final.reason and "smaller learning rate" in final.reason
