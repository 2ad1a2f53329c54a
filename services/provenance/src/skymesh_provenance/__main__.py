"""``python -m skymesh_provenance`` serves provenance until it is told to stop."""

import sys

from skymesh_provenance.app import main

if __name__ == "__main__":
    sys.exit(main())
