"""Watch a run being trained and pruned: choose on the left, press Start."""

import streamlit as st

from pages.parts import download, services, session, sidebar, watching

visitor = services.visitor()
session.open_from_link()
if problem := st.session_state.pop("link problem", None):
    st.warning(problem)
try:
    spec = sidebar.chosen()
except ValueError as error:
    spec = None
    st.error(session.literal(f"This cannot be run: {error}."))
download.offer(spec, visitor)
watching.draw(spec, visitor)
