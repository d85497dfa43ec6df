"""One epoch on a CUDA device, counting on, as graphs over a stack of K networks, against eager PyTorch on the same device.

The peers are written as PyTorch's documentation does, over tensors that lie on the device already, without counting.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from bench.measure import Arm, Effort, Line, Lines, Said, interleaved
from core.datasets import Dataset
from core.experiment import training
from core.experiment.training import Trainer
from core.spec import RunSpec

NAME = "gpu"
DEVICE = "cuda"
STACKS = (1, 8, 64)
WANTED = {1: "at least 8", 64: "at least 50"}
BATCH, RATE = 32, 0.01
PEERS: dict[str, dict[str, bool]] = {
    "eager PyTorch, SGD": {},
    "eager PyTorch, SGD(foreach=True)": {"foreach": True},
    "eager PyTorch, SGD(fused=True)": {"fused": True},
}


def ours(count: int) -> str:
    """The name of the arm that trains a stack of `count` networks."""
    return f"ours, K = {count}"


def lines(effort: Effort) -> Lines:
    """One arm a stack and a peer, interleaved; a stack of K is held against K runs of the fastest peer one after another."""
    if not torch.cuda.is_available():
        yield Said(NAME, "No CUDA device here: the stacks on a GPU are left out")
        return
    data = effort.data()
    yield Said(
        NAME,
        f"One epoch of {data.name}, {len(data.x_train):,} images, batch {BATCH}, counting, on {torch.cuda.get_device_name()}; "
        f"TF32 {'on' if torch.backends.cuda.matmul.allow_tf32 else 'off'}",
    )
    arms = {ours(count): _stack(data, count) for count in STACKS}
    arms |= {name: _eager(data, **options) for name, options in PEERS.items()}
    timed = interleaved({name: _to_the_end(work) for name, work in arms.items()}, effort.rounds)
    for name in PEERS:
        yield Line(NAME, timed[ours(1)], timed[name], WANTED.get(1, ""))
    fastest = min((timed[name] for name in PEERS), key=lambda arm: arm.spread()[1])
    for count in STACKS[1:]:
        in_turn = Arm(f"{count} runs of {fastest.name}", tuple(count * second for second in fastest.seconds))
        yield Line(NAME, timed[ours(count)], in_turn, WANTED.get(count, ""), "one run was timed, and multiplied")


def _to_the_end(work: Callable[[], None]) -> Callable[[], None]:
    def whole() -> None:
        work()
        torch.cuda.synchronize()

    return whole


def _stack(data: Dataset, count: int) -> Callable[[], None]:
    specs = [RunSpec(dataset=data.name, seed=seed, batch_size=BATCH, pruning=None) for seed in range(count)]
    trainer = Trainer(data, specs, [training.start(spec, data) for spec in specs], DEVICE)
    number = 0

    def epoch() -> None:
        nonlocal number
        number += 1
        for _ in trainer.epoch(number):
            pass

    return epoch


def _eager(data: Dataset, **options: bool) -> Callable[[], None]:
    images, labels = torch.tensor(data.x_train, device=DEVICE), torch.tensor(data.y_train, device=DEVICE)
    sizes = [images.shape[1], *RunSpec().hidden, len(data.class_names)]
    layers: list[torch.nn.Module] = []
    for inputs, units in zip(sizes, sizes[1:], strict=False):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).to(DEVICE)
    loss_of = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, **options)

    def epoch() -> None:
        for rows in torch.randperm(len(images), device=DEVICE).split(BATCH):
            optimizer.zero_grad()
            loss = loss_of(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()

    return epoch
