"""The data sets, one registered function each -> Dataset. To add one, write one below "The data sets".

Where files are looked for says core/datasets/places.py; every other Keras-layout .npz in the folder PRUNING_DATA is a
data set named after its file. Only `download` touches the network.
"""

import inspect
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from core.datasets import downloads, notes
from core.datasets.dataset import Dataset as Dataset
from core.datasets.dataset import split
from core.datasets.downloads import DownloadFailed as DownloadFailed
from core.datasets.formats import Examples, read_idx, read_npz, unreadable
from core.datasets.notes import Notes
from core.datasets.places import Files, data_folder, download_folder, find, incomplete
from core.datasets.places import overlooked as overlooked

SHIPPED = Path(__file__).parents[1] / "data"
KEPT_LOADED = 2  # data sets held in memory: full MNIST is 220 MB as float32
DIGITS = tuple("0123456789")
GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
GARMENTS += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


class DatasetMissing(ValueError):
    """The data set is known but not on this computer; the text says what is, and what to do."""


# ---------------------------------------------------------------------------------------------- The registry


@dataclass(frozen=True)
class Entry:
    """What is known of a data set without reading it, and how to read it."""

    label: str
    description: str
    target_accuracy: float
    class_names: tuple[str, ...]  # () means the class numbers
    files: Callable[[], Files | None]  # what would be read now: () needs no file, None means absent
    read: Callable[[], Examples]


_entries: dict[str, Entry] = {}


def register(label: str, *, target_accuracy=0.98, class_names=(), files: Callable[[], Files | None] = tuple):
    """Makes a function () -> Examples a data set: its name hyphenated, its docstring's line one for menus.

    `files` says what it would read now, so that a changed file is noticed and an absent one reported.
    """

    def add(read: Callable[[], Examples]) -> Callable[[], Examples]:
        description = inspect.getdoc(read).splitlines()[0]
        name = read.__name__.replace("_", "-")
        _entries[name] = Entry(label, description, target_accuracy, tuple(class_names), files, read)
        return read

    return add


def read_found(name: str) -> Examples:
    """The Examples of the files that `find` gives; raises DatasetMissing when there are none."""
    files = find(name)
    if files is None:
        raise _missing(name)
    return read_npz(files[0]) if len(files) == 1 else read_idx(files)


# --------------------------------------------------------------------------------------------- The data sets


@register("MNIST mini", class_names=DIGITS, files=lambda: (SHIPPED / "mnist-mini.npz",))
def mnist_mini() -> Examples:
    """12,000 handwritten digits, 28 × 28: a sixth of MNIST, shipped with this program.

    In file order, the first 1,000 training and the first 200 test images of each digit.
    """
    return read_npz(SHIPPED / "mnist-mini.npz")


@register("Digits 8 × 8", class_names=DIGITS)
def digits() -> Examples:
    """1,797 handwritten digits, 8 × 8, from scikit-learn: trains in a second.

    The split is ours: shuffled by numpy.random.RandomState(0), the first 1,437 are the training file (of
    which the first 143 validate), the last 360 the test file. Pixels 0..16 are divided by 16.
    Source: Alpaydin and Kaynak 1998, UCI "Optical Recognition of Handwritten Digits".
    """
    # The file is read as `sklearn.datasets.load_digits` reads it; to import that takes a second of each process that trains.
    package = Path(find_spec("sklearn").origin).parent
    rows = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    # RandomState, for NumPy has frozen its stream; a Generator's may change and the split with it.
    rows = rows[np.random.RandomState(0).permutation(len(rows))]
    images, labels = rows[:, :-1].reshape(-1, 8, 8) / 16, rows[:, -1].astype(int)
    return Examples("digits", images[:1437], labels[:1437], images[1437:], labels[1437:])


@register("MNIST", class_names=DIGITS, files=lambda: find("mnist"))
def mnist() -> Examples:
    """70,000 handwritten digits, 28 × 28 (LeCun, Cortes and Burges 1998)."""
    return read_found("mnist")


@register("Fashion-MNIST", target_accuracy=0.92, class_names=GARMENTS, files=lambda: find("fashion-mnist"))
def fashion_mnist() -> Examples:
    """70,000 pictures of ten kinds of clothes, 28 × 28 (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747)."""
    return read_found("fashion-mnist")


# ------------------------------------------------------------------------------------------- What others ask


def names() -> list[str]:
    """Every data set, here or not: the registered ones, then the other .npz files in PRUNING_DATA, a to z.

    A damaged file is listed too; `load` says what is wrong with it. A file named as a registered data set
    is that data set.
    """
    folder = data_folder()
    try:
        stems = {path.stem for path in folder.glob("*.npz") if path.is_file()} if folder else set()
    except OSError:  # a folder that may not be listed holds nothing for us
        stems = set()
    return [*_entries, *sorted(stem for stem in stems - _entries.keys() if not stem.startswith("."))]


def label(name: str) -> str:
    """The data set's name as menus show it."""
    return _entry(name).label


def describe(name: str) -> str:
    """One line on what the data set holds, without reading it."""
    return _entry(name).description


def target_accuracy(name: str) -> float:
    """The training accuracy to stop at, 0..1, without reading the data.

    A file of one's own has 0.98, or its namesake's: "fashion-mnist-mine" that of "fashion-mnist".
    """
    return _entry(name).target_accuracy


def ships(name: str) -> bool:
    """Whether the data set comes with this program, or with a package that it needs; nothing of it is odd or missing."""
    files = _entry(name).files()
    return files is not None and all(file.parent == SHIPPED for file in files)


def available(name: str) -> bool:
    """Whether `load` finds the data set without a download; it may still turn out damaged."""
    return _entry(name).files() is not None


def downloadable(name: str) -> bool:
    """Whether `download` knows mirrors for the data set."""
    _entry(name)
    return name in downloads.REMOTES


def where(name: str) -> str:
    """A sentence: where the data set would be read from now, or what to do when it is not here."""
    files = _entry(name).files()
    if files is None:
        return f"{_missing(name)}."
    if not files:
        return f"{name} needs no file."
    folder, parent = data_folder(), files[0].parent
    what = files[0].name if len(files) == 1 else "four IDX files"
    if parent == SHIPPED:
        return f"{name} comes with this program."
    if folder and parent in (folder, folder / name):
        subfolder = "" if parent == folder else f"{name} in "
        return f"{name} is read from {what} in {subfolder}the folder PRUNING_DATA."
    return f"{name} is read from the {what} that were downloaded into the cache."


def fingerprint(name: str) -> str:
    """16 hex digits of the content; unchanged files are not read again. Raises as `load` does."""
    entry = _entry(name)
    key = _key(name, entry)
    with _lock:
        if key not in _fingerprints:
            _fingerprints[key] = entry.read().fingerprint()
        return _fingerprints[key]


def load(name: str) -> Dataset:
    """The data set, from memory when its files did not change since; never from the network.

    Raises ValueError for an unknown name or damaged files, DatasetMissing (a ValueError) for absent ones.
    """
    entry = _entry(name)
    key = _key(name, entry)
    with _lock:
        if key not in _loaded:
            examples = entry.read()
            names = _class_names(entry, examples)
            _loaded[key] = split(name, examples, names, entry.target_accuracy)
            _fingerprints[key], _notes[key] = _loaded[key].fingerprint, _loaded[key].about
        _loaded.move_to_end(key)
        while len(_loaded) > KEPT_LOADED:
            _loaded.popitem(last=False)
        return _loaded[key]


def about(name: str) -> Notes:
    """What a person should know of the data set; unchanged files are read once. Raises as `load` does."""
    entry = _entry(name)
    key = _key(name, entry)
    with _lock:
        if key not in _notes:
            examples = entry.read()
            _fingerprints[key] = examples.fingerprint()
            _notes[key] = notes.of(examples, _class_names(entry, examples), entry.target_accuracy)
        return _notes[key]


def download(name: str, progress: downloads.Progress | None = None, *, retries: int = 3) -> None:
    """Puts the data set's files into the cache, whole and checked by md5; what is there already is kept.

    `progress(done_bytes, total_bytes)` as `downloads.fetch` says. Raises DownloadFailed (a ValueError).
    """
    if not downloadable(name):
        able = ", ".join(downloads.REMOTES)
        raise ValueError(f"{name} cannot be downloaded; allowed are {able}; {where(name)}")
    downloads.fetch(name, download_folder(name), progress, retries=retries)


# ------------------------------------------------------------------------------------------------ Inner parts

# One lock for the tables below, held by whoever reads or writes them, reading the files included: two
# sessions that ask for the same data set read it once; the price is that a third may wait a second for its
# own. No other lock is taken inside, and a failed read leaves all tables as they were.
_lock = threading.Lock()
_loaded: OrderedDict[tuple, Dataset] = OrderedDict()
_fingerprints: dict[tuple, str] = {}
_notes: dict[tuple, Notes] = {}


def _entry(name: str) -> Entry:
    known = names()
    if name not in known:
        raise ValueError(
            f"unknown data set {name!r}: allowed are {', '.join(known)}; a Keras-layout .npz in the folder "
            "PRUNING_DATA adds one"
        )
    if name in _entries:
        return _entries[name]
    kin = next((entry for registered, entry in _entries.items() if name.startswith(f"{registered}-")), None)
    description = f"The images in {name}.npz, a file in the folder PRUNING_DATA."
    class_names = kin.class_names if kin else ()
    return Entry(
        name,
        description,
        kin.target_accuracy if kin else 0.98,
        class_names,
        lambda: find(name),
        lambda: read_found(name),
    )


def _key(name: str, entry: Entry) -> tuple:
    """Equal as long as the same unchanged files would be read."""
    files = entry.files()
    if files is None:
        raise _missing(name)
    try:
        stats = [(path, path.stat()) for path in files]
    except OSError as error:
        raise unreadable(Path(error.filename), error) from error
    return (name, *((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats))


def _class_names(entry: Entry, examples: Examples) -> tuple[str, ...]:
    numbers = tuple(map(str, range(examples.y_train.max() + 1)))
    return entry.class_names if len(entry.class_names) == len(numbers) else numbers


def _missing(name: str) -> DatasetMissing:
    here = ", ".join(other for other in names() if _entry(other).files() is not None)
    only = f" (only {incomplete(name)})" if incomplete(name) else ""
    get = "press download, or put" if name in downloads.REMOTES else "put"
    folder = data_folder()
    state = ", which is not set" if folder is None else "" if os.path.isdir(folder) else ", which names no folder"
    return DatasetMissing(
        f"{name} is not on this computer{only}; here are {here}; {get} {name}.npz in the folder PRUNING_DATA{state}"
    )
