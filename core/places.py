"""Where a data set's files lie on this computer. The environment is read when asked, never at import.

First the folder named by PRUNING_DATA: `<name>.npz`; the four IDX files in its subfolder `<name>`; the four
right inside it. Then `data/<name>/` of the cache (PRUNING_CACHE, or "cache"), where downloads go. MNIST and
Fashion-MNIST share their IDX names: right inside PRUNING_DATA they are MNIST's, unless the labels begin as
Fashion-MNIST's do.
"""

import os
from pathlib import Path

from core.formats import IDX_NAMES, first_idx_labels

FASHION_FIRST_LABELS = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]  # of its training file; MNIST's are 5 0 4 1 9 2 1 3 1 4

Files = tuple[Path, ...]


def data_folder() -> Path | None:
    """The folder PRUNING_DATA, there or not; None when the variable is not set."""
    named = os.environ.get("PRUNING_DATA")
    return Path(named).expanduser() if named else None


def download_folder(name: str) -> Path:
    """Where the data set's downloads go, there or not."""
    return Path(os.environ.get("PRUNING_CACHE") or "cache") / "data" / name


def find(name: str) -> Files | None:
    """What would be read: (npz,), or the four IDX files in IDX_NAMES' order, or None when absent."""
    folder = data_folder()
    if folder and os.path.isfile(folder / f"{name}.npz"):  # False, not an error, where access is refused
        return (folder / f"{name}.npz",)
    for place in _idx_places(name):
        files = _idx_files(place)
        if len(files) == len(IDX_NAMES) and (place != folder or _owner(files) == name):
            return files
    return None


def incomplete(name: str) -> str:
    """How many of the four IDX files are there ("3 of its 4 IDX files"), "" when all or none are."""
    for place in _idx_places(name):
        count = len(_idx_files(place))
        if 0 < count < len(IDX_NAMES) and (place != data_folder() or name == "mnist"):
            return f"{count} of its {len(IDX_NAMES)} IDX files"
    return ""


def _idx_places(name: str) -> list[Path]:
    folder = data_folder()
    return [*([folder / name, folder] if folder else []), download_folder(name)]


def _idx_files(place: Path) -> Files:
    """Those of the four that are in the folder, unpacked rather than gzipped."""
    pairs = ((place / idx, place / f"{idx}.gz") for idx in IDX_NAMES)
    return tuple(path for path in (next(filter(os.path.isfile, pair), None) for pair in pairs) if path)


def _owner(files: Files) -> str:
    fashion = first_idx_labels(files[1], len(FASHION_FIRST_LABELS)) == FASHION_FIRST_LABELS
    return "fashion-mnist" if fashion else "mnist"
