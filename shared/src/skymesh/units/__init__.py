"""The contract of units: what a science plug-in is, and what it may know.

Import from here::

    from skymesh.units import Analyser, LightCurve, Result
"""

from skymesh.catalogue import Catalogue, Cut
from skymesh.errors import MissingInputError, TransientError
from skymesh.lightcurve import LightCurve
from skymesh.model.point import DataPoint
from skymesh.model.state import State
from skymesh.units.filter import Filter, TableFilter, Verdict, Verdicts
from skymesh.units.inputs import Brightest, Cutouts, DataPoints, First, Newest, Position
from skymesh.units.reaction import Delivery, Earlier, Message, Reaction, Sighting
from skymesh.units.sieve import Sieve
from skymesh.units.table import AlertTable, AlertView, values_at
from skymesh.units.unit import (
    Analyser,
    Combiner,
    ObjectView,
    ProductFile,
    Reactor,
    Result,
    Summary,
    Tabulator,
    Unit,
)

__all__ = [
    "AlertTable",
    "AlertView",
    "Analyser",
    "Brightest",
    "Catalogue",
    "Combiner",
    "Cut",
    "Cutouts",
    "DataPoint",
    "DataPoints",
    "Delivery",
    "Earlier",
    "Filter",
    "First",
    "LightCurve",
    "Message",
    "MissingInputError",
    "Newest",
    "ObjectView",
    "Position",
    "ProductFile",
    "Reaction",
    "Reactor",
    "Result",
    "Sieve",
    "Sighting",
    "State",
    "Summary",
    "TableFilter",
    "Tabulator",
    "TransientError",
    "Unit",
    "Verdict",
    "Verdicts",
    "values_at",
]
