"""docs/examples/google_workspace_dag.py against a server that answers as Google's documentation says."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.vendors.deployment import Deployment
from tests.vendors.google_workspace import GoogleWorkspace, room
from tests.vendors.nights import deploy, edit, find_no_more_with_dlt, prove_two_nights, refuse_wrong_secret

ACCOUNT = "sync@example.iam.gserviceaccount.com"
NAMES = ("users", "groups", "group_members")


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    """The `private_key` of a service account's key file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture
def google(key: rsa.RSAPrivateKey) -> Iterator[GoogleWorkspace]:
    with GoogleWorkspace(public_key=key.public_key(), account=ACCOUNT) as server:
        yield server


@pytest.fixture
def deployment(google: GoogleWorkspace, key: rsa.RSAPrivateKey, tmp_path) -> Deployment:
    name = "google_workspace"
    deployment = deploy(name, name, google.url, tmp_path, login=ACCOUNT, password=pem(key))
    assert deployment.source is not None
    google.subject = str(deployment.source.extra["subject"])
    return deployment


def test_users_groups_and_members_are_synced_exactly_where_empty_lists_are_left_out(
    google: GoogleWorkspace, deployment: Deployment
) -> None:
    def edited() -> None:
        edit(google, room(36), suspended=True)
        # An etag alone is no change.
        google.users[6]["etag"] = '"new"'

    prove_two_nights(deployment, google, NAMES, edited)
    find_no_more_with_dlt(deployment, f"Bearer {google.grant()}")


def test_another_key_is_an_auth_error(deployment: Deployment) -> None:
    refuse_wrong_secret(deployment, pem(new_key()))


def test_an_administrator_who_delegated_nothing_is_an_auth_error(
    google: GoogleWorkspace, deployment: Deployment
) -> None:
    google.subject = "somebody-else@example.org"
    refuse_wrong_secret(deployment, deployment.source.password)
