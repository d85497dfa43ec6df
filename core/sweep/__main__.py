"""`python -m core.sweep`: a grid of runs, on the cores of this machine or on a Dask cluster."""

import sys

from core.sweep import main

if __name__ == "__main__":
    sys.exit(main())
