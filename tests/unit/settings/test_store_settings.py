"""Settings of the store come from the environment, fit together, and keep their secrets."""

from __future__ import annotations

import subprocess

import pytest

from skymesh.errors import SettingsError
from skymesh.settings.environment import from_environment
from skymesh.settings.store import CassandraSettings

SECRET = "pass-word-4711"


@pytest.fixture
def settings_of(monkeypatch):
    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"SKYMESH_STORE_{name}", str(value))
        return from_environment(CassandraSettings)

    return read


def test_nothing_needs_to_be_said(settings_of):
    settings = settings_of()
    assert (settings.read_consistency, settings.write_consistency) == ("LOCAL_QUORUM", "LOCAL_QUORUM")
    assert settings.replication is None
    assert (settings.secret(), settings.tls_context()) == (None, None)


@pytest.mark.parametrize(
    "said,copies",
    [("3", {"": 3}), ("dc1=3", {"dc1": 3}), (" dc1 = 3 ,dc2=2", {"dc1": 3, "dc2": 2}), ("", None)],
)
def test_copies_are_said_for_all_datacentres_or_for_each(settings_of, said, copies):
    assert settings_of(REPLICATION=said).replication == copies


def test_a_consistency_may_be_written_small(settings_of):
    assert settings_of(READ_CONSISTENCY="each_quorum").read_consistency == "EACH_QUORUM"


@pytest.mark.parametrize(
    "variables,name",
    [
        ({"READ_CONSISTENCY": "SERIAL"}, "SKYMESH_STORE_READ_CONSISTENCY"),
        ({"WRITE_CONSISTENCY": "most"}, "SKYMESH_STORE_WRITE_CONSISTENCY"),
        ({"REPLICATION": "many"}, "SKYMESH_STORE_REPLICATION"),
        ({"REPLICATION": "0"}, "SKYMESH_STORE_REPLICATION"),
        ({"REPLICATION": "dc1=3,"}, "SKYMESH_STORE_REPLICATION"),
        ({"REPLICATION": "=3"}, "SKYMESH_STORE_REPLICATION"),
        ({"TIMEOUT_S": "0"}, "SKYMESH_STORE_TIMEOUT_S"),
        ({"USER": "me"}, "a user and a password"),
        ({"PASSWORD": SECRET}, "a user and a password"),
        ({"USER": "me", "PASSWORD": SECRET, "PASSWORD_FILE": "/f"}, "not both"),
        ({"TLS_CERT": "/f"}, "tls_cert and tls_key"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line_without_the_secret(settings_of, variables, name):
    with pytest.raises(SettingsError) as caught:
        settings_of(**variables)
    assert name in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_secret_is_in_no_text_of_the_settings(settings_of):
    settings = settings_of(USER="me", PASSWORD=SECRET)
    assert settings.secret() == SECRET
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_secret_is_the_first_line_of_its_file(settings_of, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\nremark\n")
    assert settings_of(USER="me", PASSWORD_FILE=tmp_path / "secret").secret() == SECRET


def test_a_secret_whose_file_is_not_there_is_told_by_the_file(settings_of, tmp_path):
    settings = settings_of(USER="me", PASSWORD_FILE=tmp_path / "secret")
    with pytest.raises(SettingsError, match=f"{tmp_path}/secret: the secret cannot be read"):
        settings.secret()


def test_tls_trusts_the_authority_that_is_named_and_shows_a_certificate(settings_of, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=me",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = settings_of(TLS_CA=certificate, TLS_CERT=certificate, TLS_KEY=key).tls_context()
    assert context is not None
    assert [dict(found[0] for found in each["subject"]) for each in context.get_ca_certs()] == [
        {"commonName": "me"}
    ]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_tls_that_cannot_be_used_is_named(settings_of, tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(SettingsError, match=f"^{tmp_path}/ca.pem: "):
        settings_of(TLS_CA=tmp_path / "ca.pem").tls_context()
