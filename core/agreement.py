"""`python -m core.agreement`: how far criteria agree on what to cut, as rows that ship (`claims/agreement`)."""

import sys

from core.claims.agreement import main

if __name__ == "__main__":
    sys.exit(main())
