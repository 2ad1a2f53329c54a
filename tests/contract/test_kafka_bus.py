"""The bus on Kafka keeps the contract of every bus."""

from __future__ import annotations

import uuid

import pytest

from skymesh.testing.bus_contract import BusContract


class TestKafkaBus(BusContract):
    opener = "support.kafka_mesh:open_bus"

    @pytest.fixture
    def address(self, kafka_address):
        return f"{kafka_address}/{uuid.uuid4().hex[:12]}"
