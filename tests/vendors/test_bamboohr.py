"""docs/examples/bamboohr_dag.py against a server that answers as BambooHR's documentation says."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from requests.auth import _basic_auth_str

from tests.vendors.bamboohr import BambooHR, machine
from tests.vendors.deployment import Deployment
from tests.vendors.nights import deploy, find_no_more_with_dlt, refuse_wrong_secret

KEY = "bamboohr-key-not-a-real-one"


@pytest.fixture
def bamboohr() -> Iterator[BambooHR]:
    with BambooHR(key=KEY) as server:
        yield server


@pytest.fixture
def deployment(bamboohr: BambooHR, tmp_path) -> Deployment:
    return deploy("bamboohr", "bamboohr", bamboohr.url, tmp_path, login=KEY, password="x")


def test_employees_and_the_directory_are_synced_exactly(bamboohr: BambooHR, deployment: Deployment) -> None:
    deployment.run_all("one")
    wanted = {one["employeeId"] for one in bamboohr.users}
    assert deployment.keys("employees") == deployment.keys("directory") == wanted
    bamboohr.users.append(machine(136))
    bamboohr.users[3] |= {"displayName": "Crane, oiled"}
    bamboohr.users[5] |= {"status": "Inactive"}
    removed = bamboohr.users.pop(20)["employeeId"]
    deployment.run_all("two")
    assert deployment.changed("employees", "two") == {
        "added": {"136"},
        "changed": {"104", "106"},
        "removed": {removed},
    }
    # The directory has no address of one entry, so absent ones wait for the second night.
    assert deployment.changed("directory", "two") == {
        "added": {"136"},
        "changed": {"104"},
        "missing": {"106", removed},
    }
    deployment.of("directory").run("three")
    assert deployment.changed("directory", "three") == {"removed": {"106", removed}}
    find_no_more_with_dlt(deployment, _basic_auth_str(KEY, "x"))


def test_a_wrong_key_is_an_auth_error(deployment: Deployment) -> None:
    assert deployment.source is not None
    refuse_wrong_secret(deployment.with_(source=replace(deployment.source, login="wrong")), "x")
