"""``python -m skymesh_ingest`` serves ingest until it is told to stop."""

import sys

from skymesh_ingest.app import main

if __name__ == "__main__":
    sys.exit(main())
