"""What holds for every test: the CPU; no quota, no cache and no data from outside."""

import core  # noqa: F401  # isort: skip  before anything loads NumPy: core chooses with which instructions it computes

import os
import sys

import pytest
import streamlit as st
from holding import Gates
from serving import chromium, server  # noqa: F401
from small import digits
from visiting import REPOSITORY

from core import experiment
from core.store import Store
from pages.shared import services

# Some two hundred processes begin here and load the same files: each would compile them anew, whatever the shell asks for.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The files that take longest, the longest first: where one of them came last, all others would wait for it.
LONGEST = """
    links_browser stage_browser browser contest_browser screens_browser sweep judge_browser additions penalty_browser
    film_browser arithmetic bench agreement_browser ladder_browser timetable keys_browser atlas stage experiment pages worker
    dask jobs slider_page judge_page statistics
""".split()


def pytest_collection_modifyitems(items) -> None:
    order = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_xdist_auto_num_workers() -> int:
    """How many files of tests at a time: three on two cores, since two fifths of a test's time is waiting for a browser, a
    server or a worker; with four the whole ends no sooner, and each test waits for the others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("PRUNING_DEVICE", "cpu")
    monkeypatch.delenv("PRUNING_CACHE_GB", raising=False)
    monkeypatch.delenv("PRUNING_CACHE", raising=False)
    monkeypatch.delenv("PRUNING_GATES", raising=False)
    monkeypatch.delenv("PRUNING_DATA", raising=False)  # tests on real data take it back from where they noted it


@pytest.fixture
def gates(tmp_path, monkeypatch) -> Gates:
    """Holds runs and jobs that this test begins, in whatever process."""
    gates = Gates(tmp_path / "gates")
    monkeypatch.setenv("PRUNING_GATES", str(gates.folder))
    return gates


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Store:
    """A fresh cache that the pages of this test use."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("PRUNING_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PRUNING_DATA", raising=False)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield Store(tmp_path / "cache")
    services.board().close()
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Store:
    """Two finished runs and an unfinished one."""
    store = Store(tmp_path_factory.mktemp("made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for seed in (0, 1):
            list(experiment.run(digits(seed=seed), store))
        for event in experiment.run(digits(seed=2), store):
            if getattr(event, "epoch", 0) == 2:
                break
    return store


@pytest.fixture
def with_runs(cache, made) -> Store:
    (cache.root).mkdir(exist_ok=True)
    (cache.root / "runs").symlink_to(made.root / "runs")
    return cache
