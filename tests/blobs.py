"""A blob as the browser reads it."""

import json
import math

import numpy as np
import pytest


def unpack(blob: bytes) -> tuple[dict, dict]:
    """As the browser reads it, written from the description at the top of core/views/scene.py."""
    assert isinstance(blob, bytes)
    length = int.from_bytes(blob[:4], "little")
    header = json.loads(blob[4 : 4 + length].decode("utf-8"), parse_constant=lambda word: pytest.fail(word))
    start = 4 + length
    assert start % 8 == 0
    arrays, end = {}, start
    for name, place in header["arrays"].items():
        assert (start + place["offset"]) % 8 == 0
        count = math.prod(place["shape"])
        array = np.frombuffer(blob, place["dtype"], count, start + place["offset"])
        arrays[name] = array.reshape(place["shape"])
        end = max(end, start + place["offset"] + array.nbytes)
    assert len(blob) - end < 8  # nothing beyond the last array but its padding
    return header, arrays
