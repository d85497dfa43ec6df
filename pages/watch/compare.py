"""Two stored runs side by side."""

import streamlit as st

from core.views import figures
from core.views.figures import Trace
from pages.shared import library, link, pair, services
from pages.watch import sidebar

st.markdown("### Two runs side by side")
runs = [run for run in library.listed() if run.epochs and run.spec]
if len(runs) < 2:
    st.info(
        "Two stored runs are needed. Train one with another criterion or seed on the page “A run, live”, then come back."
    )
    st.stop()
both = pair.chosen(runs)
link.tell(pair.in_link(both))
link.put(sidebar.in_link() | pair.in_link(both))
logs = [services.store_of(run.key).log(run.key) for run in both]
courses = [Trace(name, log) for name, log in zip("AB", logs, strict=True)]
st.plotly_chart(figures.accuracy(courses), width="stretch", key="compare chart")
for name, run, column in zip("AB", both, st.columns(2), strict=True):
    with column:
        library.still(run, name=name)
