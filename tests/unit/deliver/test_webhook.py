"""The outlet ``webhook`` before a real receiver that takes, refuses, hangs up or says nothing."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
from contextlib import nullcontext
from email.utils import formatdate

import httpx
import pytest
from msgspec.structs import replace

from skymesh.errors import (
    DeliveryRefusedError,
    DeliveryUnclearError,
    MeshError,
    OutletUnavailableError,
    SettingsError,
)
from skymesh.jobs.outlets import PUBLIC
from skymesh.model.ids import text_id
from skymesh.model.reaction import Letter
from skymesh.settings.environment import from_environment
from skymesh.testing import documents as made
from skymesh_deliver.door import Door, parcel_of
from skymesh_deliver.doors import door_to, doors, outlet_grants
from skymesh_deliver.settings import WebhookSettings
from skymesh_deliver.webhook_outlet import WebhookOutlet
from support.jvm_server import wait_until
from support.webhook_server import DROP, HANG, receiving

XML = Letter("event.xml", "application/xml", b"<x/>")
PNG = Letter("finder.png", "image/png", b"\x89PNG")
SECRET = "a-secret-that-nobody-may-see"


@pytest.fixture
def receiver():
    with receiving() as told:
        yield told


def parcel(*letters, **changes):
    one = replace(made.intent(1), target="webhook", letters=letters or (XML,), **changes)
    return parcel_of(one, Door("webhook", "webhook"))


def post(url, *letters, token=None, timeout_s=5.0, **changes):
    outlet = WebhookOutlet(url, token, timeout_s=timeout_s, clock_ms=lambda: 1_700_000_000_000)
    asyncio.run(outlet.deliver(parcel(*letters, **changes)))


def test_a_message_is_posted_with_its_key_and_of_whom_it_comes(receiver):
    post(receiver.url, token=SECRET)
    (call,) = receiver.calls
    reaction = text_id("reaction", made.intent(1).id)
    assert (call.path, call.body, call.key) == ("/hook", XML.body, reaction)
    told = {name: value for name, value in call.headers.items() if name.startswith("x-skymesh-")}
    assert told == {
        "x-skymesh-reaction": reaction,
        "x-skymesh-run": text_id("run", made.RUN),
        "x-skymesh-stock": made.intent(1).stock,
        "x-skymesh-channel": made.CHANNEL,
        "x-skymesh-instance": "event",
        "x-skymesh-message": "event.xml",
    }
    assert call.headers["content-type"] == "application/xml"
    assert call.headers["authorization"] == f"Bearer {SECRET}"


def test_several_messages_are_one_request_each_under_keys_of_their_own(receiver):
    post(receiver.url, XML, PNG)
    reaction = text_id("reaction", made.intent(1).id)
    assert receiver.keys == [f"{reaction}.event.xml", f"{reaction}.finder.png"]
    assert [call.body for call in receiver.calls] == [XML.body, PNG.body]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_taken(receiver, status):
    receiver.otherwise = status
    post(receiver.url)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 413, 422])
def test_what_says_never_is_refused_and_no_redirection_is_followed(receiver, status):
    receiver.otherwise = (status, {"Location": receiver.url})
    with pytest.raises(DeliveryRefusedError, match=f"status {status}"):
        post(receiver.url)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("location", ["http://[::bad", "//h:99999999", "\xfc://", "", "/ok"])
def test_a_redirection_to_anywhere_is_a_status_alone(receiver, location):
    receiver.otherwise = (307, {"Location": location})
    with pytest.raises(DeliveryRefusedError, match="answers with status 307"):
        post(receiver.url)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("status", [204, 400])
def test_a_body_that_never_comes_changes_nothing(receiver, status):
    receiver.otherwise = (status, {"Content-Length": "7"})
    with nullcontext() if status == 204 else pytest.raises(DeliveryRefusedError, match="status 400"):
        post(receiver.url)


def test_whatever_the_client_fails_with_leaves_it_unclear(receiver, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("what no client should do")

    # A defect of the client beneath us: no receiver that is known makes it fail otherwise.
    monkeypatch.setattr(httpx.AsyncClient, "stream", fails)
    with pytest.raises(DeliveryUnclearError, match=r"no answer \(RuntimeError\)"):
        post(receiver.url)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_receiver_leaves_it_unclear(receiver, status):
    receiver.otherwise = status
    with pytest.raises(DeliveryUnclearError, match=f"status {status}"):
        post(receiver.url)


@pytest.mark.parametrize(
    "asked,pause_s",
    [("7", 7.0), ("999999", 3600.0), (formatdate(1_700_000_090), 90.0), ("soon", 0.0), ("-1", 0.0),
     ("Mon, 01 Jan 9999999999999999 00:00:00 GMT", 0.0), ("Mon, 01 Jan 9999 00:00:00 GMT", 3600.0),
     ("Mon, 01 Jan 0001 00:00:00 -2359", 0.0), ("9" * 400, 0.0)],
)  # fmt: skip
def test_a_receiver_that_asks_for_time_has_taken_nothing(receiver, asked, pause_s):
    for status in (429, 503):
        receiver.otherwise = (status, {"Retry-After": asked})
        with pytest.raises(OutletUnavailableError) as caught:
            post(receiver.url)
        assert (type(caught.value), caught.value.pause_s) == (OutletUnavailableError, pause_s)
    receiver.otherwise = 429
    with pytest.raises(OutletUnavailableError) as caught:
        post(receiver.url)
    assert type(caught.value) is OutletUnavailableError


@pytest.mark.parametrize("answer,timeout_s", [(HANG, 2.0), (DROP, 60.0)])
def test_no_answer_leaves_it_unclear(receiver, answer, timeout_s):
    receiver.otherwise = answer
    with pytest.raises(DeliveryUnclearError, match="no answer"):
        post(receiver.url, timeout_s=timeout_s)
    # Who gave up may have done so before the receiver had read it all.
    wait_until(lambda: len(receiver.calls) > 0, "the receiver to have read", 60)
    assert len(receiver.calls) == 1


def test_who_is_not_reached_has_taken_nothing():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        for url in (f"http://127.0.0.1:{bound.getsockname()[1]}/x", "http://nowhere.invalid/x"):
            with pytest.raises(OutletUnavailableError) as caught:
                post(url)
            assert type(caught.value) is OutletUnavailableError


@pytest.fixture
def certificate(tmp_path):
    """A certificate that only who is told so trusts, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path / "own.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", tmp_path / "certificate.pem"]
    subprocess.run(["openssl", "req", "-x509", "-days", "2", *key, *subject], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "certificate.pem").read_bytes())
    return path


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(certificate, monkeypatch):
    with receiving(certificate) as receiver:
        with pytest.raises(OutletUnavailableError) as caught:
            post(receiver.url)
        assert type(caught.value) is OutletUnavailableError
        assert receiver.calls == []
        settings(monkeypatch, WEBHOOK_URL=receiver.url, WEBHOOK_TLS_CA=certificate)
        tls = from_environment(WebhookSettings).tls_context()
        asyncio.run(WebhookOutlet(receiver.url, timeout_s=5.0, tls=tls).deliver(parcel()))
        assert len(receiver.calls) == 1


def test_once_some_messages_were_taken_the_rest_is_unclear(receiver):
    receiver.answers = [204, 429]
    with pytest.raises(DeliveryUnclearError, match="took 1 of 2 messages, then: answers with status 429"):
        post(receiver.url, XML, PNG)
    receiver.answers = [204, 400]
    with pytest.raises(DeliveryRefusedError, match="took 1 of 2 messages, then: answers with status 400"):
        post(receiver.url, XML, PNG)


@pytest.mark.parametrize("media_type", ["text/plain\r\nX-Evil: 1", "text/é", ""])
def test_a_media_type_that_is_none_stops_nobody(receiver, media_type):
    try:
        post(receiver.url, replace(XML, media_type=media_type))
    except DeliveryRefusedError:
        assert receiver.calls == []
    else:
        assert "x-evil" not in receiver.calls[0].headers


def test_names_that_are_not_ascii_travel_as_in_addresses(receiver):
    post(receiver.url, stock="lsst:é 1")
    assert receiver.calls[0].headers["x-skymesh-stock"] == "lsst:%C3%A9%201"


@pytest.mark.parametrize("answer", [400, 500, DROP, 204])
def test_addresses_and_tokens_are_told_nobody(receiver, answer, caplog):
    caplog.set_level(logging.DEBUG)
    receiver.otherwise = answer
    url = receiver.url.replace("://", f"://user:{SECRET}@") + f"/{SECRET}?key={SECRET}"
    with nullcontext() if answer == 204 else pytest.raises(MeshError) as caught:
        post(url, token=SECRET)
    if caught is not None:
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
    assert SECRET not in caplog.text


def settings(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"SKYMESH_{name}", str(value))


def test_an_outlet_is_there_once_it_has_settings(monkeypatch, tmp_path):
    # Files can be written without.
    assert doors() == {"file": Door("file", "file")}
    with pytest.raises(SettingsError, match=r"outlet 'webhook': set SKYMESH_WEBHOOK_URL"):
        door_to("webhook")
    settings(
        monkeypatch, OUTLET_FOLDER=tmp_path, KAFKA_OUTLET_TOPIC="told", WEBHOOK_URL="https://host/x",
        WEBHOOK_GRANTS="ztf_public, ztf_private",
    )  # fmt: skip
    private = frozenset({"ztf_public", "ztf_private"})
    assert doors() == {
        "file": Door("file", "file"),
        "kafka": Door("kafka", "kafka", PUBLIC, topic="told"),
        "webhook": Door("webhook", "webhook", private),
    }
    assert outlet_grants() == {"file": None, "kafka": PUBLIC, "webhook": private}


def test_what_an_address_and_a_token_are_is_said_without_saying_them(monkeypatch, tmp_path):
    for url in (f"ftp://{SECRET}/", SECRET, f"https://[{SECRET}/"):
        settings(monkeypatch, WEBHOOK_URL=url)
        with pytest.raises(SettingsError, match="SKYMESH_WEBHOOK_URL") as caught:
            doors()
        assert SECRET not in str(caught.value)
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    settings(monkeypatch, WEBHOOK_URL="https://host/", WEBHOOK_TOKEN_FILE=file)
    found = from_environment(WebhookSettings)
    assert found.secret() == SECRET
    assert SECRET not in repr(found)
    settings(monkeypatch, WEBHOOK_TOKEN=SECRET)
    with pytest.raises(SettingsError, match="token or token_file") as caught:
        from_environment(WebhookSettings)
    assert SECRET not in str(caught.value)


def test_the_topic_of_the_outlet_is_none_of_the_meshs(monkeypatch):
    settings(monkeypatch, KAFKA_OUTLET_TOPIC="skymesh.live.intents.v1")
    with pytest.raises(SettingsError, match="SKYMESH_KAFKA_OUTLET_TOPIC"):
        doors()
