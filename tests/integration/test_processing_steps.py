"""`processing_steps` shape rows and leave entries out; proof, key and form go by the API's names."""

from pathlib import Path
from typing import Any

import pytest

from directory_sync.errors import ConfigError
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer

LIMITS = {"max_removed_count": 3, "max_removed_share": 0.5}


@pytest.fixture
def cycle(listing: Listing, tmp_path: Path, postgres: PostgresServer | None) -> Cycle:
    (tmp_path / "home").mkdir()
    return Cycle(url=listing.url, home=tmp_path / "home", postgres=postgres, settings=LIMITS)


def test_what_a_filter_leaves_out_counts_as_absent_within_the_limits(listing: Listing, cycle: Cycle) -> None:
    listing.entries = [
        {"id": n, "kind": f"k{n % 20}", "spec": {"x": 1} if n % 20 else None} for n in range(40)
    ]
    # The list and the path of one entry have those that are left out, and nobody is to be asked about them.
    resource = {"detail_path": "/v1/directory/{id}"}
    steps = [{"filter": lambda row: row["spec"]}, {"map": lambda row: {**row, "x": row["spec"]["x"]}}]
    filtered = cycle.with_(resource={**resource, "processing_steps": steps})
    cycle.with_(resource=resource).run("one")
    second = filtered.run("two")
    assert (second.entries, second.left_out, second.changes["removed"]) == (38, 2, 2)
    assert not listing.asked
    assert [finding.rule for finding in second.findings] == ["filter"]
    assert filtered.changes("two") == [(0, "removed"), (20, "removed")]
    strict = [{"filter": lambda row: row["kind"] in ("k1", "k2", "k3")}]
    held = cycle.with_(resource={**resource, "processing_steps": strict}).run("three")
    assert (held.entries, held.holds.held, held.changes["removed"]) == (6, 32, 0)
    assert len(cycle.ids()) == 38


def test_steps_that_rename_leave_the_names_of_the_form_alone(listing: Listing, cycle: Cycle) -> None:
    def renamed(row: dict[str, Any]) -> dict[str, Any]:
        return {"sys_id": row["sysId"], "title": row["name"], "number": row["no"]}

    cycle = cycle.with_(
        resource={
            "primary_key": "sysId",
            "ignored_fields": ["seen"],
            "sort_field": "no",
            "label_field": "name",
            "processing_steps": [{"map": renamed}],
        }
    )
    listing.entries = [
        {"sysId": f"x{n * 7 % 40}", "no": n, "name": f"Room {n}", "seen": 1} for n in range(40)
    ]
    first = cycle.run("one")
    assert (first.completeness.order, first.findings) == ("observed", ())
    assert cycle.query(f"SELECT title, number FROM {RESOURCE} WHERE sys_id = 'x7'") == [("Room 1", 1)]
    listing.entries = [{**entry, "seen": 2} for entry in listing.entries][10:]
    assert cycle.run("two").changes == {**first.changes, "added": 0, "missing": 10}
    question = cycle.ask("two")
    assert question is not None
    assert ("x0", "Room 0") in question.sample


@pytest.mark.parametrize(
    "step",
    [
        lambda row: {"name": row["name"]},
        lambda row: {**row, "no": float(row["no"])},
        lambda row: {**row, "site": row["site"]["code"]},
    ],
    ids=["drops it", "makes a fraction of it", "moves it to another column"],
)
def test_a_step_that_changes_the_key_is_refused(listing: Listing, cycle: Cycle, step: Any) -> None:
    cycle = cycle.with_(resource={"primary_key": ["site.code", "no"], "processing_steps": [{"map": step}]})
    listing.entries = [{"site": {"code": "a"}, "no": n, "name": "x"} for n in range(3)]
    cycle.extract("one")
    cycle.audit("one")
    with pytest.raises(
        ConfigError, match=r"another `site\.code`, `no`, or none.*merged on `site__code`, `no`"
    ):
        cycle.publish("one")
    assert not cycle.query("SELECT 1 FROM information_schema.tables WHERE table_name = ?", RESOURCE)
