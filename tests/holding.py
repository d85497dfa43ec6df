"""Runs and jobs that are held where a test looks at them, however fast or slow the machine: by the gates of `core.gates`."""

import os
from pathlib import Path


class Gates:
    """The folder that PRUNING_GATES names. A run or job goes as far as its gate lets it; one without a gate goes on."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def hold(self, name: str, after: int = 0) -> str:
        """Lets the run (its key) or job go to the end of epoch, or piece, `after`, and no further; moves a gate that is there.
        Answers the name."""
        new = self.folder / f".{name}"
        new.write_text(str(after))
        os.replace(new, self.folder / name)
        return name

    def open(self, *names: str) -> None:
        """Takes the gates away: all, if none is named."""
        for name in names or os.listdir(self.folder):
            (self.folder / name).unlink(missing_ok=True)
