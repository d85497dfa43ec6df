"""Every page through app.py, without a browser: what it says, offers and refuses. Elements and keys: test_browser."""

import time
from dataclasses import replace

import pytest
from small import digits
from streamlit.testing.v1 import AppTest
from visiting import PAGES, REPOSITORY, button, said, visit

from core import criteria, datasets, experiment, spec
from core.jobs.job import Job
from core.spec import PenaltySpec, PruningSpec, RunSpec, as_released
from pages.shared import services
from pages.watch import sidebar, watching

PAPERS = RunSpec(
    arithmetic="native"
)  # the paper's protocol as the sidebar asks for it: live runs are this computer's own


def choose(app: AppTest, **choices) -> AppTest:
    for name, value in choices.items():
        place = f"choose {name}"
        kinds = (app.selectbox, app.text_input, app.slider, app.number_input, app.toggle)
        widget = next(one for kind in kinds for one in kind if one.key == place)
        widget.set_value(str(value) if widget in app.text_input else value)
    app.run()
    assert not app.exception, app.exception
    return app


# Every page


WATCH = ("live", "runs", "compare")
CLAIMS = ("spectra", "contest", "penalty")


def test_all_pages_are_tested():
    assert set(PAGES) == {*WATCH, "slider", *CLAIMS, "judge"}


@pytest.mark.parametrize("page", WATCH)
def test_a_page_opens_with_nothing_stored(cache, page):
    app = visit(page)
    assert not app.error
    assert [box.label for box in app.sidebar.selectbox][:2] == ["Data", "Criterion: what goes first"]
    assert not (cache.root / "runs").exists()  # looking writes nothing


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_with_runs_stored(with_runs, page):
    assert not visit(page).error


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_run_breaks_no_page(cache, page):
    for name, content in (("spec.json", b"{"), ("events.jsonl", b"\x00\xff"), ("done.json", b"")):
        folder = cache.root / "runs" / "0123456789abcdef"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    visit(page)


# Watch


def test_the_first_visit_shows_the_example_and_one_obvious_button(cache):
    app = visit()
    assert "An example that ships with the explorer" in said(app)
    start = button(app, "Start")
    assert not start.disabled
    assert [one.label for one in app.main.button if not one.disabled] == ["Start"]


def test_a_run_deleted_since_leaves_the_welcome_page(cache):
    spec = digits(max_epochs=1)
    list(experiment.run(spec, cache))
    app = visit(run=spec.key())
    assert "Epoch limit reached" not in said(app) and "An example that ships" not in said(app)
    cache.delete(spec.key())
    app.run()
    assert not app.exception and "An example that ships" in said(app)


def test_without_the_example_the_page_still_says_what_to_do(cache, monkeypatch, tmp_path):
    monkeypatch.setattr(services, "EXAMPLE", tmp_path / "none")
    assert "Nothing is stored yet. Press Start" in said(visit())


def test_a_stored_run_named_in_the_link_is_shown_and_stays_in_the_link(with_runs):
    key = digits().key()
    app = visit(run=key)
    assert app.session_state["watching"] == key
    assert app.query_params["run"] == [key] or app.query_params["run"] == key
    assert f"key {key}" in said(app)
    assert button(app, "Prune now to 90 %").disabled is False


def test_an_unfinished_run_can_be_resumed(with_runs):
    app = visit(run=digits(seed=2).key())
    assert not button(app, "Resume").disabled


@pytest.mark.parametrize("wrong", ["ffffffffffffffff", "../../etc", "", "é"])
def test_a_link_to_a_run_that_is_not_here_is_told(cache, wrong):
    app = visit(run=wrong)
    if wrong:
        assert "The link asks for run = " in said(app)
    assert "An example that ships" in said(app)


def test_the_very_same_choice_is_not_trained_twice(with_runs):
    app = visit(run=digits(seed=1).key(), arithmetic="portable")
    choose(
        app, dataset="digits", hidden="24-16", rate=0.1, batch=16, epochs=7, start=60.0, target=90.0, ratio=60, rounds=3
    )
    assert sidebar_spec(app) == digits()
    button(app, "Start").click().run()
    assert app.session_state["watching"] == digits().key() and services.board().jobs() == []


def sidebar_spec(app: AppTest) -> RunSpec:
    """What the sidebar asks for."""
    return sidebar.spec_of(app.session_state["choice"])


# The sidebar


def test_the_default_is_the_papers_protocol_and_leaves_the_link_empty(cache):
    app = visit()
    assert sidebar_spec(app) == PAPERS
    assert not app.query_params


def test_the_presets_are_the_text_and_the_released_code_and_keep_data_and_seed(cache):
    app = choose(visit(), dataset="digits", seed=4)
    button(app, "As in the released code").click().run()
    assert sidebar_spec(app) == as_released("digits", seed=4, arithmetic="native")
    button(app, "As in the text").click().run()
    assert sidebar_spec(app) == replace(PAPERS, dataset="digits", seed=4)


@pytest.mark.parametrize("name", spec.BASELINES)
def test_the_papers_other_baselines_are_presets(cache, name):
    app = choose(visit(), seed=4, ratio=70)
    button(app, name.capitalize()).click().run()
    planned = replace(PAPERS, seed=4, pruning=PruningSpec(**spec.BASELINES[name][0]))
    assert sidebar_spec(app) == planned != replace(PAPERS, seed=4)


@pytest.mark.parametrize("name", criteria.names())
def test_every_criterion_is_in_the_menu_with_its_help_and_can_be_run(cache, name):
    app = visit()
    menu = app.sidebar.selectbox(key="choose criterion")
    label = criteria.get(name).label
    assert (label if name in sidebar.FIRST else f"More: {label}") in menu.options
    assert criteria.get(name).help in menu.help
    choose(app, criterion=name)
    assert not app.error and sidebar_spec(app).pruning.criterion == name
    assert not button(app, "Start").disabled


def test_the_four_a_class_needs_come_first_and_no_pruning_can_be_chosen(cache):
    app = visit()
    firsts = [criteria.get(name).label for name in sidebar.FIRST]
    assert app.sidebar.selectbox(key="choose criterion").options[:5] == [*firsts, "No pruning"]
    choose(app, criterion=sidebar.NONE)
    assert app.slider(key="choose ratio").disabled and app.slider(key="choose rounds").disabled
    assert sidebar_spec(app).pruning is None and not button(app, "Start").disabled


def test_the_penalty_is_off_until_it_is_switched_on_and_then_named_by_the_run(cache):
    app = visit()
    assert sidebar_spec(app).penalty is None
    for name, kind in (("lambda", app.text_input), ("every", app.text_input), ("method", app.selectbox)):
        assert kind(key=f"choose {name}").disabled
    choices = {"lambda": 0.02, "every": 7, "method": "gradient", "weighting": "index", "switching": "alternate-epochs"}
    app = choose(choose(app, penalty=True), **choices)
    made = PenaltySpec(strength=0.02, every=7, method="gradient", weighting="index", switching="alternate-epochs")
    assert sidebar_spec(app).penalty == made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sidebar.st, "session_state", {"choice": app.session_state["choice"]})
        started = sidebar.chosen()
    assert started == replace(PAPERS, penalty=made) and "nuclear-norm penalty λ 0.02" in started.label()
    assert not app.selectbox(key="choose method").disabled and not button(app, "Start").disabled
    button(app, "As in the text").click().run()
    assert sidebar_spec(app) == PAPERS


def test_the_penaltys_choices_are_those_of_the_spec_with_its_words(cache):
    app = visit()
    for name, allowed in (("method", spec.METHODS), ("weighting", spec.WEIGHTINGS), ("switching", spec.SWITCHINGS)):
        menu = app.sidebar.selectbox(key=f"choose {name}")
        assert menu.options == list(allowed)
        assert all(words in menu.help for words in allowed.values())


def test_every_control_has_help(cache):
    app = visit()
    bar = app.sidebar
    for widget in (*bar.selectbox, *bar.text_input, *bar.slider, *bar.number_input, *bar.toggle, *bar.button):
        assert widget.help, f"{widget.label} has no help"


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"hidden": "many"}, "the network 'many' is not a list of widths: write them like 300-200-100-50"),
        ({"hidden": ""}, "the network '' is not a list of widths"),
        ({"hidden": "²"}, "is not a list of widths"),
        ({"hidden": "30-0-10"}, "hidden layer width 0 is not allowed: give 1 to 8 hidden layers"),
        ({"hidden": "2000"}, "a hidden layer of 2,000 neurons is too wide for the page: allowed are 1..1024"),
        ({"hidden": "-".join(["10"] * 200)}, "hidden has 200 layers: give 1 to 8 hidden layers of 1..4096 neurons"),
        ({"rate": "fast"}, "Learning rate: 'fast' is not a number: write one in 0..1e12 like 0.05, 0,05 or 5e-2"),
        ({"rate": "1,000"}, "Learning rate: '1,000' may be read in two ways: write 1 or 1000"),
        ({"batch": "2,5"}, "Batch size: 2,5 is not a whole number: write one in 1..100000"),
        ({"epochs": ""}, "Epochs at most: no number is given: allowed are 1..10000"),
        ({"target": "101"}, "the data's own): 101 is outside 0..100"),
        ({"start": "99,9", "target": "92,3"}, "start_accuracy 0.999 is above the target accuracy 0.923 of"),
        ({"start": 99.0, "target": 90.0}, "start_accuracy 0.99 is above the target accuracy 0.9"),
        ({"criterion": "magnitude", "selection": "deviation"}, "cuts whole neurons but the criterion 'magnitude'"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_what_cannot_be_run_is_told_in_a_sentence_and_start_waits(cache, choices, sentence):
    app = choose(visit(), **choices)
    assert [error.value for error in app.error if sentence in error.value and "This cannot be run" in error.value]
    assert button(app, "Start").disabled


@pytest.mark.parametrize("text", ["0.05", "0,05", "5e-2", "5E-02", " ,05", "+0,050"])
def test_a_number_is_read_with_a_comma_as_with_a_point(cache, text):
    app = choose(visit(), rate=text, target="97,5")
    assert sidebar_spec(app) == replace(PAPERS, learning_rate=0.05, target_accuracy=0.975)
    assert not button(app, "Start").disabled and sidebar_spec(app).learning_rate == 0.05


def test_a_strength_that_cannot_be_read_matters_only_while_the_penalty_is_on(cache):
    app = choose(choose(visit(), penalty=True), **{"lambda": "1,000"})
    assert "Strength λ: '1,000' may be read in two ways" in said(app) and button(app, "Start").disabled
    app = choose(app, penalty=False)
    assert "two ways" not in said(app) and sidebar_spec(app) == PAPERS and not button(app, "Start").disabled


def test_a_preset_mends_a_number_that_cannot_be_read(cache):
    app = choose(visit(), rate="fast")
    assert button(app, "Start").disabled
    button(app, "As in the text").click().run()
    assert sidebar_spec(app) == PAPERS and not button(app, "Start").disabled
    shown = {one.label: one.value for one in app.text_input}
    assert shown["Learning rate"] == "0.01" and shown["First cut at training accuracy, %"] == "80"


# The link


def test_a_choice_is_in_the_link_and_the_link_makes_the_choice(cache):
    choices = {"dataset": "digits", "hidden": "20-10", "criterion": "magnitude", "ratio": 55, "rounds": 2, "seed": 9}
    choices |= {"rate": 0.5, "reset": True, "budget": "increment", "optimizer": "adam", "min_units": 2}
    choices |= {"penalty": True, "lambda": 0.02, "every": 7, "weighting": "index"}
    app = choose(choose(visit(), penalty=True), **choices)
    link = {name: value[0] if isinstance(value, list) else value for name, value in dict(app.query_params).items()}
    assert link == {name: str(value) for name, value in choices.items()}
    again = visit(**link)
    assert sidebar_spec(again) == sidebar_spec(app)
    for page in ("runs", "compare", "live"):
        again.switch_page(PAGES[page]).run()
        assert sidebar_spec(again) == sidebar_spec(app)  # the choice stays from page to page


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ratio", "100"), ("ratio", "-1"), ("ratio", "nan"), ("ratio", "much"), ("rounds", "0"), ("rounds", "101"),
        ("reset", "maybe"),
        ("hidden", "30-0"),
        ("seed", "-1"), ("rate", "nan"), ("rate", "inf"), ("rate", "-1"), ("batch", "0"), ("epochs", "0"),
        ("start", "101"), ("criterion", "taste"), ("dataset", "cats"), ("budget", "half"), ("min_units", "9999"),
        ("lambda", "-1"), ("lambda", "nan"), ("lambda", "1e9"), ("every", "0"), ("method", "guess"), ("weighting", "x"),
    ],
)  # fmt: skip
def test_a_wrong_link_is_told_and_the_default_stays(cache, name, text):
    app = visit(**{name: text})
    assert f"The link asks for {name} = {text!r}, which is not possible" in said(app)
    assert sidebar_spec(app) == PAPERS


def test_a_link_with_unknown_names_is_no_trouble(cache):
    assert sidebar_spec(visit(utm_source="mail", embed="true")) == PAPERS


# Data that is not here


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_data_set_that_is_not_here_offers_its_download_and_what_is(cache, name):
    app = choose(visit(), dataset=name)
    label = datasets.label(name)
    assert f"{label} is not on this computer. Here are: MNIST mini, Digits 8 × 8." in said(app)
    assert not button(app, f"Download {label}").disabled
    assert button(app, "Start").disabled


def test_a_damaged_file_of_ones_own_is_told_when_it_is_started(cache, monkeypatch, tmp_path):
    (tmp_path / "mine.npz").write_bytes(b"not a zip file")
    monkeypatch.setenv("PRUNING_DATA", str(tmp_path))
    app = choose(visit(), dataset="mine")
    button(app, "Start").click().run()
    assert not app.exception
    assert "mine.npz cannot be read" in said(app)


# Starting


def test_start_watches_the_run_and_without_torch_says_so(cache, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    app = visit()
    button(app, "Start").click().run()
    assert not app.exception
    assert "PyTorch is not installed here, so nothing can be trained" in said(app)
    assert "An example that ships" in said(app)


def test_a_cache_that_cannot_be_written_is_told(cache):
    cache.root.parent.mkdir(exist_ok=True)
    cache.root.write_text("a file where the folder should be")
    app = visit()
    button(app, "Start").click().run()
    assert not app.exception
    assert "cannot be written" in said(app) and "set PRUNING_CACHE to another folder" in said(app)


def test_a_bad_number_of_workers_is_told(cache, monkeypatch):
    monkeypatch.setenv("PRUNING_MAX_WORKERS", "several")
    app = visit()
    button(app, "Start").click().run()
    assert "PRUNING_MAX_WORKERS is 'several': give a whole number" in said(app)


# Stored runs, side by side


def test_the_list_shows_every_run_with_its_state(with_runs):
    app = visit("runs")
    table = app.dataframe[0].value
    assert len(table) == 5 and list(table["state"]).count("finished") == 4
    row = table[table["key"] == digits().key()].iloc[0]
    stored = with_runs.open(digits().key())
    assert row["epochs"] == stored.last_epoch and row["ended because"] == stored.reason
    assert row["weights zero, %"] == pytest.approx(60, abs=1)
    final = with_runs.events(digits().key())[-1]
    assert row["test accuracy, %"] == pytest.approx(100 * final.test_accuracy, abs=0.01)
    assert "ships with the explorer" in table["run"].iloc[-1]
    assert [button(app, label).disabled for label in ("Open", "Side by side", "Delete …")] == [True] * 3


def test_free_space_says_how_much_and_a_bad_quota_is_told(with_runs, monkeypatch):
    app = visit("runs")
    button(app, "Free space").click().run()
    assert "MB are free again. Starts, ends and cuts are kept." in said(app)
    monkeypatch.setenv("PRUNING_CACHE_GB", "lots")
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=250).run()
    app.switch_page(PAGES["runs"]).run()
    assert "PRUNING_CACHE_GB is 'lots': give a number of gigabytes" in said(app) and not app.exception


def test_side_by_side_shows_two_runs_each_at_its_own_epoch(with_runs):
    app = visit("compare")
    assert [box.label for box in app.main.selectbox] == ["Run A", "Run B"]
    sliders = app.select_slider
    assert [one.label for one in sliders] == ["Epoch of A", "Epoch of B"]
    sliders[0].set_value("0").run()
    assert not app.exception and "**A** · The start weights are drawn" in said(app)
    keys = [box.value for box in app.main.selectbox]
    assert len(set(keys)) == 2
    assert "**A** · " in said(app) and "**B** · " in said(app)


def test_side_by_side_needs_two_runs_and_says_so(cache, monkeypatch, tmp_path):
    monkeypatch.setattr(services, "EXAMPLE", tmp_path / "none")
    assert "Two stored runs are needed" in said(visit("compare"))


def test_a_run_on_the_page_can_be_taken_to_the_slider(with_runs):
    app = visit(run=digits().key())
    button(app, "Drag one slider over this network").click()
    app.run()
    assert not app.exception
    assert app.sidebar.selectbox(key="slider run").value == digits().key()
    assert app.sidebar.select_slider(key="slider epoch").value == with_runs.open(digits().key()).last_epoch


def test_a_few_get_pictures_with_each_slow_epoch_and_of_a_crowd_each_in_turn(cache, monkeypatch):
    live = Job("key", "run", "ann", "a run", state="training")
    slow, quick, every = [{"seconds": 1.2}], [{"seconds": 0.2}], watching.PICTURES_EVERY

    def due(watchers: int, log: list, visitor: str = "ann") -> list[int]:
        monkeypatch.setattr(services.board(), "watchers", lambda key: watchers)
        return [epoch for epoch in range(2 * every) if watching._pictures_due(live, log, epoch, visitor)]

    assert due(watching.FEW, slow) == list(range(2 * every))
    assert due(watching.FEW, quick) == due(1, quick) == [0, every]
    crowd = [due(30, log, f"visitor {number}") for number in range(30) for log in (slow, quick)]
    assert all(len(epochs) == 2 and epochs[1] - epochs[0] == every for epochs in crowd)
    at_once = [sum(epoch in epochs for epochs in crowd[::2]) for epoch in range(every)]
    assert sum(at_once) == 30 and max(at_once) <= 10  # never all of them at one epoch


def test_of_a_crowd_who_only_looks_on_is_answered_when_there_is_something_new(cache, monkeypatch):
    board, state = services.board(), {}
    watchers, numbers, waited = watching.FEW + 1, [7], []
    monkeypatch.setattr(board, "watchers", lambda key: watchers)
    monkeypatch.setattr(board, "owns", lambda key, visitor: visitor == "ann")
    training = Job("key", "run", "ann", "a run", state="training")
    assert watching._waits_for_news(training, "bob")
    assert not watching._waits_for_news(training, "ann")  # her buttons are answered at once
    assert not watching._waits_for_news(replace(training, state="paused"), "bob")
    assert not watching._waits_for_news(replace(training, state="finished"), "bob")
    watchers = watching.FEW
    assert not watching._waits_for_news(training, "bob")

    def wait_for_news(key, known, seconds):
        waited.append((key, known))
        if len(waited) == 3:
            numbers.append(8)

    monkeypatch.setattr(watching.st, "session_state", state)
    monkeypatch.setattr(board, "news", lambda key: numbers[-1])
    monkeypatch.setattr(board, "wait_for_news", wait_for_news)
    monkeypatch.setattr(watching, "CROWD_SECONDS", 0.0)
    watching._wait_for_news("key")  # nothing was drawn yet: at once
    assert waited == [] and state["news drawn"][:2] == ("key", 7)
    watching._wait_for_news("key")
    assert waited == [("key", 7)] * 3 and state["news drawn"][:2] == ("key", 8)
    watching._wait_for_news("another")
    assert len(waited) == 3 and state["news drawn"][:2] == ("another", 8)
    numbers.append(9)
    watching._wait_for_news("another")  # there are news: at once,
    assert len(waited) == 3 and state["news drawn"][:2] == ("another", 9)
    monkeypatch.setattr(watching, "CROWD_SECONDS", 0.1)
    numbers.append(10)
    began = state["news drawn"][2]
    watching._wait_for_news("another")  # but not sooner than the others are answered
    assert len(waited) == 3 and state["news drawn"][2] - began >= 0.1
    board.wait_for_news = lambda key, known, seconds: time.sleep(0.01)
    monkeypatch.setattr(watching, "NEWS_SECONDS", 0.05)
    watching._wait_for_news("another")  # nor longer than that without any
    assert state["news drawn"][:2] == ("another", 10)
