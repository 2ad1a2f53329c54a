"""``python -m skymesh_t0`` serves T0 until it is told to stop."""

import sys

from skymesh_t0.app import main

if __name__ == "__main__":
    sys.exit(main())
