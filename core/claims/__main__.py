"""`python -m core.claims`: the tables of docs/low-rank.md (`publish/claims`)."""

import sys

from core.publish.claims import main

if __name__ == "__main__":
    sys.exit(main())
