"""The menu, the page's settings and the shared sidebar. `streamlit run app.py`."""

import streamlit as st

from pages.shared import link, services
from pages.watch import sidebar

st.set_page_config(page_title="Pruning Explorer", page_icon="✂️", layout="wide")
services.settle()
services.style()
watch = [
    st.Page("pages/watch/live.py", title="A run, live", icon=":material/play_circle:", default=True),
    st.Page("pages/watch/runs.py", title="Stored runs", icon=":material/folder_open:"),
    st.Page("pages/watch/compare.py", title="Side by side", icon=":material/compare:"),
]
explore = [st.Page("pages/explore/slider.py", title="One slider", icon=":material/tune:")]
claims = [
    st.Page("pages/claims/spectra.py", title="Low rank", icon=":material/stacked_line_chart:"),
    st.Page("pages/claims/contest.py", title="The PCA contest", icon=":material/swords:"),
    st.Page("pages/claims/penalty.py", title="Against a penalty", icon=":material/balance:"),
]
judge = [st.Page("pages/judge/judge.py", title="Judge", icon=":material/gavel:")]
page = st.navigation({"Watch": watch, "Explore": explore, "Test the claims": claims, "Judge": judge})
link.arrived(page.url_path)
services.introduce(page.url_path)  # once the page is known: its rerun, which may come at once, is then of this page
if page in watch:
    sidebar.draw()
page.run()
