"""Gates: how far a run, or other work, may go for now, so that it can be looked at under way however fast the machine is.

The variable PRUNING_GATES names a folder. A file in it with the name of a run (its key) or of a job holds a whole number: after
so many epochs, or pieces of work, it goes no further until the number grows or the file is gone. Pause, step, stop and cuts by
hand work meanwhile as ever, and no number of a result depends on it. Without the variable there are no gates.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

LOOK_SECONDS = 0.02  # between two looks at a gate that is shut


class Gate:
    """The gate of one run or job; work without a `name` has none."""

    def __init__(self, name: str | None):
        folder = os.environ.get("PRUNING_GATES")
        self._file = Path(folder) / name if folder and name else None

    def shut(self, done: int) -> bool:
        """Whether what has `done` so many epochs or pieces waits here. Raises ValueError on a file that holds no number."""
        if self._file is None:
            return False
        try:
            text = self._file.read_text("utf-8").strip()
        except FileNotFoundError:
            return False
        if not text.isdecimal():
            raise ValueError(f"the gate {self._file} holds {text!r}: write a whole number, 0 or more, or delete it")
        return done >= int(text)


class Steers(Protocol):
    """Commands of a run, as `core.experiment` asks them."""

    def during(self, epoch: int, share: float) -> bool: ...

    def between(self, epoch: int, cut: bool) -> bool: ...


class Gated:
    """Commands that also wait at the gate of the run `key`. A run that waits is in its next epoch and obeys as in mid-epoch."""

    def __init__(self, commands: Steers, key: str):
        self._commands, self._gate = commands, Gate(key)

    def during(self, epoch: int, share: float) -> bool:
        return self._commands.during(epoch, share) and self._let_through(epoch - 1, share)

    def between(self, epoch: int, cut: bool) -> bool:
        return self._commands.between(epoch, cut) and self._let_through(epoch, 0.0)

    def _let_through(self, done: int, share: float) -> bool:
        while self._gate.shut(done):
            time.sleep(LOOK_SECONDS)
            if not self._commands.during(done + 1, share):
                return False
        return True
