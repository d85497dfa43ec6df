"""One cut of a network of 320,700 weights: scoring and choosing, and the spectra of both sides."""

from __future__ import annotations

from bench.measure import Arm, interleaved
from core import criteria, datasets, masks, spectra, training
from core.criteria import Evidence
from core.network import Network
from core.spec import RunSpec
from core.training import Trainer

CRITERIA = ("activation-frequency", "magnitude")


def measure(rounds: int, images: int | None = None) -> list[Arm]:
    """Per criterion: choosing alone, then choosing and the spectra of every hidden layer before and after the cut."""
    spec, data = RunSpec(), datasets.load("mnist-mini")
    trainer = Trainer(data, [spec], [training.start(spec, data)], "cpu")
    for share in trainer.epoch(1):
        if images and share * len(data.x_train) >= images:
            break
    state = trainer.states()[0]
    evidence = Evidence(state.network(), state.fired, state.seen)
    arms = {}
    for name in CRITERIA:
        arms[f"{name}: choose"] = lambda name=name: _choose(name, evidence)
        arms[f"{name}: choose, spectra of both sides"] = lambda name=name: _with_spectra(name, evidence)
    return interleaved(arms, rounds)


def _choose(name: str, evidence: Evidence) -> masks.Masks:
    return masks.choose(criteria.scores(name, evidence), evidence.network, 0.5)


def _with_spectra(name: str, evidence: Evidence) -> None:
    for network in (evidence.network, _choose(name, evidence).apply(evidence.network)):
        _spectra(network)


def _spectra(network: Network) -> list[spectra.Spectrum]:
    return [spectra.spectrum(weight) for weight in network.weights[:-1]]
