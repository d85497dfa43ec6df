"""What is kept of a stored network and a criterion: its atlas, and the curve "cut once, then some epochs of training"."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from core.artifacts import Arrays, Artifact, Moment, Progress, Put, Sources, codec, on
from core.atlas import Atlas, Curve, Point, Survey
from core.store import StoredRun

MOST_EPOCHS_ON = 50


@dataclass(frozen=True)
class AtlasOf(Survey, Artifact):
    """Everything on the grid of ratios; its value is an Atlas."""

    kind = "atlas"
    doing = "Building the atlas and its controls"

    def network(self, sources: Sources) -> Moment:
        return self.run, self.epoch

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        from core.atlas import surveys  # torch is needed only where one is made

        made = surveys.survey(sources.store(self.run), self, progress)
        if made is not None:
            put(made)

    def pack(self, value: Atlas) -> tuple[dict[str, Any], Arrays]:
        return codec.parts(value, but=("choice",))

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> Atlas:
        return Atlas(**header | codec.joined(arrays) | {"choice": self})

    @property
    def old_names(self) -> tuple[str, ...]:
        return (f"{self.name}-v1.npz",)

    def from_old(self, *read: tuple[dict[str, Any], Arrays]) -> Atlas:
        [(header, arrays)] = read
        if {**header["choice"]} != asdict(self):
            raise ValueError("it is of another choice")
        return self.unpack(header, arrays)


@dataclass(frozen=True)
class CurveOf(Survey, Artifact):
    """Test accuracy after `epochs` epochs of training after each of some cuts; its value is a Curve."""

    kind = "curve"
    doing = "Training on after each cut"
    epochs: int = 5

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or not 1 <= self.epochs <= MOST_EPOCHS_ON:
            raise ValueError(
                f"{self.epochs!r} epochs of training after each cut are not possible: give 1..{MOST_EPOCHS_ON}"
            )

    @property
    def name(self) -> str:
        return f"{super().name}-then-{self.epochs}"

    def label(self, run: StoredRun) -> str:
        return f"training on after cuts of {run.label}"

    def network(self, sources: Sources) -> Moment:
        return self.run, self.epoch

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        from core.atlas import surveys  # torch is needed only where one is made

        for value in surveys.curve(sources.store(self.run), self, self.epochs, known.points if known else (), progress):
            put(value)

    def whole(self, value: Curve) -> bool:
        return value.percents is not None and {point.percent for point in value.points} >= set(value.percents)

    def pack(self, value: Curve) -> tuple[dict[str, Any], Arrays]:
        return asdict(value), {}

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> Curve:
        percents = None if header["percents"] is None else tuple(header["percents"])
        return Curve(percents, tuple(Point(**one) for one in header["points"]))

    @property
    def old_names(self) -> tuple[str, ...]:
        return (f"{super().name}-v1-then-{self.epochs}.json",)

    def from_old(self, *read: tuple[dict[str, Any], Arrays]) -> Curve:
        [(header, arrays)] = read
        return self.unpack({"percents": None, "points": header["json"]}, arrays)
