"""McNemar and Holm against SciPy and published tables; pairs against counting one by one."""

import numpy as np
import pytest
import scipy.stats

from core.statistics import mcnemar


@pytest.mark.parametrize(
    "ahead, behind, known",
    [
        (0, 0, 1),
        (4, 4, 1),
        (5, 0, 2 / 32),
        (6, 0, 2 / 64),
        (2, 10, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_on_tables_worked_by_hand(ahead, behind, known):
    assert mcnemar.mcnemar(ahead, behind) == pytest.approx(known) == mcnemar.mcnemar(behind, ahead)


def test_mcnemar_is_the_exact_binomial_test():
    for ahead in range(0, 40, 3):
        for behind in range(0, 300, 17):
            if ahead + behind:
                assert mcnemar.mcnemar(ahead, behind) == pytest.approx(
                    scipy.stats.binomtest(ahead, ahead + behind).pvalue
                )


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="-1 against 4 images came: counts are 0 or more"):
        mcnemar.mcnemar(-1, 4)


def test_holm_on_the_textbook_table():
    assert mcnemar.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert mcnemar.holm([0.6, 0.5]) == [1.0, 1.0] and mcnemar.holm([]) == [] and mcnemar.holm([0.02]) == [0.02]
    assert mcnemar.holm([0.001, 0.0005, 0.9]) == pytest.approx([0.002, 0.0015, 0.9])


def test_equals_are_called_different_no_more_often_than_promised():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        right = {name: rng.random(500) < 0.9 for name in mcnemar.ARMS}
        wrong += any(pair.better or pair.worse for pair in mcnemar.pairs(right))
    assert wrong <= 0.08 * 400  # all six comparisons together; the exact test is on the careful side


def test_pairs_count_what_only_one_gets_right():
    rng = np.random.default_rng(1)
    right = {
        name: rng.random(200) < share for name, share in (("aware", 0.6), ("pruned", 0.9), ("pca-retrained", 0.89))
    }
    found = mcnemar.pairs(right)
    assert [pair.arm for pair in found] == ["aware", "pca-retrained"]  # in the order of ARMS, whatever came first
    chances = []
    for pair in found:
        mine, other = right["pruned"].tolist(), right[pair.arm].tolist()
        ahead = sum(a and not b for a, b in zip(mine, other, strict=True))
        behind = sum(b and not a for a, b in zip(mine, other, strict=True))
        assert (pair.ahead, pair.behind, pair.images) == (ahead, behind, 200)
        assert pair.lead == sum(mine) - sum(other) and pair.points == pytest.approx(pair.lead / 2)
        chances.append(pair.p_value)
        assert pair.p_value == pytest.approx(scipy.stats.binomtest(ahead, ahead + behind).pvalue)
    assert [pair.corrected for pair in found] == pytest.approx(mcnemar.holm(chances))
    assert [pair.label for pair in found] == ["the activation-aware reduction", "PCA of the weights, retrained"]
    assert found[0].better and not found[0].worse and not found[1].better


def test_a_loss_is_worse_and_not_better():
    right = {"pruned": np.arange(100) < 60, "svd": np.arange(100) < 80}
    [pair] = mcnemar.pairs(right)
    assert pair.worse and not pair.better and pair.lead == -20 and not pair.retrained


@pytest.mark.parametrize(
    "right", [{}, {"pca": np.ones(3, bool)}, {"pruned": np.ones(3, bool), "nmf": np.ones(3, bool)}]
)
def test_unknown_arms_are_refused(right):
    with pytest.raises(ValueError, match="came: give 'pruned' and any of pca, svd, aware, pca-retrained"):
        mcnemar.pairs(right)


@pytest.mark.parametrize("shapes", [(3, 4), (0, 0), ((2, 2), (2, 2))])
def test_all_arms_answer_the_same_images(shapes):
    with pytest.raises(ValueError, match="all arms answer the same images, at least one"):
        mcnemar.pairs(dict(zip(("pruned", "pca"), (np.ones(shape, bool) for shape in shapes), strict=True)))
