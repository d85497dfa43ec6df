"""Data files, read and checked: a Keras-layout .npz or the four IDX files of MNIST -> Examples.

Nothing is ever unpickled. A refusal is a ValueError of one sentence: what came, what is allowed, what to do.
"""

import gzip
import hashlib
import math
import shlex
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from core.datasets import advice

FIELDS = ("x_train", "y_train", "x_test", "y_test")
IDX_NAMES = (  # in the order of FIELDS
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
MIN_TRAINING_IMAGES = 10  # so that the first 10 % hold at least one
MAX_CLASSES = 1000
SAVE = "`numpy.savez_compressed(name, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)`"
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
        came = {field: np.asarray(getattr(self, field)) for field in FIELDS}
        _check_images(self.source, came)
        _check_labels(self.source, came)
        for field, array in came.items():
            object.__setattr__(self, field, _as_images(array) if field.startswith("x") else _as_labels(array))
        for part, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            if len(x) != len(y):
                counts = f"x_{part} holds {len(x)} images, but y_{part} {len(y)} labels"
                _refuse(self.source, counts, "one label an image", advice.of_row_count(part, came[f"x_{part}"], y))
        self._check_together()

    def _check_together(self):
        images, top_label = len(self.y_train), self.y_train.max()
        shape, test_shape = self.x_train.shape[1:], self.x_test.shape[1:]
        if images < MIN_TRAINING_IMAGES:
            allowed = f"{MIN_TRAINING_IMAGES} or more"
            _refuse(self.source, f"there are {images} training images", allowed, "save more of them")
        if len(np.unique(self.y_train)) < 2:
            came = f"y_train is all of one class, {top_label}"
            _refuse(self.source, came, "2 classes or more", "save examples of every class, shuffled")
        if len(np.unique(self.y_train[images // 10 :])) < 2:
            came = "the last 90 % of y_train, those that train, are all of one class"
            what = f"save examples of every class, shuffled: {advice.shuffled(self.y_train)}"
            _refuse(self.source, came, "2 classes or more", what)
        if shape != test_shape:
            came = f"training images are of shape {shape}, test images of {test_shape}"
            _refuse(self.source, came, "one shape", advice.of_unlike_shapes(self.x_train, self.x_test))
        if self.y_test.max() > top_label:
            came = f"y_test holds the label {self.y_test.max()}"
            allowed = f"those of y_train, 0..{top_label}"
            _refuse(self.source, came, allowed, advice.of_unknown_classes(self.y_train, self.y_test))

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
    arrays, objects = {}, []
    try:
        with path.open("rb") as file:  # ours to close: np.load leaves it open when the zip is damaged
            if not file.read(6).startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")):
                raise ValueError("it is no .npz, whatever its name says")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            present = getattr(loaded, "files", ())  # a bare .npy under the name .npz has none
            missing = [field for field in FIELDS if field not in present]
            for field in FIELDS if not missing else ():
                if _holds_objects(loaded, field):
                    objects.append(field)
                else:
                    arrays[field] = loaded[field]
    except DAMAGE as error:
        raise unreadable(path, error) from error
    if missing:
        held = f"; it holds {', '.join(list(present)[:8])}" if present else ""
        allowed = f"a .npz with {', '.join(FIELDS)}{held}"
        _refuse(path.name, f"there is no array {', '.join(missing)}", allowed, f"save it with {SAVE}")
    if objects:
        verb = "is an array" if len(objects) == 1 else "are arrays"
        raise ValueError(
            f"{path.name} cannot be read ({', '.join(objects)} {verb} of Python objects, which only pickle reads, and nothing "
            "is ever unpickled here); allowed: arrays of numbers; save the numbers, all images of one size: "
            f"{advice.each(objects, 'numpy.array({x}.tolist())')}"
        )
    return Examples(path.name, **arrays)


def _holds_objects(loaded: np.lib.npyio.NpzFile, field: str) -> bool:
    """Whether the array of an .npz would need pickle, from its header alone."""
    with loaded.zip.open(f"{field}.npy" if f"{field}.npy" in loaded.zip.namelist() else field) as file:
        if np.lib.format.read_magic(file) == (1, 0):
            return np.lib.format.read_array_header_1_0(file)[2].hasobject
        return np.lib.format.read_array_header_2_0(file)[2].hasobject


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
    if isinstance(error, PermissionError):
        return ValueError(
            f"{path.name} cannot be read ({reason}); let it be read: `chmod a+r {shlex.quote(path.name)}`"
        )
    allowed = "allowed are whole .npz and IDX files without pickled objects"
    return ValueError(
        f"{path.name} cannot be read ({reason}); {allowed}; copy or download it again, or save it with {SAVE}"
    )


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


def _check_images(source: str, came: dict[str, np.ndarray]) -> None:
    """Refuses what are no images. What is wrong with both arrays in one way is told of the first, and mended in both."""
    images = {field: came[field] for field in ("x_train", "x_test")}

    def bad(wrong: Callable[[np.ndarray], bool]) -> dict[str, np.ndarray]:
        return {field: x for field, x in images.items() if wrong(x)}

    if found := bad(lambda x: x.ndim not in (2, 3, 4) or x.size == 0):
        first, x = next(iter(found.items()))
        allowed = "(n, features), (n, height, width) and (n, height, width, channels), none of them 0"
        _refuse(source, f"{first} has the shape {x.shape}", allowed, advice.of_image_shape(found, came))
    found = bad(lambda x: x.dtype != np.uint8 and not (x.dtype.kind == "f" and x.min() >= 0 and x.max() <= 1))
    if not found:
        return
    gaps = {field: x for field, x in found.items() if x.dtype.kind == "f" and not np.isfinite(x).all()}
    first, x = next(iter(gaps.items() or found.items()))
    fine = next((other for field, other in images.items() if field not in found), None)
    what = advice.of_gaps(gaps) if gaps else advice.of_pixels(found, fine)
    if x.dtype.kind != "f":
        _refuse(source, f"{first} is of type {x.dtype}", "uint8 0..255 and floats 0..1", what)
    came_as = f"{first} holds NaN" if np.isnan(x).any() else f"{first} spans {x.min():g}..{x.max():g}"
    _refuse(source, came_as, "floats 0..1 without NaN, and uint8 0..255", what)


def _as_images(x: np.ndarray) -> np.ndarray:
    """x as C-contiguous uint8 or float32; a single last channel is dropped."""
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    return np.ascontiguousarray(x, np.uint8 if x.dtype == np.uint8 else np.float32)


def _check_labels(source: str, came: dict[str, np.ndarray]) -> None:
    """Refuses what are no class numbers; as with images, both arrays are mended together."""
    labels = {field: came[field] for field in ("y_train", "y_test")}
    wrong = {
        f: y for f, y in labels.items() if y.size == 0 or y.shape not in (y.shape[:1], (*y.shape[:1], 1)) or not y.ndim
    }
    if wrong:
        first, y = next(iter(wrong.items()))
        allowed = "(n,) and (n, 1), n at least 1"
        _refuse(source, f"{first} has the shape {y.shape}", allowed, advice.of_label_shape(wrong))
    wrong = {field: y for field, y in labels.items() if y.dtype.kind not in "iu"}
    if wrong:
        first, y = next(iter(wrong.items()))
        _refuse(source, f"{first} is of type {y.dtype}", "whole numbers", advice.of_labels(wrong, **labels))
    for field, y in labels.items():
        if y.min() < 0 or y.max() >= MAX_CLASSES:
            allowed = f"labels 0..{MAX_CLASSES - 1}"
            _refuse(source, f"{field} spans {y.min()}..{y.max()}", allowed, advice.renumbered(**labels))


def _as_labels(y: np.ndarray) -> np.ndarray:
    """y as int64 of shape (n,)."""
    return np.ascontiguousarray(y.reshape(-1), np.int64)


def _refuse(source: str, came: str, allowed: str, advice: str) -> NoReturn:
    raise ValueError(f"{source}: {came}; allowed: {allowed}; {advice}")
