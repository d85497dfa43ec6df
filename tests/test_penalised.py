"""A network trained with the penalty beside the pruned one: figures against NumPy, words against figures, the worker's task."""

import queue

import numpy as np
import pytest
from blobs import unpack
from small import digits

from core import experiment
from core.artifacts import Sources, plain
from core.artifacts.kept import Artifacts
from core.claims import penalty_search
from core.claims.penalty_search import Search, Try
from core.jobs import worker
from core.store import Store
from core.views import penalised
from core.views.penalised import Ending

SHAPES = ((6, 9), (4, 6))


def ending(values, *, accuracy=0.9, zero=0.5, alive=(3, 2)) -> Ending:
    return Ending(accuracy, zero, alive, tuple(np.asarray(layer, np.float32) for layer in values), SHAPES)


def attempt(lam, values, accuracy=0.95) -> Try:
    nuclear = float(sum(map(sum, values)))
    return Try(lam, f"{int(lam * 1e4):016d}", nuclear, accuracy, 0.0, (6, 4), tuple(map(tuple, values)))


PRUNED = ending([[3, 2, 1, 0, 0, 0], [2, 1, 0, 0]])  # nuclear norm 9
NEITHER = attempt(0.0, [[6, 5, 4, 3, 2, 1], [4, 3, 2, 1]], 0.97)
STRONG = attempt(0.5, [[1, 0, 0, 0, 0, 0], [1, 0, 0, 0]], 0.5)
RIGHT = attempt(0.0625, [[3, 1.5, 1, 0.5, 0, 0], [2, 0.5, 0.5, 0]])
SEARCH = Search(9.0, 7, 50, (NEITHER, STRONG, RIGHT), found=2)


def told(search, pruned=PRUNED, job=None) -> tuple[dict, dict]:
    return unpack(penalised.blob("abc", pruned, search, job))


def test_how_a_run_ended_is_read_from_its_network(made):
    key = digits().key()
    found, network = penalised.ending(made, key), made.network(key)
    assert found.accuracy == made.log(key)[-1]["test_accuracy"]
    assert found.zero == sum((weight == 0).sum() for weight in network.weights) / sum(w.size for w in network.weights)
    assert found.alive == tuple(int(weight.any(axis=1).sum()) for weight in network.weights[:-1])
    for values, weight, shape in zip(found.values, network.weights, found.shapes, strict=False):
        assert shape == weight.shape and np.allclose(values, np.linalg.svd(weight, compute_uv=False), atol=1e-4)
    norms = [np.linalg.norm(weight, "nuc") for weight in network.weights[:-1]]
    assert found.nuclear == pytest.approx(sum(norms), abs=1e-2)


def test_a_run_that_ends_right_after_a_cut_is_read_after_it(made, store):
    first = next(line["epoch"] for line in made.log(digits().key()) if line["kind"] == "Pruned")
    spec = digits(max_epochs=first)
    list(experiment.run(spec, store))
    found, network = penalised.ending(store, spec.key()), store.network(spec.key())
    assert network.sparsity() > 0.1 and store.snapshot(spec.key()).cuts == 1
    for values, weight in zip(found.values, network.weights, strict=False):
        assert np.allclose(values, np.linalg.svd(weight, compute_uv=False), atol=1e-4)


def test_of_a_run_under_way_the_accuracy_is_not_known_and_of_a_diverged_one_nothing(made, store):
    assert penalised.ending(made, digits(seed=2).key()).accuracy is None
    spec = digits(learning_rate=1e6, max_epochs=2)
    list(experiment.run(spec, store))
    assert penalised.ending(store, spec.key()) is None


def test_before_a_search_only_the_pruned_network_and_its_goal_are_told():
    header, arrays = told(None)
    assert header["goal"] == 9 and header["tries"] == [] and header["said"] == []
    assert [one["kind"] for one in header["networks"]] == ["pruned"] and set(arrays) == {"pruned_0", "pruned_1"}


def test_every_try_is_a_point_and_the_found_one_stands_beside_the_others():
    header, arrays = told(SEARCH, job={"text": "Try 4", "share": 0.5})
    assert [(one["strength"], one["nuclear"], one["accuracy"]) for one in header["tries"]] == [
        (0.0, 31.0, 0.97), (0.5, 2.0, 0.5), (0.0625, 9.0, 0.95),
    ]  # fmt: skip
    assert (header["found"], header["best"], header["epochs"], header["every"]) == (2, 2, 7, 50)
    assert header["job"] == {"text": "Try 4", "share": 0.5}
    pruned, penalty, neither = header["networks"]
    assert [one["kind"] for one in header["networks"]] == ["pruned", "penalty", "standard"]
    assert (pruned["accuracy"], penalty["accuracy"], neither["accuracy"]) == (0.9, 0.95, 0.97)
    assert (pruned["alive"], penalty["alive"], penalty["units"]) == (5, 10, 10)
    assert [layer["rank"] for layer in penalty["layers"]] == [4, 3] and [
        layer["rank"] for layer in pruned["layers"]
    ] == [3, 2]
    for network, values in ((pruned, PRUNED.values), (penalty, RIGHT.values), (neither, NEITHER.values)):
        for number, layer in enumerate(network["layers"]):
            assert np.allclose(arrays[f"{network['kind']}_{number}"], values[number])
            shares = np.asarray([v for v in values[number] if v > 0], float)
            shares = shares / shares.sum()
            assert layer["effective_rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
            assert layer["nuclear"] == pytest.approx(sum(values[number]))
            assert (
                layer["alive"]
                == {"pruned": PRUNED.alive, "penalty": (6, 4), "standard": (6, 4)}[network["kind"]][number]
            )
    for number, layer in enumerate(penalty["layers"]):
        mine, real, free = (np.asarray(v[number]) for v in (RIGHT.values, PRUNED.values, NEITHER.values))
        assert layer["apart"] == pytest.approx(np.linalg.norm(mine - real) / np.linalg.norm(free - real))


def test_the_words_say_what_the_figures_say():
    said = told(SEARCH)[0]["said"]
    apart = [layer["apart"] for layer in told(SEARCH)[0]["networks"][1]["layers"]]
    assert said == [
        "λ = 0.0625 ends with a nuclear norm of 9, the pruned network with 9: the same within 1 %, found after 3 tries of 7 "
        "epochs each.",
        "Of the penalised network 0.0 % of the weights are zero and 10 of 10 hidden neurons live; of the pruned one 50.0 % "
        "and 5.",
        "Ranks per layer: 4/3 with the penalty, 3/2 pruned; effective ranks 3/2 and 3/2.",
        f"Layer by layer its singular values are {100 * min(apart):.0f} to {100 * max(apart):.0f} % as far from the pruned "
        "network's as those of the network with neither: 0 % would be the same, 100 % no nearer.",
        "Test images right: 95.0 % with the penalty, 90.0 % pruned, 97.0 % with neither.",
    ]


def test_a_search_that_goes_on_shows_the_try_nearest_so_far_and_one_that_ended_says_why():
    under_way = Search(9.0, 7, 50, (NEITHER, STRONG))
    header, _ = told(under_way)
    assert header["best"] == 1 and header["found"] is None
    assert header["said"] == [
        "No λ is found yet after 2 tries of 7 epochs each.",
        "Nearest comes try 2, λ = 0.5, with a nuclear norm of 2; the pruned network has 9.",
    ]
    only_first, _ = told(Search(9.0, 7, 50, (NEITHER,)))
    assert only_first["best"] is None and [one["kind"] for one in only_first["networks"]] == ["pruned", "standard"]
    assert only_first["said"] == ["No λ is found yet after 1 try of 7 epochs each."]
    ended, _ = told(Search(9.0, 7, 50, (NEITHER,), problem="no λ comes to it"))
    assert ended["said"] == ["No λ is found after 1 try of 7 epochs each: no λ comes to it."]


def test_a_percentage_in_words_is_the_one_in_the_table():
    """0.9325 and 0.9065 lie on either side of what they look like: the page's tables round what is stored, halves up."""
    assert [penalised._percent(share) for share in (0.9325, 0.9065, 0.9335, 0.0, 1.0)] == [
        "93.3 %", "90.6 %", "93.3 %", "0.0 %", "100.0 %",
    ]  # fmt: skip


def test_a_dead_network_can_be_told_too():
    nothing = ending([[0] * 6, [0] * 4], zero=1.0, alive=(0, 0), accuracy=0.1)
    header, _ = told(Search(0.0, 7, 50, (NEITHER, STRONG), problem="no λ"), nothing)
    assert header["goal"] == 0 and [layer["effective_rank"] for layer in header["networks"][0]["layers"]] == [0, 0]
    same, _ = told(Search(31.0, 7, 50, (NEITHER, attempt(0.1, NEITHER.values)), found=1), ending(NEITHER.values))
    assert [layer["apart"] for layer in same["networks"][1]["layers"]] == [None, None]


# The worker's task

WANTED = penalty_search.SearchOf(digits().key())


def of(made, root) -> dict:
    """The search beside a run of another store, for the worker."""
    task = {"task": "artifacts", "root": str(root), "behind": [], "artifacts": [plain(WANTED)]}
    return task | {"sources": {WANTED.run: str(made.root)}}


def kept_in(made, root) -> Search:
    return Artifacts(root).get(WANTED, Sources(Store(root), {WANTED.run: made}))


@pytest.fixture(scope="module")
def searched(made, tmp_path_factory):
    """The task run to its end, on the made pruned run: what it said and where it put it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        patch.setattr("core.jobs.steering.SAY_EVERY", 0.0)
        root, said = tmp_path_factory.mktemp("searched"), []
        task = of(made, root)
        worker.TASKS["artifacts"](task, queue.Queue(), lambda kind, **values: said.append((kind, values)))
    return root, said


def test_the_task_finds_the_strength_and_keeps_every_try(made, searched):
    root, said = searched
    key = digits().key()
    search = kept_in(made, root)
    assert search.found is not None and search.problem == ""
    goal = sum(np.linalg.norm(weight, "nuc") for weight in made.network(key).weights[:-1])
    assert search.tries[search.found].nuclear == pytest.approx(goal, rel=0.011)
    assert [values["number"] for kind, values in said if kind == "made"][: len(search.tries)] == list(
        range(1, len(search.tries) + 1)
    )
    assert said[0] == ("state", {"state": "building", "epoch": 0}) and said[-1][0] == "done"
    assert any(0 < values["share"] < 1 for kind, values in said if kind == "progress")


def test_of_every_try_the_start_and_the_end_are_kept_and_nothing_between(made, searched):
    root, _ = searched
    store = Store(root)
    search = kept_in(made, root)
    for one in search.tries:
        run = store.open(one.key)
        assert run.finished and run.epochs == (0, run.last_epoch)
        assert run.spec.pruning is None and run.spec.penalty.strength == one.strength
        weights = store.network(one.key).weights[:-1]
        assert one.nuclear == pytest.approx(sum(np.linalg.norm(weight, "nuc") for weight in weights), rel=1e-4)


def test_a_stop_keeps_the_tries_and_the_next_search_goes_on_from_them(made, tmp_path, monkeypatch):
    monkeypatch.setattr("core.jobs.steering.SAY_EVERY", 0.0)
    inbox, said = queue.Queue(), []

    def say(kind, **values):
        said.append((kind, values))
        if kind == "made" and values["number"] == 2:
            inbox.put({"command": "stop"})

    task = of(made, tmp_path)
    worker.TASKS["artifacts"](task, inbox, say)
    assert said[-1][0] == "stopped"
    kept = kept_in(made, tmp_path)
    assert len(kept.tries) == 2 and kept.found is None and kept.problem == ""
    before = {one.key: (tmp_path / "runs" / one.key / "done.json").stat().st_mtime_ns for one in kept.tries}
    worker.TASKS["artifacts"](task, queue.Queue(), say)
    whole = kept_in(made, tmp_path)
    assert whole.tries[:2] == kept.tries and whole.found is not None
    for one, written in before.items():
        assert (tmp_path / "runs" / one / "done.json").stat().st_mtime_ns == written  # found again, not trained again
