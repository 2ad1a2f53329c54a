"""Events as VOEvent packets, for whoever follows transients up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal
from xml.etree import ElementTree as ET

from pydantic import Field, StringConstraints, model_validator

from skymesh.surveys.time_scales import iso_utc_of_mjd_tai
from skymesh.units import Delivery, Message, MissingInputError, ObjectView, Reaction, Reactor, Sighting
from skymesh_t3.columns import Quantity, quantity_of

NAMESPACE: Final = "http://www.ivoa.net/xml/VOEvent/v2.0"
REPORTER: Final = "<reporter>"
"""Stands for whoever has not said who they are."""

_AUTHORITY = r"^[A-Za-z0-9][A-Za-z0-9.-]{2,}$"
_STREAM = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ARCSEC_PER_DEG = 3600.0


class VOEvent(Reactor):
    """Tell of an object as a VOEvent 2.0 packet.

    Written after the IVOA Recommendation "Sky Event Reporting Metadata", version 2.0 (11 July 2011).
    Every reaction has an ivorn of its own, ``ivo://<authority>/<stream>#<id>``; a packet that tells of an
    object again cites the one before as superseded. What: the newest detection, then one group per
    result with its fields, those that are 0 or false too. Where and when: mean position of the
    detections and time of the newest one. `Who.Date` is that time too and not the time of writing: the
    bytes are a function of the alerts alone, so a repetition is the same packet.

    The role is ``test`` until the job says otherwise, and always for simulated alerts. (AMPEL's
    VOEventPublisher.)

    Attributes
    ----------
    role
        ``observation``, ``prediction``, ``utility`` or ``test``. All but ``test`` ask for `authority`,
        `contact_name` and `contact_email`.
    authority
        The IVOA naming authority of whoever sends.
    stream
        Name of the event stream; the channel's where it is empty.
    title, contact_name, contact_email
        Who sends; ``<reporter>`` where empty.
    observatory
        Where the telescope stands; the survey's name where it is empty.
    position_error_arcsec
        Radius of the error circle.
    concept
        What the object is thought to be: a term of a vocabulary; left out where it is empty.
    """

    version = "1"

    role: Literal["observation", "prediction", "utility", "test"] = "test"
    authority: Annotated[str, StringConstraints(pattern=f"{_AUTHORITY}|^$")] = ""
    stream: Annotated[str, StringConstraints(pattern=f"{_STREAM}|^$")] = ""
    title: str = ""
    contact_name: str = ""
    contact_email: str = ""
    observatory: str = ""
    position_error_arcsec: Annotated[float, Field(gt=0)] = 1.0
    concept: str = ""

    @model_validator(mode="after")
    def _names_its_author(self) -> VOEvent:
        if self.role != "test" and not (self.authority and self.contact_name and self.contact_email):
            raise ValueError("a packet that is no test names its authority, contact_name and contact_email")
        return self

    def react(self, view: ObjectView, reaction: Reaction, last: Delivery | None) -> Message:
        """Return the packet.

        Raises
        ------
        MissingInputError
            If the object has no detection with usable flux.
        """
        seen = view.sighting
        if seen is None:
            raise MissingInputError("no detection with usable flux")
        role = "test" if reaction.origin == "simulated" else self.role
        root = ET.Element(
            "voe:VOEvent",
            {
                "xmlns:voe": NAMESPACE,
                "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
                "xsi:schemaLocation": f"{NAMESPACE} http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd",
                "version": "2.0",
                "role": role,
                "ivorn": self._ivorn(reaction.channel, reaction.id),
            },
        )
        self._who(root, seen)
        _what(root, view, reaction, seen)
        self._where_when(root, seen)
        _how(root, view, seen)
        self._why(root, reaction)
        if last is not None:
            _cite(root, self._ivorn(reaction.channel, last.reaction))
        ET.indent(root)
        return Message(
            "event.xml", "application/xml", ET.tostring(root, "UTF-8", xml_declaration=True) + b"\n"
        )

    def _author_ivorn(self) -> str:
        # A name that can never be registered (RFC 2606) for whoever has not said who they are.
        return f"ivo://{self.authority or 'reporter.invalid'}"

    def _ivorn(self, channel: str, reaction: str) -> str:
        """Return the identifier of an event: nothing but the reaction tells events of a stream apart."""
        return f"{self._author_ivorn()}/{self.stream or channel}#{reaction.rpartition(':')[2]}"

    def _who(self, root: ET.Element, seen: Sighting) -> None:
        who = ET.SubElement(root, "Who")
        _text(who, "AuthorIVORN", self._author_ivorn())
        _text(who, "Date", iso_utc_of_mjd_tai(seen.mjd_tai))
        author = ET.SubElement(who, "Author")
        _text(author, "title", self.title or REPORTER)
        _text(author, "contactName", self.contact_name or REPORTER)
        _text(author, "contactEmail", self.contact_email or REPORTER)

    def _where_when(self, root: ET.Element, seen: Sighting) -> None:
        location = ET.SubElement(ET.SubElement(root, "WhereWhen"), "ObsDataLocation")
        ET.SubElement(location, "ObservatoryLocation", id=_clean(self.observatory or seen.survey))
        observation = ET.SubElement(location, "ObservationLocation")
        system = "UTC-ICRS-TOPO"
        ET.SubElement(observation, "AstroCoordSystem", id=system)
        coords = ET.SubElement(observation, "AstroCoords", coord_system_id=system)
        instant = ET.SubElement(ET.SubElement(coords, "Time", unit="s"), "TimeInstant")
        _text(instant, "ISOTime", iso_utc_of_mjd_tai(seen.mjd_tai))
        position = ET.SubElement(coords, "Position2D", unit="deg")
        _text(position, "Name1", "RA")
        _text(position, "Name2", "Dec")
        value = ET.SubElement(position, "Value2")
        _text(value, "C1", repr(seen.ra_deg))
        _text(value, "C2", repr(seen.dec_deg))
        _text(position, "Error2Radius", repr(self.position_error_arcsec / _ARCSEC_PER_DEG))

    def _why(self, root: ET.Element, reaction: Reaction) -> None:
        why = ET.SubElement(root, "Why")
        if self.concept:
            _text(why, "Concept", self.concept)
        _text(why, "Description", f"The channel {reaction.channel} tells of objects when: {reaction.when}")


def _what(root: ET.Element, view: ObjectView, reaction: Reaction, seen: Sighting) -> None:
    what = ET.SubElement(root, "What")
    _text(what, "Description", f"{view.stock}, its newest detection and the results on it")
    ids = {"stock": view.stock, "alert": view.alert, "state": view.state, "reaction": reaction.id}
    for name, value in ids.items():
        _param(what, name, value, ucd="meta.id")
    _param(what, "band", seen.band, ucd="instr.bandpass")
    _param(what, "mjd_tai", seen.mjd_tai, "d", "time.epoch")
    _param(what, "mag_ab", seen.mag_ab, "mag", "phot.mag")
    _param(what, "mag_err_ab", seen.mag_err_ab, "mag", "stat.error;phot.mag")
    _param(what, "flux_njy", seen.flux_njy, "nJy", "phot.flux.density")
    _param(what, "flux_err_njy", seen.flux_err_njy, "nJy", "stat.error;phot.flux.density")
    for instance, content in view.results.items():
        group = ET.SubElement(what, "Group", name=_clean(instance), type="result")
        _param(group, "result", view.result_ids[instance], ucd="meta.id")
        for name, value in _leaves("", content):
            _param(group, name, value, *(quantity_of(name) if isinstance(value, float) else Quantity()))


def _leaves(prefix: str, content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the plain values of a result under names such as ``rate_mag_per_day.ztfg``."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _leaves(f"{prefix}{key}.", value)
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _leaves(f"{prefix}{index}.", value)
    else:
        yield prefix.removesuffix("."), content


def _param(parent: ET.Element, name: str, value: Any, unit: str = "", ucd: str = "") -> None:
    """Add a parameter; one whose value is absent is left out."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return
    if isinstance(value, bool):
        text, kind = str(value).lower(), "string"
    elif isinstance(value, int | float):
        text, kind = repr(value), "int" if isinstance(value, int) else "float"
    else:
        text, kind = str(value), "string"
    said = {"name": name, "value": text, "dataType": kind, "unit": unit, "ucd": ucd}
    ET.SubElement(
        parent, "Param", {key: _clean(item) for key, item in said.items() if item or key == "value"}
    )


def _how(root: ET.Element, view: ObjectView, seen: Sighting) -> None:
    how = ET.SubElement(root, "How")
    moment = f"the time is the {seen.time_of} of the exposure"
    _text(how, "Description", f"Alerts of {seen.survey}, as channel {view.channel} may see them; {moment}")


def _cite(root: ET.Element, ivorn: str) -> None:
    citations = ET.SubElement(root, "Citations")
    ET.SubElement(citations, "EventIVORN", cite="supersedes").text = ivorn


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    """Return text without the characters that XML 1.0 cannot hold."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
