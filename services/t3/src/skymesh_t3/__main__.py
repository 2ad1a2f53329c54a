"""``python -m skymesh_t3`` serves T3 until it is told to stop."""

import sys

from skymesh_t3.app import main

if __name__ == "__main__":
    sys.exit(main())
