"""docs/examples/entra_dag.py against a server that answers as the documentation of Graph says."""

from collections.abc import Iterator

import pytest

from tests.vendors.deployment import Deployment
from tests.vendors.entra import Entra, machine
from tests.vendors.nights import deploy, edit, find_no_more_with_dlt, prove_two_nights, refuse_wrong_secret

LOGIN, SECRET = "11111111-2222-3333-4444-555555555555", "entra-secret-not-a-real-one"
NAMES = ("users", "groups", "group_members")


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra(client=(LOGIN, SECRET)) as server:
        yield server


@pytest.fixture
def deployment(entra: Entra, tmp_path) -> Deployment:
    return deploy("entra", "entra", entra.url, tmp_path, login=LOGIN, password=SECRET)


def test_users_groups_and_members_are_synced_exactly_past_empty_pages(
    entra: Entra, deployment: Deployment
) -> None:
    prove_two_nights(deployment, entra, NAMES, lambda: edit(entra, machine(36), accountEnabled=False))
    find_no_more_with_dlt(deployment, f"Bearer {entra.grant()}")


def test_a_wrong_secret_is_an_auth_error(deployment: Deployment) -> None:
    refuse_wrong_secret(deployment)
