"""Agreement on what to cut: the index and chance, neurons of two networks paired, the rows, and what is drawn of them."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.stats
from blobs import unpack
from small import digits, evidence, network
from streamlit.testing.v1 import AppTest
from test_architecture import REPOSITORY

from core import criteria, datasets, experiment, masks
from core.claims import agreement, agreement_rows
from core.claims.agreement import Trained, between, samples, within
from core.claims.agreement_rows import CRITERIA, MATCHED, NUMBERED, RANDOM, SAMPLES, Agreement, Comparison, Rows
from core.judge.questions import METHOD
from core.masks import overlap
from core.masks.overlap import Overlap, compare
from core.network import Network
from core.store import Store
from core.views import agreement as agreement_view
from pages.shared import elements

PAPER = ((300, 784), (200, 300), (100, 200), (50, 100))
SHIPPED = [("mnist-mini", 0.8), ("mnist", 0.8)]


# -- the index, and chance ------------------------------------------------------------------------------------------------


def test_the_index_by_hand():
    first = [np.array([[1, 1, 0], [0, 0, 0]], bool), np.zeros((1, 2), bool)]
    second = [np.array([[0, 1, 1], [0, 1, 0]], bool), np.zeros((1, 2), bool)]
    seen = compare(first, second)
    assert seen == Overlap((6, 2), (2, 0), (3, 0), (1, 0))
    assert seen.jaccard(0) == 1 / 4  # one of four
    assert seen.expected(0) == 1 / (5 - 1)  # E = 2 · 3 / 6 = 1
    assert seen.most(0) == 2 / 3
    assert seen.jaccard(1) is None and seen.expected(1) is None and seen.most(1) is None  # neither cuts: not 0/0
    assert seen.jaccard() == 1 / 4 and seen.expected() == 1 / 4
    assert compare(first, first).jaccard() == 1 and compare(second, first).jaccard(0) == 1 / 4


def test_over_all_layers_chance_takes_as_many_from_each_layer():
    seen = Overlap((100, 100), (100, 0), (100, 0), (100, 0))
    assert seen.expected() == 1  # both cut all of layer 1 and nothing else: no random cut of these sizes could differ
    assert overlap.lift(seen.jaccard(), seen.expected()) is None
    assert Overlap((100, 100), (50, 10), (20, 40), (20, 4)).expected() == pytest.approx(14 / (120 - 14))


def test_the_lift_is_0_at_chance_1_at_equal_cuts_and_negative_where_cuts_avoid_each_other():
    assert overlap.lift(0.5, 0.5) == 0 and overlap.lift(1.0, 0.3) == 1 and overlap.lift(0.1, 0.4) == pytest.approx(-0.5)
    assert overlap.lift(None, None) is None


def test_counts_that_cannot_be_and_cuts_of_other_shapes_are_refused():
    for counts in ((6, 2, 3, 3), (6, 5, 4, 2), (6, 7, 1, 1), (6, 2, 3, -1)):
        with pytest.raises(ValueError, match="cannot share"):
            Overlap(*((count,) for count in counts))
    with pytest.raises(ValueError, match="only networks of the same widths"):
        compare([np.zeros((2, 3), bool)], [np.zeros((3, 2), bool)])


def random_cut(kind: str, shape: tuple[int, int], share: float, rng) -> np.ndarray:
    cut = np.zeros(shape, bool)
    if kind == "weights":
        cut.ravel()[rng.permutation(cut.size)[: round(share * cut.size)]] = True
    else:  # whole neurons, and what redundancy takes from the neurons before
        cut[rng.permutation(shape[0])[: round(share * shape[0])]] = True
        cut[:, rng.permutation(shape[1])[: round(0.5 * shape[1])]] = True
    return cut


@pytest.mark.parametrize("kinds", list(itertools.combinations_with_replacement(("neurons", "weights"), 2)))
def test_chance_is_what_random_cuts_of_the_same_kind_share(kinds):
    rng = np.random.default_rng(0)
    for shape, share in itertools.product(PAPER[1:], (0.3, 0.8)):
        fixed = random_cut(kinds[0], shape, share, rng)
        drawn = [compare([fixed], [random_cut(kinds[1], shape, share, rng)]) for _ in range(400)]
        shared, index = np.array([[one.shared[0], one.jaccard()] for one in drawn]).T
        expected = drawn[0].first[0] * drawn[0].second[0] / fixed.size
        assert abs(shared.mean() - expected) < 4 * shared.std() / 20 + 1e-9  # exact for every kind
        assert (
            abs(index.mean() - drawn[0].expected()) < 4 * index.std() / 20 + 0.005
        )  # the index is convex: a little above


def test_what_is_removed_is_what_the_masks_zero_with_redundancy_and_not_what_was_zero_before():
    net = network(sizes=(5, 4, 3, 2), zeros=0.2)
    scores = criteria.scores("activation-frequency", evidence(net))
    chosen = masks.choose(scores, net, 0.6)
    after = chosen.apply(net)
    cut = overlap.removed(chosen, net)
    assert len(cut) == 2
    for part, before, now in zip(cut, net.weights, after.weights, strict=False):
        assert np.array_equal(part, (before != 0) & (now == 0))


# -- neurons of two networks ----------------------------------------------------------------------------------------------


def renumbered(net: Network, orders: list[np.ndarray]) -> Network:
    """The same function with the hidden neurons in another order."""
    weights, biases, before = [], [], slice(None)
    for weight, bias, order in zip(net.weights, net.biases, [*orders, slice(None)], strict=True):
        weights.append(weight[order][:, before])
        biases.append(bias[order])
        before = order
    return Network(weights, biases)


def test_neurons_of_a_renumbered_network_are_found_again_and_its_cut_is_the_same():
    net, rng = network(sizes=(8, 12, 9, 3)), np.random.default_rng(1)
    orders = [rng.permutation(12), rng.permutation(9)]
    other = renumbered(net, orders)
    images = rng.normal(size=(400, 8)).astype("f")
    assert np.allclose(net.forward(images), other.forward(images), atol=1e-4)
    match = overlap.match(net, other, images)
    assert all(
        np.array_equal(order[partner], np.arange(order.size))
        for order, partner in zip(orders, match.partners, strict=True)
    )
    assert min(match.alike) > 0.5

    def cut(one: Network):
        return overlap.removed(masks.choose(criteria.scores("magnitude", evidence(one)), one, 0.5), one)

    assert compare(cut(net), match.renumbered(cut(other))).jaccard() == 1
    assert compare(cut(net), cut(other)).jaccard() < 0.7


def test_a_neuron_that_never_changes_correlates_with_nothing_and_widths_must_agree():
    silent = Network([np.array([[1.0], [-1.0]]), np.ones((2, 2))], [np.array([0.0, -5.0]), np.zeros(2)])
    match = overlap.match(silent, silent, np.linspace(0, 1, 50, dtype="f")[:, None])
    assert match.partners[0].tolist() == [0, 1] and match.alike == pytest.approx((0.5,))
    with pytest.raises(ValueError, match="neurons pair only where equal"):
        overlap.match(silent, network(sizes=(1, 3, 2)), np.ones((2, 1), "f"))


# -- the rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for spec in [*specs(), THIRD]:
            list(experiment.run(spec, store))
    return store


def specs() -> list:
    return [digits(pruning=None, seed=seed) for seed in (0, 1)]


THIRD = digits(pruning=None, seed=2)


@pytest.fixture
def one(trained) -> Trained:
    return Trained.of(trained, specs()[0])


def test_samples_share_no_image_where_there_are_enough_and_differ_where_not(one):
    few = samples(one.spec, one.data, one.epoch, 256)
    assert len(few) == agreement.DRAWS and len(set(np.concatenate(few))) == 3 * 256
    many = samples(one.spec, one.data, one.epoch, len(one.data.x_train) - 1)
    assert all(len(set(rows)) == len(rows) == len(one.data.x_train) - 1 for rows in many)
    assert len({rows.tobytes() for rows in many}) == agreement.DRAWS
    assert samples(one.spec, one.data, one.epoch, len(one.data.x_train) + 1) == []


def test_activation_frequency_counted_on_the_sample_would_be_apoz(one):
    rows = samples(one.spec, one.data, one.epoch, 256)[0]
    fired = [np.count_nonzero(a > 0, axis=0) for a in one.network.activations(one.data.x_train[rows])]
    counted = criteria.scores(METHOD, criteria.Evidence(one.network, fired, len(rows)))
    cut = overlap.removed(masks.choose(counted, one.network, 0.6), one.network)
    assert compare(cut, one.cut_on("apoz", 0.6, rows)).jaccard() == 1


def test_every_two_criteria_are_compared_on_one_network_and_images_and_draws_change_what_they_should(one):
    made = list(within(one, 0.6))
    pairs = [each for each in made if each.question == CRITERIA]
    assert {(e.first, e.second) for e in pairs} == set(itertools.combinations(criteria.names(), 2))
    magnitude = next(each for each in pairs if {each.first, each.second} == {METHOD, "magnitude"})
    assert magnitude.overlap == compare(one.cut(METHOD, 0.6), one.cut("magnitude", 0.6))
    drawn = [each for each in made if each.question == RANDOM]
    assert {each.first for each in drawn} == {n for n in criteria.names() if "rng" in criteria.get(n).needs}
    assert {each.draws for each in drawn} == {"0-1", "0-2", "1-2"}
    assert all(each.overlap.jaccard() < 1 for each in drawn)
    looked = [each for each in made if each.question == SAMPLES]
    assert {each.images for each in looked} == {32, 256}  # digits has fewer training images than 2,048
    by_images = {n: np.mean([e.overlap.jaccard() for e in looked if e.images == n]) for n in (32, 256)}
    assert by_images[32] < by_images[256] < 1


def test_two_networks_are_compared_by_number_and_with_their_neurons_paired(trained, one):
    other = Trained.of(trained, specs()[1])
    made = {(each.question, each.first): each for each in between(one, other, 0.6)}
    assert {name for _, name in made} == set(criteria.names())
    assert all((each.seed, each.other, each.first) == (0, 1, each.second) for each in made.values())
    match = overlap.match(one.network, other.network, one.data.x_train)  # digits has fewer images than are asked for
    for name in (METHOD, "magnitude"):
        here, there = one.cut(name, 0.6), other.cut(name, 0.6)
        assert made[NUMBERED, name].overlap == compare(here, there)
        assert made[MATCHED, name].overlap == compare(here, match.renumbered(there))
        assert made[MATCHED, name].alike == pytest.approx(match.alike)


def test_rows_are_made_once_go_on_where_they_stopped_and_follow_the_run(trained, tmp_path, monkeypatch):
    said = []
    agreement.make(trained, specs()[:1], 0.6, tmp_path, said.append)
    agreement.make(trained, specs(), 0.6, tmp_path, said.append)
    agreement.make(trained, [*specs(), THIRD], 0.6, tmp_path, said.append)
    cut = "cut at 60 % by every criterion"
    assert [line.split(": ")[1] for line in said] == [cut, cut, "compared with seed 0", cut]  # 2 waits for 3
    found = agreement_rows.shipped("digits", 0.6, tmp_path)
    one, other = (Trained.of(trained, spec) for spec in specs())
    assert [each for each in found.comparisons if each.seed == 1 and each.other is None] == sorted(
        within(other, 0.6), key=lambda each: list(agreement_rows.QUESTIONS).index(each.question)
    )
    rounded = [
        dataclasses.replace(e, alike=tuple(round(v, 3) for v in e.alike))
        for q in (NUMBERED, MATCHED)
        for e in between(one, other, 0.6)
        if e.question == q
    ]
    assert [each for each in found.comparisons if each.other is not None] == rounded
    assert all(row["date"] and "torch" in row["versions"] for row in found.networks)

    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert set(files) == {"networks.csv", "digits-60.csv"}
    monkeypatch.setattr(Trained, "of", lambda *_: pytest.fail("made again"))
    agreement.make(trained, specs(), 0.6, tmp_path)
    assert files == {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    rows = Rows("digits", 0.6, tmp_path)
    assert rows.has(*specs()) and not Rows("digits", 0.7, tmp_path).has(specs()[0])
    longer = dataclasses.replace(specs()[0], max_epochs=9)  # another run of the same seed is not this one
    assert not rows.has(longer) and not rows.has(longer, specs()[1])
    monkeypatch.setattr(criteria, "_REGISTRY", criteria._REGISTRY | {"new": criteria.get("magnitude")})
    assert not rows.has(specs()[0])  # a criterion that came since is asked for
    monkeypatch.undo()
    rows.put(dict(found.networks[0]), [])
    assert not rows.has(specs()[0]) and rows.has(specs()[1]) and not rows.has(*specs())


def test_the_command_says_in_a_sentence_what_cannot_be(tmp_path, capsys):
    here = ["--cache", str(tmp_path / "c"), "--into", str(tmp_path / "r")]
    assert agreement.main(["--ratios", "80", *here]) == 2
    assert capsys.readouterr().err == "ratio 80 came: give a share of all weights between 0 and 1, such as 0.8\n"
    assert agreement.main(["--datasets", "mnest", *here]) == 2
    assert capsys.readouterr().err.startswith("unknown data set 'mnest'")
    assert not (tmp_path / "r").exists()


# -- what is drawn --------------------------------------------------------------------------------------------------------


def comparison(seed: int, shared: int, first=METHOD, second="magnitude", question=CRITERIA, **more) -> Comparison:
    return Comparison(question, seed, first, second, Overlap((100, 10), (50, 0), (50, 0), (shared, 0)), **more)


def test_a_mean_stands_with_n_interval_and_chance_and_n_counts_networks():
    made = [comparison(seed, shared) for seed, shared in ((0, 30), (1, 35), (2, 40))]
    values = [shared / (100 - shared) for shared in (30, 35, 40)]
    seen = agreement_view.estimate(made, 0)
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
    assert (seen["n"], seen["mean"]) == (3, pytest.approx(np.mean(values), abs=1e-5))
    assert (seen["low"], seen["high"]) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))
    assert seen["chance"] == pytest.approx(25 / 75, abs=1e-5) and seen["most"] == 1
    assert agreement_view.estimate(made, 1) is None  # neither cuts there
    again = [*made, comparison(2, 40), comparison(2, 40)]  # more draws on a network are not more networks
    assert agreement_view.estimate(again, 0) == seen
    alone = agreement_view.estimate(made[:1], None)
    assert alone["low"] is None and not alone["differs"]


@pytest.mark.parametrize(
    ("shared", "word"),
    [
        ((25, 24, 26, 25), "no more than chance"),
        ((26, 26, 27, 26), "hardly more than chance"),
        ((33, 34, 33, 34), "agree more than chance"),
        ((48, 49, 49, 48), "largely"),
        ((10, 11, 10, 10), "less than chance"),
    ],
)
def test_the_sentence_says_how_far_the_two_agree(shared, word):
    made = tuple(comparison(seed, count) for seed, count in enumerate(shared))
    said = agreement_view.sentence(Agreement("digits", 0.6, (), made))
    assert word in said
    assert f"{100 * np.mean([s / (100 - s) for s in shared]):.1f}\u202f% are cut by both" in said and "33.3" in said


@pytest.mark.parametrize(("dataset", "ratio"), SHIPPED)
def test_what_ships_is_whole_and_its_random_cuts_are_at_chance(dataset, ratio):
    found = agreement_rows.shipped(dataset, ratio)
    assert [int(row["seed"]) for row in found.networks] == list(range(10))
    assert all(row["versions"] and row["date"] and row["key"] for row in found.networks)
    assert len(found.of(CRITERIA)) == 10 * 55 and len(found.of(MATCHED)) == len(found.of(NUMBERED)) == 5 * 11
    random = [name for name in criteria.names() if "rng" in criteria.get(name).needs]
    for question, name in itertools.product((RANDOM, NUMBERED, MATCHED), random):
        seen = agreement_view.estimate([one for one in found.of(question) if one.first == name], None)
        assert abs(seen["mean"] - seen["chance"]) < 0.015, (question, name)
    header, arrays = unpack(agreement_view.blob(found))
    assert not arrays and len(header["views"]) == 5 and len(header["criteria"]) == 11
    assert header["images"] == [32, 256, 2048] and header["title"] == agreement_view.sentence(found)
    assert "10 networks" in header["setting"] and agreement_view.command(dataset, ratio) in header["provenance"]
    pairs = header["views"][4]["pairs"]
    names = [one["name"] for one in header["criteria"]]
    a, b, seen = next(one for one in pairs if {names[one[0]], names[one[1]]} == {METHOD, "magnitude"})
    mine = [one for one in found.of(CRITERIA) if {one.first, one.second} == {METHOD, "magnitude"}]
    assert seen == agreement_view.estimate(mine, 3) and a < b


def test_a_shipped_row_can_be_made_again_from_the_network_that_ships():
    spec = agreement.spec_of("mnist-mini", 0)
    one = Trained.of(Store(REPOSITORY / "core" / "data" / "example"), spec)
    row = next(
        each
        for each in agreement_rows.shipped("mnist-mini", 0.8).of(CRITERIA)
        if each.seed == 0 and {each.first, each.second} == {METHOD, "magnitude"}
    )
    again = compare(one.cut(row.first, 0.8), one.cut(row.second, 0.8))
    assert again.sizes == row.overlap.sizes
    assert again.jaccard() == pytest.approx(row.overlap.jaccard(), abs=0.002)  # trained anew elsewhere: not bit for bit


def page(dataset: str, ratio: float) -> AppTest:
    def script(dataset, ratio):
        from pages.judge import agreeing

        agreeing.draw(dataset, ratio)

    app = AppTest.from_function(script, args=(dataset, ratio), default_timeout=250).run()
    assert not app.exception, app.exception
    return app


def test_the_page_draws_what_ships_and_says_how_to_make_what_does_not(monkeypatch):
    shown = []
    monkeypatch.setattr(elements, "agreement", lambda blob, *, key: shown.append(unpack(blob)[0]))
    app = page("mnist-mini", 0.8)
    assert shown == [unpack(agreement_view.blob(agreement_rows.shipped("mnist-mini", 0.8)))[0]]
    assert [one.proto.label for one in app.get("download_button")] == ["These comparisons as CSV"]
    for dataset, ratio in (("mnist-mini", 0.85), ("digits", 0.8), ("nowhere", 0.8)):
        app = page(dataset, ratio)
        assert f"python -m core.agreement --datasets {dataset} --ratios {ratio:g}" in app.info[0].value
    assert len(shown) == 1


def test_data_sets_here_have_what_the_third_question_needs():
    assert len(datasets.load("mnist-mini").x_train) >= agreement.DRAWS * max(agreement.IMAGES)
