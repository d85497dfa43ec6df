"""`python -m core.tables`: the table of docs/results.md, every arm on full data (`publish/tables`)."""

import sys

from core.publish.tables import main

if __name__ == "__main__":
    sys.exit(main())
