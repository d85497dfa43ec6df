"""The benchmark runs and prints every row, and its alternatives do what they say; how long it takes is no matter for a test."""

import csv
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import torch
from small import network

from bench import (
    atlas,
    cuts,
    epoch,
    gpu,
    growth,
    inference,
    pages,
    peers,
    penalty,
    plot,
    report,
    run,
    scale,
    server,
    start,
    sweep,
    torch_prune,
    visitors,
)
from bench.growth import Point
from bench.measure import Arm, Effort, Line, Said, interleaved
from core import criteria, masks, spectra
from core.criteria import Evidence
from core.events import EpochEnded
from core.jobs import processes
from core.spec import RunSpec
from core.store import Store
from core.store.log import line_of
from core.views import scene

REPOSITORY = Path(__file__).parents[1]
QUICK = ("epoch", "run", "cuts", "penalty", "inference", "atlas", "sweep", "gpu")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What a quick run of all but the sections with a server prints, and its rows."""
    file = tmp_path_factory.mktemp("bench") / "table.csv"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--only", *QUICK, "--csv", str(file)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, list(csv.DictReader(file.read_text("utf-8").splitlines()))


def test_the_quick_run_has_every_line(quick):
    printed, rows = quick
    found = {(row["what"], row["against"]) for row in rows}
    peers_of_ours = {epoch.LIMIT, epoch.LIMIT_USUAL, epoch.AUTOGRAD, epoch.ALL_CORES, epoch.LOADER, epoch.SCIKIT_LEARN}
    assert {(ours, peer) for ours in (epoch.OURS, epoch.MASKED) for peer in peers_of_ours} <= found
    assert {(cuts.cut_of(name, "ours"), cuts.cut_of(name, cuts.PRUNE)) for name in cuts.CRITERIA} <= found
    assert (cuts.FILM, cuts.DECOMPOSED) in found and (sweep.OURS, sweep.IN_TURN) in found
    assert {(penalty.name(every), penalty.WITHOUT) for every in penalty.EVERY} <= found
    assert {(atlas.arm(atlas.CRITERIA[0], atlas.OURS), other) for other in (atlas.DIRECT, atlas.PRUNE)} <= found
    told = [what for what, against in found if against == inference.DENSE]
    assert len(told) == 3 * len(inference.CUTS) * len(inference.BATCHES)
    assert sum(what.startswith(run.OURS) for what, _ in found) == 3
    assert "differ on at most 0 test images" in printed or "differ on at most 1 test images" in printed


def test_every_line_has_its_ratio_and_what_it_was_taken_on(quick):
    printed, rows = quick
    lines = [row for row in rows if row["against"]]
    once = [row for row in lines if row["rounds"] == "1"]  # of more, the median of ratios is no ratio of medians
    assert once
    for row in once:
        assert float(row["ratio"]) == pytest.approx(float(row["against_ms"]) / float(row["ms"]), rel=0.01)
    assert all(row["what"] in printed and row["against"] in printed for row in lines)
    assert all(row["torch"] == torch.__version__ and row["processor"] and row["date"] for row in rows)


def test_what_is_not_installed_is_left_out_with_a_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "No CUDA device here: the stacks on a GPU are left out" in list(gpu.lines(Effort(quick=True)))[-1].text
    monkeypatch.setitem(sys.modules, "keras", None)  # importing it fails, as without it or without its backend
    monkeypatch.setattr(epoch, "interleaved", lambda arms, rounds: {name: Arm(name, (1.0,)) for name in arms})
    found = list(epoch.lines(Effort(quick=True)))
    assert any(isinstance(one, Said) and "Keras is left out here" in one.text for one in found)
    assert epoch.KERAS not in {one.against.name for one in found if isinstance(one, Line)}
    monkeypatch.setattr(server, "missing", lambda: "there is no browser")
    monkeypatch.setattr(processes, "FORKS", False)
    for section, words in (
        (start, "there is no browser"),
        (pages, "there is no browser"),
        (start, "cannot fork safely"),
    ):
        assert any(words in one.text for one in section.lines(Effort(quick=True)))


@pytest.mark.skipif(not processes.FORKS, reason="this system's workers are fresh processes")
def test_the_first_epoch_is_timed_with_both_kinds_of_worker(monkeypatch):
    monkeypatch.setattr(server, "missing", lambda: "there is no browser")
    *_, line = start.lines(Effort(quick=True))
    assert (line.what.name, line.against.name) == (start.FORKED, start.FRESH) and processes.FORKS
    assert 0 < line.what.seconds[0] < line.against.seconds[0]  # the fresh one loads torch first


def test_a_stack_is_held_against_that_many_runs_one_after_another(monkeypatch):
    """The section's own lines, on the CPU: a GPU is lent to few."""
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "STACKS", (1, 2))
    monkeypatch.setattr(gpu, "PEERS", dict(list(gpu.PEERS.items())[:2]))
    for name, value in (("is_available", True), ("get_device_name", "none"), ("synchronize", None)):
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    *one, two = [line for line in gpu.lines(Effort(1, quick=True)) if isinstance(line, Line)]
    assert [line.what.name for line in one] == 2 * [gpu.ours(1)] and two.what.name == gpu.ours(2)
    assert two.against.seconds[0] == 2 * min(line.against.seconds[0] for line in one)


def test_arms_take_turns_and_what_is_prepared_is_not_in_the_time():
    calls = []
    arms = {"a": lambda given: calls.append(given), "b": lambda: calls.append("b")}
    timed = interleaved(arms, 3, {"a": lambda: calls.append("made") or "a"})
    assert calls == ["made", "a", "b"] * 4 and [len(arm.seconds) for arm in timed.values()] == [3, 3]


def test_a_ratio_says_how_many_times_as_long_the_alternative_takes():
    line = Line("epoch", Arm("ours", (0.001, 0.002, 0.004)), Arm("theirs", (0.002, 0.006, 0.004)), "at least 2")
    assert line.against.ratio(line.what) == (1.0, 2.0, 3.0) and line.what.spread() == (1.0, 2.0, 4.0)
    assert "2.00 × (1.00..3.00)" in report.told(line) and "wanted: at least 2" in report.told(line)
    alone = report.told(Line("pages", Arm("drag", (0.01, 0.02, 1.5))))
    assert "20.0 ms  (10.0 ms to 1,500 ms)" in alone


def test_a_busy_machine_is_told():
    about = report.machine()
    assert "worth nothing" in report.heading(about | {"load": "3.1"})
    assert "worth nothing" not in report.heading(about | {"load": "0.1"})


# -- the alternatives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_first", [False, True])
def test_the_limit_is_the_fourteen_products_of_a_step(monkeypatch, in_first):
    found, sizes, batch = [], (784, 300, 200, 100, 50, 10), 32
    work = peers.products(np.zeros((2 * batch, 784)), None, sizes, batch, 0.01, in_first)
    monkeypatch.setattr(torch, "mm", lambda left, right, out: found.append((*left.shape, right.shape[1])))
    work()
    layers = list(zip(sizes, sizes[1:], strict=False))
    forward = [(batch, inputs, units) for inputs, units in layers]
    back = [(batch, units, inputs) for inputs, units in layers[1:]]
    gradients = [(inputs, batch, units) if in_first else (units, batch, inputs) for inputs, units in layers]
    assert len(found) == 2 * 14 and sorted(found) == sorted(2 * [*forward, *back, *gradients])


@pytest.mark.parametrize("name", ["dataloader", "autograd", "autograd_on_all_cores", "scikit_learn"])
def test_the_alternatives_stand_alone(name):
    """Each is run by its own source, pasted into an empty module, as its docstring promises."""
    source = (REPOSITORY / "bench" / "peers.py").read_text("utf-8")
    start_at = source.index(f"def {name}(")
    text = source[start_at : source.find("\ndef ", start_at)]
    needs = "autograd" if name == "autograd_on_all_cores" else None
    if needs:
        at = source.index(f"def {needs}(")
        text = source[at : source.find("\ndef ", at)] + text
    names = {}
    exec(compile(text, name, "exec"), names)
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 12), np.float32), rng.integers(0, 3, 64)
    names[name](x, y, (12, 8, 3), 16, 0.01)()


def test_cutting_with_torch_gives_the_same_masks_as_ours():
    net = network(sizes=(12, 10, 8, 6, 4))
    counts = [np.arange(units)[::-1].copy() * 10 + layer for layer, units in enumerate(net.hidden)]
    linear = slice(0, None, 2)
    for name in cuts.CRITERIA:
        scores = criteria.scores(name, Evidence(net, counts, 1000))
        ours = masks.choose(scores, net, 0.5)
        model = torch_prune.model_of(net.weights, net.biases)
        if name == "magnitude":
            torch_prune.cut_by_magnitude(model, 0.5)
        else:
            torch_prune.cut_by_frequency(model, counts, 0.5)
        theirs = [layer.weight.detach().numpy() != 0 for layer in model[linear]]
        apart = sum(int((a != b).sum()) for a, b in zip(ours.kept, theirs, strict=True))
        # Ours cuts the last neuron in part, to be exact; the loop takes it whole.
        assert apart <= (0 if name == "magnitude" else 12 + 10), name
        cut = ours.apply(net)
        found = torch_prune.spectra(torch_prune.model_of(cut.weights, cut.biases))
        for one, weight in zip(found, cut.weights[:-1], strict=True):
            own = spectra.spectrum(weight)
            assert one["rank"] == own.rank
            for theirs_of, ours_of in (
                ("nuclear", own.nuclear),
                ("effective", own.effective_rank),
                ("stable", own.stable_rank),
            ):
                assert one[theirs_of] == pytest.approx(ours_of, rel=1e-4)


def test_every_form_of_a_pruned_network_answers_alike():
    net, x = network(zeros=0.8), torch.rand(7, 5)
    expected = net.forward(x.numpy())
    for form in (inference.dense(net), inference.dense(net.shrink()), inference.csr(net)):
        np.testing.assert_allclose(form(x).numpy(), expected, rtol=1e-4, atol=1e-5)


# -- pages and scale -------------------------------------------------------------------------------------------------


def test_a_visitor_finds_the_epoch_in_what_the_page_is_sent():
    log = [line_of(EpochEnded(12, 0.9, 0.1, 0.9, 0.1, 1.0))]
    assert visitors.SHOWN.findall(b"\x00" + scene.sentence(RunSpec(), log).encode()) == [b"12"]


def test_an_update_is_as_late_as_the_first_sight_of_its_epoch_or_of_a_later_one(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "runs" / "key").mkdir(parents=True)
    for number, when in ((1, 100.0), (2, 101.0), (3, 102.0)):
        file = tmp_path / "runs" / "key" / f"epoch-{number:03d}.safetensors"
        file.touch()
        os.utime(file, (when, when))
    assert pages._late(store, "key", range(1, 4), {1: 100.25, 3: 102.5}) == [0.25, 1.5, 0.5]
    with pytest.raises(RuntimeError, match="epoch 3 was never shown"):
        pages._late(store, "key", range(1, 4), {1: 100.25, 2: 102.5})


def test_the_process_of_this_test_holds_torch():
    assert start.holds_torch(os.getpid()) in (True, None)
    assert start.holds_torch(2**22 + 1) is None


def test_a_filled_store_lists_that_many_finished_runs(tmp_path):
    growth.fill(Store(tmp_path), 3)
    runs = Store(tmp_path).runs()
    assert len(runs) == 3 and all(run.finished and not run.problem for run in runs)
    assert Store(tmp_path).network(runs[0].key).hidden == RunSpec().hidden


def test_scale_writes_what_it_measured_and_plots_it(tmp_path):
    file, picture = tmp_path / "scale.csv", tmp_path / "scale.svg"
    points = [
        Point("width", 64, "a <step>", 0.5),
        Point("width", 128, "a <step>", 1.5),
        Point("K", 1, "memory", 300, "MB"),
    ]
    about = report.machine()
    report.write(file, [vars(one) | about for one in points], [*vars(points[0]), *about])
    assert scale.read(file) == points
    scale.main(["--from", str(file), "--plot", str(picture)])
    words = "".join(ElementTree.parse(picture).getroot().itertext())
    assert "a <step>" in words and "memory" in words and "128" in words


def test_names_in_the_plot_never_overlap():
    moved = plot._apart([100.0, 101.0, 99.0, 250.0])
    assert min(abs(a - b) for i, a in enumerate(moved) for b in moved[:i]) >= 16
    assert json.dumps(sorted(moved)) == json.dumps([moved[2], moved[0], moved[1], moved[3]])
