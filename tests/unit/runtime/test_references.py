"""What is too large for the bus travels by reference, and nobody behind it notices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skymesh.bus.bus import Outgoing, Received
from skymesh.codecs import wire
from skymesh.model.run import Blob
from skymesh.runtime.references import referred, referring, resolved
from support.loops import on_mesh


@given(values=st.lists(st.binary(max_size=40)), record_bytes=st.integers(0, 40))
def test_a_reference_leads_to_the_same_bytes(tmp_path_factory, values, record_bytes):
    sent, blobs = referring([Outgoing("t", "k", value) for value in values], record_bytes)
    assert all(len(output.value) <= max(record_bytes, 17) for output in sent)
    assert len(blobs) == sum(len(value) > record_bytes for value in values)

    async def work(mesh):
        await mesh.store.write(blobs)
        received = [Received(number, output.key, output.value) for number, output in enumerate(sent)]
        return await resolved(mesh.store, received)

    found = on_mesh(tmp_path_factory.mktemp("mesh"), work)
    assert [record.value for record in found] == values


def test_nothing_is_referred_to_without_a_limit():
    outputs = [Outgoing("t", "k", b"x" * 10_000_000)]
    assert referring(outputs, None) == (outputs, [])


@given(st.none() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary() | st.lists(st.integers(0, 9)))
def test_no_record_of_the_mesh_looks_like_a_reference(value):
    assert referred(wire.encode(value)) is None


def test_what_looks_like_a_reference_and_leads_nowhere_stays_what_it_is(tmp_path):
    record = Received(0, "k", b"\xc1" + bytes(16))

    async def work(mesh):
        await mesh.store.write([Blob(bytes(15) + b"\x01", b"another")])
        return await resolved(mesh.store, [record])

    assert on_mesh(tmp_path, work) == (record,)
