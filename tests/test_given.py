"""What the page gives a control, beside browsers that have yet to hear of it: their old answers undo nothing."""

import random

import pytest
from small import digits
from streamlit.testing.v1 import AppTest
from visiting import button, visit

from pages.judge import asking
from pages.shared import library
from pages.watch import controls

LETTERS = "abcdef"


def page() -> None:
    """A page with one control, which a button of the page may set."""
    import streamlit as st

    from pages.shared import given

    given.give("letter", given.value("letter", "a"))
    st.selectbox("Letter", list("abcdef"), key=given.name("letter"))
    for letter in "abcdef":
        st.button(f"give {letter}", on_click=given.give, args=("letter", letter))
    st.write(f"It is {given.value('letter')}.")


def says(app: AppTest) -> str:
    assert not app.exception
    return app.markdown[0].value


KINDS = ("selectbox", "slider", "number_input", "text_input", "toggle", "multiselect", "select_slider")


def browser(app: AppTest):
    """What the browser has now, with what its controls say."""
    for kind in KINDS:
        for one in getattr(app, kind):
            one._value = one.value
    return app._tree


def answers_late(app: AppTest, before) -> AppTest:
    """The browser polls with what it had before it heard of the last run."""
    app._tree = before
    for one in app.button:
        one._value = False
    return app.run()


@pytest.mark.parametrize("seed", range(6))
def test_late_answers_undo_nothing_that_was_given_or_chosen(seed):
    rng, wanted = random.Random(seed), "a"
    app = AppTest.from_function(page).run()
    for _ in range(15):
        letter = rng.choice(LETTERS)
        if rng.random() < 0.4:
            app.selectbox[0].set_value(letter).run()
        else:
            before = browser(app)
            button(app, f"give {letter}").click().run()
            for _ in range(rng.randrange(3)):
                answers_late(app, before)
        wanted = letter
        assert says(app) == f"It is {wanted}."
        assert app.selectbox[0].value == wanted


def test_a_preset_stands_beside_a_browser_that_polls(cache):
    app = visit()
    app.selectbox(key="choose criterion").set_value("magnitude").run()
    before = browser(app)
    button(app, "As in the released code").click().run()
    released = [one.value for one in app.selectbox]
    assert "inactivity" in released
    answers_late(app, before)
    assert [one.value for one in app.selectbox] == released


def labelled(app: AppTest, label: str):
    return next(one for kind in KINDS for one in getattr(app, kind) if one.label == label)


def judge_page() -> None:
    """The Judge's switches, with buttons that show what ships and what ran here."""
    import streamlit as st

    from core.judge import questions, results
    from pages.judge import asking

    for made in asking.ORIGINS:
        st.button(f"show {made}", on_click=asking.show, args=(made,))
    choice = asking.chosen([row | {questions.CUT: 90.0} for row in results.shipped()])
    st.write(f"{choice.made} {choice.setting.dataset} {100 * choice.setting.ratio:g} {choice.setting.rounds}")


@pytest.mark.parametrize("seed", range(4))
def test_late_answers_undo_no_choice_of_the_judges(cache, seed):
    rng, app = random.Random(seed), AppTest.from_function(judge_page).run()
    for _ in range(12):
        before, made = browser(app), rng.choice(list(asking.ORIGINS))
        if rng.random() < 0.5:
            button(app, f"show {made}").click().run()
            assert says(app).startswith(f"{made} ")
        else:  # another data set may lack the ratio, another ratio the rounds: the page then sets what is there
            one = labelled(app, rng.choice(["Data set", "Rounds of pruning", "Results"]))
            one.select_index(rng.randrange(len(one.options)))
            app.run()
            before = browser(app)
        told = says(app)
        shown = [(one.label, one.value) for one in app.selectbox]
        for _ in range(rng.randrange(3)):
            answers_late(app, before)
            assert says(app) == told and [(one.label, one.value) for one in app.selectbox] == shown


def pair_page() -> None:
    """The two menus of "Side by side", with buttons that choose two runs elsewhere."""
    import streamlit as st

    from pages.shared import library, pair

    runs = library.listed()
    for run in runs:
        st.button(f"beside {run.key}", on_click=pair.choose, args=(run.key, runs[0].key))
    st.write(" ".join(run.key for run in pair.chosen(runs)))


@pytest.mark.parametrize("seed", range(4))
def test_late_answers_undo_no_pair(with_runs, seed):
    rng, app = random.Random(seed), AppTest.from_function(pair_page).run()
    keys = [run.key for run in library.listed()]
    for _ in range(12):
        key = rng.choice(keys)
        before = browser(app)
        button(app, f"beside {key}").click().run()
        for _ in range(rng.randrange(3)):
            answers_late(app, before)
        assert says(app) == f"{key} {keys[0]}"
        assert [labelled(app, f"Run {name}").value for name in "AB"] == [key, keys[0]]


@pytest.mark.parametrize("seed", range(4))
def test_late_answers_neither_halt_a_replay_nor_turn_it_back(with_runs, seed):
    rng, run = random.Random(seed), with_runs.open(digits().key())
    app = visit(run=run.key)
    answers = [browser(app)]
    button(app, "Replay").click().run()
    epochs = [labelled(app, "Epoch").value]
    while epochs[-1] != run.last_epoch:
        answers.append(browser(app))
        answers_late(app, rng.choice(answers))
        epochs.append(labelled(app, "Epoch").value)
    assert epochs == list(run.epochs)[1:]
    button(app, "Replay").click().run()
    labelled(app, "Epoch").set_value("epoch 0").run()  # a person's hand halts it
    assert labelled(app, "Epoch").value == 0 and button(app, "Replay")


def switches_page() -> None:
    """The switches of one of two runs under way, which a button opens."""
    import streamlit as st

    from core.jobs.job import Job
    from pages.watch import controls

    jobs = {
        "fast": Job("fast", "run", "me", "fast", state="training"),
        "slow": Job("slow", "run", "me", "slow", state="training", pause_at_cuts=True, pace=1.0),
    }
    for name in jobs:
        st.button(name, on_click=lambda name=name: st.session_state.update(shown=name))
    shown = st.session_state.get("shown", "fast")
    controls._switches(*st.columns(2), jobs[shown], "me", True)
    st.write(shown)


@pytest.mark.parametrize("seed", range(4))
def test_late_answers_switch_nothing_in_another_run(cache, monkeypatch, seed):
    sent = []
    monkeypatch.setattr(controls, "_command", lambda *args, **values: sent.append((args, values)))
    rng, app = random.Random(seed), AppTest.from_function(switches_page).run()
    for _ in range(12):
        name, before = rng.choice(["fast", "slow"]), browser(app)
        button(app, name).click().run()
        for _ in range(rng.randrange(3)):
            answers_late(app, before)
        wanted = (True, "1 epoch a second") if says(app) == "slow" else controls.NEXT
        assert says(app) == name and (app.toggle[0].value, app.selectbox[0].value) == wanted
    assert not sent
    labelled(app, "Pace").set_value("1 in 3 seconds").run()
    assert [values for _, values in sent] == [{"seconds": 3.0}]
