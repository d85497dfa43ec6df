"""The rules on cases with a known answer, and their sentences."""

import numpy as np
import pytest
from small import digits, network

from core import criteria, experiment, masks, spectra
from core.claims import spectral_models, verdicts
from core.claims.verdicts import CutOfLayer
from core.masks import random_cuts
from core.network import Network
from core.spec import RunSpec
from core.statistics.words import FAILS, HOLDS, IN_PART, UNKNOWN
from core.store import Store

SIZES = (64, 40, 30, 20, 10)
SHIPPED, SHIPPED_RUN = "core/data/example", RunSpec().key()


def rng(seed=0):
    return np.random.default_rng(seed)


def cut_at_random(net, criterion, seed, ratios=(0.25, 0.45, 0.6)):
    """[(network before, masks after)] of random cuts in rounds."""
    draw, found = rng(seed), []
    for ratio in ratios:
        scores = criteria.scores(criterion, criteria.Evidence(net, [], 0, rng=draw))
        chosen = masks.choose(scores, net, ratio, min_units=2)
        found.append((net, chosen.kept))
        net = chosen.apply(net)
    return found


def judged(cuts, per, seed=99):
    """What pages do: the two verdicts on cuts [(network before, masks after)]."""
    draw, layers, likenesses = rng(seed), [], []
    for before, kept in cuts:
        random = random_cuts.cuts(before, kept, per, draw)
        layers += verdicts.layers_of_cut(before, kept, random)
        for weight, mask, values in zip(before.weights[:-1], kept, random, strict=False):
            was, now = (spectra.spectrum(each).values for each in (weight, np.where(mask, weight, np.float32(0))))
            likenesses.append(spectral_models.compare(was, now, values))
    return verdicts.low_rank(layers), verdicts.penalty(likenesses), layers


@pytest.fixture(scope="module")
def shipped():
    """The shipped run's networks just before its five cuts, and the masks after them."""
    store = Store(SHIPPED)
    epochs = [line["epoch"] for line in store.log(SHIPPED_RUN) if line["kind"] == "Pruned"]
    moments = [store.snapshot(SHIPPED_RUN, epoch) for epoch in epochs]
    return [(moment.before_cut(), moment.state.kept) for moment in moments]


# -- random cuts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion, per", [("random-neurons", "neuron"), ("random-weights", "weight")])
def test_random_cuts_of_random_networks_fail_both_claims(criterion, per):
    words, lower, cases = [], 0, 0
    for seed in range(12):
        low_rank, penalty, layers = judged(cut_at_random(network(seed, SIZES), criterion, seed), per)
        assert penalty.word == FAILS, penalty.sentence
        words.append(low_rank.word)
        lower, cases = lower + sum(bool(each.signs) for each in layers), cases + len(layers)
    assert set(words) <= ({FAILS} if per == "neuron" else {FAILS, UNKNOWN})
    assert lower <= 0.1 * cases  # the rule promises 1 in 20


@pytest.mark.parametrize("criterion, per", [("random-neurons", "neuron"), ("random-weights", "weight")])
@pytest.mark.parametrize("seed", [0, 1])
def test_random_cuts_of_a_trained_network_fail_both_claims(shipped, criterion, per, seed):
    trained, _ = shipped[seed]
    low_rank, penalty, _ = judged(cut_at_random(trained, criterion, seed, ratios=(0.4, 0.7)), per)
    assert penalty.word == FAILS and "none of 8 cases" in penalty.sentence
    assert low_rank.word == (FAILS if per == "neuron" else UNKNOWN)


@pytest.mark.parametrize("criterion", ["random-neurons", "random-matched"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_runs_that_prune_random_neurons_fail_both_claims(store, criterion, seed):
    spec = digits({"criterion": criterion, "min_units": 3}, seed=seed)
    list(experiment.run(spec, store))
    epochs = sorted({line["epoch"] for line in store.log(spec.key()) if line["kind"] == "Pruned"})
    moments = [store.snapshot(spec.key(), epoch) for epoch in epochs]
    low_rank, penalty, layers = judged([(moment.before_cut(), moment.state.kept) for moment in moments], "neuron")
    assert layers and low_rank.word == FAILS and penalty.word == FAILS, (low_rank.sentence, penalty.sentence)


def test_the_shipped_run_is_judged(shipped):
    low_rank, penalty, layers = judged(shipped, "neuron")
    assert len(layers) == 20 and all(each.rank <= each.width for each in layers)
    assert penalty.word == FAILS and "a random cut of the same size leaves 7 %" in penalty.sentence
    assert low_rank.word in (FAILS, IN_PART)


# -- low rank ---------------------------------------------------------------------------------------------------------


def copies(seed, sources, of):
    """A network whose second layer of 24 neurons holds `of` that copy `sources` others; the rest are random."""
    net = network(seed, (40, 30, 24, 6))
    weights = [weight.copy() for weight in net.weights]
    weights[1][:of] = rng(seed).normal(size=(of, sources)) @ weights[1][:sources]
    return Network(weights, net.biases)


def without(net, layer, units):
    kept = [weight != 0 for weight in net.weights]
    kept[layer][units] = False
    kept[layer + 1][:, units] = False
    return kept


def test_a_cut_that_leaves_copies_leaves_low_rank():
    for seed in range(5):
        net = copies(seed, sources=4, of=12)
        low_rank, _, layers = judged([(net, without(net, 1, list(range(12, 24))))] * verdicts.LEAST, "neuron")
        assert [each.layer for each in layers] == [1] * verdicts.LEAST
        assert (layers[0].rank, layers[0].width) == (4, 12) and layers[0].signs[:2] == ("rank", "effective")
        assert low_rank.word == HOLDS and "in all 4 cases (one layer after one cut)" in low_rank.sentence
        # The other way round, what is left is of full rank, and higher than by chance.
        low_rank, _, _ = judged([(net, without(net, 1, list(range(12))))] * verdicts.LEAST, "neuron")
        assert low_rank.word == FAILS


def test_a_cut_that_spares_one_strong_direction_is_lower_though_its_rank_is_full():
    net = network(3, (40, 30, 24, 6))
    weights = [weight.copy() for weight in net.weights]
    weights[1][:12] += 2 * np.outer(rng(1).normal(size=12), rng(2).normal(size=30))
    net = Network(weights, net.biases)
    _, _, layers = judged([(net, without(net, 1, list(range(12, 24))))], "neuron")
    assert layers[0].rank == layers[0].width == 12 and layers[0].signs == ("effective", "stable")


RANDOM = np.linspace(9, 11, 39)  # mean 10


def case(rank=20, effective=10.0, stable=10.0, random=RANDOM):
    return CutOfLayer(0, rank, 30, 20, stable, effective, random, random)


@pytest.mark.parametrize(
    "cut, signs",
    [
        (case(), ()),
        (case(rank=19), ("rank",)),  # 95 % of the thinner side
        (case(effective=8.99), ("effective",)),
        (case(stable=8.99), ("stable",)),
        (case(stable=9.0), ()),  # not below all
        (case(stable=9.4, random=RANDOM * 0 + 9.45), ()),  # below all, but by next to nothing
        (case(stable=9.4, random=np.linspace(9.41, 10.6, 39)), ("stable",)),
        (case(19, 1.0, 1.0), ("rank", "effective", "stable")),
    ],
)
def test_when_a_case_is_lower(cut, signs):
    assert cut.signs == signs and cut.width == 20


@pytest.mark.parametrize("total, times", [(1, "once"), (3, "3 times")])
def test_too_few_cases_tell_nothing(total, times):
    found = verdicts.low_rank([case(rank=10)] * total)
    assert found.word == UNKNOWN
    assert found.sentence == f"A cut has made a layer narrower only {times}, too seldom to tell."
    assert f"fewer than {verdicts.LEAST} cases" in found.rule


@pytest.mark.parametrize(
    "lower, total, word",
    [
        (0, 8, FAILS),
        (2, 8, FAILS),
        (3, 8, IN_PART),
        (4, 8, IN_PART),
        (5, 8, HOLDS),
        (8, 8, HOLDS),
        (0, 4, FAILS),
        (4, 4, HOLDS),
    ],
)
def test_the_word_follows_the_share_of_cases(lower, total, word):
    found = verdicts.low_rank([case(rank=10)] * lower + [case()] * (total - lower))
    assert found.word == word
    if lower:
        assert f"rank below the number of living neurons ({lower})" in found.sentence


def test_the_sentences_on_rank_read_well():
    say = [verdicts.low_rank([case(stable=1.0)] * n + [case()] * (8 - n)).sentence for n in (0, 1, 2, 4, 7, 8)]
    assert say == [
        "Narrower layers explain the fall in rank in all 8 cases (one layer after one cut): random cuts do the same.",
        "Narrower layers explain the fall in rank in 7 of 8 cases (one layer after one cut): random cuts do the same. "
        "In the other one it is lower: stable rank below every random cut (1).",
        "Narrower layers explain the fall in rank in 6 of 8 cases (one layer after one cut): random cuts do the same. "
        "In the other 2 it is lower: stable rank below every random cut (2).",
        "The rank is lower than narrower layers explain in 4 of 8 cases (one layer after one cut), but not in most: "
        "stable rank below every random cut (4).",
        "The rank is lower than narrower layers explain in 7 of 8 cases (one layer after one cut): "
        "stable rank below every random cut (7).",
        "The rank is lower than narrower layers explain in all 8 cases (one layer after one cut): "
        "stable rank below every random cut (8).",
    ]


def test_only_layers_that_got_narrower_and_live_are_judged():
    net = network(0, (8, 6, 5, 4, 2))
    kept = without(net, 1, [0, 1])  # the second layer loses rows, the third columns; the first nothing
    random = random_cuts.cuts(net, kept, "neuron", rng())
    found = verdicts.layers_of_cut(net, kept, random)
    assert [(each.layer, each.live_out, each.live_in, each.rank) for each in found] == [(1, 3, 6, 3), (2, 4, 3, 3)]
    np.testing.assert_allclose(found[0].random_stable, spectra.stable_rank(random[1]))
    np.testing.assert_allclose(found[0].random_effective, spectra.effective_rank(random[1]))
    dead = without(net, 1, [0, 1, 2, 3, 4])
    assert verdicts.layers_of_cut(net, dead, random_cuts.cuts(net, dead, "neuron", rng())) == []
    nothing = [weight != 0 for weight in net.weights]
    assert verdicts.layers_of_cut(net, nothing, random_cuts.cuts(net, nothing, "neuron", rng())) == []


def test_without_a_narrower_layer_rank_cannot_be_judged():
    found = verdicts.low_rank([])
    assert found.word == UNKNOWN and found.sentence.startswith("No cut has made a layer narrower")


# -- like a penalty ---------------------------------------------------------------------------------------------------


def likenesses(shipped, change):
    """Of the shipped run's cuts, had each of them done `change` to the singular values instead."""
    found = []
    for before, kept in shipped:
        random = random_cuts.cuts(before, kept, "neuron", rng(), 9)
        for weight, values in zip(before.weights[:-1], random, strict=False):
            was = spectra.spectrum(weight).values.astype(float)
            found.append(spectral_models.compare(was, change(was), values))
    return found


CHANGES = {
    "soft": lambda values: np.maximum(values - 0.12 * values[0], 0),
    "scaling": lambda values: 0.7 * values,
    "hard": lambda values: np.where(np.arange(values.size) < values.size // 2, values, 0),
}


@pytest.mark.parametrize("name, word", [("soft", HOLDS), ("scaling", FAILS), ("hard", FAILS)])
def test_a_soft_threshold_is_like_a_penalty_and_nothing_else_is(shipped, name, word):
    found = verdicts.penalty(likenesses(shipped, CHANGES[name]))
    assert found.word == word
    assert ("in all " if name == "soft" else "in none of ") in found.sentence


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_any_soft_threshold_is_recognised_with_a_little_noise_too(shipped, share):
    def change(values):
        new = spectral_models.soft(values, (1 - share) * values.sum())[1]
        return np.sort(new * rng(1).normal(1, 0.005, new.size))[::-1]

    assert verdicts.penalty(likenesses(shipped, change)).word == HOLDS


def test_any_scaling_fails(shipped):
    for factor in (0.2, 0.6, 0.95, 1.1):
        assert verdicts.penalty(likenesses(shipped, lambda values, factor=factor: factor * values)).word == FAILS


BEFORE = np.linspace(9, 1, 20)


def likeness(after, random=None):
    return spectral_models.compare(BEFORE, after, np.tile(BEFORE / 9, (3, 1)) if random is None else random)


SOFT, SCALED = np.maximum(BEFORE - 3, 0), 0.5 * BEFORE


def test_a_soft_threshold_must_beat_every_rival_clearly():
    assert verdicts.like_a_penalty(likeness(SOFT)) is True
    assert verdicts.like_a_penalty(likeness(SCALED)) is False
    # Random cuts come as close: then it is the size of the cut that looks like a penalty, not the choice.
    near = SOFT * np.where(np.arange(20) < 5, 1.02, 1)
    assert verdicts.like_a_penalty(likeness(near)) is True
    assert verdicts.like_a_penalty(likeness(near, np.tile(SOFT, (3, 1)))) is False
    found = likeness(np.sort(SOFT * np.where(np.arange(20) < 8, 1.2, 0.6))[::-1])
    assert found.soft.distance > verdicts.LIKE and verdicts.like_a_penalty(found) is False


def test_what_cannot_be_told_apart_is_left_out():
    one_value = spectral_models.compare(np.array([4.0]), np.array([3.0]), np.array([[2.0]]))
    flat = spectral_models.compare(np.full(5, 4.0), np.full(5, 3.0), np.full((2, 5), 1.0))
    dead = likeness(np.zeros(20), np.zeros((3, 20)))
    assert [verdicts.like_a_penalty(each) for each in (one_value, flat, dead)] == [None] * 3
    found = verdicts.penalty([one_value, flat, dead, None])
    assert found.word == UNKNOWN and found.sentence.startswith("No cut has changed a layer in a way that tells")
    assert verdicts.penalty([]).word == UNKNOWN
    assert verdicts.penalty([one_value, None, likeness(SOFT)]).word == HOLDS


@pytest.mark.parametrize("like, word", [(0, FAILS), (2, FAILS), (3, IN_PART), (4, IN_PART), (5, HOLDS), (8, HOLDS)])
def test_the_word_on_a_penalty_follows_the_share_of_cases(like, word):
    found = verdicts.penalty([likeness(SOFT)] * like + [likeness(SCALED)] * (8 - like))
    assert found.word == word and f"{like or 'none'} of 8" in found.sentence.replace("all 8", "8 of 8")


def test_the_sentences_on_a_penalty_read_well():
    assert verdicts.penalty([likeness(SCALED)] * 2).sentence == (
        "The cuts do not act like a penalty on the sum of the singular values: a soft threshold is the right description in "
        "none of 2 cases (one layer after one cut). Typically it leaves 35 % of the change unexplained; shrinking all by one "
        "factor leaves 0 %."
    )
    grown = spectral_models.compare(BEFORE, 1.2 * BEFORE, np.tile(BEFORE, (3, 1)))
    assert verdicts.penalty([grown]).sentence.endswith("In 1 the sum even rose, which no penalty does.")


# -- contest ----------------------------------------------------------------------------------------------------------


def answers(**right):
    """Arms that get the first so many of 2,000 images right; _ stands for -."""
    return {name.replace("_", "-"): np.arange(2000) < count for name, count in right.items()}


PAPER = (
    "At the same cost, the pruned network beats PCA as the paper uses it, without retraining, by 4.8 points = 96 of 2,000 "
    "test images."
)
WEAK = {"pca": 1700, "svd": 1720, "aware": 1780}


@pytest.mark.parametrize(
    "right, word, sentence",
    [
        (
            answers(pruned=1796, **WEAK, pca_retrained=1750, svd_retrained=1750, aware_retrained=1760),
            HOLDS,
            "At the same cost, the pruned network beats every reduction, retrained or not (the closest, the activation-aware "
            "reduction, by 0.8 points = 16 of 2,000 test images).",
        ),
        (
            answers(pruned=1796, **WEAK, pca_retrained=1750, svd_retrained=1794, aware_retrained=1760),
            IN_PART,
            f"{PAPER} But retrained as it was, the pruned network is ahead of truncated SVD by 0.1 points = 2 of 2,000 "
            "test images, which can be chance (p = 0.5).",
        ),
        (
            answers(pruned=1796, **WEAK, svd_retrained=1836),
            IN_PART,
            f"{PAPER} But retrained as it was, truncated SVD beats the pruned network by 2.0 points = 40 of 2,000 test "
            "images. Without the retraining it had so far: PCA of the weights and the activation-aware reduction.",
        ),
        (
            answers(pruned=1796, **WEAK),
            IN_PART,
            f"{PAPER} Without the retraining it had so far: PCA of the weights, truncated SVD and the activation-aware "
            "reduction.",
        ),
        (
            answers(pruned=1796, pca=1796, svd=1700, aware=1750, pca_retrained=1700),
            FAILS,
            "At the same cost, and without any retraining, PCA of the weights gets as many test images right as the pruned "
            "network.",
        ),
        (
            answers(pruned=1796, pca=1700, aware=1900, pca_retrained=1700, aware_retrained=1901),
            IN_PART,
            f"{PAPER} But without retraining too, the activation-aware reduction beats the pruned network by 5.2 points "
            "= 104 of 2,000 test images; retrained as it was, the activation-aware reduction beats the pruned network by 5.2 "
            "points = 105 of 2,000 test images.",
        ),
        *(
            (right, UNKNOWN, "PCA without retraining, the paper's opponent, is not there yet to compare with.")
            for right in (answers(pruned=1796), answers(pruned=1796, pca_retrained=3), answers(pruned=1796, svd=3))
        ),
    ],
)
def test_the_contest_on_tables_with_a_known_answer(right, word, sentence):
    found = verdicts.contest(right, "the same cost")
    assert (found.word, found.sentence, found.rule) == (word, sentence, verdicts.CONTEST)


@pytest.mark.parametrize("lead, word", [(10, FAILS), (80, IN_PART)])
def test_a_lead_that_chance_can_make_does_not_count(lead, word):
    right = answers(pruned=1800 + lead, pca=1800)
    right["pca"][:100], right["pruned"][100:200] = False, False  # each gets 100 right that the other has wrong
    found = verdicts.contest(right)
    assert found.word == word and ("which can be chance" in found.sentence) == (word == FAILS)


def test_the_sentence_names_the_toughest_of_those_that_are_not_beaten():
    right = answers(pruned=1800, pca=1700, svd=1850, aware=1801)
    assert "truncated SVD beats the pruned network by 2.5 points" in verdicts.contest(right).sentence


def test_holm_makes_a_close_call_harder_the_more_arms_there_are():
    one = answers(pruned=1006, pca=1000)  # 6 against 0: p = 0.031
    assert verdicts.contest(one).word == IN_PART
    assert verdicts.contest(one | answers(svd=1000)).word == FAILS  # twice that is above 0.05


# -- rules ------------------------------------------------------------------------------------------------------------


def test_the_rules_name_the_thresholds_that_the_code_uses():
    assert "at most 95 % of that number" in verdicts.LOW_RANK and "each of 39 random cuts" in verdicts.LOW_RANK
    assert "at most once in 20 cases" in verdicts.LOW_RANK
    assert "5 % below their mean" in verdicts.LOW_RANK and "10 % of the change unexplained" in verdicts.PENALTY
    assert "50 % of what each of the others leaves" in verdicts.PENALTY and "less than 5 %" in verdicts.CONTEST
    for rule in (verdicts.LOW_RANK, verdicts.PENALTY):
        assert "more than 50 %" in rule and "at most 25 %" in rule
    assert (verdicts.WIDTH, verdicts.LOWER, verdicts.LIKE, verdicts.RIVAL) == (0.95, 0.05, 0.1, 0.5)
    assert verdicts.WORDS == ("holds", "in part", "fails", "can't tell")
