"""The store on a real Cassandra keeps the contract of every store."""

from __future__ import annotations

import time

import pytest

from skymesh.model.alert import Cutouts
from skymesh.testing.documents import STAMPS, cutouts
from skymesh.testing.store_contract import StoreContract
from support.cassandra_store import emptied, made_store, run_statements


@pytest.fixture(scope="module", autouse=True)
def _store(cassandra_address):
    with made_store(cassandra_address, "contract") as TestCassandraStore.url:
        yield


class TestCassandraStore(StoreContract):
    opener = "support.cassandra_store:open_store"
    url: str

    def fresh_address(self, folder):
        return emptied(self.url)

    def damage_cutouts(self, address):
        block = bytearray(cutouts().block)
        block[len(block) // 2] ^= 1
        table = f"{address.rpartition('/')[2]}.cutouts"
        damage = f"UPDATE {table} USING TIMESTAMP {2**62} SET body = %s WHERE id = %s"
        run_statements(address, (damage, (bytes(block), cutouts().id)))

    def test_stamps_that_were_written_again_since_a_time_stay(self, address):
        async def work(store):
            await store.write([cutouts()])
            before_us = time.time_ns() // 1000
            await store.write([cutouts()])
            await store.delete(Cutouts, [(cutouts().id,)], written_before_us=before_us)
            assert await store.read_cutouts(cutouts().id) == STAMPS

        self.on(address, work)
