"""What the page gives a control, beside browsers that have yet to hear of it: their old answers undo nothing."""

import random

import pytest
from streamlit.testing.v1 import AppTest
from visiting import button, visit

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


KINDS = ("selectbox", "slider", "number_input", "text_input", "toggle", "multiselect")


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
