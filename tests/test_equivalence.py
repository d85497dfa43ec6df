"""Every cut beside four models of it: against what plain NumPy finds for real small runs, and on cuts whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from blobs import unpack
from small import assert_same, digits, there_and_back

from core import experiment
from core.claims import penalty, spectral_models, verdicts
from core.claims import random_cuts as beside
from core.claims.penalty import Cut
from core.masks import random_cuts
from core.spec import HandCut
from core.views import penalty as penalty_view

MODELS = ("soft", "hard", "scaling", "random")


@pytest.fixture(scope="module")
def pruned(made):
    spec = digits()
    return spec, penalty.cuts(made, spec, spec.key())


def run_to_the_end(store, spec) -> str:
    for _ in experiment.run(spec, store):
        pass
    return spec.key()


def all_random(store, spec, run) -> dict:
    return {cut.epoch: beside.drawn(store, spec, spec.key(), cut.epoch).random for cut in run}


def draws_of(store, spec, epoch):
    return beside.draw(spec, store.snapshot(spec.key(), epoch))


def summed_up(cut: Cut, draws) -> tuple:
    return beside.of_draws(cut.epoch, cut.before, cut.after, cut.shapes, draws).random


def made_up(before, after, epoch=1) -> Cut:
    """A cut of layers of 12 values with these spectra."""
    layers = len(before)
    spectra = [tuple(np.asarray(values, np.float32) for values in each) for each in (before, after)]
    return Cut(
        epoch,
        f"cut {epoch} of 9",
        (0.0, 0.3),
        (0.9, 0.8),
        *spectra,
        ((12, 20),) * layers,
        ((12,) * layers,) * 2,
        "neuron",
    )


def by_root(values, nuclear) -> float:
    """The soft threshold by halving, not by the closed form."""
    low, high = 0.0, float(values[0])
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > nuclear else (low, middle)
    return low


# Real runs


def test_the_cuts_of_a_run_are_those_of_its_log_with_the_spectra_of_its_weights(made, pruned):
    spec, run = pruned
    lines = [line for line in made.log(spec.key()) if line["kind"] == "Pruned"]
    assert [cut.epoch for cut in run] == [line["epoch"] for line in lines] and len(run) == 3
    assert [cut.name for cut in run] == ["cut 1 of 3", "cut 2 of 3", "cut 3 of 3"]
    zero = 0.0
    for cut, line in zip(run, lines, strict=True):
        assert cut.zero == (zero, line["achieved"]) and cut.accuracy == (
            line["accuracy_before"],
            line["accuracy_after"],
        )
        zero = line["achieved"]
        moment = made.snapshot(spec.key(), cut.epoch)
        for network, values, place in ((moment.before_cut(), cut.before, 0), (moment.state.network(), cut.after, 1)):
            for layer, weight in enumerate(network.weights[:-1]):
                assert np.allclose(values[layer], np.linalg.svd(weight, compute_uv=False), atol=1e-4)
                assert cut.alive[place][layer] == int(weight.any(axis=1).sum())
                assert cut.shapes[layer] == weight.shape


def test_every_figure_of_the_page_is_what_plain_numpy_finds(made, pruned):
    """τ by halving, distances from the definition, the random cut from draws of its own."""
    spec, run = pruned
    header, arrays = unpack(penalty_view.blob(spec.key(), run, all_random(made, spec, run)))
    for c, cut in enumerate(run):
        draws = draws_of(made, spec, cut.epoch)
        for layer, told in enumerate(header["cuts"][c]["layers"]):
            before, after = (np.asarray(values[layer], np.float64) for values in (cut.before, cut.after))
            change, nuclear = np.linalg.norm(before - after), after.sum()
            tau = by_root(before, nuclear)
            soft, scaled = np.maximum(before - tau, 0), before * nuclear / before.sum()
            assert told["models"]["soft"]["parameter"] == pytest.approx(tau, abs=1e-9)
            assert told["models"]["scaling"]["parameter"] == pytest.approx(nuclear / before.sum())
            whole = 0
            while before[: whole + 1].sum() <= nuclear:
                whole += 1
            hard = np.zeros_like(before)
            hard[:whole] = before[:whole]
            hard[whole] = nuclear - hard.sum()
            away = [np.linalg.norm(draw - after) / change for draw in draws[layer].astype(np.float64)]
            expected = {
                name: np.linalg.norm(v - after) / change
                for name, v in (("soft", soft), ("hard", hard), ("scaling", scaled))
            }
            expected["random"] = np.median(away)
            for name, distance in expected.items():
                assert told["models"][name]["distance"] == pytest.approx(distance, abs=1e-9), name
            assert told["nearest"] == min(expected, key=expected.get)
            assert told["nuclear"] == pytest.approx([before.sum(), nuclear])
            drawn = {
                "before": before,
                "after": after,
                "soft": soft,
                "hard": hard,
                "scaling": scaled,
                "random": draws[layer].mean(0),
            }
            for name, values in drawn.items():
                assert np.allclose(arrays[f"{name}_{c}_{layer}"], values, atol=1e-5), name


def test_random_cuts_are_of_the_same_size_and_the_same_each_time(made, pruned):
    spec, run = pruned
    for cut in run:
        once, again = (draws_of(made, spec, cut.epoch) for _ in range(2))
        fed = 64
        for layer, (one, other) in enumerate(zip(once, again, strict=True)):
            assert one.shape == (random_cuts.DRAWS, min(cut.shapes[layer])) and (one == other).all()
            width = min(fed, cut.alive[1][layer])  # as many neurons as the real cut leaves: no draw is wider
            assert ((one > 1e-4).sum(axis=1) <= width).all()
            fed = cut.alive[1][layer]
    assert not np.array_equal(draws_of(made, spec, run[0].epoch)[0], once[0])


def test_while_random_cuts_are_missing_the_rest_is_there_and_the_verdict_waits(made, pruned):
    spec, run = pruned
    header, arrays = unpack(penalty_view.blob(spec.key(), run, {}))
    assert not any(name.startswith("random") for name in arrays) and header["said"] == ""
    for cut in header["cuts"]:
        assert not cut["drawn"] and "random cuts are being drawn" in cut["said"]
        for layer in cut["layers"]:
            fitted = {one.name for one in spectral_models.models() if one.fit}
            assert set(layer["models"]) == fitted >= {"soft", "hard", "scaling"} and layer["nearest"] is None
    drawn = all_random(made, spec, run[:2])
    waiting = penalty.verdict(run, drawn)
    assert waiting.word == verdicts.UNKNOWN and "2 of 3 cuts" in waiting.sentence
    whole = penalty.verdict(run, all_random(made, spec, run))
    assert whole.word in verdicts.WORDS and whole.word != verdicts.UNKNOWN and whole.rule == verdicts.PENALTY


def test_random_cuts_come_back_from_their_file_as_they_were(made, pruned):
    spec, run = pruned
    for cut in run:
        drawn = beside.drawn(made, spec, spec.key(), cut.epoch)
        back = there_and_back(beside.RandomCutsOf(spec.key(), cut.epoch), drawn)
        assert back.epoch == drawn.epoch and back.distance == drawn.distance
        for name in ("values", "figures", "mean"):
            assert_same(getattr(back, name), getattr(drawn, name))


def test_random_cuts_of_a_layer_that_was_left_as_it_was_come_back_as_none():
    same = np.linspace(2, 1, 12)
    drawn = beside.of_draws(1, (same,), (same,), [(12, 20)], (np.tile(same, (3, 1)),))
    assert drawn.random == there_and_back(beside.RandomCutsOf("abc", 1), drawn).random == (None,)


def test_beside_an_epoch_without_a_cut_nothing_is_drawn(made, pruned):
    spec, run = pruned
    epoch = next(epoch for epoch in made.open(spec.key()).epochs if epoch not in {cut.epoch for cut in run})
    with pytest.raises(ValueError, match="nothing was cut at the end of epoch"):
        beside.drawn(made, spec, spec.key(), epoch)


# Runs out of the ordinary


def test_a_run_without_cuts_has_nothing_to_compare(store):
    spec = digits(None, max_epochs=2)
    key = run_to_the_end(store, spec)
    assert penalty.cuts(store, spec, key) == []
    verdict = penalty.verdict([], {})
    assert verdict.word == verdicts.UNKNOWN and "no cut" in verdict.sentence
    header, arrays = unpack(penalty_view.blob(key, [], {}))
    assert header["cuts"] == [] and not arrays


def test_a_cut_by_hand_is_named_so_and_compared_with_random_cuts_of_its_own_kind(store):
    parent = digits(None, max_epochs=3)
    run_to_the_end(store, parent)
    for criterion, per in (("magnitude", "weight"), ("activation-frequency", "neuron")):
        spec = parent.branch(2, 0.5, criterion=criterion)
        [cut] = penalty.cuts(store, spec, run_to_the_end(store, spec))
        assert (cut.name, cut.per, cut.epoch) == ("cut by hand", per, 2)
        draws = draws_of(store, spec, 2)
        ranks = [(values > 1e-4).sum(axis=1).max() for values in draws]
        full = [min(shape) for shape in cut.shapes]
        # as many weights, anywhere, leave a matrix its rank; as many neurons do not
        assert (ranks == full) == (per == "weight")


def test_two_cuts_at_the_end_of_one_epoch_count_as_one(store):
    parent = digits()
    run_to_the_end(store, parent)
    planned = next(line for line in store.log(parent.key()) if line["kind"] == "Pruned")
    spec = parent.branch(planned["epoch"], 0.5)
    cut = penalty.cuts(store, spec, run_to_the_end(store, spec))[0]
    moment = store.snapshot(spec.key(), cut.epoch)
    assert moment.cuts == 2 and cut.name == "cut 1 of 3 and by hand" and cut.zero[1] == pytest.approx(0.5, abs=0.02)
    assert np.allclose(cut.before[0], np.linalg.svd(moment.trained[0], compute_uv=False), atol=1e-4)
    assert np.allclose(cut.after[0], np.linalg.svd(moment.state.weights[0], compute_uv=False), atol=1e-4)


def test_a_run_that_diverged_shows_the_cuts_before_that_or_none(store):
    spec = digits(learning_rate=1e6, max_epochs=3)
    key = run_to_the_end(store, spec)
    assert "diverged" in store.open(key).reason
    run = penalty.cuts(store, spec, key)
    unpack(penalty_view.blob(key, run, {}))  # nothing is NaN
    assert penalty.verdict(run, all_random(store, spec, run)).word in verdicts.WORDS


def test_a_cut_whose_moment_is_gone_leaves_the_others(store):
    spec = digits()
    key = run_to_the_end(store, spec)
    run = penalty.cuts(store, spec, key)
    (store.root / "runs" / key / f"epoch-{run[0].epoch:03d}.safetensors").unlink()
    left = penalty.cuts(store, spec, key)
    assert [cut.name for cut in left] == [cut.name for cut in run[1:]]
    assert left[0].zero == run[1].zero  # what the lost cut took is still counted


def test_a_layer_that_died_is_told_apart_from_a_penalty_by_nothing(store):
    """All models that are given the sum 0 say the same: it cannot count for the claim."""
    before = np.linspace(3, 0.5, 12)
    cut = made_up([before, before], [np.zeros(12), before * 0.5])
    drawn = {1: summed_up(cut, (np.zeros((5, 12)), np.tile(before * 0.6, (5, 1))))}
    header, _ = unpack(penalty_view.blob("a", [cut], drawn))
    dead, scaled = header["cuts"][0]["layers"]
    assert dead["models"]["soft"]["distance"] == pytest.approx(0) and dead["like"] is None
    assert scaled["nearest"] == "scaling" and scaled["like"] is False
    assert penalty.verdict([cut], drawn).word == verdicts.FAILS


def test_a_layer_left_as_it_was_has_no_models_and_a_cut_of_nothing_says_so():
    same = np.linspace(2, 1, 12)
    cut = made_up([same], [same])
    drawn = {1: summed_up(cut, (np.tile(same, (3, 1)),))}
    assert drawn == {1: (None,)}
    header, arrays = unpack(penalty_view.blob("a", [cut], drawn))
    layer = header["cuts"][0]["layers"][0]
    assert layer["models"] is None and layer["nearest"] is None and set(arrays) == {"before_0_0", "after_0_0"}
    assert header["cuts"][0]["said"].endswith("changed the singular values of no hidden layer.")
    assert penalty.verdict([cut], drawn).word == verdicts.UNKNOWN


# Cuts whose answer is known


def known(kind: str, rng: np.random.Generator) -> tuple[Cut, dict]:
    """Two layers changed in the one way, beside random cuts that are noisy about their own."""
    before = [np.sort(rng.uniform(0.5, 3, 12))[::-1] for _ in range(2)]
    cut_off = [np.where(np.arange(12) < 8, values * 0.9, 0) for values in before]
    draws = tuple(np.sort(values + rng.normal(0, 0.01, (39, 12)) * (values > 0), axis=1)[:, ::-1] for values in cut_off)
    after = {
        "soft": [np.maximum(values - 0.7, 0) for values in before],
        "hard": [np.where(np.arange(12) < 7, values, 0) for values in before],
        "scaling": [values * 0.6 for values in before],
        "random": [draw[0] for draw in draws],
    }[kind]
    cut = made_up(before, after)
    return cut, {1: summed_up(cut, draws)}


@pytest.mark.parametrize("kind", MODELS)
def test_what_was_done_is_what_is_found_nearest_and_only_a_soft_threshold_is_like_a_penalty(kind):
    for seed in range(20):
        cut, drawn = known(kind, np.random.default_rng(seed))
        header, _ = unpack(penalty_view.blob("a", [cut], drawn))
        assert [layer["nearest"] for layer in header["cuts"][0]["layers"]] == [kind, kind]
        assert [layer["like"] for layer in header["cuts"][0]["layers"]] == [kind == "soft"] * 2
        words = next(one.words for one in spectral_models.models() if one.name == kind)
        assert f"the {words} is nearest in all 2 layers" in header["cuts"][0]["said"]
        assert header["said"] == f"The {words} is nearest in all 2 cases (a layer after a cut each)."
        assert penalty.verdict([cut], drawn).word == (verdicts.HOLDS if kind == "soft" else verdicts.FAILS)


def test_the_sentences_count_what_is_nearest_where():
    (soft, of_soft), (scaled, of_scaled) = (known(kind, np.random.default_rng(0)) for kind in ("soft", "scaling"))
    mixed = replace(soft, epoch=2, before=(soft.before[0], scaled.before[1]), after=(soft.after[0], scaled.after[1]))
    drawn = of_soft | {2: (of_soft[1][0], of_scaled[1][1])}
    header, _ = unpack(penalty_view.blob("a", [soft, mixed], drawn, moving=True))
    assert header["moving"] is True
    assert "the soft threshold is nearest in 1 of 2 layers, the plain scaling in 1" in header["cuts"][1]["said"]
    assert header["said"] == (
        "The soft threshold is nearest in 3 of 4 cases, the plain scaling in 1 (a layer after a cut each)."
    )


def test_a_hand_cut_that_names_no_criterion_ranks_as_the_run_does():
    plan = {"criterion": "magnitude"}
    assert beside.per(digits(plan), 3) == "weight"
    assert beside.per(digits(plan, hand_cuts=(HandCut(epoch=3, ratio=0.7),), parent="a"), 3) == "weight"
    by_hand = HandCut(epoch=3, ratio=0.7, criterion="random-neurons")
    spec = digits(plan, hand_cuts=(by_hand,), parent="a")
    assert beside.per(spec, 3) == "neuron" and beside.per(spec, 4) == "weight"
