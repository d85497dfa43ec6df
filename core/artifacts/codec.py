"""The one file format of artifacts: an .npz without pickle, with a header of plain values and a checksum over everything."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

HEADER, CHECKSUM = "header", "sha256"
MOST_BYTES = 2**29  # of all arrays of a file together: what a file says of its sizes is not believed beyond this
# What NumPy, zipfile and zlib raise on files that are none of ours, or damaged.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError,
              OverflowError, zipfile.BadZipFile, zlib.error, struct.error)  # fmt: skip


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The file's content. `header`: what JSON can say."""
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    said = json.dumps(dict(header) | {CHECKSUM: _checksum(header, arrays)})
    file = io.BytesIO()
    np.savez_compressed(file, **{HEADER: np.frombuffer(said.encode(), np.uint8)}, **arrays)
    return file.getvalue()


def unpacked(content: bytes, *, checked: bool = True) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(header, arrays), the arrays read-only. `checked`: only what carries its checksum, as files of before it do not.
    Raises ValueError on what is none, damaged, or larger than MOST_BYTES."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as listed:
            size = sum(one.file_size for one in listed.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"it says it holds {size / 2**20:.0f} MB, {MOST_BYTES / 2**20:.0f} are allowed")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for array in arrays.values():
            array.setflags(write=False)
        header = json.loads(arrays.pop(HEADER).tobytes()) if HEADER in arrays else {}
        if checked and header.pop(CHECKSUM) != _checksum(header, arrays):
            raise ValueError("its checksum does not fit")
        return header, arrays
    except (*UNREADABLE, RecursionError) as error:
        raise ValueError(f"not a stored artifact: {error}") from error


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def parts(value: Any, *, but: tuple[str, ...] = ()) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(header, arrays) of a dataclass: its arrays, its tuples of arrays as "name.0", "name.1", …, and all else as plain
    values, fields named in `but` left out."""
    header: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for field in fields(value):
        one = getattr(value, field.name)
        if field.name in but:
            continue
        if isinstance(one, np.ndarray):
            arrays[field.name] = one
        elif isinstance(one, tuple) and one and all(isinstance(part, np.ndarray) for part in one):
            arrays |= {f"{field.name}.{place}": part for place, part in enumerate(one)}
        else:
            header[field.name] = one
    return header, arrays


def joined(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arrays of `parts` with its tuples put together again."""
    groups: dict[str, dict[int, np.ndarray]] = {}
    for name, array in arrays.items():
        stem, dot, place = name.partition(".")
        if dot:
            groups.setdefault(stem, {})[int(place)] = array
    whole = {name: array for name, array in arrays.items() if "." not in name}
    return whole | {stem: tuple(found[place] for place in sorted(found)) for stem, found in groups.items()}
