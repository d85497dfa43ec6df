"""The only file that touches cache/atlases: artifacts as files, found by what they are of and by the networks they are made of.

One folder a run. Files are written whole or not at all; one that cannot be read, or was made of another network, is taken for
absent, since it can be made again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.artifacts import Artifact, Progress, Sources, Told, codec, on, plain
from core.datasets.places import cannot_write
from core.store import StoreError, files

SHARE = 0.25  # of the runs' quota: what artifacts may take before the longest unused go
NAME = re.compile(r"\w[\w.-]*")
ELSEWHERE = files.SHIPPED  # behind the key in the name of a folder: of a run of another store, not of this root's
Read = tuple[dict[str, Any], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Found:
    """Where an artifact is kept: its files (several only of before the one codec), and when they were written."""

    files: tuple[Path, ...]
    written: tuple[int, ...]
    old: bool = False


class Artifacts:
    """What is kept in `root`/atlases, and, to be read only, in that folder of roots `behind` it. Cheap to make; holds no open
    file."""

    def __init__(self, root: str | os.PathLike = "cache", *behind: str | os.PathLike):
        self.root = Path(root) / "atlases"
        self._behind = tuple(Path(one) / "atlases" for one in behind)

    # -- artifacts -----------------------------------------------------------------------------------------------------

    def get(self, artifact: Artifact, sources: Sources) -> Any:
        """The value as far as it is kept; None where nothing is, nothing that can be read, or nothing of this network."""
        found = self.find(artifact, sources)
        return None if found is None else _value(artifact, found)

    def find(self, artifact: Artifact, sources: Sources) -> Found | None:
        """Where `get` finds it; for caches. None where it does not."""
        try:
            fingerprint = sources.fingerprint(artifact.network(sources))
            candidates = [*self._new(artifact, fingerprint), *self._old(artifact, sources)]
        except StoreError:
            return None
        return next((found for found in candidates if self._fits(artifact, found, sources)), None)

    def there(self, artifact: Artifact, sources: Sources) -> bool:
        """Whether it is kept, and nothing is left to make of it."""
        value = self.get(artifact, sources)
        return value is not None and artifact.whole(value)

    def put(self, artifact: Artifact, sources: Sources, value: Any, began: Sequence[Told] | None = None) -> None:
        """Keeps the value, whole or not. `began`: its networks when its making began. Raises StoreError where a network is not
        stored, or is another one by now, or where the folder cannot be written."""
        made_of = sources.told_of(artifact)
        if began is not None and made_of != list(began):
            raise StoreError(f"the run {files.bare(artifact.run)} was made anew meanwhile: ask again")
        header, arrays = artifact.pack(value)
        of = {"artifact": plain(artifact) | {"run": files.bare(artifact.run)}, "version": artifact.version}
        content = codec.packed({"of": of | {"networks": made_of}, "value": header}, arrays)
        own = sources.store(artifact.run).root.resolve() == self.root.parent.resolve()
        folder = self.root / (files.bare(artifact.run) + ("" if own else ELSEWHERE))
        self._write(folder / _name(artifact, made_of[0][-1]), content)

    def ensure(self, artifact: Artifact, sources: Sources, progress: Progress = on) -> Any:
        """The whole value, made and kept where it is not; None where `progress` answered False. Raises ValueError where it
        cannot be made."""
        known = self.get(artifact, sources)
        if known is None or not artifact.whole(known):
            began = sources.told_of(artifact)
            artifact.make(sources, known, lambda value: self.put(artifact, sources, value, began), progress)
            known = self.get(artifact, sources)
        return known if known is not None and artifact.whole(known) else None

    def _new(self, artifact: Artifact, fingerprint: str) -> list[Found]:
        run, name = files.bare(artifact.run), _name(artifact, fingerprint)
        folders = (run, f"{run}{ELSEWHERE}")
        return _there([(root / folder / name,) for root in (self.root, *self._behind) for folder in folders])

    def _old(self, artifact: Artifact, sources: Sources) -> list[Found]:
        """Files of before the one codec lie in the folder of the run that they were made of, and do not tell its network."""
        run, store = files.bare(artifact.run), sources.store(artifact.run)
        found: list[Found] = []
        for root in (self.root, *self._behind) if artifact.old_names else ():
            own = root.parent.resolve() == store.root.resolve()
            free = not (root.parent / "runs" / run).is_dir()  # what lies under the plain key is of no run that is there
            folders = [run] * (own or free) + [f"{run}{ELSEWHERE}"] * (not own)
            here = _there([tuple(root / folder / name for name in artifact.old_names) for folder in folders], old=True)
            # What is older than the run that is there now was made of the one of that name before it.
            earliest = max(store.version(artifact.run)) if own and root == self.root else 0
            found += [one for one in here if min(one.written) >= earliest]
        return found

    def _fits(self, artifact: Artifact, found: Found, sources: Sources) -> bool:
        if _value(artifact, found) is None:
            return False
        if found.old:
            return True
        networks = [tuple(one) for one in _read(found.files[0], found.written[0])[0]["of"]["networks"]]
        try:
            return networks[1:] == [sources.told(moment) for moment in artifact.beside(sources)]
        except StoreError:
            return True  # the other network was deleted since; what was made with it stands

    # -- files ---------------------------------------------------------------------------------------------------------

    def read(self, run: str, name: str) -> bytes | None:
        """The content of a file in a run's folder; None where it is not there or cannot be read."""
        try:
            return self._named(run, name).read_bytes()
        except OSError:
            return None

    def write(self, run: str, name: str, content: bytes) -> None:
        """Writes a file in a run's folder. Raises StoreError where the folder cannot be written."""
        self._write(self._named(run, name), content)

    def written(self, run: str, name: str) -> int:
        """Changes whenever the file is written; 0 while it is not there."""
        return files.changed(self._named(run, name))

    def delete(self, run: str) -> None:
        """Removes all that is kept of a run."""
        if run.isalnum():
            shutil.rmtree(self.root / run, ignore_errors=True)

    def keep_within(self, quota: int) -> int:
        """Removes the files longest unchanged until all take at most SHARE of `quota` bytes. Returns the bytes freed."""
        oldest = sorted((file for file in self.root.glob("*/*") if file.is_file()), key=files.changed)
        excess = sum(file.stat().st_size for file in oldest) - int(SHARE * quota)
        freed = 0
        for file in oldest:
            if freed >= excess:
                break
            freed += file.stat().st_size
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(cannot_write(self.root.parent, error, "then ask again")) from error
        return freed

    def _named(self, run: str, name: str) -> Path:
        if not run.isalnum() or not NAME.fullmatch(name):
            raise ValueError(f"{name!r} of {run!r} is no name of a file: give letters, digits, '-', '_' and inner dots")
        return self.root / run / name

    def _write(self, file: Path, content: bytes) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, content)
        except OSError as error:
            raise StoreError(cannot_write(self.root.parent, error, "then ask again")) from error


def _name(artifact: Artifact, fingerprint: str) -> str:
    return "-".join(filter(None, (artifact.kind, artifact.name, f"v{artifact.version}", fingerprint))) + ".npz"


def _there(candidates: list[tuple[Path, ...]], old: bool = False) -> list[Found]:
    stamped = [Found(one, tuple(map(files.changed, one)), old) for one in candidates]
    return [found for found in stamped if all(found.written)]


def _value(artifact: Artifact, found: Found) -> Any:
    """What the files hold; None where they are damaged, or of something else."""
    read = [_read(file, at, old=found.old) for file, at in zip(found.files, found.written, strict=True)]
    if None in read:
        return None
    try:
        if found.old:
            return artifact.from_old(*read)
        [(header, arrays)] = read
        of = header["of"]
        mine = plain(artifact) | {"run": files.bare(artifact.run)}
        if of["version"] != artifact.version or json.loads(json.dumps(mine)) != of["artifact"]:
            return None  # renamed by hand
        return artifact.unpack(dict(header["value"]), arrays)
    except codec.UNREADABLE:
        return None


@lru_cache(64)
def _read(file: Path, written: int, *, old: bool = False) -> Read | None:
    """A file as it was written at that moment; None where it is damaged."""
    try:
        content = file.read_bytes()
        if file.suffix == ".json":
            return {"json": json.loads(content)}, {}
        return codec.unpacked(content, checked=not old)
    except (OSError, ValueError, RecursionError):
        return None
