"""A small simulated night of ZTF alert packets: what a job runs on when it is given no alerts.

Everything here is simulated: no packet, position or magnitude was measured. Forty objects, seen
from four ZTF fields in the night of 2024-02-10 (UTC), make some sixty packets of the public
programme. Every exposure of the past thirty days is in the packets' histories, as a detection or
as an upper limit, so each object has a light curve from the first packet on.

======== === ============================================================= =================
letters  n   kind                                                          magnitude in r
======== === ============================================================= =================
fd       1   transient that fades fast, seen on two nights in g and r      m0 + 0.5 t
sn …     8   supernovae after maximum                                      m0 + (0.02…0.03) t
va …     8   variable stars, brighter or fainter than their reference      see below
ra …     6   young transients that rise                                    m0 - (0.3…0.5) t
na …     13  single detections after nothing but upper limits              m0
ba …     4   single detections that the machine-learning scores call bogus m0
======== === ============================================================= =================

with t in days since first light, before which there is nothing. A g magnitude is 0.15 mag fainter. A
variable star of reference magnitude m0 shows the difference of its flux to the reference,

    dF / F0 = 10^(-0.4 A sin(2 pi t / P)) - 1,    magpsf = m0 - 2.5 log10 |dF / F0|,

which is a negative subtraction (``isdiffpos`` f) where dF < 0. Errors are Gaussian, 0.02 mag down
to 17.5 mag and growing by 0.03 mag per mag to at most 0.1 mag. What is fainter than the exposure's
5-sigma limit is an upper limit.

As in packets of the survey, a detection's copy in a later history is rounded, spells ``isdiffpos``
1 or 0, has null for -999 and lacks the fields that only the triggering record carries. Colours,
shapes and image statistics are constants: nothing may be learned from them.

The bytes are the same in every process, for ever: random numbers are uniform draws of the Mersenne
Twister, values are rounded far above the last bit, and stamps are stored, not compressed.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum, log10, pi, sin
from typing import Any

from skymesh.surveys.ztf.packet_schema import HISTORY_FIELDS, PACKET_VERSION, write_packet

FAST_DECLINER = "ZTF24aaaaafd"
"""The one transient whose newest two detections, in g and in r, fade by more than 0.1 mag per day.

Variable stars do so too, which is why a job rejects objects on top of a star first.
"""

SLOW_SUPERNOVA = "ZTF24aaaaasn"
"""A supernova of the same colour and scores that fades too slowly to be singled out."""

PUBLISHER = "skymesh (simulated)"

_MIDNIGHT_JD_UTC = 2460350.5  # 2024-02-10 00:00
_NIGHT_IDS_FROM_JD_UTC = 2457754.5
_NIGHTS = (-29, -26, -23, -20, -17, -14, -11, -8, -6, -4, -2, -1, 0)
_BANDS = {1: "zg", 2: "zr"}
_R_AFTER_G_DAY = 0.04
_G_MINUS_R_MAG = 0.15
_FIELDS = {
    525: (183.5, 14.2, 0.30),
    575: (180.0, 18.4, 0.32),
    674: (201.6, 36.0, 0.35),
    477: (215.0, 6.0, 0.38),
}
"""Right ascension and declination (deg, ICRS), and the time (d) from midnight to the g exposure."""

_MISSING = -999.0
_CONSTANTS: dict[str, Any] = (
    {"chipsf": 1.1, "sigmagap": 0.05, "sigmagnr": 0.02, "chinr": 0.6, "sharpnr": -0.02, "sky": 0.2}
    | {"fwhm": 2.1, "classtar": 0.98, "mindtoedge": 400.0, "seeratio": 1.4, "aimage": 0.85, "bimage": 0.8}
    | {"aimagerat": 0.4, "bimagerat": 0.38, "elong": 1.06, "nneg": 0, "nbad": 0, "sumrat": 1.0}
    | {"ssdistnr": _MISSING, "ssmagnr": _MISSING, "ssnamenr": "null", "sigmagapbig": 0.06, "tooflag": 0}
    | {"sgmag1": 20.1, "srmag1": 19.5, "simag1": 19.2, "szmag1": 19.0, "objectidps1": None, "nmtchps": 3}
    | {"sgmag2": 21.9, "srmag2": 21.3, "simag2": 21.0, "szmag2": 20.8, "objectidps2": None}
    | {"sgmag3": 22.1, "srmag3": 21.6, "simag3": 21.3, "szmag3": 21.2, "objectidps3": None}
    | {"sgscore2": 0.1, "distpsnr2": 9.5, "sgscore3": 0.9, "distpsnr3": 16.5, "nframesref": 15}
    | {"jdstartref": 2458160.7, "jdendref": 2458437.9, "dsnrms": 6.0, "ssnrms": 12.0, "dsdiff": -6.0}
    | {"nmatches": 400, "zpclrcov": -5e-06, "zpmed": 26.2, "clrmed": 0.7, "clrrms": 0.2, "exptime": 30.0}
    | {"neargaiabright": _MISSING, "maggaiabright": _MISSING, "drbversion": "simulated"}
)
_NEAREST = ("distnr", "magnr", "distpsnr1", "sgscore1", "neargaia", "maggaia")
_STAR = dict(zip(_NEAREST, (0.3, 16.1, 0.3, 0.99, 0.3, 15.9), strict=True))
_GALAXY = dict(zip(_NEAREST, (4.2, 19.5, 4.3, 0.05, 25.0, 17.5), strict=True))


@dataclass(frozen=True)
class Population:
    """One kind of object, and the ranges from which its members' parameters are drawn.

    ``first_light_day`` counts days from the field's g exposure of this night; ``mag_ab`` is the r
    magnitude at first light, or of the reference where there is a period.
    """

    letters: str
    count: int
    first_light_day: tuple[float, float]
    mag_ab: tuple[float, float]
    rate_mag_per_day: tuple[float, float] = (0.0, 0.0)
    amplitude_mag: tuple[float, float] = (0.0, 0.0)
    period_day: tuple[float, float] | None = None
    drb: tuple[float, float] = (0.996, 0.999)


_POPULATIONS = (
    Population("fd", 1, (-1.6, -1.3), (17.6, 17.8), (0.5, 0.5)),
    Population("sn", 8, (-20.5, -18.0), (15.9, 17.0), (0.02, 0.03)),
    Population("va", 8, (-99.0, -90.0), (15.5, 16.5), (0.0, 0.0), (0.3, 0.5), (0.31, 0.73)),
    Population("ra", 6, (-2.7, -2.1), (19.0, 19.5), (-0.5, -0.3)),
    Population("na", 13, (0.01, 0.03), (18.5, 19.5)),
    Population("ba", 4, (0.01, 0.03), (18.0, 19.5), drb=(0.01, 0.3)),
)


@dataclass(frozen=True)
class SimulatedObject:
    """One object of the night; the parameters are those of its population, drawn."""

    object_id: str
    number: int
    field: int
    ra_deg: float
    dec_deg: float
    first_light_jd_utc: float
    mag_ab: float
    rate_mag_per_day: float
    amplitude_mag: float
    period_day: float | None
    drb: float

    @property
    def rcid(self) -> int:
        """Readout channel; objects of one field share some, and with them their upper limits."""
        return self.number // len(_FIELDS) % 5 * 7

    def brightness(self, jd_utc: float, fid: int) -> tuple[float, bool] | None:
        """Return the magnitude of the difference (AB) and whether it is positive; None without light."""
        age_day = jd_utc - self.first_light_jd_utc
        reference_mag_ab = self.mag_ab + (_G_MINUS_R_MAG if _BANDS[fid] == "zg" else 0.0)
        if age_day < 0:
            return None
        if self.period_day is None:
            return reference_mag_ab + self.rate_mag_per_day * age_day, True
        fading_mag = self.amplitude_mag * sin(2 * pi * age_day / self.period_day)
        excess = 10 ** (-0.4 * fading_mag) - 1
        return reference_mag_ab - 2.5 * log10(max(abs(excess), 1e-6)), excess > 0


def simulated_night(seed: int = 20260101) -> Iterator[bytes]:
    """Yield the packets of the simulated night, in order of observation, and one of them twice.

    Parameters
    ----------
    seed
        Selects the night. What is said of `FAST_DECLINER` and `SLOW_SUPERNOVA` is tested for the
        default.

    Yields
    ------
    bytes
        An Avro container that holds one packet. The last one repeats the first exactly.
    """
    packets = [packet for each in _objects(seed) for packet in _packets(each, seed)]
    packets.sort(key=lambda packet: (packet["candidate"]["jd"], packet["candid"]))
    for packet in (*packets, packets[0]):
        yield write_packet(packet)


def _objects(seed: int) -> Iterator[SimulatedObject]:
    kinds = [(kind, member) for kind in _POPULATIONS for member in range(kind.count)]
    for number, (kind, member) in enumerate(kinds):
        object_id = f"ZTF24aaaaa{kind.letters[0]}{chr(ord(kind.letters[1]) + member)}"
        rng = _generator(seed, object_id)
        field, (ra_deg, dec_deg, visit_day) = list(_FIELDS.items())[number % len(_FIELDS)]
        yield SimulatedObject(
            object_id=object_id,
            number=number,
            field=field,
            ra_deg=round(ra_deg + rng.uniform(-1, 1), 7),
            dec_deg=round(dec_deg + rng.uniform(-1, 1), 7),
            first_light_jd_utc=_MIDNIGHT_JD_UTC + visit_day + rng.uniform(*kind.first_light_day),
            mag_ab=rng.uniform(*kind.mag_ab),
            rate_mag_per_day=rng.uniform(*kind.rate_mag_per_day),
            amplitude_mag=rng.uniform(*kind.amplitude_mag),
            period_day=rng.uniform(*kind.period_day) if kind.period_day else None,
            drb=rng.uniform(*kind.drb),
        )


def _packets(each: SimulatedObject, seed: int) -> Iterator[dict[str, Any]]:
    """Make the packets that an object's detections of this night trigger."""
    records = _light_curve(each, seed)
    for index, record in enumerate(records):
        if "candid" not in record or record["jd"] < _MIDNIGHT_JD_UTC:
            continue
        first, *others = [known["jd"] for known in records[: index + 1] if "candid" in known]
        counts = {"ndethist": 1 + len(others), "ncovhist": 200 + index}
        span = {"jdstarthist": first, "jdendhist": record["jd"]}
        yield {
            "schemavsn": PACKET_VERSION,
            "publisher": PUBLISHER,
            "objectId": each.object_id,
            "candid": record["candid"],
            "candidate": record | counts | span,
            "prv_candidates": [_history_entry(earlier) for earlier in records[:index]],
            "fp_hists": None,
            **_cutouts(record),
        }


def _light_curve(each: SimulatedObject, seed: int) -> list[dict[str, Any]]:
    """Observe an object: triggering records, and those of exposures that show nothing, by time."""
    rng = _generator(seed, each.object_id, "light curve")
    records = []
    for exposure in _exposures(each, seed):
        brightness = each.brightness(exposure["jd"], exposure["fid"])
        if brightness is not None and brightness[0] < exposure["diffmaglim"]:
            mag_ab, is_positive = brightness
            exposure.update(_detection(each, exposure, rng, mag_ab, is_positive=is_positive))
        records.append(exposure)
    return records


def _exposures(each: SimulatedObject, seed: int) -> Iterator[dict[str, Any]]:
    """Take the exposures of an object's readout channel: g and r on every night; the limit in AB mag."""
    *_, visit_day = _FIELDS[each.field]
    for night, (fid, band) in ((night, band) for night in _NIGHTS for band in _BANDS.items()):
        rng = _generator(seed, each.field, night, fid)
        day = night + visit_day + (fid - 1) * _R_AFTER_G_DAY + rng.uniform(0, 0.004)
        jd_utc = round(_MIDNIGHT_JD_UTC + day, 7)
        night_id, fraction = divmod(int((jd_utc - _NIGHT_IDS_FROM_JD_UTC) * 1e5), 100_000)
        pid = (night_id * 100_000 + fraction) * 10_000 + each.rcid * 100 + 15
        yield (
            {"jd": jd_utc, "fid": fid, "pid": pid, "nid": night_id, "rcid": each.rcid, "field": each.field}
            | {"programid": 1, "programpi": "simulated", "rbversion": "simulated"}
            | {"pdiffimfilename": f"simulated_{pid}_{each.field:06}_{band}_scimrefdiffimg.fits"}
            | {"diffmaglim": round(_generator(seed, pid).uniform(20.0, 20.6), 6)}
            | {"magzpsci": 26.251234, "magzpsciunc": 1.2e-05, "magzpscirms": 0.031234}
            | {"clrcoeff": -0.061234 if fid == 1 else 0.091234, "clrcounc": 2.1e-05}
        )


def _detection(
    each: SimulatedObject, exposure: dict[str, Any], rng: random.Random, mag_ab: float, *, is_positive: bool
) -> dict[str, Any]:
    """Measure an object on one exposure: the fields that a detection has and an upper limit lacks."""
    mag_err = round(min(0.1, 0.02 + 0.03 * max(0.0, mag_ab - 17.5)), 6)
    measured_mag_ab = round(mag_ab + mag_err * _normal(rng), 6)
    aperture_mag_ab = round(measured_mag_ab + 0.05 * _normal(rng), 4)
    score = round(each.drb + 0.0005 * rng.random(), 6)
    candid = exposure["pid"] * 1_000_000 + (15_000 if is_positive else 10_000) + each.number
    ra_deg, dec_deg = (round(deg + 2e-5 * _normal(rng), 7) for deg in (each.ra_deg, each.dec_deg))
    return (
        _CONSTANTS
        | (_STAR if each.period_day is not None else _GALAXY)
        | {"candid": candid, "isdiffpos": "t" if is_positive else "f", "tblid": each.number}
        | {"ra": ra_deg, "dec": dec_deg, "ranr": each.ra_deg, "decnr": each.dec_deg}
        | {"xpos": 900.1234 + each.number, "ypos": 1200.4321, "drb": score, "rb": round(0.9 * score, 6)}
        | {"magpsf": measured_mag_ab, "sigmapsf": mag_err, "scorr": round(1.0857 / mag_err, 6)}
        | {"magap": aperture_mag_ab, "magdiff": round(aperture_mag_ab - measured_mag_ab, 6)}
        | {"magapbig": aperture_mag_ab, "magfromlim": round(exposure["diffmaglim"] - aperture_mag_ab, 6)}
        | {"rfid": each.field * 1_000_000 + 120_000 + exposure["fid"] * 100 + each.rcid}
    )


def _history_entry(record: dict[str, Any]) -> dict[str, Any]:
    """Copy a record as later histories have it: rounded, respelt, without trigger-only fields."""
    entry = {name: record[name] for name in HISTORY_FIELDS if name in record}
    for name in entry.keys() - {"jd", "ra", "dec", "ranr", "decnr", "magzpsciunc", "clrcounc"}:
        if isinstance(entry[name], float):
            entry[name] = None if entry[name] == _MISSING else round(entry[name], 4)
    if "candid" in entry:
        entry |= {"isdiffpos": "1" if record["isdiffpos"] == "t" else "0", "ssnamenr": None}
    return entry | {"pdiffimfilename": f"/simulated/{record['pdiffimfilename']}.fz"}


def _cutouts(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    sign = 1 if record["isdiffpos"] == "t" else -1
    stamps = {"Science": (120, 40 + sign * 30), "Template": (100, 40), "Difference": (0, sign * 30)}
    return {
        f"cutout{kind}": {
            "fileName": f"simulated_candid{record['candid']}_{kind.lower()}.fits.gz",
            "stampData": _gzip_stored(_fits(sky_dn, peak_dn)),
        }
        for kind, (sky_dn, peak_dn) in stamps.items()
    }


def _fits(sky_dn: float, peak_dn: float) -> bytes:
    """Draw a stamp of 9 by 9 pixels, a Moffat profile on a flat sky (DN), as a FITS file."""
    cards = {"SIMPLE": "T", "BITPIX": "-32", "NAXIS": "2", "NAXIS1": "9", "NAXIS2": "9"}
    header = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in cards.items())
    offsets = range(-4, 5)
    pixels = [sky_dn + peak_dn / (1 + (x * x + y * y) / 4) ** 2 for y in offsets for x in offsets]
    blocks = ((header + "END").encode().ljust(2880), struct.pack(">81f", *pixels).ljust(2880, b"\0"))
    return b"".join(blocks)


def _gzip_stored(data: bytes) -> bytes:
    """Wrap up to 65,535 bytes as gzip, in one stored block: the same bytes with every zlib."""
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF)
    return head + block + data + struct.pack("<II", zlib.crc32(data), len(data))


def _generator(*key: object) -> random.Random:
    return random.Random("/".join(map(str, key)))


def _normal(rng: random.Random) -> float:
    """Draw from a Gaussian, nearly: only uniform draws are the same in every version of Python."""
    return fsum(rng.random() for _ in range(12)) - 6.0
