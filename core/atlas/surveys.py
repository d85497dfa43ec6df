"""What a worker does for the stage: atlases of a stored network, and what some epochs of training make of it after a cut."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from core import atlas, criteria, datasets, recipe
from core.artifacts import Progress, on
from core.atlas import Atlas, Curve, Point, Survey
from core.datasets import Dataset
from core.experiment import cut
from core.experiment.training import Trainer
from core.masks import timetable
from core.masks.timetable import Timetable
from core.spec import RunSpec
from core.store import Store
from core.store.snapshot import Snapshot

MUCH_WORK = 2e9  # images × weights from which a second process is worth its start


def survey(store: Store, choice: Survey, progress: Progress = on) -> Atlas | None:
    """The atlas of one stored moment. `progress` hears the share done and may answer False: then None comes back.

    Raises ValueError where the run, its epoch or its data are not there, or the network diverged.
    """
    spec, moment, data = _opened(store, choice)
    plan = spec.pruning or cut.BY_HAND
    weights = sum(weight.size for weight in moment.trained)
    much = (len(data.x_test) + len(data.x_valid)) * weights > MUCH_WORK
    return atlas.build(
        choice,
        moment.state.network(),
        _scores(spec, moment, data, choice),
        data,
        redundancy=plan.redundancy,
        min_units=plan.min_units,
        n_jobs=2 if much and (os.cpu_count() or 1) > 1 else 1,
        progress=progress,
    )


def curve(
    store: Store, choice: Survey, epochs: int, known: Sequence[Point] = (), progress: Progress = on,
    percents: tuple[int, ...] = atlas.TRAINED_ON,
) -> Iterator[Curve]:  # fmt: skip
    """The network cut once at each percent and trained on for `epochs` epochs, told after each. Ends early where `progress`
    answers False. Percents that the stored network is beyond already are left out, those that are `known` not made again."""
    spec, moment, data = _opened(store, choice)
    plan = spec.pruning or cut.BY_HAND
    network = moment.state.network()
    scores = _scores(spec, moment, data, choice)
    table = timetable.make(scores, network, choice.scope, plan.min_units, redundancy=plan.redundancy)
    before = table.masks(0).achieved
    percents = tuple(percent for percent in percents if table.masks(percent).achieved > before)
    found = {point.percent: point for point in known if point.percent in percents}
    yield Curve(percents, tuple(found.values()))
    for place, percent in enumerate(percents):

        def still(share: float, place: int = place) -> bool:
            return progress((place + share) / len(percents))

        if percent in found:
            continue
        point = _point(spec, moment, data, table, percent, epochs, still)
        if point is None:
            return
        found[percent] = point
        yield Curve(percents, tuple(found.values()))


def _opened(store: Store, choice: Survey) -> tuple[RunSpec, Snapshot, Dataset]:
    run = store.open(choice.run)
    if run.spec is None:
        raise ValueError(run.problem or f"the run {choice.run} cannot be opened")
    return run.spec, store.snapshot(choice.run, choice.epoch), datasets.load(run.spec.dataset)


def _scores(spec: RunSpec, moment: Snapshot, data: Dataset, choice: Survey) -> criteria.Scores:
    counts, network = (moment.fired, moment.seen), moment.state.network()
    given = cut.evidence(spec, choice.criterion, network, counts, data, choice.epoch, choice.draw)
    return criteria.scores(choice.criterion, given)


def _point(
    spec: RunSpec, moment: Snapshot, data: Dataset, table: Timetable, percent: int, epochs: int, progress: Progress
) -> Point | None:
    chosen = table.masks(percent)
    state = moment.state.with_kept(chosen.kept)
    if all(kept.any() for kept in chosen.kept):  # with a dead layer nothing but the last biases could still be trained
        trainer = Trainer(data, [spec], [state])
        for number in range(1, epochs + 1):
            on = recipe.penalised(spec, moment.policy, moment.epoch + number)
            for share in trainer.epoch(moment.epoch + number, [on]):
                if not progress((number - 1 + share) / epochs):
                    return None
        state = trainer.states()[0]
    return Point(percent, chosen.achieved, state.network().accuracy(data.x_test, data.y_test))
