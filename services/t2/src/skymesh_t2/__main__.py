"""``python -m skymesh_t2`` serves T2 until it is told to stop."""

import sys

from skymesh_t2.app import main

if __name__ == "__main__":
    sys.exit(main())
