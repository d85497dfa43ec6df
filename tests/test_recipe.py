"""The recipe: thresholds, shares, budgets, when a run ends; early stopping by hand."""

import math

import pytest

from core import recipe
from core.recipe import CutOrder, State
from core.spec import HandCut, PruningSpec, RunSpec, as_released


def plan(**pruning) -> RunSpec:
    return RunSpec(pruning=PruningSpec(**pruning))


def walk(run: RunSpec, epochs):
    """The decisions over epochs given as (training accuracy, validation loss), up to and with the one that stops."""
    state, decisions = State(), []
    for epoch, (accuracy, loss) in enumerate(epochs, start=1):
        decisions.append(recipe.after_epoch(run, state, epoch, accuracy, 1.0, loss))
        state = decisions[-1].state
        if decisions[-1].stop:
            break
    return decisions


def rounds(decisions):
    return {epoch: [cut.round for cut in d.cuts] for epoch, d in enumerate(decisions, start=1) if d.cuts}


def test_thresholds_go_in_equal_steps_from_start_to_below_the_target():
    assert recipe.thresholds(RunSpec()) == pytest.approx((0.8, 0.836, 0.872, 0.908, 0.944))
    assert recipe.thresholds(plan(rounds=1, start_accuracy=0.5)) == (0.5,)
    assert recipe.thresholds(RunSpec(target_accuracy=0.9, pruning=PruningSpec(rounds=2))) == pytest.approx((0.8, 0.85))
    assert recipe.thresholds(RunSpec(pruning=None)) == ()


@pytest.mark.parametrize("count", [1, 2, 5, 10, 100])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.8, 0.99])
def test_shares_sum_to_the_ratio_and_fall_by_a_fifth(count, ratio):
    shares = recipe.shares(PruningSpec(ratio=ratio, rounds=count))
    assert len(shares) == count and sum(shares) == pytest.approx(ratio)
    for one, after in zip(shares, shares[1:], strict=False):
        assert after == pytest.approx(0.8 * one)


def test_five_rounds_of_80_percent_by_hand():
    whole = 1 + 0.8 + 0.64 + 0.512 + 0.4096
    assert recipe.shares(PruningSpec()) == pytest.approx([0.8 * 0.8**i / whole for i in range(5)])


def test_budget_total_asks_for_the_cumulative_ratio():
    orders = [recipe.cut_order(PruningSpec(), number) for number in range(1, 6)]
    shares = recipe.shares(PruningSpec())
    assert [order.ratio for order in orders] == pytest.approx([sum(shares[:i]) for i in range(1, 6)])
    assert all(order.planned == order.ratio and order.share is order.deviation is None for order in orders)
    assert orders[-1].ratio == pytest.approx(0.8)


def test_budget_increment_asks_for_each_rounds_own_share():
    pruning = PruningSpec(budget="increment")
    orders = [recipe.cut_order(pruning, number) for number in range(1, 6)]
    assert [order.share for order in orders] == pytest.approx(recipe.shares(pruning))
    assert [order.planned for order in orders] == pytest.approx([sum(recipe.shares(pruning)[:i]) for i in range(1, 6)])
    assert all(order.ratio is order.deviation is None for order in orders)


@pytest.mark.parametrize("count, expected", [(1, [1]), (3, [3, 2, 1]), (5, [3, 2.5, 2, 1.5, 1])])
def test_the_deviation_variant_goes_from_three_down_to_one(count, expected):
    pruning = PruningSpec(selection="deviation", rounds=count)
    orders = [recipe.cut_order(pruning, number) for number in range(1, count + 1)]
    assert [order.deviation for order in orders] == pytest.approx(expected)
    assert all(order.ratio is order.share is order.planned is None for order in orders)


def test_cuts_come_one_an_epoch_each_at_its_own_threshold():
    run = plan(rounds=3, start_accuracy=0.5)  # thresholds 0.5, 0.66, 0.82
    accuracies = [0.4, 0.5, 0.6, 0.9, 0.9, 0.95]
    assert rounds(walk(run, [(a, 1.0) for a in accuracies])) == {2: [1], 4: [2], 5: [3]}


def test_the_run_ends_at_the_target_only_after_the_last_cut_was_trained_on():
    run = plan(rounds=2, start_accuracy=0.9)
    decisions = walk(run, [(0.99, 1.0)] * 9)
    assert rounds(decisions) == {1: [1], 2: [2]}
    assert len(decisions) == 3 and decisions[-1].stop == "target reached: training accuracy 99.00 % at epoch 3"


def test_without_pruning_the_target_alone_ends_the_run():
    assert len(walk(RunSpec(pruning=None), [(0.97, 1.0), (0.98, 1.0), (1.0, 1.0)])) == 2


def test_the_epoch_limit_ends_the_run_and_says_what_was_missed():
    run = RunSpec(max_epochs=3, pruning=PruningSpec(rounds=2))
    decisions = walk(run, [(0.5, 1.0), (0.85, 1.0), (0.6, 1.0), (1.0, 1.0)])
    assert decisions[-1].stop == (
        "epoch limit reached: training accuracy 60.00 % of 98 % after 3 epochs, 1 of 2 cuts made"
    )
    assert "no cuts planned" in walk(RunSpec(max_epochs=1, pruning=None), [(0.5, 1.0)])[-1].stop


def test_a_cut_in_the_last_epoch_is_made_and_the_run_ends():
    decisions = walk(RunSpec(max_epochs=1), [(0.9, 1.0)])
    assert decisions[0].cuts[0].round == 1 and "1 of 5 cuts made" in decisions[0].stop


@pytest.mark.parametrize(
    "train, valid, word", [(math.nan, 1.0, "NaN"), (1.0, math.nan, "NaN"), (math.inf, 1.0, "infinite")]
)
def test_a_loss_that_is_no_number_ends_the_run_as_diverged(train, valid, word):
    decision = recipe.after_epoch(RunSpec(learning_rate=7), State(), 4, 0.99, train, valid)
    assert decision.stop == f"diverged: the loss became {word} in epoch 4; a smaller learning rate than 7 helps"
    assert decision.cuts == ()


def test_cuts_by_hand_come_after_the_planned_one_and_keep_the_run_going():
    cuts = (HandCut(epoch=2, ratio=0.3), HandCut(epoch=4, ratio=0.5))
    run = RunSpec(pruning=PruningSpec(rounds=1), hand_cuts=cuts)
    decisions = walk(run, [(0.7, 1.0)] + [(0.99, 1.0)] * 8)
    assert decisions[1].cuts == (recipe.cut_order(run.pruning, 1), CutOrder(None, ratio=0.3, hand=cuts[0]))
    assert decisions[3].cuts == (CutOrder(None, ratio=0.5, hand=cuts[1]),)
    assert len(decisions) == 5 and decisions[-1].stop.startswith("target reached")
    alone = walk(RunSpec(pruning=None, hand_cuts=cuts), [(0.99, 1.0)] * 8)
    assert rounds(alone) == {2: [None], 4: [None]} and len(alone) == 5


# The released rule: a new best is stored; else above 1.1 × best and above the one before: a tick; else below 1.1 × best:
# ticks = 0; three ticks end the run. Worked out by hand: (losses, ticks after each, epoch that stops or None).
STOPPING = [
    ([1.0, 0.9, 0.8], [0, 0, 0], None),
    ([1.0, 1.2, 1.3, 1.4], [0, 1, 2, 3], 4),
    ([1.0, 1.2, 1.15, 1.2, 1.3], [0, 1, 1, 2, 3], 5),  # 1.15 falls but stays above 1.1: neither tick nor reset
    ([1.0, 1.2, 1.3, 1.05, 1.2, 1.3, 1.4], [0, 1, 2, 0, 1, 2, 3], 7),
    ([1.0, 1.2, 1.3, 0.9, 1.2, 1.3], [0, 1, 2, 2, 3], 5),  # a new best stores itself and leaves the ticks
    ([1.0, 1.2, 1.2, 1.2], [0, 1, 1, 1], None),  # not above the one before
    ([1.0, 1.05, 1.09, 1.09], [0, 0, 0, 0], None),
]


@pytest.mark.parametrize("losses, ticks, stops", STOPPING)
def test_the_released_early_stopping_by_hand(losses, ticks, stops):
    decisions = walk(as_released(), [(0.1, loss) for loss in losses])
    assert [decision.state.ticks for decision in decisions] == ticks
    assert len(decisions) == (stops or len(losses))
    if stops:
        assert decisions[-1].stop == f"early stopping: validation loss rose for the third time, at epoch {stops}"
    assert all(d.stop is None for d in walk(RunSpec(), [(0.1, loss) for loss in losses]))  # off: the same ticks, no end


def test_early_stopping_is_looked_at_before_that_epochs_cut_and_a_cut_resets_nothing():
    decisions = walk(as_released(), [(0.1, 1.0), (0.9, 1.2), (0.1, 1.3), (0.99, 1.4)])
    assert rounds(decisions) == {2: [1]} and decisions[2].state.ticks == 2
    assert decisions[3].stop.startswith("early stopping") and decisions[3].cuts == ()


# A trained network's cuts, rewinding, a fixed number of epochs


def test_a_trained_networks_cuts_come_at_the_target_and_then_after_every_epoch():
    run = plan(schedule="trained", rounds=2)
    made = walk(run, [(0.9, 1), (0.97, 1), (0.981, 1), (0.3, 1), (0.9, 1), (0.98, 1)])
    assert rounds(made) == {3: [1], 4: [2]}
    assert [cut.ratio for d in made for cut in d.cuts] == pytest.approx([0.8 * 0.875, 0.8])
    assert made[-1].stop.startswith("target reached")


@pytest.mark.parametrize(("count", "left"), [(1, [0]), (2, [1 / 8, 0]), (4, [27 / 64, 8 / 64, 1 / 64, 0])])
def test_what_is_still_to_go_of_a_trained_network_falls_as_a_cube(count, left):
    shares = recipe.shares(PruningSpec(ratio=0.9, rounds=count, schedule="trained"))
    assert [1 - sum(shares[: i + 1]) / 0.9 for i in range(count)] == pytest.approx(left, abs=1e-12)


def test_the_target_may_be_below_the_start_accuracy_where_only_the_target_says_when_to_cut():
    assert recipe.thresholds(RunSpec(target_accuracy=0.5, pruning=PruningSpec(schedule="trained"))) == (0.5, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="start_accuracy"):
        RunSpec(target_accuracy=0.5)


def test_only_the_last_cut_rewinds():
    made = walk(plan(rounds=2, rewind=True), [(0.8, 1), (0.89, 1), (0.99, 1)])
    assert [d.state.rewind for d in made] == [False, True, True]  # the run puts it out when it has rewound
    assert not any(d.state.rewind for d in walk(plan(rounds=2), [(0.8, 1), (0.89, 1), (0.99, 1)]))


def test_a_run_of_a_fixed_length_does_not_end_at_its_target():
    run = RunSpec(ending="epochs", max_epochs=4, pruning=PruningSpec(rounds=1))
    made = walk(run, [(0.99, 1)] * 9)
    assert len(made) == 4 and rounds(made) == {1: [1]}
    assert made[-1].stop.startswith(
        "epoch limit reached: training accuracy 99.00 % of 98 % after 4 epochs, 1 of 1 cuts"
    )
