"""What the choice of arithmetic costs: an epoch, a cut with its spectra, an atlas; each in processes of their own, in turns.

`as loaded` is the arithmetic before there was a choice: the libraries are loaded before `core`, with their own settings.
"""

from __future__ import annotations

import subprocess
import sys

from bench.measure import Arm, Effort, Line, Lines, Said

NAME = "arithmetic"
KINDS = {"native": "native", "portable": "portable", "as loaded": "native"}
WORK = ("an epoch", "an epoch, half masked", "a cut with its spectra", "an atlas")
# "as loaded": MKL reads its settings at its first product, OpenBLAS and PyTorch when they are loaded.
LOADED_BEFORE = "import numpy, scipy.linalg, torch; torch.ones(64, 64) @ torch.ones(64, 64)"
ONCE = """
import sys, time
from core import cut, datasets, training
from core.atlas import Survey
from core.recipe import CutOrder
from core.spec import RunSpec
from core.store import Store
from core.training import Trainer
from core import atlas, criteria, experiment, masks
from bench.measure import Effort
import dataclasses, numpy, tempfile
spec = RunSpec(arithmetic=sys.argv[1], max_epochs=1)
data = Effort(quick=sys.argv[2] == "quick").data()
state = training.start(spec, data)
half = state.with_kept(masks.choose([numpy.abs(w) for w in state.weights[:-1]], state.network(), 0.5).kept)

def timed(work):
    work()
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)

def epoch(state):
    trainer = Trainer(data, [spec], [state], "cpu")
    return lambda: list(trainer.epoch(1))

rng = numpy.random.default_rng(0)
counts = [rng.integers(0, 9000, width) for width in spec.hidden]
counted = dataclasses.replace(state, fired=tuple(counts), seen=9000)

def one_cut():
    chosen = cut.choose(spec, CutOrder(ratio=0.5, round=1), counted, data, 1)
    experiment._singular_values(counted)
    experiment._singular_values(counted.with_kept(chosen.kept))

def one_atlas():
    network = counted.network()
    given = cut.evidence(spec, "activation-frequency", network, (counts, 9000), data, 1)
    scores = criteria.scores("activation-frequency", given)
    choice = Survey(run="0" * 16, epoch=1)
    atlas.build(choice, network, scores, data, redundancy="full", min_units=0, n_jobs=1, progress=lambda share: True)

for work in (epoch(state), epoch(half), one_cut, one_atlas):
    print(timed(work))
"""


def lines(effort: Effort) -> Lines:
    """The portable and the native arithmetic against each other, and both against how it was."""
    yield Said(
        NAME, "Two arithmetics, each in a process of its own, one thread; the best of three, several processes in turns"
    )
    seconds: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for _ in range(effort.few + 1):
        for kind, arithmetic in KINDS.items():
            code = (LOADED_BEFORE if kind == "as loaded" else "") + ONCE
            size = "quick" if effort.quick else "whole"
            command = [sys.executable, "-c", code, arithmetic, size]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds[kind].append([float(line) for line in done.stdout.split()])
    for place, work in enumerate(WORK):
        arms = {kind: Arm(f"{work}, {kind}", tuple(each[place] for each in rounds)) for kind, rounds in seconds.items()}
        for kind in ("portable", "native"):
            yield Line(NAME, arms[kind], arms["as loaded"])
        yield Line(NAME, arms["portable"], arms["native"])
