"""The lines of a run's event log: one JSON object a line, each with its own checksum.

A line is plain values; arrays are in the snapshot of its epoch. The first line of an epoch names that snapshot's checksum.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.events import Event, Finished, Pruned

Line = dict[str, Any]


def line_of(event: Event) -> Line:
    """The event as plain values, without arrays."""
    kind = type(event).__name__
    if isinstance(event, Pruned):
        names = [name for name in event.__dataclass_fields__ if name not in ("before", "after")]
        return _without_nothing({"kind": kind} | {name: getattr(event, name) for name in names})
    if isinstance(event, Finished):
        return {"kind": kind, "reason": event.reason, "test_accuracy": event.test_accuracy}
    return _without_nothing({"kind": kind} | asdict(event))


def _without_nothing(line: Line) -> Line:
    """An answer that is none is not written: the log of a network that answers this and that is what it always was."""
    return {name: value for name, value in line.items() if name != "answer" or value is not None}


_CRC = b', "crc": '


def encoded(lines: list[Line]) -> bytes:
    """The lines as the file holds them; what is said of a checksum before is left out."""
    bodies = (json.dumps({name: value for name, value in line.items() if name != "crc"}).encode() for line in lines)
    return b"".join(body[:-1] + _CRC + str(zlib.crc32(body)).encode() + b"}\n" for body in bodies)


def read(file: Path) -> tuple[list[Line], bool]:
    """The sound lines from the top, and whether anything after them had to be left out; ([], False) without a file."""
    try:
        content = file.read_bytes()
    except OSError:
        return [], False
    lines: list[Line] = []
    for raw in content.splitlines(keepends=True):
        body, _, tail = raw.rpartition(_CRC)
        # The bytes themselves are checked: writing the values anew to check them took longer than reading them.
        if tail != str(zlib.crc32(body + b"}")).encode() + b"}\n":
            return lines, True
        lines.append(json.loads(raw))
    return lines, False
