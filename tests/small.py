"""Small networks and specs that several tests use."""

import numpy as np

from core.artifacts import codec
from core.criteria import Evidence
from core.network import Network
from core.spec import PruningSpec, RunSpec

FIVE_FOUR_THREE = (5, 4, 3, 4, 2)


def network(seed=0, sizes=FIVE_FOUR_THREE, zeros=0.0) -> Network:
    """Normal weights and biases; each hidden weight is zero with probability `zeros`."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(units, inputs)).astype("f") for inputs, units in zip(sizes, sizes[1:], strict=False)]
    for weight in weights[:-1]:
        weight[rng.random(weight.shape) < zeros] = 0
    return Network(weights, [rng.normal(size=units) for units in sizes[1:]])


def evidence(net: Network, seed=0, rows=64) -> Evidence:
    """Everything any criterion may ask for; counts are small, so that they tie."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((rows, net.weights[0].shape[1]), dtype=np.float32)
    gradients = [rng.normal(size=weight.shape).astype("f") for weight in net.weights]
    fired = [rng.integers(0, 4, units) for units in net.hidden]
    return Evidence(net, fired, 4, inputs, gradients, np.random.default_rng(seed))


def digits(pruning=(), **changes) -> RunSpec:
    """A run of half a second that makes three cuts; `pruning` changes its PruningSpec, None leaves it out."""
    plan = {"ratio": 0.6, "rounds": 3, "start_accuracy": 0.6}
    values = {"dataset": "digits", "hidden": (24, 16), "learning_rate": 0.1, "batch_size": 16, "max_epochs": 7}
    values |= {"target_accuracy": 0.9, "pruning": None if pruning is None else PruningSpec(**plan | dict(pruning))}
    return RunSpec(**values | changes)


def assert_same(one, other) -> None:
    """Two sequences of arrays are equal bit for bit."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def there_and_back(artifact, value):
    """The value as it comes back from its file."""
    return artifact.unpack(*codec.unpacked(codec.packed(*artifact.pack(value))))
