"""The run that a cut by hand makes of a stored one: with its cut in it, or refused in a sentence."""

from __future__ import annotations

from typing import Any

from core.spec import RunSpec
from core.store import Store

NOTHING_LEFT = ("diverged", "dead")  # how a run ends whose network learns no more, whatever is cut


def branch(store: Store, key: str, epoch: int, ratio: float, **how: Any) -> RunSpec:
    """The run that follows the stored run `key` to the end of `epoch`, is cut there to `ratio`, 0..1, and trains on. how:
    HandCut's other fields. Raises ValueError where there would be no cut, or nothing that could train on after it."""
    run = store.open(key)
    if run.spec is None:
        raise ValueError(run.problem or f"the run {key} cannot be opened")
    if epoch < 1:
        raise ValueError(
            "these are the start weights, nothing is trained yet: choose an epoch from 1 on to prune and train on"
        )
    if epoch > run.last_epoch:
        raise ValueError(f"the run has no epoch {epoch}: choose one in 1..{run.last_epoch}")
    if run.reason and epoch == run.last_epoch and run.reason.split(":")[0] in NOTHING_LEFT:
        before = f"choose an earlier one, in 1..{epoch - 1}" if epoch > 1 else "it needs to be started otherwise"
        raise ValueError(f"nothing trains on after epoch {epoch}, at which the run ended ({run.reason}): {before}")
    return run.spec.branch(epoch, ratio, **how)
