"""How strong a nuclear-norm penalty leaves a network with the nuclear norm that a pruned one ended with.

Every try is an ordinary stored run: the pruned run's spec without its cuts, with the penalty, for as many epochs as the pruned
run took. The search is on the logarithm of λ and looks at nuclear norms only; accuracy is reported, never used.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from core import spectra
from core.network import Network
from core.spec import PenaltySpec, RunSpec
from core.store import Store
from core.store.artifacts import Artifacts

VERSION = 1
NAME = f"strength-v{VERSION}.json"  # of the result, under the pruned run's key
TOLERANCE = 0.01  # of the nuclear norm: what counts as the same
FIRST, FACTOR = 1e-3, 4.0  # where the search begins, and how far it steps until the goal lies between two tries
WEAKEST, STRONGEST = 1e-7, 1e3
Progress = Callable[["Search", float], bool]


@dataclass(frozen=True)
class Try:
    """One penalised network at its end. strength: λ. nuclear: the sum over hidden layers. values: singular values per hidden
    layer, largest first. alive: living neurons per hidden layer. zero: share of all weights that is zero. key: its run."""

    strength: float
    key: str
    nuclear: float
    test_accuracy: float
    zero: float
    alive: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Search:
    """goal: the pruned network's nuclear norm over its hidden layers. epochs: how long every try trains. every: N. tries: in
    the order made; the first has no penalty. found: the place of the try whose nuclear norm is the goal within TOLERANCE; None
    while it is not found. problem: why there is none, in words."""

    goal: float
    epochs: int
    every: int
    tries: tuple[Try, ...] = ()
    found: int | None = None
    problem: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps(dataclasses.asdict(self) | {"version": VERSION}, indent=1).encode()


def from_bytes(content: bytes) -> Search:
    """The Search that `to_bytes` wrote. Raises ValueError if it is none."""
    try:
        values: dict[str, Any] = json.loads(content)
        if values.pop("version") != VERSION:
            raise ValueError("it is of another version")
        tries = [dict(one) for one in values.pop("tries")]
        for one in tries:
            one["alive"], one["values"] = tuple(one["alive"]), tuple(map(tuple, one["values"]))
        return Search(**values, tries=tuple(Try(**one) for one in tries))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not the result of a search for a penalty's strength: {error}") from error


def load(artifacts: Artifacts, key: str) -> Search | None:
    """The search that is kept of a run, None where there is none, or it cannot be read."""
    content = artifacts.read(key, NAME)
    try:
        return None if content is None else from_bytes(content)
    except ValueError:
        return None  # damaged, or of another version: it can be searched again


def spec_of(pruned: RunSpec, strength: float, epochs: int, every: int | None = None) -> RunSpec:
    """The run that trains with the penalty what `pruned` pruned: same data, start weights and shuffles, no cut, `epochs`
    epochs; it ends earlier only if every training image is right."""
    penalty = PenaltySpec(strength=strength) if every is None else PenaltySpec(strength=strength, every=every)
    return dataclasses.replace(
        pruned,
        pruning=None,
        hand_cuts=(),
        parent=None,
        penalty=penalty,
        target_accuracy=1.0,
        max_epochs=epochs,
        early_stopping="off",
    )


def nuclear(network: Network) -> float:
    """The sum of the hidden layers' nuclear norms."""
    return sum(spectra.spectrum(weight).nuclear for weight in network.weights[:-1])


def search(
    store: Store,
    source: Store,
    key: str,
    going: Progress = lambda search, share: True,
    *,
    every: int | None = None,
) -> Search | None:
    """Finds λ for the finished run `key` of `source`; the tries are trained into `store`, and found there again.

    `going` hears the search so far and the share of the try under way, and may answer False: then None comes back. Raises
    ValueError where the run is not finished or its network diverged.
    """
    run = source.open(key)
    if run.spec is None or not run.finished:
        raise ValueError(run.problem or "this run is not finished: train it to its end, then search for its penalty")
    goal = nuclear(source.network(key))
    state = Search(goal, run.last_epoch, every or PenaltySpec().every)

    def attempt(strength: float) -> float:
        """Trains with the strength; the logarithm of its nuclear norm over the goal, 0 within TOLERANCE."""
        nonlocal state
        made = _made(store, spec_of(run.spec, strength, state.epochs, state.every), lambda share: going(state, share))
        state = dataclasses.replace(state, tries=(*state.tries, made))
        distance = math.log(max(made.nuclear, 1e-30) / goal) if goal > 0 else math.inf
        if abs(made.nuclear / goal - 1) <= TOLERANCE if goal > 0 else False:
            state = dataclasses.replace(state, found=len(state.tries) - 1)
            distance = 0.0
        if not going(state, 0.0):
            raise _Ended
        return distance

    try:
        problem = _find(attempt)
    except _Ended:
        return None
    if state.found is None:
        state = dataclasses.replace(
            state, problem=problem or "the search ended between two strengths that jump over the goal"
        )
    going(state, 1.0)
    return state


class _Ended(Exception):
    """Whoever asked wants no more."""


def _find(attempt: Callable[[float], float]) -> str:
    """Calls `attempt` until it answers 0; else says why it never does."""
    without = attempt(0.0)
    if without == 0:
        return ""
    if without < 0:
        return "without any penalty the network already ends with this nuclear norm, or less: no penalty is as weak"
    at, value = FIRST, attempt(FIRST)
    beside, other = at, value
    while value and value * other > 0:
        beside, other = at, value
        at = at * FACTOR if value > 0 else at / FACTOR
        if not WEAKEST <= at <= STRONGEST:
            return f"no λ between {WEAKEST:g} and {STRONGEST:g} comes to this nuclear norm"
        value = attempt(at)
    if value == 0:
        return ""
    known = {math.log(at): value, math.log(beside): other}
    brentq(
        lambda x: known[x] if x in known else attempt(math.exp(x)),
        *sorted(known),
        xtol=1e-3,
        rtol=1e-6,
        maxiter=30,
        disp=False,
    )
    return ""


def _made(store: Store, spec: RunSpec, going: Callable[[float], bool]) -> Try:
    from core import experiment  # torch is needed only where something is trained
    from core.events import Finished

    last = None
    for event in experiment.run(spec, store, _Steered(going, spec.max_epochs)):
        last = event
    if not isinstance(last, Finished):
        raise _Ended
    network = last.network
    if not all(np.isfinite(weight).all() for weight in network.weights):
        raise ValueError(f"training with λ = {spec.penalty.strength:g} diverged: lower the learning rate of the run")
    values = [spectra.spectrum(weight).values for weight in network.weights[:-1]]
    return Try(
        strength=spec.penalty.strength,
        key=spec.key(),
        nuclear=float(sum(one.astype(np.float64).sum() for one in values)),
        test_accuracy=last.test_accuracy,
        zero=network.sparsity(),
        alive=tuple(int(alive.sum()) for alive in network.alive()),
        values=tuple(tuple(round(float(value), 6) for value in one) for one in values),
    )


class _Steered:
    """Commands of a run that only end it, once `going` answers False."""

    def __init__(self, going: Callable[[float], bool], epochs: int):
        self._going, self._epochs = going, epochs

    def during(self, epoch: int, share: float) -> bool:
        return self._going((epoch - 1 + share) / self._epochs)

    def between(self, epoch: int, cut: bool) -> bool:
        return True
