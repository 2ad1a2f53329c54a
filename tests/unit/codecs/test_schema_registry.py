"""A schema registry is asked over real HTTP: what it has, what it has not, and when it is away or another."""

from __future__ import annotations

import socket

import pytest

from skymesh.codecs.schema_registry import SchemaRegistry
from skymesh.errors import SchemaRegistryUnavailableError, SettingsError, UnknownSchemaError
from support.registry_server import serving

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "long"}]}
PATH = "/schemas/ids/1000"


@pytest.fixture
def server():
    with serving() as running:
        yield running


def test_it_answers_with_the_schema_of_an_id(server):
    server.serve(1000, SCHEMA)
    server.serve(1100, SCHEMA, schemaType="AVRO", references=[])
    registry = SchemaRegistry(server.url + "/")
    assert registry.find(1000) == registry.find(1100) == SCHEMA
    assert server.asked == [PATH, "/schemas/ids/1100"]


def test_an_id_that_it_does_not_have_is_none(server):
    assert SchemaRegistry(server.url).find(1000) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"},
        {"schema": "{", "schemaType": "AVRO"},
        {"schema": '"n.Other"', "references": [{"name": "n.Other", "subject": "other", "version": 1}]},
    ],
    ids=["protobuf", "damaged", "references"],
)
def test_what_is_no_whole_avro_schema_is_unknown(server, answer):
    server.answers[PATH] = (200, answer)
    with pytest.raises(UnknownSchemaError, match="schema id 1000"):
        SchemaRegistry(server.url).find(1000)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_one_that_cannot_answer_now_is_away(server, status):
    server.answers[PATH] = (status, {"error_code": 50001, "message": "later"})
    with pytest.raises(SchemaRegistryUnavailableError, match=f"status {status}"):
        SchemaRegistry(server.url).find(1000)


def test_one_that_is_not_there_is_away():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(
            SchemaRegistryUnavailableError, match=f"{url}: the schema registry does not answer"
        ):
            SchemaRegistry(url).find(1000)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>Welcome</html>"),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, [1, 2]),
        (200, {"schema": 17}),
        (200, {"subjects": []}),
        (404, b"<html>nothing here</html>"),
        (301, b""),
        (418, {"error_code": 1}),
    ],
)
def test_what_is_no_registry_is_a_wrong_setting_and_no_reason_to_drop_packets(server, answer):
    server.answers[PATH] = answer
    with pytest.raises(SettingsError, match=f"no schema registry \\(status {answer[0]}\\)"):
        SchemaRegistry(server.url).find(1000)


@pytest.mark.parametrize("status", [401, 403])
def test_one_that_refuses_is_a_wrong_setting(server, status):
    server.answers[PATH] = (status, {"error_code": status})
    with pytest.raises(SettingsError, match=f"refuses to answer \\(status {status}\\)"):
        SchemaRegistry(server.url).find(1000)


def test_name_and_password_are_sent_and_never_shown(server):
    host = server.url.removeprefix("http://")
    registry = SchemaRegistry(f"http://somebody:secret@{host}")
    assert registry.find(1000) is None
    assert server.credentials == ["Basic c29tZWJvZHk6c2VjcmV0"]
    server.answers[PATH] = (401, {})
    with pytest.raises(SettingsError) as refused:
        registry.find(1000)
    assert "secret" not in f"{registry.name} {refused.value}"
    assert host in registry.name


@pytest.mark.parametrize(
    "url", ["", "localhost:8081", "ftp://host", "http://", "http://[::1", "http://h:port"]
)
def test_what_is_no_address_is_said_at_once(url):
    with pytest.raises(SettingsError, match="schema registry"):
        SchemaRegistry(url)


@pytest.mark.parametrize("url", ["http://somebody:secret/word@host", "https://somebody:secret\x01@host"])
def test_what_is_wrong_with_an_address_is_not_repeated(url):
    with pytest.raises(SettingsError) as refused:
        SchemaRegistry(url)
    assert "secret" not in str(refused.value)
