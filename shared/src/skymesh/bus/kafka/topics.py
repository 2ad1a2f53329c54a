"""Topics: made, found and checked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    LeaderNotAvailableError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from skymesh.bus.kafka.client import patiently
from skymesh.bus.kafka.protocol import Described
from skymesh.errors import BrokerUnavailableError, InvariantError, SettingsError

WEEK_MS = 7 * 24 * 3600 * 1000
_MOST_REPLICAS = 3
_FOR_EVER = -1
_WATCH_S = 5.0
# Who begins to read one reads all of it: what is not compacted must not be a week or a gigabyte, as it is by
# default.
_COMPACTED = {"segment.bytes": str(16 << 20), "delete.retention.ms": str(3600 * 1000)}


class Topic(NamedTuple):
    """What the mesh asks of a topic.

    Attributes
    ----------
    name
        Its name.
    partitions
        Number of partitions.
    retention_ms
        How long a record is kept at least, in ms; None: for ever.
    is_compacted
        Whether only the last record of a key must stay.
    """

    name: str
    partitions: int = 1
    retention_ms: int | None = None
    is_compacted: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """What Kafka is told."""
        kept = _FOR_EVER if self.retention_ms is None else self.retention_ms
        return {
            **(_COMPACTED if self.is_compacted else {}),
            "cleanup.policy": "compact" if self.is_compacted else "delete",
            "retention.ms": str(kept),
            "retention.bytes": str(_FOR_EVER),
        }


class Found(NamedTuple):
    """A topic as it is there.

    Attributes
    ----------
    id
        Its id, which a topic of the same name that was made anew does not have: 32 hex digits.
    partitions
        Number of partitions.
    is_led
        Whether every partition can be written to.
    """

    id: str
    partitions: int
    is_led: bool


class Topics:
    """The topics of a cluster.

    Parameters
    ----------
    client, admin
        Started clients.
    servers
        The servers, for errors.
    """

    def __init__(self, client: AIOKafkaClient, admin: AIOKafkaAdminClient, servers: str) -> None:
        self._client = client
        self._admin = admin
        self._servers = servers
        self._counts: dict[str, int] = {}

    async def find(self, names: Iterable[str]) -> dict[str, Found]:
        """Return those topics that are there; none is made by being asked for.

        Raises
        ------
        SettingsError
            If the user may not see one.
        """
        answer = await self._described(list(names))
        found = {}
        for code, name, number, _, partitions, _, _ in answer.topics:
            if for_code(code) is TopicAuthorizationFailedError:
                raise SettingsError("Kafka does not permit this to the user", where=name)
            if partitions:
                is_led = all(leader >= 0 and not error for error, _, leader, *_ in partitions)
                found[name] = Found(number.hex, len(partitions), is_led)
        return found

    async def count(self, name: str) -> int:
        """Return the number of a topic's partitions; 0 if there is no such topic."""
        found = (await self.find([name])).get(name)
        # One that was asked for before may have been made anew, with another number.
        self._counts.pop(name, None)
        return 0 if found is None else found.partitions

    async def counts(self, names: Iterable[str]) -> Mapping[str, int]:
        """Return the numbers of partitions of topics, each asked for once.

        Raises
        ------
        InvariantError
            If there is no such topic.
        """
        wanted = set(names)
        counts = {name: self._counts[name] for name in wanted & self._counts.keys()}
        if unknown := wanted - counts.keys():
            counts |= {name: found.partitions for name, found in (await self.find(unknown)).items()}
        for name in wanted - counts.keys():
            raise InvariantError("there is no such topic", where=name)
        self._counts |= counts
        return counts

    async def found(self, names: Sequence[str]) -> dict[str, Found]:
        """Return topics that must be there.

        Raises
        ------
        InvariantError
            If one is not.
        """
        there = await self.find(names)
        for name in names:
            if name not in there:
                raise InvariantError("there is no such topic", where=name)
        return there

    async def watch(self, there: Mapping[str, Found]) -> None:
        """Look again and again whether topics are what they were, until cancelled.

        To the client a topic that has vanished is one that has nothing to read, and one that was made anew
        is the old one.

        Raises
        ------
        InvariantError
            If one has vanished, was made anew, or has another number of partitions.
        """
        while True:
            await asyncio.sleep(_WATCH_S)
            with suppress(BrokerUnavailableError):
                for name, topic in (await self.found([*there])).items():
                    if topic.id != there[name].id:
                        raise InvariantError("was made anew while it was read", where=name)
                    if topic.partitions != there[name].partitions:
                        problem = f"has {topic.partitions} partitions now, had {there[name].partitions}"
                        raise InvariantError(problem, where=name)

    async def create(self, topics: Sequence[Topic]) -> None:
        """Make topics, with as many replicas as there are brokers, three at most; not those that are there.

        Raises
        ------
        InvariantError
            If one is there with another number of partitions.
        SettingsError
            If Kafka does not let them be made.
        BrokerUnavailableError
            If no broker is ready.
        """
        there = await self.find(topic.name for topic in topics)
        replicas = min(_MOST_REPLICAS, len((await self._described([])).brokers))
        if not replicas:
            raise BrokerUnavailableError("Kafka: no broker is ready", where=self._servers)
        # A record that was acknowledged survives the loss of a broker.
        surviving = {"min.insync.replicas": str(max(1, replicas - 1))}
        wanted = [
            NewTopic(topic.name, topic.partitions, replicas, topic_configs={**topic.settings, **surviving})
            for topic in topics
            if topic.name not in there
        ]
        if wanted:
            await patiently(lambda: self._create(wanted), where=self._servers)
        found = await patiently(lambda: self._led(topics), where=self._servers)
        for topic in topics:
            if found[topic.name].partitions != topic.partitions:
                problem = f"has {found[topic.name].partitions} partitions, not {topic.partitions}"
                raise InvariantError(problem, where=topic.name)

    async def check(self, topics: Sequence[Topic]) -> None:
        """Make sure that topics are there and are what the mesh asks of them.

        Raises
        ------
        SettingsError
            All that does not fit, in one line.
        """
        there = await self.find(topic.name for topic in topics)
        settings = await self.settings(sorted(there))
        problems: list[str] = []
        for topic in topics:
            if topic.name in there:
                problems += _misfits(topic, there[topic.name], settings[topic.name])
            else:
                problems.append(f"{topic.name}: there is no such topic")
        if problems:
            raise SettingsError("; ".join(problems), where=self._servers)

    async def settings(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the settings of topics that are there, as Kafka spells them."""
        if not names:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await patiently(lambda: self._admin.describe_configs(asked), where=self._servers)
        return {
            name: {setting[0]: setting[1] for setting in settings}
            for answer in answers
            for _, _, _, name, settings in answer.resources
        }

    async def retention_ms(self, name: str) -> int | None:
        """Return how long a topic keeps a record, in ms; None: for ever, or nobody says."""
        settings = (await self.settings([name]))[name]
        kept = int(settings.get("retention.ms", _FOR_EVER))
        return None if kept < 0 or "delete" not in settings["cleanup.policy"] else kept

    async def _described(self, names: list[str]) -> Any:
        async def ask() -> Any:
            return await self._client.send(self._client.get_random_node(), Described(names))

        return await patiently(ask, where=self._servers)

    async def _create(self, wanted: list[NewTopic]) -> None:
        answer = await self._admin.create_topics(wanted)
        for name, code, message in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                if error.retriable:
                    raise error
                problem = f"Kafka does not make the topic: {message or error.__name__}"
                raise SettingsError(problem, where=name)

    async def _led(self, topics: Sequence[Topic]) -> dict[str, Found]:
        """Return new topics when every partition of them can be written to."""
        found = await self.find(topic.name for topic in topics)
        if len(found) < len(topics) or not all(topic.is_led for topic in found.values()):
            raise LeaderNotAvailableError
        return found


def _misfits(topic: Topic, found: Found, settings: Mapping[str, str]) -> Iterable[str]:
    """Yield what of a topic is not as it must be."""
    if found.partitions != topic.partitions:
        yield f"{topic.name}: has {found.partitions} partitions, not {topic.partitions}"
    policy = topic.settings["cleanup.policy"]
    if settings["cleanup.policy"] != policy:
        yield f"{topic.name}: cleanup.policy is {settings['cleanup.policy']}, not {policy}"
    if topic.is_compacted:
        return
    wanted, kept = int(topic.settings["retention.ms"]), int(settings["retention.ms"])
    if kept != _FOR_EVER and (wanted == _FOR_EVER or kept < wanted):
        yield f"{topic.name}: retention.ms is {kept}, not {wanted}{' or more' if wanted > 0 else ''}"
    if int(settings["retention.bytes"]) != _FOR_EVER:
        yield f"{topic.name}: retention.bytes is {settings['retention.bytes']}, not -1"
