"""``python -m skymesh_t1`` serves T1 until it is told to stop."""

import sys

from skymesh_t1.app import main

if __name__ == "__main__":
    sys.exit(main())
