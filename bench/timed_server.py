"""`python -m bench.timed_server SCRIPT …` is `streamlit run SCRIPT …` with a stopwatch on its fragments: the milliseconds of
each rerun go to the file BENCH_TIMES."""

import functools
import os
import sys
import time

import streamlit
from streamlit.web import cli

plain_fragment = streamlit.fragment


def timed_fragment(function, **options):
    """`st.fragment`, with every run of the function timed."""

    @functools.wraps(function)
    def timed(*arguments, **named):
        began = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            with open(os.environ["BENCH_TIMES"], "a", encoding="utf-8") as file:
                file.write(f"{time.time()} {1000 * (time.perf_counter() - began)}\n")

    return plain_fragment(timed, **options)


if __name__ == "__main__":
    streamlit.fragment = timed_fragment
    sys.argv = ["streamlit", "run", *sys.argv[1:]]
    cli.main()
