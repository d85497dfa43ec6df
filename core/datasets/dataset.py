"""One data set, ready to train on: split, scaled to 0..1, with its pictures' shape and what a person should know of it."""

import math
from dataclasses import dataclass

import numpy as np

from core.datasets import notes
from core.datasets.formats import Examples
from core.datasets.notes import Notes

COLOURS = 4  # channels that a pixel may have, at most
NOTHING = Notes("", "", "", 0.0)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples ready to train on: images float32 (n, features) in 0..1, labels int64 (n,); all are read-only.

    Validation is the first 10 % of the training file (the paper's code). `image_shape` is (height, width), or
    None where the features are no grey image. `fingerprint` is of the content, however it was stored. `about` is what a
    person should know of it.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    image_shape: tuple[int, int] | None
    class_names: tuple[str, ...]
    target_accuracy: float
    fingerprint: str
    about: Notes = NOTHING

    @property
    def notes(self) -> str:
        """What is missing or odd in it, as one sentence without its full stop; "" where all is as it should be."""
        return self.about.text


def split(name: str, examples: Examples, class_names: tuple[str, ...], target_accuracy: float) -> Dataset:
    """The Dataset of what the files hold; the first 10 % of the training file validate."""
    x, y = _scaled(examples.x_train), examples.y_train
    x_test, y_test = _scaled(examples.x_test), examples.y_test
    for array in (x, y, x_test, y_test):
        array.flags.writeable = False
    valid = len(y) // 10
    return Dataset(
        name=name,
        x_train=x[valid:],
        y_train=y[valid:],
        x_valid=x[:valid],
        y_valid=y[:valid],
        x_test=x_test,
        y_test=y_test,
        image_shape=_image_shape(examples.x_train.shape[1:]),
        class_names=class_names,
        target_accuracy=target_accuracy,
        fingerprint=examples.fingerprint(),
        about=notes.of(examples, class_names, target_accuracy),
    )


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(height, width) of grey images that come as rows of (height, width), (1, height, width) or a square's pixels."""
    if len(shape) == 2:
        return shape
    if len(shape) == 3 and shape[0] == 1 and shape[2] > COLOURS:  # else one row of coloured pixels
        return shape[1:]
    side = math.isqrt(shape[0])
    return (side, side) if len(shape) == 1 and side > 1 and side * side == shape[0] else None


def _scaled(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1)  # (n, features)
    return np.divide(rows, np.float32(255), dtype=np.float32) if rows.dtype == np.uint8 else rows
