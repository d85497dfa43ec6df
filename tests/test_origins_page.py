"""A run that ships and the same run made here have one key: every page shows the same of the two and says which, and nothing
that was made of the one stands beside the other."""

import queue
import random
import shutil
from dataclasses import asdict

import pytest
from small import digits
from visiting import again, arrive, button, said, visit

from core import experiment
from core.atlas import Choice
from core.claims import penalty, penalty_search
from core.jobs import worker
from core.judge import results
from core.store import Store
from core.store.artifacts import SHIPPED, Artifacts
from pages.claims import contests
from pages.explore import atlases
from pages.shared import library, services

SPEC = digits(max_epochs=6, target_accuracy=0.9)
KEY = SPEC.key()
NAMES = ("contest-v1.npz", penalty_search.NAME, penalty.NAME, "factors-rank-pca-v1.npz")
EPOCH = 5


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[str, Store]:
    """The same run as another computer made it, which ships, and as this one does. The former has another seed's numbers."""
    here, there = Store(tmp_path_factory.mktemp("here")), Store(tmp_path_factory.mktemp("there"))
    other = digits(seed=1, max_epochs=6, target_accuracy=0.9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        list(experiment.run(SPEC, here))
        list(experiment.run(other, there))
    (there.root / "runs" / other.key()).rename(there.root / "runs" / KEY)
    shutil.copy(here.root / "runs" / KEY / "spec.json", there.root / "runs" / KEY / "spec.json")
    return {"here": here, "shipped": there}


@pytest.fixture
def shipped(cache, both, monkeypatch) -> Store:
    """It is what ships."""
    monkeypatch.setattr(services, "EXAMPLE", both["shipped"].root)
    return both["shipped"]


def make_here(cache: Store, both) -> None:
    shutil.copytree(both["here"].root / "runs" / KEY, cache.root / "runs" / KEY)


def test_every_page_opens_the_same_run_and_says_which(cache, both, shipped):
    for here in (False, True):
        if here:
            make_here(cache, both)
        store = cache if here else shipped
        word, other = ("made here", "ships with the explorer")[:: 1 if here else -1]
        assert services.store_of(KEY).root == store.root
        assert [run.key for run in library.listed()].count(KEY) == 1
        for page in ("spectra", "penalty", "contest", "slider"):
            chosen = next(one for one in arrive(page, run=KEY).sidebar.selectbox if one.label in ("Run", "Network"))
            assert any(word in option for option in chosen.options), (page, chosen.options)
            assert not any(other in option for option in chosen.options), (page, chosen.options)
        assert word in said(visit(run=KEY))
        assert ("An example that ships" in said(visit())) is not here
        look = services.look(KEY, moving=False)
        assert look.store.root == store.root and look.log == store.log(KEY)


def test_until_its_first_moment_the_run_made_here_hides_nothing(cache, both, shipped, monkeypatch):
    (cache.root / "runs" / KEY).mkdir(parents=True)
    shutil.copy(both["here"].root / "runs" / KEY / "spec.json", cache.root / "runs" / KEY)
    assert services.store_of(KEY) is services.example() and [run.key for run in library.listed()] == [KEY]
    monkeypatch.setattr(services.board(), "_launch", lambda work: None)
    services.board().start(SPEC, "me")
    app = visit(run=KEY)  # but the page on which it is started waits for it
    assert "Waiting in the queue" in said(app)
    arrive("spectra", run=KEY)


def test_what_was_made_of_the_one_never_stands_beside_the_other(cache, both, shipped):
    dice, here = random.Random(8), False
    written: dict[tuple[str, bool], bytes] = {}
    for turn in range(60):
        do, name = dice.choice(("write", "write", "switch")), dice.choice(NAMES)
        if do == "write":
            written[name, here] = f"{name} {turn}".encode()
            source = str(services.store_of(KEY).root)
            Artifacts(cache.root, of=source).write(KEY, name, written[name, here])  # as the workers do
        elif here:
            services.board().delete(KEY)
            here, written = False, {one: content for one, content in written.items() if not one[1]}
        else:
            make_here(cache, both)
            here = True
        for one in NAMES:
            assert contests._content(KEY, one) == written.get((one, here))


def test_workers_put_what_they_make_where_the_run_is_that_they_made_it_of(cache, both, shipped):
    choice = Choice(KEY, EPOCH, "magnitude")
    found = {}
    for here in (False, True):
        if here:
            make_here(cache, both)
        assert not atlases.there(choice)
        task = {"task": "atlas", "root": str(cache.root), "source": str(services.store_of(KEY).root)}
        worker.atlas_task(task | {"choices": [asdict(choice)]}, queue.Queue(), lambda kind, **values: None)
        assert atlases.there(choice)
        found[here] = atlases._read(choice).correct.tolist()
    assert found[True] != found[False]
    services.board().delete(KEY)
    assert atlases._read(choice).correct.tolist() == found[False]


def test_the_very_same_run_made_here_has_what_ships_of_it(cache, shipped):
    Artifacts(shipped.root).write(KEY, NAMES[0], b"shipped")
    shutil.copytree(shipped.root / "runs" / KEY, cache.root / "runs" / KEY)
    assert services.store_of(KEY).root == cache.root and contests._content(KEY, NAMES[0]) == b"shipped"
    (shipped.root / "atlases" / KEY / NAMES[0]).unlink()


def test_what_an_earlier_version_kept_of_the_shipped_run_is_set_apart(cache, both, shipped):
    Artifacts(cache.root).write(KEY, NAMES[0], b"of the shipped one")
    services.board.clear()
    assert contests._content(KEY, NAMES[0]) == b"of the shipped one"
    assert (cache.root / "atlases" / f"{KEY}{SHIPPED}" / NAMES[0]).is_file()
    make_here(cache, both)
    assert contests._content(KEY, NAMES[0]) is None


@pytest.mark.parametrize("damaged", [None, *NAMES[:3], "film-1.npz"])
def test_a_row_is_made_of_what_is_there_of_a_run_and_what_is_missing_or_damaged_is_left_empty(cache, both, damaged):
    make_here(cache, both)
    artifacts = Artifacts(cache.root)
    app = arrive(
        "spectra", run=KEY
    )  # the page on low rank keeps a film, and no random cuts for the claim on the penalty
    while not artifacts.written(KEY, "film-1.npz"):
        again(app)
    if damaged:
        artifacts.write(KEY, damaged, b"damaged")
    row = results._judged(cache, artifacts, KEY, SPEC) | results._reduced(artifacts, KEY, [])
    assert row["penalty"] == "" and row["pca"] == "" and (row["low_rank"] == "") == (damaged == "film-1.npz")


def test_a_button_of_the_welcome_page_still_starts(cache, both, shipped):
    make_here(cache, both)
    assert "made here" in said(visit()) and button(visit(), "Start")
