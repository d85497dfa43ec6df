"""What holds for every test: the CPU; no quota, no cache and no data from outside."""

import pytest

from core.store import Store


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("PRUNING_DEVICE", "cpu")
    monkeypatch.delenv("PRUNING_CACHE_GB", raising=False)
    monkeypatch.delenv("PRUNING_CACHE", raising=False)
    monkeypatch.delenv("PRUNING_DATA", raising=False)  # tests on real data take it back from where they noted it


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "cache")
