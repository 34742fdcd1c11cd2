"""One example on two nights: the lists whole, then exactly what was edited between."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from directory_sync.config.dlt_provider import form_secrets
from directory_sync.errors import AuthError
from tests.vendors.deployment import Deployment, connection_of, example
from tests.vendors.plain_dlt import entries
from tests.vendors.vendor import Organisation, Record

LIMITS = {"max_small_share": 0.5, "max_removed_share": 0.5}
"""Of lists as small as these, the usual limits would hold each absent entry."""
State = dict[str, dict[Any, Record]]


def deploy(name: str, form: str, url: str, home: Path, **credentials: Any) -> Deployment:
    """An example as it is deployed.

    Args:
        name: the file of the example, without `_dag.py`.
        form: its function that returns the form.
        url: the server, in place of the vendor's hosts.
        home: the folder of the landing zone and the warehouse.
        **credentials: of the connection, in place of the docstring's; see `connection_of`.
    """
    source = connection_of(name, url, **credentials)
    function = getattr(example(name), form)
    return Deployment(url=url, home=home, form=function, source=source, settings=LIMITS)


def state_of(server: Organisation, names: tuple[str, str, str]) -> State:
    """What a server has now: of each resource, its entries by their keys, less what the example ignores."""
    users, groups, members = names
    found = {
        users: {one["id"]: one for one in server.users},
        groups: {one["id"]: one for one in server.groups},
        members: {(group["id"], one["id"]): one for group in server.groups for one in server.inside(group)},
    }
    return {
        name: {key: {k: v for k, v in one.items() if k != "etag"} for key, one in entries.items()}
        for name, entries in found.items()
    }


def edit(server: Organisation, new: Record, **changed: Any) -> None:
    """Adds, changes and removes one user each, and removes a group; one joins a group, one leaves another."""
    server.users.append(new)
    server.users[1] |= changed
    del server.users[10]
    del server.groups[4]
    joined, left = server.groups[0]["id"], server.groups[2]["id"]
    server.members[joined].append(new["id"])
    server.members[left].pop()


def difference(
    before: State, after: State, names: tuple[str, str, str], *, asked: bool
) -> dict[str, dict[str, set[Any]]]:
    """The change rows that lead from one state to another: of each resource, the keys by their kind.

    What the vendor has no address for is `missing` on the first night that lacks it. Memberships go with
    their group, so those of a group that is only missing stay.

    Args:
        before: the state on the night before.
        after: the state now.
        names: the resources of users, groups and members.
        asked: users and groups have an address each, which the vendor is asked for.
    """
    found: dict[str, dict[str, set[Any]]] = {}
    for name in names:
        old, new, is_child = before[name], after[name], name == names[2]
        gone = old.keys() - new.keys()
        alone = {key for key in gone if not is_child or key[0] in after[names[1]]}
        is_removed = asked and not is_child
        kinds = {
            "added": new.keys() - old.keys(),
            "changed": {key for key in new.keys() & old.keys() if new[key] != old[key]},
            "removed": (alone if is_removed else set()) | (gone - alone if asked else set()),
            "missing": set() if is_removed else alone,
        }
        found[name] = {kind: set(keys) for kind, keys in kinds.items() if keys}
    return found


def prove_two_nights(
    deployment: Deployment, server: Organisation, names: tuple[str, str, str], edited: Callable[[], None]
) -> State:
    """Syncs the example whole, edits the server, and syncs again.

    Args:
        deployment: the example, deployed.
        server: what it reads.
        names: its resources of users, groups and members.
        edited: edits the server.

    Returns:
        The state before the edits.
    """
    before = state_of(server, names)
    deployment.run_all("one")
    for name in names:
        assert deployment.keys(name) == set(before[name]), name
    edited()
    after = state_of(server, names)
    deployment.run_all("two")
    asked = deployment.of(names[0]).of_form.detail_path is not None
    wanted = difference(before, after, names, asked=asked)
    assert {name: deployment.changed(name, "two") for name in names} == wanted
    assert deployment.query("SELECT count(*) FROM directory_syncs WHERE held > 0") == [(0,)]
    return before


def refuse_wrong_secret(deployment: Deployment, password: str = "wrong") -> None:
    """A wrong secret ends in an AuthError, at the first request of each resource."""
    assert deployment.source is not None
    wrong = deployment.with_(source=replace(deployment.source, password=password))
    with pytest.raises(AuthError):
        wrong.of(wrong.resources[0].name).client().page()


def find_no_more_with_dlt(deployment: Deployment, authorization: str) -> None:
    """Plain dlt on the same server finds no key that the tables lack.

    Args:
        deployment: the example, as published.
        authorization: the header of a request that is signed in.
    """
    assert deployment.source is not None
    with form_secrets():
        form = deployment.form()
    found = entries(form, deployment.source.host, authorization=authorization)
    for resource in deployment.resources:
        fields = resource.key.names
        keys = {tuple(one[field] for field in fields) for one in found[resource.name]}
        ours = {key if len(fields) > 1 else (key,) for key in deployment.keys(resource.name)}
        assert keys
        assert keys <= ours, resource.name
