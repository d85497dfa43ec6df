"""The data sets: what is in them, where they are looked for, what is refused; downloads from our mirror."""

import gzip
import hashlib
import http.server
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from core import datasets
from core.datasets import downloads
from core.datasets.formats import FIELDS, IDX_NAMES

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty PRUNING_DATA, and a cache of the test's own."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("PRUNING_DATA", str(folder))
    monkeypatch.setenv("PRUNING_CACHE", str(tmp_path / "cache"))
    return folder


def tiny(seed=0, **changes) -> dict[str, np.ndarray]:
    """40 + 10 images of 3 × 2 pixels in three classes, Keras layout."""
    rng = np.random.default_rng(seed)
    arrays = {
        "x_train": rng.integers(0, 256, (40, 3, 2), dtype=np.uint8),
        "y_train": (np.arange(40) % 3).astype(np.uint8),
        "x_test": rng.integers(0, 256, (10, 3, 2), dtype=np.uint8),
        "y_test": (np.arange(10) % 3).astype(np.uint8),
    }
    return arrays | changes


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(place: Path, arrays, zipped=False) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, field in zip(IDX_NAMES, FIELDS, strict=True):
        content = idx_bytes(arrays[field])
        path = place / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)


def assert_holds(dataset, arrays) -> None:
    whole = np.concatenate([dataset.x_valid, dataset.x_train])
    np.testing.assert_array_equal(whole, arrays["x_train"].reshape(40, 6) / np.float32(255))
    np.testing.assert_array_equal(np.concatenate([dataset.y_valid, dataset.y_train]), arrays["y_train"])
    np.testing.assert_array_equal(dataset.x_test, arrays["x_test"].reshape(10, 6) / np.float32(255))
    np.testing.assert_array_equal(dataset.y_test, arrays["y_test"])


# What is there


def test_the_embedded_default_comes_first_and_files_of_ones_own_last(folder):
    np.savez(folder / "zebra.npz", **tiny())
    np.savez(folder / "apple.npz", **tiny())
    np.savez(folder / "mnist-mini.npz", **tiny())
    names = datasets.names()
    assert names[:4] == ["mnist-mini", "digits", "mnist", "fashion-mnist"] and names[-2:] == ["apple", "zebra"]
    assert len(datasets.load("mnist-mini").x_train) == 9000  # the shipped one, not the file of that name


@pytest.mark.parametrize("value", [None, "", "/does/not/exist", __file__])
def test_without_a_folder_the_registered_ones_remain(monkeypatch, value):
    monkeypatch.delenv("PRUNING_DATA") if value is None else monkeypatch.setenv("PRUNING_DATA", value)
    assert datasets.names() == list(datasets._entries)
    assert not datasets.available("mnist")


@pytest.mark.parametrize("name", ["mnist-mini", "digits"])
def test_what_ships_keeps_the_contract(name):
    dataset = datasets.load(name)
    for part in ("train", "valid", "test"):
        x, y = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
        assert x.dtype == np.float32 and x.ndim == 2 and x.flags.c_contiguous and not x.flags.writeable
        assert y.dtype == np.int64 and y.shape == (len(x),) and not y.flags.writeable
        assert x.min() == 0 and x.max() == 1
        assert set(y) == set(range(10))
    assert dataset.name == name and dataset.class_names == tuple("0123456789")
    assert dataset.image_shape == {"mnist-mini": (28, 28), "digits": (8, 8)}[name]
    assert len(dataset.x_valid) == (len(dataset.x_valid) + len(dataset.x_train)) // 10
    assert dataset.target_accuracy == datasets.target_accuracy(name) == 0.98
    assert dataset.fingerprint == datasets.fingerprint(name)
    assert len(dataset.fingerprint) == 16 and int(dataset.fingerprint, 16)
    assert datasets.available(name) and not datasets.downloadable(name)


def test_the_digits_are_scikit_learns_each_once():
    from sklearn.datasets import load_digits

    dataset = datasets.load("digits")
    ours = np.concatenate([dataset.x_train, dataset.x_valid, dataset.x_test])
    assert [len(dataset.y_train), len(dataset.y_valid), len(dataset.y_test)] == [1294, 143, 360]
    np.testing.assert_array_equal(np.unique(ours, axis=0), np.unique(load_digits().data / 16, axis=0))
    assert dataset.fingerprint == "8e399a7fcda224dc"  # the seeded split, today and on every computer


def test_labels_descriptions_and_targets_need_no_data():
    assert datasets.label("fashion-mnist") == "Fashion-MNIST"
    assert datasets.target_accuracy("fashion-mnist") == 0.92
    assert datasets.target_accuracy("mnist") == 0.98
    for name in datasets.names():
        assert datasets.describe(name) and "\n" not in datasets.describe(name)


def test_a_new_data_set_is_one_function(monkeypatch):
    monkeypatch.setattr(datasets, "_entries", dict(datasets._entries))

    @datasets.register("Half bright", target_accuracy=0.9, class_names=("dark", "bright"))
    def half_bright() -> datasets.Examples:
        """Forty features, dark or bright.

        More of it.
        """
        y = np.arange(20) % 2
        x = np.repeat(y[:, None], 40, axis=1).astype(np.float32)
        return datasets.Examples("half-bright", x, y, x, y)

    dataset = datasets.load("half-bright")
    assert dataset.x_train.shape == (18, 40) and dataset.image_shape is None
    assert dataset.class_names == ("dark", "bright") and dataset.target_accuracy == 0.9
    assert datasets.describe("half-bright") == "Forty features, dark or bright."
    assert datasets.where("half-bright") == "half-bright needs no file."


def test_an_unknown_name_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="unknown data set 'foo': allowed are mnist-mini, digits, mnist, fashion"):
        datasets.load("foo")
    for ask in (datasets.fingerprint, datasets.label, datasets.where, datasets.available, datasets.download):
        with pytest.raises(ValueError, match="unknown data set '../mnist'"):
            ask("../mnist")


# Files of one's own


def test_a_file_of_ones_own_is_a_data_set_split_in_file_order(folder):
    arrays = tiny()
    np.savez_compressed(folder / "my own.npz", **arrays)
    dataset = datasets.load("my own")
    assert_holds(dataset, arrays)
    assert len(dataset.x_valid) == 4
    assert dataset.image_shape == (3, 2) and dataset.class_names == ("0", "1", "2")
    assert dataset.target_accuracy == 0.98 and datasets.label("my own") == "my own"
    assert "my own.npz" in datasets.where("my own") and "PRUNING_DATA" in datasets.where("my own")


def test_a_variant_of_fashion_mnist_has_its_class_names(folder):
    labels = np.arange(40) % 10
    np.savez(folder / "fashion-mnist-again.npz", **tiny(y_train=labels))
    np.savez(folder / "fashion-mnist-three.npz", **tiny())
    assert datasets.load("fashion-mnist-again").class_names[9] == "Ankle boot"
    assert datasets.load("fashion-mnist-three").class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [((6,), None), ((3, 2), (3, 2)), ((3, 2, 1), (3, 2)), ((1, 2, 3), None)],
)
def test_only_grey_images_have_an_image_shape(folder, shape, image_shape):
    arrays = tiny()
    flat = arrays | {x: arrays[x].reshape(-1, *shape) for x in ("x_train", "x_test")}
    np.savez(folder / "shaped.npz", **flat)
    dataset = datasets.load("shaped")
    assert dataset.image_shape == image_shape
    assert_holds(dataset, arrays)


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64"])
def test_floats_in_0_to_1_and_column_labels_are_taken(folder, dtype):
    arrays = tiny()
    scaled = {x: (arrays[x] / 255).astype(dtype) for x in ("x_train", "x_test")}
    np.savez(folder / "floats.npz", **arrays | scaled | {"y_train": arrays["y_train"].reshape(-1, 1)})
    dataset = datasets.load("floats")
    assert dataset.x_train.dtype == np.float32
    np.testing.assert_array_equal(dataset.x_test, scaled["x_test"].reshape(10, 6).astype(np.float32))
    np.testing.assert_array_equal(dataset.y_valid, arrays["y_train"][:4])


NAN = np.full((40, 3, 2), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"x_train": tiny()["x_train"].astype(float)},
            r"x_train spans \S+; allowed: floats 0..1 .* divide by",
        ),
        ({"x_train": NAN}, "x_train holds NaN"),
        ({"x_test": np.full((10, 3, 2), np.inf)}, "x_test spans inf..inf"),
        ({"x_train": tiny()["x_train"].astype(int)}, "x_train is of type int64; allowed: uint8 0..255"),
        ({"x_train": np.zeros(40, np.uint8)}, r"x_train has the shape \(40,\)"),
        ({"x_train": np.uint8(3)}, r"x_train has the shape \(\)"),
        ({"x_train": np.zeros((0, 3, 2), np.uint8), "y_train": np.zeros(0, int)}, "x_train has the shape"),
        ({"x_test": np.zeros((10, 2, 2), np.uint8)}, r"of shape \(3, 2\), test images of \(2, 2\)"),
        ({"y_train": np.arange(39)}, "x_train holds 40 images, but y_train 39 labels"),
        ({"y_test": np.zeros(0, int)}, r"y_test has the shape \(0,\)"),
        ({"y_train": np.zeros(40)}, "y_train is of type float64; allowed: whole numbers"),
        ({"y_train": np.eye(40, dtype=int)}, r"y_train has the shape \(40, 40\)"),
        (
            {"y_train": np.arange(40) - 1},
            "y_train spans -1..38; allowed: labels 0..999; number the classes from 0",
        ),
        ({"y_train": np.arange(40) * 1000}, "y_train spans 0..39000"),
        ({"y_test": np.arange(10)}, "y_test holds the label 9; allowed: those of y_train, 0..2"),
        ({"y_train": np.zeros(40, int)}, "all of one class"),
        ({"x_train": tiny()["x_train"][:9], "y_train": np.arange(9) % 3}, "there are 9 training images"),
        ({"x_train": np.array([None] * 40)}, "bad.npz cannot be read .*pickle"),
    ],
)
def test_bad_contents_are_refused_in_a_sentence(folder, changes, sentence):
    np.savez(folder / "bad.npz", **tiny(**changes))
    for ask in (datasets.load, datasets.fingerprint):
        with pytest.raises(ValueError, match=sentence) as refusal:
            ask("bad")
        assert str(refusal.value).startswith("bad.npz") and "\n" not in str(refusal.value)


def test_damaged_files_are_listed_and_refused_at_every_length(folder):
    path = folder / "cut.npz"
    np.savez_compressed(path, **tiny())
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        assert "cut" in datasets.names() and datasets.available("cut")
        with pytest.raises(ValueError, match=r"cut.npz cannot be read \(.+\); .*; copy or download it again"):
            datasets.load("cut")


def test_other_files_under_the_name_npz_are_refused(folder):
    path = folder / "other.npz"
    np.savez(path, x_train=tiny()["x_train"])
    with pytest.raises(ValueError, match="no array y_train, x_test, y_test; allowed: a .npz with x_train"):
        datasets.load("other")
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="no array x_train"):
        datasets.load("other")
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(ValueError, match="other.npz cannot be read"):
        datasets.load("other")


# Where mnist and fashion-mnist are looked for


def test_absent_data_say_what_is_there_and_what_to_do(folder, monkeypatch):
    here = [name for name in datasets.names() if datasets.available(name)]
    assert here[:2] == ["mnist-mini", "digits"]
    sentence = (
        f"mnist is not on this computer; here are {', '.join(here)}; press download, or put mnist.npz in the "
        "folder PRUNING_DATA"
    )
    with pytest.raises(datasets.DatasetMissing) as missing:
        datasets.load("mnist")
    assert str(missing.value) == sentence and isinstance(missing.value, ValueError)
    assert datasets.where("mnist") == f"{sentence}."
    with pytest.raises(datasets.DatasetMissing):
        datasets.fingerprint("mnist")
    monkeypatch.setenv("PRUNING_DATA", str(folder / "gone"))
    assert datasets.where("mnist").endswith("PRUNING_DATA, which names no folder.")
    monkeypatch.delenv("PRUNING_DATA")
    assert datasets.where("mnist").endswith("PRUNING_DATA, which is not set.")


def test_the_nearest_place_wins(folder, tmp_path):
    places = [
        ("cache", lambda arrays: write_idx(tmp_path / "cache/data/mnist", arrays, zipped=True)),
        ("right inside", lambda arrays: write_idx(folder, arrays)),
        ("subfolder", lambda arrays: write_idx(folder / "mnist", arrays, zipped=True)),
        ("npz", lambda arrays: np.savez(folder / "mnist.npz", **arrays)),
    ]
    sentences = set()
    for seed, (_, write) in enumerate(places):
        write(tiny(seed))
        assert_holds(datasets.load("mnist"), tiny(seed))
        sentences.add(datasets.where("mnist"))
    assert len(sentences) == len(places)
    assert not datasets.available("fashion-mnist")


def test_idx_files_right_inside_are_fashions_only_if_they_begin_as_fashion(folder):
    fashion = tiny(y_train=np.array([9, 0, 0, 3, 0, 2, 7, 2, 5, 5] * 4, np.uint8))
    for zipped in (False, True):
        write_idx(folder, fashion, zipped)
        assert datasets.available("fashion-mnist") and not datasets.available("mnist")
        assert datasets.load("fashion-mnist").class_names[0] == "T-shirt/top"
        for path in folder.iterdir():
            path.unlink()
    write_idx(folder, tiny())
    assert datasets.available("mnist") and not datasets.available("fashion-mnist")


def test_an_incomplete_set_of_idx_files_is_not_used_but_told(folder):
    write_idx(folder / "mnist", tiny())
    (folder / "mnist" / IDX_NAMES[3]).unlink()
    with pytest.raises(datasets.DatasetMissing, match=r"mnist is not on this computer \(only 3 of its 4 IDX files\)"):
        datasets.load("mnist")


def test_one_fingerprint_however_the_content_is_stored(folder):
    prints = set()
    for name, write in (
        ("mnist", lambda: np.savez_compressed(folder / "mnist.npz", **tiny())),
        ("mnist", lambda: (folder / "mnist.npz").unlink() or write_idx(folder, tiny())),
        ("fashion-mnist", lambda: write_idx(folder / "fashion-mnist", tiny(), zipped=True)),
        ("wide", lambda: np.savez(folder / "wide.npz", **tiny(y_train=np.arange(40).reshape(40, 1) % 3))),
    ):
        write()
        prints |= {datasets.fingerprint(name), datasets.load(name).fingerprint}
    assert len(prints) == 1
    changed = tiny()
    changed["x_test"][-1, -1, -1] ^= 1
    np.savez(folder / "changed.npz", **changed)
    np.savez(folder / "flat.npz", **{k: v.reshape(len(v), -1) if k[0] == "x" else v for k, v in tiny().items()})
    assert len(prints | {datasets.fingerprint("changed"), datasets.fingerprint("flat")}) == 3


def test_damaged_idx_files_are_refused(folder):
    write_idx(folder, tiny(), zipped=True)
    path = folder / f"{IDX_NAMES[0]}.gz"
    whole = path.read_bytes()
    for content in (
        whole[:-9],
        whole[:30],
        b"",
        gzip.compress(b"\0\0\x08\x03"),
        gzip.compress(b"\0\0\x09\x03" + b"\0" * 12),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{IDX_NAMES[0]}.gz.*copy or download it again"):
            datasets.load("mnist")
    path.write_bytes(gzip.compress(idx_bytes(tiny()["x_train"]) + b"more"))
    with pytest.raises(ValueError, match="bytes are no IDX array of images"):
        datasets.load("mnist")


# Read once


def test_unchanged_files_are_read_once_and_changed_ones_again(folder, monkeypatch):
    reads = []
    monkeypatch.setattr(datasets, "read_npz", lambda path, read=datasets.read_npz: reads.append(path) or read(path))
    np.savez(folder / "mine.npz", **tiny(0))
    first = datasets.load("mine")
    assert datasets.load("mine") is first and datasets.fingerprint("mine") == first.fingerprint
    assert len(reads) == 1
    np.savez(folder / "mine.npz", **tiny(1))
    os.utime(folder / "mine.npz", ns=(0, 0))  # the same size, another time
    assert datasets.fingerprint("mine") != first.fingerprint
    assert_holds(datasets.load("mine"), tiny(1))
    assert len(reads) == 3


def test_many_threads_share_one_reading(folder, monkeypatch):
    reads = []
    monkeypatch.setattr(datasets, "read_npz", lambda path, read=datasets.read_npz: reads.append(path) or read(path))
    np.savez(folder / "shared.npz", **tiny())
    got = []
    threads = [threading.Thread(target=lambda: got.append(datasets.load("shared"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(reads) == 1 and len(got) == 8 and len({id(dataset) for dataset in got}) == 1


def test_reading_imports_neither_torch_nor_streamlit_nor_the_network():
    code = (
        "import sys; from core import datasets; datasets.load('mnist-mini'); datasets.load('digits'); "
        "print([m for m in ('torch', 'streamlit', 'pooch', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Downloads, from a mirror on this computer


class Mirror(http.server.ThreadingHTTPServer):
    """Serves `held` (path -> bytes), half of it under /half/, else 404, and notes what was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.held, self.asked = {}, []
        self.url = f"http://127.0.0.1:{self.server_port}/"


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.held.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        content = content or b""
        self.wfile.write(content[: len(content) // 2] if self.path.startswith("/half/") else content)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Mirror() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(30)


@pytest.fixture
def packed(monkeypatch, mirror) -> dict[str, bytes]:
    """The four gzipped files of a tiny MNIST, as the mirror table now names them; served in /whole/."""
    files = {
        f"{name}.gz": gzip.compress(idx_bytes(tiny()[field])) for name, field in zip(IDX_NAMES, FIELDS, strict=True)
    }
    mirror.held = {f"/whole/{name}": content for name, content in files.items()}
    point_to(monkeypatch, files, f"{mirror.url}whole/")
    return files


def point_to(monkeypatch, files, *mirrors) -> None:
    remote_files = tuple(
        downloads.RemoteFile(name, hashlib.md5(content).hexdigest(), len(content)) for name, content in files.items()
    )
    monkeypatch.setitem(downloads.REMOTES, "mnist", downloads.Remote(remote_files, mirrors))


def left_in(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_the_mirror_table_names_the_official_files():
    for remote in downloads.REMOTES.values():
        assert [file.name for file in remote.files] == [f"{name}.gz" for name in IDX_NAMES]
        assert len(remote.mirrors) >= 3 and all(mirror.endswith("/") for mirror in remote.mirrors)
    md5s = {name: [file.md5[:6] for file in remote.files] for name, remote in downloads.REMOTES.items()}
    assert md5s["mnist"] == ["f68b3c", "d53e10", "9fb629", "ec2911"]
    assert md5s["fashion-mnist"] == ["8d4fb7", "25c819", "bef4ec", "bb300c"]


def test_a_download_reports_progress_and_can_then_be_loaded(packed, mirror, tmp_path):
    steps = []
    datasets.download("mnist", lambda done, total: steps.append((done, total)))
    size = sum(map(len, packed.values()))
    assert steps == sorted(steps) and steps[-1] == (size, size) and {total for _, total in steps} == {size}
    assert left_in(tmp_path) == sorted(packed)
    assert_holds(datasets.load("mnist"), tiny())
    assert "downloaded into the cache" in datasets.where("mnist")
    mirror.asked.clear()
    datasets.download("mnist")
    assert mirror.asked == []  # all there and sound


def test_progress_moves_within_a_file_and_a_broken_transfer_is_not_kept(mirror, monkeypatch, tmp_path):
    files = {"big.gz": np.random.default_rng(0).bytes(1_000_000)}
    mirror.held = {f"/{place}/big.gz": files["big.gz"] for place in ("half", "whole")}
    steps = []
    point_to(monkeypatch, files, f"{mirror.url}half/")
    with pytest.raises(datasets.DownloadFailed, match=r"127.0.0.1:\d+ broke off"):
        datasets.download("mnist", lambda done, total: steps.append(done), retries=1)
    assert steps and max(steps) < 1_000_000 and left_in(tmp_path) == []
    steps.clear()
    point_to(monkeypatch, files, f"{mirror.url}whole/")
    datasets.download("mnist", lambda done, total: steps.append(done))
    assert steps == sorted(steps) and len(set(steps)) > 10 and steps[-1] == 1_000_000


def test_a_damaged_download_on_disk_is_fetched_again(packed, mirror, tmp_path):
    datasets.download("mnist")
    (tmp_path / "cache/data/mnist/t10k-labels-idx1-ubyte.gz").write_bytes(b"half")
    mirror.asked.clear()
    datasets.download("mnist")
    assert mirror.asked == ["/whole/t10k-labels-idx1-ubyte.gz"]
    assert_holds(datasets.load("mnist"), tiny())


def test_the_second_mirror_serves_what_the_first_has_not(packed, mirror, monkeypatch, tmp_path):
    mirror.held[f"/bad/{IDX_NAMES[1]}.gz"] = b"something else"
    point_to(monkeypatch, packed, f"{mirror.url}bad/", f"{mirror.url}whole/")
    datasets.download("mnist")
    assert mirror.asked[:2] == [f"/bad/{IDX_NAMES[0]}.gz", f"/whole/{IDX_NAMES[0]}.gz"]
    assert left_in(tmp_path) == sorted(packed)


def test_a_wrong_checksum_is_refused_after_the_retries(packed, mirror, tmp_path):
    mirror.held[f"/whole/{IDX_NAMES[2]}.gz"] = packed[f"{IDX_NAMES[2]}.gz"][:-1] + b"!"
    with pytest.raises(datasets.DownloadFailed, match=r"127.0.0.1:\d+ sent a file whose md5 differs"):
        datasets.download("mnist", retries=2)
    assert mirror.asked.count(f"/whole/{IDX_NAMES[2]}.gz") == 2
    assert left_in(tmp_path) == sorted(packed)[2:]  # the two training files, whole
    assert not datasets.available("mnist")


def test_offline_says_what_was_tried_and_leaves_nothing(packed, mirror, monkeypatch, tmp_path):
    with Mirror() as gone:
        pass  # its port is closed now
    point_to(monkeypatch, packed, gone.url, f"{mirror.url}nowhere/")
    with pytest.raises(datasets.DownloadFailed) as failure:
        datasets.download("mnist")
    sentence = str(failure.value)
    assert isinstance(failure.value, ValueError)
    assert sentence.startswith("mnist could not be downloaded: no mirror gave train-images-idx3-ubyte.gz")
    assert "was not reached" in sentence and "answered 404" in sentence and "put mnist.npz in the folder" in sentence
    assert not list((tmp_path / "cache/data/mnist").iterdir())


def test_what_progress_raises_ends_the_download_and_leaves_nothing(packed, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.download("mnist", stop)
    assert not list((tmp_path / "cache/data/mnist").iterdir())


def test_a_cache_that_cannot_be_written_is_a_sentence(packed, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(datasets.DownloadFailed, match="mnist could not be saved in .*cache/data/mnist"):
        datasets.download("mnist")


def test_leftovers_of_a_killed_download_are_swept_out_when_old(packed, tmp_path):
    old, young = (tmp_path / f"cache/data/mnist/.part-{age}" for age in ("old", "young"))
    for part in (old, young):
        part.mkdir(parents=True)
    os.utime(old, (0, 0))
    datasets.download("mnist")
    assert young.exists() and not old.exists()


def test_only_what_has_mirrors_is_downloaded():
    with pytest.raises(ValueError, match="digits cannot be downloaded; allowed are mnist, fashion-mnist"):
        datasets.download("digits")
    with pytest.raises(ValueError, match="retries 0 is below 1"):
        datasets.download("mnist", retries=0)


# The real thing


@pytest.fixture
def real_mnist(monkeypatch):
    """MNIST from PRUNING_DATA as it was when the tests began, else from ../shared/data."""
    place = REAL_FOLDER or str(REPOSITORY.parent / "shared" / "data")
    monkeypatch.setenv("PRUNING_DATA", place)
    if not datasets.available("mnist"):
        reason = "mnist is neither in PRUNING_DATA nor in ../shared/data"
        pytest.fail(reason) if os.environ.get("PRUNING_REQUIRE_DATA") else pytest.skip(reason)
    return datasets.load("mnist")


REAL_FOLDER = os.environ.get("PRUNING_DATA")


@pytest.mark.real_data
def test_mnist_is_all_there(real_mnist):
    sizes = [len(real_mnist.y_train), len(real_mnist.y_valid), len(real_mnist.y_test)]
    assert sizes == [54_000, 6_000, 10_000]
    assert real_mnist.y_valid[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert real_mnist.image_shape == (28, 28)


@pytest.mark.real_data
def test_mnist_mini_is_the_first_of_each_digit_in_file_order(real_mnist):
    mini = datasets.load("mnist-mini")

    def first_of_each(x, y, count):
        rank = np.array([np.cumsum(y == digit) for digit in range(10)])[y, np.arange(len(y))]
        return x[rank <= count], y[rank <= count]

    def training_file(dataset):
        x = np.concatenate([dataset.x_valid, dataset.x_train])
        return x, np.concatenate([dataset.y_valid, dataset.y_train])

    for ours, theirs in (
        (training_file(mini), first_of_each(*training_file(real_mnist), 1000)),
        ((mini.x_test, mini.y_test), first_of_each(real_mnist.x_test, real_mnist.y_test, 200)),
    ):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
