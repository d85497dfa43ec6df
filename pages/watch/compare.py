"""Two stored runs side by side."""

import streamlit as st

from core import figures
from core.figures import Course
from pages.parts import library, services

st.markdown("### Two runs side by side")
runs = [run for run in library.listed() if run.epochs and run.spec]
if len(runs) < 2:
    st.info(
        "Two stored runs are needed. Train one with another criterion or seed on the page “A run, live”, then come back."
    )
    st.stop()
labels = {run.key: f"{run.label} ({run.key[:4]})" for run in runs}
wanted = [key for key in st.session_state.get("compare", []) if key in labels]
picked = []
for place, column in enumerate(st.columns(2)):
    index = list(labels).index(wanted[place]) if place < len(wanted) else place
    picked.append(
        column.selectbox(f"Run {'AB'[place]}", list(labels), index, format_func=labels.get, key=f"compare {place}")
    )
courses = [Course(f"{'AB'[place]}: {labels[key]}", services.store_of(key).log(key)) for place, key in enumerate(picked)]
st.plotly_chart(figures.accuracy(courses), width="stretch", key="compare chart")
for place, column in enumerate(st.columns(2)):
    with column:
        library.still(next(run for run in runs if run.key == picked[place]), name="AB"[place])
