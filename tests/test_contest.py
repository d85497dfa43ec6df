"""The PCA contest against the same thing done directly with numpy and scikit-learn, on real small runs; budgets; its file."""

import dataclasses

import numpy as np
import pytest
from blobs import unpack
from sklearn.decomposition import PCA
from small import digits, network, there_and_back

from core import datasets, experiment
from core.artifacts import Sources
from core.claims import budgets, factors, pca, reductions
from core.claims.budgets import ARMS, MATCHINGS, Layer
from core.network import Network
from core.spec import PenaltySpec
from core.store import Store, StoreError
from core.views import pca as pca_view


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("contest"))
    for spec in (digits(), digits(None)):
        list(experiment.run(spec, store))
    return store


@pytest.fixture(scope="module")
def both(stored) -> pca.Twins:
    return pca.twins(Sources(stored), digits().key())


@pytest.fixture(scope="module")
def held(both) -> pca.Contest:
    return pca.build(both)


# -- the same thing, done directly -------------------------------------------------------------------------------------


def directly(net: Network, x_train, arm: str, ranks) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases of the reduced network, in float64, by other means than core's."""
    weights = [weight.astype(np.float64) for weight in net.weights]
    biases = [bias.astype(np.float64) for bias in net.biases]
    signal = x_train.astype(np.float64)
    for layer, k in enumerate(ranks):
        weight, bias = weights[layer], biases[layer]
        outputs = signal @ weight.T + bias
        if arm == "pca":
            fitted = PCA(n_components=int(k), svd_solver="full").fit(weight.T)
            weights[layer] = fitted.inverse_transform(fitted.transform(weight.T)).T
        elif arm == "svd":
            left, values, right = np.linalg.svd(weight, full_matrices=False)
            weights[layer] = left[:, :k] @ np.diag(values[:k]) @ right[:k]
        elif k < min(weight.shape):  # PCA of the outputs, then the weights that make its reconstruction
            fitted = PCA(n_components=int(k), svd_solver="full").fit(outputs)
            project = fitted.components_.T @ fitted.components_
            weights[layer] = project @ weight
            biases[layer] = project @ bias + fitted.mean_ - project @ fitted.mean_
        signal = np.maximum(outputs, 0)  # the uncut network's
    return weights, biases


def said(weights, biases, x) -> np.ndarray:
    signal = x.astype(np.float64)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        signal = signal @ weight.T + bias
        if layer < len(weights) - 1:
            signal = signal * (signal > 0)
    return np.argmax(signal, axis=1)


@pytest.mark.parametrize("arm", ARMS)
def test_answers_ranks_and_accuracies_are_those_of_networks_made_directly(both, held, arm):
    data, a = both.data, ARMS.index(arm)
    # Its dark pixels leave outputs without variance only where the layer is narrower than what it gets.
    for row, ranks in enumerate(held.ranks):
        weights, biases = directly(both.standard, data.x_train, arm, ranks)
        answers = said(weights, biases, data.x_test)
        assert np.count_nonzero(answers != held.answers[a, row]) <= 1  # a tie in the last bits
        valid = np.count_nonzero(said(weights, biases, data.x_valid) == data.y_valid)
        assert abs(valid - int(held.valid_correct[a, row])) <= 1
        made = [np.linalg.matrix_rank(weight.astype(np.float32)) for weight in weights[:-1]]
        assert made == held.true[a, row].tolist()


def test_the_reduced_network_itself_says_what_the_contest_says(both, held):
    found = pca.decompositions(both.standard, both.data)
    for a, arm in enumerate(ARMS):
        row = held.row("numbers", arm)
        net = pca.reduced(both.standard, found[arm], held.ranks[row])
        assert np.count_nonzero(net.predict(both.data.x_test) != held.answers[a, row]) <= 1


def test_the_activation_aware_arm_looks_at_training_images_only(both):
    blind = dataclasses.replace(
        both.data, x_test=np.zeros_like(both.data.x_test), x_valid=np.zeros_like(both.data.x_valid)
    )
    seen, not_seen = (pca.decompositions(both.standard, data)["aware"] for data in (both.data, blind))
    for one, other in zip(seen, not_seen, strict=True):
        np.testing.assert_array_equal(one.right, other.right)
    changed = dataclasses.replace(both.data, x_train=both.data.x_train[::-1] * np.linspace(0, 1, 64, dtype="f"))
    other = pca.decompositions(both.standard, changed)["aware"][0]
    assert np.abs(np.abs(seen[0].right) - np.abs(other.right)).max() > 0.01


def test_pca_has_one_rank_more_than_asked_and_the_others_do_not(held):
    row = held.row("rank", "pca")
    assert held.true[0, row].tolist() == [layer.rank + 1 for layer in held.layers]
    for a in (1, 2):
        assert held.true[a, row].tolist() == [layer.rank for layer in held.layers]
    full = [min(layer.shape) for layer in held.layers]
    assert held.ranks[held.curve[-1]].tolist() == full and held.true[:, held.curve[-1]].tolist() == [full] * 3


def test_at_full_rank_every_arm_is_the_standard_network(both, held):
    last = held.curve[-1]
    standard = both.standard.predict(both.data.x_test)
    assert (held.answers[:, last] == standard).all() and (held.standard == standard).all()
    assert (held.pruned == both.pruned.predict(both.data.x_test)).all()
    assert held.pruned_valid / len(both.data.y_valid) == both.pruned.accuracy(both.data.x_valid, both.data.y_valid)


# -- layers, costs, budgets --------------------------------------------------------------------------------------------


def test_a_pruned_layer_is_measured_by_hand():
    first = np.array([[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 6, 0]], "f")  # rank 1, live block 2 × 2
    second = np.array([[5, 0, 0], [0, 0, 7]], "f")
    [one, two] = budgets.layers(Network([first, second, np.ones((2, 2), "f")], [np.zeros(3), np.zeros(2), np.zeros(2)]))
    assert (one.shape, one.live, one.rank, one.nonzero) == ((3, 4), (2, 2), 1, 4)
    assert one.numbers == 4 and not one.sparse  # dense 4, CSR 4 + 4 + 3
    assert (two.live, two.rank, two.nonzero, two.numbers) == ((2, 2), 2, 2, 4)
    wide = Layer((10, 100), (10, 100), 10, 40)
    assert wide.sparse and wide.numbers == 40 + 40 + 11
    assert [wide.budget(matching) for matching in MATCHINGS] == [10, 91, 40]


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("shape", [(300, 784), (200, 300), (10, 10), (1, 5), (5, 1)])
def test_budgets_match_within_one_unit_of_rank_and_nothing_comes_nearer(arm, shape):
    units, inputs = shape
    cost = budgets.costs(shape, arm)
    for k, each in enumerate(cost):
        assert each == min(k * units + k * inputs + (units if arm == "pca" else 0), units * inputs)
    assert len(cost) == min(shape) + 1 and cost[-1] == units * inputs
    for budget in [*range(0, units * inputs, max(1, units * inputs // 300)), units * inputs]:
        k = budgets.nearest(budget, shape, arm)
        assert abs(int(cost[k]) - budget) <= units + inputs
        assert all(abs(int(cost[k]) - budget) <= abs(int(other) - budget) for other in cost)


def test_of_ranks_that_cost_the_same_the_highest_is_taken():
    assert budgets.nearest(100, (10, 10), "svd") == 10  # from rank 5 on the whole matrix is as cheap
    assert budgets.nearest(30, (10, 10), "svd") == 2  # as near as 1


def test_the_matched_rows_meet_their_budgets(held):
    for matching in MATCHINGS:
        for a, arm in enumerate(ARMS):
            row = held.row(matching, arm)
            for at, layer in enumerate(held.layers):
                if matching == "rank":
                    assert held.ranks[row, at] == layer.rank
                else:
                    wanted = layer.numbers if matching == "numbers" else layer.nonzero
                    assert abs(int(held.costs(arm)[row, at]) - wanted) <= sum(layer.shape)
            assert held.matched[MATCHINGS.index(matching), a] == row


def test_the_curve_has_every_rank_and_the_pruned_networks_proportions():
    layers = [
        Layer((300, 784), (68, 784), 68, 1),
        Layer((200, 300), (90, 68), 66, 1),
        Layer((50, 200), (20, 90), 17, 1),
    ]
    rows = np.array(budgets.curve_ranks(layers))
    assert (np.diff(rows.sum(axis=1)) > 0).all() and (np.diff(rows, axis=0) >= 0).all()
    assert set(range(1, 41)) <= set(rows[:, 0].tolist())
    assert (68, 66, 17) in set(map(tuple, rows.tolist())) and rows[-1].tolist() == [300, 200, 50]
    for k, *others in rows[:-1]:
        for other, rank, most in zip(others, (66, 17), (200, 50), strict=True):
            assert other == most or abs(other - max(1, k * rank / 68)) <= 0.5 + 1e-9
    steps = np.diff(rows[:, 0])
    assert steps.max() <= 0.1 * 300  # coarser, not coarse


def test_a_dead_layer_and_a_dead_network_still_have_a_curve():
    dead = [Layer((20, 30), (5, 30), 5, 1), Layer((10, 20), (0, 0), 0, 0)]
    rows = budgets.curve_ranks(dead)
    assert rows[0] == (1, 0) and rows[-1] == (20, 10) and (5, 0) in rows
    assert budgets.curve_ranks([Layer((3, 4), (0, 0), 0, 0)]) == [(3,)]


# -- who wins, where they part -----------------------------------------------------------------------------------------


def test_where_the_two_first_differ(both, held):
    labels = both.data.y_test
    mine, whole = held.pruned == labels, held.standard == labels
    for a, arm in enumerate(ARMS):
        rights = {row: held.answers[a, row] == labels for row in held.curve}
        downwards = list(held.curve[::-1])
        expected = (
            [row for row in downwards if (rights[row] != mine).any()],
            [
                row
                for row in downwards
                if any(m and w and not r for m, w, r in zip(mine, whole, rights[row], strict=True))
            ],
            [row for row in downwards if rights[row].sum() < mine.sum()],
        )
        found = [getattr(held, f"first_{name}")(arm, labels) for name in ("different", "lost", "behind")]
        assert found == [rows[0] if rows else None for rows in expected]
    same = dataclasses.replace(held, pruned=held.standard, answers=np.broadcast_to(held.standard, held.answers.shape))
    assert [getattr(same, f"first_{name}")("pca", labels) for name in ("different", "lost", "behind")] == [None] * 3


def test_the_vectors_for_the_verdict(both, held):
    right = held.right(both.data.y_test, "rank")
    assert list(right) == ["pruned", *ARMS]
    assert right["pruned"].mean() == both.pruned.accuracy(both.data.x_test, both.data.y_test)
    for a, arm in enumerate(ARMS):
        assert right[arm].sum() == (held.answers[a, held.row("rank", arm)] == both.data.y_test).sum()


def retrained(held, matching, arm, epochs=3, done=3, right=None, labels=None) -> factors.Retrained:
    answers = held.pruned.copy() if right is None else np.where(right, labels, (labels + 1) % 10).astype(np.uint8)
    curve = np.linspace(0.5, 0.9, done + 1)
    return factors.Retrained(
        run=held.run, matching=matching, arm=arm, epochs=epochs, ranks=held.ranks[held.row(matching, arm)],
        true=held.true[0, 0], numbers=np.array([7, 8], np.uint32), test=curve, valid=curve, answers=answers,
    )  # fmt: skip


def test_the_verdict_counts_only_what_is_trained_to_its_end(both, held):
    """A perfect pruned network against reductions that are all wrong, until perfect retrained ones come."""
    labels = both.data.y_test
    wrong = np.broadcast_to(((labels + 1) % 10).astype(np.uint8), held.answers.shape)
    unequal = dataclasses.replace(held, pruned=labels.astype(np.uint8), answers=wrong)
    plain = pca_view.verdict(unequal, {}, labels, "rank")
    assert plain.word == "in part" and plain.sentence.startswith("At the same rank per layer")
    perfect = np.ones(len(labels), bool)
    for done, problem, counts in ((2, "", False), (3, "", True), (1, "it diverged", False)):
        one = {arm: retrained(held, "rank", arm, 3, done, perfect, labels) for arm in ARMS}
        after = {("rank", arm): dataclasses.replace(each, problem=problem) for arm, each in one.items()}
        assert (pca_view.verdict(unequal, after, labels, "rank").sentence != plain.sentence) == counts
    beaten = {("rank", arm): retrained(held, "rank", arm, 3, 3, ~perfect, labels) for arm in ARMS}
    assert pca_view.verdict(unequal, beaten, labels, "rank").word == "holds"
    assert pca_view.verdict(unequal, beaten, labels, "numbers").word == "in part"  # they are of another matching


# -- the pages' blob ---------------------------------------------------------------------------------------------------


def test_the_blobs_figures_are_the_contests(both, held):
    data, labels = both.data, both.data.y_test
    after = {("rank", "svd"): retrained(held, "rank", "svd"), ("rank", "pca"): retrained(held, "rank", "pca", 3, 1)}
    header, arrays = unpack(pca_view.blob(held, after, data, "a run", (7, 5)))
    rows = len(held.ranks)
    assert header["rows"] == rows and header["curve"] == held.curve.tolist()
    np.testing.assert_array_equal(arrays["ranks"], held.ranks)
    for a, arm in enumerate(ARMS):
        np.testing.assert_array_equal(arrays["cost"][a], held.costs(arm))
        for row in range(rows):
            reduced, mine = held.answers[a, row] == labels, held.pruned == labels
            assert arrays["correct"][a, row] == reduced.sum()
            network = a * rows + row
            for way, only in enumerate((mine & ~reduced, reduced & ~mine)):
                assert arrays["counts"][network, way] == only.sum()
                shown = [int(place) for place in arrays["images"][network, way] if place != pca_view.NOBODY]
                images = [int(arrays["pool_place"][place]) for place in shown]
                assert images == np.flatnonzero(only)[: pca_view.SHOWN].tolist()
                for at, place in enumerate(shown):
                    image = images[at]
                    assert arrays["said"][network, way, at] == held.answers[a, row, image]
                    assert (
                        arrays["pool_pruned"][place] == held.pruned[image]
                        and arrays["pool_label"][place] == labels[image]
                    )
                    np.testing.assert_allclose(arrays["pool"][place] / 255, data.x_test[image], atol=0.01)
        for layer, each in enumerate(pca.decompositions(both.standard, data)[arm]):
            share = np.cumsum(each.energy) / each.energy.sum()
            np.testing.assert_allclose(arrays[f"energy_{arm}_{layer}"], share, atol=1e-6)
    assert list(header["retrained"]["rank"]) == ["svd"] and list(pca_view.live(after)["rank"]) == ["pca"]
    assert pca_view.live(after)["rank"]["pca"]["epochs"] == 3
    network = header["retrained"]["rank"]["svd"]["network"]
    assert arrays["counts"][network].tolist() == [0, 0]  # it answers as the pruned network does


def test_notes_say_what_is_clamped_dead_and_unlike(both, held):
    whole = tuple(dataclasses.replace(layer, rank=min(layer.shape)) for layer in held.layers)
    ranks = held.ranks.copy()
    ranks[held.row("rank", "svd")] = [layer.rank for layer in whole]
    text = " ".join(pca_view.notes(dataclasses.replace(held, layers=whole, ranks=ranks), (7, 5)))
    assert "Same rank: hidden 1 and hidden 2 has full rank" in text or "full rank in the pruned network" in text
    assert "rank up to k + 1" in text and "no test image" in text and "saw" in text
    dead = (held.layers[0], Layer(held.layers[1].shape, (0, 0), 0, 0))
    assert "is dead" in " ".join(pca_view.notes(dataclasses.replace(held, layers=dead), (7, 5)))


# -- stop, file, errors ------------------------------------------------------------------------------------------------


def test_progress_grows_to_the_end_and_a_no_ends_it(both):
    shares = []
    assert pca.build(both, lambda share: shares.append(share) or True) is not None
    assert shares == sorted(shares) and 0 < shares[0] < 0.2 and 0.9 < shares[-1] <= 1
    for after in (1, len(shares) // 2, len(shares) - 1):
        heard = []
        assert pca.build(both, lambda share, heard=heard, after=after: heard.append(1) or len(heard) < after) is None
        assert len(heard) == after


def test_its_file_gives_it_back(held):
    back = there_and_back(pca.ContestOf(held.run), held)
    for field in dataclasses.fields(held):
        one, other = getattr(held, field.name), getattr(back, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype and (one == other).all() and not other.flags.writeable
        elif field.name == "layers":
            assert [vars(layer) for layer in one] == [vars(layer) for layer in other]
        elif field.name == "energy":
            assert all((a == b).all() for a, b in zip(one, other, strict=True))
        else:
            assert one == other
    again = retrained(held, "rank", "aware")
    back = there_and_back(reductions.RetrainedOf(held.run, "rank", "aware"), again)
    assert back.complete and (back.answers == again.answers).all() and back.test.tolist() == again.test.tolist()


def test_a_twin_differs_in_nothing_but_the_pruning():
    spec = digits(seed=3, penalty=PenaltySpec(strength=1e-4))
    twin = pca.twin(spec.branch(2, 0.7))
    assert twin == dataclasses.replace(spec, pruning=None) and twin.pruning is None and twin.parent is None


def test_runs_that_cannot_meet_are_refused(stored, tmp_path, both):
    with pytest.raises(ValueError, match="never cut"):
        pca.twins(Sources(stored), digits(None).key())
    with pytest.raises(StoreError, match="no run"):
        pca.twins(Sources(stored, {digits(None).key(): Store(tmp_path)}), digits().key())
    unfinished = digits(seed=8)
    for event in experiment.run(unfinished, stored):
        if type(event).__name__ == "Pruned":
            break
    list(experiment.run(digits(None, seed=8), stored))
    with pytest.raises(ValueError, match="pruned run is not finished"):
        pca.twins(Sources(stored), unfinished.key())
    with pytest.raises(ValueError, match="differ in their widths"):
        pca.build(dataclasses.replace(both, standard=network()))
    broken = Network([both.standard.weights[0] * np.float32(np.nan), *both.standard.weights[1:]], both.standard.biases)
    with pytest.raises(ValueError, match="diverged"):
        pca.build(dataclasses.replace(both, standard=broken))
    with pytest.raises(ValueError, match="matching 'size' is unknown: allowed are rank"):
        budgets.matched_ranks(budgets.layers(both.pruned), "size", "pca")
    with pytest.raises(ValueError, match="reduction 'nmf' is unknown"):
        budgets.matched_ranks(budgets.layers(both.pruned), "rank", "nmf")


def test_the_data_are_the_runs_own(both):
    assert both.data is datasets.load("digits") and both.trained_on.stop - 1 == both.run[1]
