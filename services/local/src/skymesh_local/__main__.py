"""``python -m skymesh_local`` is the command ``skymesh``."""

from skymesh_local.cli import main

main()
