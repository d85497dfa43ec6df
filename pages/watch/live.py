"""Watch a run being trained and pruned: choose on the left, press Start."""

import streamlit as st

from pages.shared import link, services, session
from pages.watch import download, sidebar, watching

visitor = services.visitor()
link.tell(sidebar.in_link())
try:
    spec = sidebar.chosen()
except ValueError as error:
    spec = None
    st.error(session.literal(f"This cannot be run: {error}."))
download.offer(spec, visitor)
watching.draw(spec, visitor)
