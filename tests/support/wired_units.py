"""Units that ask for every kind of input, and tell what they were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from skymesh.units import (
    AlertTable,
    AlertView,
    Analyser,
    Brightest,
    Catalogue,
    Cutouts,
    DataPoint,
    DataPoints,
    Earlier,
    Filter,
    First,
    Message,
    MissingInputError,
    Newest,
    Position,
    Reactor,
    Result,
    TableFilter,
    Verdict,
    Verdicts,
)


class Place(Result):
    ra_deg: float
    dec_deg: float


class Chosen(Result):
    first: int
    newest: int
    brightest: int


class Stamps(Result):
    sizes: dict[str, int]


class MaybeStamps(Result):
    has_stamps: bool


class Nearby(Result):
    names: tuple[str, ...]


class Counted(Result):
    points: int


class Where(Analyser):
    """Counts how often it ran, in a file."""

    version = "1"
    diary: str

    def run(self, position: Position) -> Place:
        with Path(self.diary).open("a") as stream:
            stream.write("ran\n")
        return Place(ra_deg=position.ra_deg, dec_deg=position.dec_deg)


class Chooses(Analyser):
    version = "1"

    def run(
        self,
        first: Annotated[DataPoint, First()],
        newest: Annotated[DataPoint, Newest()],
        brightest: Annotated[DataPoint, Brightest()],
    ) -> Chosen:
        return Chosen(first=first.native, newest=newest.native, brightest=brightest.native)


class Looks(Analyser):
    version = "1"

    def run(self, cutouts: Cutouts) -> Stamps:
        return Stamps(sizes={name: len(data) for name, data in cutouts.stamps.items()})


class MayLook(Analyser):
    version = "1"

    def run(self, cutouts: Cutouts | None) -> MaybeStamps:
        return MaybeStamps(has_stamps=cutouts is not None)


class Neighbours(Analyser):
    version = "1"

    def run(self, position: Position, stars: Catalogue) -> Nearby:
        found = stars.cone_search([position.ra_deg], [position.dec_deg], 5.0, columns=("name",))
        return Nearby(names=tuple(str(name) for name in found.values["name"]))


class AllNeighbours(Analyser):
    version = "1"

    def run(self, position: Position, given: Mapping[str, Catalogue]) -> Nearby:
        return Nearby(names=tuple(sorted(given)))


class OnPlace(Analyser):
    version = "1"

    def run(self, place: Place) -> Place:
        return place


class OnStamps(Analyser):
    version = "1"

    def run(self, stamps: Stamps | None) -> MaybeStamps:
        return MaybeStamps(has_stamps=stamps is not None)


class Counts(Analyser):
    """Has a batch form, whose mood decides what comes of it."""

    version = "1"
    mood: str = "good"

    def run(self, points: DataPoints) -> Counted:
        if self.mood == "alone":
            return Counted(points=-len(points))
        return Counted(points=len(points))

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> Sequence[Result | Exception]:
        if self.mood == "alone":
            raise RuntimeError("not today")
        if self.mood == "short":
            return []
        counted: list[Result | Exception] = [Counted(points=100 + len(given["points"])) for given in inputs]
        if self.mood == "choosy":
            counted[0] = MissingInputError("not this one")
            counted[-1] = ValueError("nor that one")
        return counted


class Recalls(Reactor):
    """Tells what was counted on the state before."""

    version = "1"

    def react(self, counted: Counted, before: Earlier[Counted] | None) -> Message:
        told = "nothing" if before is None else str(before.result.points)
        return Message("count.txt", "text/plain", f"{told}, then {counted.points}".encode())


class StarVeto(TableFilter):
    version = "1"
    radius_arcsec: float = 5.0

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> list[str]:
        if self.radius_arcsec > 0 and "stars" not in given:
            return ["radius_arcsec > 0 needs a catalogue of stars: add one under resources:"]
        return []

    def accept_table(self, table: AlertTable, stars: Catalogue | None = None) -> Verdicts:
        if stars is None:
            return [Verdict(True)] * len(table)
        near = stars.cone_search(table.column("ra"), table.column("dec"), self.radius_arcsec).any()
        return [Verdict(not is_near, "star" if is_near else "") for is_near in near]


class NeedsStars(Filter):
    version = "1"

    def accept(self, alert: AlertView, stars: Catalogue) -> Verdict:
        near = stars.cone_search([alert.trigger["ra"]], [alert.trigger["dec"]], 5.0)
        return Verdict(not near.any()[0], "star")


class WantsPosition(Filter):
    """No filter is given that."""

    version = "1"

    def accept(self, alert: AlertView, position: Position) -> Verdict:
        return Verdict(True)
