"""The contract of units: what a science plug-in is, and what it may know.

Import from here::

    from skymesh.units import Analyser, LightCurve, Result
"""

from skymesh.errors import MissingInputError, TransientError
from skymesh.lightcurve import LightCurve
from skymesh.model.point import DataPoint
from skymesh.model.state import State
from skymesh.units.filter import Filter, TableFilter, Verdict, Verdicts
from skymesh.units.inputs import DataPoints
from skymesh.units.reaction import Delivery, Earlier, Message, Reaction, Sighting
from skymesh.units.table import AlertTable, AlertView
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
    "Combiner",
    "DataPoint",
    "DataPoints",
    "Delivery",
    "Earlier",
    "Filter",
    "LightCurve",
    "Message",
    "MissingInputError",
    "ObjectView",
    "ProductFile",
    "Reaction",
    "Reactor",
    "Result",
    "Sighting",
    "State",
    "Summary",
    "TableFilter",
    "Tabulator",
    "TransientError",
    "Unit",
    "Verdict",
    "Verdicts",
]
