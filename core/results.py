"""`python -m core.results`: runs over seeds as rows that ship, and the cards that follow (`judge/results`)."""

import sys

from core.judge.results import main

if __name__ == "__main__":
    sys.exit(main())
