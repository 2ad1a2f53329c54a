"""What reactors are given beside results, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

from skymesh.model.run import Origin

R = TypeVar("R")

Once = Literal["stock", "state"]
"""How often a reaction fires: once for an object, or once for each of its states."""


class Message(NamedTuple):
    """What a reaction tells.

    Attributes
    ----------
    name
        Its name among the messages of one reaction, with an extension: ``event.xml``. Letters, digits,
        ``_``, ``-`` and ``.``.
    media_type
        Such as ``application/xml``.
    body
        The bytes: a pure function of what the reactor was given.
    """

    name: str
    media_type: str
    body: bytes


class Sighting(msgspec.Struct, frozen=True):
    """Where an object is, and how it looked when it was last detected; by visible points alone.

    Attributes
    ----------
    survey
        Whose detection it is.
    ra_deg, dec_deg
        Mean position of the detections, ICRS.
    mjd_tai
        Time of the newest detection with usable flux, MJD, TAI.
    time_of
        Which moment of the exposure that is: ``start`` or ``middle``.
    band
        Its band, such as ``ztfg``.
    flux_njy, flux_err_njy
        Difference flux and error of that exposure, AB, nJy: the light curve's, which may be forced
        photometry; the survey's own of the detection where the curve has none.
    mag_ab, mag_err_ab
        The same in magnitudes; None where the flux is not positive.
    """

    survey: str
    ra_deg: float
    dec_deg: float
    mjd_tai: float
    time_of: str
    band: str
    flux_njy: float
    flux_err_njy: float
    mag_ab: float | None
    mag_err_ab: float | None


@dataclass(frozen=True)
class Reaction:
    """The reaction itself: ask for it to name what is sent.

    Attributes
    ----------
    id
        ``reaction:<32 hex digits>``, for outlets the key by which a repetition is known.
    channel, instance
        Who reacts.
    origin
        ``simulated`` or ``real``: a simulated event must never look like a real one.
    when
        The condition that was met, as the job has it.
    """

    id: str
    channel: str
    instance: str
    origin: Origin
    when: str


@dataclass(frozen=True)
class Earlier(Generic[R]):
    """The same instance's result on the state that the channel had of the object before this one.

    Attributes
    ----------
    result
        The result.
    state, alert
        Ids, as text, of that state and of the alert at which it was reached.
    """

    result: R
    state: str
    alert: str


@dataclass(frozen=True)
class Delivery:
    """The last time that this reaction fired for the object.

    Where in the log that was is not told: offsets count alerts that a channel may not see.

    Attributes
    ----------
    reaction
        Its id as text.
    state, alert
        Ids, as text, of the state and of the alert at which it was reached.
    """

    reaction: str
    state: str
    alert: str
