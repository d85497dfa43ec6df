"""Artifacts: what is derived from stored networks, kept because making it takes seconds. One type for all of them.

An atlas, a spectral history, random cuts, a PCA contest, a retraining, a search for a penalty: each is a frozen dataclass that
says what is asked for (a run and what else there is to choose), of which networks it is made, how it is made, and how its value
is packed. Worker, command line, what ships and every page go through this. May import what trains nothing: data, networks,
runs in the store.

A value belongs to the networks it was made of, by their keys and by the fingerprints of their arrays: two networks with one key
never share one.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from core.store import Store, StoredRun, StoreError, files

Progress = Callable[[float], bool]  # hears the share done, 0..1; answers whether to go on
Put = Callable[[Any], None]  # takes the value as far as it is made; the last one is whole
Moment = tuple[str, int | None]  # a run's key and the epoch; None for the run as a whole, all its moments
Told = tuple[str, int | None, str]  # a moment and its fingerprint
Arrays = Mapping[str, np.ndarray]


def on(share: float) -> bool:
    """For those who never end early."""
    return True


class Sources:
    """Which store has which run: `own`, into which is trained, unless another is named for its key."""

    def __init__(self, own: Store, elsewhere: Mapping[str, Store] | None = None):
        self.own, self._elsewhere = own, dict(elsewhere or {})

    def store(self, run: str) -> Store:
        """The store that has the run."""
        return self._elsewhere.get(run, self.own)

    def open(self, run: str) -> StoredRun:
        """Raises StoreError where there is no such run, or none that can be opened."""
        found = self.store(run).open(run)
        if found.spec is None:
            raise StoreError(found.problem or f"the run {run} cannot be opened")
        return found

    def finished(self, run: str, name: str = "run") -> StoredRun:
        """Raises StoreError where it is not at its end."""
        found = self.open(run)
        if not found.finished:
            raise StoreError(f"the {name} is not finished: train it to its end first")
        return found

    def beside(self, run: str, key: str) -> str:
        """The name that opens another run: the one of the same origin as `run`, if there is one with that key, else any."""
        bare = files.bare(key)
        for name in (bare, bare + files.SHIPPED):
            if self.store(name).root == self.store(run).root:
                try:
                    self.store(name).open(name)
                except StoreError:
                    continue
                return name
        return bare

    def fingerprint(self, moment: Moment) -> str:
        """Of the arrays of a stored network, or of all moments of a run. Raises StoreError where it is not stored."""
        run, epoch = moment
        store = self.store(run)
        return _of_run(store, run) if epoch is None else _of_network(str(store.root), run, epoch, store.version(run)[0])

    def told(self, moment: Moment) -> Told:
        """The moment and its fingerprint, as files tell it: under the key itself."""
        return files.bare(moment[0]), moment[1], self.fingerprint(moment)

    def told_of(self, artifact: Artifact) -> list[Told]:
        """All networks that the artifact is made of, as they are now. Raises StoreError where one is not stored."""
        return [self.told(moment) for moment in artifact.made_of(self)]


@lru_cache(4096)
def _of_network(root: str, run: str, epoch: int, version: float) -> str:
    return Store(root).snapshot(files.bare(run), epoch).state.fingerprint()


def _of_run(store: Store, run: str) -> str:
    """Over the checksums of all its moments, which its log holds: so that thinning keeps it."""
    moments = [(line["epoch"], line["checksum"]) for line in store.log(run) if "checksum" in line]
    if not moments:
        raise StoreError(f"the run {run} has no stored moment yet: wait for its first epoch")
    return hashlib.sha256(json.dumps(moments).encode()).hexdigest()[:16]


class Artifact(ABC):
    """What is asked for. Subclasses are frozen dataclasses of plain values whose first field is `run`, a key."""

    kind: ClassVar[str]  # the field's word for it, unique
    version: ClassVar[int] = 1  # raise it when the same networks would give another value
    doing: ClassVar[str]  # what a page says while it is made
    trains: ClassVar[bool] = True  # whether PyTorch is needed to make it
    run: str

    @property
    def name(self) -> str:
        """What tells it from others of its kind and run, as a part of a file's name; "" where there is but one."""
        return "-".join(str(getattr(self, field.name)) for field in fields(self)[1:])

    @property
    def job(self) -> str:
        """The key of the job that makes it; what is made by one job has one."""
        return "-".join(filter(None, (self.kind, self.run, self.name)))

    @abstractmethod
    def network(self, sources: Sources) -> Moment:
        """The network, of `run`, that it is made of. Raises StoreError, with what to do, where it is not stored."""

    def beside(self, sources: Sources) -> tuple[Moment, ...]:
        """The other networks that it is made of. Raises StoreError, with what to do, where one is not stored."""
        return ()

    def made_of(self, sources: Sources) -> tuple[Moment, ...]:
        """All networks that it is made of. Raises StoreError as they do."""
        return self.network(sources), *self.beside(sources)

    @abstractmethod
    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        """Puts the value, also part by part; `known` is what was put before, whole or not, None if nothing. Ends early where
        `progress` answers False. Raises ValueError, with what to do, where it cannot be made."""

    @abstractmethod
    def pack(self, value: Any) -> tuple[dict[str, Any], Arrays]:
        """(plain values, arrays): all of the value."""

    @abstractmethod
    def unpack(self, header: dict[str, Any], arrays: Arrays) -> Any:
        """The value again. May raise anything on what is none."""

    def whole(self, value: Any) -> bool:
        """Whether nothing is left to make."""
        return True

    def label(self, run: StoredRun) -> str:
        """The job in a list of jobs."""
        return f"{self.kind.replace('-', ' ')} of {run.label}"

    # -- files of before there was one codec ---------------------------------------------------------------------------

    @property
    def old_names(self) -> tuple[str, ...]:
        """The names of its files then; () where there were none."""
        return ()

    def from_old(self, *read: tuple[dict[str, Any], Arrays]) -> Any:
        """The value in such files, each read as (plain values, arrays), those of JSON under "json". May raise anything on what
        is none."""
        [(header, arrays)] = read
        return self.unpack(dict(header), arrays)

    def __init_subclass__(cls, **more: Any):
        super().__init_subclass__(**more)
        if "kind" in vars(cls):
            assert cls.kind not in _KINDS, f"two artifacts are called {cls.kind}"
            _KINDS[cls.kind] = cls


_KINDS: dict[str, type[Artifact]] = {}


def plain(artifact: Artifact) -> dict[str, Any]:
    """Plain values from which `asked` makes it again."""
    return {"kind": artifact.kind} | {field.name: getattr(artifact, field.name) for field in fields(artifact)}


def asked(values: dict[str, Any]) -> Artifact:
    """The artifact of plain values. Raises ValueError on what is none, or of a kind that is not loaded."""
    values = dict(values)
    kind = values.pop("kind", None)
    if kind not in _KINDS:
        raise ValueError(f"artifact {kind!r} is unknown: allowed are {', '.join(sorted(_KINDS))}")
    try:
        return _KINDS[kind](**values)
    except TypeError as error:
        raise ValueError(f"not an artifact of the kind {kind}: {error}") from error


def kinds() -> dict[str, type[Artifact]]:
    """Every kind whose room is loaded, by its word."""
    return dict(_KINDS)


def check_run(run: object) -> None:
    """Raises ValueError on what is no key of a run."""
    if not isinstance(run, str) or not files.is_key(run):
        raise ValueError(f"{run!r} is not the key of a run: it has 16 letters and digits")
