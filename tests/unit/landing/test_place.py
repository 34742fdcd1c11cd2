"""Where the landing zone is, and which credentials of dlt's an Airflow connection becomes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import (
    AwsCredentials,
    GcpServiceAccountCredentials,
)
from dlt.common.configuration.specs.azure_credentials import AzureCredentialsWithoutDefaults
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.common.storages.fsspec_filesystem import prepare_fsspec_args

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.dlt_provider import own_dlt
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError, TransientError
from directory_sync.landing.place import LANDING_KEYS, LandingPlace, landing_place

SETTINGS = SyncSettings(home=Path("/somewhere"))
KEYFILE = {
    "type": "service_account",
    "project_id": "a-project",
    "private_key_id": "1",
    "private_key": "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----\n",
    "client_email": "lander@a-project.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def place(conn_type: str, url: str = "", /, **fields: Any) -> LandingPlace:
    extra = {**({"bucket_url": url} if url else {}), **fields.pop("extra", {})}
    connection = ConnectionFields(conn_id="directory_landing", conn_type=conn_type, extra=extra, **fields)
    return landing_place(connection, SETTINGS)


def resolved(place: LandingPlace) -> FilesystemConfiguration:
    """What dlt makes of it: nothing is lacking, and no field is unknown."""
    explicit = {"bucket_url": place.url, "credentials": dict(place.credentials), **place.options}
    with own_dlt():
        return resolve_configuration(FilesystemConfiguration(), explicit_value=explicit)


def test_the_landing_zone_lies_at_home_without_a_connection() -> None:
    assert landing_place(None, SETTINGS).url == "/somewhere/landing"


@pytest.mark.parametrize("fields", [{"host": "/data/landing/"}, {"extra": {"bucket_url": "/data/landing"}}])
def test_a_folder_needs_nothing_that_opens_it(fields: Any) -> None:
    assert place("fs", **fields) == LandingPlace(url="/data/landing")


@pytest.mark.parametrize(
    ("conn_type", "fields", "words"),
    [
        ("fs", {}, "names no folder and no bucket"),
        ("fs", {"host": "landing"}, "an absolute path is needed"),
        ("fs", {"host": "file://landing"}, "an absolute path is needed"),
        ("aws", {"host": "ftp://bucket"}, "supported: s3://, gs://, az://, abfss://"),
        ("aws", {"host": "s3://bucket/land*"}, "would be read as patterns"),
        ("fs", {"host": "s3://bucket"}, "of the type 'fs'; .* one of the type 'aws'"),
        ("aws", {"host": "gs://bucket"}, "one of the type 'google_cloud_platform'"),
        ("aws", {"host": "s3://bucket", "login": "key"}, "has only one of login"),
        ("aws", {"host": "s3://bucket", "extra": {"role_arn": "arn:aws:iam::1:role/r"}}, "`profile_name`"),
        (
            "google_cloud_platform",
            {"host": "gs://b", "extra": {"keyfile_dict": "{"}},
            "that holds no service account",
        ),
        ("wasb", {"host": "az://container"}, "names no storage account"),
        (
            "aws",
            {"host": "s3://bucket", "extra": {"verify_tls": "x"}},
            "is not supported; valid: aws_session",
        ),
        ("wasb", {"host": "az://c", "login": "a", "extra": {"account_key": "x"}}, "is not supported"),
    ],
)
def test_a_connection_that_opens_nothing_is_refused_in_words(conn_type: str, fields: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=f"`directory_landing`.*{words}"):
        place(conn_type, **fields)


def test_no_credential_is_shown() -> None:
    shown = repr(place("aws", "s3://bucket", login="AKIA1", password="hidden"))
    assert "s3://bucket" in shown
    assert "hidden" not in shown
    assert "AKIA1" not in shown


def test_an_aws_connection_becomes_credentials_of_s3() -> None:
    extra = {"region_name": "eu-west-1", "endpoint_url": "https://s3.example.org", "aws_session_token": "t"}
    config = resolved(place("aws", "s3://bucket/prefix/", login="AKIA1", password="secret", extra=extra))
    assert config.bucket_url == "s3://bucket/prefix"
    assert isinstance(config.credentials, AwsCredentials)
    asked = config.credentials.to_s3fs_credentials()
    assert (asked["key"], asked["secret"], asked["token"]) == ("AKIA1", "secret", "t")
    assert asked["endpoint_url"] == "https://s3.example.org"
    assert asked["client_kwargs"] == {"region_name": "eu-west-1"}
    said = prepare_fsspec_args(config)["config_kwargs"]
    assert said["retries"] == {"mode": "standard", "max_attempts": 4}


def test_an_aws_connection_can_say_more_of_the_client() -> None:
    extra = {
        "config_kwargs": {"retries": {"max_attempts": 2}, "read_timeout": 5},
        "service_config": {"s3": {"endpoint_url": "https://s3.example.org"}},
        "verify": "/etc/ca.pem",
    }
    config = resolved(place("aws", "s3://bucket", login="AKIA1", password="secret", extra=extra))
    said = prepare_fsspec_args(config)["config_kwargs"]
    assert (said["retries"], said["read_timeout"]) == ({"max_attempts": 2}, 5)
    assert config.client_kwargs == {"verify": "/etc/ca.pem"}
    assert config.credentials.endpoint_url == "https://s3.example.org"


def test_an_aws_connection_without_a_key_takes_what_the_worker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the worker")
    credentials = resolved(place("aws", "s3://bucket")).credentials
    assert isinstance(credentials, AwsCredentials)
    assert credentials.to_session_credentials()["aws_access_key_id"] == "AKIA2"


@pytest.mark.parametrize("form", ["an object", "text", "a file"])
def test_a_google_connection_becomes_a_service_account(form: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(KEYFILE))
    extra = {
        "an object": {"keyfile_dict": KEYFILE},
        "text": {"keyfile_dict": json.dumps(KEYFILE)},
        "a file": {"key_path": str(tmp_path / "key.json")},
    }[form]
    credentials = resolved(place("google_cloud_platform", "gs://bucket", extra=extra)).credentials
    assert isinstance(credentials, GcpServiceAccountCredentials)
    token = credentials.to_gcs_credentials()["token"]
    assert {name: token[name] for name in KEYFILE} == KEYFILE


@pytest.mark.parametrize("sas", [{}, {"sas_token": "a token"}], ids=["key", "token"])
def test_a_wasb_connection_with_a_key_or_a_token_becomes_an_account(sas: Any) -> None:
    """Not resolved here: dlt makes a token of a key by Azure's package, which is not installed."""
    filled = place("wasb", "az://container", login="account", password="" if sas else "key", extra=sas)
    asked = AzureCredentialsWithoutDefaults(**filled.credentials).to_adlfs_credentials()
    assert (asked["account_name"], asked["account_key"]) == ("account", None if sas else "key")
    assert asked["sas_token"] == sas.get("sas_token")


def test_a_wasb_connection_with_a_tenant_becomes_a_service_principal() -> None:
    credentials = resolved(
        place(
            "wasb",
            "az://container",
            host="https://account.blob.core.windows.net",
            login="client",
            password="secret",
            extra={"tenant_id": "tenant"},
        )
    ).credentials
    asked = credentials.to_adlfs_credentials()
    assert (asked["account_name"], asked["tenant_id"]) == ("account", "tenant")
    assert (asked["client_id"], asked["client_secret"]) == ("client", "secret")


@pytest.mark.parametrize(
    "one",
    [
        place(
            "aws", "s3://b", login="k", password="s", extra={"aws_session_token": "t", "profile_name": "p"}
        ),
        place("google_cloud_platform", "gs://b", extra={"keyfile_dict": KEYFILE}),
        place("wasb", "az://c", login="account", extra={"sas_token": "t"}),
        place("wasb", "az://c", host="a.b.net", login="id", password="s", extra={"tenant_id": "t"}),
    ],
    ids=["s3", "gs", "az, token", "az, principal"],
)
def test_what_is_filled_in_is_what_dlt_asks_for(one: LandingPlace) -> None:
    """A name which is no field of dlt's, or which is none of LANDING_KEYS, would be lost in silence."""
    known = resolved(one).credentials.get_resolvable_fields().keys()
    assert one.credentials.keys() <= known
    assert {f"credentials.{name}" for name in one.credentials} <= set(LANDING_KEYS)
    assert one.credentials.items() <= {key.split(".")[1]: one.answer(key) for key in LANDING_KEYS}.items()


def test_a_bucket_that_does_not_answer_is_tried_again() -> None:
    extra = {"endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 0}}}
    with pytest.raises(
        TransientError, match=r"s3://bucket cannot be reached \(.*Error\).*Airflow tries again"
    ):
        place("aws", "s3://bucket", login="AKIA1", password="hidden", extra=extra).open()


def test_a_worker_without_an_identity_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="has no credentials for s3://bucket"):
        place("aws", "s3://bucket").open()


def test_a_bucket_without_its_package_is_explained() -> None:
    """Neither gcsfs nor adlfs is installed here."""
    with pytest.raises(ConfigError, match="Install gcsfs"):
        place("google_cloud_platform", "gs://bucket", extra={"keyfile_dict": KEYFILE}).open()
