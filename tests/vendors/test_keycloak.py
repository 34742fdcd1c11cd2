"""docs/examples/keycloak_dag.py against a server that answers as Keycloak's documentation says."""

from collections.abc import Iterator

import pytest

from tests.vendors.deployment import Deployment
from tests.vendors.keycloak import Keycloak, machine
from tests.vendors.nights import deploy, edit, find_no_more_with_dlt, prove_two_nights, refuse_wrong_secret

LOGIN, SECRET = "directory-sync", "keycloak-secret-not-a-real-one"
NAMES = ("users", "groups", "group_members")


@pytest.fixture
def keycloak() -> Iterator[Keycloak]:
    with Keycloak(client=(LOGIN, SECRET)) as server:
        yield server


@pytest.fixture
def deployment(keycloak: Keycloak, tmp_path) -> Deployment:
    return deploy("keycloak", "keycloak", keycloak.url, tmp_path, login=LOGIN, password=SECRET)


def test_users_groups_and_members_are_synced_exactly(keycloak: Keycloak, deployment: Deployment) -> None:
    prove_two_nights(deployment, keycloak, NAMES, lambda: edit(keycloak, machine(36), enabled=False))
    find_no_more_with_dlt(deployment, f"Bearer {keycloak.grant()}")


def test_pages_that_are_short_because_entries_are_hidden_end_nothing(
    keycloak: Keycloak, deployment: Deployment
) -> None:
    keycloak.hidden = {one["id"] for one in keycloak.users[2:30:4]}
    users = deployment.of("users")
    users.run("one")
    assert users.keys("users") == {one["id"] for one in keycloak.users} - keycloak.hidden


def test_a_wrong_secret_is_an_auth_error(deployment: Deployment) -> None:
    refuse_wrong_secret(deployment)
