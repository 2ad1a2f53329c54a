"""The schema of ZTF alert packets, version 4.02, for packets that the project makes itself.

The simulated night, simulations, tests and benchmarks write containers with it. Reading never uses
it: every container brings the schema it was written with, and that one is followed.

The tables below list the fields in packet order, one line per run of fields of one type, with the
unit behind ``#``. A type with ``?`` may be null. What the fields mean is documented by the survey
at https://zwickytransientfacility.github.io/ztf-avro-alert/.
"""

from __future__ import annotations

import io
from hashlib import blake2b
from typing import Any

import fastavro

PACKET_VERSION = "4.02"

_CANDIDATE = """
double  jd                                                  # d, UTC, start of the exposure
int     fid                                                 # 1 g, 2 r, 3 i
long    pid
float?  diffmaglim                                          # AB mag, 5 sigma
string? pdiffimfilename programpi
int     programid                                           # 1 public, 2 partnership, 3 Caltech
long    candid
string  isdiffpos                                           # t or 1: brighter than the reference
long?   tblid
int?    nid rcid field
float?  xpos ypos                                           # pixel
double  ra dec                                              # deg, ICRS
float   magpsf sigmapsf                                     # AB mag
float?  chipsf
float?  magap sigmagap                                      # AB mag
float?  distnr                                              # pixel
float?  magnr sigmagnr                                      # AB mag
float?  chinr sharpnr
float?  sky                                                 # DN
float?  magdiff                                             # mag, magap - magpsf
float?  fwhm                                                # pixel
float?  classtar
float?  mindtoedge                                          # pixel
float?  magfromlim                                          # mag, diffmaglim - magap
float?  seeratio
float?  aimage bimage                                       # pixel
float?  aimagerat bimagerat elong
int?    nneg nbad                                           # pixels
float?  rb
float?  ssdistnr                                            # arcsec
float?  ssmagnr                                             # mag
string? ssnamenr
float?  sumrat
float?  magapbig sigmagapbig                                # AB mag
double  ranr decnr                                          # deg, ICRS
float?  sgmag1 srmag1 simag1 szmag1 sgscore1 distpsnr1      # AB mag, score, arcsec
int     ndethist ncovhist
double? jdstarthist jdendhist                               # d, UTC
double? scorr                                               # sigma
int?    tooflag
long?   objectidps1 objectidps2
float?  sgmag2 srmag2 simag2 szmag2 sgscore2 distpsnr2      # AB mag, score, arcsec
long?   objectidps3
float?  sgmag3 srmag3 simag3 szmag3 sgscore3 distpsnr3      # AB mag, score, arcsec
int     nmtchps
long    rfid
double  jdstartref jdendref                                 # d, UTC
int     nframesref
string  rbversion
float?  dsnrms ssnrms dsdiff
float?  magzpsci magzpsciunc magzpscirms                    # AB mag of 1 DN
int     nmatches
float?  clrcoeff clrcounc zpclrcov
float?  zpmed clrmed clrrms                                 # mag
float?  neargaia neargaiabright                             # arcsec
float?  maggaia maggaiabright                               # Gaia G mag
float?  exptime                                             # s
float?  drb
string  drbversion
"""

_HISTORY = """
double  jd                                                  # d, UTC, start of the exposure
int     fid
long    pid
float?  diffmaglim                                          # AB mag, 5 sigma
string? pdiffimfilename programpi
int     programid
long?   candid                                              # null: an upper limit
string? isdiffpos
long?   tblid
int?    nid rcid field
float?  xpos ypos                                           # pixel
double? ra dec                                              # deg, ICRS
float?  magpsf sigmapsf                                     # AB mag
float?  chipsf
float?  magap sigmagap                                      # AB mag
float?  distnr magnr sigmagnr chinr sharpnr sky magdiff fwhm classtar mindtoedge magfromlim seeratio
float?  aimage bimage aimagerat bimagerat elong             # as in the candidate
int?    nneg nbad                                           # pixels
float?  rb ssdistnr ssmagnr
string? ssnamenr
float?  sumrat magapbig sigmagapbig
double? ranr decnr                                          # deg, ICRS
double? scorr                                               # sigma
float?  magzpsci magzpsciunc magzpscirms                    # AB mag of 1 DN
float?  clrcoeff clrcounc
string  rbversion
"""

_FORCED = """
int?    field rcid
int     fid
long    pid rfid
float?  sciinpseeing                                        # pixel
float?  scibckgnd scisigpix                                 # DN
float?  magzpsci magzpsciunc magzpscirms                    # AB mag of 1 DN
float?  clrcoeff clrcounc
float?  exptime                                             # s
float?  adpctdif1 adpctdif2
float?  diffmaglim                                          # AB mag, 5 sigma
int     programid
double  jd                                                  # d, UTC, start of the exposure
float?  forcediffimflux forcediffimfluxunc                  # DN; -99999 is missing
string? procstatus
float?  distnr                                              # arcsec
double  ranr decnr                                          # deg, ICRS
float?  magnr sigmagnr                                      # AB mag
float?  chinr sharpnr
"""

_CUTOUT = """
string  fileName
bytes   stampData                                           # FITS, gzip
"""


def _fields(table: str) -> list[dict[str, Any]]:
    """Avro fields of a table; a field that may be null is null by default."""
    fields: list[dict[str, Any]] = []
    for line in table.strip().splitlines():
        kind, *names = line.partition("#")[0].split()
        for name in names:
            if kind.endswith("?"):
                fields.append({"name": name, "type": ["null", kind[:-1]], "default": None})
            else:
                fields.append({"name": name, "type": kind})
    return fields


def _record(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": name, "version": PACKET_VERSION, "fields": fields}


def _nullable(name: str, kind: object) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}


def _packet() -> dict[str, Any]:
    history = _record("ztf.alert.prv_candidate", _fields(_HISTORY))
    forced = _record("ztf.alert.fp_hist", _fields(_FORCED))
    cutout = _record("ztf.alert.cutout", _fields(_CUTOUT))
    fields = [
        *_fields("string schemavsn publisher objectId\nlong candid"),
        {"name": "candidate", "type": _record("ztf.alert.candidate", _fields(_CANDIDATE))},
        _nullable("prv_candidates", {"type": "array", "items": history}),
        _nullable("fp_hists", {"type": "array", "items": forced}),
        _nullable("cutoutScience", cutout),
        _nullable("cutoutTemplate", "ztf.alert.cutout"),
        _nullable("cutoutDifference", "ztf.alert.cutout"),
    ]
    return _record("ztf.alert", fields)


PACKET_SCHEMA: dict[str, Any] = _packet()
"""The writer schema, as parsed JSON."""

HISTORY_FIELDS: tuple[str, ...] = tuple(field["name"] for field in _fields(_HISTORY))
"""The fields of a candidate that its copies in later histories keep."""

_PARSED = fastavro.parse_schema(PACKET_SCHEMA)


def write_packet(record: dict[str, Any], codec: str = "null") -> bytes:
    """Write one alert packet as an Avro container.

    Parameters
    ----------
    record
        The packet: magnitudes in AB mag, ``jd`` in days UTC, ``ra`` and ``dec`` in degrees ICRS.
        Fields that may be null can be left out.
    codec
        The container's codec: ``null``, ``deflate``, ``snappy`` or ``zstandard``.

    Returns
    -------
    bytes
        The container. Equal records make equal containers: the sync marker, elsewhere a random
        number, is taken from the record.
    """
    body = io.BytesIO()
    fastavro.schemaless_writer(body, _PARSED, record)
    sync_marker = blake2b(body.getvalue(), digest_size=16).digest()
    container = io.BytesIO()
    fastavro.writer(container, _PARSED, [record], codec=codec, sync_marker=sync_marker)
    return container.getvalue()
