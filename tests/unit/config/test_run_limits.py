"""A run may tighten the limits on removals; whether it may lift them is the deployment's decision."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from directory_sync.airflow.scope import TaskScope
from directory_sync.config.directory import Directory
from directory_sync.errors import ConfigError


def scope_of(params: dict[str, Any], *, user: str | None = "vera", **settings: Any) -> TaskScope:
    """The scope of a task in a run with these parameters, as Airflow hands them over."""
    directory = Directory(form=dict, settings={"home": Path("/nowhere"), **settings})
    scope = TaskScope(directory, "directory_resource")
    scope.context = {
        "params": {"max_removed_share": None, "max_removed_count": None, **params},
        "dag_run": SimpleNamespace(triggering_user_name=user),
    }
    return scope


def test_a_run_without_limits_of_its_own_has_those_of_the_deployment() -> None:
    scope = scope_of({}, max_removed_count=7)
    assert (scope.limits.max_removed_count, scope.limits.max_removed_share) == (7, 0.05)
    assert scope.raised_limits is None


def test_a_run_may_tighten_the_limits() -> None:
    scope = scope_of({"max_removed_share": 0.0, "max_removed_count": 3})
    assert (scope.limits.max_removed_share, scope.limits.max_removed_count) == (0.0, 3)
    assert scope.raised_limits is None


@pytest.mark.parametrize("given", [{"max_removed_share": 1.0}, {"max_removed_count": 501}])
def test_a_run_that_would_lift_a_limit_reads_nothing(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"`{next(iter(given))}` is .* Nothing was read"):
        _ = scope_of(given).limits


@pytest.mark.parametrize(("user", "named"), [("vera", "by vera"), (None, "by a trigger without a user")])
def test_where_a_run_may_lift_a_limit_it_says_who_did(user: str | None, named: str) -> None:
    scope = scope_of({"max_removed_share": 0.5}, user=user, runs_may_raise_limits=True)
    assert scope.limits.max_removed_share == 0.5
    assert scope.raised_limits == f"max_removed_share 0.5, {named}"
