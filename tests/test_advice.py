"""Every refusal of a data file, followed to the letter: the file is then taken, and trains as what it came from does."""

import numpy as np
import pytest
from spoiled import File, accepted

from core import datasets, experiment
from core.spec import RunSpec

SAME = 0.02  # of the training accuracy: what another order of the images may change


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNING_DATA", str(tmp_path))
    monkeypatch.setenv("PRUNING_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module")
def floats() -> dict[str, np.ndarray]:
    """600 + 150 of scikit-learn's digits as floats 0..1, 8 × 8."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = (bunch.images / 16).astype(np.float32), bunch.target.astype(np.int64)
    return {"x_train": images[:600], "y_train": labels[:600], "x_test": images[600:750], "y_test": labels[600:750]}


def trained(name: str) -> float:
    """The training accuracy of a small network after ten epochs."""
    spec = RunSpec(
        dataset=name, hidden=(24,), learning_rate=0.1, batch_size=16, max_epochs=10, pruning=None, ending="epochs"
    )
    return [event.train_accuracy for event in experiment.run(spec) if hasattr(event, "train_accuracy")][-1]


@pytest.fixture
def as_it_was(folder, floats):
    """(arrays) -> the training accuracy of those very arrays."""
    known = {}

    def measure(arrays) -> float:
        key = tuple(array.tobytes() for array in arrays.values())
        if key not in known:
            np.savez(folder / "original.npz", **arrays)
            known[key] = trained("original")
        return known[key]

    return measure


def images(floats, change) -> dict:
    return floats | {field: change(floats[field]) for field in ("x_train", "x_test")}


def labels(floats, change) -> dict:
    return floats | {field: change(floats[field]) for field in ("y_train", "y_test")}


def objects(x) -> np.ndarray:
    """One array an image, as `numpy.array(list_of_images, dtype=object)` leaves them."""
    found = np.empty(len(x), object)
    found[:] = list(x)
    return found


def with_gaps(x) -> np.ndarray:
    spoiled = x.copy()
    spoiled[:3, 0, 0] = np.nan, np.inf, -np.inf
    return spoiled


PIXELS = {
    "−1..1": lambda x: x * 2 - 1,
    "−1..1 as float64": lambda x: x.astype(float) * 2 - 1,
    "0..255 as floats": lambda x: x * 255,
    "0..255 as float16": lambda x: (x * 255).astype(np.float16),
    "0..255 as int64": lambda x: (x * 255).round().astype(np.int64),
    "0..16 as int32": lambda x: (x * 16).astype(np.int32),
    "0..16 as floats": lambda x: x * 16,
    "0..100 as floats": lambda x: x * 100,
    "0..65535 as uint16": lambda x: (x * 65535).round().astype(np.uint16),
    "−128..127 as int8": lambda x: ((x * 255).round() - 128).astype(np.int8),
    "−8..8 as int64": lambda x: (x * 16 - 8).astype(np.int64),
    "−0.5..0.5": lambda x: x - 0.5,
    "standardised": lambda x: (x - 0.305) / 0.376,
    "far from zero": lambda x: 1000 + 3 * x,
    "all below zero": lambda x: -5 + 3 * x,
    "beyond what can be subtracted": lambda x: (x.astype(float) - 0.5) * 2 * 1e308,
    "text": lambda x: x.astype(str),
    "bytes of text": lambda x: (x * 255).round().astype(np.uint8).astype("S3"),
    "complex": lambda x: x.astype(complex),
    "objects, one array an image": objects,
    "objects, one a pixel": lambda x: x.astype(object),
    "objects of bytes": lambda x: objects((x * 255).round().astype(np.uint8)),
    "NaN and infinity": with_gaps,
    "−1..1 with NaN": lambda x: with_gaps(x * 2 - 1),
    "two more dimensions": lambda x: x.reshape(-1, 1, 1, 8, 8),
    "one long row": lambda x: x.ravel(),
    "images last": lambda x: np.moveaxis(x, 0, -1),
}


@pytest.mark.parametrize("name", PIXELS)
def test_images_that_are_refused_train_as_the_floats_did_once_the_advice_is_followed(name, folder, floats, as_it_was):
    file = File(folder / "mine.npz", images(floats, PIXELS[name]), floats)
    dataset, refusals = accepted(file)
    assert refusals and all("`" in sentence for sentence in refusals), "the advice is code"
    assert trained("mine") == pytest.approx(as_it_was(floats), abs=SAME)
    assert dataset.x_train.max() == pytest.approx(1) and dataset.x_test.max() == pytest.approx(1)


@pytest.mark.parametrize("kind", [bool, np.int8, np.int64, np.uint16, float])
def test_black_and_white_stays_black_and_white(kind, folder, floats, as_it_was):
    def white(x):
        return (x > 0.5).astype(kind)

    dataset, _ = accepted(File(folder / "mine.npz", images(floats, white), floats))
    assert set(np.unique(dataset.x_train)) == {0, 1}
    assert trained("mine") == as_it_was(images(floats, lambda x: (x > 0.5).astype(np.float32)))


LABELS = {
    "bool": lambda y: y > 4,
    "floats": lambda y: y.astype(float),
    "floats in a column": lambda y: y.astype(np.float32)[:, None],
    "1..10": lambda y: y * 100 + 1,
    "negative": lambda y: y - 5,
    "thousands": lambda y: y * 1000,
    "numbers as text": lambda y: y.astype(str),
    "words": lambda y: np.array([f"class {n}" for n in range(10)])[y],
    "bytes": lambda y: np.array([f"class {n}" for n in range(10)], "S")[y],
    "halves": lambda y: y / 2,
    "one of ten": lambda y: np.eye(10)[y],
    "one of ten, whole": lambda y: np.eye(10, dtype=np.uint8)[y],
    "shares": lambda y: np.eye(10)[y] * 0.91 + 0.009,
    "words as objects": lambda y: np.array([f"class {n}" for n in range(10)], object)[y],
    "numbers as objects": lambda y: y.astype(object),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_refused_train_as_they_did_once_the_advice_is_followed(name, folder, floats, as_it_was):
    whole = floats if name != "bool" else labels(floats, lambda y: (y > 4).astype(int))
    dataset, refusals = accepted(File(folder / "mine.npz", labels(floats, LABELS[name]), whole))
    assert len(dataset.class_names) == len(np.unique(whole["y_train"])) or not refusals
    if name != "1..10":  # accepted as it is, with what it lacks named
        assert refusals and all("`" in sentence for sentence in refusals)
        assert trained("mine") == pytest.approx(as_it_was(whole), abs=SAME)


def test_a_missing_label_takes_its_image_along(folder, floats):
    spoiled = labels(floats, lambda y: np.where(np.arange(len(y)) % 50 == 7, np.nan, y))
    dataset, refusals = accepted(File(folder / "mine.npz", spoiled, floats))
    assert len(refusals) == 2 and "without a label" in refusals[0]
    assert len(dataset.y_train) + len(dataset.y_valid) == 588 and len(dataset.y_test) == 147


@pytest.mark.parametrize("few", [1, 3, 30])
def test_a_second_class_only_among_the_first_images_is_shuffled_into_what_trains(few, folder, floats):
    y = np.where(np.arange(600) < few, 1, 0)
    spoiled = floats | {"y_train": y, "y_test": np.zeros(150, int)}
    dataset, refusals = accepted(File(folder / "mine.npz", spoiled, floats))
    assert len(refusals) == 1 and "shuffled" in refusals[0]
    assert set(dataset.y_train) == {0, 1} and np.bincount(dataset.y_train)[1] + np.bincount(dataset.y_valid)[-1] >= few


def test_all_of_one_class_is_not_told_to_shuffle(folder, floats):
    spoiled = floats | {"y_train": np.full(600, 3), "y_test": np.full(150, 3)}
    _, refusals = accepted(File(folder / "mine.npz", spoiled, floats))
    assert len(refusals) == 1 and "all of one class, 3" in refusals[0] and "`" not in refusals[0]


def test_test_images_of_classes_that_never_train_are_left_out(folder, floats, as_it_was):
    keep = floats["y_train"] < 7
    spoiled = floats | {"x_train": floats["x_train"][keep], "y_train": floats["y_train"][keep]}
    dataset, refusals = accepted(File(folder / "mine.npz", spoiled, floats))
    assert len(refusals) == 1 and dataset.y_test.max() == 6
    keep = floats["y_test"] < 7
    assert trained("mine") == as_it_was(spoiled | {"x_test": floats["x_test"][keep], "y_test": floats["y_test"][keep]})


def test_test_images_in_another_arrangement_are_rearranged(folder, floats, as_it_was):
    spoiled = floats | {"x_test": floats["x_test"].reshape(150, 64)}
    dataset, refusals = accepted(File(folder / "mine.npz", spoiled, floats))
    assert len(refusals) == 1 and dataset.image_shape == (8, 8)
    assert trained("mine") == as_it_was(floats)


@pytest.mark.parametrize(
    ("train", "test", "test_is"),
    [
        (lambda x: x, lambda x: x * 255, "floats beside floats times 255"),
        (lambda x: (x * 255).round().astype(np.uint8), lambda x: (x * 64).round().astype(int), "bytes beside ints"),
        (lambda x: x * 255, lambda x: x * 250, "a test file without white"),
        (lambda x: x * 2 - 1, lambda x: x * 1.9 - 1, "a test file without white around zero"),
        (lambda x: (x * 16).astype(int), lambda x: (x * 15).astype(int), "ints without the brightest"),
    ],
)
def test_training_and_test_images_end_on_one_scale(train, test, test_is, folder, floats):
    """One scale for both: dividing each array by its own largest value would brighten the test images."""
    spoiled = floats | {"x_train": train(floats["x_train"]), "x_test": test(floats["x_test"])}
    dataset, _ = accepted(File(folder / "mine.npz", spoiled, floats))
    assert dataset.x_train.max() == pytest.approx(1)
    wanted = {"x * 64": 64 / 255}
    ends = {
        "floats beside floats times 255": 1,
        "bytes beside ints": wanted["x * 64"],
        "a test file without white": 250 / 255,
    }
    ends |= {"a test file without white around zero": 0.95, "ints without the brightest": 15 / 16}
    assert dataset.x_test.max() == pytest.approx(ends[test_is], abs=0.01)


def test_a_file_with_other_names_in_it_is_saved_as_its_sentence_says(folder, floats):
    path = folder / "mine.npz"
    np.savez(path, *floats.values())
    with pytest.raises(ValueError, match="it holds arr_0, arr_1, arr_2, arr_3; save it with") as refusal:
        datasets.load("mine")
    File(path, dict(floats), floats).follow(str(refusal.value))
    np.testing.assert_array_equal(datasets.load("mine").x_test, floats["x_test"].reshape(150, 64))


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\x1f\x8bgz", b"\x80\x04K\x01.", b"PK\x03\x04 half"])
def test_what_only_has_the_name_of_an_npz_is_saved_as_its_sentence_says(content, folder, floats):
    path = folder / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="mine.npz cannot be read") as refusal:
        datasets.load("mine")
    assert "pickled data when" not in str(refusal.value)  # a table is no pickle
    File(path, dict(floats), floats).follow(str(refusal.value))
    np.testing.assert_array_equal(datasets.load("mine").x_test, floats["x_test"].reshape(150, 64))


def test_a_file_that_may_not_be_read_says_how_to_let_it(folder, floats, monkeypatch):
    path = folder / "my own.npz"
    np.savez(path, **floats)
    path.chmod(0o200)
    opened = type(path).open

    def guarded(self, *args, **more):  # root may read everything
        if self == path and not path.stat().st_mode & 0o444:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *args, **more)

    monkeypatch.setattr(type(path), "open", guarded)
    with pytest.raises(ValueError, match="cannot be read .Permission denied.; let it be read: ") as refusal:
        datasets.load("my own")
    File(path, {}, {}).follow(str(refusal.value))
    assert len(datasets.load("my own").y_test) == 150
