"""The only file that touches cache/atlases: what can be made again from a run, kept because making it takes seconds.

One folder a run, one file an atlas, one small file a curve of networks trained on after a cut, and files of other kinds by
name. Files are written whole or not at all; one that cannot be read is taken for absent, since it can be made again.

A run that ships and the same run made here have one key, and may differ: what is made of the former has folders of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from core import atlas
from core.atlas import Atlas, Choice
from core.datasets.places import cannot_write
from core.store import StoreError

SHARE = 0.25  # of the runs' quota: what atlases may take before the longest unused go
NAME = re.compile(r"\w[\w.-]*")
SHIPPED = "@shipped"  # behind the key in the name of a folder: it is about the run that ships


@dataclass(frozen=True)
class Point:
    """The network cut once at `percent`, then trained for some epochs: what is zero and test accuracy, both 0..1."""

    percent: int
    achieved: float
    accuracy: float


class Shelf:
    """The atlases in `root`/atlases of the runs of the store in `root`, or `of` another one. Cheap to make; holds no open
    file."""

    def __init__(self, root: str | os.PathLike = "cache", of: str | os.PathLike | None = None):
        self.root = Path(root) / "atlases"
        self._mark = "" if of is None or Path(of).resolve() == Path(root).resolve() else SHIPPED

    def has(self, choice: Choice) -> bool:
        """Whether the atlas is there."""
        return self._file(choice).is_file()

    def version(self, choice: Choice) -> int:
        """Changes whenever the atlas is written; 0 while it is not there."""
        return _changed(self._file(choice))

    def get(self, choice: Choice) -> Atlas | None:
        """The atlas, None where it is not there or cannot be read."""
        file = self._file(choice)
        try:
            found = atlas.from_bytes(file.read_bytes())
        except (OSError, ValueError):
            return None
        return found if found.choice == choice else None

    def put(self, made: Atlas) -> None:
        """Stores an atlas. Raises StoreError where the folder cannot be written."""
        self._write(self._file(made.choice), made.to_bytes())

    def points(self, choice: Choice, epochs: int) -> list[Point]:
        """What is stored of "cut once, then `epochs` epochs of training", by percent."""
        try:
            values = json.loads(self._points_file(choice, epochs).read_text("utf-8"))
            return sorted((Point(**value) for value in values), key=lambda point: point.percent)
        except (OSError, ValueError, TypeError):
            return []

    def add_point(self, choice: Choice, epochs: int, point: Point) -> None:
        """Stores one more point. Raises StoreError where the folder cannot be written."""
        others = [other for other in self.points(choice, epochs) if other.percent != point.percent]
        content = json.dumps([vars(each) for each in (*others, point)])
        self._write(self._points_file(choice, epochs), content.encode())

    def read(self, run: str, name: str) -> bytes | None:
        """The content of a run's file of another kind; None where it is not there or cannot be read."""
        try:
            return self._named(run, name).read_bytes()
        except OSError:
            return None

    def write(self, run: str, name: str, content: bytes) -> None:
        """Stores a run's file of another kind. Raises StoreError where the folder cannot be written."""
        self._write(self._named(run, name), content)

    def written(self, run: str, name: str) -> int:
        """Changes whenever the file is written; 0 while it is not there."""
        return _changed(self._named(run, name))

    def delete(self, run: str) -> None:
        """Removes all that is kept of a run."""
        if run.isalnum():
            shutil.rmtree(self._folder(run), ignore_errors=True)

    def set_apart(self, run: str) -> None:
        """What was kept of the run until now was made of the one that ships."""
        with contextlib.suppress(OSError):  # there is nothing, or it was done before
            os.rename(self.root / run, self.root / f"{run}{SHIPPED}")

    def keep_within(self, quota: int) -> int:
        """Removes the files longest unchanged until all take at most SHARE of `quota` bytes. Returns the bytes freed."""
        files = sorted((file for file in self.root.glob("*/*") if file.is_file()), key=_changed)
        excess = sum(file.stat().st_size for file in files) - int(SHARE * quota)
        freed = 0
        for file in files:
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
        return self._folder(run) / name

    def _folder(self, run: str) -> Path:
        return self.root / f"{run}{self._mark}"

    def _file(self, choice: Choice) -> Path:
        return self._folder(choice.run) / f"{choice.name}.npz"

    def _points_file(self, choice: Choice, epochs: int) -> Path:
        return self._folder(choice.run) / f"{choice.name}-then-{epochs}.json"

    def _write(self, file: Path, content: bytes) -> None:
        draft = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            os.replace(draft, file)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StoreError(cannot_write(self.root.parent, error, "then ask again")) from error


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
