"""Kafka with passwords and TLS: who may come in does, who may not is told so in one line."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.bus import KafkaBus
from skymesh.errors import SettingsError
from skymesh.settings.kafka import KafkaSettings
from support.jvm_server import free_ports, is_jvm_there
from support.kafka_mesh import read_some
from support.kafka_server import KafkaServer
from support.servers import NONE_THERE

PASSWORD = "correct horse battery staple"
STORE_PASSWORD = "kept-secret"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
pytestmark = pytest.mark.real_servers
_MODULES = "org.apache.kafka.common.security"


def _server(folder, ports):
    """Return a broker that lets alice do all and bob nothing, by password, with and without TLS."""
    keys, certificate = folder / "keys.p12", folder / "certificate.pem"
    access = ["-alias", "kafka", "-storetype", "PKCS12", "-keystore", keys, "-storepass", STORE_PASSWORD]
    made = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=kafka", "-ext", "san=ip:127.0.0.1"]
    for command in (made, ["-exportcert", "-rfc", "-file", certificate]):
        subprocess.run(["keytool", *command, *access], check=True, capture_output=True)
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in ("alice", "bob"))
    settings = {
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.tls.ssl.keystore.location": str(keys),
        "listener.name.tls.ssl.keystore.password": STORE_PASSWORD,
        "listener.name.tls.ssl.keystore.type": "PKCS12",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:alice",
    }
    for listener in ("open", "tls"):
        named = f"listener.name.{listener}"
        settings[f"{named}.plain.sasl.jaas.config"] = f"{_MODULES}.plain.PlainLoginModule required {users};"
        for scram in ("scram-sha-256", "scram-sha-512"):
            module = f"{_MODULES}.scram.ScramLoginModule required;"
            settings[f"{named}.{scram}.sasl.jaas.config"] = module
    return KafkaServer(
        folder / "kafka",
        settings=settings,
        listeners={"OPEN": ("SASL_PLAINTEXT", ports[0]), "TLS": ("SASL_SSL", ports[1])},
        users={"alice": PASSWORD, "bob": PASSWORD},
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The addresses without and with TLS, and the file of the certificate."""
    if not is_jvm_there():
        pytest.skip(f"{NONE_THERE} with passwords: no java and mvn")
    folder, ports = tmp_path_factory.mktemp("guarded"), free_ports(2)
    with _server(folder, ports):
        yield *(f"127.0.0.1:{port}" for port in ports), folder / "certificate.pem"


def go_through(settings, topic):
    """Write and read with settings."""

    async def work():
        bus = await KafkaBus.connect(settings)
        try:
            await bus.create(topic)
            await bus.publish([Outgoing(topic, "k", b"v")])
            async with bus.open(f"{topic}.g", topic, 0) as partition:
                await partition.commit(await read_some(partition), [])
            return await bus.waiting(f"{topic}.g", topic, 0)
        finally:
            await bus.close()

    return asyncio.run(work())


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_user_with_a_password_comes_in(guarded, mechanism):
    settings = KafkaSettings(servers=guarded[0], user="alice", password=PASSWORD, mechanism=mechanism)
    assert go_through(settings, f"open-{mechanism}") == 0


def test_a_user_comes_in_by_tls_with_a_password_from_a_file(guarded, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    settings = KafkaSettings(servers=guarded[1], user="alice", password_file=secret, tls_ca=guarded[2])
    assert go_through(settings, "tls") == 0


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_told_in_one_line_without_it(guarded, mechanism, caplog):
    settings = KafkaSettings(servers=guarded[0], user="alice", password="wrong-one", mechanism=mechanism)
    with pytest.raises(SettingsError) as told:
        go_through(settings, "never")
    assert (
        str(told.value)
        == f"SKYMESH_KAFKA={guarded[0]}: Kafka refuses the credentials or the way they are given"
    )
    assert "wrong-one" not in caplog.text + repr(settings) + str(settings)


def test_a_certificate_that_nobody_vouches_for_is_told(guarded):
    settings = KafkaSettings(servers=guarded[1], user="alice", password=PASSWORD, tls=True)
    with pytest.raises(SettingsError, match="certificate is not trusted: self-signed certificate"):
        go_through(settings, "never")


def test_a_user_without_rights_is_told(guarded):
    go_through(KafkaSettings(servers=guarded[0], user="alice", password=PASSWORD), "of-alice")
    with pytest.raises(SettingsError, match="does not permit"):
        go_through(KafkaSettings(servers=guarded[0], user="bob", password=PASSWORD), "of-alice")
