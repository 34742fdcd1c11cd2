"""docs/examples/github_organisation_dag.py against a server that answers as GitHub's documentation says."""

from collections.abc import Iterator

import pytest

from tests.vendors.deployment import Deployment
from tests.vendors.github import GitHub, machine
from tests.vendors.nights import (
    deploy,
    edit,
    find_no_more_with_dlt,
    prove_two_nights,
    refuse_wrong_secret,
    state_of,
)

TOKEN = "github-token-not-a-real-one"
NAMES = ("members", "teams", "team_members")


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub(token=TOKEN) as server:
        yield server


@pytest.fixture
def deployment(github: GitHub, tmp_path) -> Deployment:
    return deploy("github_organisation", "github", github.url, tmp_path, password=TOKEN)


def test_members_teams_and_team_members_are_synced_exactly(github: GitHub, deployment: Deployment) -> None:
    before = prove_two_nights(
        deployment, github, NAMES, lambda: edit(github, machine(36), login="builder-2b")
    )
    # On the third night, what is missing is removed, and the memberships of the team go with it.
    after = state_of(github, NAMES)
    deployment.run_all("three")
    for name in NAMES:
        assert deployment.changed(name, "three") == {"removed": before[name].keys() - after[name].keys()}
    find_no_more_with_dlt(deployment, f"Bearer {TOKEN}")


def test_a_wrong_token_is_an_auth_error(deployment: Deployment) -> None:
    refuse_wrong_secret(deployment)
