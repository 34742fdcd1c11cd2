"""docs/examples/okta_dag.py against a server that answers as Okta's documentation says."""

from collections.abc import Iterator

import pytest

from tests.vendors.deployment import Deployment
from tests.vendors.nights import deploy, edit, find_no_more_with_dlt, prove_two_nights, refuse_wrong_secret
from tests.vendors.okta import Okta, machine

TOKEN = "okta-token-not-a-real-one"
NAMES = ("users", "groups", "group_members")


@pytest.fixture
def okta() -> Iterator[Okta]:
    with Okta(token=TOKEN) as server:
        yield server


@pytest.fixture
def deployment(okta: Okta, tmp_path) -> Deployment:
    return deploy("okta", "okta", okta.url, tmp_path, password=TOKEN)


def test_users_groups_and_members_are_synced_exactly_and_nobody_is_asked(
    okta: Okta, deployment: Deployment
) -> None:
    prove_two_nights(deployment, okta, NAMES, lambda: edit(okta, machine(36), status="DEPROVISIONED"))
    # On the third night, who left a group is gone from it; who is late in the index of `search` is not.
    missing = deployment.changed("group_members", "two")["missing"]
    okta.lagging = {okta.users[5]["id"]}
    deployment.run_all("three")
    assert deployment.changed("group_members", "three") == {"removed": missing}
    assert deployment.changed("users", "three") == {"missing": okta.lagging}
    find_no_more_with_dlt(deployment, f"SSWS {TOKEN}")


def test_four_who_leave_in_a_night_need_no_person(okta: Okta, deployment: Deployment) -> None:
    okta.largest, okta.users = 200, [machine(number) for number in range(1, 401)]
    users = deployment.with_(settings={}).of("users")
    users.run("one")
    gone = {okta.users.pop(at)["id"] for at in (390, 250, 101, 0)}
    report = users.run("two")
    assert (users.changed("users", "two"), report.holds.held) == ({"removed": gone}, 0)


def test_a_wrong_token_is_an_auth_error(deployment: Deployment) -> None:
    refuse_wrong_secret(deployment)
