"""`python -m core.tables`: README's table of every arm on full data (`publish/tables`)."""

import sys

from core.publish.tables import main

if __name__ == "__main__":
    sys.exit(main())
