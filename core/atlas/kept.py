"""Atlases among the artifacts of a run, and the curves of networks trained on after a cut."""

from __future__ import annotations

import json
from dataclasses import dataclass

from core import atlas
from core.atlas import Atlas, Choice
from core.store.artifacts import Artifacts


@dataclass(frozen=True)
class Point:
    """The network cut once at `percent`, then trained for some epochs: what is zero and test accuracy, both 0..1."""

    percent: int
    achieved: float
    accuracy: float


def has(kept: Artifacts, choice: Choice) -> bool:
    """Whether the atlas is there."""
    return version(kept, choice) > 0


def version(kept: Artifacts, choice: Choice) -> int:
    """Changes whenever the atlas is written; 0 while it is not there."""
    return kept.written(choice.run, _name(choice))


def get(kept: Artifacts, choice: Choice) -> Atlas | None:
    """The atlas, None where it is not there or cannot be read."""
    content = kept.read(choice.run, _name(choice))
    try:
        found = None if content is None else atlas.from_bytes(content)
    except ValueError:
        return None
    return found if found and found.choice == choice else None


def put(kept: Artifacts, made: Atlas) -> None:
    """Stores an atlas. Raises StoreError where the folder cannot be written."""
    kept.write(made.choice.run, _name(made.choice), made.to_bytes())


def points(kept: Artifacts, choice: Choice, epochs: int) -> list[Point]:
    """What is stored of "cut once, then `epochs` epochs of training", by percent."""
    content = kept.read(choice.run, _curve(choice, epochs))
    try:
        values = json.loads(content) if content else []
        return sorted((Point(**value) for value in values), key=lambda point: point.percent)
    except (ValueError, TypeError):
        return []


def add_point(kept: Artifacts, choice: Choice, epochs: int, point: Point) -> None:
    """Stores one more point. Raises StoreError where the folder cannot be written."""
    others = [other for other in points(kept, choice, epochs) if other.percent != point.percent]
    content = json.dumps([vars(each) for each in (*others, point)])
    kept.write(choice.run, _curve(choice, epochs), content.encode())


def _name(choice: Choice) -> str:
    return f"{choice.name}.npz"


def _curve(choice: Choice, epochs: int) -> str:
    return f"{choice.name}-then-{epochs}.json"
