"""`python -m core.fingerprints`: does this computer give the same bits as every other? (`publish/fingerprints`)."""

import sys

from core.publish.fingerprints import main

if __name__ == "__main__":
    sys.exit(main())
