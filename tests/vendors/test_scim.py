"""docs/examples/scim_dag.py against `scim2-server`, a service that others wrote, by both its ways to page."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.vendors.deployment import Deployment, example
from tests.vendors.nights import deploy, find_no_more_with_dlt, refuse_wrong_secret
from tests.vendors.scim import CAP, TOKEN, ScimServer

CURSOR = {"type": "cursor", "cursor_path": "nextCursor", "cursor_param": "cursor", "cursor_value": ""}


def by_cursor() -> Mapping[str, Any]:
    """The example's form for a service that pages by cursor (RFC 9865), as its docstring says."""
    form = example("scim").scim()
    form["resource_defaults"]["endpoint"] |= {"paginator": CURSOR, "params": {"count": 100}}
    return form


@pytest.fixture
def scim() -> Iterator[ScimServer]:
    with ScimServer() as server:
        yield server


@pytest.fixture
def deployment(scim: ScimServer, tmp_path) -> Deployment:
    return deploy("scim", "scim", scim.url, tmp_path, password=TOKEN)


@pytest.mark.parametrize("way", ["index", "cursor"])
def test_users_and_groups_with_members_are_synced_exactly(
    scim: ScimServer, deployment: Deployment, way: str
) -> None:
    if way == "cursor":
        deployment = deployment.with_(form=by_cursor)
    machines = [scim.add_machine(f"press-{number}") for number in range(1, 3 * CAP + 6)]
    halls = [scim.add_hall(f"Hall {number}", machines[number : number + 3]) for number in range(CAP + 3)]
    deployment.run_all("one")
    assert deployment.keys("users") == set(machines)
    assert deployment.keys("groups") == set(halls)
    assert deployment.query("SELECT count(*) FROM groups__members") == [(3 * len(halls),)]
    added = scim.add_machine("press-36")
    scim.patch(f"/Users/{machines[4]}", {"op": "replace", "path": "displayName", "value": "Press, oiled"})
    scim.ask("DELETE", f"/Users/{machines[20]}")
    scim.patch(f"/Groups/{halls[1]}", {"op": "add", "path": "members", "value": [{"value": added}]})
    scim.patch(f"/Groups/{halls[2]}", {"op": "remove", "path": f'members[value eq "{machines[3]}"]'})
    scim.ask("DELETE", f"/Groups/{halls[5]}")
    deployment.run_all("two")
    assert deployment.changed("users", "two") == {
        "added": {added},
        "changed": {machines[4]},
        "removed": {machines[20]},
    }
    assert deployment.changed("groups", "two") == {"changed": {halls[1], halls[2]}, "removed": {halls[5]}}
    members = deployment.query(
        "SELECT g.id, m.value FROM groups AS g JOIN groups__members AS m ON m._dlt_parent_id = g._dlt_id "
        "WHERE g.id IN (?, ?)",
        halls[1],
        halls[2],
    )
    assert set(members) == {
        *((halls[1], one) for one in (*machines[1:4], added)),
        *((halls[2], one) for one in (machines[2], machines[4])),
    }
    find_no_more_with_dlt(deployment, f"Bearer {TOKEN}")


def test_a_service_without_entries_is_empty(deployment: Deployment) -> None:
    assert deployment.of("groups").run("one").entries == 0


def test_windows_are_as_large_as_the_service_lets_them_be(scim: ScimServer, deployment: Deployment) -> None:
    for number in range(4 * CAP):
        scim.add_machine(f"press-{number}")
    deployment.of("users").run("one")
    # Windows of CAP entries, the places where they meet, and the end: not one entry a request.
    assert scim.asked["/v2/Users"] <= 20


def test_a_wrong_token_is_an_auth_error(deployment: Deployment) -> None:
    refuse_wrong_secret(deployment)
