"""What is told of a data set that is taken as it is; the data, their split and their fingerprint stay what they were."""

import hashlib

import numpy as np
import pytest
from spoiled import File, accepted

from core import datasets
from core.datasets import notes
from core.datasets.formats import FIELDS
from core.spec import RunSpec
from core.views import scene


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNING_DATA", str(tmp_path))
    monkeypatch.setenv("PRUNING_CACHE", str(tmp_path / "cache"))
    return tmp_path


def sound(classes=10, each=60, seed=0) -> dict[str, np.ndarray]:
    """A shuffled file of bytes, 4 × 4, as many images of each class."""
    rng = np.random.default_rng(seed)
    labels, test = (rng.permutation(np.repeat(np.arange(classes), count)) for count in (each, each // 4))
    pixels = [rng.integers(0, 256, (len(y), 4, 4), dtype=np.uint8) for y in (labels, test)]
    for x in pixels:
        x[0, 0, :2] = 0, 255
    return {"x_train": pixels[0], "y_train": labels, "x_test": pixels[1], "y_test": test}


def of(folder, **changes) -> datasets.Dataset:
    np.savez(folder / "mine.npz", **sound() | changes)
    dataset = datasets.load("mine")
    assert datasets.about("mine") is dataset.about and dataset.notes == dataset.about.text
    return dataset


def picked(arrays, train=None, test=None) -> dict[str, np.ndarray]:
    """The rows of the training and of the test file that the masks or orders say."""
    found = dict(arrays)
    for part, rows in (("train", train), ("test", test)):
        if rows is not None:
            found |= {f"{kind}_{part}": arrays[f"{kind}_{part}"][rows] for kind in "xy"}
    return found


@pytest.mark.parametrize("name", ["digits", "mnist-mini"])
def test_what_ships_has_nothing_to_tell(name):
    assert datasets.ships(name) and datasets.load(name).notes == "" and not datasets.load(name).about.advice


def test_a_sound_file_has_nothing_to_tell(folder):
    for classes, each in ((2, 20), (3, 40), (10, 60), (26, 200)):
        assert of(folder, **sound(classes, each)).notes == ""
    assert not datasets.ships("mine") and not datasets.ships("mnist")


def test_a_file_sorted_by_class_is_named_with_what_never_trains(folder):
    arrays = sound()
    data = of(folder, **picked(arrays, train=np.argsort(arrays["y_train"], kind="stable")))
    assert data.notes == (
        "0 never trains: all in the first 10 %; the training file is sorted by class, and its first 10 % validate; "
        "all that validates is 0"
    )
    assert "Shuffle the training file: `order = numpy.random" in data.about.advice


def test_sorted_backwards_or_in_blocks_is_sorted_too(folder):
    arrays = sound()
    for order in (
        np.argsort(-arrays["y_train"], kind="stable"),
        np.argsort(np.random.default_rng(1).permutation(10)[arrays["y_train"]], kind="stable"),
    ):
        assert "sorted by class" in of(folder, **picked(arrays, train=order)).notes


def test_an_odd_split_is_named_though_the_file_is_not_sorted(folder):
    arrays = sound()
    first = np.argsort(arrays["y_train"] > 2, kind="stable")  # the first 10 % are 0, 1 and 2, in no order
    text = of(folder, **picked(arrays, train=first)).notes
    assert "3, 4, 5, 6, 7 and 2 more are missing in validation" in text
    assert "validation, the first 10 %, is split unlike training: " in text and "sorted" not in text


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ((1, 2, 3), "the labels 1, 2 and 3 make 4 classes, and of 0 there is no image"),
        ((0, 5, 9), "the labels 0, 5 and 9 make 10 classes, and of 1, 2, 3, 4, 6 and 2 more there is no image"),
        ((0, 999), "the labels 0 and 999 make 1,000 classes, and of 1, 2, 3, 4, 5 and 993 more there is no image"),
        ((0, 1, 2), ""),
    ],
)
def test_labels_with_gaps_are_named(folder, labels, text):
    arrays = sound(len(labels))
    spaced = {y: np.array(labels)[arrays[y]] for y in ("y_train", "y_test")}
    assert of(folder, **arrays | spaced).notes == text


def test_classes_missing_in_a_part_are_named(folder):
    arrays = sound()
    no_five = of(folder, **picked(arrays, train=arrays["y_train"] != 5))
    assert no_five.notes == "5 is missing in training: 15 test images cannot be right"
    no_test = of(folder, **picked(arrays, test=~np.isin(arrays["y_test"], (2, 5))))
    assert no_test.notes == "2 and 5 are missing in the test images"
    first, rest = np.arange(600) < 75, arrays["y_train"]
    assert of(folder, **picked(arrays, train=~(first & (rest == 7)))).notes == "7 is missing in validation"
    assert (
        "7 never trains: all in the first 10 %"
        in of(folder, **picked(arrays, train=(np.arange(600) < 50) | (rest != 7))).notes
    )


def test_the_majority_is_named_and_a_target_below_its_share_proves_nothing(folder):
    rng = np.random.default_rng(0)
    y_train, y_test = (rng.permutation(np.repeat([0, 1], counts)) for counts in ((990, 10), (178, 2)))
    x_train, x_test = (rng.integers(0, 256, (n, 4, 4), dtype=np.uint8) for n in (1000, 180))
    data = of(folder, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    assert "always answering 0 is right for 98.9 % of the test images" in data.notes
    assert (
        f"{notes.percent(data.about.share)} of the training images are 0: a target of 98 % proves nothing" in data.notes
    )
    spec = RunSpec(dataset="mine", pruning=None)
    ended = {
        "kind": "Finished",
        "reason": "target reached: training accuracy 98.89 % at epoch 4",
        "test_accuracy": 0.98889,
    }
    assert "% of the training images are 0: a target of 98 % proves nothing" in scene.sentence(spec, [ended])
    assert "nothing" not in scene.sentence(RunSpec(dataset="mine", pruning=None, target_accuracy=0.999), [ended])
    assert "nothing" not in scene.sentence(RunSpec(dataset="digits", pruning=None), [ended])
    (folder / "mine.npz").unlink()
    assert (
        scene.sentence(spec, [ended]) == "Target reached: training accuracy 98.89 % at epoch 4. Test accuracy 98.9 %."
    )


def test_a_share_is_never_rounded_up_to_everything():
    shares = (0.98, 0.9889, 0.9996, 0.99996, 0.999999, 1.0, 0.5)
    assert [notes.percent(s) for s in shares] == ["98 %", "98.9 %", "99.96 %", "99.996 %", "99.9999 %", "100 %", "50 %"]


@pytest.mark.parametrize(
    ("change", "text", "back"),
    [
        (lambda x: x // 128, "pixels span only 0..0.00392 of 0..1: almost black", lambda x: x // 128 * 1.0),
        (lambda x: x // 16, "pixels span only 0..0.0588 of 0..1: almost black", lambda x: x // 16 / 15),
        (lambda x: x / 255 / 255, "pixels span only 0..0.00392 of 0..1: almost black", lambda x: x / 255),
        (
            lambda x: 215 + x // 16,
            "pixels span only 0.843..0.902 of 0..1: almost without contrast",
            lambda x: x // 16 / 15,
        ),
    ],
)
def test_pictures_that_are_almost_black_are_named_and_the_advice_brings_them_back(folder, change, text, back):
    arrays = sound()
    spoiled = arrays | {x: change(arrays[x]) for x in ("x_train", "x_test")}
    data = of(folder, **spoiled)
    assert data.notes == text
    followed = File(folder / "better.npz", dict(spoiled), arrays)
    followed.follow(data.about.advice)
    better, refusals = accepted(followed)
    assert not refusals and better.notes == ""
    np.testing.assert_allclose(better.x_test, back(arrays["x_test"]).reshape(len(better.x_test), -1), atol=1e-6)


def test_test_images_on_another_scale_are_named_and_the_advice_brings_them_back(folder):
    arrays = sound()
    spoiled = arrays | {"x_train": arrays["x_train"] / 255, "x_test": arrays["x_test"] / 255 / 255}
    data = of(folder, **spoiled)
    assert "training images span 0..1 and test images 0..0.00392 of 0..1" in data.notes
    followed = File(folder / "better.npz", dict(spoiled), arrays)
    followed.follow(data.about.advice)
    better, refusals = accepted(followed)
    assert not refusals and better.notes == "" and better.x_test.max() == pytest.approx(1)


def test_pixels_that_are_all_alike_are_named(folder):
    assert of(folder, x_train=np.full((600, 4, 4), 7, np.uint8)).notes == "all pixels of the training images are alike"


def test_gaps_and_order_are_mended_by_the_advice(folder):
    arrays = sound(3)
    spoiled = picked(arrays, train=np.argsort(arrays["y_train"], kind="stable"))
    spoiled |= {y: spoiled[y] * 4 for y in ("y_train", "y_test")}
    data = of(folder, **spoiled)
    assert "make 9 classes" in data.notes and "sorted by class" in data.notes
    followed = File(folder / "better.npz", dict(spoiled), arrays)
    followed.follow(data.about.advice)
    assert accepted(followed)[0].notes == ""


# Pictures


@pytest.mark.parametrize(
    ("shape", "pictures"),
    [
        ((1, 28, 28), (28, 28)), ((784,), (28, 28)), ((28, 28, 1), (28, 28)), ((28, 28), (28, 28)), ((1, 8, 14), (8, 14)),
        ((64,), (8, 8)), ((4,), (2, 2)), ((3, 16, 16), None), ((16, 16, 3), None), ((1, 9, 3), None), ((1, 9, 4), None),
        ((783,), None), ((1,), None), ((2,), None), ((3072,), None), ((1, 1, 1), (1, 1)),
    ],
)  # fmt: skip
def test_pictures_are_kept_however_grey_images_lie_in_the_file(folder, shape, pictures):
    arrays = sound(2, 20)
    size = int(np.prod(shape))
    images = {x: np.resize(arrays[x], (len(arrays[x]), size)) for x in ("x_train", "x_test")}
    stored = arrays | {x: image.reshape(-1, *shape) for x, image in images.items()}
    data = of(folder, **stored)
    assert data.image_shape == pictures
    np.testing.assert_array_equal(data.x_test, images["x_test"] / np.float32(255))
    if shape[-1] != 1 or len(shape) == 1:  # the fingerprint is of the array as it lies in the file, as it always was
        assert data.fingerprint == fingerprint(stored)


def fingerprint(arrays) -> str:
    """As it was before anything was noted: over name, type, shape and bytes of each array."""
    digest = hashlib.sha256()
    for field in FIELDS:
        array = arrays[field].astype("<i8") if field.startswith("y") else np.ascontiguousarray(arrays[field])
        digest.update(f"{field} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]


# Files at random


PIXELS = [
    lambda x, rng: x,
    lambda x, rng: x / 255,
    lambda x, rng: (x / 255).astype(np.float16),
    lambda x, rng: x.astype(rng.choice(["int16", "int64", "float32", "uint16", "object"])),
    lambda x, rng: x > 127,
    lambda x, rng: (x > 127).astype(rng.choice(["uint8", "int8", "int64", "float64"])),
    lambda x, rng: x / 127.5 - 1,
    lambda x, rng: x.astype(np.int16) - 128,
    lambda x, rng: rng.normal(size=x.shape),
    lambda x, rng: np.where(rng.random(x.shape) < 0.01, rng.choice([np.nan, np.inf, -np.inf]), x / 255),
    lambda x, rng: np.full(x.shape, rng.choice([0.0, 1.0, 7.0, -3.0, np.nan])),
    lambda x, rng: x.astype(str),
    lambda x, rng: (x / 255).astype(complex),
    lambda x, rng: x // 100,
    lambda x, rng: np.array(["no number"] * x.size).reshape(x.shape),
    lambda x, rng: np.zeros(x.shape, "M8[s]"),
    lambda x, rng: x * rng.choice([1e-6, 1e6, 1e300]),
]
SHAPES = [(16,), (4, 4), (1, 4, 4), (4, 4, 1), (2, 2, 2, 2), (1, 1, 4, 4), (2, 8), None]
LABELS = [
    lambda y, rng: y,
    lambda y, rng: y.astype(rng.choice(["uint8", "int8", "float32", "float64", "object", "str", "S"])),
    lambda y, rng: y * rng.integers(1, 4000) + rng.integers(-3, 3000),
    lambda y, rng: y / 2,
    lambda y, rng: y[:, None],
    lambda y, rng: np.eye(y.max() + 1)[y],
    lambda y, rng: y > y.mean(),
    lambda y, rng: np.array(["cat", "dog", "eel"])[y % 3],
    lambda y, rng: np.where(rng.random(len(y)) < 0.05, np.nan, y),
    lambda y, rng: np.full(len(y), 2),
    lambda y, rng: rng.random(len(y)),
    lambda y, rng: np.zeros((len(y), 2, 2)),
]
ORDERS = [
    lambda y, rng: rng.permutation(len(y)),
    lambda y, rng: np.argsort(y, kind="stable"),
    lambda y, rng: np.flatnonzero(y != y[0]),
    lambda y, rng: np.flatnonzero((y == 0) | (rng.random(len(y)) < 0.02)),
    lambda y, rng: np.arange(rng.integers(0, 30)),
]


def drawn(rng) -> tuple[dict, dict]:
    """A file, and the arrays that it was made of."""
    whole = sound(int(rng.integers(2, 12)), int(rng.integers(8, 60)), int(rng.integers(100)))
    usual = rng.random(5) < 0.4
    order = ORDERS[0 if usual[0] else rng.integers(len(ORDERS))]
    found = picked(whole, train=order(whole["y_train"], rng))
    before = dict(found) if len(np.unique(found["y_train"][len(found["y_train"]) // 10 :])) > 1 else dict(whole)
    before = (
        before if len(before["y_train"]) >= 10 and before["y_test"].max() <= before["y_train"].max() else dict(whole)
    )
    pixels, labels = (
        ways[0 if u else rng.integers(len(ways))] for u, ways in zip(usual[1:], (PIXELS, LABELS), strict=False)
    )
    shape = SHAPES[1 if usual[3] else rng.integers(len(SHAPES))]
    with np.errstate(over="ignore", invalid="ignore"):
        for part in ("train", "test"):
            x, y = found[f"x_{part}"], found[f"y_{part}"]
            if len(y):
                x, y = pixels(x, rng), labels(y, rng)
            found[f"x_{part}"] = x.reshape(-1) if shape is None else x.reshape(len(x), *shape)
            found[f"y_{part}"] = y
    if rng.random() < 0.1:
        found["y_test"] = found["y_test"][:-3]
    return found, before


@pytest.mark.parametrize("seed", range(240))
def test_any_file_is_taken_with_true_notes_or_refused_with_advice_that_leads_there(folder, seed):
    rng = np.random.default_rng(seed)
    arrays, before = drawn(rng)
    file = File(folder / "mine.npz", arrays, before)
    data, refusals = accepted(file)
    assert all("\n" not in sentence and sentence.startswith("mine.npz") for sentence in refusals)
    assert_true(data)


def assert_true(data) -> None:
    """The notes name what is missing and nothing that is not, counted anew here."""
    classes = range(len(data.class_names))
    parts = {"training": data.y_train, "validation": data.y_valid, "the test images": data.y_test}
    missing = {part: {c for c in classes if c not in y} for part, y in parts.items()}
    whole = set(np.concatenate([data.y_train, data.y_valid]).tolist())
    unseen = set(classes) - whole
    assert ("missing in training" in data.notes) == bool(unseen & set(data.y_test.tolist()))
    assert ("never train" in data.notes) == bool(missing["training"] & whole)
    assert ("missing in the test images" in data.notes) == bool(missing["the test images"] & whole)
    assert (" classes, and of " in data.notes) == bool(unseen - set(data.y_test.tolist()))
    if len(set(data.y_valid.tolist())) > 1 and missing["validation"] - missing["training"]:
        assert "missing in validation" in data.notes
    share = np.bincount(data.y_train).max() / len(data.y_train)
    assert data.about.share == share and ("proves nothing" in data.notes) == (share >= data.target_accuracy)
    order = np.concatenate([data.y_valid, data.y_train])
    if (np.diff(order) >= 0).all():
        assert "sorted by class" in data.notes
    spread = float(data.x_train.max() - data.x_train.min())
    assert ("alike" in data.notes) == (spread == 0)
    if 0 < spread < 0.19 and np.ptp(data.x_test) < 0.19:
        assert "span" in data.notes
