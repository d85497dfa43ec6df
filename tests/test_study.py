"""A set of runs made here: what it asks for; rows as they come, stopped and gone on with; ratios matched; what it refuses."""

import dataclasses
import json

import pytest
from blobs import unpack
from small import digits

from core import experiment, sweep
from core.artifacts.kept import Artifacts
from core.jobs import worker
from core.judge import questions, results, study
from core.judge.questions import ACHIEVED, FRESH_EPOCHS, FRESH_TARGET, METHOD, Setting
from core.judge.study import Kept, Study
from core.sweep import NO_PRUNING, QUICK, grid
from core.sweep.processes import Outcome
from core.views import judge
from core.views.judge import HERE

TWO = Study("digits", (0.6,), 3, seeds=2, arms=(METHOD, "magnitude"))
specs_of = results.specs
SAME = ("hidden", "learning_rate", "batch_size", "target_accuracy")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The study's own specs, on networks that train in half a second."""
    usual = {name: getattr(digits(), name) for name in SAME}

    def specs(setting, seed):
        made = {}
        for arm, spec in specs_of(setting, seed).items():
            plan = spec.pruning and dataclasses.replace(spec.pruning, start_accuracy=0.6)
            epochs = {"max_epochs": 7} if setting.length is None else {}
            made[arm] = dataclasses.replace(spec, pruning=plan, **usual, **epochs)
        return made

    monkeypatch.setattr(results, "specs", specs)


def in_this_process(specs, store, n_jobs=1, going=lambda: True):
    """As `sweep.outcomes`, without the seconds that a worker process takes to start."""
    for spec in specs:
        stored = store.result(spec.key())
        yield Outcome(spec, stored or list(experiment.run(spec, store))[-1], stored=bool(stored))
        if not going():
            return


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(study, "outcomes", in_this_process)


def collect(store, asked, **options):
    return list(study.collect(store, Artifacts(store.root), asked, n_jobs=1, **options))


def by_arm(now: Kept, ratio=0.6) -> dict:
    return {row["arm"]: row for row in now.rows if row["ratio"] == ratio}


def card(rows, at, **more):
    return unpack(judge.blob(list(rows), at, HERE, **more))[0]["cards"][0]


def test_the_quick_set_is_ten_seeds_of_four_arms_seed_by_seed():
    places = Study().places()
    assert len(places) == 40 and [arm for _, arm, _ in places[:4]] == list(QUICK)
    assert [seed for *_, seed in places] == [seed for seed in range(10) for _ in QUICK]
    specs = {specs_of(Study().setting, seed)[arm] for _, arm, seed in places}
    # What `python -m core.sweep` trains the evening before.
    assert specs == set(grid(dataset="mnist-mini", ratio=0.8, rounds=5, seed=list(range(10)), criterion=list(QUICK)))


def test_every_run_is_a_row_at_once_and_what_is_stored_is_not_trained_again(store):
    artifacts, seen = Artifacts(store.root), []
    for now in study.collect(store, artifacts, TWO, n_jobs=1):
        assert study.kept(artifacts, TWO) == now
        seen.append((now.there, now.trained))
    assert seen[:4] == [(1, 1), (2, 2), (3, 3), (4, 4)] and now.left == 0 and now.share == 1
    for row in now.rows:
        spec = results.specs(TWO.setting, row["seed"])[row["arm"]]
        assert row == results.row(store, artifacts, row["arm"], spec, TWO.setting) | {"date": row["date"]}
        assert results.spec_of(row, now.rows) == spec
    again = collect(store, TWO)[-1]
    assert again.rows == now.rows and again.trained == 0 and again.left is None
    assert card(now.rows, TWO.setting, arms=TWO.arms)["decisions"][0]["n"] == 2


def test_without_retraining_is_the_network_right_after_its_last_cut(store):
    now = collect(store, dataclasses.replace(TWO, seeds=1, arms=(METHOD, NO_PRUNING)))[-1]
    row, whole = by_arm(now)[METHOD], by_arm(now)[NO_PRUNING]
    last = [line["epoch"] for line in store.log(row["key"]) if line["kind"] == "Pruned"][-1]
    data = results.datasets.load("digits")
    network = store.snapshot(row["key"], last).state.network()
    assert row["cut_accuracy"] == round(100 * network.accuracy(data.x_test, data.y_test), 2) != row["test_accuracy"]
    assert whole["cut_accuracy"] == "" and row["requested"] == 60


def test_a_set_that_is_stopped_goes_on_and_one_with_more_seeds_keeps_the_first(store, monkeypatch):
    monkeypatch.setattr(study, "outcomes", sweep.outcomes)  # real worker processes
    first = next(made := study.collect(store, Artifacts(store.root), TWO, n_jobs=1))
    made.close()
    assert first.there == 1 and first.asked == 4
    steps = collect(store, TWO)
    assert steps[0].trained == 0 and steps[-1].trained == 3 and steps[-1].there == 4
    more = dataclasses.replace(TWO, seeds=3)
    assert more.name == TWO.name and more.key != TWO.key
    assert collect(store, more)[-1].trained == 2 and len(TWO.of(study.kept(Artifacts(store.root), TWO).rows)) == 4


def test_a_run_that_fails_is_a_row_with_its_reason_and_can_be_tried_again(store, monkeypatch):
    one = dataclasses.replace(TWO, seeds=1)
    with monkeypatch.context() as patch:

        def fails(specs, *rest):
            yield from (Outcome(spec, None, "the process that trained it died twice") for spec in specs[1:])
            yield from in_this_process(specs[:1], *rest)

        patch.setattr(study, "outcomes", fails)
        now = collect(store, one)[-1]
    bad = by_arm(now)["magnitude"]
    assert bad["test_accuracy"] == "" and "died twice" in bad["ended"]
    found = unpack(judge.blob(list(now.rows), one.setting, HERE, arms=one.arms))[0]
    assert found["failed"] == ["Seed 0 of magnitude failed: the process that trained it died twice."]
    again = collect(store, one)[-1]
    assert all(row["test_accuracy"] != "" for row in again.rows) and len(again.rows) == 2


def test_fresh_networks_copy_the_widths_of_their_own_ratio_and_one_unpruned_run_serves_all(store):
    arms = (METHOD, NO_PRUNING, FRESH_TARGET, FRESH_EPOCHS)
    now = collect(store, dataclasses.replace(TWO, ratios=(0.6, 0.3), seeds=1, arms=arms))[-1]
    assert now.there == 8 and now.trained == 7
    for ratio in (0.6, 0.3):
        found = by_arm(now, ratio)
        assert found[FRESH_TARGET]["widths"] == found[FRESH_EPOCHS]["widths"] == found[METHOD]["widths"]
        assert found[FRESH_EPOCHS]["epochs"] == found[METHOD]["epochs"]
        for row in found.values():
            assert results.spec_of(row, now.rows).key() == row["key"]
    assert by_arm(now, 0.6)[NO_PRUNING]["key"] == by_arm(now, 0.3)[NO_PRUNING]["key"]


def test_a_fresh_network_of_one_that_died_is_a_row_that_says_so(store, monkeypatch):
    monkeypatch.setattr(results, "fresh", lambda store, spec: {})
    now = collect(store, dataclasses.replace(TWO, seeds=1, arms=(METHOD, FRESH_TARGET)))[-1]
    assert by_arm(now)[FRESH_TARGET]["ended"] == "the pruned network whose widths it copies lost a whole layer"
    assert now.there == 2


def test_runs_of_one_length_all_have_it_whatever_their_accuracy(store):
    now = collect(store, dataclasses.replace(TWO, seeds=1, arms=(*TWO.arms, NO_PRUNING), length=9))[-1]
    assert [row["epochs"] for row in now.rows] == [9, 9, 9] and {row["length"] for row in now.rows} == {9}


# Achieved ratios matched


def test_what_is_asked_is_adjusted_until_what_is_achieved_agrees(store):
    asked = dataclasses.replace(TWO, budget="increment", matched=ACHIEVED)
    now = collect(store, asked)[-1]
    rows = [row for row in now.rows if row["test_accuracy"] != ""]
    assert len(rows) >= 3 and all(abs(row["zero"] - 60) <= 0.2 for row in rows)
    plain = collect(store, dataclasses.replace(TWO, budget="increment"))[-1]
    assert max(abs(row["zero"] - 60) for row in plain.rows) > 0.5  # so that there was something to adjust
    assert any(row["requested"] != 60 for row in rows)
    for row in rows:
        assert results.spec_of(row, now.rows).key() == row["key"]
    assert collect(store, asked)[-1].trained == 0


def test_what_cannot_be_matched_is_a_row_that_says_how_near_it_came(store, monkeypatch):
    monkeypatch.setattr(study, "NEAR", -1.0)
    monkeypatch.setattr(study, "TRIES", 2)
    now = collect(store, dataclasses.replace(TWO, seeds=1, arms=("magnitude",), matched=ACHIEVED))[-1]
    row = by_arm(now)["magnitude"]
    assert row["test_accuracy"] == "" and row["ended"].startswith(
        "60 % zero was to be achieved; the nearest in 2 tries is 60.0"
    )


@pytest.mark.parametrize(
    ("tried", "ratio"),
    [
        ([(0.6, 0.7)], 0.5),
        ([(0.6, 0.7), (0.5, 0.55)], 0.5 + 0.1 * 0.05 / 0.15),
        ([(0.6, 0.1)], 0.99),
        ([(0.1, 0.9)], 0),
    ],
)
def test_the_next_try_lies_between_those_that_enclose_it(tried, ratio):
    spec = specs_of(TWO.setting, 0)[METHOD]
    assert study._adjusted(spec, 0.6, tried).pruning.ratio == pytest.approx(ratio, abs=1e-6)


# Claims 2 to 4


def test_claims_2_to_4_are_judged_on_the_sets_own_runs(store):
    asked = dataclasses.replace(TWO, seeds=1, arms=(METHOD, "random-matched", NO_PRUNING), more=True)
    now = collect(store, asked)[-1]
    assert now.pieces == now.of_pieces == 2 + 4 and now.share == 1
    row = by_arm(now)[METHOD]
    assert row["low_rank"] and row["penalty"] and by_arm(now)["random-matched"]["penalty"]
    assert all(isinstance(row[name.replace("-", "_")], float) for name in results.REDUCED)
    words = [c["headline"] for c in unpack(judge.blob(list(now.rows), asked.setting, HERE))[0]["cards"]]
    assert all(word.startswith("can't tell yet") for word in words)


# What is kept, refused and told


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"rows": 3}', b'{"rows": [{"arm": 1}], "asked": 1}', b'{"x": 1}'])
def test_a_damaged_file_is_an_empty_set(store, content):
    artifacts = Artifacts(store.root)
    artifacts.write(TWO.name, study.FILE, content)
    assert study.kept(artifacts, TWO).rows == ()


def test_how_long_is_left_follows_the_pace_of_this_go():
    half = Kept((), 40, 20, 10, 120.0)
    assert half.left == 240 and half.progress == "20 of 40 runs are there, about 4 minutes left"
    assert "about 24 seconds left" in Kept((), 40, 38, 10, 120.0).progress
    assert "known after the first one" in Kept((), 40).progress
    more = Kept((), 40, 40, 10, 120.0, 3, 20)
    assert more.progress.endswith("3 of 20 pieces of work done") and more.share == 43 / 60


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arms": ("magnitud",)}, "'magnitud' came: give one or more of activation-frequency"),
        ({"arms": ()}, "no arm came"),
        ({"arms": ("magnitude", FRESH_TARGET)}, "copies the widths"),
        ({"ratios": ()}, "0 ratios and 10 seeds"),
        ({"ratios": (1.5,)}, "ratio 1.5 is outside"),
        ({"seeds": 0}, "0 seeds came"),
        ({"matched": "roughly"}, "no way to match"),
        ({"dataset": "mnits"}, "unknown data set 'mnits'"),
        ({"length": 0}, "max_epochs 0 is outside"),
        ({"more": True}, "add both to the arms"),
    ],
)
def test_a_set_that_cannot_be_is_refused_in_a_sentence(changes, says, monkeypatch):
    monkeypatch.setattr(results, "specs", specs_of)
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        Study(**changes)


def test_plain_values_make_the_same_set_and_job():
    asked = Study(ratios=(0.8, 0.9), length=20, arms=(METHOD, NO_PRUNING), more=True)
    back = Study.from_dict(json.loads(json.dumps(dataclasses.asdict(asked))))
    assert back == asked and (back.key, back.name) == (asked.key, asked.name)
    names = {Study(**changes).name for changes in ({}, {"length": 20}, {"budget": "increment"}, {"matched": ACHIEVED})}
    assert len(names) == 4 and Study().name == Study(ratios=(0.9,), seeds=30).name


def test_the_workers_task_keeps_the_rows_and_says_how_far_it_is(store):
    said, inbox = [], worker.queue.Queue()
    task = {"task": "sweep", "root": str(store.root), "study": dataclasses.asdict(dataclasses.replace(TWO, seeds=1))}
    worker.TASKS["sweep"](task, inbox, lambda kind, **values: said.append((kind, values)))
    assert [values["epoch"] for kind, values in said if kind == "epoch"][:2] == [1, 2] and said[-1][0] == "done"
    assert len(study.kept(Artifacts(store.root), TWO).rows) == 2
    inbox.put({"command": "stop"})
    task["study"] = dataclasses.asdict(dataclasses.replace(TWO, seeds=3))
    worker.TASKS["sweep"](task, inbox, lambda kind, **values: said.append((kind, values)))
    assert said[-1][0] == "stopped" and len(study.kept(Artifacts(store.root), TWO).rows) == 2


def test_a_row_whose_run_cannot_be_named_is_refused():
    row = {**Setting("digits", 0.6, 3).columns(), "arm": FRESH_TARGET, "seed": 3, "requested": ""}
    with pytest.raises(ValueError, match="no row of seed 3 says which widths"):
        results.spec_of(row, [row])
    with pytest.raises(ValueError, match="the arm 'x' is unknown"):
        results.spec_of(row | {"arm": "x"}, [])
    assert set(study.ARMS) == {*specs_of(TWO.setting, 0), *questions.WHOLE}
