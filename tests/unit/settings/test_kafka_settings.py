"""Settings of Kafka come from the environment; what does not fit is said in one line that keeps secrets."""

from __future__ import annotations

import pytest

from skymesh.bus.kafka.client import Cluster
from skymesh.errors import SettingsError
from skymesh.settings.environment import from_environment
from skymesh.settings.kafka import KafkaSettings

SECRET = "dont-tell"


@pytest.fixture
def environment(monkeypatch):
    """Sets variables of Kafka, all others being unset."""

    def set_all(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"SKYMESH_KAFKA{name}", str(value))

    for name in ("", "_USER", "_PASSWORD", "_PASSWORD_FILE", "_MECHANISM", "_TLS", "_TLS_CA", "_TIMEOUT_S"):
        monkeypatch.delenv(f"SKYMESH_KAFKA{name}", raising=False)
    return set_all


def read():
    return from_environment(KafkaSettings)


def test_the_servers_suffice(environment):
    environment(**{"": "one:9092, [::1]:9093"})
    assert read().servers == "one:9092,[::1]:9093"
    assert (read().security_protocol, read().secret() or None, read().tls_context()) == (
        "PLAINTEXT",
        None,
        None,
    )


@pytest.mark.parametrize(
    "variables,protocol",
    [
        ({"_USER": "u", "_PASSWORD": SECRET}, "SASL_PLAINTEXT"),
        ({"_USER": "u", "_PASSWORD": SECRET, "_TLS": "true"}, "SASL_SSL"),
        ({"_TLS": "1"}, "SSL"),
    ],
)
def test_credentials_and_tls_make_the_protocol(environment, variables, protocol):
    environment(**{"": "one:9092"}, **variables)
    assert read().security_protocol == protocol


def test_a_secret_comes_from_a_file(environment, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    environment(**{"": "one:9092"}, _USER="u", _PASSWORD_FILE=tmp_path / "secret")
    assert read().secret() == SECRET


def test_a_secret_is_never_shown(environment):
    environment(**{"": "one:9092"}, _USER="u", _PASSWORD=SECRET)
    assert read().secret() == SECRET
    assert SECRET not in f"{read()!r} {read()} {read().model_dump()} {Cluster(read())!r}"


@pytest.mark.parametrize(
    "variables,told",
    [
        ({}, "SKYMESH_KAFKA: Field required"),
        ({"": "one"}, "SKYMESH_KAFKA: give host:port, or several of them separated by commas"),
        ({"": "one:0"}, "SKYMESH_KAFKA: give host:port, or several of them separated by commas"),
        ({"": "one:1,"}, "SKYMESH_KAFKA: give host:port, or several of them separated by commas"),
        ({"": "one:99999"}, "SKYMESH_KAFKA: give host:port, or several of them separated by commas"),
        ({"": "one:1", "_USER": "u"}, "a user and a password (or password_file) are given together"),
        ({"": "one:1", "_PASSWORD": SECRET}, "a user and a password (or password_file) are given together"),
        ({"": "one:1", "_MECHANISM": "GSSAPI"}, "SKYMESH_KAFKA_MECHANISM: Input should be 'PLAIN',"),
        ({"": "one:1", "_TIMEOUT_S": "0"}, "SKYMESH_KAFKA_TIMEOUT_S: Input should be greater than 0"),
    ],
)
def test_what_does_not_fit_is_told_with_its_variable(environment, variables, told):
    environment(**variables)
    with pytest.raises(SettingsError) as error:
        read()
    assert told in str(error.value)
    assert SECRET not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(environment, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    environment(**{"": "one:9092"}, _TLS_CA=tmp_path / "ca.pem")
    with pytest.raises(SettingsError, match=r"ca\.pem: is no certificate or key in PEM that fits"):
        read().tls_context()
    environment(**{"": "one:9092"}, _TLS_CA=tmp_path / "absent.pem")
    with pytest.raises(SettingsError, match=r"absent\.pem: cannot be read: No such file"):
        read().tls_context()
