"""What happens in a run, as frozen values. The list of them, in order, is the run."""

from __future__ import annotations

from dataclasses import dataclass

from core.network import Network
from core.spectra import Spectrum


@dataclass(frozen=True)
class Started:
    """The start weights are drawn: epoch 0."""

    weights: int
    hidden_weights: int


@dataclass(frozen=True)
class EpochEnded:
    """An epoch is over, before any cut at its end.

    Training accuracy (0..1) and loss are the running ones of the epoch, as Keras reports them; validation is measured after
    it. seconds: wall time of the epoch's training. answer: the one class that every validation image got, None where they
    got several (and in logs of before this was looked at).
    """

    epoch: int
    train_accuracy: float
    train_loss: float
    valid_accuracy: float
    valid_loss: float
    seconds: float
    answer: int | None = None


@dataclass(frozen=True, eq=False)
class Pruned:
    """A cut at the end of `epoch`. `round` counts from 1; None for a cut made by hand.

    requested: the share of all weights that the plan wants zero by now (None for the threshold variant); achieved and
    achieved_hidden: the shares that are zero, over all and over hidden weights. Accuracies are validation accuracies.
    before, after: one Spectrum per hidden layer; () where the stored moment is damaged or gone. alive: living neurons per
    hidden layer after the cut. answer: as in EpochEnded, right after the cut.
    """

    epoch: int
    round: int | None
    requested: float | None
    achieved: float
    achieved_hidden: float
    accuracy_before: float
    accuracy_after: float
    before: tuple[Spectrum, ...]
    after: tuple[Spectrum, ...]
    alive: tuple[int, ...]
    answer: int | None = None


@dataclass(frozen=True, eq=False)
class Finished:
    """The run is over. `reason` begins with "target reached", "epoch limit reached", "early stopping", "diverged" or "dead"; it
    also says so where the network gives one answer to everything."""

    reason: str
    network: Network
    test_accuracy: float

    @property
    def outcome(self) -> str:
        """The reason's first words, before the colon."""
        return self.reason.split(":")[0]


@dataclass(frozen=True)
class Stopped:
    """The run was stopped by hand after `epoch`: unfinished, to be resumed, and not part of the stored log."""

    epoch: int


@dataclass(frozen=True)
class Notice:
    """Something a person should know, in a sentence: a damaged file set aside, a wait for another process. Not stored."""

    text: str


Event = Started | EpochEnded | Pruned | Finished | Stopped | Notice
