"""Where a data set's files lie on this computer. The environment is read when asked, never at import.

First the folder named by PRUNING_DATA: `<name>.npz`; the four IDX files in its subfolder `<name>`; the four
right inside it. Then `data/<name>/` of the cache (PRUNING_CACHE, or "cache"), where downloads go. MNIST and
Fashion-MNIST share their IDX names: right inside PRUNING_DATA they are MNIST's, unless the labels begin as
Fashion-MNIST's do.
"""

import os
from pathlib import Path

from core.datasets.formats import IDX_NAMES, SAVE, first_idx_labels

FASHION_FIRST_LABELS = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]  # of its training file; MNIST's are 5 0 4 1 9 2 1 3 1 4

DOCUMENTS = {".md", ".rst", ".pdf", ".html", ".py", ".ipynb", ".sh", ".md5", ".sha256", ".log"}
READ_ME = {"readme", "license", "licence", "notice", "copying", "citation", "checksums", "md5sums", "sha256sums"}
DATA = {".npz", ".npy", ".csv", ".tsv", ".gz", ".idx", ".png", ".jpg", ".mat", ".pkl", ".parquet", ".h5"}
NAMED = 3  # files that are named one by one

Files = tuple[Path, ...]


def data_folder() -> Path | None:
    """The folder PRUNING_DATA, there or not; None when the variable is not set."""
    named = os.environ.get("PRUNING_DATA")
    return Path(named).expanduser() if named else None


def download_folder(name: str) -> Path:
    """Where the data set's downloads go, there or not."""
    return Path(os.environ.get("PRUNING_CACHE") or "cache") / "data" / name


def cannot_write(folder: Path, error: OSError, then: str) -> str:
    """The sentence for a read-only folder, a full disk or refused access below `folder`; `then`: what to do once it is well."""
    reason = error.strerror or error
    return (
        f"the folder {folder.name}/ cannot be written ({reason}): free some space or make it writable, or set PRUNING_CACHE to "
        f"another folder, {then}"
    )


def overlooked() -> str:
    """What lies in the folder PRUNING_DATA and is no data set, and what would be one: a sentence, "" where there is nothing."""
    folder = data_folder()
    if folder is None:
        return ""
    try:
        strangers = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir() if _is_strange(path))
    except OSError as error:
        return f"The folder PRUNING_DATA cannot be read ({error.strerror or error}): {folder}."
    if not strangers:
        return ""
    named = ", ".join(strangers[:NAMED]) + (f" and {len(strangers) - NAMED} more" if len(strangers) > NAMED else "")
    misspelt = [name for name in strangers if name.lower().endswith(".npz")]
    way = (
        f"Rename it to {misspelt[0][:-4]}.npz" if misspelt == strangers else f"Save it with {SAVE}, name ending in .npz"
    )
    return f"Not read in the folder PRUNING_DATA: {named}. {way}."


def _is_strange(path: Path) -> bool:
    """Whether a person may take it for a data set, and it is none."""
    if path.name.startswith(".") or path.suffix.lower() in DOCUMENTS or path.stem.lower() in READ_ME:
        return False
    if path.is_dir():
        return _holds_data(path) and not _idx_files(path)
    return path.suffix != ".npz" and path.name.removesuffix(".gz") not in IDX_NAMES


def _holds_data(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in DATA for path in folder.iterdir())
    except OSError:
        return False


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
