"""Whether a run is one that a claim can be judged on. Every verdict asks this first.

A run that diverged or collapsed, that gives one answer to everything, knows no more than guessing, or missed cuts that it was
to make, says nothing about pruning, however its matrices look.
"""

from __future__ import annotations

import math

import numpy as np

from core import collapse, datasets
from core.store import Store, StoreError


def objection(store: Store, key: str) -> str:
    """Why no claim can be judged on the run as it stands, as a sentence; "" where it can. Test images are not looked at.

    Raises StoreError if there is no such run."""
    run, lines = store.open(key), store.log(key)
    if run.reason and run.reason.split(":")[0] in ("diverged", "dead"):
        return f"This run is none to judge a claim by. It {_ended(run.reason)}."
    epochs = [line for line in lines if line["kind"] == "EpochEnded"]
    if not epochs or run.spec is None:
        return ""
    return _of_network(store, key, lines, epochs[-1]) or (missed(store, key) if run.finished else "")


def of_pair(store: Store, key: str, twin_store: Store, twin_key: str) -> str:
    """The same of a pruned run and its standard twin, which are judged beside one another."""
    if found := objection(store, key):
        return found
    try:
        found = objection(twin_store, twin_key)
    except StoreError:
        return ""  # it was deleted since; what was held with it stands
    return f"Of the standard network: {found[0].lower()}{found[1:]}" if found else ""


def _ended(reason: str) -> str:
    word, _, why = reason.partition(": ")
    return f"{'is ' if word == 'dead' else ''}{word}: {why}"


def _of_network(store: Store, key: str, lines: list[dict], last: dict) -> str:
    """What is wrong with the network as it is now."""
    try:
        moment = store.snapshot(key)
    except StoreError:
        return ""  # it cannot be looked at; whoever judges says so
    network, sizes = moment.state.network(), moment.class_sizes
    if not all(np.isfinite(weight).all() for weight in network.weights):
        return f"This run diverged: its weights are no numbers any more after epoch {last['epoch']}."
    answer = _answer(store, key, network, lines, sizes)
    if answer is not None:
        said = collapse.in_words(answer, datasets.load(store.open(key).spec.dataset).class_names)
        return f"This run {said}."
    guessing = math.log(len(sizes))
    if not last["train_loss"] <= guessing:
        loss = f"{last['train_loss']:.3g}"
        return (
            f"This run knows no more than guessing: its training loss is {loss} in epoch {last['epoch']}, guessing has "
            f"{guessing:.3g}. It diverged, or has yet to learn."
        )
    return ""


def _answer(store: Store, key: str, network, lines: list[dict], sizes: np.ndarray) -> int | None:
    """The one class that the network gives all validation images, None if it gives several. Logs of before this was looked at
    do not say it: where the accuracy allows it, the network is asked."""
    end = next(line for line in lines[::-1] if line["kind"] in ("Pruned", "EpochEnded"))
    if "answer" in end:
        return end["answer"]
    accuracy = end["accuracy_after"] if end["kind"] == "Pruned" else end["valid_accuracy"]
    if accuracy * sizes.sum() > sizes.max() + 0.5:
        return None  # more right than one answer can be
    with np.errstate(over="ignore", invalid="ignore"):
        return collapse.only_answer(network.predict(datasets.load(store.open(key).spec.dataset).x_valid))


def missed(store: Store, key: str) -> str:
    """Which cuts a run that is over was to make and did not, as a sentence; "" where it made all."""
    run = store.open(key)
    made = [line["round"] is not None for line in store.log(key) if line["kind"] == "Pruned"]
    planned = run.spec.pruning.rounds if run.spec.pruning else 0
    zero = f"{100 * run.achieved:.2f} % of its weights are zero"
    if sum(made) < planned:
        asked = f", {100 * run.spec.pruning.ratio:g} % was asked" if run.spec.pruning.selection == "ratio" else ""
        return f"This run missed cuts: it made {sum(made)} of {planned}, so {zero}{asked}."
    if (by_hand := len(made) - sum(made)) < len(run.spec.hand_cuts):
        return f"This run missed cuts: it made {by_hand} of {len(run.spec.hand_cuts)} cuts by hand, so {zero}."
    return ""
