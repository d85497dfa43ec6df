"""What ships: the default run with and without pruning, of this very engine, true to its own log, and the atlases of one."""

import numpy as np
import pytest

from core import criteria, datasets, masks
from core.artifacts import Sources
from core.artifacts.kept import Artifacts
from core.atlas.artifacts import AtlasOf
from core.claims import budgets, pca, penalty, penalty_search, random_cuts, reductions
from core.criteria import Evidence
from core.publish.example import DRAWS, EXAMPLE, _wanted
from core.spec import RunSpec
from core.store import Store
from core.views import scene, slider

TRAINED, PRUNED = RunSpec(pruning=None), RunSpec()


@pytest.fixture(scope="module")
def shipped() -> Store:
    return Store(EXAMPLE)


def kept(artifact):
    """What ships of it."""
    return Artifacts(EXAMPLE).get(artifact, Sources(Store(EXAMPLE)))


def atlases() -> list[AtlasOf]:
    plain = {"run": TRAINED.key(), "epoch": Store(EXAMPLE).open(TRAINED.key()).last_epoch}
    both = [AtlasOf(**plain, criterion=name) for name in ("activation-frequency", "magnitude")]
    return both + [AtlasOf(**plain, criterion="random-matched", draw=draw) for draw in range(DRAWS)]


def test_it_is_the_default_run_with_and_without_pruning(shipped):
    assert {run.key: run.spec for run in shipped.runs()} == {spec.key(): spec for spec in (TRAINED, PRUNED)}
    for run in shipped.runs():
        assert run.finished and run.problem is None and run.reason.startswith("target reached")


def test_it_holds_start_cuts_and_end_and_says_what_it_was_made_on(shipped):
    for run in shipped.runs():
        log = shipped.log(run.key)
        cuts = [line["epoch"] for line in log if line["kind"] == "Pruned"]
        assert run.epochs == (0, *cuts, run.last_epoch)
        assert len(cuts) == (PRUNED.pruning.rounds if run.spec.pruning else 0)
        assert len([line for line in log if line["kind"] == "EpochEnded"]) == run.last_epoch
        assert {"torch", "numpy", "python"} <= set(shipped.provenance(run.key)["versions"])


def test_all_of_it_is_small():
    assert sum(file.stat().st_size for file in EXAMPLE.rglob("*") if file.is_file()) < 12e6


def test_the_last_networks_are_as_accurate_and_as_sparse_as_their_logs_say(shipped):
    data = datasets.load("mnist-mini")
    for run in shipped.runs():
        log, network = shipped.log(run.key), shipped.network(run.key)
        right = np.mean(network.forward(data.x_test).argmax(axis=1) == data.y_test)
        assert right == pytest.approx(log[-1]["test_accuracy"], abs=1e-9)
        last = [line for line in log if line["kind"] == "EpochEnded"][-1]
        assert network.accuracy(data.x_valid, data.y_valid) == pytest.approx(last["valid_accuracy"], abs=1e-6)
        assert network.sparsity() == pytest.approx(scene.achieved(log))
    cut = [line for line in shipped.log(PRUNED.key()) if line["kind"] == "Pruned"][-1]
    assert cut["achieved"] == pytest.approx(0.8, abs=0.001)
    assert [int(alive.sum()) for alive in shipped.network(PRUNED.key()).alive()] == cut["alive"]


def test_each_of_its_moments_can_be_drawn(shipped):
    for run in shipped.runs():
        for epoch in run.epochs:
            assert len(scene.board(shipped, run.spec, run.key, epoch, pictures=True)) > 300 * 784


@pytest.mark.parametrize("choice", atlases(), ids=lambda choice: f"{choice.criterion}-{choice.draw}")
def test_its_atlases_are_those_of_the_trained_network(shipped, choice):
    """Against masks made here, so that an atlas of another network, or one out of date, does not pass."""
    made, moment = kept(choice), shipped.snapshot(choice.run, choice.epoch)
    network, data = moment.state.network(), datasets.load("mnist-mini")
    draws = np.random.default_rng([0, choice.epoch, 2, *([choice.draw] if choice.draw else [])])
    scores = criteria.scores(choice.criterion, Evidence(network, moment.fired, moment.seen, rng=draws))
    for percent in (0, 37, 80):
        cut = masks.choose(scores, network, percent / 100).apply(network)
        assert made.zeros[percent] == sum(int((weight == 0).sum()) for weight in cut.weights)
        right = cut.forward(data.x_test).argmax(axis=1) == data.y_test
        assert abs(int(right.sum()) - int(made.correct[percent].sum())) <= 1


def test_the_stage_of_the_example_is_small_enough_to_be_sent_at_once(shipped):
    first, *rest = map(kept, atlases())
    blob = slider.blob(TRAINED, shipped.snapshot(first.choice.run, first.choice.epoch), first, rest)
    assert len(blob) < 1.5e6


def test_its_contest_is_that_of_its_two_networks_with_every_reduction_trained_on(shipped):
    both = pca.twins(Sources(shipped), PRUNED.key())
    made, found = kept(pca.ContestOf(PRUNED.key())), pca.decompositions(both.standard, both.data)
    assert (made.run, made.twin) == (PRUNED.key(), TRAINED.key()) and made.twin_epoch == shipped.open(
        made.twin
    ).last_epoch
    labels = both.data.y_test
    assert np.mean(made.pruned == labels) == pytest.approx(shipped.log(PRUNED.key())[-1]["test_accuracy"])
    for a, arm in enumerate(budgets.ARMS):
        row = made.row("rank", arm)
        net = pca.reduced(both.standard, found[arm], made.ranks[row])
        assert np.count_nonzero(net.predict(both.data.x_test) != made.answers[a, row]) <= 2
        for matching in budgets.MATCHINGS:
            one = kept(reductions.RetrainedOf(PRUNED.key(), matching, arm))
            assert one.complete and not one.problem and one.epochs == len(both.trained_on)
            assert one.ranks.tolist() == made.ranks[made.row(matching, arm)].tolist()
            assert (one.true <= one.ranks + (arm == "pca")).all()


def test_the_search_for_its_penalty_ends_where_the_pruned_run_did(shipped):
    search = kept(penalty_search.SearchOf(PRUNED.key()))
    goal = sum(np.linalg.norm(weight, "nuc") for weight in shipped.network(PRUNED.key()).weights[:-1])
    assert search.goal == pytest.approx(goal, rel=1e-4) and search.epochs == shipped.open(PRUNED.key()).last_epoch
    assert search.tries[0].strength == 0 and search.tries[search.found].nuclear == pytest.approx(goal, rel=0.0101)
    for one in search.tries:  # of this very engine: the spec that the try names has its key
        assert penalty_search.spec_of(PRUNED, one.strength, search.epochs, search.every).key() == one.key


def test_its_random_cuts_are_those_that_the_page_would_draw(shipped):
    cuts = penalty.cuts(shipped, PRUNED, PRUNED.key())
    ships = penalty.by_epoch(map(kept, random_cuts.of_cuts(PRUNED.key(), [cut.epoch for cut in cuts])))
    assert set(ships) == {cut.epoch for cut in cuts} and len(cuts) == PRUNED.pruning.rounds
    last = cuts[-1]
    drawn = random_cuts.drawn(shipped, PRUNED, PRUNED.key(), last.epoch).random
    for one, other in zip(drawn, ships[last.epoch], strict=True):
        assert other.distance == pytest.approx(one.distance, abs=1e-4)
        assert np.allclose(other.values, one.values, atol=1e-4)


def test_all_that_the_command_makes_ships_whole_and_of_these_very_networks(shipped):
    wanted = list(_wanted(shipped, TRAINED, PRUNED))
    artifacts, sources = Artifacts(EXAMPLE), Sources(shipped)
    assert len(wanted) == 25 and all(artifacts.there(one, sources) for one in wanted)
    files = {file for one in wanted for file in artifacts.find(one, sources).files}
    assert files == set((EXAMPLE / "atlases").glob("*/*"))
