"""A network trained with the nuclear-norm penalty instead of being pruned, beside the pruned one: the second half of claim 4.

λ is the one whose network ends with the pruned network's nuclear norm (claims.strength finds it), so what differs between the
two is not how much of that norm is left but what is left of everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from core import spectra
from core.claims import penalty_search
from core.claims.penalty_search import Search, Try
from core.store import Store
from core.views import scene
from core.views.penalty import span


@dataclass(frozen=True, eq=False)
class Ending:
    """A network at the end of its training. accuracy: on test images, 0..1; None while it trains. zero: share of all weights
    that is exactly zero. alive: living neurons per hidden layer. values: singular values per hidden layer, largest first.
    shapes: `(units, inputs)` per hidden layer."""

    accuracy: float | None
    zero: float
    alive: tuple[int, ...]
    values: tuple[np.ndarray, ...]
    shapes: tuple[tuple[int, int], ...]

    @property
    def nuclear(self) -> float:
        """The sum of the hidden layers' nuclear norms."""
        return sum(float(values.sum(dtype=np.float64)) for values in self.values)


def ending(store: Store, key: str) -> Ending | None:
    """How the run stands at its last stored moment; None where it diverged. Raises StoreError where nothing is stored."""
    moment = store.snapshot(key)
    if not moment.spectra:
        return None
    network = moment.state.network()
    return Ending(
        accuracy=next((line["test_accuracy"] for line in store.log(key) if line["kind"] == "Finished"), None),
        zero=network.sparsity(),
        alive=tuple(int(alive.sum()) for alive in network.alive()),
        values=moment.spectra[-1],
        shapes=tuple(weight.shape for weight in network.weights[:-1]),
    )


def blob(key: str, pruned: Ending, search: Search | None, job: dict[str, Any] | None = None) -> bytes:
    """The blob of the search for λ: its tries, and the pruned network beside the penalised one and the one with neither.

    `search`: as far as it is there. `job`: what is under way, as {"text", "share"}.
    """
    arrays: dict[str, np.ndarray] = {}
    tries, best = search.tries if search else (), closest(search)
    ends = {"pruned": pruned}
    if best is not None:
        ends["penalty"] = _ending_of(tries[best], pruned)
    if tries:
        ends["standard"] = _ending_of(tries[0], pruned)
    networks = [_network(arrays, kind, end, ends) for kind, end in ends.items()]
    header = {
        "run": key,
        "goal": pruned.nuclear,
        "tolerance": penalty_search.TOLERANCE,
        "epochs": search.epochs if search else None,
        "every": search.every if search else None,
        "tries": [{"strength": t.strength, "nuclear": t.nuclear, "accuracy": t.test_accuracy} for t in tries],
        "found": search.found if search else None,
        "best": best,
        "job": job,
        "networks": networks,
        "said": [
            *_of_the_search(pruned, search),
            *(_of_both({one["kind"]: one for one in networks}) if search and search.found is not None else []),
        ],
    }
    return scene.pack(header, arrays)


def closest(search: Search | None) -> int | None:
    """The place of the try that is found, or, while none is, of the one with a penalty nearest to the goal; None before there
    is one."""
    if search is None or search.found is not None:
        return search and search.found
    off = {place: abs(one.nuclear - search.goal) for place, one in enumerate(search.tries) if one.strength > 0}
    return min(off, key=lambda place: off[place]) if off else None


def _ending_of(one: Try, pruned: Ending) -> Ending:
    values = tuple(np.asarray(layer, np.float32) for layer in one.values)
    return Ending(one.test_accuracy, one.zero, one.alive, values, pruned.shapes)


def _network(arrays: dict[str, np.ndarray], kind: str, end: Ending, ends: Mapping[str, Ending]) -> dict[str, Any]:
    layers = []
    for layer, (values, shape) in enumerate(zip(end.values, end.shapes, strict=True)):
        found = spectra.from_values(np.array(values), shape)
        arrays[f"{kind}_{layer}"] = np.asarray(values, np.float32)
        described = {name: getattr(found, name) for name in ("rank", "stable_rank", "effective_rank", "nuclear")}
        described |= {"name": f"Hidden {layer + 1}", "alive": end.alive[layer], "units": shape[0]}
        if kind == "penalty":
            described["apart"] = _apart(values, ends["pruned"].values[layer], ends["standard"].values[layer])
        layers.append(described)
    whole = {"kind": kind, "accuracy": end.accuracy, "zero": end.zero, "nuclear": end.nuclear, "alive": sum(end.alive)}
    return whole | {"units": sum(shape[0] for shape in end.shapes), "layers": layers}


def _apart(values: np.ndarray, pruned: np.ndarray, standard: np.ndarray) -> float | None:
    """How far a spectrum is from the pruned one, as a share of how far the one with neither is; None where that is not at
    all."""
    way = float(np.linalg.norm(standard.astype(np.float64) - pruned))
    return float(np.linalg.norm(values.astype(np.float64) - pruned)) / way if way > 0 else None


def _of_the_search(pruned: Ending, search: Search | None) -> list[str]:
    if search is None or not search.tries:
        return []
    done = f"{len(search.tries)} tr{'ies' if len(search.tries) > 1 else 'y'} of {search.epochs} epochs each"
    if search.found is None:
        told = (
            [f"No λ is found after {done}: {search.problem}."]
            if search.problem
            else [f"No λ is found yet after {done}."]
        )
        if (best := closest(search)) is not None:
            near = search.tries[best]
            told.append(
                f"Nearest comes try {best + 1}, λ = {near.strength:.3g}, with a nuclear norm of {near.nuclear:.0f}; the pruned "
                f"network has {pruned.nuclear:.0f}."
            )
        return told
    found = search.tries[search.found]
    return [
        f"λ = {found.strength:.3g} ends with a nuclear norm of {found.nuclear:.0f}, the pruned network with "
        f"{pruned.nuclear:.0f}: the same within {100 * penalty_search.TOLERANCE:g} %, found after {done}."
    ]


def _of_both(networks: Mapping[str, dict[str, Any]]) -> list[str]:
    """The penalised network against the pruned one, in words."""
    pruned, penalty, neither = (networks[kind] for kind in ("pruned", "penalty", "standard"))
    told = [
        f"Of the penalised network {_percent(penalty['zero'])} of the weights are zero and {penalty['alive']} of "
        f"{penalty['units']} hidden neurons live; of the pruned one {_percent(pruned['zero'])} and {pruned['alive']}.",
        f"Ranks per layer: {_list(penalty, 'rank')} with the penalty, {_list(pruned, 'rank')} pruned; effective ranks "
        f"{_list(penalty, 'effective_rank')} and {_list(pruned, 'effective_rank')}.",
    ]
    apart = [layer["apart"] for layer in penalty["layers"] if layer["apart"] is not None]
    if apart:
        told.append(
            f"Layer by layer its singular values are {span(apart)} as far from the pruned network's as those of "
            "the network with neither: 0 % would be the same, 100 % no nearer."
        )
    if pruned["accuracy"] is not None:
        rights = (_percent(one["accuracy"]) for one in (penalty, pruned, neither))
        told.append("Test images right: {} with the penalty, {} pruned, {} with neither.".format(*rights))
    return told


def _percent(share: float) -> str:
    """As the page's tables round it: JavaScript rounds the number as it is stored, halves up."""
    return f"{Decimal(100 * share).quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


def _list(network: dict[str, Any], name: str) -> str:
    return "/".join(f"{layer[name]:.0f}" for layer in network["layers"])
