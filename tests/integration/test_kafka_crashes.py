"""Members of a group that crash, hang, come and go, and a broker that does: every record is copied once."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from support.kafka_members import Stream

COUNT = 6000
pytestmark = pytest.mark.slow


@pytest.fixture
def stream(kafka_address):
    return Stream(kafka_address)


def test_a_member_killed_in_the_middle_is_replaced_by_the_others(stream):
    with stream.members() as start:
        first, second = start(), start()
        first.wait_for("took")
        second.wait_for("took")
        stream.fill(COUNT)
        first.wait_for("commit", 5)
        first.signal(signal.SIGKILL)
        stream.wait_until_done()
        assert second.end() == 0
    assert stream.copied() == Counter(range(stream.count))


def test_members_come_and_go_while_records_flow(stream):
    with stream.members() as start:
        first = start()
        stream.fill(COUNT)
        first.wait_for("commit", 5)
        second = start()
        second.wait_for("took")
        # However long it took to start: there is something for it to do.
        stream.fill(COUNT)
        second.wait_for("commit", 5)
        third = start()
        third.wait_for("took")
        stream.fill(COUNT)
        had = second.count("took")
        assert first.end() == 0
        second.wait_for("took", beyond=had)
        assert second.end() == 0
        stream.wait_until_done()
        assert third.end() == 0
        assert not any(line.startswith("again") for each in (first, second, third) for line in each.said)
    assert stream.copied() == Counter(range(stream.count))


def test_a_member_that_hung_and_was_replaced_does_no_harm_when_it_wakes(stream):
    with stream.members() as start:
        zombie, other = start(), start()
        zombie.wait_for("took")
        other.wait_for("took")
        stream.fill(COUNT)
        zombie.wait_for("commit", 3)
        zombie.signal(signal.SIGSTOP)
        had, was = other.count("took"), zombie.count("took")
        other.wait_for("took", 4, beyond=had)
        zombie.signal(signal.SIGCONT)
        zombie.wait_for("took", beyond=was)
        stream.wait_until_done()
        assert (zombie.end(), other.end()) == (0, 0)
    assert stream.copied() == Counter(range(stream.count))


def test_a_member_with_a_name_has_its_partitions_again_when_it_comes_back(stream):
    with stream.members() as start:
        first, second = start("one"), start("two")
        second.wait_for("took", 2)
        stream.fill(COUNT)
        first.wait_for("commit", 3)
        had = second.count("took")
        first.signal(signal.SIGKILL)
        again = start("one")
        again.wait_for("took", 2)
        stream.wait_until_done()
        assert (second.count("took"), again.count("took")) == (had, 2)
        assert (second.end(), again.end()) == (0, 0)
    assert stream.copied() == Counter(range(stream.count))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_goes_and_comes_back_loses_nothing(own_kafka, end):
    stream = Stream(own_kafka.address)
    with stream.members() as start:
        members = [start(), start()]
        for member in members:
            member.wait_for("took")
        stream.fill(COUNT // 2)
        for member in members:
            member.wait_for("commit", 5)
        getattr(own_kafka, end)()
        own_kafka.start()
        stream.wait_until_done()
        assert [member.end() for member in members] == [0, 0]
    assert stream.copied() == Counter(range(stream.count))
