"""One number for one spec: neither memory, threads, the caller's settings nor the maker of the processor may show in a bit."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from small import digits
from test_criteria import NAMED
from visiting import REPOSITORY

from core import arithmetic, blas, datasets, experiment
from core.arithmetic import SETTINGS
from core.events import Notice
from core.experiment import training
from core.experiment.products import Native, Portable
from core.experiment.training import Trainer
from core.publish import fingerprints
from core.store import Store

ONE, STACK = 1, 3
FAMILY = fingerprints.other_family()
portable_here = pytest.mark.skipif(bool(FAMILY), reason=FAMILY)
TABLE = {line["what"]: line for line in fingerprints.table()}


# -- the table -------------------------------------------------------------------------------------------------------


def test_the_table_has_every_run_and_what_is_derived_from_one():
    # A criterion that is new here has no line yet.
    assert list(TABLE) == [*(name for name in fingerprints.runs() if name in TABLE), "atlas", "random cuts"]
    assert set(NAMED) < set(TABLE)
    prints = [line["fingerprint"] for line in TABLE.values()]
    assert len(set(prints)) == len(prints), "two lines with one fingerprint: one of them tests nothing"


@portable_here
def test_this_computer_reproduces_every_line_of_the_table():
    for line in fingerprints.lines():
        assert line == TABLE[line["what"]], f"{line['what']} on {arithmetic.processor()}"


def reproduced(before: str = "", **environment) -> subprocess.CompletedProcess:
    """The command of the README on two of the runs, in a process of its own; `before` comes before core is imported."""
    code = f"{before}\nimport sys; from core import fingerprints; sys.argv = ['', 'wanda', 'adam']; fingerprints.main()"
    kept = {name: value for name, value in os.environ.items() if name not in (*SETTINGS, "OMP_NUM_THREADS")}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=REPOSITORY, env=kept | environment, capture_output=True, text=True, timeout=250, check=False
    )


OTHERS = [
    {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Sandybridge"},
    {"MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"},
]


@portable_here
@pytest.mark.parametrize("environment", [*OTHERS, {}], ids=lambda values: " ".join(values) or "nothing set")
def test_what_the_caller_has_set_does_not_show(environment):
    done = reproduced(**environment)
    assert done.returncode == 0 and "all 2 are the same" in done.stdout, done.stdout + done.stderr


DERIVED = """
import os, sys, tempfile
if sys.argv[1] == "one core" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from core import experiment
from core.publish import fingerprints
from core.store import Store
with tempfile.TemporaryDirectory() as folder:
    store, spec = Store(folder), next(iter(fingerprints.runs().values()))
    list(experiment.run(spec, store, device="cpu"))
    print(*(line["fingerprint"] for line in fingerprints._derived(store, spec)))
"""


@portable_here
@pytest.mark.parametrize("cores", ["one core", "all cores"])
@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_what_is_computed_from_a_network_does_not_depend_on_cores_or_threads(cores, threads):
    environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-c", DERIVED, cores]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=250)
    assert done.stdout.split() == [TABLE[name]["fingerprint"] for name in ("atlas", "random cuts")], done.stderr


@portable_here
def test_in_a_notebook_numpy_may_come_first():
    done = reproduced("import numpy; numpy.ones((9, 9)) @ numpy.ones((9, 9))")
    assert done.returncode == 0, done.stdout + done.stderr


@portable_here
@pytest.mark.parametrize(
    "library, before, words",
    [
        ("ATEN_CPU_CAPABILITY", "import torch; torch.ones(9).exp()", "PyTorch was loaded before the explorer"),
        ("OPENBLAS_CORETYPE", "import scipy.linalg", "SciPy was loaded before the explorer"),
    ],
)
def test_what_was_loaded_before_with_other_settings_is_told_with_a_remedy_that_works(library, before, words):
    other = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Sandybridge"}
    done = reproduced(before, **other)
    assert done.returncode == 1 and words in done.stderr and f"set {library}=" in done.stderr
    name, value = done.stderr.split("or set ")[1].split(" before")[0].split("=")
    assert reproduced(before, **other | {name: value}).returncode == 0


@portable_here
def test_a_run_in_such_a_process_says_so_and_is_of_another_family(monkeypatch, store):
    monkeypatch.setattr(arithmetic, "_capability", lambda: "AVX512")
    spec = digits(max_epochs=1)
    events = list(experiment.run(spec, store))
    assert "PyTorch was loaded before the explorer" in next(e.text for e in events if isinstance(e, Notice))
    family = store.provenance(spec.key())["family"]
    assert family.startswith("native ") and "with PyTorch AVX512" in family


def test_without_avx2_nothing_is_set_and_the_numbers_are_the_processors_own(monkeypatch):
    monkeypatch.setattr(arithmetic, "flags", lambda: frozenset())
    for name in SETTINGS:
        monkeypatch.setenv(name, "as it was")
    arithmetic.choose()
    assert all(os.environ[name] == "as it was" for name in SETTINGS)
    assert not arithmetic.overridden() and arithmetic.family("portable", "cpu", "x").startswith("native ")
    assert "no AVX2" in fingerprints.other_family()
    data, spec = datasets.load("digits"), digits()
    assert isinstance(Trainer(data, [spec], [training.start(spec, data)], "cpu")._products, Native)


# -- products --------------------------------------------------------------------------------------------------------


def operands(rng, count, rows, inputs, units):
    lead = () if count == ONE else (count,)
    sizes = {"bias": (units,), "signal": (rows, inputs), "weight": (inputs, units), "delta": (rows, units)}
    return {name: rng.standard_normal((*lead, *size), dtype=np.float32) for name, size in sizes.items()}


def moved(array: np.ndarray, offset: int) -> torch.Tensor:
    """The same values `4 · offset` bytes further on in memory."""
    room = torch.zeros(array.size + 64)
    return room[offset : offset + array.size].view(*array.shape).copy_(torch.from_numpy(array))


def all_products(products, given: dict[str, np.ndarray], offset: int) -> list[np.ndarray]:
    at = {name: moved(array, (offset * (place + 1)) % 17) for place, (name, array) in enumerate(given.items())}
    bias, signal, weight, delta = at.values()
    out = [
        products.affine(bias, signal, weight, moved(given["delta"], offset)),
        products.affine(bias, signal, weight, moved(given["delta"], offset), relu=True),
        products.back(delta, weight, moved(given["signal"], offset)),
        products.gradient(signal, delta),
    ]
    products.descend(weight, signal, delta)
    return [part.numpy().copy() for part in (*out, weight)]


@pytest.mark.parametrize("count", [ONE, STACK])
@pytest.mark.parametrize("kind", ["native", "portable"])
def test_products_do_not_depend_on_where_in_memory_the_arrays_lie(kind, count):
    rng = np.random.default_rng(0)
    products = Native(count == ONE) if kind == "native" else Portable()
    for _ in range(40):
        given = operands(rng, count, *rng.integers(1, 70, 3))
        first = all_products(products, given, 0)
        for offset in (1, 2, 3, 5, 8, 13):
            for one, other in zip(first, all_products(products, given, offset), strict=True):
                assert one.tobytes() == other.tobytes(), {name: array.shape for name, array in given.items()}


@pytest.mark.parametrize("count", [ONE, STACK])
def test_portable_products_are_products(count):
    rng = np.random.default_rng(1)
    for _ in range(40):
        given = operands(rng, count, *rng.integers(1, 70, 3))
        made = all_products(Portable(), given, 3)
        bias, signal, weight, delta = (array.astype(np.float64) for array in given.values())
        affine = signal @ weight + bias[..., None, :]
        gradient = signal.swapaxes(-1, -2) @ delta
        exact = [affine, np.maximum(affine, 0), delta @ weight.swapaxes(-1, -2), gradient, weight + gradient]
        for one, other in zip(made, exact, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_a_layer_without_units_gives_what_its_bias_gives():
    bias, out = torch.tensor([1.0, -2.0]), torch.full((5, 2), 9.0)
    Portable().affine(bias, torch.zeros(5, 0), torch.zeros(0, 2), out, relu=True)
    assert out.tolist() == [[1.0, 0.0]] * 5
    assert not Portable().back(torch.zeros(5, 0), torch.zeros(3, 0), torch.ones(5, 3)).any()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_products_of_arrays_in_any_order(kind):
    rng = np.random.default_rng(2)
    for _ in range(60):
        rows, inner, columns = rng.integers(0, 30, 3)
        left, right = (
            rng.standard_normal((rows, inner)).astype(kind),
            rng.standard_normal((inner, columns)).astype(kind),
        )
        orders = (np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2])
        made = [blas.product(turn(left), other(right)) for turn in orders for other in orders]
        for one in made:
            assert one.dtype == kind and one.shape == (rows, columns)
            np.testing.assert_allclose(one, left @ right, rtol=1e-4, atol=1e-5)


# -- runs of two families --------------------------------------------------------------------------------------------


def begun(spec, store) -> None:
    for event in experiment.run(spec, store):
        if getattr(event, "epoch", 0) == 2:
            return


def test_a_run_that_another_computer_goes_on_with_says_so_and_is_neithers(tmp_path, monkeypatch):
    spec, store = digits(arithmetic="native"), Store(tmp_path)
    begun(spec, store)
    family = arithmetic.family("native", "cpu", "")
    assert store.snapshot(spec.key(), 1).family == family
    monkeypatch.setattr(arithmetic, "family", lambda *given: "native another processor")
    *events, _ = experiment.run(spec, store)
    notice = next(event.text for event in events if isinstance(event, Notice))
    assert family in notice and "native another processor" in notice and "delete it and start it anew" in notice
    assert store.provenance(spec.key())["family"] == f"{family}, then native another processor"


def test_a_run_that_the_same_computer_goes_on_with_stays_of_its_family(tmp_path):
    spec, store = digits(), Store(tmp_path)
    begun(spec, store)
    events = list(experiment.run(spec, store))
    assert not [event for event in events if isinstance(event, Notice)]
    assert store.provenance(spec.key())["family"] == arithmetic.family("portable", "cpu", "")


def test_the_two_arithmetics_are_two_runs_with_two_names():
    portable, native = digits(), digits(arithmetic="native")
    assert portable.key() != native.key() and "arithmetic native" in native.label()


@portable_here
@pytest.mark.parametrize(
    "entrance", ["core", "core.network", "core.sweep", "core.jobs.worker", "core.jobs.forkserver", "core.store"]
)
def test_whatever_of_core_is_imported_first_numpy_gets_the_chosen_kernels(entrance):
    code = f"import {entrance}, numpy, threadpoolctl; print([p.get('architecture') for p in threadpoolctl.threadpool_info()])"
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=kept, capture_output=True, text=True, check=True, timeout=100
    )
    assert "Haswell" in done.stdout, done.stdout
