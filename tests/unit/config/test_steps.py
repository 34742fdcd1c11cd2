"""Steps run in the order of the form; a filter decides, and what cannot hold is refused."""

from typing import Any

import pytest

from directory_sync.config.steps import parse_steps, run_steps
from directory_sync.errors import ConfigError


def run(record: dict[str, Any], *steps: Any) -> tuple[dict[str, Any], bool]:
    return run_steps(record, parse_steps(steps, where="resource `machines`"), form_file="dags/form.py")


def upper(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "name": row["name"].upper()}


def test_steps_run_in_their_order_and_a_filter_sees_what_a_map_made() -> None:
    is_upper = {"filter": lambda row: row["name"].isupper()}
    assert run({"name": "a"}, {"map": upper}, is_upper) == ({"name": "A"}, True)
    assert run({"name": "a"}, is_upper, {"map": upper}) == ({"name": "a"}, False)


def test_one_step_with_both_filters_first_as_in_dlt() -> None:
    assert run({"name": "a"}, {"map": upper, "filter": lambda row: row["name"] == "a"})[1]


def test_no_step_runs_after_the_filter_that_left_the_entry_out() -> None:
    """A map may rely on what a filter before it has seen to; removed entries pass through the steps too."""
    steps = ({"filter": lambda row: "kind" in row}, {"map": lambda row: {**row, "kind": row["kind"].upper()}})
    assert run({"name": "a"}, *steps) == ({"name": "a"}, False)


@pytest.mark.parametrize("kind", ["map", "filter"])
def test_a_step_that_fails_is_named_without_the_record(kind: str) -> None:
    with pytest.raises(
        ConfigError, match=r"Step 2 of .* `machines` failed with KeyError.*dags/form\.py"
    ) as caught:
        run({"name": "SENTINEL"}, {"map": upper}, {kind: lambda row: row[row["name"]]})
    assert "SENTINEL" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_map_that_returns_nothing_is_told_what_leaves_entries_out() -> None:
    with pytest.raises(ConfigError, match=r"returned no mapping.* use a `filter`"):
        run({"name": "a"}, {"map": lambda row: None})


def test_one_entry_is_not_made_several_rows() -> None:
    with pytest.raises(ConfigError, match=r"`yield_map` .* an entry is one row, .* becomes a child table"):
        parse_steps([{"yield_map": iter}], where="resource `machines`")
