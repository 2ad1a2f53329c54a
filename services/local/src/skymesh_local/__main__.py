"""``python -m skymesh_local`` is the command ``skymesh``; an interrupt while it loads is no traceback."""

import gc
import sys


def main() -> None:
    """Load the command line and run it."""
    # What is loaded stays: to look through it for garbage, now and at the end, takes a quarter of a command.
    gc.disable()
    try:
        from skymesh_local.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("skymesh: stopped; the same command again goes on\n")
        sys.exit(130)
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
