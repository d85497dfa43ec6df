"""A run that ships and the same run made here have one key: every page opens either and says which, and no figure of the one is
ever under the name of the other."""

import json
import shutil
from dataclasses import replace

import pytest
from blobs import unpack
from small import digits
from visiting import again, arrive, button, said, visit
from waiting import wait_until

from core import experiment
from core.artifacts import Sources
from core.artifacts.kept import Artifacts
from core.atlas.artifacts import AtlasOf
from core.claims import pca, penalty_search, random_cuts, reductions
from core.claims.spectral_history import HistoryOf
from core.judge import results
from core.store import Store
from core.store.files import SHIPPED
from pages.shared import asked, elements, library, services

SPEC = digits(max_epochs=6, target_accuracy=0.9)
KEY, TWIN = SPEC.key(), pca.twin(SPEC).key()
EPOCH = 5
CLAIMS = ("spectra", "penalty", "contest")


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[str, Store]:
    """The same runs as another computer made them, which ship, and as this one does. The former have another seed's numbers."""
    stores = {"here": Store(tmp_path_factory.mktemp("here")), "shipped": Store(tmp_path_factory.mktemp("there"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNING_DEVICE", "cpu")
        for spec in (SPEC, pca.twin(SPEC)):
            list(experiment.run(spec, stores["here"]))
            other = replace(spec, seed=1)
            list(experiment.run(other, stores["shipped"]))
            (stores["shipped"].root / "runs" / other.key()).rename(stores["shipped"].root / "runs" / spec.key())
            (stores["shipped"].root / "runs" / spec.key() / "spec.json").write_text(json.dumps(spec.to_dict()))
        for name, store in stores.items():
            sources = Sources(Store(tmp_path_factory.mktemp(f"tries of {name}")), {KEY: store, TWIN: store})
            for one in of_a_run(store):
                Artifacts(store.root).ensure(one, sources)
    return stores


def of_a_run(store: Store) -> list:
    """All that pages show of the run."""
    cuts = [line["epoch"] for line in store.log(KEY) if line["kind"] == "Pruned"]
    atlases = [AtlasOf(KEY, EPOCH, name) for name in ("activation-frequency", "magnitude")]
    atlases += [AtlasOf(KEY, EPOCH, "random-matched", draw=draw) for draw in range(5)]
    held = [pca.ContestOf(KEY), *reductions.of_matching(KEY, "rank")]
    return [*atlases, HistoryOf(KEY), *random_cuts.of_cuts(KEY, cuts), *held, penalty_search.SearchOf(KEY)]


@pytest.fixture
def shipped(cache, both, monkeypatch) -> Store:
    """It is what ships."""
    monkeypatch.setattr(services, "EXAMPLE", both["shipped"].root)
    return both["shipped"]


def make_here(cache: Store, both, *, artifacts=False) -> None:
    for key in (KEY, TWIN):
        shutil.copytree(both["here"].root / "runs" / key, cache.root / "runs" / key)
    if artifacts:
        shutil.copytree(both["here"].root / "atlases", cache.root / "atlases")


@pytest.fixture
def sent(monkeypatch) -> dict[str, tuple[dict, dict]]:
    """What each element of a page was given last, read as a browser reads it."""
    given: dict[str, tuple[dict, dict]] = {}

    def element(name: str):
        def draw(blob, **_):
            given[name] = unpack(blob)

        return draw

    for name in ("stage", "film", "penalty", "strength", "contest"):
        monkeypatch.setattr(elements, name, element(name))
    monkeypatch.setattr(elements, "feed", lambda news, **_: None)
    return given


def figures(sent) -> dict[str, str]:
    """All numbers that a browser was given, without the name of the run."""
    return {
        name: json.dumps(
            {word: value for word, value in header.items() if word not in ("run", "label", "link")}, sort_keys=True
        )
        + "".join(f"{word} {array.tobytes().hex()}" for word, array in sorted(arrays.items()))
        for name, (header, arrays) in sent.items()
    }


def opened(page: str, run: str, sent: dict) -> tuple[str, dict[str, str]]:
    """What a page says of the run, and all figures that it draws, once nothing is under way any more."""
    sent.clear()
    more = {"epoch": str(EPOCH)} if page == "slider" else {}
    app = arrive(page, run=run, **more)
    while any(job.live for job in services.board().jobs()):
        wait_until(lambda: not any(job.live for job in services.board().jobs()), what="the workers")
        again(app)
    again(app)
    assert not app.exception and not app.error, (page, run, app.error)
    chosen = next(one for one in app.sidebar.selectbox if one.label in ("Run", "Network"))
    return chosen.format_func(chosen.value) if callable(
        getattr(chosen, "format_func", None)
    ) else chosen.value, figures(sent)


def test_every_page_on_each_of_the_two_shows_its_own_figures_only(cache, both, shipped, sent, monkeypatch):
    """The run that ships alone; then both, each by its name; then, that of this computer deleted, the one that ships again."""
    pages = ("slider", *CLAIMS)
    alone = {page: opened(page, KEY, sent)[1] for page in pages}
    assert all(alone[page] for page in pages)
    make_here(cache, both, artifacts=True)
    here = {page: opened(page, KEY, sent)[1] for page in pages}
    ships = {page: opened(page, KEY + SHIPPED, sent)[1] for page in pages}
    begun = [job.key for job in services.board().jobs()]
    assert begun == []  # all of it was there, of either
    for page in pages:
        assert alone[page] == ships[page], page
        for element, drawn in here[page].items():
            assert drawn != ships[page][element], (page, element)
    monkeypatch.setattr("core.jobs.WATCHED_SECONDS", 0.0)
    services.board().delete(KEY)
    for page in pages:
        assert opened(page, KEY, sent)[1] == alone[page], page


def test_what_is_not_there_of_the_one_is_made_though_it_is_there_of_the_other(cache, both, shipped, sent):
    make_here(cache, both)
    for page in ("slider", *CLAIMS):
        opened(page, KEY, sent)
    made = {job.kind for job in services.board().jobs()}
    assert made == {"atlas", "random-cuts", "contest"}
    sources = {"here": Sources(cache), "shipped": Sources(both["shipped"])}
    contest = asked.value(pca.ContestOf(KEY))
    held = {name: Artifacts(both[name].root).get(pca.ContestOf(KEY), Sources(both[name])) for name in both}
    assert contest.answers.tobytes() == held["here"].answers.tobytes() != held["shipped"].answers.tobytes()
    assert sources["here"].fingerprint((KEY, EPOCH)) != sources["shipped"].fingerprint((KEY, EPOCH))


@pytest.mark.parametrize("run", [KEY, KEY + SHIPPED])
def test_both_are_in_the_menus_and_each_says_which_it_is(cache, both, shipped, sent, run):
    make_here(cache, both, artifacts=True)
    for page in ("slider", *CLAIMS):
        app = arrive(page, run=run)
        chosen = next(one for one in app.sidebar.selectbox if one.label in ("Run", "Network"))
        for word in ("made here", "ships with the explorer"):
            assert sum(word in option for option in chosen.options) == (2 if page in ("slider", "spectra") else 1), page
        assert app.query_params["run"] in (run, [run])
    word = "ships with the explorer" if run.endswith(SHIPPED) else "made here"
    assert word in said(visit(run=run))


def test_while_none_was_made_here_the_one_that_ships_is_there_once(cache, both, shipped):
    assert [run.key for run in library.listed()].count(KEY) == 1 and services.store_of(KEY) is services.example()
    assert "ships with the explorer" in said(visit(run=KEY)) and "An example that ships" in said(visit())
    make_here(cache, both)
    assert sorted(run.key for run in library.listed() if run.key.startswith(KEY)) == [KEY, KEY + SHIPPED]
    assert services.store_of(KEY).root == cache.root and services.store_of(KEY + SHIPPED) is services.example()
    for name in (KEY, KEY + SHIPPED):
        look = services.look(name, moving=False)
        assert look.run.key == name and look.log == look.store.log(name)


@pytest.mark.parametrize(
    "name", [f"{KEY}@here", f"@shipped{KEY}", f"{KEY}{SHIPPED}{SHIPPED}", SHIPPED, f"../{KEY}{SHIPPED}"]
)
def test_another_word_behind_the_key_is_no_run(cache, both, shipped, name):
    app = visit(run=name)
    assert "is not the name of a run" in said(app) and not app.exception
    app = arrive("spectra", run=name)
    assert "not stored here" in said(app) and not app.exception


def test_until_its_first_moment_the_run_made_here_hides_nothing(cache, both, shipped, monkeypatch):
    (cache.root / "runs" / KEY).mkdir(parents=True)
    shutil.copy(both["here"].root / "runs" / KEY / "spec.json", cache.root / "runs" / KEY)
    assert services.store_of(KEY) is services.example() and [run.key for run in library.listed()].count(KEY) == 1
    monkeypatch.setattr(services.board(), "_launch", lambda work: None)
    services.board().start(SPEC, "me")
    app = visit(run=KEY)  # but the page on which it is started waits for it
    assert "Waiting in the queue" in said(app)
    arrive("spectra", run=KEY)


def test_the_very_same_run_made_here_has_what_ships_of_it(cache, shipped):
    """Bit for bit: by the fingerprints, whoever made it."""
    for key in (KEY, TWIN):
        shutil.copytree(shipped.root / "runs" / key, cache.root / "runs" / key)
    assert services.store_of(KEY).root == cache.root and all(map(asked.there, of_a_run(shipped)))


def test_the_run_that_ships_cannot_be_deleted_under_either_name(cache, both, shipped):
    make_here(cache, both)
    app = arrive("runs")
    assert services.store_of(KEY + SHIPPED) is services.example()
    assert [run.key for run in library.listed()].count(KEY + SHIPPED) == 1 and not app.exception
    with pytest.raises(ValueError):
        services.board().delete(KEY + SHIPPED)
    assert (cache.root / "runs" / KEY).is_dir() and (shipped.root / "runs" / KEY).is_dir()


@pytest.mark.parametrize("missing", [None, "contest", "random-cuts", "spectral-history", "factors"])
def test_a_row_is_made_of_what_is_there_of_a_run_and_what_is_missing_is_left_empty(cache, both, missing):
    make_here(cache, both, artifacts=True)
    artifacts = Artifacts(cache.root)
    for file in artifacts.root.glob(f"*/{missing}-*"):
        file.unlink()
    row = results._judged(cache, artifacts, KEY, SPEC) | results._reduced(cache, artifacts, KEY, [0] * 360)
    cuts = missing == "random-cuts"
    assert (row["penalty"] == "") == (row["low_rank"] == "") == cuts  # the history can be read from the run itself
    assert (row["pca"] == "") == (missing == "contest")
    assert (row["pca_retrained"] == "") == (missing in ("contest", "factors"))


def test_a_button_of_the_welcome_page_still_starts(cache, both, shipped):
    make_here(cache, both)
    assert "made here" in said(visit()) and button(visit(), "Start")
