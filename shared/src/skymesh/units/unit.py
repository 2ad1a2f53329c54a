"""The kinds of units, as base classes to write one's own from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict

from skymesh.lightcurve import LightCurve
from skymesh.units.reaction import Sighting

if TYPE_CHECKING:
    from skymesh.model.point import DataPoint


class Unit(BaseModel):
    """A science plug-in: a class with typed parameters and a version.

    Its annotated fields are its parameters; a job sets them under ``config:``. It knows nothing of
    brokers and stores and works in a notebook as it stands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: ClassVar[str]
    """Declared by each unit; whoever changes what it computes, changes it."""

    deadline_s: ClassVar[float] = 60.0
    """After so many seconds one execution is given up and settled as failed."""

    def catalogues_used(self, names: Collection[str]) -> Collection[str]:
        """Return which of a job's catalogues ``Mapping[str, Catalogue]`` gives to the unit: here all.

        Those alone enter the ids of what it computes, so another catalogue beside them changes nothing.
        """
        return names

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
        """Yield what is wrong with the parameters in a job that gives these inputs, a line each.

        Parameters
        ----------
        given
            For each input that is met, by parameter: what meets it, by name. That is the catalogues
            themselves, and a `Maker` for each instance that makes results. For a summary: for each of its
            channels, the result types of all instances.
        """
        return ()


class Maker(NamedTuple):
    """An analyser of the job as one that builds on its results finds it.

    Attributes
    ----------
    unit
        The analyser, configured.
    given
        For each of its inputs that catalogues meet, by parameter: these, by name.
    """

    unit: Analyser
    given: Mapping[str, Mapping[str, Any]]


class Combiner(Unit):
    """Chooses which points make the states of a channel."""

    @abstractmethod
    def combine(self, points: Sequence[DataPoint]) -> Iterable[Sequence[DataPoint]]:
        """Return the states to make, each as its points.

        Parameters
        ----------
        points
            What the channel may see: one version per measurement, one detection per exposure, in
            order of time.
        """


class Tabulator(Unit):
    """Makes the light curve of a state."""

    @abstractmethod
    def tabulate(self, points: Sequence[DataPoint]) -> LightCurve:
        """Return the light curve of points, in order of time."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an analyser returns: a frozen record of plain values, one class for each analyser.

    Fields may be None, bool, int, float, str, and tuples and dicts (with text keys) of those. NaN
    counts as absent.
    """


class Analyser(Unit):
    """Computes on one state.

    Write ``run(self, …) -> MyResult``: the type hints of its parameters are its wiring. They may be
    `State`, `LightCurve`, `DataPoints`, `Position`, ``Annotated[DataPoint, First()]`` (or `Newest`,
    `Brightest`), `Cutouts`, ``numpy.random.Generator`` (seeded by the execution), `Catalogue` (from the
    job's resources), a `Result` type (made by another analyser of the channel), ``X | None`` for one
    that may be absent, and ``Mapping[str, X]`` for every instance that makes X, or every catalogue. A
    required input that is missing settles the execution as ``missing``; the unit itself raises
    `MissingInputError`.

    A unit that is quicker on many states at once also writes `run_many`.
    """

    pool: ClassVar[str] = ""
    """The pool of T2 workers that runs it in a live mesh: ``heavy``, ``gpu`` or any other name of lower-case
    letters, digits and ``-``. Empty: the workers that serve no pool. A job may say otherwise for an instance.
    What it computes, and under which ids, does not depend on it."""

    rtol: ClassVar[float | None] = None
    """How far a second computation may be off, relative, and still count as the same; None: not at all."""

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> Sequence[Result | Exception]:
        """Run on several states; return a result or an error for each, in order.

        Parameters
        ----------
        inputs
            The arguments of ``run`` for each, by name.
        """
        raise NotImplementedError  # runners ask whether a unit has its own; see `has_batch_form`

    @classmethod
    def has_batch_form(cls) -> bool:
        """Return whether the unit writes `run_many`."""
        return cls.run_many is not Analyser.run_many


class ObjectView(msgspec.Struct, frozen=True):
    """What may be seen of one object in one channel: a state and the results on it.

    Reactors get the state that was just completed, summaries the newest one.

    Attributes
    ----------
    channel, stock
        Which object, for whom.
    alert, state
        Ids, as text, of the alert at which the state was reached, and of the state.
    results
        instance → the result's content; only those that are ok.
    result_ids
        instance → id as text.
    sighting
        For reactors: where the object is and how it looked last; None without a detection.
    curve
        For summaries: what the channel's tabulator makes of the state; None unless the summary asked for
        it (`Summary.with_curve`), or if the tabulator fails on it.
    """

    channel: str
    stock: str
    alert: str
    state: str
    results: Mapping[str, Mapping[str, Any]]
    result_ids: Mapping[str, str]
    sighting: Sighting | None = None
    curve: LightCurve | None = None


class Reactor(Unit):
    """Says what is to be told of a state once its results are there. It sends nothing itself.

    Write ``react(self, …) -> Message | None`` (or several messages): the type hints of its parameters
    are its wiring. They may be `ObjectView`, `LightCurve`, `Reaction` (its own id), result types as in
    `Analyser`, ``Earlier[X] | None`` (the result on the channel's state before) and ``Delivery | None``
    (what was told of the object last). None means that there is nothing to tell.

    What it returns is a function of what it is given: no clock, no chance.
    """


class ProductFile(NamedTuple):
    """A file that a summary made: its name, and its content in pieces."""

    name: str
    content: Iterable[bytes]


class Summary(Unit):
    """Makes products of a whole run, at its end."""

    def with_curve(self, views: Iterable[ObjectView]) -> Iterable[ObjectView]:
        """Return those of the views that `summarise` is to get with their light curves: here none.

        Each light curve is read and tabulated anew, so a summary asks for those that it shows.
        """
        return islice(views, 0)

    @abstractmethod
    def summarise(self, name: str, views: Iterable[ObjectView]) -> Iterator[ProductFile]:
        """Yield the files to deliver; each is consumed before the next is asked for.

        Parameters
        ----------
        name
            The instance's name in the job, to name the files after; many files go to a folder of that
            name.
        views
            One view per channel and object, sorted by channel and stock; may be gone through again and
            again, but not twice at the same time.
        """
