"""What to do with arrays that are no data set as they are: a few words, then the code between backticks, if code can do it.

The code takes the arrays by their names of the file, with NumPy as `numpy`; saved again, what it leaves is accepted, or the
next refusal says the next step. It keeps training and test images on one scale, and both label arrays in one numbering.
"""

import numpy as np

RENUMBER = (
    "classes = numpy.unique(numpy.concatenate([y_train.ravel(), y_test.ravel()])); "
    "y_train = numpy.searchsorted(classes, y_train); y_test = numpy.searchsorted(classes, y_test)"
)
BY_HAND = "save how bright each pixel is, as numbers 0..1"


def each(fields, code: str) -> str:
    """The code for every one of the fields, "x" in it standing for the field's name: "`x_train = …`"."""
    return "`" + "; ".join(f"{field} = {code.format(x=field)}" for field in fields) + "`"


def cast(fields, name: str) -> str:
    """The code that gives the fields another type."""
    return each(fields, "{x}.astype('" + name + "')")


def of_pixels(arrays: dict[str, np.ndarray], fine: np.ndarray | None) -> str:
    """For images of another type, or of finite numbers outside 0..1; `fine`: the other images, where those are taken."""
    kinds = {array.dtype.kind for array in arrays.values()}
    if kinds <= set("biuf"):
        return _of_numbers(arrays, kinds, fine)
    if kinds == {"c"}:
        return f"save the real part: {each(arrays, '{x}.real')}"
    if kinds <= set("USO") and all(map(_are_numbers, arrays.values())):
        return f"save the numbers: {each(arrays, 'numpy.array({x}.tolist(), float)')}"
    return BY_HAND


def _of_numbers(arrays: dict[str, np.ndarray], kinds: set[str], fine: np.ndarray | None) -> str:
    low, high = spanned(arrays)
    if 0 <= low and high <= 1:
        return f"save {cast(arrays, 'float32')}"
    beside_bytes = fine is not None and fine.dtype == np.uint8
    if low >= 0 and (high - low > high / 2 or beside_bytes):  # else hardly any contrast would be left
        of_bytes = high <= 255 and (high > 127 or beside_bytes)
        if of_bytes and kinds <= set("iu"):
            return f"save {cast(arrays, 'uint8')}"
        top = _number(255 if of_bytes else high)
        return f"divide by {top}: {each(arrays, '{x} / ' + top)}"
    if not np.isfinite(high - low):
        top = _number(max(-low, high))
        return f"shift and divide: {each(arrays, '({x} / ' + top + ' + 1) / 2')}"
    # As float64, for 1 + 127 is too much for an int8. The numbers are exact, so that the ends come out as 0 and 1.
    code = "({x}.astype('float64') " + f"{'-' if low > 0 else '+'} {_number(abs(low))}) / {_number(high - low or 1)}"
    return f"shift and divide: {each(arrays, code)}"


def of_contrast(arrays: dict[str, np.ndarray]) -> str:
    """The code that makes images that are taken, but use little of 0..1, use all of it."""
    low, high = spanned(arrays)
    base = low if high - low <= high / 2 else 0
    shifted = "({x}.astype('float64') - " + f"{_number(base)})" if base else "{x}"
    return each(arrays, f"{shifted} / {_number(high - base)}")


def of_gaps(arrays: dict[str, np.ndarray]) -> str:
    """For images with NaN or infinite pixels."""
    finite = [array[np.isfinite(array)] for array in arrays.values()]
    if not any(array.size for array in finite):
        return f"nothing of the images is in it: {BY_HAND}"
    low, high = spanned({str(place): array for place, array in enumerate(finite) if array.size})
    code = f"numpy.nan_to_num({{x}}, nan={_number(max(low, 0))}, posinf={_number(high)}, neginf={_number(low)})"
    return f"fill them in, {each(arrays, code)}, or leave those images out"


def of_labels(arrays: dict[str, np.ndarray], y_train: np.ndarray, y_test: np.ndarray) -> str:
    """For labels of a type that is not taken; `arrays` are those of the two that are not."""
    kinds = {array.dtype.kind for array in arrays.values()}
    if kinds == {"b"}:
        return f"save {cast(arrays, 'int64')}"
    if kinds == {"f"} and not all(np.isfinite(array).all() for array in arrays.values()):
        parts = [field.removeprefix("y_") for field in arrays]
        keep = "keep = numpy.isfinite(y_{0}).ravel(); x_{0} = x_{0}[keep]; y_{0} = y_{0}[keep]"
        return f"leave images without a label out: `{'; '.join(keep.format(part) for part in parts)}`"
    if kinds == {"f"} and all((array == np.round(array)).all() for array in arrays.values()):
        return f"save {cast(arrays, 'int64')}"
    if kinds <= set("US") and all(map(_are_whole, arrays.values())):
        return f"save {cast(arrays, 'int64')}"
    if y_train.dtype.kind == y_test.dtype.kind and y_train.dtype.kind in "fUS":
        return renumbered(y_train, y_test)
    return "number the classes from 0 and save those numbers"


def renumbered(y_train: np.ndarray, y_test: np.ndarray) -> str:
    """For labels that stand for classes but are not 0, 1, 2, …; both arrays of one kind."""
    count = len(np.unique(np.concatenate([y_train.ravel(), y_test.ravel()])))
    if count > 1000:
        return f"number the classes from 0: these are {count:,} different ones, so put them into 1,000 groups or fewer"
    return f"number the classes from 0: `{RENUMBER}`"


def of_label_shape(arrays: dict[str, np.ndarray]) -> str:
    """For labels that are no row of numbers."""
    if all(map(_is_one_of_many, arrays.values())):
        return f"save the place of the 1: {each(arrays, '{x}.argmax(axis=1)')}"
    return "save one class number an image"


def of_image_shape(arrays: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> str:
    """For images that are no rows; `labels` has "y_train" and "y_test"."""
    rows = {field: labels[field.replace("x", "y", 1)].shape[:1] for field in arrays}
    if all(n and n[0] and arrays[field].size and arrays[field].size % n[0] == 0 for field, n in rows.items()):
        code = (f"{field} = {field}.reshape({n[0]}, -1)" for field, n in rows.items())
        return f"save one row an image: `{'; '.join(code)}`"
    return "save one row an image"


def of_row_count(part: str, x: np.ndarray, y: np.ndarray) -> str:
    """For images of a `part` ("train") that are not as many as its labels."""
    if len(x.shape) > 2 and x.shape[-1] == len(y):
        return f"put the images first: `x_{part} = numpy.moveaxis(x_{part}, -1, 0)`"
    return "save both from the same rows"


def of_unlike_shapes(x_train: np.ndarray, x_test: np.ndarray) -> str:
    """For test images of another shape than the training images."""
    wanted = x_train.shape[1:]
    if np.prod(wanted) == np.prod(x_test.shape[1:]):
        return f"save both alike: `x_test = x_test.reshape({', '.join(map(str, (-1, *wanted)))})`"
    return f"save both alike: scale or crop the test images to {' × '.join(map(str, wanted))}"


def of_unknown_classes(y_train: np.ndarray, y_test: np.ndarray) -> str:
    """For test labels above all training labels."""
    top = y_train.max()
    if not (y_test <= top).any():
        return "number the classes alike in both"
    code = f"keep = y_test.ravel() <= {top}; x_test = x_test[keep]; y_test = y_test[keep]"
    return f"number the classes alike in both, or leave out what never trains: `{code}`"


def shuffled(y: np.ndarray) -> str:
    """Code that shuffles the training file so that, if any order can, all classes are in what trains and what validates."""
    best = min(range(50), key=lambda seed: _lacking(y[np.random.default_rng(seed).permutation(len(y))]))
    return (
        f"`order = numpy.random.default_rng({best}).permutation({len(y)}); "
        "x_train = x_train[order]; y_train = y_train[order]`"
    )


def spanned(arrays: dict[str, np.ndarray]) -> tuple[float, float]:
    """The least and the largest of all values, as Python's numbers."""
    lows, highs = zip(*((array.min().item(), array.max().item()) for array in arrays.values()), strict=True)
    return min(lows), max(highs)


def _lacking(y: np.ndarray) -> tuple[int, int]:
    """How many classes the last 90 % of y lack, which counts first, and how many the first 10 %."""
    cut = len(y) // 10
    all_of_them = len(np.unique(y))
    return all_of_them - len(np.unique(y[cut:])), all_of_them - len(np.unique(y[:cut]))


def _number(value: float) -> str:
    """As Python reads it back, and no longer than need be: 1 rather than 1.0."""
    short = f"{value:g}"
    if float(short) == value:
        return short
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _are_numbers(array: np.ndarray) -> bool:
    try:
        np.array(array.tolist(), float)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _are_whole(array: np.ndarray) -> bool:
    try:
        array.astype("int64")
    except (ValueError, OverflowError):
        return False
    return True


def _is_one_of_many(array: np.ndarray) -> bool:
    """Whether each row is a 1 among zeros, or shares that add up to 1."""
    if array.ndim != 2 or array.shape[1] < 2 or not array.size or array.dtype.kind not in "biuf":
        return False
    return bool((array >= 0).all() and np.allclose(array.sum(axis=1, dtype=float), 1))
