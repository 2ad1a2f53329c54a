"""``python -m skymesh_deliver`` serves the deliverers until it is told to stop."""

import sys

from skymesh_deliver.app import main

if __name__ == "__main__":
    sys.exit(main())
