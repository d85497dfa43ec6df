"""How strong a nuclear-norm penalty leaves a network with the nuclear norm that a pruned one ended with.

Every try is an ordinary stored run: the pruned run's spec without its cuts, with the penalty, for as many epochs as the pruned
run took. The search is on the logarithm of λ and looks at nuclear norms only; accuracy is reported, never used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from core import spectra
from core.artifacts import Arrays, Artifact, Moment, Progress, Put, Sources, on
from core.network import Network
from core.spec import PenaltySpec, RunSpec
from core.store import Store, StoredRun

TOLERANCE = 0.01  # of the nuclear norm: what counts as the same
FIRST, FACTOR = 1e-3, 4.0  # where the search begins, and how far it steps until the goal lies between two tries
WEAKEST, STRONGEST = 1e-7, 1e3
Heard = Callable[["Search", float], bool]


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


@dataclass(frozen=True)
class SearchOf(Artifact):
    """The search beside a finished run; its value is a Search, kept after every try."""

    kind = "strength"
    doing = "λ is being searched for"
    run: str

    def label(self, run: StoredRun) -> str:
        return f"search for the penalty beside {run.label}"

    def network(self, sources: Sources) -> Moment:
        return self.run, sources.finished(self.run).last_epoch

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        told = 0

        def heard(search: Search, share: float) -> bool:
            nonlocal told
            if len(search.tries) > told:
                told = len(search.tries)
                put(search)
                sources.own.thin(search.tries[-1].key)  # its start and its end are all that is ever looked at
            return progress(share)

        found = search(sources, self.run, heard)
        if found is not None:
            put(found)

    def whole(self, value: Search) -> bool:
        return value.found is not None or bool(value.problem)

    def pack(self, value: Search) -> tuple[dict[str, Any], Arrays]:
        return dataclasses.asdict(value), {}

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> Search:
        tries = [
            Try(**one | {"alive": tuple(one["alive"]), "values": tuple(map(tuple, one["values"]))})
            for one in header.pop("tries")
        ]
        return Search(**header, tries=tuple(tries))

    @property
    def old_names(self) -> tuple[str, ...]:
        return ("strength-v1.json",)

    def from_old(self, *read: tuple[dict[str, Any], Arrays]) -> Search:
        [(header, arrays)] = read
        return self.unpack({name: value for name, value in header["json"].items() if name != "version"}, arrays)


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
    sources: Sources, key: str, progress: Heard = lambda search, share: True, *, every: int | None = None
) -> Search | None:
    """Finds λ for the finished run `key`; the tries are trained into the sources' own store, and found there again.

    `progress` hears the search so far and the share of the try under way, and may answer False: then None comes back. Raises
    ValueError where the run is not finished or its network diverged.
    """
    run = sources.finished(key)
    goal = nuclear(sources.store(key).network(key))
    state = Search(goal, run.last_epoch, every or PenaltySpec().every)

    def attempt(strength: float) -> float:
        """Trains with the strength; the logarithm of its nuclear norm over the goal, 0 within TOLERANCE."""
        nonlocal state
        made = _made(
            sources.own, spec_of(run.spec, strength, state.epochs, state.every), lambda share: progress(state, share)
        )
        state = dataclasses.replace(state, tries=(*state.tries, made))
        distance = math.log(max(made.nuclear, 1e-30) / goal) if goal > 0 else math.inf
        if abs(made.nuclear / goal - 1) <= TOLERANCE if goal > 0 else False:
            state = dataclasses.replace(state, found=len(state.tries) - 1)
            distance = 0.0
        if not progress(state, 0.0):
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
    progress(state, 1.0)
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


def _made(store: Store, spec: RunSpec, progress: Callable[[float], bool]) -> Try:
    from core import experiment  # torch is needed only where something is trained
    from core.events import Finished

    last = None
    for event in experiment.run(spec, store, _Steered(progress, spec.max_epochs)):
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
    """Commands of a run that only end it, once `progress` answers False."""

    def __init__(self, progress: Callable[[float], bool], epochs: int):
        self._progress, self._epochs = progress, epochs

    def during(self, epoch: int, share: float) -> bool:
        return self._progress((epoch - 1 + share) / self._epochs)

    def between(self, epoch: int, cut: bool) -> bool:
        return True
