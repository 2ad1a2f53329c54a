"""VOEvent packets: valid by the official schema, one name for each, and the same bytes every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import msgspec
import pytest
from astropy.io.votable.ucd import parse_ucd
from astropy.units import Unit
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh.errors import MissingInputError
from skymesh.units import Delivery, ObjectView, Reaction, Sighting
from skymesh_t3.units.vo_event import REPORTER, VOEvent
from support.vo_event_schema import NEEDS_SCHEMA, validator

AUTHOR = {"authority": "example.org", "contact_name": "A. Person", "contact_email": "a@example.org"}
SEEN = Sighting(
    survey="ztf", ra_deg=184.25, dec_deg=-13.5, mjd_tai=60350.302559740834, time_of="start", band="ztfg",
    flux_njy=161207.25, flux_err_njy=6794.5, mag_ab=18.375, mag_err_ab=0.045,
)  # fmt: skip
RESULTS = {
    "decline": {
        "fast": False, "count": 0, "fastest_mag_per_day": 0.0, "gap_days": {"ztfg": 1.5}, "limit": None,
        "bands": ["ztfg", "ztfr"], "ra_deg": 184.25, "dec_deg": -13.5, "rate_mag_per_day": {},
        "peak_njy": float("nan"), "newest_mag_ab": 18.5, "t0_mjd_tai": 60350.5, "distance_arcsec": 0.25,
    },
}  # fmt: skip


def view(results=RESULTS, sighting=SEEN, stock="ztf:ZTF24aaaaafd"):
    ids = {name: f"result:{index:032x}" for index, name in enumerate(results)}
    return ObjectView(
        "job/hunters", stock, f"alert:{1:032x}", f"state:{2:032x}", results, ids, sighting=sighting
    )


def reaction(number=7, origin="real", when="decline.fast"):
    return Reaction(f"reaction:{number:032x}", "job/hunters", "event", origin, when)


def packet(unit=None, seen=None, itself=None, last=None):
    return (unit or VOEvent()).react(seen or view(), itself or reaction(), last).body


def parsed(**given):
    return ET.fromstring(packet(**given))


def params(root):
    return {param.get("name"): param for param in root.iter("Param")}


LAST = Delivery(f"reaction:{3:032x}", f"state:{1:032x}", f"alert:{0:032x}")
TEXTS = st.text(max_size=20)
NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
CONTENTS = st.dictionaries(
    st.text("abc_.é<&\x00", min_size=1, max_size=5),
    NUMBERS | st.lists(NUMBERS, max_size=3) | st.dictionaries(TEXTS, NUMBERS, max_size=2),
    max_size=4,
)


@pytest.fixture(scope="module")
def schema():
    return validator()


@NEEDS_SCHEMA
@pytest.mark.parametrize("unit", [
    VOEvent(), VOEvent(role="observation", **AUTHOR),
    VOEvent(concept="transient", title="<&>", stream="a/b.c"),
    VOEvent(observatory="Palomar", position_error_arcsec=0.1),
])  # fmt: skip
@pytest.mark.parametrize("last", [None, LAST])
@pytest.mark.parametrize("results", [RESULTS, {}])
def test_packets_are_valid_by_the_schema(schema, unit, last, results):
    schema(packet(unit, view(results), last=last))


@NEEDS_SCHEMA
@given(results=st.dictionaries(TEXTS, CONTENTS, max_size=3), stock=TEXTS, when=TEXTS)
def test_whatever_results_and_names_hold_packets_are_valid(schema, results, stock, when):
    schema(packet(seen=view(results, stock=stock), itself=reaction(when=when)))


@NEEDS_SCHEMA
@pytest.mark.parametrize("old, new", [
    (b'role="test"', b'role="rumour"'), (b'version="2.0"', b'version="1.1"'), (b"<C1>", b"<C1>x"),
    (b"UTC-ICRS-TOPO", b"UTC-ICRS-MARS"), (b"<Why>", b"<Whom/><Why>"),
    (b'dataType="float"', b'dataType="real"'),
])  # fmt: skip
def test_the_schema_would_notice(schema, old, new):
    assert old in packet()
    with pytest.raises(Exception, match=r"Element '"):
        schema(packet().replace(old, new))


def test_the_packet_has_the_parts_that_the_recommendation_names_in_its_namespace():
    root = parsed(last=LAST)
    assert root.tag == "{http://www.ivoa.net/xml/VOEvent/v2.0}VOEvent"
    assert root.get("version") == "2.0"
    assert [child.tag for child in root] == ["Who", "What", "WhereWhen", "How", "Why", "Citations"]


def test_each_reaction_has_an_ivorn_of_its_own_and_the_version_or_time_plays_no_part():
    ivorns = [parsed(itself=reaction(number)).get("ivorn") for number in (7, 8)]
    assert ivorns == [f"ivo://reporter.invalid/job/hunters#{number:032x}" for number in (7, 8)]
    own = VOEvent(stream="fast", **AUTHOR)
    assert parsed(unit=own).get("ivorn") == f"ivo://example.org/fast#{7:032x}"
    assert parsed(unit=own).findtext("Who/AuthorIVORN") == "ivo://example.org"


def test_the_role_is_test_until_the_job_says_otherwise_and_always_for_simulated_alerts():
    own = VOEvent(role="observation", **AUTHOR)
    assert parsed().get("role") == "test"
    assert parsed(unit=own).get("role") == "observation"
    assert parsed(unit=own, itself=reaction(origin="simulated")).get("role") == "test"


def test_whoever_sends_must_say_who_they_are_unless_it_is_a_test():
    author = parsed().find("Who/Author")
    assert [child.text for child in author] == [REPORTER] * 3
    for absent in AUTHOR:
        with pytest.raises(ValidationError, match="authority, contact_name and contact_email"):
            VOEvent(role="observation", **{key: value for key, value in AUTHOR.items() if key != absent})
    assert parsed(unit=VOEvent(**AUTHOR)).findtext("Who/Author/contactEmail") == "a@example.org"


@pytest.mark.parametrize("config", [
    {"role": "rumour"}, {"authority": "a b"}, {"authority": "<x>"}, {"stream": "a#b"}, {"stream": "/x"},
    {"position_error_arcsec": 0}, {"ivorn": "ivo://x"},
])  # fmt: skip
def test_parameters_that_make_no_packet_are_refused(config):
    with pytest.raises(ValidationError):
        VOEvent(**config)


def test_where_and_when_are_the_mean_position_and_the_newest_detection_in_utc():
    root = parsed()
    place = root.find("WhereWhen/ObsDataLocation/ObservationLocation")
    assert place.find("AstroCoordSystem").get("id") == "UTC-ICRS-TOPO"
    value = place.find("AstroCoords/Position2D/Value2")
    assert (float(value.findtext("C1")), float(value.findtext("C2"))) == (184.25, -13.5)
    assert float(place.findtext("AstroCoords/Position2D/Error2Radius")) == 1 / 3600
    # 37 leap seconds since 2017; MJD 0 is 1858-11-17.
    utc = datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=SEEN.mjd_tai) - timedelta(seconds=37)
    said = place.findtext("AstroCoords/Time/TimeInstant/ISOTime")
    assert abs(datetime.fromisoformat(said).replace(tzinfo=UTC) - utc) < timedelta(milliseconds=1)
    assert root.findtext("Who/Date") == said
    assert root.find("WhereWhen/ObsDataLocation/ObservatoryLocation").get("id") == "ztf"


def test_zero_and_false_are_sent_and_what_is_absent_is_not():
    found = params(parsed())
    assert found["fast"].get("value") == "false"
    assert (found["count"].get("value"), found["count"].get("dataType")) == ("0", "int")
    assert float(found["fastest_mag_per_day"].get("value")) == 0.0
    assert found["gap_days.ztfg"].get("value") == "1.5"
    assert found["bands.1"].get("value") == "ztfr"
    assert not {"limit", "peak_njy", "rate_mag_per_day"} & found.keys()


def test_quantities_have_units_and_ucds_of_the_vocabularies():
    found = params(parsed())
    assert (found["fastest_mag_per_day"].get("unit"), found["newest_mag_ab"].get("unit")) == ("mag/d", "mag")
    assert (found["ra_deg"].get("ucd"), found["dec_deg"].get("ucd")) == ("pos.eq.ra", "pos.eq.dec")
    for param in found.values():
        if param.get("ucd"):
            parse_ucd(param.get("ucd"), check_controlled_vocabulary=True)
        if param.get("unit"):
            assert Unit(param.get("unit"), format="vounit") is not None
        assert (param.get("dataType") == "float") >= (param.get("unit") is not None)
    assert len({param.get("unit") for param in found.values()}) >= 6


def test_a_ratio_of_fluxes_is_no_flux():
    found = params(parsed(seen=view({"a": {"x_njy_ratio": 0.5, "x_njy": 0.5}})))
    assert (found["x_njy_ratio"].get("unit"), found["x_njy"].get("unit")) == (None, "nJy")


def test_ids_lead_back_to_what_it_was_made_from():
    found = {name: param.get("value") for name, param in params(parsed()).items()}
    told = view()
    assert (found["stock"], found["alert"], found["state"]) == (told.stock, told.alert, told.state)
    assert (found["reaction"], found["result"]) == (reaction().id, told.result_ids["decline"])


def test_a_faint_flux_has_no_magnitude_and_a_flux():
    faint = msgspec.structs.replace(SEEN, mag_ab=None, mag_err_ab=None)
    found = params(parsed(seen=view(sighting=faint)))
    assert "mag_ab" not in found
    assert float(found["flux_njy"].get("value")) == SEEN.flux_njy


def test_an_event_that_was_told_before_supersedes_the_packet_before():
    assert parsed().find("Citations") is None
    (cited,) = parsed(last=LAST).findall("Citations/EventIVORN")
    assert (cited.get("cite"), cited.text) == ("supersedes", f"ivo://reporter.invalid/job/hunters#{3:032x}")


def test_why_says_the_condition_and_the_concept():
    root = parsed(unit=VOEvent(concept="afterglow"))
    assert root.findtext("Why/Concept") == "afterglow"
    assert "decline.fast" in root.findtext("Why/Description")
    assert parsed().find("Why/Concept") is None


def test_without_a_detection_there_is_nothing_to_point_at():
    with pytest.raises(MissingInputError):
        VOEvent().react(view(sighting=None), reaction(), None)


def test_the_bytes_are_the_same_every_time():
    assert packet(last=LAST) == packet(last=LAST)
    message = VOEvent().react(view(), reaction(), None)
    assert (message.name, message.media_type) == ("event.xml", "application/xml")
    assert message.body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<voe:VOEvent ")
