"""Data files, read and checked: a Keras-layout .npz or the four IDX files of MNIST -> Examples.

Nothing is ever unpickled. A refusal is a ValueError of one sentence: what came, what is allowed, what to do.
"""

import gzip
import hashlib
import math
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

FIELDS = ("x_train", "y_train", "x_test", "y_test")
IDX_NAMES = (  # in the order of FIELDS
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
MIN_TRAINING_IMAGES = 10  # so that the first 10 % hold at least one
MAX_CLASSES = 1000
# What zipfile, zlib, gzip and NumPy raise on damaged bytes. MemoryError: a header that claims too much.
DAMAGE = (OSError, EOFError, LookupError, ValueError, TypeError, SyntaxError, RuntimeError, MemoryError)
DAMAGE += (OverflowError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Examples:
    """A data set as its files hold it: images uint8 or float32 in 0..1, labels int64.

    Takes any array-like of the allowed kinds; raises ValueError, a sentence that names `source`, for others.
    """

    source: str
    x_train: np.ndarray  # (n, features), (n, height, width) or (n, height, width, channels)
    y_train: np.ndarray  # (n,)
    x_test: np.ndarray
    y_test: np.ndarray

    def __post_init__(self):
        for field in FIELDS:
            checked = _checked_images if field.startswith("x") else _checked_labels
            object.__setattr__(self, field, checked(self.source, field, np.asarray(getattr(self, field))))
        for part, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            if len(x) != len(y):
                came = f"x_{part} holds {len(x)} images, but y_{part} {len(y)} labels"
                _refuse(self.source, came, "one label an image", "save both from the same rows")
        self._check_together()

    def _check_together(self):
        images, top_label = len(self.y_train), self.y_train.max()
        shape, test_shape = self.x_train.shape[1:], self.x_test.shape[1:]
        if images < MIN_TRAINING_IMAGES:
            allowed = f"{MIN_TRAINING_IMAGES} or more"
            _refuse(self.source, f"there are {images} training images", allowed, "save more of them")
        if len(np.unique(self.y_train[images // 10 :])) < 2:
            came = "the last 90 % of y_train, those that train, are all of one class"
            _refuse(self.source, came, "2 classes or more", "save examples of every class, shuffled")
        if shape != test_shape:
            came = f"training images are of shape {shape}, test images of {test_shape}"
            _refuse(self.source, came, "one shape", "save both alike")
        if self.y_test.max() > top_label:
            came = f"y_test holds the label {self.y_test.max()}"
            allowed = f"those of y_train, 0..{top_label}"
            _refuse(self.source, came, allowed, "number the classes alike in both")

    def fingerprint(self) -> str:
        """16 hex digits of the content alone: the same images from .npz, IDX or gzipped IDX give the same."""
        digest = hashlib.sha256()
        for field in FIELDS:
            array = getattr(self, field)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(f"{field} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()[:16]


def read_npz(path: Path) -> Examples:
    """The Examples of a Keras-layout .npz, compressed or not; arrays besides FIELDS are ignored."""
    try:
        with path.open("rb") as file:  # ours to close: np.load leaves it open when the zip is damaged
            loaded = np.load(file, allow_pickle=False)
            present = getattr(loaded, "files", ())  # a bare .npy under the name .npz has none
            missing = [field for field in FIELDS if field not in present]
            arrays = [loaded[field] for field in FIELDS if not missing]
    except DAMAGE as error:
        raise unreadable(path, error) from error
    if missing:
        came = f"there is no array {', '.join(missing)}"
        _refuse(path.name, came, f"a .npz with {', '.join(FIELDS)}", "save it with numpy.savez_compressed")
    return Examples(path.name, *arrays)


def read_idx(paths: tuple[Path, Path, Path, Path]) -> Examples:
    """The Examples of four IDX files in IDX_NAMES' order, gzipped or not (yann.lecun.com/exdb/mnist)."""
    arrays = [_read_idx_file(path, dimensions) for path, dimensions in zip(paths, (3, 1, 3, 1), strict=True)]
    return Examples("the four IDX files", *arrays)


def first_idx_labels(path: Path, count: int) -> list[int]:
    """The first `count` labels of an IDX label file, from its first bytes; [] when they cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            return list(file.read(8 + count)[8:])
    except DAMAGE:
        return []


def unreadable(path: Path, error: BaseException) -> ValueError:
    """The error to raise when a file's bytes, or the system, refuse to be read."""
    reason = getattr(error, "strerror", None) or str(error).rstrip(".") or type(error).__name__
    allowed = "allowed are whole .npz and IDX files without pickled objects"
    return ValueError(f"{path.name} cannot be read ({reason}); {allowed}; copy or download it again")


def _read_idx_file(path: Path, dimensions: int) -> np.ndarray:
    """(n, height, width) or (n,) uint8. Header: 0, 0, 8 for bytes, how many dimensions, each as a >u4."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except DAMAGE as error:
        raise unreadable(path, error) from error
    start = 4 + 4 * dimensions
    whole = content[:4] == bytes((0, 0, 8, dimensions)) and len(content) >= start
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if whole else ()
    if not whole or len(content) != start + math.prod(shape):
        came = f"its {len(content)} bytes are no IDX array of {'images' if dimensions == 3 else 'labels'}"
        _refuse(path.name, came, "a whole IDX file of bytes, gzipped or not", "copy or download it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _checked_images(source: str, field: str, x: np.ndarray) -> np.ndarray:
    """x as C-contiguous uint8 or float32 in 0..1; a single channel is dropped."""
    if x.ndim not in (2, 3, 4) or x.size == 0:
        allowed = "(n, features), (n, height, width) and (n, height, width, channels), none of them 0"
        _refuse(source, f"{field} has the shape {x.shape}", allowed, "save one row an image")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        advice = f"save {field}.astype('uint8')"
        _refuse(source, f"{field} is of type {x.dtype}", "uint8 0..255 and floats 0..1", advice)
    if x.dtype.kind == "f" and not (x.min() >= 0 and x.max() <= 1):  # NaN compares false
        came = f"{field} holds NaN" if np.isnan(x).any() else f"{field} spans {x.min():g}..{x.max():g}"
        advice = "divide by the largest value, or save whole numbers 0..255 as uint8"
        _refuse(source, came, "floats 0..1 without NaN, and uint8 0..255", advice)
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    return np.ascontiguousarray(x, np.uint8 if x.dtype == np.uint8 else np.float32)


def _checked_labels(source: str, field: str, y: np.ndarray) -> np.ndarray:
    """y as int64 of shape (n,)."""
    if y.size == 0 or y.shape not in ((len(y),), (len(y), 1)):
        advice = "save one class number an image"
        _refuse(source, f"{field} has the shape {y.shape}", "(n,) and (n, 1), n at least 1", advice)
    if y.dtype.kind not in "iu":
        _refuse(source, f"{field} is of type {y.dtype}", "whole numbers", f"save {field}.astype('uint8')")
    if y.min() < 0 or y.max() >= MAX_CLASSES:
        allowed = f"labels 0..{MAX_CLASSES - 1}"
        _refuse(source, f"{field} spans {y.min()}..{y.max()}", allowed, "number the classes from 0")
    return np.ascontiguousarray(y.reshape(-1), np.int64)


def _refuse(source: str, came: str, allowed: str, advice: str) -> NoReturn:
    raise ValueError(f"{source}: {came}; allowed: {allowed}; {advice}")
