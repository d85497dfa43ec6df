"""The only file that touches cache/runs: one folder a run, where the event log is the run.

A folder holds `spec.json`, `events.jsonl` (append-only), `epoch-NNN.safetensors` and, at the end, `done.json`. A snapshot is
renamed into place before the line that names it is appended, and that line carries its checksum, so whatever moment the
process dies at, the log speaks only of what is there. Reading trusts nothing: a torn last line is dropped, a damaged snapshot
is set aside as `*.damaged`, and the run goes on from the moment before.

Who may write: the process that holds the run's lock (`claim`), nobody else. Readers take no lock; what they see is the log up
to some moment, which stays true as it grows.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import filelock
import numpy as np

from core import spectra
from core.datasets.places import cannot_write
from core.events import EpochEnded, Event, Finished, Pruned, Started
from core.network import Network
from core.spec import RunSpec
from core.store import files, log, snapshot, summary
from core.store.files import StoreError
from core.store.snapshot import Glance, Snapshot
from core.store.summary import StoredRun

GIB = 2**30
_PART = re.compile(r"spec\.json|events\.jsonl|done\.json|epoch-[0-9]{3,}\.safetensors")


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """Where a run goes on: the events so far, the last sound snapshot (None: from the start), what had to be set aside."""

    events: tuple[Event, ...]
    moment: Snapshot | None
    notices: tuple[str, ...]


class Store:
    """The runs in `root`/runs. Cheap to make; holds no open file. The quota is PRUNING_CACHE_GB, 2 unless set. `ships`: these
    are the runs that ship, which also go by their key with `@shipped` behind it."""

    def __init__(self, root: str | os.PathLike = "cache", *, ships: bool = False):
        self.root, self._ships = Path(root), ships
        self._listed: dict[str, tuple[tuple[float, ...], StoredRun]] = {}

    # -- reading -----------------------------------------------------------------------------------------------------

    def runs(self) -> list[StoredRun]:
        """Every run, the one that changed last first; a damaged folder is listed with its problem."""
        folders = [f for f in self._runs.iterdir() if f.is_dir() and f.name[0] != "."] if self._runs.is_dir() else []
        runs = []
        for folder in folders:
            with contextlib.suppress(StoreError, FileNotFoundError):  # deleted since it was listed
                runs.append(self.open(folder.name))
        return sorted(runs, key=lambda run: -run.changed)

    def open(self, key: str) -> StoredRun:
        """The run's entry in the list. Raises StoreError if there is no such run."""
        folder = self._folder(key)
        if not folder.is_dir():
            raise StoreError(
                f"no run {key!r} is stored here: it may have been deleted; choose one from the list of runs"
            )
        stamp = (files.changed(folder / "events.jsonl"), files.changed(folder / "done.json"), files.changed(folder))
        known = self._listed.get(key)
        if known is None or known[0] != stamp:
            self._listed[key] = known = (stamp, summary.read(key, folder, max(stamp)))
        return known[1]

    def events(self, key: str) -> list[Event]:
        """The run's events in order; [] if it has none yet. Spectra and networks are read from the snapshots."""
        lines, _ = log.read(self._folder(key) / "events.jsonl")
        return self._events_of(key, lines)

    def result(self, key: str) -> Finished | None:
        """The run's end with its network; None where the run is not here, unfinished or damaged."""
        try:
            return self.events(key)[-1] if self.open(key).finished else None
        except StoreError:
            return None

    def log(self, key: str) -> list[log.Line]:
        """The run's log as plain values, without arrays: quick enough to ask several times a second."""
        return log.read(self._folder(key) / "events.jsonl")[0]

    def version(self, key: str) -> tuple[float, float]:
        """Changes whenever the run's log or its end changes; for caches."""
        folder = self._folder(key)
        return files.changed(folder / "events.jsonl"), files.changed(folder / "done.json")

    def snapshot(self, key: str, epoch: int | None = None) -> Snapshot:
        """The stored moment at `epoch`, or the last one. Raises StoreError if it is not stored or damaged."""
        checksums = {line["epoch"]: line["checksum"] for line in self.log(key) if "checksum" in line}
        if not checksums:
            raise StoreError(f"the run {key} has no stored moment yet: wait for its first epoch")
        epoch = max(checksums) if epoch is None else epoch
        file = self._folder(key) / files.of_epoch(epoch)
        if epoch not in checksums or not file.is_file():
            stored = [e for e in checksums if (self._folder(key) / files.of_epoch(e)).is_file()]
            raise StoreError(f"epoch {epoch} of run {key} is not stored: stored are {_ranges(stored)}")
        content = file.read_bytes()
        if zlib.crc32(content) != checksums[epoch]:
            raise StoreError(f"the stored epoch {epoch} of run {key} is damaged: choose another, or delete the run")
        return snapshot.from_bytes(content)

    def glances(self, key: str, known: Mapping[int, int] = MappingProxyType({})) -> Iterator[tuple[int, Glance]]:
        """Every stored moment of the run at a glance, `(checksum, Glance)`, oldest first, but for those that are `known`: by
        epoch the checksum that they had. What is thinned or damaged is passed over; the log still has its epoch."""
        for line in self.log(key):
            if "checksum" not in line or known.get(line["epoch"]) == line["checksum"]:
                continue
            try:
                content = (self._folder(key) / files.of_epoch(line["epoch"])).read_bytes()
                if zlib.crc32(content) == line["checksum"]:
                    yield line["checksum"], snapshot.glance(content)
            except (OSError, ValueError):
                continue

    def network(self, key: str, epoch: int | None = None) -> Network:
        """The network at the end of `epoch` (the last one if None), after that epoch's cuts."""
        return self.snapshot(key, epoch).state.network()

    def counts(self, key: str, epoch: int | None = None) -> tuple[tuple[np.ndarray, ...], int]:
        """`(fired, seen)` at the end of `epoch`, before any reset: per hidden layer `(units,)` int64, and examples counted."""
        moment = self.snapshot(key, epoch)
        return moment.fired, moment.seen

    def provenance(self, key: str) -> dict[str, Any] | None:
        """What `done.json` says: device, number type, threads, versions; None while unfinished."""
        try:
            return json.loads((self._folder(key) / "done.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None

    def _events_of(self, key: str, lines: list[log.Line]) -> list[Event]:
        events: list[Event] = []
        moments: dict[int, Snapshot] = {}
        stage: dict[int, int] = {}
        for line in lines:
            values = {name: value for name, value in line.items() if name not in ("kind", "checksum", "crc")}
            if line["kind"] == "Pruned":
                epoch = line["epoch"]
                if epoch not in moments:
                    moments[epoch] = self._sound_snapshot(key, epoch)
                stage[epoch] = stage.get(epoch, 0) + 1
                before, after = (self._spectra(moments[epoch], stage[epoch] - back) for back in (1, 0))
                values["alive"] = tuple(values["alive"])
                events.append(Pruned(**values, before=before, after=after))
            elif line["kind"] == "Finished":
                events.append(Finished(**values, network=self.network(key)))
            elif line["kind"] == "EpochEnded":
                events.append(EpochEnded(**values))
            elif line["kind"] == "Started":
                values.pop("epoch")
                events.append(Started(**values))
        return events

    def _sound_snapshot(self, key: str, epoch: int) -> Snapshot | None:
        try:
            return self.snapshot(key, epoch)
        except ValueError:
            return None  # the log still knows the cut; only its spectra are lost

    @staticmethod
    def _spectra(moment: Snapshot | None, stage: int) -> tuple[spectra.Spectrum, ...]:
        if moment is None:
            return ()
        shapes = [weight.shape for weight in moment.trained]
        return tuple(spectra.from_values(v, s) for v, s in zip(moment.spectra[stage], shapes, strict=False))

    # -- writing -----------------------------------------------------------------------------------------------------

    def claim(self, key: str) -> contextlib.AbstractContextManager | None:
        """The run's lock, already held, to be used in a `with`; None while another holds it.

        The lock is the operating system's: it is free the moment its holder dies, however it dies.
        """
        self._mkdir(self.root / "locks")
        try:
            return filelock.FileLock(self.root / "locks" / f"{key}.lock").acquire(timeout=0)
        except filelock.Timeout:
            return None
        except OSError as error:
            raise self._cannot_write(error) from error

    def is_claimed(self, key: str) -> bool:
        """Whether some process, this one included, is writing the run now."""
        lock = self.claim(key)
        if lock is None:
            return True
        with lock:
            return False

    def resume(self, spec: RunSpec) -> ResumePoint:
        """Readies the run's folder for writing (the lock must be held) and says where to go on.

        Events after the last sound snapshot are dropped: they are made again, bit by bit the same. A branch that has no
        folder yet starts with its parent's moments up to the epoch before its newest cut.
        """
        key = spec.key()
        folder = self._folder(key)
        notices: list[str] = []
        if not (folder / "events.jsonl").is_file():
            self._found(key, spec)
        elif self.open(key).spec != spec:
            notices.append(f"the spec.json of run {key} was damaged; it is written again")
            self._write(folder / "spec.json", json.dumps(spec.to_dict(), indent=1, sort_keys=True).encode())
        lines, torn = log.read(folder / "events.jsonl")
        if torn:
            notices.append(f"the end of the log of run {key} was torn; it is dropped and made again")
        ended = lines and lines[-1]["kind"] == "Finished" and (folder / "done.json").is_file()
        keep, moment = self._sound_end(key, lines, notices)
        if ended and keep == len(lines) - 1:
            keep = len(lines)
        if keep < len(lines) or torn:
            with self._writing():
                (folder / "done.json").unlink(missing_ok=True)
            self._write(folder / "events.jsonl", log.encoded(lines[:keep]))
        return ResumePoint(tuple(self._events_of(key, lines[:keep])), moment, tuple(notices))

    def _sound_end(self, key: str, lines: list[log.Line], notices: list[str]) -> tuple[int, Snapshot | None]:
        """How many lines, up to an epoch's end, can be gone on from, and the moment there; sets aside what is damaged."""
        starts = [index for index, line in enumerate(lines) if "checksum" in line]
        ends = [next((i for i in range(s + 1, len(lines)) if lines[i]["kind"] != "Pruned"), len(lines)) for s in starts]

        def sound(place: int) -> Snapshot | None:
            epoch = lines[starts[place]]["epoch"]
            try:
                moment = self.snapshot(key, epoch)
            except ValueError:
                # Thinning removes snapshots on purpose; only a file that is there and wrong is news.
                if self._set_aside(self._folder(key) / files.of_epoch(epoch)):
                    notices.append(f"the stored epoch {epoch} of run {key} was damaged; it is set aside")
                return None
            # A write torn between an epoch and its cuts: the moment is after the cuts, so it cannot stand for the log.
            return moment if moment.cuts == ends[place] - starts[place] - 1 else None

        # The events of a cut are read from its moment, so the log ends before the first cut whose moment is not sound.
        cuts = (place for place in range(len(starts)) if ends[place] - starts[place] > 1)
        last = next((place for place in cuts if sound(place) is None), len(starts))
        for place in reversed(range(last)):
            if (moment := sound(place)) is not None:
                return ends[place], moment
        return 0, None

    def _found(self, key: str, spec: RunSpec) -> None:
        folder = self._folder(key)
        self._mkdir(folder)
        self._write(folder / "spec.json", json.dumps(spec.to_dict(), indent=1, sort_keys=True).encode())
        lines: list[log.Line] = []
        if (
            spec.parent
            and spec.hand_cuts
            and (parent := self._folder(spec.parent)).is_dir()
            and self._is_branch_of(spec, spec.parent)
        ):
            cut = spec.hand_cuts[-1].epoch
            lines = [line for line in self.log(spec.parent) if line.get("epoch", cut) < cut]
            last = lines[-1]["epoch"] if lines else 0
            if last and self._ended_at(spec.parent, last):  # with a cut to come, the branch does not end there
                lines = [line for line in lines if line["epoch"] < last]
            for line in lines:
                name = files.of_epoch(line["epoch"])
                if (parent / name).is_file() and not (folder / name).is_file():
                    try:
                        os.link(parent / name, folder / name)
                    except OSError:  # a file system without hard links
                        with self._writing():
                            shutil.copyfile(parent / name, folder / name)
        self._write(folder / "events.jsonl", log.encoded(lines))

    def _ended_at(self, key: str, epoch: int) -> bool:
        try:
            return self.snapshot(key, epoch).ended is not None
        except ValueError:  # not there, or damaged: then nobody can go on from it
            return True

    def _is_branch_of(self, spec: RunSpec, parent: str) -> bool:
        stem = self.open(parent).spec
        return stem is not None and spec == stem.branch(**vars(spec.hand_cuts[-1]))

    def append(self, key: str, events: list[Event], moment: Snapshot) -> None:
        """Stores the end of an epoch: the snapshot first, then its events in one write."""
        folder = self._folder(key)
        content = moment.to_bytes()
        self._write(folder / files.of_epoch(moment.epoch), content)
        lines = [log.line_of(event) for event in events]
        lines[0] |= {"epoch": moment.epoch, "checksum": zlib.crc32(content)}
        self._append(folder, lines)

    def finish(self, key: str, event: Finished, provenance: dict[str, Any]) -> None:
        """Marks the run as finished, with what it ran on."""
        folder = self._folder(key)
        self._append(folder, [log.line_of(event)])
        record = {"reason": event.reason, "test_accuracy": event.test_accuracy} | provenance
        record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        self._write(folder / "done.json", json.dumps(record, indent=1, sort_keys=True).encode())

    # -- from store to store -----------------------------------------------------------------------------------------

    def files(self, key: str) -> dict[str, bytes]:
        """The run's files, for `take_in` of another store."""
        return {file.name: file.read_bytes() for file in self._folder(key).iterdir() if _PART.fullmatch(file.name)}

    def take_in(self, key: str, files: Mapping[str, bytes]) -> bool:
        """Stores a run that was finished elsewhere, whole or not at all. False where it is finished here already or another
        process is training it. Raises StoreError where the files are not a sound, finished run of that key."""
        self._mkdir(self._runs)
        staged = Store(self._runs / f".taken-{key}-{uuid.uuid4().hex[:8]}")
        lock = None
        try:
            self._stage(staged, key, files)
            if (lock := self.claim(key)) is None or self.result(key) is not None:
                return False
            folder, grave = self._folder(key), staged.root / "unfinished"
            try:
                if folder.is_dir():
                    os.replace(folder, grave)
                os.replace(staged._folder(key), folder)
            except OSError as error:
                if grave.is_dir():
                    os.replace(grave, folder)
                raise self._cannot_write(error) from error
            self._listed.pop(key, None)
            return True
        finally:
            if lock is not None:
                lock.__exit__(None, None, None)
            shutil.rmtree(staged.root, ignore_errors=True)

    @staticmethod
    def _stage(staged: Store, key: str, files: Mapping[str, bytes]) -> None:
        folder = staged._folder(key)
        staged._mkdir(folder)
        for name, content in files.items():
            if not _PART.fullmatch(name):
                raise StoreError(f"{name!r} is no file of a run: what came for the run {key} is not stored")
            staged._write(folder / name, content)
        try:
            entry = staged.open(key)
            for epoch in entry.epochs:
                staged.snapshot(key, epoch)
            sound = entry.spec is not None and entry.spec.key() == key and staged.result(key) is not None
            sound = sound and not log.read(folder / "events.jsonl")[1] and staged.provenance(key) is not None
        except ValueError:
            sound = False
        if not sound:
            raise StoreError(
                f"what came for the run {key} is damaged, unfinished or of another run, and is not stored: train it again"
            )

    def _append(self, folder: Path, lines: list[log.Line]) -> None:
        try:
            with open(folder / "events.jsonl", "ab") as file:
                file.write(log.encoded(lines))
        except OSError as error:
            raise self._cannot_write(error) from error

    def _write(self, file: Path, content: bytes) -> None:
        try:
            files.write(file, content)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _mkdir(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> StoreError:
        kept = "what is stored is kept, and the run goes on from its last epoch"
        return StoreError(cannot_write(self.root, error, f"then start again; {kept}"))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._cannot_write(error) from error

    def _set_aside(self, file: Path) -> bool:
        if not file.is_file():
            return False
        with self._writing():
            os.replace(file, file.with_name(file.name + ".damaged"))
        return True

    # -- space -------------------------------------------------------------------------------------------------------

    @property
    def quota(self) -> int:
        """Bytes that runs may take before they are thinned: PRUNING_CACHE_GB, 2 unless set."""
        text = os.environ.get("PRUNING_CACHE_GB", "2")
        try:
            return int(float(text) * GIB)
        except (ValueError, OverflowError):
            raise StoreError(f"PRUNING_CACHE_GB is {text!r}: give a number of gigabytes, such as 2") from None

    def size(self) -> int:
        """Bytes taken by all runs."""
        return sum(run.size for run in self.runs())

    def thin(self, key: str) -> int:
        """Removes the snapshots that are not the start, the end or next to a cut. Returns the bytes freed."""
        lines = self.log(key)
        stored = [line["epoch"] for line in lines if "checksum" in line]
        cuts = {line["epoch"] for line in lines if line["kind"] == "Pruned"}
        keep = {0, *stored[-1:]} | {epoch + step for epoch in cuts for step in (-1, 0, 1)}
        freed = 0
        for epoch in stored:
            file = self._folder(key) / files.of_epoch(epoch)
            if epoch not in keep and file.is_file():
                freed += file.stat().st_size
                with self._writing():
                    file.unlink()
        return freed

    def keep_within_quota(self) -> int:
        """Thins runs, the one longest unchanged first, until all fit into the quota. Returns the bytes freed."""
        excess = self.size() - self.quota
        freed = 0
        for run in reversed(self.runs()):
            if freed >= excess:
                break
            freed += self.thin(run.key)
        return freed

    def delete(self, key: str) -> None:
        """Removes a run. Raises StoreError if it is running or the parent of a branch."""
        children = [run.label for run in self.runs() if run.parent == key]
        if children:
            raise StoreError(
                f"this run is the parent of {len(children)} other ({children[0]}): delete the branch first"
            )
        lock = self.claim(key)
        if lock is None:
            raise StoreError("this run is being trained now: stop it first, then delete it")
        with lock:
            folder = self._folder(key)
            grave = folder.with_name(f".deleted-{key}-{uuid.uuid4().hex[:8]}")
            try:
                if folder.is_dir():
                    os.replace(folder, grave)
            except OSError as error:
                raise self._cannot_write(error) from error
            shutil.rmtree(grave, ignore_errors=True)
        self._listed.pop(key, None)

    @property
    def _runs(self) -> Path:
        return self.root / "runs"

    def _folder(self, key: str) -> Path:
        bare = files.bare(key) if self._ships else key
        if not bare.isalnum():
            raise StoreError(f"{key!r} is not the name of a run: it has 16 letters and digits")
        return self._runs / bare


def _ranges(epochs: list[int]) -> str:
    """[0, 1, 2, 5] as "0-2, 5"."""
    parts: list[list[int]] = []
    for epoch in sorted(epochs):
        if parts and epoch == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], epoch]
        else:
            parts.append([epoch])
    return ", ".join("-".join(map(str, part)) for part in parts) or "none"
