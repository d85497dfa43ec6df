"""The only file that touches cache/atlases: what can be made again from a run, kept because making it takes seconds.

One folder a run, one file an artifact, by name. Files are written whole or not at all; one that cannot be read is taken for
absent, since it can be made again.

A run that ships and the same run made here have one key, and may differ: what is made of the former has folders of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from core.datasets.places import cannot_write
from core.store import files
from core.store.files import StoreError

SHARE = 0.25  # of the runs' quota: what artifacts may take before the longest unused go
NAME = re.compile(r"\w[\w.-]*")
SHIPPED = "@shipped"  # behind the key in the name of a folder: it is about the run that ships


class Artifacts:
    """What is kept in `root`/atlases of the runs of the store in `root`, or `of` another one. Cheap to make; holds no open
    file."""

    def __init__(self, root: str | os.PathLike = "cache", of: str | os.PathLike | None = None):
        self.root = Path(root) / "atlases"
        self._mark = "" if of is None or Path(of).resolve() == Path(root).resolve() else SHIPPED

    def read(self, run: str, name: str) -> bytes | None:
        """The content of an artifact of a run; None where it is not there or cannot be read."""
        try:
            return self._named(run, name).read_bytes()
        except OSError:
            return None

    def write(self, run: str, name: str, content: bytes) -> None:
        """Stores an artifact of a run. Raises StoreError where the folder cannot be written."""
        self._write(self._named(run, name), content)

    def written(self, run: str, name: str) -> int:
        """Changes whenever the file is written; 0 while it is not there."""
        return files.changed(self._named(run, name))

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
        return self._folder(run) / name

    def _folder(self, run: str) -> Path:
        return self.root / f"{run}{self._mark}"

    def _write(self, file: Path, content: bytes) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, content)
        except OSError as error:
            raise StoreError(cannot_write(self.root.parent, error, "then ask again")) from error
