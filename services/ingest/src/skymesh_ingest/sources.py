"""The brokers of surveys: where each is, what is read there, and how the mesh joins it."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from skymesh.bus.kafka.group import Group, Membership
from skymesh.bus.kafka.member import Work
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.source import Source
from skymesh.errors import SettingsError
from skymesh.runtime.joining import Joinable
from skymesh.runtime.live import LiveMesh
from skymesh.runtime.topics import SOURCES
from skymesh.settings.environment import from_environment
from skymesh.settings.kafka import KafkaSettings
from skymesh.surveys import registry


class BrokerSettings(NamedTuple):
    """A survey's own broker, from ``SKYMESH_<SURVEY>_…``.

    Attributes
    ----------
    survey
        The survey.
    kafka
        How it is reached: ``…_KAFKA`` for the servers, ``…_KAFKA_USER`` and the rest as for the mesh's.
    topics
        ``…_TOPICS``: a pattern of the names of topics, from their beginning.
    group
        ``…_GROUP``: the group under which is read there; surveys may prescribe how it begins. Empty: one that
        is named by the mesh's log.
    """

    survey: str
    kafka: KafkaSettings
    topics: re.Pattern[str]
    group: str


def broker_settings() -> list[BrokerSettings]:
    """Return the brokers of surveys that the environment names.

    Raises
    ------
    SettingsError
        If a setting is wrong, or missing.
    """
    found = [_settings_of(survey, f"SKYMESH_{survey.upper()}_") for survey in registry.installed()]
    return [settings for settings in found if settings is not None]


def _settings_of(survey: str, prefix: str) -> BrokerSettings | None:
    servers, topics, group = (os.environ.get(prefix + name, "") for name in ("KAFKA", "TOPICS", "GROUP"))
    if not servers and not topics and not group:
        return None
    for name, value, what in (("KAFKA", servers, "the servers"), ("TOPICS", topics, "a pattern of topics")):
        if not value:
            raise SettingsError(f"give {what} of the survey's broker", where=prefix + name)
    try:
        pattern = re.compile(topics)
    except re.error as error:
        raise SettingsError(f"is no pattern: {error}", where=f"{prefix}TOPICS") from None
    kafka = from_environment(KafkaSettings, prefix=f"{prefix}KAFKA_", servers=servers)
    return BrokerSettings(survey, kafka, pattern, group)


def opening(settings: BrokerSettings, mesh: LiveMesh) -> Callable[[], AbstractAsyncContextManager[Joinable]]:
    """Return what opens a survey's broker for a mesh."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Joinable]:
        topic = mesh.context.topic(SOURCES)
        group = settings.group or f"skymesh-{mesh.context.log.hex()}"
        survey, there = settings.survey, mesh.bus.connection
        variable = f"SKYMESH_{survey.upper()}_KAFKA"
        async with Source.open(survey, settings.kafka, there, topic, variable) as source:
            yield _Broker(source, group, settings.topics)

    return opened


class _Broker(NamedTuple):
    """A survey's broker as it is joined."""

    source: Source
    name: str
    topics: re.Pattern[str]

    def group(self, work: Work, membership: Membership) -> Group:
        return self.source.group(self.name, self.topics, work, membership)

    async def expiry_ms(self, partition: KafkaPartition) -> int | None:
        return await self.source.expiry_ms(partition)
