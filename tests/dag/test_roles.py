"""What Airflow's roles may do, as `docs/security.md` tells it of Airflow's simple auth manager.

Not ours to decide: when Airflow decides otherwise, that page has to change.
"""

import warnings
from collections.abc import Callable

import pytest

with warnings.catch_warnings():
    # A package of Airflow's server imports what Starlette calls deprecated.
    warnings.simplefilter("ignore")
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

Allowed = Callable[[SimpleAuthManagerUser], bool]
ROLES = ("viewer", "user", "op", "admin")
manager = SimpleAuthManager()


def dag(method: str, entity: DagAccessEntity | None) -> Allowed:
    return lambda user: manager.is_authorized_dag(method=method, access_entity=entity, user=user)


def connections(method: str) -> Allowed:
    return lambda user: manager.is_authorized_connection(method=method, user=user)


FIRST_WHO_MAY = {
    "read runs": (dag("GET", DagAccessEntity.RUN), "viewer"),
    "read logs": (dag("GET", DagAccessEntity.TASK_LOGS), "viewer"),
    "read XComs": (dag("GET", DagAccessEntity.XCOM), "viewer"),
    "read a question": (dag("GET", DagAccessEntity.HITL_DETAIL), "viewer"),
    "see the plugin's page": (
        lambda user: manager.is_authorized_view(access_view=AccessView.PLUGINS, user=user),
        "viewer",
    ),
    "trigger a run": (dag("POST", DagAccessEntity.RUN), "user"),
    "clear or mark a task": (dag("PUT", DagAccessEntity.TASK_INSTANCE), "user"),
    "change an XCom": (dag("PUT", DagAccessEntity.XCOM), "user"),
    "pause the Dag": (dag("PUT", None), "user"),
    "answer a question": (dag("PUT", DagAccessEntity.HITL_DETAIL), "user"),
    "read connections": (connections("GET"), "op"),
    "change or test connections": (connections("POST"), "op"),
    "forge an asset's event": (
        lambda user: manager.is_authorized_asset(method="POST", user=user),
        "op",
    ),
}


@pytest.mark.parametrize(("is_allowed", "first"), FIRST_WHO_MAY.values(), ids=FIRST_WHO_MAY)
def test_a_role_may_what_the_page_says_and_no_lower_one_may(is_allowed: Allowed, first: str) -> None:
    may = [role for role in ROLES if is_allowed(SimpleAuthManagerUser(username=role, role=role))]
    assert may == list(ROLES[ROLES.index(first) :])


def test_where_approvers_are_named_nobody_else_may_answer_the_admin_not_excepted() -> None:
    asked = {
        name: manager.is_authorized_hitl_task(
            assigned_users={"ursula"}, user=SimpleAuthManagerUser(username=name, role=role)
        )
        for name, role in (("ursula", "user"), ("otto", "user"), ("root", "admin"))
    }
    assert asked == {"ursula": True, "otto": False, "root": False}
