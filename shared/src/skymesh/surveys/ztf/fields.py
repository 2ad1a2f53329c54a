"""Which raw values of a ZTF packet belong to a measurement, and which to the alert.

The lists are part of what a datapoint's id digests: changing one is a new `VERSION` of the ids.

A detection's list holds what the packet's history carries too, so that one detection has the same
fields as a trigger and as history. Left out are its key (candid), its association (objectId), file
names and row numbers of the pipeline (pdiffimfilename, programpi, nid, tblid), and everything that
only the triggering record has. An upper limit's list is what identifies and states the limit: its
readout channel is part of pid, and copies differ in whether they repeat it.

Source of the fields: the public schemas of ZTF alert packets, 3.0 to 4.02.
"""

from __future__ import annotations

from typing import Any, Final

from skymesh.codecs.avro import Tables
from skymesh.model.point import DETECTION, FORCED, LIMIT

VERSION: Final = 1

DETECTION_FIELDS: Final = (
    "isdiffpos", "jd", "fid", "pid", "diffmaglim", "programid", "rcid", "field", "xpos", "ypos", "ra", "dec",
    "magpsf", "sigmapsf", "chipsf", "magap", "sigmagap", "distnr", "magnr", "sigmagnr", "chinr", "sharpnr",
    "sky", "magdiff", "fwhm", "classtar", "mindtoedge", "magfromlim", "seeratio", "aimage", "bimage",
    "aimagerat", "bimagerat", "elong", "nneg", "nbad", "rb", "ssdistnr", "ssmagnr", "ssnamenr", "sumrat",
    "magapbig", "sigmagapbig", "ranr", "decnr", "scorr", "magzpsci", "magzpsciunc", "magzpscirms",
    "clrcoeff", "clrcounc", "rbversion",
)  # fmt: skip

LIMIT_FIELDS: Final = ("jd", "fid", "pid", "diffmaglim", "programid")

FORCED_FIELDS: Final = (
    "jd", "fid", "pid", "diffmaglim", "programid", "rcid", "field", "rfid", "sciinpseeing", "scibckgnd",
    "scisigpix", "magzpsci", "magzpsciunc", "magzpscirms", "clrcoeff", "clrcounc", "exptime", "adpctdif1",
    "adpctdif2", "forcediffimflux", "forcediffimfluxunc", "procstatus", "distnr", "ranr", "decnr", "magnr",
    "sigmagnr", "chinr", "sharpnr",
)  # fmt: skip

FIELDS: Final = {DETECTION: DETECTION_FIELDS, LIMIT: LIMIT_FIELDS, FORCED: FORCED_FIELDS}

HISTORY_COLUMNS: Final = ("candid", *DETECTION_FIELDS)

AGGREGATES: Final = ("ndethist", "ncovhist", "jdstarthist", "jdendhist")
"""Values of the triggering record that the survey made from the whole history."""

IDENTITY: Final = frozenset({"candid", "objectId", "programpi", "tblid", "nid"})
"""Fields of the triggering record that are neither measured nor worth keeping with the alert."""

CUTOUTS: Final = ("cutoutScience", "cutoutTemplate", "cutoutDifference")

_TABLES: Final[Tables] = (("prv_candidates", HISTORY_COLUMNS), ("fp_hists", FORCED_FIELDS))
_TRIGGER_MUST_HAVE: Final = frozenset({"candid", "jd", "fid", "ra", "dec", "magpsf", "isdiffpos"})


def history_tables(schema: Any) -> Tables | None:
    """Return the history lists of a ZTF packet's schema; None if the schema is not ZTF's."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return None
    top = {field["name"]: field["type"] for field in schema["fields"]}
    candidate = _record_type(top.get("candidate"))
    if "objectId" not in top or candidate is None:
        return None
    names = {field["name"] for field in candidate.get("fields", ())}
    return _TABLES if names >= _TRIGGER_MUST_HAVE else None


def _record_type(kind: Any) -> dict[str, Any] | None:
    """Return the record among a field's types; brokers make ZTF's records nullable."""
    branches = kind if isinstance(kind, list) else [kind]
    return next((branch for branch in branches if isinstance(branch, dict) and "fields" in branch), None)
