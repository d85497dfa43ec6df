"""Data files from public mirrors into a folder: checked by md5, whole or not at all.

Only `fetch` touches the network, and only it imports pooch.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

CONNECT_SECONDS, READ_SECONDS = 5, 30
STALE_SECONDS = 24 * 3600

Progress = Callable[[int, int], None]


class DownloadFailed(ValueError):
    """A data set could not be downloaded; the text says what was tried and what to do."""


@dataclass(frozen=True)
class RemoteFile:
    name: str
    md5: str
    size: int  # bytes


@dataclass(frozen=True)
class Remote:
    """The files of one data set and the mirrors that hold them all, best first; each mirror ends in "/"."""

    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]


REMOTES: dict[str, Remote] = {
    "mnist": Remote(
        files=(
            RemoteFile("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
            RemoteFile("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
            RemoteFile("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
            RemoteFile("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://raw.githubusercontent.com/fgnt/mnist/master/",
        ),
    ),
    "fashion-mnist": Remote(
        files=(
            RemoteFile("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
            RemoteFile("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29_515),
            RemoteFile("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4_422_102),
            RemoteFile("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5_148),
        ),
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            # The authors' own; an S3 website has no https. The md5 guards the content all the same.
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
    ),
}


def fetch(name: str, folder: Path, progress: Progress | None = None, *, retries: int = 3) -> None:
    """Every file of REMOTES[name], whole and checked, in `folder`; those already there and sound are kept.

    `progress(done_bytes, total_bytes)` is called from this thread; done falls back when a mirror fails
    half-way, and what it raises ends the download. A file gets `retries` rounds over the mirrors, 1 or more,
    and is renamed into place only after its md5 agreed, so none is ever half there. Raises DownloadFailed.
    """
    if retries < 1:
        raise ValueError(f"retries {retries} is below 1: allowed are 1 or more rounds over the mirrors")
    remote, report = REMOTES[name], progress or (lambda done, total: None)
    total, done = sum(file.size for file in remote.files), 0
    advice = f"put {name}.npz in the folder PRUNING_DATA"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep_out(folder)
        for file in remote.files:
            if not _is_sound(folder / file.name, file.md5):
                bar = _Bar(report, done, file.size, total)
                failures = _fetch_file(file, remote.mirrors, folder, bar, retries)
                if failures:
                    tried = "; ".join(f"{host} {why}" for host, why in failures.items())
                    raise DownloadFailed(
                        f"{name} could not be downloaded: no mirror gave {file.name}, asked {retries} times "
                        f"({tried}); check the network and download again, or {advice}"
                    )
            done += file.size
            report(done, total)
    except OSError as error:
        why = error.strerror or str(error)
        raise DownloadFailed(
            f"{name} could not be saved in {folder} ({why}); make room or allow writing there, set PRUNING_CACHE to another "
            f"folder, or {advice}"
        ) from error


class _Bar:
    """What pooch takes for a progress bar; it counts whole chunks, hence the upper bound."""

    total = 0  # set by pooch

    def __init__(self, report: Progress, before: int, size: int, total: int):
        self._report, self._before, self._size, self._all = report, before, size, total
        self._done = 0

    def update(self, count: int) -> None:
        self._done = min(self._done + count, self._size)
        if count:
            self._report(self._before + self._done, self._all)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _fetch_file(file: RemoteFile, mirrors, folder: Path, bar: _Bar, retries: int) -> dict[str, str]:
    """{} when the file is in place, else why each mirror last failed, by host."""
    import pooch
    import requests

    failures = {}
    get = pooch.HTTPDownloader(progressbar=bar, chunk_size=65536, timeout=(CONNECT_SECONDS, READ_SECONDS))
    for mirror in mirrors * retries:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as part_folder:
            part = Path(part_folder) / file.name
            bar.reset()
            try:
                get(mirror + file.name, str(part), None)
            except requests.RequestException as error:  # an OSError: caught before the disk's own
                failures[urlsplit(mirror).netloc] = _in_words(error)
                continue
            if _is_sound(part, file.md5):
                os.replace(part, folder / file.name)
                return {}
            failures[urlsplit(mirror).netloc] = "sent a file whose md5 differs"
    return failures


def _in_words(error) -> str:
    import requests

    if error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    return "was not reached" if isinstance(error, requests.ConnectionError) else "broke off"


def _is_sound(path: Path, md5: str) -> bool:
    import pooch

    return path.is_file() and pooch.file_hash(str(path), alg="md5") == md5


def _sweep_out(folder: Path) -> None:
    """Removes what a download killed more than a day ago left; a younger one may still be at work."""
    for part in folder.glob(".part-*"):
        with contextlib.suppress(OSError):  # another download may be sweeping too
            if time.time() - part.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(part)
