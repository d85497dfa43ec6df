"""The reductions trained on: their rank is held, the training is the pruned network's, what is told is true."""

import dataclasses

import numpy as np
import pytest
from small import digits

from core import experiment, lowrank
from core.artifacts import Sources
from core.claims import budgets, factors, pca, retraining
from core.claims.budgets import ARMS
from core.experiment.training import Trainer
from core.store import Store
from core.store.snapshot import TrainingState


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> pca.Twins:
    store = Store(tmp_path_factory.mktemp("retraining"))
    for spec in (digits(), digits(None)):
        list(experiment.run(spec, store))
    return pca.twins(Sources(store), digits().key())


@pytest.fixture(scope="module")
def trained(both) -> dict[str, list[factors.Retrained]]:
    """Of the arms at the same rank, all that was told."""
    told = {arm: [] for arm in ARMS}
    for one in retraining.arms(both, "rank"):
        told[one.arm].append(one)
    return told


def test_factors_make_the_reduced_network(both):
    found = pca.decompositions(both.standard, both.data)
    for arm in ARMS:
        for ranks in ((5, 4), (1, 1), (24, 3), (24, 16), (23, 15)):
            made = factors.factored(both.standard, found[arm], ranks)
            plain = pca.reduced(both.standard, found[arm], ranks)
            net = made.product(made.weights, made.biases)
            for one, other in zip(net.weights, plain.weights, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5)
            for one, other in zip(net.biases, plain.biases, strict=True):
                np.testing.assert_array_equal(one, other)
            assert len(made.linear) == len(made.weights) - 1


def test_a_layer_of_full_rank_stays_whole_and_a_reduced_one_is_two_balanced_factors(both):
    found = pca.decompositions(both.standard, both.data)
    made = factors.factored(both.standard, found["svd"], (24, 3))
    assert made.linear == (False, True, False) and made.numbers() == (24 * 64, 3 * (16 + 24))
    right, left = made.weights[1:3]
    np.testing.assert_allclose(left.T @ left, right @ right.T, atol=1e-5)  # half of each singular value on either side
    assert factors.factored(both.standard, found["pca"], (5, 4)).numbers() == (6 * (24 + 64), 5 * (16 + 24))


def test_rank_is_exactly_k_through_retraining(both, trained):
    """The true rank is that of the product in float64, beside which a wrong one would show."""
    asked = [layer.rank for layer in budgets.layers(both.pruned)]
    for arm, told in trained.items():
        extra = arm == "pca"
        for one in told:
            assert one.ranks.tolist() == asked
            assert one.true.tolist() == [min(k + extra, most) for k, most in zip(asked, (24, 16), strict=True)]
        assert told[-1].complete and len(told[-1].test) == len(both.trained_on) + 1


def test_rank_of_the_stored_product_by_numpy(both):
    found = pca.decompositions(both.standard, both.data)
    for arm in ARMS:
        made = factors.factored(both.standard, found[arm], (7, 3))
        state = retraining.start(made, adam=False)
        trainer = Trainer(both.data, [pca.twin(both.spec)], [state], linear=made.linear)
        for number in (1, 2, 3):
            list(trainer.epoch(number))
        after = trainer.states()[0]
        assert not np.array_equal(after.weights[0], state.weights[0])
        matrices = [left.astype(np.float64) @ right for right, left in (after.weights[:2], after.weights[2:4])]
        ranks = [np.linalg.matrix_rank(matrix) for matrix in matrices]
        assert ranks == [7 + (arm == "pca"), 3 + (arm == "pca")]
        for one, other in zip(made.matrices(after.weights), [*matrices, after.weights[-1]], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_what_has_no_more_rank_gets_none_by_training(both):
    """The layer has less rank than was asked for: terms that are nothing but rounding are not trained up."""
    rng = np.random.default_rng(0)
    thin = (rng.normal(size=(24, 5)) @ rng.normal(size=(5, 64)) / 20).astype(np.float32)
    standard = dataclasses.replace(both.standard, weights=[thin, *both.standard.weights[1:]])
    arm = [lowrank.singular(weight.T) for weight in standard.weights[:-1]]
    made = factors.factored(standard, arm, (9, 4))
    assert made.weights[0].shape == (9, 64) and not made.weights[0][5:].any() and not made.weights[1][:, 5:].any()
    trainer = Trainer(both.data, [pca.twin(both.spec)], [retraining.start(made, adam=False)], linear=made.linear)
    for number in (1, 2):
        list(trainer.epoch(number))
    assert np.linalg.matrix_rank(made.matrices(trainer.states()[0].weights)[0]) == 5


def test_it_is_the_pruned_networks_own_retraining(both, trained):
    """A network that is not reduced, trained so, is the standard network trained on by an ordinary Trainer: the same epochs by
    number, rate, batches."""
    arm = pca.decompositions(both.standard, both.data)["svd"]
    told = list(retraining.retrain(both, "rank", "svd", arm, (24, 16)))
    spec = dataclasses.replace(both.spec, pruning=None)
    plain = factors.factored(both.standard, arm, (24, 16))
    state = TrainingState(
        weights=both.standard.weights,
        biases=both.standard.biases,
        kept=tuple(np.ones(weight.shape, bool) for weight in both.standard.weights),
        fired=tuple(np.zeros(units, np.int64) for units in both.standard.hidden),
    )
    assert plain.linear == (False, False)
    trainer = Trainer(both.data, [spec], [state])
    for done, number in enumerate(both.trained_on, start=1):
        list(trainer.epoch(number))
        net = trainer.states()[0].network()
        assert told[done].valid[done] == pytest.approx(net.accuracy(both.data.x_valid, both.data.y_valid), abs=0.008)
    assert both.trained_on == range(both.first_cut + 1, both.run[1] + 1) and len(both.trained_on) >= 2
    assert np.mean(told[-1].answers == net.predict(both.data.x_test)) > 0.99


def test_what_is_told_grows_epoch_by_epoch_and_is_true(both, trained):
    for arm, told in trained.items():
        assert [len(one.test) for one in told] == list(range(1, len(both.trained_on) + 2))
        assert [one.complete for one in told] == [False] * len(both.trained_on) + [True]
        for one in told:
            assert one.test[-1] == np.mean(one.answers == both.data.y_test)
            assert (one.run, one.matching, one.arm) == (both.run[0], "rank", arm)
        found = pca.decompositions(both.standard, both.data)[arm]
        plain = pca.reduced(both.standard, found, told[0].ranks)
        assert told[0].test[0] == pytest.approx(plain.accuracy(both.data.x_test, both.data.y_test), abs=0.003)
        assert told[-1].test[-1] > told[0].test[0] - 0.02


def test_a_no_ends_it_and_progress_grows_over_all_arms(both):
    shares = []
    told = list(retraining.arms(both, "numbers", ("svd", "aware"), lambda share: shares.append(share) or True))
    assert shares == sorted(shares) and shares[-1] == 1 and 0.45 < shares[len(shares) // 2] < 0.55
    assert {one.arm for one in told if one.complete} == {"svd", "aware"}
    heard = []
    told = list(retraining.arms(both, "numbers", ("svd", "aware"), lambda share: heard.append(1) or len(heard) < 3))
    assert [one.arm for one in told if one.complete] == [] and len(told) <= 3


def test_a_layer_of_rank_nought_is_trained_around(both):
    arm = pca.decompositions(both.standard, both.data)["svd"]
    told = list(retraining.retrain(both, "rank", "svd", arm, (5, 0)))
    assert told[-1].complete and told[-1].true.tolist() == [5, 0]


def test_a_diverging_arm_ends_with_a_reason(both):
    wild = dataclasses.replace(both, spec=dataclasses.replace(both.spec, learning_rate=1e12))
    arm = pca.decompositions(both.standard, both.data)["svd"]
    with np.errstate(all="ignore"):
        told = list(retraining.retrain(wild, "rank", "svd", arm, (5, 4)))
    assert told[-1].complete and "infinite" in told[-1].problem and len(told) == 2


def test_adam_starts_with_moments_of_its_own(both):
    spec = dataclasses.replace(both.spec, optimizer="adam", learning_rate=0.001)
    arm = pca.decompositions(both.standard, both.data)["pca"]
    told = list(retraining.retrain(dataclasses.replace(both, spec=spec), "rank", "pca", arm, (6, 5)))
    assert told[-1].complete and told[-1].test[-1] > 0.5 and told[-1].true.tolist() == [7, 6]


def test_an_unknown_matching_is_refused(both):
    with pytest.raises(ValueError, match="matching 'size' is unknown"):
        next(retraining.arms(both, "size"))
