"""`python -m core.example`: the trained network, its pruned run and what is made of them, which ship (`publish/example`)."""

import sys

from core.publish.example import main

if __name__ == "__main__":
    sys.exit(main())
