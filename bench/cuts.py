"""One cut and what is seen of it: choosing and applying, the spectra of both sides, the film of a whole run; against
`torch.nn.utils.prune` and a loop."""

from __future__ import annotations

import copy
from functools import partial

from bench import torch_prune, trained
from bench.measure import Effort, Line, Lines, Said, interleaved
from core import criteria, masks, spectra
from core.claims import spectral_history
from core.criteria import Evidence
from core.network import Network
from core.publish.example import EXAMPLE
from core.spec import RunSpec
from core.store import Store
from core.store.snapshot import Snapshot
from core.views import spectral_history as spectral_history_view

NAME = "cuts"
RATIO = 0.8
CRITERIA = {"activation-frequency": "under 15 ms", "magnitude": "under 15 ms"}
PRUNE = "torch.nn.utils.prune"
BEFORE_AND_AFTER = "both spectra"
FILM, DECOMPOSED = "film of the shipped run, as its page opens", "decomposing every stored moment"


def cut_of(criterion: str, way: str) -> str:
    return f"{criterion}: {way}"


def lines(effort: Effort) -> Lines:
    """A cut of 320,700 weights after an epoch of MNIST mini. Copying the model that PyTorch's way changes is not timed."""
    state = trained.after(1, Effort(quick=True).data())
    network = state.network()
    evidence = Evidence(network, state.fired, state.seen)
    model = torch_prune.model_of(network.weights, network.biases)
    yield Said(NAME, f"One cut at {RATIO:.0%} of a network of 320,700 weights; one thread")
    their = {"magnitude": torch_prune.cut_by_magnitude, "activation-frequency": partial(_by_frequency, state.fired)}
    arms, prepare = {}, {}
    for name in CRITERIA:
        arms[cut_of(name, "ours")] = partial(_cut, name, evidence)
        arms[cut_of(name, PRUNE)] = partial(_theirs, their[name])
        arms[cut_of(name, f"ours, with {BEFORE_AND_AFTER}")] = partial(_with_spectra, name, evidence)
        arms[cut_of(name, f"{PRUNE}, with {BEFORE_AND_AFTER}")] = partial(_their_spectra, their[name])
        prepare |= {name: partial(copy.deepcopy, model) for name in arms if PRUNE in name}
    timed = interleaved(arms, 3 * effort.rounds, prepare)
    for name, wanted in CRITERIA.items():
        yield Line(NAME, timed[cut_of(name, "ours")], timed[cut_of(name, PRUNE)], wanted)
        with_spectra = (timed[cut_of(name, f"{way}, with {BEFORE_AND_AFTER}")] for way in ("ours", PRUNE))
        yield Line(NAME, *with_spectra, wanted="under 120 ms")
    yield from _films(effort)


def _cut(name: str, evidence: Evidence) -> Network:
    return masks.choose(criteria.scores(name, evidence), evidence.network, RATIO).apply(evidence.network)


def _with_spectra(name: str, evidence: Evidence) -> None:
    for network in (evidence.network, _cut(name, evidence)):
        for weight in network.weights[:-1]:
            spectra.spectrum(weight)


def _by_frequency(fired, model, ratio: float) -> None:
    torch_prune.cut_by_frequency(model, fired, ratio)


def _theirs(cut, model) -> None:
    cut(model, RATIO)


def _their_spectra(cut, model) -> None:
    torch_prune.spectra(model)
    cut(model, RATIO)
    torch_prune.spectra(model)


# -- the page of spectra ---------------------------------------------------------------------------------------------


def _films(effort: Effort) -> Lines:
    store, spec = Store(EXAMPLE), RunSpec()
    key = spec.key()
    if not any(run.key == key for run in store.runs()):
        yield Said(NAME, "The shipped run is missing: its film is left out (python -m core.example makes it)")
        return
    count = sum(1 + store.snapshot(key, epoch).cuts for epoch in store.open(key).epochs)
    yield Said(NAME, f"The film of the shipped run: {count} moments of 4 layers, read from its snapshots")
    arms = {FILM: partial(_film, store, spec, key), DECOMPOSED: partial(_decomposed, store, key)}
    timed = interleaved(arms, effort.rounds)
    yield Line(
        NAME, timed[FILM], timed[DECOMPOSED], note="training has stored the singular values; ours draws all the rest"
    )


def _film(store: Store, spec: RunSpec, key: str) -> None:
    spectral_history_view.blob(spec, spectral_history.collect(store, key), store.log(key), label="", finished=True)


def _decomposed(store: Store, key: str) -> None:
    for epoch in store.open(key).epochs:
        moment: Snapshot = store.snapshot(key, epoch)
        for network in [moment.before_cut(), moment.state.network()][: 1 + moment.cuts]:
            torch_prune.spectra(torch_prune.model_of(network.weights, network.biases))
