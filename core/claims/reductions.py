"""What is kept of the contest's reductions, each trained on with its rank held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.artifacts import Arrays, Progress, Put, Sources, codec, on
from core.claims import budgets, pca
from core.claims.factors import Retrained
from core.store import StoredRun


@dataclass(frozen=True)
class RetrainedOf(pca.OfTwins):
    """One reduction of the contest, trained on with its rank held; its value is a Retrained."""

    kind = "factors"
    doing = "The reductions are being retrained, their rank held"
    run: str
    matching: str
    arm: str

    def __post_init__(self):
        budgets.matched_ranks((), self.matching, self.arm)  # raises the sentence that says what is allowed

    @property
    def job(self) -> str:
        return f"factors-{self.run}-{self.matching}"

    def label(self, run: StoredRun) -> str:
        return f"retraining the reductions of {run.label}"

    def make(self, sources: Sources, known: Any, put: Put, progress: Progress = on) -> None:
        from core.claims import retraining  # torch is needed only where something is trained

        for value in retraining.arms(pca.twins(sources, self.run), self.matching, (self.arm,), progress):
            put(value)

    def whole(self, value: Retrained) -> bool:
        return value.complete

    def pack(self, value: Retrained) -> tuple[dict[str, Any], Arrays]:
        return codec.parts(value)

    def unpack(self, header: dict[str, Any], arrays: Arrays) -> Retrained:
        return Retrained(**header, **arrays)

    @property
    def old_names(self) -> tuple[str, ...]:
        return (f"factors-{self.name}-v1.npz",)


def of_matching(run: str, matching: str) -> list[RetrainedOf]:
    """All of a contest at one matching."""
    return [RetrainedOf(run, matching, arm) for arm in budgets.ARMS]
