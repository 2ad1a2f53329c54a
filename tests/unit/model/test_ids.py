"""The canonical encoding: one form for every value, whatever wrote it."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import NotFoundError
from skymesh.model.ids import KINDS, canonical, canonical_row, digest_bytes, digest_of, parse_id, text_id

INTS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats()
TEXT = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | INTS | FLOATS | TEXT | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
ROWS = st.lists(
    st.none()
    | st.booleans()
    | INTS
    | FLOATS
    | st.sampled_from([-0.0, 0.0, math.nan, -math.nan, math.inf, -math.inf, 5e-324])
    | TEXT.map(lambda text: unicodedata.normalize("NFC", text)),
    max_size=60,
).map(tuple)


@given(st.dictionaries(TEXT, VALUES, max_size=6), st.randoms(use_true_random=False))
def test_a_map_has_one_form_whatever_the_order_of_its_keys(mapping, random):
    items = list(mapping.items())
    random.shuffle(items)
    assert canonical(dict(items)) == canonical(mapping)


@given(st.lists(st.binary(max_size=16), unique=True), st.randoms(use_true_random=False))
def test_a_set_is_its_sorted_list(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    assert canonical(set(shuffled)) == canonical(frozenset(items)) == canonical(sorted(items))


@given(st.lists(VALUES, min_size=2, max_size=4, unique_by=canonical))
def test_a_list_keeps_its_order(items):
    assert canonical(items) != canonical(items[::-1])
    assert canonical(items) == canonical(tuple(items))


@given(FLOATS)
def test_a_float_is_64_bits_big_endian(value):
    if math.isnan(value):
        assert canonical(value) == b"\xc0"
    else:
        assert canonical(value) == b"\xcb" + struct.pack(">d", value or 0.0)


def test_minus_zero_is_zero_and_nan_is_absent_at_any_depth():
    assert canonical({"a": [-0.0, {"b": math.nan}]}) == canonical({"a": [0.0, {"b": None}]})
    assert canonical(-0.0) == b"\xcb" + bytes(8)


def test_an_integer_never_passes_through_a_float():
    assert canonical(2**53 + 1) != canonical(2**53)
    assert canonical(2**53 + 1) == b"\xcf" + (2**53 + 1).to_bytes(8, "big")
    assert canonical(1) != canonical(1.0)
    assert canonical(1) != canonical(True)


@given(TEXT)
def test_text_is_nfc_as_value_and_as_key(text):
    for form in ("NFC", "NFD"):
        spelt = unicodedata.normalize(form, text)
        assert canonical(spelt) == canonical(unicodedata.normalize("NFC", text))
        assert canonical({spelt: 1}) == canonical({unicodedata.normalize("NFC", text): 1})


def test_text_is_nfc_beyond_ascii():
    assert canonical("Ångström") == canonical("A\u030angstro\u0308m")
    assert canonical("A") != canonical("a")


@given(ROWS)
def test_a_row_written_quickly_has_the_bytes_of_the_canonical_form(row):
    assert canonical_row(row) == canonical(row)


@given(VALUES)
def test_canonical_bytes_read_back_to_themselves(value):
    assert canonical(msgspec.msgpack.decode(canonical(value))) == canonical(value)


@given(VALUES, VALUES)
def test_equal_ids_mean_equal_canonical_bytes(one, other):
    assert (digest_of("digest", one) == digest_of("digest", other)) is (canonical(one) == canonical(other))


@pytest.mark.parametrize("value", [object(), {1: "a"}, {"a": {None: 1}}, 1j, [b"x", bytearray(b"x")]])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        canonical(value)


def test_kinds_are_worlds_apart():
    assert len({digest_bytes(kind, b"same") for kind in KINDS}) == len(KINDS)


@given(st.sampled_from(sorted(KINDS)), st.binary(min_size=16, max_size=16))
def test_an_id_in_text_reads_back(kind, digest):
    assert parse_id(text_id(kind, digest)) == (kind, digest)


@pytest.mark.parametrize(
    "text",
    ["", "state", "state:", "state:00ff", "nonsense:" + "0" * 32, "state:" + "0" * 34, "state:" + "g" * 32,
     "state:" + "0 " * 16, " state:" + "0" * 32],
)  # fmt: skip
def test_what_is_no_id_is_refused_in_one_line(text):
    with pytest.raises(NotFoundError) as caught:
        parse_id(text)
    assert "\n" not in str(caught.value)


def test_ids_are_the_same_in_another_process_with_other_hashes():
    script = (
        "import json\n"
        "from skymesh.model.ids import digest_of\n"
        "from skymesh.model.state import make_state\n"
        "names = {f'field{i}' for i in range(50)}\n"
        "print(json.dumps([digest_of('digest', names).hex(),\n"
        "    digest_of('config', {n: len(n) for n in names}).hex(),\n"
        "    make_state('ztf:a', {bytes([i]) * 16 for i in range(50)}).id.hex()]))\n"
    )
    told = []
    for seed in ("0", "1", "4242"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        told.append(json.loads(done.stdout))
    assert told[0] == told[1] == told[2]
