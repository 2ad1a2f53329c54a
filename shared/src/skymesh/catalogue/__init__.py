"""Catalogues of known objects: snapshots on disk in the HATS layout, searched by cones.

A catalogue is a folder: Parquet files by HEALPix tile whose rows are sorted by the order-29 index, so
that a cone reads few rows of few files. Its digest is that of its content; results name it.
"""

from skymesh.catalogue.catalogue import Catalogue
from skymesh.catalogue.matches import Cut, Matches

__all__ = ["Catalogue", "Cut", "Matches"]
